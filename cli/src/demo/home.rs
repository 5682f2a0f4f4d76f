//! Coming home and leaving again: who does what when in the story of the door and the air conditioner?
//!
//! The times are those of the vendor's document. A device does not begin before its cue, and the air conditioner waits
//! for a command that is under way, so that the story is the same at every speed.

use super::{
    aircond::AirConditioner,
    cloud::{AIR_CONDITIONER, Cloud, DOOR, Listen},
    door::Door,
    observer::{Copies, News, Observe, Observer},
    pace::{Speed, Stage},
};
use crate::{exit::Failure, interrupt::Interrupt, log::Log};
use core::time::Duration;
use skytether_core::portable::profile::Transport;
use skytether_simulator::home::Action;
use tokio::{
    select,
    sync::{mpsc, watch},
    try_join,
};

/// What the door does, and before which temperature (counted from 0) the air conditioner hears of it.
const SCRIPT: [(Action, usize); 2] = [(Action::ComeHome, 6), (Action::LeaveHome, 17)];
/// The temperatures that are told.
const TICKS: usize = 24;
/// The door begins this long after a temperature: a second before it publishes.
const ENTRANCE: Duration = Duration::from_millis(340);

/// How the story is to be told.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the command line and tests write it field by field")]
pub struct Home {
    /// How packets travel.
    pub transport: Transport,
    /// How fast.
    pub speed: Speed,
    /// Whether the door sends what the vendor's Python SDK would.
    pub python_wire: bool,
    /// The cloud's port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Whether others may look on.
    pub observe: Option<Observe>,
}

/// Tells the story, until it is over or `interrupt` is ready. Whatever was started has ended when this returns.
///
/// # Errors
/// [`Failure`] names the step that failed; [`Failure::Interrupted`].
pub async fn tell(home: &Home, log: &Log, interrupt: &Interrupt) -> Result<(), Failure> {
    introduce(home, log);
    let mut observer = match home.observe {
        Some(observe) => Some(Observer::start(observe.port).await?),
        None => None,
    };
    let (cloud, news) =
        Cloud::with_news(Listen { transport: home.transport, port: home.port }, home.python_wire, log).await?;
    describe(&cloud, log);
    let copies = tokio::spawn(hear(news, log.clone(), observer.as_ref().map(Observer::copies)));

    let stage = Stage::new(log.clone(), home.speed);
    let told = select! {
        told = perform(home, &cloud, &stage, observer.as_mut()) => told,
        () = interrupt.first() => Err(Failure::Interrupted),
    };
    if told == Err(Failure::Interrupted) {
        log.say("Ctrl-C: the devices say good-bye.");
    }

    // The devices of a story that broke off say good-bye too: their handles are dropped by now.
    stage.clear().await;
    cloud.stop().await;
    // It ends with the news of the cloud.
    let _ = copies.await;
    if let Some(observer) = observer {
        observer.stop().await;
    }
    if told.is_ok() {
        log.say("The story is told: somebody came home and left again.");
    }
    told
}

fn introduce(home: &Home, log: &Log) {
    let told = if home.speed == Speed::REAL {
        "told in real time".to_owned()
    } else {
        format!("told {} times faster than it happened (--speed 1 is real time)", home.speed)
    };
    log.say(format_args!("Somebody comes home and leaves again, {told}."));
}

fn describe(cloud: &Cloud, log: &Log) {
    let ((door, door_name), (air, air_name)) = (DOOR, AIR_CONDITIONER);
    log.say(format_args!(
        "A simulated Tencent Cloud IoT Hub listens on {}, with {door}/{door_name} and {air}/{air_name}; their secrets \
         are new.",
        cloud.endpoint()
    ));
    log.say(format_args!("Its rule: {}", cloud.rule().sql));
    for action in &cloud.rule().actions {
        if let skytether_simulator::rules::Action::Republish { topic } = action {
            log.say(format_args!("  republished to {topic}"));
        }
    }
}

/// The devices' part.
async fn perform(home: &Home, cloud: &Cloud, stage: &Stage, observer: Option<&mut Observer>) -> Result<(), Failure> {
    if let (Some(observer), Some(observe)) = (observer, home.observe) {
        let addr = observer.addr();
        let hint = format_args!("mosquitto_sub -h {} -p {} -q 1 -t '#' -v -C 4", addr.ip(), addr.port());
        stage.log().say(format_args!("Look on with: {hint}"));
        if observe.wait {
            stage.log().say("Waiting for an observer to subscribe, for a minute at most.");
            observer.subscribed().await?;
        }
    }
    let (told, telling) = watch::channel(0);
    let cues = SCRIPT.iter().map(|(_, before)| *before).collect();
    let air_conditioner = AirConditioner { device: cloud.air_conditioner().clone(), ticks: Some(TICKS), cues };
    let door =
        Door { device: cloud.door().clone(), target: AIR_CONDITIONER.1.to_owned(), python_wire: home.python_wire };
    try_join!(air_conditioner.run(stage, &told), comings_and_goings(&door, stage, telling))?;
    Ok(())
}

/// The door's part: a run for each line of the script.
async fn comings_and_goings(door: &Door, stage: &Stage, mut told: watch::Receiver<usize>) -> Result<(), Failure> {
    for (action, before) in SCRIPT {
        reached(&mut told, before.saturating_sub(1)).await;
        stage.pause(ENTRANCE).await;
        door.run(stage, action, reached(&mut told, before)).await?;
    }
    Ok(())
}

/// Waits until so many temperatures are told.
async fn reached(told: &mut watch::Receiver<usize>, count: usize) {
    if told.wait_for(|told| *told >= count).await.is_err() {
        // The air conditioner has ended, and with it the story: its own end says why.
        core::future::pending::<()>().await;
    }
}

/// Tells what the rules did, and hands copies of the messages on, until the cloud stops.
async fn hear(mut news: mpsc::Receiver<News>, log: Log, copies: Option<Copies>) {
    while let Some(news) = news.recv().await {
        match (news, &copies) {
            (News::Rule(entry), _) => log.line("cloud", entry),
            (News::Message(message), Some(copies)) => copies.hand_on(message).await,
            (News::Message(_), None) => {}
        }
    }
}
