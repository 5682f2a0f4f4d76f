//! What does a modem say, and what became of what was asked of it?

use super::{Dialect, Incoming};
use crate::{
    io::{Cause, UnixMillis},
    link::QoS,
};
use alloc::boxed::Box;

/// What a modem says, or what became of what was asked of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event<'b> {
    /// It listens, and does not echo any more.
    Started,
    /// It is of this family.
    Model(Dialect),
    /// It reports errors with code and text, and its family is known.
    Probed,
    /// It is on the network.
    Joined,
    /// The question for the time is over, with [`Event::Time`] before it or without.
    Clocked,
    /// It is connected.
    Connected {
        /// Whether the server kept the session; never told on AnyCloud.
        session_present: bool,
    },
    /// The server refused the connection, with this return code (on AnyCloud 1, whatever the reason).
    Refused(u8),
    /// The connection has ended, as was asked.
    Left,
    /// The connection is lost.
    Disconnected,
    /// The modem has connected again by itself: a new session, without subscriptions.
    Reconnected,
    /// Whether it says that it is connected.
    Checked(bool),
    /// A subscription was granted at this level, or refused.
    Subscribed(Option<QoS>),
    /// Whether a subscription was dropped.
    Unsubscribed(bool),
    /// Whether a message was acknowledged (at QoS 0: taken).
    Published(bool),
    /// A command of [`Client::command`](super::Client::command) ended well.
    Answered,
    /// A subscription, message or command ended in an error.
    CommandError {
        /// The name of the command, with its sign.
        command: Box<str>,
        /// The code as one number, see [`Fault::number`](super::Fault::number).
        number: u16,
        /// The code as it is written.
        code: Option<Box<str>>,
        /// The text.
        message: Option<Box<str>>,
    },
    /// What was asked was not answered, or not acknowledged in time.
    TimedOut,
    /// Joining, connecting or the modem itself failed.
    Failed(Cause),
    /// A message came in.
    Message(Incoming<'b>),
    /// It has an address on the network now, or has left the network.
    Link(bool),
    /// It tells the wall time.
    Time(UnixMillis),
    /// It has restarted by itself and knows nothing any more.
    Restarted,
    /// It said something that a modem which has not restarted would not say.
    Doubt,
    /// It said something that was skipped, for the reason named.
    Skipped(&'static str),
}
