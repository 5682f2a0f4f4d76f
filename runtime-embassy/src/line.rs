//! The one pipe of a driver: opened when the machine asks, read and written side by side, and let go in order.

use crate::{
    connector::{Connector, Conversation},
    engine::{Desk, Engine},
    log,
};
use core::pin::pin;
use embassy_futures::{
    poll_once,
    select::{Either, Either3, select, select3},
};
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_time::{Duration, with_timeout};
use embedded_io_async::{Read, Write};
use skytether_core::io::{Cause, Machine};

/// How long a pipe that is not wanted any more has to take our last bytes and to say good-bye.
const FAREWELL: Duration = Duration::from_millis(500);

/// Opens pipes for ever. `read` and `write` are what their bytes pass through.
pub(crate) async fn line<X: RawMutex, M: Machine, K: Connector, const C: usize, const E: usize>(
    desk: &Desk<'_, X, M, C, E>,
    mut connector: K,
    read: &mut [u8],
    write: &mut [u8],
) {
    loop {
        let (pipe, generation) = desk.until(Engine::take_wanted).await;
        log::debug!("a connection is being opened");
        {
            let talk = Talk { desk, generation, read, write };
            let mut call = pin!(connector.open(&pipe, talk));
            let over = desk.until(|engine| (!engine.is_current(generation)).then_some(engine.was_open));
            match select(call.as_mut(), over).await {
                Either::First(cause) => {
                    desk.until(|engine| engine.may_go_on()).await;
                    desk.with(|engine| engine.ended(generation, cause));
                }
                Either::Second(true) => {
                    if with_timeout(FAREWELL, call).await.is_err() {
                        log::debug!("the peer did not hear the farewell in time");
                    }
                }
                Either::Second(false) => {}
            }
        }
        desk.with(|engine| {
            engine.line_busy = false;
            engine.changed = true;
        });
    }
}

/// What the driver does over an open pipe.
struct Talk<'d, 'a, X: RawMutex, M: Machine, const C: usize, const E: usize> {
    desk: &'d Desk<'a, X, M, C, E>,
    generation: u32,
    read: &'d mut [u8],
    write: &'d mut [u8],
}

impl<X: RawMutex, M: Machine, const C: usize, const E: usize> Conversation for Talk<'_, '_, X, M, C, E> {
    async fn hold<R: Read, W: Write>(self, mut reader: R, mut writer: W) -> Cause {
        let Self { desk, generation, read, write } = self;
        desk.until(|engine| engine.may_go_on()).await;
        desk.with(|engine| engine.opened(generation));
        let mut reading = pin!(reads(desk, generation, &mut reader, read));
        let mut writing = pin!(writes(desk, generation, &mut writer, write));
        let over = desk.until(|engine| (!engine.is_current(generation)).then_some(()));
        match select3(reading.as_mut(), writing.as_mut(), over).await {
            Either3::First(cause) => cause,
            // What the peer said before it went may be why it went.
            Either3::Second(cause) => match poll_once(reading) {
                core::task::Poll::Ready(why) => why,
                core::task::Poll::Pending => cause,
            },
            // What the machine counts as sent goes out first.
            Either3::Third(()) => writing.await,
        }
    }
}

/// Reads until the pipe ends; at its end says why.
async fn reads<X: RawMutex, M: Machine, R: Read, const C: usize, const E: usize>(
    desk: &Desk<'_, X, M, C, E>,
    generation: u32,
    reader: &mut R,
    buffer: &mut [u8],
) -> Cause {
    loop {
        desk.until(|engine| engine.machine.wants_bytes().then_some(())).await;
        let Ok(len @ 1..) = reader.read(buffer).await else {
            return Cause::Lost;
        };
        desk.with(|engine| engine.unseen = true);
        let mut bytes = buffer.get(..len).unwrap_or_default();
        while !bytes.is_empty() {
            let left = desk.until(|engine| engine.take_bytes(generation, bytes)).await;
            bytes = bytes.get(bytes.len().saturating_sub(left)..).unwrap_or_default();
        }
    }
}

/// Writes until the pipe breaks, or is not wanted any more and everything is out.
async fn writes<X: RawMutex, M: Machine, W: Write, const C: usize, const E: usize>(
    desk: &Desk<'_, X, M, C, E>,
    generation: u32,
    writer: &mut W,
    buffer: &mut [u8],
) -> Cause {
    loop {
        let len = desk.until(|engine| engine.take_transmit(generation, buffer)).await;
        if len == 0 {
            return Cause::Asked;
        }
        if writer.write_all(buffer.get(..len).unwrap_or_default()).await.is_err() {
            return Cause::Lost;
        }
        // As long as there is more, it follows at once.
        if desk.with(|engine| engine.machine.transmit().is_empty()) && writer.flush().await.is_err() {
            return Cause::Lost;
        }
    }
}
