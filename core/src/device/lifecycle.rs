//! When a device dials, waits, hangs up and ends: its one state and its time limits. Knows neither link nor cloud; it is
//! told what happened and says what follows.

use super::record::Record;
use crate::{
    backoff::Backoff,
    io::{Cause, Deadline, Instant},
};
use core::{mem, time::Duration};

/// The time limits of a connection's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Config { drain: …, ..Config::default() }`")]
pub struct Config {
    /// How long opening a pipe may take: name, TCP, TLS. Default 30 s.
    pub open_timeout: Duration,
    /// How long [`close`](crate::io::Machine::close) may take in all, `drain` included. Default 5 s.
    pub close_timeout: Duration,
    /// How long messages in flight may wait for their acknowledgement when the device closes. Default: not at
    /// all; they end as [`Failure::Closed`](crate::io::Failure::Closed).
    pub drain: Option<Duration>,
    /// The first dial comes at a random moment within this time, so that a fleet that gets its power back at once does
    /// not dial at once. Default: at once.
    pub first_dial: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            open_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
            drain: None,
            first_dial: Duration::ZERO,
        }
    }
}

/// The one state. Bytes may wait for the pipe in `Connecting`, `Up` and `HangingUp` only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The cloud gave up.
    Idle,
    /// The back-off runs.
    Waiting { until: Instant },
    /// The cloud said `Wait`, or (with a moment) the link could not take the dial yet.
    Dialling { until: Option<Instant> },
    /// The driver opens the pipe; no limit runs until `Action::Open` has gone out.
    Opening { until: Option<Instant> },
    /// The link introduces itself.
    Connecting,
    /// The peer accepted; `ready` was told or not.
    Up { ready: bool },
    /// The link says farewell.
    HangingUp { until: Instant },
    /// `Action::Close` is on its way; `cause` is ours, where we had one.
    Closing { until: Instant, cause: Option<Cause> },
    /// The link was told that the pipe is gone; its `Down` comes next.
    Ended { cause: Cause },
    /// No dial follows; what the link still held comes out.
    Finishing,
    /// All is told.
    Closed,
}

/// Who wants the next dial without back-off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Haste {
    #[default]
    None,
    /// The application: this once.
    Application,
    /// The cloud: so many times in a row.
    Cloud,
}

/// What has to be done because its time has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// Give `Action::Close`.
    Close(Cause),
    /// The driver never answered `Action::Close`: tell the link that the pipe is gone.
    Gone(Cause),
}

/// How a connection, or the lack of one, is brought to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// Nothing to do: it is ending already, or there is nothing to end.
    Nothing,
    /// Ask the link to say farewell.
    HangUp,
    /// Give `Action::Close`.
    Close,
    /// `Action::Open` has not gone out yet: take it back and tell the link.
    Withdraw,
    /// Tell the link that no dial follows.
    Finish,
}

/// What a link's `Down` means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fall {
    /// It was told before.
    Known,
    /// The link is done with a pipe that is still open: give `Action::Close`; the end is told when the pipe is gone, so
    /// that no new one is opened beside it.
    Close,
    /// `Action::Close` is on its way already: as above.
    Later,
    /// This is the end.
    Now {
        /// Connections keep ending right after they begin; said once.
        suspected: bool,
        /// No dial follows: tell the link.
        finish: bool,
    },
}

/// How long a driver may take to answer `Action::Close`.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
#[derive(Debug)]
pub(super) struct Lifecycle {
    config: Config,
    state: State,
    record: Record,
    /// `close` was called; it ends by then.
    close_by: Option<Instant>,
    /// A dial was made whose `Down` has not been told.
    dialled: bool,
    /// The driver has a pipe of ours and was not told to close it.
    pipe: bool,
    up_since: Option<Instant>,
    haste: Haste,
}

impl Lifecycle {
    /// Dials at once.
    pub(super) fn new(config: Config, first_dial: Instant) -> Self {
        Self {
            config,
            state: State::Waiting { until: first_dial },
            record: Record::default(),
            close_by: None,
            dialled: false,
            pipe: false,
            up_since: None,
            haste: Haste::None,
        }
    }

    /// Whether the cloud is to be asked where to dial. `heard`: something has changed since it said `Wait`.
    pub(super) fn wants_dial(&self, now: Instant, heard: bool) -> bool {
        match self.state {
            State::Waiting { until } | State::Dialling { until: Some(until) } => until <= now,
            State::Dialling { until: None } => heard,
            State::Idle
            | State::Opening { .. }
            | State::Connecting
            | State::Up { .. }
            | State::HangingUp { .. }
            | State::Closing { .. }
            | State::Ended { .. }
            | State::Finishing
            | State::Closed => false,
        }
    }

    /// The cloud said `Wait`.
    pub(super) fn cloud_waits(&mut self) {
        self.state = State::Dialling { until: None };
    }

