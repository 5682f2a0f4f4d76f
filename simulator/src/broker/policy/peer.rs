//! What the transport knows of a client before it has said a word.

use core::fmt;

/// How a client reached the broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Transport {
    /// MQTT straight on TCP.
    #[default]
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket over TCP.
    WebSocket,
    /// WebSocket over TLS.
    SecureWebSocket,
}

impl Transport {
    /// The scheme of its URLs: `tcp`, `tls`, `ws` or `wss`.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::WebSocket => "ws",
            Self::SecureWebSocket => "wss",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme())
    }
}

/// What a client proved in the TLS handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Certificate {
    /// It holds the key of this certificate (DER).
    X509(Vec<u8>),
    /// It holds the pre-shared key of this name.
    Psk(String),
}

/// The other end of a connection, as the transport sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "transports and tests write `Peer { transport: …, ..Peer::default() }`")]
pub struct Peer {
    /// The way it came.
    pub transport: Transport,
    /// Its address as text, for the trace.
    pub address: Option<String>,
    /// The host name it asked for (SNI, or the Host header of a WebSocket).
    pub server_name: Option<String>,
    /// What it proved of itself.
    pub certificate: Option<Certificate>,
    /// The authority (DER) that the transport has found to have signed the certificate, by way of the chain that the
    /// client sent. `None` where no known one did, or the transport did not look.
    pub authority: Option<Vec<u8>>,
}
