//! What does a profile say of a device of Azure IoT?

use super::{
    ProfileError, Transport,
    keys::{CA, CLOUD, Field, HOST, Keys, PORT, TRANSPORT},
};
use crate::azure::{
    self, Config, Proof, Provisioning, Route,
    connection_string::{ConnectionString, Secrets},
    endpoint::PROVISIONING,
    identity::{DeviceId, DeviceKey, HostName, IdScope, ModelId, ModuleId, RegistrationId, Whom},
};
use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};
use serde_json::{Map, Value, json};

const TEXT: Field = Field { name: "connection_string", fix: "copy the device's own from the portal" };
const HUB: Field = Field { name: "hub", fix: "write the hub's host name, such as \"contoso-hub.azure-devices.net\"" };
const DEVICE: Field = Field { name: "device_id", fix: "write the device's id in the hub" };
const MODULE: Field = Field { name: "module_id", fix: "write the module's id, or leave it out" };
const SCOPE: Field =
    Field { name: "id_scope", fix: "copy the id scope of the provisioning instance, such as \"0ne…\"" };
const REGISTRATION: Field =
    Field { name: "registration_id", fix: "write the device's registration id: with a certificate, its common name" };
const SERVICE: Field =
    Field { name: "provisioning_host", fix: "write the provisioning service's host name, or leave it out" };
const DOMAINS: Field =
    Field { name: "hub_domains", fix: "list the domains that an assigned hub may be in, or leave it out" };
const KEY: Field = Field { name: "key", fix: "copy the device's key (base64), or name a certificate instead" };
const CERTIFICATE: Field = Field { name: "certificate", fix: "name the device's PEM file, or give a key instead" };
const PRIVATE_KEY: Field = Field { name: "private_key", fix: "name the PEM file with the certificate's key" };
const MODEL: Field =
    Field { name: "model_id", fix: "write the model's id, such as \"dtmi:acme:Pump;3\", or leave it out" };
const PRODUCT: Field = Field { name: "product_info", fix: "write product and version, such as \"acme-pump/1.2\"" };
const FIELDS: [Field; 18] = [
    CLOUD,
    TEXT,
    HUB,
    DEVICE,
    MODULE,
    SCOPE,
    REGISTRATION,
    SERVICE,
    DOMAINS,
    KEY,
    CERTIFICATE,
    PRIVATE_KEY,
    MODEL,
    PRODUCT,
    TRANSPORT,
    HOST,
    PORT,
    CA,
];

/// A device of Azure IoT.
///
/// Who it is stands in `connection_string`; or in `hub`, `device_id` and perhaps `module_id`; or in `id_scope` and
/// `registration_id`, perhaps with `provisioning_host` and `hub_domains`. It proves that by `key`, or by `certificate` with
/// `private_key`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the simulator writes it field by field")]
pub struct AzureProfile {
    /// Which way to which hub.
    pub route: Route,
    /// What proves who the device is.
    pub proof: AzureProof,
    /// `model_id`
    pub model: Option<ModelId>,
    /// `product_info`, sent as `DeviceClientType`.
    pub product_info: Option<String>,
    /// `transport`: `tls` or `wss`, and for a simulator `tcp`. Default `tls`.
    pub transport: Transport,
    /// `host`: where to connect in place of the hub, and of the provisioning service unless `provisioning_host` says
    /// otherwise; for gateways and simulators.
    pub host: Option<HostName>,
    /// `port`, not 0. Default: the transport's usual one.
    pub port: Option<u16>,
    /// `ca`: the PEM file with the authority of the server's certificate; it replaces every other. Default: the system's.
    pub ca: Option<String>,
}

/// What proves who a device is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the platform's two ways")]
pub enum AzureProof {
    /// `key`: the device's own.
    Key(DeviceKey),
    /// A certificate.
    Certificate {
        /// `certificate`: PEM file with the chain, the device's own first.
        certificate: String,
        /// `private_key`: PEM file.
        private_key: String,
    },
}

impl AzureProfile {
    /// A device that goes by `route` and has `proof`, with the default of everything else.
    pub fn new(route: Route, proof: AzureProof) -> Self {
        let transport = Transport::default();
        Self { route, proof, model: None, product_info: None, transport, host: None, port: None, ca: None }
    }

    /// Passes each file name through `join`, which puts the directory of the profile before relative ones.
    #[must_use]
    pub fn resolve(&self, join: impl Fn(&str) -> String) -> Self {
        let mut profile = self.clone();
        profile.ca = self.ca.as_deref().map(&join);
        if let AzureProof::Certificate { certificate, private_key } = &mut profile.proof {
            *certificate = join(certificate);
            *private_key = join(private_key);
        }
        profile
    }

