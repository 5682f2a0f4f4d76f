//! HTTP exchanges of a machine, one after the other, beside its connection.

use crate::{
    engine::Desk,
    log,
    store::Store,
    web::{Replies, Web},
};
use embassy_futures::select::{Either, select};
use embassy_sync::{
    blocking_mutex::raw::{NoopRawMutex, RawMutex},
    mutex::Mutex,
};
use skytether_core::io::{Cause, ExchangeId, Head, Input, Machine, Reply, Sink};

/// Makes the exchanges that are asked for, for ever.
pub(crate) async fn exchanges<X: RawMutex, M: Machine, B: Web, S: Store, const C: usize, const E: usize>(
    desk: &Desk<'_, X, M, C, E>,
    mut web: B,
    store: &Mutex<NoopRawMutex, S>,
) {
    loop {
        let (id, exchange) = desk
            .until(|engine| {
                let next = engine.exchanges.pop_front();
                engine.exchanging = next.as_ref().map(|(id, _)| *id);
                next
            })
            .await;
        let mut replies = Answer { desk, id, sink: exchange.sink, range: exchange.range, at: 0, kept: 0, store };
        let cancelled = desk.until(|engine| (engine.exchanging != Some(id)).then_some(()));
        let done = match select(web.exchange(&exchange, &mut replies), cancelled).await {
            Either::First(done) => done,
            Either::Second(()) => continue,
        };
        if let Err(cause) = done {
            log::problem!("an exchange broke off: {}", cause);
        }
        let reply = done.map_or_else(Reply::Failed, |()| Reply::End);
        desk.until(|engine| engine.may_go_on()).await;
        desk.with(|engine| {
            engine.exchanging = None;
            engine.feed(Input::Reply(id, reply));
        });
    }
}

/// Shows an answer to the machine.
struct Answer<'d, 'a, X: RawMutex, M: Machine, S: Store, const C: usize, const E: usize> {
    desk: &'d Desk<'a, X, M, C, E>,
    id: ExchangeId,
    sink: Sink,
    range: Option<u64>,
    /// Where the next chunk belongs in its slot.
    at: u64,
    /// Bytes shown so far.
    kept: usize,
    store: &'d Mutex<NoopRawMutex, S>,
}

impl<X: RawMutex, M: Machine, S: Store, const C: usize, const E: usize> Replies for Answer<'_, '_, X, M, S, C, E> {
    fn head(&mut self, head: Head<'_>) -> Result<bool, Cause> {
        self.desk.with(|engine| engine.feed(Input::Reply(self.id, Reply::Head(head))));
        let announced = head.length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        match (self.sink, head.status) {
            (Sink::Memory(max), _) if announced > max => Err(Cause::TooLarge { len: announced, max }),
            (Sink::Memory(_), _) => Ok(true),
            (Sink::Slot(_), 200) if self.range.is_none() => Ok(true),
            // The machine's record may say that the slot holds what was before the range: it must stay until that record
            // says otherwise, or a power cut now would leave the start of another content under it.
            (Sink::Slot(_), 200) => Err(Cause::Http("it sent the whole instead of the range that was asked for")),
            (Sink::Slot(_), 206) if self.range.is_some() && head.first == self.range => {
                self.at = self.range.unwrap_or_default();
                Ok(true)
            }
            (Sink::Slot(_), 206) => Err(Cause::Http("it sent another range than was asked for")),
            // The page that tells of an error is no image.
            (Sink::Slot(_), _) => Ok(false),
        }
    }

    async fn chunk(&mut self, chunk: &[u8]) -> Result<(), Cause> {
        self.kept = self.kept.saturating_add(chunk.len());
        match self.sink {
            Sink::Memory(max) if self.kept > max => return Err(Cause::TooLarge { len: self.kept, max }),
            Sink::Memory(_) => {}
            Sink::Slot(slot) => {
                let written = self.store.lock().await.write(slot, self.at, chunk).await;
                written.map_err(|_| Cause::Storage("the slot could not be written"))?;
                self.at = self.at.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            }
        }
        self.desk.until(|engine| (engine.closing || engine.channels.has_room()).then_some(())).await;
        self.desk.with(|engine| engine.feed(Input::Reply(self.id, Reply::Chunk(chunk))));
        Ok(())
    }
}
