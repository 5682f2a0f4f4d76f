//! Where the platform listens: host, port and transport by region.

use super::identity::ProductId;
use crate::link::{Endpoint, TlsIdentity};
use alloc::{format, string::String};
use core::fmt;

/// A region of the platform.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Region {
    /// China.
    #[default]
    China,
    /// US East (Virginia).
    UsEast,
    /// Europe (Frankfurt).
    Europe,
    /// South-East Asia (Bangkok).
    Bangkok,
}

impl Region {
    /// The region that a configuration names: `china`, `us-east`, `europe` or `ap-bangkok`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "china" => Self::China,
            "us-east" => Self::UsEast,
            "europe" => Self::Europe,
            "ap-bangkok" => Self::Bangkok,
            _ => return None,
        })
    }

    fn mqtt_suffix(self) -> &'static str {
        match self {
            Self::China => "iotcloud.tencentdevices.com",
            Self::UsEast => "us-east.iotcloud.tencentdevices.com",
            Self::Europe => "europe.iothub.tencentdevices.com",
            Self::Bangkok => "ap-bangkok.iothub.tencentdevices.com",
        }
    }

    fn websocket_suffix(self) -> &'static str {
        match self {
            Self::China => "ap-guangzhou.iothub.tencentdevices.com",
            Self::UsEast => "us-east.iothub.tencentdevices.com",
            Self::Europe => "europe.iothub.tencentdevices.com",
            Self::Bangkok => "ap-bangkok.iothub.tencentdevices.com",
        }
    }
}

/// How packets travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Transport {
    /// MQTT on TCP, port 1883. Nothing is encrypted.
    Tcp,
    /// MQTT on TLS, port 8883. The server's certificate is of the platform's own CA, which the driver must be given.
    #[default]
    Tls,
    /// WebSocket, port 80, path `/mqtt`. Nothing is encrypted.
    WebSocket,
    /// WebSocket on TLS, port 443, path `/mqtt`.
    SecureWebSocket,
}

impl Transport {
    /// Its usual port.
    pub fn port(self) -> u16 {
        match self {
            Self::Tcp => 1883,
            Self::Tls => 8883,
            Self::WebSocket => 80,
            Self::SecureWebSocket => 443,
        }
    }

    /// Whether the pipe is encrypted.
    pub fn is_secure(self) -> bool {
        match self {
            Self::Tls | Self::SecureWebSocket => true,
            Self::Tcp | Self::WebSocket => false,
        }
    }

    fn is_websocket(self) -> bool {
        match self {
            Self::WebSocket | Self::SecureWebSocket => true,
            Self::Tcp | Self::Tls => false,
        }
    }
}

/// The path of the WebSocket.
const PATH: &str = "/mqtt";

/// Where to connect: the platform's own host by default, or one that the user names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Server { transport: …, ..Server::default() }`")]
pub struct Server {
    /// Region; chooses the host. Default China.
    pub region: Region,
    /// Transport; chooses the port and, for WebSocket, another host. Default TLS.
    pub transport: Transport,
    /// A host that replaces the platform's whole, unchanged: a private deployment or a simulator.
    pub domain: Option<String>,
    /// A port that replaces the usual one.
    pub port: Option<u16>,
}

/// Why a server cannot be connected to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// The domain is empty, or a URL, or holds a character that no host has.
    Domain,
    /// The port is 0.
    Port,
    /// A certificate can only be shown in TLS.
    CertificateInClear,
}

impl ServerError {
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Domain => "the domain must be a bare host name or address, without scheme, port or path",
            Self::Port => "the port must not be 0",
            Self::CertificateInClear => "a certificate device needs TLS or wss",
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why())
    }
}

impl core::error::Error for ServerError {}

