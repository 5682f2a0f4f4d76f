//! What a cloud is to the device: dials, commands and what is heard, and the desk it works at.
#![allow(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "the seat's words: a new one must be seen by every cloud"
)]

use crate::{
    backoff::Backoff,
    io::{
        Action, Deadline, Exchange, ExchangeId, Failure, Instant, Key, Rejected, Reply, Slot, StoreFailed, Tag,
        UnixMillis,
    },
    link::{Connect, Endpoint, Link, Notice},
    rng::Rng,
};
use alloc::{boxed::Box, collections::VecDeque};
use core::fmt;

/// What a cloud hears: its link, or the outcome of what it asked of the driver.
#[derive(Clone, Debug)]
pub enum Heard<'b> {
    /// A notice of the link.
    Link(Notice<'b>),
    /// News of a side exchange.
    Reply(ExchangeId, Reply<'b>),
    /// A store or delete is done.
    Stored(Key, Result<(), StoreFailed>),
    /// A value was looked up.
    Loaded(Key, Result<Option<&'b [u8]>, StoreFailed>),
    /// A range of a slot was written.
    Written(Slot, u64, Result<(), StoreFailed>),
    /// The wall time became known, or stepped; it is in [`Cx::wall`].
    Wall,
    /// Time has passed.
    Tick,
}

/// What to do about a connection.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "made once a dial, and taken apart at once")]
pub enum Dial {
    /// Connect there, and introduce yourself so.
    Go(Endpoint, Connect),
    /// Not yet: a reply, a key, the wall time or the cloud's deadline has to come first.
    Wait,
    /// It cannot work; idle until the application says otherwise.
    GiveUp(Fatal),
}

/// Why a device stops trying.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fatal {
    /// The configuration breaks the rule named.
    Invalid(&'static str),
    /// The link cannot do what the cloud needs.
    Unsupported(&'static str),
    /// The store holds a value that cannot be read and must not be overwritten.
    Store(&'static str),
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "the configuration cannot work: {why}"),
            Self::Unsupported(what) => write!(f, "the link does not offer {what}"),
            Self::Store(why) => write!(f, "the stored state cannot be used: {why}"),
        }
    }
}

impl core::error::Error for Fatal {}

/// One thing that a cloud has to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Out<E, A> {
    /// Something for the application to know.
    Event(E),
    /// The one end of a command.
    Done(Tag, Result<A, Failure>),
}

/// What a cloud works with during one call. Not generic: an enum of clouds passes it straight on.
pub struct Cx<'a> {
    /// Now.
    pub now: Instant,
    /// The wall time, where it is known.
    pub wall: Option<UnixMillis>,
    /// The connection.
    pub link: &'a mut dyn Link,
    desk: &'a mut Desk,
}

impl<'a> Cx<'a> {
    /// Lends a cloud its link and its desk for one call.
    pub(crate) fn new(now: Instant, wall: Option<UnixMillis>, link: &'a mut dyn Link, desk: &'a mut Desk) -> Self {
        Self { now, wall, link, desk }
    }

    /// A fresh tag, for traffic of the cloud's own.
    pub fn tag(&mut self) -> Tag {
        self.desk.tag()
    }

    /// The device's generator: ids, nonces, jitter.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.desk.rng
    }

    /// Asks something of the driver; its outcome is heard later.
    pub fn act(&mut self, action: Action) {
        self.desk.actions.push_back(action);
    }

    /// Asks the driver for an HTTP exchange.
    pub fn exchange(&mut self, exchange: Exchange) -> ExchangeId {
        let id = ExchangeId(self.desk.next_exchange);
        self.desk.next_exchange = self.desk.next_exchange.wrapping_add(1);
        self.act(Action::Exchange(id, Box::new(exchange)));
        id
    }

    /// Asks for a new dial: the connection, if there is one, is ended in order, and [`Cloud::dial`] is asked again
    /// without back-off. Nothing of the application's is lost.
    pub fn redial(&mut self) {
        self.desk.redial = true;
    }

    /// Says that the needed subscriptions are granted: application traffic may flow.
    pub fn ready(&mut self) {
        self.link.ready();
        self.desk.ready = true;
    }

    /// Says that a needed subscription was refused.
    pub fn degraded(&mut self) {
        self.desk.degraded = true;
    }
}

/// What the device keeps on the cloud's behalf between calls.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) rng: Rng,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) redial: bool,
    pub(crate) ready: bool,
    pub(crate) degraded: bool,
    next_tag: u32,
    next_exchange: u32,
}

impl Desk {
    pub(crate) fn new(rng: Rng) -> Self {
        Self {
            rng,
            actions: VecDeque::new(),
            redial: false,
            ready: false,
            degraded: false,
            next_tag: 0,
            next_exchange: 0,
        }
    }

    pub(crate) fn tag(&mut self) -> Tag {
        self.next_tag = self.next_tag.wrapping_add(1);
        Tag(self.next_tag)
    }

    /// The tags as they are now, for [`Self::untag`].
    pub(crate) fn tags(&self) -> Tag {
        Tag(self.next_tag)
    }

    /// Takes back the tags given since: what they were for was rejected.
    pub(crate) fn untag(&mut self, since: Tag) {
        self.next_tag = since.0;
    }
}

/// The rules of one cloud, over any link. It knows nothing of bytes, packet ids or modems.
pub trait Cloud {
    /// What an application asks for.
    type Command;
    /// What an application is told.
    type Event;
    /// What a command that succeeded ends in.
    type Answer;

    /// Says where to connect next. Asked when there is no connection and the back-off is over, and again whenever
    /// something was heard after [`Dial::Wait`]. Credentials are made anew at each call.
    fn dial(&mut self, cx: &mut Cx<'_>) -> Dial;

    /// Accepts a command under `tag`, or changes nothing.
    ///
    /// # Errors
    /// [`Rejected`] says why.
    fn command(&mut self, cx: &mut Cx<'_>, tag: Tag, command: &Self::Command) -> Result<(), Rejected>;

    /// Takes in what was heard and says at most one thing. Who has more to say sets its deadline to now and is asked
    /// again by [`Heard::Tick`].
    fn hear(&mut self, cx: &mut Cx<'_>, heard: Heard<'_>) -> Option<Out<Self::Event, Self::Answer>>;

    /// When the cloud wants to hear [`Heard::Tick`].
    fn deadline(&self) -> Option<Deadline>;

    /// How this cloud wants to be dialled again after a failure.
    fn backoff(&self) -> Backoff {
        Backoff::default()
    }
}
