//! Where the platform listens, and how a device names itself there: hosts, ports, paths, client ids and user names.

use super::{
    config::{Config, Proof, Transport},
    identity::{HostName, IdScope, ModelId, RegistrationId, Whom},
    percent::Encoded,
};
use crate::{
    cloud::Fatal,
    link::{Abilities, Endpoint, TlsIdentity},
};
use alloc::{
    format,
    string::{String, ToString as _},
};
use core::fmt;

/// The provisioning service everywhere but in China (`….cn`) and for the US government (`….us`).
pub const PROVISIONING: &str = "global.azure-devices-provisioning.net";

/// The domains of the platform's hubs.
pub const HUB_DOMAINS: [&str; 3] = ["azure-devices.net", "azure-devices.cn", "azure-devices.us"];

/// The api version with which hubs are addressed.
pub const HUB_API: &str = "2021-04-12";

/// The api version with which provisioning is addressed.
pub const PROVISIONING_API: &str = "2019-03-31";

/// The path of the platform's WebSocket.
pub const WEBSOCKET: &str = "/$iothub/websocket";

/// The same at a hub for devices that show no certificate, so that the server does not ask for one.
pub const WEBSOCKET_WITHOUT_CERTIFICATE: &str = "/$iothub/websocket?iothub-no-client-cert=true";

/// What CONNECT says of a device, without its proof.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Introduction {
    /// Client id.
    pub client_id: String,
    /// User name.
    pub user_name: String,
}

/// The introduction at the provisioning service: client id `{registration id}`, user name
/// `{scope}/registrations/{registration id}/api-version=2019-03-31[&ClientVersion={product info}]`.
pub fn at_provisioning(scope: &IdScope, id: &RegistrationId, product_info: Option<&str>) -> Introduction {
    let info = Field("ClientVersion", product_info);
    let user_name = format!("{scope}/registrations/{id}/api-version={PROVISIONING_API}{info}");
    Introduction { client_id: id.to_string(), user_name }
}

/// The introduction at a hub: client id `{device}[/{module}]`, user name
/// `{hub}/{device}[/{module}]/?api-version={version}[&DeviceClientType={product info}][&model-id={model}]`.
///
/// ```
/// use skytether_core::azure::{endpoint::{HUB_API, at_hub}, identity::{DeviceId, HostName, ModelId, Whom}};
///
/// let (hub, whom) = (HostName::new("contoso-hub.azure-devices.net")?, Whom::device(DeviceId::new("dev-7")?));
/// let hello = at_hub(&hub, &whom, HUB_API, Some("acme-rs/0.3.0"), Some(&ModelId::new("dtmi:acme:Pump;3")?));
/// assert_eq!(hello.user_name, "contoso-hub.azure-devices.net/dev-7/?api-version=2021-04-12\
///     &DeviceClientType=acme-rs%2F0.3.0&model-id=dtmi%3Aacme%3APump%3B3");
/// # Ok::<(), skytether_core::azure::identity::IdentityError>(())
/// ```
pub fn at_hub(
    hub: &HostName,
    whom: &Whom,
    api_version: &str,
    product_info: Option<&str>,
    model: Option<&ModelId>,
) -> Introduction {
    let (info, model) = (Field("DeviceClientType", product_info), Field("model-id", model.map(ModelId::as_str)));
    let user_name = format!("{hub}/{whom}/?api-version={api_version}{info}{model}");
    Introduction { client_id: whom.to_string(), user_name }
}

/// `&{name}={value}`, or nothing.
struct Field<'a>(&'static str, Option<&'a str>);

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(value) = self.1 else { return Ok(()) };
        write!(f, "&{}={}", self.0, Encoded(value))
    }
}

/// [`at_hub`] as far as the link's user names reach: first the product info is left out, then the model's id, which
/// provisioning has been told already.
pub(super) fn at_hub_within(abilities: &Abilities, hub: &HostName, whom: &Whom, config: &Config) -> Introduction {
    let (info, model) = (config.product_info.as_deref(), config.model.as_ref());
    let whole = at_hub(hub, whom, HUB_API, info, model);
    if whole.user_name.len() <= abilities.user_name {
        return whole;
    }
    let without_info = at_hub(hub, whom, HUB_API, None, model);
    if without_info.user_name.len() <= abilities.user_name {
        return without_info;
    }
    at_hub(hub, whom, HUB_API, None, None)
}

/// [`at_provisioning`] as far as the link's user names reach: the product info is left out first.
pub(super) fn at_provisioning_within(
    abilities: &Abilities,
    scope: &IdScope,
    id: &RegistrationId,
    config: &Config,
) -> Introduction {
    let whole = at_provisioning(scope, id, config.product_info.as_deref());
    if whole.user_name.len() <= abilities.user_name { whole } else { at_provisioning(scope, id, None) }
}

