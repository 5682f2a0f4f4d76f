//! How fast is a story told, and what is still running when it ends?

use crate::log::Log;
use core::{fmt, str::FromStr, time::Duration};
use std::sync::{Mutex, PoisonError};
use tokio::{task::JoinHandle, time::sleep};

/// How many times faster than it happened a story is told: 0.1 to 1000.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct Speed(f64);

impl Speed {
    /// Real time.
    pub const REAL: Self = Self(1.0);

    /// This many times faster; `None` outside 0.1 to 1000.
    pub fn new(times: f64) -> Option<Self> {
        (0.1..=1000.0).contains(&times).then_some(Self(times))
    }

    /// How many times.
    pub fn times(self) -> f64 {
        self.0
    }

    /// How long a time of the story takes.
    pub fn real(self, story: Duration) -> Duration {
        story.div_f64(self.0)
    }
}

impl FromStr for Speed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let times = text.parse().map_err(|_| "write a number, such as 1, 10 or 2.5")?;
        Self::new(times).ok_or("write a number from 0.1 to 1000")
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a story is told: its log, its speed, and the devices that take part.
#[derive(Debug)]
pub struct Stage {
    log: Log,
    speed: Speed,
    patience: Duration,
    devices: Mutex<Vec<JoinHandle<()>>>,
}

impl Stage {
    /// An empty one. The network gets 10 s for each answer, however fast the story is told.
    pub fn new(log: Log, speed: Speed) -> Self {
        Self { log, speed, patience: Duration::from_secs(10), devices: Mutex::new(Vec::new()) }
    }

    /// Gives the network another time for each answer.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Where its lines go.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How fast it is told.
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// How long the network may take for an answer, with the second of the story in which a device looks for it.
    pub fn patience(&self) -> Duration {
        self.patience.saturating_add(self.speed.real(Duration::from_secs(1)))
    }

    /// Lets a time of the story pass.
    pub async fn pause(&self, story: Duration) {
        sleep(self.speed.real(story)).await;
    }

    /// Remembers a device's task, for [`Stage::clear`].
    pub(super) fn enter(&self, device: JoinHandle<()>) {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).push(device);
    }

    /// Waits until every device whose handle was dropped or closed has said good-bye; each takes a few seconds at most.
    pub async fn clear(&self) {
        let devices = core::mem::take(&mut *self.devices.lock().unwrap_or_else(PoisonError::into_inner));
        for device in devices {
            // A task that panicked has said so itself.
            let _ = device.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_number_from_a_tenth_to_a_thousand() {
        assert_eq!("2.5".parse(), Ok(Speed(2.5)));
        for text in ["", "fast", "0", "-1", "NaN", "inf", "1001", "0.09"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_second_at_speed_ten_takes_a_tenth() {
        let second = Duration::from_secs(1);
        assert_eq!(Speed(10.0).real(second), Duration::from_millis(100));
        assert_eq!(Speed::REAL.real(second), second);
    }
}
