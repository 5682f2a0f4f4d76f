//! What does the board do on its cloud? One device, over MQTT or a modem, from its start through its restarts.

use super::lines::SerialLog;
use crate::{
    cloud::words,
    connection::DRAIN,
    demo::pace::Stage,
    exit::Failure,
    log::Verbosity,
    meaning::{Platform, explain},
    packets::PacketLog,
    target::seed,
};
use core::time::Duration;
use skytether_board::{Board, Do, MODEL};
use skytether_core::{
    at::{self, Modem},
    azure::{self, Answer, Azure, Command, Telemetry},
    device::{self, Device, Event},
    io::{Cause, Machine, Refusal},
    limits::Limits,
    link::Link,
    mqtt::session::{self, Session},
    time::Instant,
};
use skytether_tokio::{Events, Handle, Options, SendError, Serial, Store, Tap, Tls, spawn};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{select, task::JoinSet, time::Instant as Clock};

/// How the board reaches its cloud.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// By our own MQTT, over TLS.
    Mqtt(Tls),
    /// By a modem that speaks MQTT itself.
    At(Box<at::Options>, Serial),
}

/// A board: who it is, how it gets to its cloud, and what it remembers over restarts.
pub(super) struct Curiosity<'s> {
    pub(super) stage: &'s Stage,
    pub(super) who: String,
    pub(super) config: azure::Config,
    pub(super) way: Way,
    pub(super) store: Store,
}

/// Commands whose end is still to be heard.
type Pending = JoinSet<(&'static str, Result<Answer, SendError>)>;

impl Curiosity<'_> {
    /// Lives, and restarts when it is told to, until it is dropped.
    ///
    /// # Errors
    /// [`Failure`] where it cannot start, or gave up.
    pub(super) async fn live(&self) -> Result<(), Failure> {
        loop {
            let delay = match &self.way {
                Way::Mqtt(tls) => {
                    let session = Session::new(session::Options::default());
                    let shown = self.stage.log().shows(Verbosity::Packets);
                    let tap = shown.then(|| PacketLog::new(self.who.clone(), self.stage.log().clone()).tap());
                    self.life(session, Options { tls: Some(tls.clone()), ..self.options(tap) }, None).await?
                }
                Way::At(options, serial) => {
                    let address = Arc::new(Mutex::new(None));
                    let tap = SerialLog::new(&self.who, self.stage.log(), Arc::clone(&address)).tap();
                    let options_of_driver = Options { serial: Some(serial.clone()), ..self.options(Some(tap)) };
                    self.life(Modem::new((**options).clone(), Limits::default()), options_of_driver, Some(address))
                        .await?
                }
            };
            self.say(format_args!("the device restarts in {} s; the host goes on", delay.as_secs()));
            self.stage.pause(delay).await;
        }
    }

    fn options(&self, tap: Option<Tap>) -> Options {
        Options { tap, store: Some(self.store.clone()), ..Options::default() }
    }

    /// From the start to the next restart, which it tells the delay of.
    async fn life<L>(&self, link: L, options: Options, address: Option<Address>) -> Result<Duration, Failure>
    where
        L: Link + Send + 'static,
        Device<L, Azure>: Machine<Command = Command, Event = Event<azure::Event>, Answer = Answer> + Send,
    {
        let broken = |why: String| Failure::Configuration { who: self.who.clone(), why };
        let cloud = Azure::new(self.config.clone()).map_err(|fatal| broken(fatal.to_string()))?;
        let times = device::Config { drain: Some(DRAIN), ..device::Config::default() };
        let device = Device::new(link, cloud, times, seed()?, Instant::ZERO);
        let (handle, events, task) = spawn(device, options);
        // A fleet spreads its first connections over a second or two; here there is one device, and someone waits.
        handle.reconnect_now();
        self.stage.enter(task);
        let (begun, pending) = (Clock::now(), JoinSet::new());
        let mut life = Life { device: self, handle, events, board: None, address, begun, pending };
        let delay = life.run().await?;
        life.handle.close();
        while life.events.next().await.is_some() {}
        Ok(delay)
    }

    fn say(&self, text: impl core::fmt::Display) {
        self.stage.log().line(&self.who, text);
    }
}

/// What the modem said its address is.
pub(super) type Address = Arc<Mutex<Option<String>>>;

/// The board between two restarts.
struct Life<'d> {
    device: &'d Curiosity<'d>,
    handle: Handle<Command, Answer>,
    events: Events<Event<azure::Event>>,
    /// `None` before the device is connected to its hub for the first time.
    board: Option<Board>,
    address: Option<Address>,
    begun: Clock,
    pending: Pending,
}

