//! One half of the home alone: a door, or an air conditioner, on a cloud that is somebody else's.

use super::{
    aircond::AirConditioner,
    door::Door,
    pace::{Speed, Stage},
};
use crate::{exit::Failure, interrupt::Interrupt, log::Log};
use core::future::ready;
use skytether_simulator::home::Action;
use tokio::{select, sync::watch};

/// One run of the door.
///
/// # Errors
/// [`Failure`] names the step; [`Failure::Interrupted`].
pub async fn door(door: &Door, action: Action, log: &Log, interrupt: &Interrupt) -> Result<(), Failure> {
    let stage = Stage::new(log.clone(), Speed::REAL);
    let ran = select! {
        ran = door.run(&stage, action, ready(())) => ran,
        () = interrupt.first() => Err(Failure::Interrupted),
    };
    stage.clear().await;
    ran
}

/// The air conditioner's life. Where it has no end of its own, Ctrl-C is its ordinary one.
///
/// # Errors
/// As [`door`].
pub async fn air_conditioner(
    air_conditioner: &AirConditioner,
    speed: Speed,
    log: &Log,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let stage = Stage::new(log.clone(), speed);
    let told = watch::channel(0).0;
    let ran = select! {
        ran = air_conditioner.run(&stage, &told) => ran,
        () = interrupt.first() => match air_conditioner.ticks {
            Some(_) => Err(Failure::Interrupted),
            None => Ok(()),
        },
    };
    stage.clear().await;
    ran
}
