//! What time is it? A device asks its cloud, and says what the vendor's document says while it does.

use super::{device::Actor, pace::Stage};
use crate::{
    demo::{
        cloud::{CLOCK, Cloud, Listen},
        pace::Speed,
    },
    exit::Failure,
    interrupt::Interrupt,
    log::Log,
    target::TencentDevice,
};
use core::time::Duration;
use jiff::{Timestamp, Zoned, tz::TimeZone};
use skytether_core::tencent::{Answer, Command};
use skytether_tokio::SendError;
use tokio::{
    select,
    time::{sleep, timeout},
};

/// The pause between the time and the farewell.
const SECOND: Duration = Duration::from_secs(1);
/// The core asks twice, 5 s each; then it says so itself.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks a cloud that is simulated for the occasion.
///
/// # Errors
/// [`Failure`] names the step; [`Failure::Interrupted`].
pub async fn tell(listen: Listen, log: &Log, interrupt: &Interrupt) -> Result<(), Failure> {
    let cloud = Cloud::start(listen, false, log).await?;
    let (product, name) = CLOCK;
    log.say(format_args!(
        "A simulated Tencent Cloud IoT Hub listens on {}, with {product}/{name}; its secret is new.",
        cloud.endpoint()
    ));
    let told = ask(cloud.clock(), log, interrupt).await;
    cloud.stop().await;
    told
}

/// Asks the cloud of this device.
///
/// # Errors
/// As [`tell`].
pub async fn ask(device: &TencentDevice, log: &Log, interrupt: &Interrupt) -> Result<(), Failure> {
    let stage = Stage::new(log.clone(), Speed::REAL);
    let told = select! {
        told = exchange(device, &stage) => told,
        () = interrupt.first() => Err(Failure::Interrupted),
    };
    stage.clear().await;
    told
}

async fn exchange(device: &TencentDevice, stage: &Stage) -> Result<(), Failure> {
    let mut actor = Actor::start(stage, device)?;
    actor.connected().await?;
    let whose = format!("{}/{}", device.config.product, device.config.device);
    let (up, down) = (format!("$sys/operation/{whose}"), format!("$sys/operation/result/{whose}"));
    let failed = |error| Failure::Time { who: device.config.device.to_string(), error };

    let answer = actor.handle().submit(Command::SyncTime).await.map_err(failed)?;
    actor.say(format_args!("subscribe success topic:{down}"));
    actor.say(format_args!("pub topic:{up},payload:{{'type': 'get', 'resource': ['time']}},qos:0"));
    actor.say("publish success");
    let answer = timeout(PATIENCE, answer).await;
    let answer = answer.unwrap_or(Err(SendError::Failed(skytether_core::io::Failure::TimedOut)));
    if let Answer::Time(time) = answer.map_err(failed)? {
        actor.say(format_args!("current time:{}", local(time.now.0)));
    }
    // The answer to UNSUBSCRIBE comes meanwhile.
    sleep(SECOND).await;
    actor.disconnect().await;
    Ok(())
}

/// `YYYY-MM-DD HH:MM:SS`, local time.
fn local(unix_ms: u64) -> String {
    let stamp = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let zoned = stamp.map(|stamp| Zoned::new(stamp, TimeZone::system()));
    // The core believes no time that a calendar does not have.
    zoned.map_or_else(|| format!("{unix_ms} ms"), |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S").to_string())
}
