//! How one thing that comes in passes through link, lifecycle and cloud, and in which order what follows goes out.

use super::{
    event::Event,
    lifecycle::{Config, Due, Ending, Fall, Lifecycle},
};
use crate::{
    cloud::{Cloud, Cx, Desk, Dial, Fatal, Heard, Out},
    io::{Action, Cause, Deadline, Failure, Input, Instant, Key, Rejected, Step, Tag, UnixMillis},
    link::{Link, Note, Notice},
    rng::Rng,
};
use alloc::{collections::VecDeque, vec::Vec};
use core::mem;

/// Link, cloud and lifecycle, and what waits to go out.
///
/// Nothing is taken in before all that waits has gone out, and one thing taken in gives at most one of each kind:
/// so there is one place for each and no queue of events. Only a cloud's actions are a queue: those of a single call,
/// since the cloud is not called again before they are out (commands excepted, which are `Full` above a bound).
pub(super) struct Pipeline<L, C: Cloud> {
    pub(super) link: L,
    pub(super) cloud: C,
    life: Lifecycle,
    desk: Desk,
    /// The wall time, and when it was told.
    wall: Option<(UnixMillis, Instant)>,
    /// Commands accepted and not yet done, oldest first: what makes each end exactly once.
    under_way: VecDeque<Tag>,
    /// The cloud has heard something since it last said where to dial.
    heard: bool,
    waiting_for_time: bool,
    told: Option<Event<C::Event>>,
    note: Option<Note>,
    out: Option<Out<C::Event, C::Answer>>,
    action: Option<Action>,
}

/// Actions of the cloud that may wait when a command comes.
const ACTIONS: usize = 16;

impl<L: Link, C: Cloud> Pipeline<L, C> {
    pub(super) fn new(link: L, cloud: C, config: Config, mut rng: Rng, now: Instant) -> Self {
        let spread = crate::time::millis(config.first_dial);
        let wait = if spread == 0 { 0 } else { rng.up_to(spread) };
        Self {
            link,
            cloud,
            life: Lifecycle::new(config, Instant(now.0.saturating_add(wait))),
            desk: Desk::new(rng),
            wall: None,
            under_way: VecDeque::new(),
            heard: false,
            waiting_for_time: false,
            told: None,
            note: None,
            out: None,
            action: None,
        }
    }

    /// The next thing that waits to go out, in this order: news of the lifecycle (`Dialling`, `Up`, `Down`, `GaveUp`,
    /// the link's notes), its second thought (`Note`), what the cloud said, `Ready`, `Degraded`, the lifecycle's action
    /// (`Open`, `Close`), the cloud's actions, the link's.
    pub(super) fn emit(&mut self, now: Instant) -> Option<Step<Event<C::Event>, C::Answer>> {
        if let Some(event) = self.told.take() {
            return Some(Step::Event(event));
        }
        if let Some(note) = self.note.take() {
            return Some(Step::Event(Event::Note(note)));
        }
        match self.out.take() {
            Some(Out::Event(event)) => return Some(Step::Event(Event::Cloud(event))),
            Some(Out::Done(tag, outcome)) if self.ends(tag) => return Some(Step::Done(tag, outcome)),
            Some(Out::Done(..)) | None => {}
        }
        if mem::take(&mut self.desk.ready) && self.life.first_ready() {
            return Some(Step::Event(Event::Ready));
        }
        if mem::take(&mut self.desk.degraded) {
            return Some(Step::Event(Event::Note(Note::Degraded)));
        }
        if let Some(action) = self.action.take() {
            if matches!(action, Action::Open(_)) {
                self.life.open_given(now);
            }
            return Some(Step::Act(action));
        }
        if let Some(action) = self.desk.actions.pop_front() {
            return Some(Step::Act(action));
        }
        self.links_action(now).map(Step::Act)
    }

