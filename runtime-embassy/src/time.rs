//! What brings time to the machine: its deadlines by embassy's clock, and the wall time when somebody tells it.

use crate::{engine::Desk, wall::Wall};
use core::future::poll_fn;
use embassy_futures::{
    select::{Either, select},
    yield_now,
};
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_time::Timer;
use skytether_core::io::{Input, Machine};

/// Shortest sleep: a machine that is due and has nothing to say is not asked in a loop without a pause.
const SHORTEST: embassy_time::Duration = embassy_time::Duration::from_millis(1);
/// Buffers of which the machine is shown something at its deadline, at most: enough for the longest packet.
const AT_DEADLINE: usize = 256;

/// Calls the machine at its deadlines, for ever.
pub(crate) async fn deadlines<X: RawMutex, M: Machine, const C: usize, const E: usize>(desk: &Desk<'_, X, M, C, E>) {
    loop {
        let (at, wake) = desk
            .until(|engine| engine.machine.deadline().map(|deadline| (deadline.at, engine.wake_at(deadline.at))))
            .await;
        let another =
            desk.until(|engine| (engine.machine.deadline().map(|deadline| deadline.at) != Some(at)).then_some(()));
        if let Either::Second(()) = select(Timer::at(wake), another).await {
            continue;
        }
        desk.until(|engine| engine.may_go_on()).await;
        show_unseen(desk).await;
        let is_due = desk.with(|engine| {
            engine.feed(Input::Tick);
            engine.machine.deadline().is_some_and(|deadline| deadline.at <= engine.now())
        });
        if is_due {
            let moves = desk.with(|engine| engine.moves);
            select(Timer::after(SHORTEST), desk.until(|engine| (engine.moves != moves).then_some(()))).await;
        }
    }
}

/// Has the machine shown some of the bytes that wait, where the application is behind: a machine that has never seen
/// them would take the peer for dead. It takes at most one event's worth of them; if that was all, some of those behind.
async fn show_unseen<X: RawMutex, M: Machine, const C: usize, const E: usize>(desk: &Desk<'_, X, M, C, E>) {
    for _ in 0..AT_DEADLINE {
        let asked = desk.with(|engine| {
            engine.show = engine.unseen && engine.machine.wants_bytes();
            engine.changed |= engine.show;
            engine.show
        });
        if !asked {
            return;
        }
        // The reader comes before us in the next round.
        yield_now().await;
    }
}

/// Tells the machine the wall time whenever it was told here, for ever.
pub(crate) async fn wall<X: RawMutex, M: Machine, const C: usize, const E: usize>(
    desk: &Desk<'_, X, M, C, E>,
    wall: &Wall,
) {
    let mut seen = 0;
    loop {
        let now = poll_fn(|cx| wall.poll_told(cx.waker(), &mut seen)).await;
        desk.with(|engine| engine.feed(Input::Wall(now)));
    }
}
