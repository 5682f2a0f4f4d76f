//! What is believed of a server's answer, and what becomes of the download by it.

use super::{Body, Download, State};
use crate::{
    cloud::Cx,
    download::{Fault, News, RENEWALS, record::Stage},
    http::Route,
    io::{Cause, ExchangeId, Head, Reply},
};
use alloc::string::String;

/// Longest entity tag that is remembered; content with a longer one is judged by its digest alone.
const MAX_ETAG: usize = 128;
/// The record is not written more often than this many times for the content of one download.
const CHECKPOINTS: u64 = 64;

impl Download {
    pub(super) fn reply(&mut self, cx: &mut Cx<'_>, id: ExchangeId, reply: Reply<'_>) {
        let State::Asking(request) = &mut self.state else { return };
        if request.id != id {
            return;
        }
        request.heard = cx.now;
        match (reply, request.body) {
            (Reply::Head(head), None) => self.head(cx, head),
            (Reply::Chunk(chunk), Some(_)) => self.chunk(cx, chunk),
            (Reply::End, Some(body)) => {
                self.state = State::Idle;
                self.end(cx, body);
            }
            (Reply::Failed(cause), _) => {
                self.state = State::Idle;
                self.broken(cx, cause);
            }
            (Reply::Head(_), Some(_)) | (Reply::Chunk(_) | Reply::End, None) => {
                self.later(cx, Fault::Broken(Cause::Protocol("the answer's parts came out of order")), None);
            }
        }
    }

    fn head(&mut self, cx: &mut Cx<'_>, head: Head<'_>) {
        match head.status {
            200 if self.offset == 0 => self.body(cx, head, head.length),
            206 if self.offset > 0 && head.first == Some(self.offset) => self.body(cx, head, head.total),
            200 | 206 | 416 => self.anew(cx, Fault::NoRange),
            status if Route::is_redirect(status) => self.redirect(cx, head.location),
            401 | 403 | 410 if self.job.as_ref().is_some_and(|job| job.renewable) && self.renewals < RENEWALS => {
                self.stop(cx);
                self.renewals += 1;
                self.state = State::Renewing;
                self.say(cx, News::UrlRefused(head.status));
            }
            408 | 429 | 500.. => self.later(cx, Fault::Status(head.status), head.retry_after),
            status => self.fail(cx, Fault::Status(status)),
        }
    }

    /// The head is one that content may follow; is it of the content we want?
    fn body(&mut self, cx: &mut Cx<'_>, head: Head<'_>, told: Option<u64>) {
        if let Some((expected, told)) = self.total().zip(told).filter(|(expected, told)| expected != told) {
            self.anew(cx, Fault::Size { expected, told });
            return;
        }
        let room = self.job.as_ref().and_then(|job| job.room);
        if let Some((size, room)) = told.zip(room).filter(|(size, room)| size > room) {
            self.fail(cx, Fault::NoRoom { size, room });
            return;
        }
        let from = self.offset;
        let Some(kept) = &mut self.record.kept else { return };
        let tag = head.etag.filter(|tag| is_sound(tag));
        if from > 0 && kept.etag.as_deref().zip(tag).is_some_and(|(old, new)| old != new) {
            self.anew(cx, Fault::Changed);
            return;
        }
        if from == 0 {
            kept.etag = tag.map(String::from);
        }
        kept.total = kept.total.or(told);
        let to = head.length.map(|length| from.saturating_add(length));
        if let State::Asking(request) = &mut self.state {
            request.body = Some(Body { from, to });
        }
    }

    fn chunk(&mut self, cx: &mut Cx<'_>, chunk: &[u8]) {
        let Some(job) = &self.job else { return };
        let end = self.offset.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if self.total().is_some_and(|total| end > total) {
            self.anew(cx, Fault::Long);
            return;
        }
        if let Some(room) = job.room.filter(|room| end > *room) {
            self.fail(cx, Fault::NoRoom { size: end, room });
            return;
        }
        self.hasher.update(chunk);
        self.offset = end;
        if !chunk.is_empty() {
            self.fruitless = 0;
        }
        let total = self.total();
        let saved = self.record.kept.as_ref().map_or(0, |kept| kept.offset);
        let step = self.options.checkpoint.max(total.unwrap_or(0) / CHECKPOINTS).max(1);
        if end - saved.min(end) >= step {
            self.checkpoint(cx.now);
        }
        if self.meter.is_due(cx.now, end, total) && self.news.is_empty() {
            self.say(cx, News::Progress { done: end, total });
        }
    }

    fn end(&mut self, cx: &mut Cx<'_>, body: Body) {
        let Some(kept) = &mut self.record.kept else { return };
        let came = self.offset;
        let expected = *kept.total.get_or_insert(came);
        let chosen = body.from > 0 && body.to == Some(came) && came > body.from;
        if came == expected {
            self.verify(cx);
        } else if chosen {
            // The server serves ranges in parts of its own choice: that is no fault, and the next part follows.
            self.request(cx);
        } else {
            self.anew(cx, Fault::Short { expected, came });
        }
    }

    pub(super) fn verify(&mut self, cx: &mut Cx<'_>) {
        let Some(job) = &self.job else { return };
        if !self.hasher.matches(job.digest.as_ref()) {
            self.anew(cx, Fault::Digest);
            return;
        }
        let stage = if job.judged { Stage::Verified } else { Stage::Ready };
        self.checkpoint(cx.now);
        self.reach(stage);
    }

    fn redirect(&mut self, cx: &mut Cx<'_>, location: Option<&str>) {
        let Some(mut route) = self.stop(cx) else { return };
        match route.follow(&self.options.rules, location) {
            Ok(()) => self.ask(cx, route),
            Err(fault) => self.fail(cx, Fault::Url(fault)),
        }
    }

    fn broken(&mut self, cx: &mut Cx<'_>, cause: Cause) {
        if matches!(cause, Cause::Storage(_)) {
            self.fail(cx, Fault::Storage);
        } else if matches!(cause, Cause::Unsupported(_)) {
            self.fail(cx, Fault::Broken(cause));
        } else {
            self.later(cx, Fault::Broken(cause), None);
        }
    }
}

/// Whether an entity tag can be sent back as it is.
fn is_sound(tag: &str) -> bool {
    tag.len() <= MAX_ETAG && tag.len() >= 2 && tag.ends_with('"') && tag.bytes().all(|byte| byte.is_ascii_graphic())
}