    /// What the client is to be told. The files of a certificate are the driver's.
    pub fn config(&self) -> Config {
        let proof = match &self.proof {
            AzureProof::Key(key) => Proof::Key(key.clone()),
            AzureProof::Certificate { .. } => Proof::Certificate,
        };
        let mut route = self.route.clone();
        if let (Route::Provisioning(provisioning), Some(host)) = (&mut route, &self.host)
            && provisioning.host.as_str() == PROVISIONING
        {
            provisioning.host.clone_from(host);
        }
        let mut config = Config::new(route, proof);
        config.model.clone_from(&self.model);
        config.product_info.clone_from(&self.product_info);
        config.gateway.clone_from(&self.host);
        config.transport = match self.transport {
            Transport::Tcp | Transport::Ws => azure::Transport::Tcp,
            Transport::Tls => azure::Transport::Tls,
            Transport::Wss => azure::Transport::WebSocket,
        };
        config.port = self.port;
        config
    }

    pub(super) fn read(keys: &Keys<'_>) -> Result<Self, ProfileError> {
        keys.only(&FIELDS)?;
        let key = keys.read(KEY, DeviceKey::from_base64)?;
        let files =
            keys.text(CERTIFICATE)?.map(|certificate| Ok((certificate, keys.need(PRIVATE_KEY)?))).transpose()?;
        if files.is_none() && keys.has(PRIVATE_KEY) {
            return Err(ProfileError::Missing(CERTIFICATE));
        }
        let (route, key, gateway) = match keys.read(TEXT, str::parse::<ConnectionString>)? {
            Some(text) => {
                if let Some(field) = [HUB, DEVICE, MODULE, SCOPE, REGISTRATION, KEY].into_iter().find(|f| keys.has(*f))
                {
                    return Err(ProfileError::Both(TEXT, field));
                }
                let key = match text.secrets {
                    Secrets::Key(key) => Some(key),
                    Secrets::Certificate => None,
                };
                (Route::Hub { host: text.host, whom: text.whom }, key, text.gateway)
            }
            None => (route(keys)?, key, None),
        };
        let proof = match (key, files) {
            (Some(_), Some(_)) => return Err(ProfileError::Both(KEY, CERTIFICATE)),
            (Some(key), None) => AzureProof::Key(key),
            (None, Some((certificate, private_key))) => {
                AzureProof::Certificate { certificate: certificate.to_string(), private_key: private_key.to_string() }
            }
            (None, None) => return Err(ProfileError::Missing(KEY)),
        };
        let transport = keys.read(TRANSPORT, str::parse)?.unwrap_or_default();
        if transport == Transport::Ws {
            return Err(ProfileError::Invalid(Field {
                fix: "write \"tls\", \"wss\" or, for a simulator, \"tcp\"",
                ..TRANSPORT
            }));
        }
        Ok(Self {
            route,
            proof,
            model: keys.read(MODEL, ModelId::new)?,
            product_info: keys.text(PRODUCT)?.map(String::from),
            transport,
            host: keys.read(HOST, HostName::new)?.or(gateway),
            port: keys.port()?,
            ca: keys.text(CA)?.map(String::from),
        })
    }

    pub(super) fn write(&self, keys: &mut Map<String, Value>) {
        let mut put = |field: Field, value: Value| keys.insert(field.name.into(), value);
        put(CLOUD, "azure".into());
        match &self.route {
            Route::Hub { host, whom } => {
                put(HUB, host.as_str().into());
                put(DEVICE, whom.device.as_str().into());
                if let Some(module) = &whom.module {
                    put(MODULE, module.as_str().into());
                }
            }
            Route::Provisioning(provisioning) => {
                put(SCOPE, provisioning.scope.as_str().into());
                put(REGISTRATION, provisioning.registration.as_str().into());
                let usual = Provisioning::new(provisioning.scope.clone(), provisioning.registration.clone());
                if provisioning.host != usual.host {
                    put(SERVICE, provisioning.host.as_str().into());
                }
                if provisioning.domains != usual.domains {
                    put(DOMAINS, provisioning.domains.iter().map(HostName::as_str).collect());
                }
            }
        }
        match &self.proof {
            AzureProof::Key(key) => {
                let text = key.to_base64();
                put(KEY, core::str::from_utf8(text.expose()).unwrap_or_default().into());
            }
            AzureProof::Certificate { certificate, private_key } => {
                put(CERTIFICATE, certificate.as_str().into());
                put(PRIVATE_KEY, private_key.as_str().into());
            }
        }
        if let Some(model) = &self.model {
            put(MODEL, model.as_str().into());
        }
        if let Some(product) = &self.product_info {
            put(PRODUCT, product.as_str().into());
        }
        put(TRANSPORT, self.transport.name().into());
        if let Some(host) = &self.host {
            put(HOST, host.as_str().into());
        }
        if let Some(port) = self.port {
            put(PORT, json!(port));
        }
        if let Some(ca) = &self.ca {
            put(CA, ca.as_str().into());
        }
    }
}