/// Refuses, before anything is dialled, what the link cannot carry.
///
/// # Errors
/// [`Fatal::Unsupported`] names what is too long or missing.
pub(super) fn check(
    abilities: &Abilities,
    hello: &Introduction,
    password: Option<usize>,
    longest_topic: usize,
) -> Result<(), Fatal> {
    let fits = [
        (hello.client_id.len() <= abilities.client_id, "client ids as long as this device's"),
        (hello.user_name.len() <= abilities.user_name, "user names as long as this hub and device need"),
        (password.unwrap_or(0) <= abilities.password, "passwords as long as a token: use a certificate"),
        (longest_topic <= abilities.topic, "topics as long as this device's"),
    ];
    match fits.into_iter().find(|(fits, _)| !fits) {
        Some((_, what)) => Err(Fatal::Unsupported(what)),
        None => Ok(()),
    }
}

/// Where to connect for `host`.
pub(super) fn endpoint(config: &Config, host: &HostName, websocket: &str) -> Endpoint {
    let tls = match (config.transport, &config.proof) {
        (Transport::Tcp, _) => TlsIdentity::Plain,
        (Transport::Tls | Transport::WebSocket, Proof::Certificate) => TlsIdentity::Client,
        (Transport::Tls | Transport::WebSocket, Proof::Key(_) | Proof::Token(_)) => TlsIdentity::Ca,
    };
    let (port, path) = match config.transport {
        Transport::Tls => (8883, None),
        Transport::WebSocket => (443, Some(websocket.into())),
        Transport::Tcp => (1883, None),
    };
    Endpoint { host: host.to_string(), port: config.port.unwrap_or(port), tls, path }
}

/// The path of a hub's WebSocket for this proof.
pub(super) fn hub_websocket(proof: &Proof) -> &'static str {
    match proof {
        Proof::Certificate => WEBSOCKET,
        Proof::Key(_) | Proof::Token(_) => WEBSOCKET_WITHOUT_CERTIFICATE,
    }
}

/// A host of the constants above.
#[allow(clippy::expect_used, reason = "the constants of this file are host names, which a test holds")]
pub(super) fn host(text: &str) -> HostName {
    HostName::new(text).expect("a constant of this file is a host name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        azure::{
            config::Route,
            identity::{DeviceId, DeviceKey},
        },
        link::QoS,
    };

    const WIDE: Abilities = Abilities {
        qos: QoS::AtLeastOnce,
        packet: 4096,
        topic: 256,
        client_id: 128,
        user_name: 300,
        password: 300,
        subscriptions: 5,
        will: true,
    };

    fn config() -> Config {
        let (host, whom) = (host("iotc-00000000-1111-2222-3333-444444444444.azure-devices.net"), device());
        let mut config = Config::new(Route::Hub { host, whom }, Proof::Key(DeviceKey::from_bytes([7; 32])));
        config.model = Some(ModelId::new("dtmi:com:Microchip:WBZ451_Curiosity;1").unwrap());
        config.product_info = Some("acme/1".into());
        config
    }

    fn device() -> Whom {
        Whom::device(DeviceId::new("sn0123FE0CF960432D01").unwrap())
    }

    #[test]
    fn the_platforms_hosts_are_host_names() {
        for text in HUB_DOMAINS.into_iter().chain([PROVISIONING]) {
            assert_eq!(host(text).as_str(), text);
        }
    }

    #[test]
    fn a_short_link_first_loses_the_product_info_then_the_model() {
        let config = config();
        let Route::Hub { host, whom } = &config.route else { panic!("a hub") };
        let user_name = |limit| at_hub_within(&Abilities { user_name: limit, ..WIDE }, host, whom, &config).user_name;
        let (bare, model, whole) = (104, 159, 159 + "&DeviceClientType=acme%2F1".len());
        assert_eq!(user_name(300).len(), whole);
        assert_eq!(user_name(whole).len(), whole);
        assert_eq!(user_name(whole - 1).len(), model);
        assert_eq!(user_name(model - 1).len(), bare);
        // What is still too long is for `check` to refuse.
        assert_eq!(user_name(bare - 1).len(), bare);
    }

    #[test]
    fn what_the_link_cannot_carry_is_named() {
        let hello = at_hub_within(&WIDE, &host("h.net"), &device(), &config());
        assert_eq!(check(&WIDE, &hello, Some(300), 256), Ok(()));
        let cases = [
            ("client ids", Abilities { client_id: 19, ..WIDE }),
            ("user names", Abilities { user_name: hello.user_name.len() - 1, ..WIDE }),
            ("passwords", Abilities { password: 299, ..WIDE }),
            ("topics", Abilities { topic: 255, ..WIDE }),
        ];
        for (word, abilities) in cases {
            let Err(Fatal::Unsupported(what)) = check(&abilities, &hello, Some(300), 256) else { panic!("{word}") };
            assert!(what.contains(word), "{what}");
        }
    }
}