impl Server {
    /// The endpoint for a device of `product`, which shows a certificate or does not.
    ///
    /// # Errors
    /// [`ServerError`] says what cannot work.
    pub fn endpoint(&self, product: &ProductId, certificate: bool) -> Result<Endpoint, ServerError> {
        if certificate && !self.transport.is_secure() {
            return Err(ServerError::CertificateInClear);
        }
        let suffix =
            if self.transport.is_websocket() { self.region.websocket_suffix() } else { self.region.mqtt_suffix() };
        let host = match &self.domain {
            Some(domain) if !is_host(domain) => return Err(ServerError::Domain),
            Some(domain) => domain.clone(),
            None => format!("{product}.{suffix}"),
        };
        let port = match self.port {
            Some(0) => return Err(ServerError::Port),
            Some(port) => port,
            None => self.transport.port(),
        };
        let tls = match (self.transport.is_secure(), certificate) {
            (false, _) => TlsIdentity::Plain,
            (true, false) => TlsIdentity::Ca,
            (true, true) => TlsIdentity::Client,
        };
        Ok(Endpoint { host, port, tls, path: self.transport.is_websocket().then(|| PATH.into()) })
    }
}

/// Letters, digits, dots, hyphens; colons of an IPv6 address, which has at least two of them.
fn is_host(text: &str) -> bool {
    let colons = text.bytes().filter(|byte| *byte == b':').count();
    !text.is_empty()
        && colons != 1
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    fn at(server: &Server) -> String {
        server.endpoint(&ProductId::new("UJDZES2SR2").unwrap(), false).unwrap().to_string()
    }

    #[test]
    fn each_region_and_transport_has_its_host_and_port() {
        let cases = [
            (Region::China, Transport::Tcp, "tcp://UJDZES2SR2.iotcloud.tencentdevices.com:1883"),
            (Region::China, Transport::Tls, "tls://UJDZES2SR2.iotcloud.tencentdevices.com:8883"),
            (Region::China, Transport::WebSocket, "ws://UJDZES2SR2.ap-guangzhou.iothub.tencentdevices.com:80/mqtt"),
            (
                Region::China,
                Transport::SecureWebSocket,
                "wss://UJDZES2SR2.ap-guangzhou.iothub.tencentdevices.com:443/mqtt",
            ),
            (Region::UsEast, Transport::Tls, "tls://UJDZES2SR2.us-east.iotcloud.tencentdevices.com:8883"),
            (Region::UsEast, Transport::WebSocket, "ws://UJDZES2SR2.us-east.iothub.tencentdevices.com:80/mqtt"),
            (Region::Europe, Transport::Tls, "tls://UJDZES2SR2.europe.iothub.tencentdevices.com:8883"),
            (Region::Bangkok, Transport::Tls, "tls://UJDZES2SR2.ap-bangkok.iothub.tencentdevices.com:8883"),
        ];
        for (region, transport, url) in cases {
            assert_eq!(at(&Server { region, transport, ..Server::default() }), url);
        }
    }

    #[test]
    fn a_users_domain_replaces_the_whole_host_unchanged() {
        let server = Server { domain: Some("Iot.Example.com".into()), port: Some(18883), ..Server::default() };
        assert_eq!(at(&server), "tls://Iot.Example.com:18883");
        let local = Server { domain: Some("::1".into()), transport: Transport::Tcp, ..Server::default() };
        assert_eq!(local.endpoint(&ProductId::new("P").unwrap(), false).unwrap().host, "::1");
    }

    #[test]
    fn a_url_is_no_domain_and_zero_is_no_port() {
        let product = ProductId::new("P").unwrap();
        for domain in ["", "tcp://host", "host:1883", "host/path", "a host"] {
            let server = Server { domain: Some(domain.into()), ..Server::default() };
            assert_eq!(server.endpoint(&product, false), Err(ServerError::Domain), "{domain}");
        }
        let server = Server { port: Some(0), ..Server::default() };
        assert_eq!(server.endpoint(&product, false), Err(ServerError::Port));
    }

    #[test]
    fn a_certificate_is_shown_in_tls_only() {
        let product = ProductId::new("P").unwrap();
        let endpoint = Server::default().endpoint(&product, true).unwrap();
        assert_eq!(endpoint.tls, TlsIdentity::Client);
        for transport in [Transport::Tcp, Transport::WebSocket] {
            let server = Server { transport, ..Server::default() };
            assert_eq!(server.endpoint(&product, true), Err(ServerError::CertificateInClear));
        }
    }
}
