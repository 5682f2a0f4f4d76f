//! By which of MQTT's ways over a network do packets travel?

use core::{fmt, str::FromStr};

/// How packets travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "MQTT's ways over a network; a program matches them")]
pub enum Transport {
    /// `tcp`: nothing is encrypted.
    Tcp,
    /// `tls`
    #[default]
    Tls,
    /// `ws`: WebSocket; nothing is encrypted.
    Ws,
    /// `wss`: WebSocket on TLS.
    Wss,
}

impl Transport {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Its name: `tcp`, `tls`, `ws` or `wss`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Whether it is encrypted.
    pub fn is_secure(self) -> bool {
        match self {
            Self::Tls | Self::Wss => true,
            Self::Tcp | Self::Ws => false,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "it says one thing")]
pub struct UnknownTransport;

impl fmt::Display for UnknownTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write tcp, tls, ws or wss")
    }
}

impl core::error::Error for UnknownTransport {}

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(name: &str) -> Result<Self, UnknownTransport> {
        Self::ALL.into_iter().find(|transport| transport.name() == name).ok_or(UnknownTransport)
    }
}
