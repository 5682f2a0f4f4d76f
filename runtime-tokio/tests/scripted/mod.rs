//! The scripted machine, on pipes made of memory.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

use skytether_core::io::{Cause, Pipe};
pub(crate) use skytether_testing::script::{CLOSE_LIMIT, Log, Script, Told, exchange, secret};
use skytether_tokio::Connector;
use std::{
    collections::VecDeque,
    future::{Future, pending},
    sync::{Arc, Mutex},
};
use tokio::io::{DuplexStream, duplex};

/// What the next attempt to open a pipe meets.
pub(crate) enum Plug {
    Stream(DuplexStream),
    Fails(Cause),
    /// Never opens; the value is dropped with the attempt.
    Never(Arc<()>),
}

/// Opens the pipes that a test has laid out; after the last, attempts never end.
#[derive(Clone, Default)]
pub(crate) struct Wires(Arc<Mutex<VecDeque<Plug>>>);

impl Wires {
    pub(crate) fn push(&self, plug: Plug) {
        self.0.lock().unwrap().push_back(plug);
    }

    /// Lays a pipe that holds `size` bytes each way; returns the peer's end.
    pub(crate) fn lay(&self, size: usize) -> DuplexStream {
        let (ours, peer) = duplex(size);
        self.push(Plug::Stream(ours));
        peer
    }
}

impl Connector for Wires {
    type Stream = DuplexStream;

    fn open(&self, _: &Pipe) -> impl Future<Output = Result<DuplexStream, Cause>> + Send + 'static {
        let plug = self.0.lock().unwrap().pop_front();
        async move {
            match plug {
                Some(Plug::Stream(stream)) => Ok(stream),
                Some(Plug::Fails(cause)) => Err(cause),
                Some(Plug::Never(held)) => {
                    pending::<()>().await;
                    drop(held);
                    Err(Cause::Lost)
                }
                None => pending().await,
            }
        }
    }
}
