//! How the tests drive a device by hand: one input, steps until `Idle`, and what must hold after each.

use crate::{
    sky::{Order, Sky},
    wire::Wire,
};
use skytether_core::{
    device::{Config, Device, Event},
    io::{Action, Cause, Failure, Input, Instant, Machine, Rejected, Step, Tag},
};
use std::{collections::BTreeSet, time::Duration};

/// One thing that came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Got {
    Act(Action),
    Event(Event<String>),
    Done(Tag, Result<&'static str, Failure>),
}

pub struct Bench {
    pub device: Device<Wire, Sky>,
    pub now: Instant,
    /// All that came out, and when.
    pub all: Vec<(Instant, Got)>,
    open: BTreeSet<Tag>,
    dialled: bool,
    /// `Open` was given and not answered.
    opening: bool,
}

impl Bench {
    pub fn new(sky: Sky) -> Self {
        Self::with(Wire::default(), sky, Config::default(), [7; 32])
    }

    pub fn with(wire: Wire, sky: Sky, config: Config, seed: [u8; 32]) -> Self {
        let now = Instant(1000);
        let device = Device::new(wire, sky, config, seed, now);
        Self { device, now, all: Vec::new(), open: BTreeSet::new(), dialled: false, opening: false }
    }

    /// A device that is up and ready.
    pub fn up(sky: Sky) -> Self {
        let mut bench = Self::new(sky);
        bench.connect();
        bench
    }

    /// Gives one input and takes what comes of it, in short words.
    pub fn give(&mut self, mut input: Input<'_>) -> Vec<String> {
        let from = self.all.len();
        self.opening &= !matches!(input, Input::Opened | Input::Closed(_));
        for _ in 0..1000 {
            match self.once(&mut input) {
                None => {
                    assert!(matches!(input, Input::Tick | Input::Bytes(&[])), "the input is used up: {input:?}");
                    self.check();
                    return self.all[from..].iter().map(|(_, got)| words(got)).collect();
                }
                Some(got) => self.all.push((self.now, got)),
            }
        }
        panic!("no Idle in 1000 steps");
    }

    /// One step.
    pub fn once(&mut self, input: &mut Input<'_>) -> Option<Got> {
        let got = match self.device.step(self.now, input) {
            Step::Idle => return None,
            Step::Again => panic!("the device says Again"),
            Step::Act(action) => Got::Act(action),
            Step::Event(event) => Got::Event(event),
            Step::Done(tag, outcome) => Got::Done(tag, outcome),
        };
        match &got {
            Got::Done(tag, _) => assert!(self.open.remove(tag), "R-5: {tag:?} ends once"),
            Got::Event(Event::Dialling(_)) => {
                assert!(!std::mem::replace(&mut self.dialled, true), "Down comes before the next Dialling");
            }
            Got::Event(Event::Down { .. }) => assert!(std::mem::take(&mut self.dialled), "one Down for each Dialling"),
            Got::Act(Action::Open(_) | Action::Close) => self.opening = matches!(got, Got::Act(Action::Open(_))),
            Got::Event(_) | Got::Act(_) => {}
        }
        Some(got)
    }

    pub fn tick(&mut self) -> Vec<String> {
        self.give(Input::Tick)
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Vec<String> {
        self.give(Input::Bytes(bytes))
    }

    pub fn lose(&mut self) -> Vec<String> {
        self.give(Input::Closed(Cause::Lost))
    }

    /// Time passes without the device being called.
    pub fn leap(&mut self, wait: Duration) {
        self.now = self.now.after(wait);
    }

    /// Time passes; the device is called at each of its deadlines.
    pub fn pass(&mut self, wait: Duration) -> Vec<String> {
        let (end, mut said) = (self.now.after(wait), self.tick());
        while let Some(deadline) = self.device.deadline().filter(|deadline| deadline.at <= end) {
            self.now = deadline.at;
            said.extend(self.tick());
        }
        self.now = end;
        said.extend(self.tick());
        said
    }

    /// All that waits for the pipe is handed to it.
    pub fn send(&mut self) -> Vec<String> {
        self.give(Input::Sent(self.device.transmit().len()))
    }

    pub fn command(&mut self, order: Order) -> Result<Tag, Rejected> {
        let tag = self.device.command(self.now, &order)?;
        assert!(self.open.insert(tag), "a fresh tag");
        Ok(tag)
    }

    /// Takes a device that wants to dial to `Up` and, if its cloud needs nothing, `Ready`.
    pub fn connect(&mut self) {
        self.pass_until_dial();
        self.give(Input::Opened);
        self.send();
        self.bytes(b"U");
    }

    /// As `connect`, where a dial is waited for.
    pub fn connect_if_possible(&mut self) {
        if self.device.deadline().is_some_and(|deadline| deadline.why == "back-off") {
            self.connect();
        }
    }

    /// Waits for the next `Open`; how long that took.
    pub fn pass_until_dial(&mut self) -> Duration {
        let start = self.now;
        for _ in 0..100 {
            self.tick();
            if self.opening {
                return self.now.since(start);
            }
            self.now = self.device.deadline().expect("something is going to happen").at;
        }
        panic!("no dial");
    }

    /// Commands that have not ended.
    pub fn under_way(&self) -> usize {
        self.open.len()
    }

    /// What must hold whenever nothing waits.
    fn check(&self) {
        if let Some(deadline) = self.device.deadline() {
            assert!(deadline.at > self.now, "R-9: {deadline:?} at {:?}", self.now);
        }
        if self.device.is_closed() {
            assert_eq!((self.device.deadline(), self.device.transmit()), (None, &[][..]), "a closed device rests");
            assert!(self.open.is_empty(), "R-5: {:?} never ended", self.open);
            assert!(!self.device.wants_command() && !self.device.wants_bytes());
        }
    }
}

pub fn words(got: &Got) -> String {
    match got {
        Got::Act(Action::Open(_)) => "open".into(),
        Got::Act(Action::Close) => "close".into(),
        Got::Act(action) => format!("{action:?}").to_lowercase(),
        Got::Event(Event::Dialling(endpoint)) => format!("Dialling {endpoint}"),
        Got::Event(Event::Up { .. }) => "Up".into(),
        Got::Event(Event::Ready) => "Ready".into(),
        Got::Event(Event::Down { cause, retry: Some(_) }) => format!("Down: {cause}"),
        Got::Event(Event::Down { cause, retry: None }) => format!("Down for good: {cause}"),
        Got::Event(Event::GaveUp(fatal)) => format!("GaveUp: {fatal}"),
        Got::Event(Event::Note(note)) => format!("Note {note:?}"),
        Got::Event(Event::Cloud(said)) => format!("cloud: {said}"),
        Got::Done(_, outcome) => format!("done: {}", outcome.map_or_else(|failure| failure.to_string(), Into::into)),
    }
}
