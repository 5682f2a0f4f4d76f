//! Modems that speak MQTT themselves and are told what to do by AT commands over a serial line (Microchip's AnyCloud,
//! RNWF02 and RNWF11).

mod line;
mod message;
mod options;
mod record;
mod value;

pub mod encode;

pub use options::{Dialect, Security, Timers, Tls, Wifi};
pub use record::{Fault, Incoming, Line, Parser, Record};
pub use value::Value;
