//! What does a profile say of a device of Tencent Cloud IoT Hub?

use super::{
    ProfileError, Transport,
    keys::{CA, CLOUD, Field, HOST, Keys, PORT, TRANSPORT},
};
use crate::tencent::endpoint::{self, Region, Server};
use alloc::string::{String, ToString as _};
use serde_json::{Map, Value};

const DEVICE_INFO: Field = Field { name: "device_info", fix: "name the device's file, such as \"device_info.json\"" };
const FIELDS: [Field; 6] = [CLOUD, DEVICE_INFO, TRANSPORT, HOST, PORT, CA];

/// A device of Tencent Cloud IoT Hub.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the simulator writes it field by field")]
pub struct TencentProfile {
    /// `device_info`: the file with the identity, in the platform's own form.
    pub device_info: String,
    /// `transport`. Default `tls`.
    pub transport: Transport,
    /// `host`, a bare name or address. Default: the platform's own, by product, region and transport.
    pub host: Option<String>,
    /// `port`, not 0. Default: the transport's usual one.
    pub port: Option<u16>,
    /// `ca`: the PEM file with the authority of the server's certificate; it replaces every other. Default: the one
    /// that the device's own file names, or the system's.
    pub ca: Option<String>,
}

impl TencentProfile {
    /// Passes each file name through `join`, which puts the directory of the profile before relative ones.
    #[must_use]
    pub fn resolve(&self, join: impl Fn(&str) -> String) -> Self {
        let (device_info, ca) = (join(&self.device_info), self.ca.as_deref().map(join));
        Self { device_info, ca, ..self.clone() }
    }

    /// Where to connect, for a device of this region.
    pub fn server(&self, region: Region) -> Server {
        Server { region, transport: self.transport.into(), domain: self.host.clone(), port: self.port }
    }

    pub(super) fn read(keys: &Keys<'_>) -> Result<Self, ProfileError> {
        keys.only(&FIELDS)?;
        Ok(Self {
            device_info: keys.need(DEVICE_INFO)?.to_string(),
            transport: keys.read(TRANSPORT, str::parse)?.unwrap_or_default(),
            host: keys.text(HOST)?.map(String::from),
            port: keys.port()?,
            ca: keys.text(CA)?.map(String::from),
        })
    }

    pub(super) fn write(&self, keys: &mut Map<String, Value>) {
        keys.insert(CLOUD.name.into(), "tencent".into());
        keys.insert(DEVICE_INFO.name.into(), self.device_info.as_str().into());
        keys.insert(TRANSPORT.name.into(), self.transport.name().into());
        keys.extend(self.host.as_deref().map(|host| (HOST.name.into(), host.into())));
        keys.extend(self.port.map(|port| (PORT.name.into(), port.into())));
        keys.extend(self.ca.as_deref().map(|ca| (CA.name.into(), ca.into())));
    }
}

impl From<Transport> for endpoint::Transport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Tcp,
            Transport::Tls => Self::Tls,
            Transport::Ws => Self::WebSocket,
            Transport::Wss => Self::SecureWebSocket,
        }
    }
}
