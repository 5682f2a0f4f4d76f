//! What can be set about a driver, with the defaults: the same for every runtime.

use crate::{serial::Serial, store::Store, tls::Tls};
use core::{fmt, panic::AssertUnwindSafe, time::Duration};
use skytether_core::{io::Cause, link::Endpoint};
use std::panic::catch_unwind;

/// The settings of one driver. Write `Options { store: …, ..Options::default() }`.
#[allow(clippy::exhaustive_structs, reason = "a user writes `Options { …, ..Options::default() }`")]
pub struct Options {
    /// Bytes read from the network at once. Default 16 KiB; a driver on threads holds three buffers of this size.
    pub read_buffer: usize,
    /// Bytes that may wait for a peer that does not read, beside those in the operating system. Default 16 KiB. Only for
    /// a driver on threads, which holds two buffers of this size; an async one writes straight to the pipe.
    pub write_buffer: usize,
    /// Commands that may wait in the channel before `Handle::send` waits for a place. Default 128.
    pub commands: usize,
    /// Events that may wait for the application before nothing more is read from the network. Default 256.
    pub events: usize,
    /// Steps of the machine before other tasks, or on a thread commands and `Handle::close`, get their turn. Default
    /// 1024.
    pub steps_per_turn: usize,
    /// Whom to trust and which certificate to show where an endpoint or the URL of an exchange asks for TLS; `None`
    /// trusts whom the system trusts.
    pub tls: Option<Tls>,
    /// Largest WebSocket message taken, in bytes; at least the largest packet. Default 1 MiB.
    pub websocket_message: usize,
    /// The serial line that a modem is at; `None` refuses a machine that asks for one.
    pub serial: Option<Serial>,
    /// How long the connection of an HTTP exchange may take to open: name, TCP and TLS together. Default 30 s. How long
    /// the answer may take after that is the machine's to say.
    pub exchange_open: Duration,
    /// Where values and slots are kept over restarts; `None` answers every request of the machine with a failure.
    pub store: Option<Store>,
    /// Sees everything that passes the pipe; for packet logs. HTTP exchanges do not pass it.
    pub tap: Option<Tap>,
}

/// Sees everything that passes the pipe. It must not block; if it panics it is taken off and the device goes on.
pub type Tap = Box<dyn FnMut(Tapped<'_>) + Send>;

/// What a [`Tap`] sees. The bytes are the device's own and carry its password: take care where they are shown.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Tapped<'a> {
    /// A connection is about to be opened.
    Opening(&'a Endpoint),
    /// It is open.
    Opened,
    /// Bytes that came in.
    In(&'a [u8]),
    /// Bytes that were handed to the pipe.
    Out(&'a [u8]),
    /// It ended, or could not be opened.
    Closed(Cause),
}

/// Shows a tap something; one that panics is taken off.
pub fn show(tap: &mut Option<Tap>, tapped: Tapped<'_>) {
    if let Some(shown) = tap
        && catch_unwind(AssertUnwindSafe(|| shown(tapped))).is_err()
    {
        tracing::error!("the tap has panicked and is taken off");
        *tap = None;
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            read_buffer: 16 * 1024,
            write_buffer: 16 * 1024,
            commands: 128,
            events: 256,
            steps_per_turn: 1024,
            tls: None,
            websocket_message: 1024 * 1024,
            serial: None,
            exchange_open: Duration::from_secs(30),
            store: None,
            tap: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("read_buffer", &self.read_buffer)
            .field("write_buffer", &self.write_buffer)
            .field("commands", &self.commands)
            .field("events", &self.events)
            .field("steps_per_turn", &self.steps_per_turn)
            .field("tls", &self.tls)
            .field("websocket_message", &self.websocket_message)
            .field("serial", &self.serial)
            .field("exchange_open", &self.exchange_open)
            .field("store", &self.store)
            .field("tap", &self.tap.is_some())
            .finish()
    }
}
