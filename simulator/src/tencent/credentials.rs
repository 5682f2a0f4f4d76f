//! Whether a CONNECT proves which device it comes from. Everything is derived anew here, from the platform's document
//! alone: a slip in the device's own signing must show, not be repeated.

use super::registry::{Credential, Device, Registry};
use crate::broker::policy::{Certificate, Denial, Peer};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use skytether_core::io::Refusal;
use skytether_core::link::Connect;
use skytether_core::secret::Secret;
use skytether_core::time::UnixMillis;

/// Longest keep alive, in seconds.
pub(super) const KEEP_ALIVE: u16 = 900;

/// The device that a CONNECT comes from.
///
/// # Errors
/// Code 2: the client id is no known device's, or keep alive is over 900 s. Code 4: user name or password are wrong or
/// expired. Code 5: the device is disabled, or asks for a will, which the platform does not have.
pub(super) fn check<'r>(
    registry: &'r Registry,
    wall: UnixMillis,
    connect: &Connect,
    peer: &Peer,
) -> Result<&'r Device, Denial> {
    let identifier = |why| Denial::Code(Refusal::IdentifierRejected, why);
    let credentials = |why| Denial::Code(Refusal::BadCredentials, why);
    let device = registry
        .by_client_id(&connect.client_id)
        .ok_or_else(|| identifier("no device has this client id: it is the product id and the device name, joined"))?;
    if connect.keep_alive > KEEP_ALIVE {
        return Err(identifier("keep alive is over 900 s"));
    }
    let user_name = connect.user_name.as_deref().ok_or_else(|| credentials("there is no user name"))?;
    let password = connect.password.as_ref().map(Secret::expose);
    let proof = match device.credential() {
        Credential::Key(_) if holds_psk(peer, &connect.client_id) => Proof::Transport,
        Credential::Key(key) => Proof::Signature(key.expose()),
        Credential::Certificate(expected) => match &peer.certificate {
            Some(Certificate::X509(shown)) if shown == expected => Proof::Transport,
            _ => return Err(credentials("a certificate device must show its certificate in the TLS handshake")),
        },
    };
    let may_lack_expiry = matches!(device.credential(), Credential::Certificate(_));
    user_name_shape(user_name, &connect.client_id, wall, may_lack_expiry).map_err(credentials)?;
    match (proof, password) {
        (Proof::Signature(key), Some(password)) => signature(key, user_name, password).map_err(credentials)?,
        (Proof::Signature(_), None) => return Err(credentials("a key device needs a password")),
        (Proof::Transport, Some([])) => return Err(credentials("the password is empty: leave it out")),
        (Proof::Transport, _) => {}
    }
    let unauthorised = |why| Err(Denial::Code(Refusal::NotAuthorized, why));
    if device.is_disabled() {
        return unauthorised("the device is disabled");
    }
    if connect.will.is_some() {
        return unauthorised("the platform has no wills: leave it out");
    }
    Ok(device)
}

/// What is still to be proved after the transport has had its say.
enum Proof<'r> {
    /// Nothing: TLS has proved it, and the password is not looked at.
    Transport,
    /// The password must be a signature by this key.
    Signature(&'r [u8]),
}

/// Whether the client proved in the TLS handshake that it has the secret of this very device.
fn holds_psk(peer: &Peer, client_id: &str) -> bool {
    matches!(&peer.certificate, Some(Certificate::Psk(name)) if name == client_id)
}

/// `{client id};{sdkappid};{connid};{expiry}`, with an expiry in seconds that has not passed.
fn user_name_shape(
    user_name: &str,
    client_id: &str,
    wall: UnixMillis,
    may_lack_expiry: bool,
) -> Result<(), &'static str> {
    let mut parts = user_name.split(';');
    if parts.next() != Some(client_id) {
        return Err("the user name does not begin with the client id");
    }
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !parts.next().is_some_and(number) {
        return Err("the second part of the user name is not the number of an SDK");
    }
    if parts.next().is_none_or(str::is_empty) {
        return Err("the third part of the user name, the connection id, is missing");
    }
    let expiry = match (parts.next(), parts.next()) {
        (None, None) if may_lack_expiry => return Ok(()),
        (Some(expiry), None) if number(expiry) => expiry,
        (Some(_), None) => return Err("the fourth part of the user name, the expiry, is not a number"),
        (None, _) => return Err("the fourth part of the user name, the expiry, is missing"),
        (Some(_), Some(_)) => return Err("the user name has more than four parts"),
    };
    // Digits beyond 64 bits are a time that never comes.
    match expiry.parse::<u64>().unwrap_or(u64::MAX) {
        0 => Err("the expiry is 0"),
        expiry if expiry < wall.seconds() => Err("the signature has expired: is the device's clock right?"),
        _ => Ok(()),
    }
}

/// `{hex};{method}`: the MAC over the whole user name, in lower-case hexadecimal. Compared in constant time.
fn signature(key: &[u8], user_name: &str, password: &[u8]) -> Result<(), &'static str> {
    const SHAPE: &str = "the password is not {hex};hmacsha1 or {hex};hmacsha256";
    let (hex, method) = core::str::from_utf8(password).ok().and_then(|text| text.split_once(';')).ok_or(SHAPE)?;
    let mac = base16ct::lower::decode_vec(hex).map_err(|_| SHAPE)?;
    let right = match method {
        "hmacsha1" => verifies::<Hmac<Sha1>>(key, user_name, &mac),
        "hmacsha256" => verifies::<Hmac<Sha256>>(key, user_name, &mac),
        _ => return Err(SHAPE),
    };
    if right { Ok(()) } else { Err("the signature is wrong: is the device secret the right one?") }
}

fn verifies<M: Mac + KeyInit>(key: &[u8], text: &str, mac: &[u8]) -> bool {
    let Ok(mut state) = <M as KeyInit>::new_from_slice(key) else {
        return false;
    };
    state.update(text.as_bytes());
    state.verify_slice(mac).is_ok()
}
