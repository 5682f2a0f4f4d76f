//! What do all devices of a demo do alike? Connect and look whether it worked, hear messages, say good-bye.

use super::pace::Stage;
use crate::{
    connection::DRAIN,
    exit::Failure,
    log::Verbosity,
    meaning::{Platform, explain},
    packets::PacketLog,
    target::{TencentDevice, seed},
};
use core::time::Duration;
use skytether_core::{
    device::{self, Device, Event},
    io::{Cause, Refusal},
    message::Received,
    mqtt::session::{self, Session},
    queue::Rate,
    tencent::{self, Answer, Command, Tencent, limits},
    time::Instant,
};
use skytether_tokio::{Events, Handle, Options, spawn};
use tokio::time::Instant as Clock;

/// A device looks this often whether it is connected: 0, 1, 2 and 3 seconds after it began.
const LOOK: Duration = Duration::from_secs(1);
/// It gives up when it is not connected at this look.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// A device on the stage.
#[derive(Debug)]
pub struct Actor<'s> {
    who: String,
    prefix: String,
    endpoint: String,
    stage: &'s Stage,
    handle: Handle<Command, Answer>,
    events: Events<Event<tencent::Event>>,
    /// Whether a connection that ends is no failure, since another follows.
    outlasts: bool,
}

impl<'s> Actor<'s> {
    /// Starts a device, which dials at once.
    ///
    /// # Errors
    /// [`Failure::Configuration`] and [`Failure::Start`].
    pub fn start(stage: &'s Stage, device: &TencentDevice) -> Result<Self, Failure> {
        let endpoint = device.endpoint()?;
        let (config, tls) = (device.config.clone(), device.tls.clone());
        let who = config.device.to_string();
        let prefix = format!("{}/{who}", config.product);
        let broken = |why: String| Failure::Configuration { who: who.clone(), why };
        let cloud = Tencent::new(config).map_err(|fatal| broken(fatal.to_string()))?;
        let rate = Rate { per_second: limits::MESSAGES_UP_PER_SECOND, burst: limits::MESSAGES_UP_PER_SECOND };
        let session = Session::new(session::Options { rate: Some(rate), ..session::Options::default() });
        // A story that breaks off leaves no message half delivered.
        let times = device::Config { drain: Some(DRAIN), ..device::Config::default() };
        let device = Device::new(session, cloud, times, seed()?, Instant::ZERO);
        let shown = stage.log().shows(Verbosity::Packets);
        let tap = shown.then(|| PacketLog::new(who.clone(), stage.log().clone()).tap());
        let (handle, events, task) = spawn(device, Options { tap, tls: Some(tls), ..Options::default() });
        stage.enter(task);
        // A fleet spreads its first connections over a second or two; here there is one device, and someone waits.
        handle.reconnect_now();
        Ok(Self { who, prefix, endpoint: endpoint.to_string(), stage, handle, events, outlasts: false })
    }

    /// From now on, a connection that ends is waited for to come back.
    pub fn outlast(&mut self) {
        self.outlasts = true;
    }

    /// Its name.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// Its commands.
    pub fn handle(&self) -> &Handle<Command, Answer> {
        &self.handle
    }

    /// The whole topic of one of its classes: `{product id}/{device name}/{class}`.
    pub fn topic(&self, class: &str) -> String {
        format!("{}/{class}", self.prefix)
    }

    /// Looks every second of the story whether it is connected, at most at 0, 1, 2 and 3 s. Told faster, it looks more
    /// often: the network gets its three seconds.
    ///
    /// # Errors
    /// [`Failure::Refused`] as soon as that is known; [`Failure::Unreachable`] after the last look.
    pub async fn connected(&mut self) -> Result<(), Failure> {
        let begun = Clock::now();
        let mut told = Duration::ZERO;
        let mut last = None;
        loop {
            let seen = self.look(&mut last);
            match seen {
                Ok(true) => return Ok(()),
                Ok(false) if told < LAST_LOOK || begun.elapsed() < LAST_LOOK => {}
                Ok(false) => {
                    self.say("mqtt connect fail...");
                    let (who, endpoint) = (self.who.clone(), self.endpoint.clone());
                    return Err(Failure::Unreachable { who, endpoint, cause: last });
                }
                Err(failure) => {
                    self.say("mqtt connect fail...");
                    return Err(failure);
                }
            }
            self.stage.pause(LOOK).await;
            told = told.saturating_add(LOOK);
        }
    }

    /// Whether it is connected by now.
    fn look(&mut self, last: &mut Option<Cause>) -> Result<bool, Failure> {
        while let Some(event) = self.events.try_next() {
            match event {
                Event::Up { session_present } => {
                    self.say(format_args!("on_connect:flags:{},rc:0", u8::from(session_present)));
                }
                Event::Ready => return Ok(true),
                Event::Down { cause: Cause::Refused(refusal), .. } => return Err(self.refused(refusal)),
                Event::Down { cause, .. } => *last = Some(cause),
                Event::GaveUp(fatal) => {
                    return Err(Failure::Configuration { who: self.who.clone(), why: fatal.to_string() });
                }
                Event::Dialling(_) | Event::Note(_) | Event::Cloud(_) => {}
            }
        }
        Ok(false)
    }

    fn refused(&self, refusal: Refusal) -> Failure {
        let (meaning, check) = explain(Platform::Tencent, refusal);
        Failure::Refused { who: self.who.clone(), code: refusal.code(), meaning, check }
    }

    /// The next message on one of its topics. Safe to drop before it is ready.
    ///
    /// # Errors
    /// [`Failure::Lost`] when the connection ends first, unless it is to [outlast](Self::outlast) that.
    pub async fn message(&mut self) -> Result<Received, Failure> {
        loop {
            let cause = match self.events.next().await {
                Some(Event::Cloud(tencent::Event::Message(message))) => return Ok(message),
                Some(Event::Down { cause, .. }) if self.outlasts => {
                    self.say(format_args!("on_disconnect:{cause}; trying again"));
                    continue;
                }
                Some(Event::Up { session_present }) => {
                    self.say(format_args!("on_connect:flags:{},rc:0", u8::from(session_present)));
                    continue;
                }
                Some(Event::Down { cause, .. }) => cause,
                Some(_) => continue,
                None => Cause::Asked,
            };
            return Err(Failure::Lost { who: self.who.clone(), cause });
        }
    }

    /// Lets time of the story pass.
    pub async fn pause(&self, story: Duration) {
        self.stage.pause(story).await;
    }

    /// Says a line of the log.
    pub fn say(&self, text: impl core::fmt::Display) {
        self.stage.log().line(&self.who, text);
    }

    /// Says good-bye to the cloud, and waits until it is said.
    pub async fn disconnect(mut self) {
        self.say("disconnect");
        self.handle.close();
        while self.events.next().await.is_some() {}
    }
}
