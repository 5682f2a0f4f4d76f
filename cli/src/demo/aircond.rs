//! What does the air conditioner do? It subscribes to its commands, obeys them, and tells the temperature each second.

use super::{device::Actor, pace::Stage};
use crate::{exit::Failure, target::TencentDevice};
use core::time::Duration;
use skytether_core::{
    io,
    link::QoS,
    message::Received,
    tencent::{Answer, Command, UserTopic},
};
use skytether_simulator::home::{self, command_action};
use skytether_tokio::{Pending, SendError};
use std::borrow::Cow;
use tokio::{
    select,
    sync::watch,
    time::{Interval, MissedTickBehavior, interval, timeout},
};

/// The class of topics that its commands come on.
const CONTROL: &str = "control";
const SECOND: Duration = Duration::from_secs(1);

/// The air conditioner of the demo.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the demo and its tests write it field by field")]
pub struct AirConditioner {
    /// Who it is and where it connects.
    pub device: TencentDevice,
    /// How many temperatures it tells; `None`: it goes on for ever, over lost connections too.
    pub ticks: Option<usize>,
    /// Before which of them, counted from 0, a command comes: it waits for the command if need be.
    pub cues: Vec<usize>,
}

/// How far it has come.
struct Room {
    model: home::AirConditioner,
    subscribed: bool,
    commands: usize,
}

impl AirConditioner {
    /// Its whole life: connects, subscribes, tells its temperatures, says good-bye. `told` is kept at the number of
    /// temperatures told so far.
    ///
    /// # Errors
    /// [`Failure`] names the step.
    pub async fn run(&self, stage: &Stage, told: &watch::Sender<usize>) -> Result<(), Failure> {
        let mut actor = Actor::start(stage, &self.device)?;
        if self.ticks.is_none() {
            actor.outlast();
        }
        actor.connected().await?;

        let topic = actor.topic(CONTROL);
        let who = actor.who().to_owned();
        let failed = |error| Failure::Subscription { who: who.clone(), topic: topic.clone(), error };
        let subscribe = Command::Subscribe { filter: UserTopic::own(CONTROL), qos: QoS::AtLeastOnce };
        let mut granted = actor.handle().submit(subscribe).await.map_err(failed)?;
        actor.say(format_args!("subscribe success topic:{topic}"));

        let mut room = Room { model: home::AirConditioner::default(), subscribed: false, commands: 0 };
        let mut seconds = interval(stage.speed().real(SECOND).max(Duration::from_millis(1)));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tick in 0..self.ticks.unwrap_or(usize::MAX) {
            let commands = self.cues.iter().filter(|cue| **cue <= tick).count();
            let until = |room: &Room| (tick == 0 || room.subscribed) && room.commands >= commands;
            // Twice, so that a door that fails is heard first: it knows more.
            let patience = stage.patience().saturating_mul(2);
            let waited = timeout(patience, wait(&mut actor, &mut room, &mut seconds, &mut granted, until)).await;
            match waited.unwrap_or(Err(Broken::Overdue)) {
                Ok(()) => {}
                Err(Broken::Failure(failure)) => return Err(failure),
                Err(Broken::Subscription(error)) => return Err(failed(error)),
                Err(Broken::Overdue) if !room.subscribed => {
                    return Err(failed(SendError::Failed(io::Failure::TimedOut)));
                }
                Err(Broken::Overdue) => {
                    return Err(Failure::NotForwarded { who, topic });
                }
            }
            actor.say(room.model.tick());
            told.send_replace(tick.saturating_add(1));
        }
        actor.disconnect().await;
        Ok(())
    }
}

/// Why waiting came to nothing.
enum Broken {
    Failure(Failure),
    Subscription(SendError),
    Overdue,
}

/// Waits for the next second and until `enough`, and does meanwhile what the cloud asks for.
async fn wait(
    actor: &mut Actor<'_>,
    room: &mut Room,
    seconds: &mut Interval,
    granted: &mut Pending<Answer>,
    enough: impl Fn(&Room) -> bool,
) -> Result<(), Broken> {
    let mut due = false;
    while !(due && enough(room)) {
        select! {
            _ = seconds.tick(), if !due => due = true,
            outcome = &mut *granted, if !room.subscribed => {
                let answer = outcome.map_err(Broken::Subscription)?;
                room.subscribed = true;
                if let Answer::Subscribed(qos) = answer {
                    actor.say(format_args!("on_subscribe:granted_qos:{}", qos.level()));
                }
            }
            message = actor.message() => obey(actor, room, &message.map_err(Broken::Failure)?),
        }
    }
    Ok(())
}

fn obey(actor: &Actor<'_>, room: &mut Room, message: &Received) {
    actor.say(format_args!("on_aircond_cb:payload:{}", text(message.payload())));
    if let Some(action) = command_action(message.payload()) {
        room.model.command(action);
    }
    room.commands = room.commands.saturating_add(1);
}

/// The payload as the vendor's SDK hands it on: where it is a JSON string, the text in it.
fn text(payload: &[u8]) -> Cow<'_, str> {
    match serde_json::from_slice::<String>(payload) {
        Ok(inner) => Cow::Owned(inner),
        Err(_) => String::from_utf8_lossy(payload),
    }
}
