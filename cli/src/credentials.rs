//! With what can any other MQTT client connect as this device?

use crate::{
    exit::Failure,
    target::{Target, rng},
};
use serde_json::{Map, Value};
use skytether_core::{
    io::UnixMillis,
    link::{Connect, TlsIdentity},
};

/// What stands for a secret that is not shown.
const HIDDEN: &str = "***";

/// How they are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the command line and tests write it field by field")]
pub struct Shown {
    /// Whether the password is.
    pub secrets: bool,
    /// As one JSON object rather than lines.
    pub json: bool,
}

/// The credentials as text; signed anew each time.
///
/// # Errors
/// [`Failure::Configuration`] where host and port cannot be used, [`Failure::Start`] without randomness.
pub fn text(target: &Target, shown: Shown) -> Result<String, Failure> {
    let endpoint = target.endpoint()?;
    let wall = skytether_std::clock::wall().unwrap_or(UnixMillis(0));
    let connect = target.introduction(&mut rng()?, wall);
    let transport = match (endpoint.tls == TlsIdentity::Plain, &endpoint.path) {
        (true, None) => "tcp",
        (true, Some(_)) => "ws",
        (false, None) => "tls",
        (false, Some(_)) => "wss",
    };
    let mut rows: Vec<(&str, Value)> =
        vec![("host", endpoint.host.into()), ("port", endpoint.port.into()), ("transport", transport.into())];
    if let Some(path) = endpoint.path {
        rows.push(("path", path.into()));
    }
    rows.extend(identity(&connect, shown.secrets));
    rows.push(("keep alive", connect.keep_alive.into()));
    if endpoint.tls == TlsIdentity::Client {
        rows.push(("certificate", "has to be shown in TLS".into()));
    }
    Ok(if shown.json {
        let rows: Map<String, Value> = rows.into_iter().map(|(key, value)| (key.replace(' ', "_"), value)).collect();
        format!("{:#}\n", Value::Object(rows))
    } else {
        rows.into_iter()
            .map(|(key, value)| match value.as_str() {
                Some(text) => format!("{key:<12}{text}\n"),
                None => format!("{key:<12}{value}\n"),
            })
            .collect()
    })
}

fn identity(connect: &Connect, secrets: bool) -> impl Iterator<Item = (&'static str, Value)> {
    let password = connect.password.as_ref().map(|password| {
        if secrets { String::from_utf8_lossy(password.expose()).into_owned() } else { HIDDEN.to_owned() }
    });
    [("client id", Some(connect.client_id.clone())), ("user name", connect.user_name.clone()), ("password", password)]
        .into_iter()
        .filter_map(|(key, text)| Some((key, text?.into())))
}
