//! What goes wrong on a modem, and how each dialect and each verbosity says it.

use super::config::Dialect;

/// Why a command, or what it began, failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    General,
    InvalidCommand,
    UnknownCommand,
    InvalidParameter,
    ParameterCount,
    UpdateBlocked,
    AccessFailed,
    WifiFailed,
    NotJoined,
    NoSuchSocket,
    NoFreeSocket,
    SocketProtocol,
    SocketTls,
    SocketConnect,
    SocketSend,
    LengthMismatch,
    LeaveNotPermitted,
    JoinNotPermitted,
    JoinFailed,
    SecurityType,
    SecurityParameters,
    Time,
    Mqtt,
}

impl Trouble {
    /// Its number in `AnyCloud`, in RNWF, and its text.
    fn row(self) -> (u8, (u8, u8), &'static str) {
        match self {
            Self::General => (1, (0, 1), "General Error"),
            Self::InvalidCommand => (2, (0, 2), "Invalid AT Command"),
            Self::UnknownCommand => (3, (0, 3), "Unknown AT Command"),
            Self::InvalidParameter => (4, (0, 4), "Invalid Parameter"),
            Self::ParameterCount => (5, (0, 5), "Incorrect Number of Parameters"),
            Self::UpdateBlocked => (6, (0, 6), "Configuration Update Blocked"),
            Self::AccessFailed => (7, (0, 7), "Configuration Access Failed"),
            Self::WifiFailed => (8, (1, 0), "Wi-Fi Request Failed"),
            Self::NotJoined => (9, (1, 1), "STA Not Connected"),
            Self::NoSuchSocket => (10, (14, 0), "Socket ID Not Found"),
            Self::NoFreeSocket => (11, (14, 2), "No Free Sockets"),
            Self::SocketProtocol => (12, (14, 3), "Invalid Socket Protocol"),
            Self::SocketTls => (15, (14, 6), "Socket TLS Failed"),
            Self::SocketConnect => (16, (14, 7), "Socket Connect Failed"),
            Self::SocketSend => (17, (14, 8), "Socket Send Failed"),
            Self::LengthMismatch => (20, (14, 1), "Length Mismatch"),
            Self::LeaveNotPermitted => (21, (20, 0), "STA Disconnect Not Permitted"),
            Self::JoinNotPermitted => (23, (20, 2), "STA Connection Not Permitted"),
            Self::JoinFailed => (24, (20, 3), "STA Connection Failed"),
            Self::SecurityType => (37, (0, 4), "Unsupported Security Type"),
            Self::SecurityParameters => (38, (0, 4), "Invalid Security Parameters"),
            Self::Time => (46, (16, 0), "Time Error"),
            Self::Mqtt => (47, (8, 0), "MQTT Error"),
        }
    }

    /// Its number, as the dialect prints it.
    pub(super) fn code(self, dialect: Dialect) -> String {
        let (anycloud, (module, code), _) = self.row();
        match dialect {
            Dialect::AnyCloud => anycloud.to_string(),
            Dialect::Rnwf => format!("{module}.{code}"),
        }
    }

    /// The whole result at this verbosity, without its line end: `ERROR:47,"MQTT Error"`.
    pub(super) fn result(self, dialect: Dialect, verbosity: u8) -> String {
        let (code, text) = (self.code(dialect), self.row().2);
        match verbosity {
            0 => "1".to_owned(),
            1 => format!("1:{code}"),
            2 => "ERROR".to_owned(),
            3 => format!("ERROR:{code}"),
            4 => format!("ERROR:\"{text}\""),
            _ => format!("ERROR:{code},\"{text}\""),
        }
    }
}

/// The good result at this verbosity.
pub(super) fn ok(verbosity: u8) -> &'static str {
    if verbosity < 2 { "0" } else { "OK" }
}