    /// The link cannot take a dial yet; asked again after the back-off.
    pub(super) fn link_waits(&mut self, now: Instant, backoff: &Backoff, random: u64) {
        let wait = self.record.failed(Cause::Lost, backoff, random);
        self.state = State::Dialling { until: Some(now.after(wait)) };
    }

    /// The cloud gave up, or the link refused its dial for good.
    pub(super) fn give_up(&mut self) {
        self.state = State::Idle;
    }

    /// The link took the dial; `Action::Open` follows.
    pub(super) fn dialled(&mut self, now: Instant) {
        self.state = State::Opening { until: None };
        self.dialled = true;
        self.pipe = true;
        self.up_since = None;
        self.haste = Haste::None;
        self.record.dialled(now);
    }

    /// `Action::Open` goes out.
    pub(super) fn open_given(&mut self, now: Instant) {
        self.state = State::Opening { until: Some(now.after(self.config.open_timeout)) };
        self.record.dialled(now);
    }

    /// The driver says that the pipe is open; `false` where none was being opened.
    pub(super) fn opened(&mut self, now: Instant) -> bool {
        let expected = matches!(self.state, State::Opening { until: Some(_) });
        if expected {
            self.state = State::Connecting;
            // CONNECT leaves now, and that is what the platform counts.
            self.record.dialled(now);
        }
        expected
    }

    /// The driver says that the pipe is gone; the cause to tell the link, or `None` where there was no pipe.
    pub(super) fn closed(&mut self, told: Cause) -> Option<Cause> {
        let cause = match self.state {
            State::Opening { until: Some(_) } | State::Connecting | State::Up { .. } | State::HangingUp { .. } => told,
            State::Closing { cause, .. } => cause.unwrap_or(told),
            State::Idle
            | State::Waiting { .. }
            | State::Dialling { .. }
            | State::Opening { until: None }
            | State::Ended { .. }
            | State::Finishing
            | State::Closed => return None,
        };
        self.pipe = false;
        self.state = State::Ended { cause };
        Some(cause)
    }

    /// The peer accepted; `false` where that is not expected.
    pub(super) fn up(&mut self, now: Instant) -> bool {
        let expected = self.state == State::Connecting;
        if expected {
            self.state = State::Up { ready: false };
            self.up_since = Some(now);
            self.record.accepted();
        }
        expected
    }

    /// The cloud is ready; `true` the first time in a connection.
    pub(super) fn first_ready(&mut self) -> bool {
        let first = self.state == State::Up { ready: false };
        if first {
            self.state = State::Up { ready: true };
        }
        first
    }

    /// The link says that the connection is down.
    pub(super) fn down(&mut self, now: Instant, cause: Cause, backoff: &Backoff, random: u64) -> Fall {
        if !self.dialled {
            return Fall::Known;
        }
        if self.pipe {
            self.close_given(now, Some(cause));
            return Fall::Close;
        }
        if let State::Closing { cause: ours, .. } = &mut self.state {
            ours.get_or_insert(cause);
            return Fall::Later;
        }
        self.dialled = false;
        let life = self.up_since.take().map(|since| now.since(since));
        let suspected = life.is_some_and(|life| self.record.lived(life, cause, backoff));
        let wait = self.wait_after(cause, backoff, random);
        let finish = self.close_by.is_some();
        self.state = if finish {
            State::Finishing
        } else {
            State::Waiting { until: now.after(wait).max(self.record.gap_end(now, backoff)) }
        };
        Fall::Now { suspected, finish }
    }

    /// How long until the next dial, while that is known.
    pub(super) fn retry(&self, now: Instant) -> Option<Duration> {
        let State::Waiting { until } = self.state else { return None };
        Some(until.since(now))
    }

    /// `Action::Close` goes out, or will next.
    pub(super) fn close_given(&mut self, now: Instant, cause: Option<Cause>) {
        let grace = now.after(CLOSE_GRACE);
        self.pipe = false;
        self.state = State::Closing { until: self.close_by.map_or(grace, |by| by.min(grace)), cause };
    }