fn route(keys: &Keys<'_>) -> Result<Route, ProfileError> {
    if let Some(host) = keys.read(HUB, HostName::new)? {
        if keys.has(SCOPE) {
            return Err(ProfileError::Both(HUB, SCOPE));
        }
        let device = keys.read(DEVICE, DeviceId::new)?.ok_or(ProfileError::Missing(DEVICE))?;
        return Ok(Route::Hub { host, whom: Whom { device, module: keys.read(MODULE, ModuleId::new)? } });
    }
    let scope = keys.read(SCOPE, IdScope::new)?.ok_or(ProfileError::Missing(SCOPE))?;
    let registration = keys.read(REGISTRATION, RegistrationId::new)?.ok_or(ProfileError::Missing(REGISTRATION))?;
    let mut provisioning = Provisioning::new(scope, registration);
    if let Some(host) = keys.read(SERVICE, HostName::new)? {
        provisioning.host = host;
    }
    if let Some(domains) = keys.texts(DOMAINS)? {
        let domains: Result<Vec<_>, _> = domains.map(HostName::new).collect();
        provisioning.domains = domains.map_err(|_| ProfileError::Invalid(DOMAINS))?;
    }
    Ok(Route::Provisioning(provisioning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portable::profile::{Profile, Source};

    const KEY_TEXT: &str = "AAECAwQFBgcICQoLDA0ODw==";

    fn azure(file: &Value) -> Result<AzureProfile, ProfileError> {
        match Source::parse(file.to_string().as_bytes())? {
            Source::Profile(Profile::Azure(profile)) => Ok(*profile),
            other @ (Source::Profile(_) | Source::TencentDevice(_)) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_device_is_named_in_three_ways() {
        let text = format_args!("HostName=h.azure-devices.net;DeviceId=d;SharedAccessKey={KEY_TEXT}").to_string();
        let by_text = azure(&json!({"cloud": "azure", "connection_string": text})).unwrap();
        let by_hub = json!({"cloud": "azure", "hub": "h.azure-devices.net", "device_id": "d", "key": KEY_TEXT});
        assert_eq!(azure(&by_hub).unwrap(), by_text);
        let by_scope = azure(&json!({"cloud": "azure", "id_scope": "0ne00000001", "registration_id": "pump-7",
            "certificate": "d.pem", "private_key": "d.key", "model_id": "dtmi:acme:Pump;3"}));
        let by_scope = by_scope.unwrap();
        assert!(matches!(by_scope.route, Route::Provisioning(_)));
        assert_eq!(by_scope.config().proof, Proof::Certificate);
        let resolved = by_scope.resolve(|name| alloc::format!("/etc/{name}"));
        assert!(matches!(resolved.proof, AzureProof::Certificate { certificate, .. } if certificate == "/etc/d.pem"));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let files = [
            json!({"cloud": "azure", "hub": "h.net", "device_id": "d", "module_id": "m", "key": KEY_TEXT, "port": 1}),
            json!({"cloud": "azure", "id_scope": "0ne1", "registration_id": "r", "provisioning_host": "127.0.0.1",
                "hub_domains": ["localhost"], "certificate": "c", "private_key": "k", "model_id": "dtmi:a;1",
                "product_info": "p/1", "transport": "wss", "host": "127.0.0.1", "port": 8443, "ca": "ca.pem"}),
        ];
        for file in files {
            let profile = azure(&file).unwrap();
            let text = Profile::Azure(profile.clone().into()).to_json();
            assert_eq!(azure(&serde_json::from_str(&text).unwrap()), Ok(profile), "{text}");
        }
    }

    #[test]
    fn each_wrong_key_is_named_with_its_fix() {
        let base = json!({"cloud": "azure", "id_scope": "0ne1", "registration_id": "r", "key": KEY_TEXT});
        let cases = [
            (json!({"key": null}), "`key` cannot be used: copy the device's key (base64)"),
            (json!({"key": "not base64"}), "`key` cannot be used"),
            (json!({"certificate": "c"}), "`private_key` is missing"),
            (json!({"private_key": "k"}), "`certificate` is missing"),
            (json!({"certificate": "c", "private_key": "k"}), "`key` and `certificate` exclude each other"),
            (json!({"hub": "h"}), "`hub` and `id_scope` exclude each other"),
            (json!({"connection_string": "x"}), "`connection_string` cannot be used: copy the device's own"),
            (json!({"transport": "ws"}), "`transport` cannot be used: write \"tls\", \"wss\""),
            (json!({"model_id": "pump"}), "`model_id` cannot be used: write the model's id"),
            (json!({"hub_domains": "localhost"}), "`hub_domains` cannot be used"),
            (json!({"hub_domains": [7]}), "`hub_domains` cannot be used"),
            (json!({"scope": "x"}), "`scope` is no key of a profile: use cloud connection_string hub"),
        ];
        for (change, told) in cases {
            let mut file = base.clone();
            file.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let error = azure(&file).unwrap_err().to_string();
            assert!(error.starts_with(told), "{change}: {error}");
        }
        for (missing, told) in [
            ("id_scope", "`id_scope` is missing"),
            ("registration_id", "`registration_id` is missing"),
            ("key", "`key` is missing"),
        ] {
            let mut file = base.clone();
            file.as_object_mut().unwrap().remove(missing);
            assert!(azure(&file).unwrap_err().to_string().starts_with(told));
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let profile = azure(&json!({"cloud": "azure", "hub": "h", "device_id": "d", "key": KEY_TEXT})).unwrap();
        assert!(!alloc::format!("{profile:?}").contains("AAEC"));
    }
}
