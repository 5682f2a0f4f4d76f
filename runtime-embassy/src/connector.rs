//! What opens pipes: the one trait between a driver and whatever carries its bytes.
#![allow(
    async_fn_in_trait,
    reason = "an executor of a microcontroller runs all of it in one place: nothing needs Send"
)]

use embedded_io_async::{Read, Write};
use skytether_core::io::{Cause, Pipe};

/// Opens the pipes that a machine asks for.
///
/// An implementation connects, hands the two halves to `talk`, and once that returns closes what it opened. All of the
/// connection lives inside the one call: halves may borrow from the connector or from the call's own variables, and a
/// connector may stand on another one (TLS on TCP) by handing it a conversation of its own.
///
/// ```
/// use embedded_io_async::{Read, Write};
/// use skytether_core::io::{Cause, Pipe};
/// use skytether_embassy::{Connector, Conversation};
///
/// /// A line that is always there.
/// struct Wire<R, W>(R, W);
///
/// impl<R: Read, W: Write> Connector for Wire<R, W> {
///     async fn open<T: Conversation>(&mut self, _pipe: &Pipe, talk: T) -> Cause {
///         talk.hold(&mut self.0, &mut self.1).await
///     }
/// }
/// ```
pub trait Connector {
    /// Opens a pipe, holds `talk` over it, and closes it; says why it ended or could not be opened.
    ///
    /// The call is dropped where the machine does not want the pipe any more before `talk` began. Once it has begun, it
    /// is told by returning [`Cause::Asked`], and the call has half a second for a farewell before it is dropped.
    /// Where `talk` says [`Cause::Lost`] a connector that knows better (a certificate refused, an end without farewell)
    /// says so instead.
    async fn open<T: Conversation>(&mut self, pipe: &Pipe, talk: T) -> Cause;
}

impl<K: Connector> Connector for &mut K {
    async fn open<T: Conversation>(&mut self, pipe: &Pipe, talk: T) -> Cause {
        (**self).open(pipe, talk).await
    }
}

/// What is done over an open pipe; a [`Connector`] hands it the halves.
pub trait Conversation {
    /// Reads and writes until the pipe ends, or is to be ended ([`Cause::Asked`]). Neither half's futures are dropped
    /// in the middle while the pipe is wanted, so that halves need not be cancel safe.
    async fn hold<R: Read, W: Write>(self, reader: R, writer: W) -> Cause;
}
