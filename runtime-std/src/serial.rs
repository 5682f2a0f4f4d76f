//! Which serial line is a modem at, how is it set, and what does an error of opening it mean?
#![allow(clippy::wildcard_enum_match_arm, reason = "the kinds of errors are the standard library's to extend")]

use core::{fmt, str::FromStr};
use serial2::{FlowControl, Settings};
use skytether_core::io::Cause;
use std::{io, path::PathBuf};

/// A serial line: where it is, and how fast. 8 data bits, no parity, 1 stop bit.
///
/// ```
/// use skytether_std::serial::{Place, Serial};
///
/// let modem = Serial::at("/dev/ttyUSB0");
/// assert_eq!((modem.baud, modem.flow), (230_400, false));
/// let emulated = Serial::at("tcp://127.0.0.1:7001");
/// assert_eq!(emulated.place, Place::Tcp { host: "127.0.0.1".into(), port: 7001 });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Serial { …, ..Serial::at(…) }`")]
pub struct Serial {
    /// Where it is.
    pub place: Place,
    /// Bits a second. Default 230 400, what `AnyCloud` modules speak from the factory. Without meaning
    /// over TCP and on a pseudo-terminal.
    pub baud: u32,
    /// Whether both sides hold each other up by RTS and CTS. Default no.
    pub flow: bool,
}

/// Where a serial line is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "runtimes match it, and a new kind must be opened by all")]
pub enum Place {
    /// A device of the system (`/dev/ttyUSB0`, `COM3`) or a pseudo-terminal.
    Device(PathBuf),
    /// The bytes of the line over TCP, as emulated modems and serial servers speak them.
    Tcp {
        /// Host name or address.
        host: String,
        /// TCP port.
        port: u16,
    },
}

impl Serial {
    /// The line at `place`, which is a path or `tcp://host:port`, with the defaults. A `tcp://` without a port is taken
    /// for a path, and opening it says that there is none.
    pub fn at(place: &str) -> Self {
        Self { place: Place::of(place), baud: 230_400, flow: false }
    }

    /// What is opened is set to: raw bytes, the baud rate, flow control. For the `open` of serial2 and of the crates upon
    /// it.
    ///
    /// # Errors
    /// What the system says where it does not offer the baud rate.
    pub fn set(&self, mut settings: Settings) -> io::Result<Settings> {
        settings.set_raw();
        settings.set_baud_rate(self.baud)?;
        settings.set_flow_control(if self.flow { FlowControl::RtsCts } else { FlowControl::None });
        Ok(settings)
    }
}

impl FromStr for Serial {
    type Err = core::convert::Infallible;

    fn from_str(place: &str) -> Result<Self, Self::Err> {
        Ok(Self::at(place))
    }
}

impl Place {
    fn of(place: &str) -> Self {
        let address = place.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':'));
        match address.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
            Some((host, port)) => Self::Tcp { host: host.to_owned(), port },
            None => Self::Device(place.into()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => path.display().fmt(f),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

/// Why a device could not be opened or set, with what would help.
pub fn of_open(error: &io::Error) -> Cause {
    Cause::Serial(match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "permission denied; add the user to the group dialout (usermod -a -G dialout USER) and log in again"
        }
        io::ErrorKind::NotFound => "there is no such device; plug the modem in, or give the path that it has now",
        io::ErrorKind::ResourceBusy => "another program holds it; end that program",
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
            "it does not take the settings; give a baud rate that it offers"
        }
        _ if is_no_terminal(error) => "it is no serial line; give the path of one, or tcp://host:port",
        _ => "the system could not open it; the log has its reason",
    })
}

/// ENOTTY, for which the standard library has no kind of its own.
fn is_no_terminal(error: &io::Error) -> bool {
    cfg!(unix) && error.raw_os_error() == Some(25)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_an_address_and_prints_as_it_was_given() {
        for place in ["/dev/ttyUSB0", "COM3", "tcp://[::1]:7001", "tcp://modem.local:1"] {
            assert_eq!(Serial::at(place).place.to_string(), place);
        }
        assert!(matches!(Serial::at("tcp://[::1]:7001").place, Place::Tcp { port: 7001, .. }));
        for path in ["tcp://host", "tcp://host:99999", "tcp://host:", "/dev/serial:1"] {
            assert!(matches!(Serial::at(path).place, Place::Device(_)), "{path}");
        }
    }

    #[test]
    fn each_error_of_opening_names_its_fix() {
        let said = |kind: io::ErrorKind| of_open(&kind.into()).to_string();
        assert!(said(io::ErrorKind::PermissionDenied).contains("group dialout"));
        assert!(said(io::ErrorKind::NotFound).contains("plug the modem in"));
        assert!(said(io::ErrorKind::ResourceBusy).contains("end that program"));
        assert!(said(io::ErrorKind::InvalidInput).contains("baud rate"));
    }
}