    /// What has to be done because its time has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        let due = match self.state {
            State::Opening { until: Some(until) } if until <= now => Due::Close(Cause::OpenTimeout),
            State::HangingUp { until } if until <= now => Due::Close(Cause::Asked),
            State::Closing { until, cause } if until <= now => Due::Gone(cause.unwrap_or(Cause::Lost)),
            State::Idle
            | State::Waiting { .. }
            | State::Dialling { .. }
            | State::Opening { .. }
            | State::Connecting
            | State::Up { .. }
            | State::HangingUp { .. }
            | State::Closing { .. }
            | State::Ended { .. }
            | State::Finishing
            | State::Closed => return None,
        };
        match due {
            Due::Close(cause) => self.close_given(now, Some(cause)),
            Due::Gone(cause) => self.state = State::Ended { cause },
        }
        Some(due)
    }

    /// The application wants the end.
    pub(super) fn close(&mut self, now: Instant) -> Ending {
        if self.close_by.is_some() {
            return Ending::Nothing;
        }
        let by = now.after(self.config.close_timeout);
        self.close_by = Some(by);
        match &mut self.state {
            State::Idle | State::Waiting { .. } | State::Dialling { .. } => {
                self.state = State::Finishing;
                Ending::Finish
            }
            State::HangingUp { until } | State::Closing { until, .. } => {
                *until = by.min(*until);
                Ending::Nothing
            }
            State::Opening { .. }
            | State::Connecting
            | State::Up { .. }
            | State::Ended { .. }
            | State::Finishing
            | State::Closed => self.hang_up(now),
        }
    }

    /// The cloud wants a new dial without back-off.
    pub(super) fn redial(&mut self, now: Instant, backoff: &Backoff) -> Ending {
        if self.close_by.is_some() {
            return Ending::Nothing;
        }
        if self.dialled {
            self.haste = Haste::Cloud;
        } else if self.state == State::Idle || self.record.take_hop() {
            self.dial_soon(now, backoff);
        }
        self.hang_up(now)
    }

    /// The application wants a dial without back-off, if there is no connection.
    pub(super) fn reconnect_now(&mut self, now: Instant, backoff: &Backoff) {
        if self.close_by.is_some() {
            return;
        }
        let ending = matches!(self.state, State::HangingUp { .. } | State::Closing { .. } | State::Ended { .. });
        if ending && self.haste == Haste::None {
            self.haste = Haste::Application;
        }
        self.dial_soon(now, backoff);
    }

    /// All that the link held has come out.
    pub(super) fn finished(&mut self) {
        self.state = State::Closed;
    }

    /// Whether bytes flow between the link and the pipe.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, State::Connecting | State::Up { .. } | State::HangingUp { .. })
    }

    /// Whether the driver has a pipe, open or being opened, that a link may want closed.
    pub(super) fn has_pipe(&self) -> bool {
        self.pipe
    }

    /// The cause with which the link was told that the pipe is gone, while its `Down` is due.
    pub(super) fn ended(&self) -> Option<Cause> {
        let State::Ended { cause } = self.state else { return None };
        Some(cause)
    }

    pub(super) fn is_finishing(&self) -> bool {
        self.state == State::Finishing
    }

    /// Whether `close` was called.
    pub(super) fn is_closing(&self) -> bool {
        self.close_by.is_some()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let (at, why) = match self.state {
            State::Waiting { until } => (until, "back-off"),
            State::Dialling { until } => (until?, "dial"),
            State::Opening { until } => (until?, "open"),
            State::HangingUp { until } => (until, "hang up"),
            State::Closing { until, .. } => (until, "close"),
            State::Idle
            | State::Connecting
            | State::Up { .. }
            | State::Ended { .. }
            | State::Finishing
            | State::Closed => {
                return None;
            }
        };
        Some(Deadline { at, why })
    }

    /// Ends the connection or the dial that there is.
    fn hang_up(&mut self, now: Instant) -> Ending {
        match self.state {
            State::Opening { until: None } => {
                self.pipe = false;
                self.state = State::Ended { cause: Cause::Asked };
                Ending::Withdraw
            }
            State::Opening { until: Some(_) } => {
                self.close_given(now, Some(Cause::Asked));
                Ending::Close
            }
            State::Connecting | State::Up { .. } => {
                let until = self.close_by.unwrap_or_else(|| now.after(self.config.close_timeout));
                self.state = State::HangingUp { until };
                Ending::HangUp
            }
            State::Idle
            | State::Waiting { .. }
            | State::Dialling { .. }
            | State::HangingUp { .. }
            | State::Closing { .. }
            | State::Ended { .. }
            | State::Finishing
            | State::Closed => Ending::Nothing,
        }
    }

    /// Cuts a wait down to what the platform demands between two dials.
    fn dial_soon(&mut self, now: Instant, backoff: &Backoff) {
        let soon = self.record.gap_end(now, backoff);
        match &mut self.state {
            State::Idle => self.state = State::Waiting { until: soon },
            State::Waiting { until } => *until = soon.min(*until),
            State::Dialling { until } => *until = Some(now),
            State::Opening { .. }
            | State::Connecting
            | State::Up { .. }
            | State::HangingUp { .. }
            | State::Closing { .. }
            | State::Ended { .. }
            | State::Finishing
            | State::Closed => {}
        }
    }

    /// How long to wait before the next dial; counts the failure, if it was one.
    fn wait_after(&mut self, cause: Cause, backoff: &Backoff, random: u64) -> Duration {
        let haste = match mem::take(&mut self.haste) {
            Haste::None => false,
            Haste::Application => true,
            Haste::Cloud => self.record.take_hop(),
        };
        if haste && cause == Cause::Asked {
            return Duration::ZERO;
        }
        let wait = self.record.failed(cause, backoff, random);
        if haste { Duration::ZERO } else { wait }
    }
}
