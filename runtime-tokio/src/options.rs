//! What can be set about a driver, with the defaults.

use core::fmt;
use skytether_core::{io::Cause, link::Endpoint};
use skytether_std::{store::Store, tls::Tls};

/// The settings of one driver. Write `Options { store: …, ..Options::default() }`.
#[allow(clippy::exhaustive_structs, reason = "a user writes `Options { …, ..Options::default() }`")]
pub struct Options {
    /// Bytes read from the network at once. Default 16 KiB.
    pub read_buffer: usize,
    /// Commands that may wait in the channel before [`Handle::send`](crate::Handle::send) waits. Default 128.
    pub commands: usize,
    /// Events that may wait for the application before nothing more is read from the network. Default 256.
    pub events: usize,
    /// Steps of the machine before other tasks get their turn. Default 1024.
    pub steps_per_turn: usize,
    /// Whom to trust and which certificate to show where an endpoint asks for TLS; `None` trusts whom the system trusts.
    pub tls: Option<Tls>,
    /// Largest WebSocket message taken, in bytes; at least the largest packet. Default 1 MiB.
    pub websocket_message: usize,
    /// Where values are kept over restarts; `None` answers every request of the machine with a failure.
    pub store: Option<Store>,
    /// Sees everything that passes the pipe; for packet logs.
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

impl Default for Options {
    fn default() -> Self {
        Self {
            read_buffer: 16 * 1024,
            commands: 128,
            events: 256,
            steps_per_turn: 1024,
            tls: None,
            websocket_message: 1024 * 1024,
            store: None,
            tap: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("read_buffer", &self.read_buffer)
            .field("commands", &self.commands)
            .field("events", &self.events)
            .field("steps_per_turn", &self.steps_per_turn)
            .field("tls", &self.tls)
            .field("websocket_message", &self.websocket_message)
            .field("store", &self.store)
            .field("tap", &self.tap.is_some())
            .finish()
    }
}