    /// Takes in one notice's worth of the input; `false` when it is used up.
    pub(super) fn take(&mut self, now: Instant, input: &mut Input<'_>, scratch: &mut Vec<u8>) -> bool {
        if let Input::Bytes(bytes) = input {
            if bytes.is_empty() {
                return false;
            }
            if !self.life.is_live() {
                *bytes = &[];
                return true;
            }
            let (used, notice) = self.link.read(now, bytes, scratch);
            // A link that neither uses bytes nor says anything would hold us here for ever.
            let stuck = used == 0 && notice.is_none();
            *bytes = if stuck { &[] } else { bytes.get(used..).unwrap_or_default() };
            if let Some(notice) = notice {
                self.hear_link(now, notice);
            }
            return true;
        }
        let input = mem::replace(input, Input::Tick);
        if self.life.is_closed() {
            return false;
        }
        match input {
            Input::Tick | Input::Bytes(_) => return false,
            Input::Opened => {
                if self.life.opened(now) {
                    self.link.opened(now);
                }
            }
            Input::Sent(len) => {
                let len = len.min(self.transmit().len());
                if len > 0 {
                    self.link.sent(now, len);
                }
            }
            Input::Closed(told) => {
                if let Some(cause) = self.life.closed(told) {
                    self.link.closed(now, cause);
                }
            }
            Input::Reply(id, reply) => self.hear(now, Heard::Reply(id, reply)),
            Input::Stored(Key::Session, done) => self.link.stored(now, &Key::Session, done),
            Input::Loaded(Key::Session, value) => self.link.loaded(now, &Key::Session, value),
            Input::Stored(key, done) => self.hear(now, Heard::Stored(key, done)),
            Input::Loaded(key, value) => self.hear(now, Heard::Loaded(key, value)),
            Input::Written(slot, at, done) => self.hear(now, Heard::Written(slot, at, done)),
            Input::Wall(wall) => {
                self.wall = Some((wall, now));
                self.hear(now, Heard::Wall);
            }
        }
        true
    }

    /// Does one thing whose time has come; `false` when there is none. `tick`: whether the cloud may be ticked.
    pub(super) fn time(&mut self, now: Instant, scratch: &mut Vec<u8>, ticks: &mut u8) -> bool {
        if self.life.is_closed() {
            return false;
        }
        match self.life.due(now) {
            Some(Due::Close(_)) => {
                self.action = Some(Action::Close);
                return true;
            }
            Some(Due::Gone(cause)) => {
                self.link.closed(now, cause);
                return true;
            }
            None => {}
        }
        if let (_, Some(notice)) = self.link.read(now, &[], scratch) {
            self.hear_link(now, notice);
            return true;
        }
        if let Some(cause) = self.life.ended() {
            // A link that was told of the end owes its `Down`; where it has nothing to say, the end is told for it.
            self.hear_link(now, Notice::Down(cause));
            return true;
        }
        if *ticks > 0 && self.cloud.deadline().is_some_and(|deadline| deadline.at <= now) {
            *ticks -= 1;
            self.hear(now, Heard::Tick);
            return true;
        }
        if self.life.is_finishing() {
            self.finish_next();
            return true;
        }
        let wanted = self.life.wants_dial(now, self.heard);
        if wanted {
            self.dial(now);
        }
        wanted
    }

    pub(super) fn command(&mut self, now: Instant, command: &C::Command) -> Result<Tag, Rejected> {
        if self.life.is_closing() {
            return Err(Rejected::Offline);
        }
        if self.desk.actions.len() >= ACTIONS {
            return Err(Rejected::Full);
        }
        let (before, wall) = (self.desk.tags(), self.wall(now));
        let tag = self.desk.tag();
        let accepted = self.cloud.command(&mut Cx::new(now, wall, &mut self.link, &mut self.desk), tag, command);
        if let Err(rejected) = accepted {
            self.desk.untag(before);
            return Err(rejected);
        }
        self.under_way.push_back(tag);
        self.heard = true;
        self.follow(now);
        Ok(tag)
    }

    pub(super) fn close(&mut self, now: Instant, config: &Config) {
        let ending = self.life.close(now);
        if ending == Ending::HangUp {
            self.link.hang_up(now, config.drain);
        } else {
            self.end(now, ending);
        }
    }

    pub(super) fn reconnect_now(&mut self, now: Instant) {
        self.life.reconnect_now(now, &self.cloud.backoff());
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        if self.life.is_closed() {
            return None;
        }
        let own = Deadline::earlier(self.life.deadline(), self.link.deadline());
        Deadline::earlier(own, self.cloud.deadline())
    }

    /// Bytes for the pipe; none where there is no connection.
    pub(super) fn transmit(&self) -> &[u8] {
        if self.life.is_live() { self.link.transmit() } else { &[] }
    }

    pub(super) fn wants_command(&self) -> bool {
        !self.life.is_closing() && self.desk.actions.len() < ACTIONS && self.link.room()
    }

    pub(super) fn wants_bytes(&self) -> bool {
        self.life.is_live() && self.link.wants_bytes()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.life.is_closed()
    }

    /// Takes a notice to the lifecycle, then to the cloud.
    fn hear_link(&mut self, now: Instant, notice: Notice<'_>) {
        match notice {
            Notice::Up { session_present } => {
                if self.life.up(now) {
                    self.told = Some(Event::Up { session_present });
                    self.hear(now, Heard::Link(notice));
                }
            }
            Notice::Down(cause) => self.fall(now, cause),
            Notice::Wall(wall) => {
                self.wall = Some((wall, now));
                self.hear(now, Heard::Wall);
            }
            Notice::Note(note) => {
                self.told = Some(Event::Note(note));
                self.hear(now, Heard::Link(notice));
            }
            Notice::Granted(..)
            | Notice::Unsubscribed(_)
            | Notice::Delivered(_)
            | Notice::Failed(..)
            | Notice::Message(_) => self.hear(now, Heard::Link(notice)),
        }
    }

