//! One machine driven for its whole life: its parts side by side, on one task.

use crate::{
    channels::Channels,
    connector::Connector,
    engine::{Desk, Offer},
    exchanges::exchanges,
    jobs::jobs,
    line::line,
    store::{NoStore, Store},
    time::{deadlines, wall},
    wall::Wall,
    web::{NoWeb, Web},
};
use core::{
    fmt,
    future::{Future as _, poll_fn},
    pin::pin,
    task::Poll,
};
use embassy_futures::join::{join, join5};
use embassy_sync::{
    blocking_mutex::raw::{NoopRawMutex, RawMutex},
    mutex::Mutex,
};
use skytether_core::io::{Input, Machine};

/// Rounds in which something happened before other tasks get their turn.
const ROUNDS: usize = 32;

/// The memory that bytes pass through, given by the caller.
///
/// `read` takes what one read brings: 512 bytes serve well, 1,460 are one TCP segment, 1 is the floor. `write` takes what
/// the machine hands over at once; as large as the packets that are mostly sent is a good size, and 1 is the floor. Longer packets pass through
/// either in pieces; how long they may be is set by the machine's `Limits`.
#[derive(Debug)]
#[allow(clippy::exhaustive_structs, reason = "built by the user, in one place")]
pub struct Buffers<'b> {
    /// For bytes from the pipe.
    pub read: &'b mut [u8],
    /// For bytes to the pipe.
    pub write: &'b mut [u8],
}

/// Drives one machine. [`Runner::run`] is the task; spawn it on any executor.
///
/// Everything happens on that one task, which is not `Send` where the connector's halves are not. The machine stays where
/// the runner is: keep the runner in one place (a `static`, or the argument of its task), since each `async` function that
/// it is moved through holds room for it once more.
#[must_use = "nothing happens until `run` is awaited"]
pub struct Runner<'a, X: RawMutex, M: Machine, K, S, B, const COMMANDS: usize, const EVENTS: usize> {
    desk: Desk<'a, X, M, COMMANDS, EVENTS>,
    connector: K,
    channels: &'a Channels<X, M, COMMANDS, EVENTS>,
    wall: &'a Wall,
    buffers: Buffers<'a>,
    store: S,
    web: B,
}

impl<'a, X: RawMutex, M: Machine, K: Connector, const COMMANDS: usize, const EVENTS: usize>
    Runner<'a, X, M, K, NoStore, NoWeb, COMMANDS, EVENTS>
{
    /// Drives `machine` over the pipes that `connector` opens, without a store and without HTTP.
    ///
    /// The machine's clock starts when `run` does: give [`Instant::ZERO`](skytether_core::time::Instant::ZERO) to its
    /// constructor, and a seed that is another one at each start.
    pub fn new(
        machine: M,
        connector: K,
        channels: &'a Channels<X, M, COMMANDS, EVENTS>,
        wall: &'a Wall,
        buffers: Buffers<'a>,
    ) -> Self {
        let desk = Desk::new(machine, channels, wall);
        Self { desk, connector, channels, wall, buffers, store: NoStore, web: NoWeb }
    }
}

impl<'a, X: RawMutex, M: Machine, K: Connector, S: Store, B: Web, const COMMANDS: usize, const EVENTS: usize>
    Runner<'a, X, M, K, S, B, COMMANDS, EVENTS>
{
    /// Keeps values and files in `store`.
    pub fn with_store<T: Store>(self, store: T) -> Runner<'a, X, M, K, T, B, COMMANDS, EVENTS> {
        let Self { desk, connector, channels, wall, buffers, web, .. } = self;
        Runner { desk, connector, channels, wall, buffers, store, web }
    }

    /// Makes HTTP exchanges by `web`.
    pub fn with_web<T: Web>(self, web: T) -> Runner<'a, X, M, K, S, T, COMMANDS, EVENTS> {
        let Self { desk, connector, channels, wall, buffers, store, .. } = self;
        Runner { desk, connector, channels, wall, buffers, store, web }
    }

    /// Drives the machine until it is closed, by [`Handle::close`](crate::Handle::close). Dropped before, it drops the
    /// connection without a farewell, and every command under way ends as [`Gone`](crate::SendError::Gone). A runner runs
    /// once: its machine does not live again.
    pub async fn run(&mut self) {
        let Self { desk, connector, channels, wall: told, buffers, store, web } = self;
        let (desk, told) = (&*desk, *told);
        channels.begin();
        let _end = End(channels);
        let store = Mutex::<NoopRawMutex, &mut S>::new(store);
        desk.with(|engine| {
            engine.begin();
            engine.feed(Input::Tick);
        });
        // Who reads comes before who tells the time: see `time::show_unseen`.
        let mut parts = pin!(join(
            line(desk, connector, buffers.read, buffers.write),
            join5(deadlines(desk), jobs(desk, &store), exchanges(desk, web, &store), wall(desk, told), commands(desk),),
        ));
        poll_fn(|cx| {
            for _ in 0..ROUNDS {
                desk.with(|engine| engine.changed = false);
                // None of the parts ever ends.
                let _ = parts.as_mut().poll(cx);
                if desk.with(|engine| engine.is_over()) {
                    return Poll::Ready(());
                }
                if !desk.with(|engine| engine.changed) {
                    return Poll::Pending;
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

impl<X: RawMutex, M: Machine, K, S, B, const COMMANDS: usize, const EVENTS: usize> fmt::Debug
    for Runner<'_, X, M, K, S, B, COMMANDS, EVENTS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
    }
}

/// Offers the machine its commands, and heeds what is asked beside them, for ever.
async fn commands<X: RawMutex, M: Machine, const C: usize, const E: usize>(desk: &Desk<'_, X, M, C, E>) -> ! {
    // How much had happened when the machine had no room.
    let mut refused_at = None;
    poll_fn(|cx| {
        desk.with(|engine| {
            let asked = engine.channels.poll_asked(cx.waker());
            if asked.reconnect {
                engine.reconnect_now();
            }
            if asked.close {
                engine.close();
            }
            if engine.closing || refused_at == Some(engine.moves) || engine.may_go_on().is_none() {
                return Poll::Pending;
            }
            let mut offered = false;
            let ended = loop {
                match engine.offer() {
                    Offer::Taken => offered = true,
                    ended @ (Offer::Nothing | Offer::NoRoom) => break ended,
                }
            };
            // Not whether a command waits by now: another thread may have left one since, and that was not refused.
            refused_at = (ended == Offer::NoRoom).then_some(engine.moves);
            if offered {
                engine.feed(Input::Tick);
            }
            Poll::Pending
        })
    })
    .await
}

/// Tells the application that the driver is gone, however it goes.
struct End<'a, X: RawMutex, M: Machine, const C: usize, const E: usize>(&'a Channels<X, M, C, E>);

impl<X: RawMutex, M: Machine, const C: usize, const E: usize> Drop for End<'_, X, M, C, E> {
    fn drop(&mut self) {
        self.0.end();
    }
}