impl Life<'_> {
    async fn run(&mut self) -> Result<Duration, Failure> {
        loop {
            if let Some(delay) = self.act() {
                // What was answered is to be heard first.
                while self.pending.join_next().await.is_some() {}
                return Ok(delay);
            }
            let due = until(self.device.stage, self.board.as_ref().and_then(Board::deadline), self.now());
            select! {
                event = self.events.next() => match event {
                    Some(event) => self.hear(event)?,
                    None => return Err(Failure::Lost { who: self.device.who.clone(), cause: Cause::Asked }),
                },
                Some(ended) = self.pending.join_next() => {
                    // A task that panicked has said so itself.
                    if let Ok((what, Err(error))) = ended {
                        self.device.say(format_args!("{what}: {error}"));
                    }
                }
                () = due => {}
            }
        }
    }

    /// Does what the board has to do by now; the delay of a restart, where that is next.
    fn act(&mut self) -> Option<Duration> {
        let now = self.now();
        while let Some(what) = self.board.as_mut().and_then(|board| board.next(now)) {
            let (name, command) = match what {
                Do::Tell(values) => {
                    self.device.say(format_args!("telemetry {values}"));
                    ("telemetry", Command::Telemetry(Telemetry::json(&values)))
                }
                Do::Report(properties) => {
                    self.device.say(format_args!("reports {properties}"));
                    ("report", Command::Report(properties))
                }
                Do::Acknowledge(acks) => {
                    for ack in &acks {
                        let text = ack.ad.as_deref().unwrap_or(&ack.name);
                        self.device.say(format_args!("acknowledges ac {}, av {}: {text}", ack.ac, ack.av));
                    }
                    ("acknowledgement", Command::Acknowledge { component: None, acks })
                }
                Do::Show(text) => {
                    self.device.say(format_args!("shows {text:?}"));
                    continue;
                }
                Do::Restart(delay) => return Some(delay),
            };
            self.send(name, command);
        }
        None
    }

    fn hear(&mut self, event: Event<azure::Event>) -> Result<(), Failure> {
        let who = &self.device.who;
        match event {
            Event::Dialling(endpoint) => self.device.say(format_args!("connects to {endpoint}")),
            Event::Up { session_present } => {
                self.device.say(format_args!("connected, session present: {session_present}"));
            }
            Event::Ready => {
                let now = self.now();
                let address = self
                    .address
                    .as_ref()
                    .and_then(|address| address.lock().unwrap_or_else(PoisonError::into_inner).clone());
                self.board.get_or_insert_with(|| Board::new(MODEL, address.as_deref())).start(now);
            }
            Event::Down { cause: Cause::Refused(refusal), .. } if refusal != Refusal::ServerUnavailable => {
                let (meaning, check) = explain(Platform::Azure, refusal);
                return Err(Failure::Refused { who: who.clone(), code: refusal.code(), meaning, check });
            }
            Event::Down { cause, .. } => self.device.say(format_args!("disconnected: {cause}")),
            Event::GaveUp(fatal) => {
                return Err(Failure::Configuration { who: who.clone(), why: fatal.to_string() });
            }
            Event::Note(note) => self.device.say(note),
            Event::Cloud(event) => self.hear_cloud(event),
        }
        Ok(())
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "what else there is is told in words")]
    fn hear_cloud(&mut self, event: azure::Event) {
        let now = self.now();
        match event {
            azure::Event::Desired(desired) => {
                let kind = if desired.full { "the twin's desired properties" } else { "a change" };
                let properties = serde_json::Value::Object(desired.desired.clone());
                self.device.say(format_args!("{kind}, version {}: {properties}", desired.version));
                if let Some(board) = &mut self.board {
                    let before = board.interval();
                    board.desired(now, desired.version, &desired.desired);
                    if board.interval() != before {
                        self.device.say(format_args!("telemetryInterval is {} s now", board.interval().as_secs()));
                    }
                }
            }
            azure::Event::Method(call) => {
                let payload = call.payload.as_ref().map_or_else(String::new, ToString::to_string);
                self.device.say(format_args!("command {} {payload}", call.name));
                let answer = match &mut self.board {
                    Some(board) => board.call(&call.name, call.payload.as_ref()),
                    None => (503, serde_json::json!({"status": "Starting"})),
                };
                self.device.say(format_args!("answers {} {}", answer.0, answer.1));
                self.send("answer", call.answer(answer.0, answer.1));
            }
            other => self.device.say(words(&other)),
        }
    }

    fn send(&mut self, what: &'static str, command: Command) {
        let handle = self.handle.clone();
        self.pending.spawn(async move { (what, handle.send(command).await) });
    }

    /// The story's time since the device was started.
    fn now(&self) -> Instant {
        let story = self.begun.elapsed().mul_f64(self.device.stage.speed().times());
        Instant(u64::try_from(story.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Waits until a moment of the story.
async fn until(stage: &Stage, due: Option<Instant>, now: Instant) {
    match due {
        // At least a moment: what is due is done before anyone waits.
        Some(due) => stage.pause(due.since(now).max(Duration::from_millis(1))).await,
        None => core::future::pending().await,
    }
}
