//! What does the door do? It connects, tells that someone comes or leaves, waits for the acknowledgement, and goes.

use super::{device::Actor, pace::Stage};
use crate::{exit::Failure, target::TencentDevice};
use core::{future::Future, time::Duration};
use skytether_core::{
    link::QoS,
    tencent::{Command, UserTopic},
};
use skytether_simulator::home::{Action, door_payload};
use tokio::time::timeout;

/// The class of topics that the door publishes to.
const EVENT: &str = "event";
const SECOND: Duration = Duration::from_secs(1);

/// The door of the demo.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the demo and its tests write it field by field")]
pub struct Door {
    /// Who it is and where it connects.
    pub device: TencentDevice,
    /// The device that it speaks of.
    pub target: String,
    /// Whether it sends what the vendor's Python SDK would.
    pub python_wire: bool,
}

impl Door {
    /// One run of the door: a connection of its own, a message, an orderly end. `cue` is awaited between connecting and
    /// publishing.
    ///
    /// # Errors
    /// [`Failure`] names the step.
    pub async fn run(&self, stage: &Stage, action: Action, cue: impl Future<Output = ()>) -> Result<(), Failure> {
        let mut actor = Actor::start(stage, &self.device)?;
        actor.connected().await?;
        cue.await;

        let topic = actor.topic(EVENT);
        let failed = |error| Failure::Publish { who: actor.who().to_owned(), topic: topic.clone(), error };
        let text = String::from_utf8(door_payload(action, &self.target, false)).unwrap_or_default();
        actor.say(format_args!("publish {text}"));
        let payload = door_payload(action, &self.target, self.python_wire).into();
        let command = Command::Publish {
            topic: UserTopic::own(EVENT),
            payload,
            qos: QoS::AtLeastOnce,
            ttl: Some(stage.patience()),
        };
        let mut acknowledged = actor.handle().submit(command).await.map_err(failed)?;
        actor.say("publish success");

        let outcome = timeout(stage.patience(), async {
            loop {
                actor.say("wait reply...");
                actor.pause(SECOND).await;
                if let Ok(outcome) = timeout(Duration::ZERO, &mut acknowledged).await {
                    return outcome;
                }
            }
        });
        match outcome.await {
            Ok(outcome) => outcome.map_err(failed)?,
            Err(_) => return Err(failed(skytether_tokio::SendError::Failed(skytether_core::io::Failure::TimedOut))),
        };
        actor.say("on_publish:acknowledged");
        actor.disconnect().await;
        Ok(())
    }
}