    /// The connection is down: the cloud hears it before the event is made, since it may ask for a redial.
    fn fall(&mut self, now: Instant, cause: Cause) {
        let random = self.desk.rng.next_u64();
        match self.life.down(now, cause, &self.cloud.backoff(), random) {
            Fall::Known | Fall::Later => {}
            Fall::Close => self.action = Some(Action::Close),
            Fall::Now { suspected, finish } => {
                self.hear(now, Heard::Link(Notice::Down(cause)));
                self.told = Some(Event::Down { cause, retry: self.life.retry(now) });
                self.note = suspected.then_some(Note::SuspectedTakeover);
                if finish {
                    self.link.finish();
                }
            }
        }
    }

    /// Lets the cloud hear one thing.
    fn hear(&mut self, now: Instant, heard: Heard<'_>) {
        let wall = self.wall(now);
        self.out = self.cloud.hear(&mut Cx::new(now, wall, &mut self.link, &mut self.desk), heard);
        self.heard = true;
        self.follow(now);
    }

    /// Does what the cloud asked of the lifecycle.
    fn follow(&mut self, now: Instant) {
        if mem::take(&mut self.desk.redial) {
            let ending = self.life.redial(now, &self.cloud.backoff());
            self.end(now, ending);
        }
    }

    fn end(&mut self, now: Instant, ending: Ending) {
        match ending {
            Ending::Nothing => {}
            Ending::HangUp => self.link.hang_up(now, None),
            Ending::Close => self.action = Some(Action::Close),
            Ending::Withdraw => {
                self.action = None;
                self.link.closed(now, Cause::Asked);
            }
            Ending::Finish => self.link.finish(),
        }
    }

    /// Asks the cloud where to dial.
    fn dial(&mut self, now: Instant) {
        self.heard = false;
        self.life.cloud_waits();
        let wall = self.wall(now);
        let dial = self.cloud.dial(&mut Cx::new(now, wall, &mut self.link, &mut self.desk));
        // It has just said where to: there is nothing to dial anew.
        self.desk.redial = false;
        match dial {
            Dial::Go(endpoint, connect) => match self.link.dial(now, &endpoint, connect) {
                Ok(pipe) => {
                    self.life.dialled(now);
                    self.told = Some(Event::Dialling(endpoint));
                    self.action = Some(Action::Open(pipe));
                }
                Err(Rejected::Invalid(why)) => self.give_up(Fatal::Invalid(why)),
                Err(Rejected::Unsupported(what)) => self.give_up(Fatal::Unsupported(what)),
                Err(Rejected::Full | Rejected::Offline) => {
                    let random = self.desk.rng.next_u64();
                    self.life.link_waits(now, &self.cloud.backoff(), random);
                }
            },
            Dial::Wait => {
                let asks = wall.is_none() && self.desk.actions.contains(&Action::AskWall);
                if asks && !mem::replace(&mut self.waiting_for_time, true) {
                    self.note = Some(Note::WaitingForTime);
                }
            }
            Dial::GiveUp(fatal) => self.give_up(fatal),
        }
    }

    fn give_up(&mut self, fatal: Fatal) {
        self.life.give_up();
        self.told = Some(Event::GaveUp(fatal));
    }

    /// Ends the oldest command that neither link nor cloud has ended; the device is closed after the last.
    fn finish_next(&mut self) {
        match self.under_way.front() {
            Some(tag) => self.out = Some(Out::Done(*tag, Err(Failure::Closed))),
            None => self.life.finished(),
        }
    }

    /// What the link asks of the driver; a `Close` only while there is something to close.
    fn links_action(&mut self, now: Instant) -> Option<Action> {
        while let Some(action) = self.link.want() {
            if action != Action::Close {
                return Some(action);
            }
            if self.life.has_pipe() {
                self.life.close_given(now, None);
                return Some(Action::Close);
            }
        }
        None
    }

    /// Strikes a command off; `false` when it has ended before or is none.
    fn ends(&mut self, tag: Tag) -> bool {
        // Commands mostly end in the order they came: the search is short.
        let at = self.under_way.iter().position(|open| *open == tag);
        at.and_then(|at| self.under_way.remove(at)).is_some()
    }

    fn wall(&self, now: Instant) -> Option<UnixMillis> {
        self.wall.map(|(told, at)| told.after(now.since(at)))
    }
}
