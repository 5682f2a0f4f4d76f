//! How a download goes from request to request, and what it keeps on the way.

mod answer;

use super::{
    Fault, Job, MAX_ID, MAX_NOTE, News, Options, RESTARTS,
    digest::{Digest, Hasher},
    keeper::{Epoch, Keeper},
    progress::Meter,
    record::{Kept, Record, Stage},
};
use crate::{
    backoff::Class,
    cloud::{Cx, Heard},
    http::Route,
    io::{Action, Deadline, Exchange, ExchangeId, Instant, Key, Method, Rejected, Sink, StoreFailed},
    time::millis,
};
use alloc::{collections::VecDeque, string::String, vec::Vec};
use core::{mem, time::Duration};

/// The one download of a device. See the [module](super).
#[derive(Debug)]
pub struct Download {
    identity: String,
    options: Options,
    state: State,
    /// The job under way, or waiting for the record to be looked up.
    job: Option<Job>,
    record: Record,
    keeper: Keeper,
    hasher: Hasher,
    /// Bytes that the slot holds safely; the record may lag behind.
    offset: u64,
    /// When this run of the download began.
    began: Instant,
    /// Requests in a row that brought no byte.
    fruitless: u32,
    renewals: u8,
    meter: Meter,
    noted: Option<Epoch>,
    /// The record that says that the slot holds nothing: it is stored before the slot is written from its start.
    cleared: Epoch,
    news: VecDeque<News>,
    /// When the oldest of `news` came up.
    said: Instant,
}

#[derive(Debug)]
enum State {
    /// The record was not looked up.
    Closed,
    Opening,
    /// The record cannot be used.
    Spoilt(&'static str),
    /// It is being deleted.
    Forgetting,
    Idle,
    /// The next request is made then.
    Waiting(Instant),
    Asking(Request),
    /// Another URL is needed.
    Renewing,
    /// Waits for the record to say so.
    Storing(Epoch, Stage),
    Judging,
    Ready,
}

#[derive(Debug)]
struct Request {
    id: ExchangeId,
    route: Route,
    /// The last sign of life.
    heard: Instant,
    body: Option<Body>,
}

/// What the head announced.
#[derive(Clone, Copy, Debug)]
struct Body {
    /// Where this part of the content begins.
    from: u64,
    /// Where it ends, as the server chose.
    to: Option<u64>,
}

impl Download {
    /// A download that has done nothing yet. `identity` names cloud and device: a record of another is refused.
    pub fn new(identity: impl Into<String>, options: Options) -> Self {
        Self {
            identity: identity.into(),
            options,
            state: State::Closed,
            job: None,
            record: Record::default(),
            keeper: Keeper::default(),
            hasher: Hasher::default(),
            offset: 0,
            began: Instant::ZERO,
            fruitless: 0,
            renewals: 0,
            meter: Meter::default(),
            noted: None,
            cleared: Epoch::default(),
            news: VecDeque::new(),
            said: Instant::ZERO,
        }
    }

    /// Looks the record up, once; [`News::Opened`] or [`News::Unusable`] follows.
    pub fn open(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.state, State::Closed) {
            self.state = State::Opening;
            cx.act(Action::Load(Key::Ota));
        }
    }

    /// Begins a job, or goes on with it. The same job again, by name, size and digest, changes nothing but its URL and
    /// headers. All that follows is [`News`].
    ///
    /// # Errors
    /// [`Rejected::Full`] while another job runs, [`Rejected::Invalid`] for a name that is empty or over 128 bytes, and
    /// where the record cannot be used.
    pub fn start(&mut self, cx: &mut Cx<'_>, job: Job) -> Result<(), Rejected> {
        if job.id.is_empty() || job.id.len() > MAX_ID {
            return Err(Rejected::Invalid("a download's name has 1 to 128 bytes"));
        }
        if let State::Spoilt(why) = self.state {
            return Err(Rejected::Invalid(why));
        }
        if let Some(running) = &self.job {
            if (&running.id, running.size, running.digest) != (&job.id, job.size, job.digest) {
                return Err(Rejected::Full);
            }
            self.renew(cx, job.url, job.headers);
            return Ok(());
        }
        self.job = Some(job);
        match self.state {
            State::Idle => self.begin(cx),
            State::Closed => self.open(cx),
            State::Opening
            | State::Forgetting
            | State::Spoilt(_)
            | State::Waiting(_)
            | State::Asking(_)
            | State::Renewing
            | State::Storing(..)
            | State::Judging
            | State::Ready => {}
        }
        self.settle(cx);
        Ok(())
    }

    /// Names another URL after [`News::UrlRefused`]; at any other time for the next request.
    pub fn renew(&mut self, cx: &mut Cx<'_>, url: String, headers: Vec<(String, String)>) {
        let Some(job) = &mut self.job else { return };
        (job.url, job.headers) = (url, headers);
        if matches!(self.state, State::Renewing) {
            self.request(cx);
            self.settle(cx);
        }
    }

    /// Answers [`News::Judge`]; final. [`News::Ready`] or [`News::Failed`] follows.
    ///
    /// # Errors
    /// [`Rejected::Invalid`] where nothing waits for a verdict.
    pub fn verdict(&mut self, cx: &mut Cx<'_>, good: bool) -> Result<(), Rejected> {
        if !matches!(self.state, State::Judging) {
            return Err(Rejected::Invalid("no download waits for a verdict"));
        }
        if good {
            self.reach(Stage::Ready);
        } else {
            self.fail(cx, Fault::Rejected);
        }
        self.settle(cx);
        Ok(())
    }

    /// Ends the download that runs or is ready, if there is one: [`News::Failed`] with [`Fault::Cancelled`] follows.
    pub fn cancel(&mut self, cx: &mut Cx<'_>) {
        if self.job.is_some() {
            self.fail(cx, Fault::Cancelled);
            self.settle(cx);
        }
    }

    /// What was ready has been used: nothing of it is kept any more, and another job may start.
    pub fn release(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.state, State::Ready) {
            self.state = State::Idle;
            self.drop_kept();
            self.settle(cx);
        }
    }

    /// Keeps a note of the cloud's in the same record, in place of the one before; [`News::Noted`] follows. With an
    /// empty note and no download the record is deleted.
    ///
    /// # Errors
    /// [`Rejected::Invalid`] over 4096 bytes, and while no record is open.
    pub fn note(&mut self, cx: &mut Cx<'_>, note: Vec<u8>) -> Result<(), Rejected> {
        if note.len() > MAX_NOTE {
            return Err(Rejected::Invalid("a note beside a download has at most 4096 bytes"));
        }
        if !self.is_open() {
            return Err(Rejected::Invalid("the record of the download is not open"));
        }
        self.record.note = note;
        self.noted = Some(self.keeper.touch());
        self.settle(cx);
        Ok(())
    }

    /// Deletes a record that cannot be used; [`News::Opened`] follows.
    pub fn forget(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.state, State::Spoilt(_)) {
            self.state = State::Forgetting;
            cx.act(Action::Delete(Key::Ota));
        }
    }

    /// Whether the record was looked up and can be used.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed | State::Opening | State::Spoilt(_) | State::Forgetting)
    }

    /// The job that runs or is ready.
    pub fn job(&self) -> Option<&Job> {
        self.job.as_ref()
    }

    /// Takes in what was heard, as far as it is meant for the download, and says at most one thing. More to say shows in
    /// [`Self::deadline`].
    pub fn hear(&mut self, cx: &mut Cx<'_>, heard: &Heard<'_>) -> Option<News> {
        match heard {
            Heard::Reply(id, reply) => self.reply(cx, *id, *reply),
            Heard::Loaded(Key::Ota, value) => self.loaded(cx, *value),
            Heard::Stored(Key::Ota, done) => self.stored(cx, *done),
            Heard::Tick => self.tick(cx),
            Heard::Link(_) | Heard::Loaded(..) | Heard::Stored(..) | Heard::Written(..) | Heard::Wall => {}
        }
        self.settle(cx);
        self.news.pop_front()
    }

    /// When it wants to hear [`Heard::Tick`].
    pub fn deadline(&self) -> Option<Deadline> {
        if !self.news.is_empty() {
            return Some(Deadline { at: self.said, why: "download news" });
        }
        let own = match &self.state {
            State::Waiting(until) => Deadline { at: *until, why: "download retry" },
            State::Asking(request) => Deadline { at: request.heard.after(self.options.stall), why: "download stall" },
            State::Renewing => self.limit(),
            State::Closed
            | State::Opening
            | State::Spoilt(_)
            | State::Forgetting
            | State::Idle
            | State::Storing(..)
            | State::Judging
            | State::Ready => return None,
        };
        Deadline::earlier(Some(own), Some(self.limit()))
    }

    fn limit(&self) -> Deadline {
        let before = self.record.kept.as_ref().map_or(0, |kept| kept.spent);
        let left = self.options.overall.saturating_sub(Duration::from_millis(before));
        Deadline { at: self.began.after(left), why: "download limit" }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        let limited = matches!(self.state, State::Waiting(_) | State::Asking(_) | State::Renewing);
        if limited && self.limit().at <= cx.now {
            self.fail(cx, Fault::TooSlow);
            return;
        }
        if matches!(&self.state, State::Waiting(until) if *until <= cx.now) {
            self.request(cx);
        } else if matches!(&self.state, State::Asking(request) if request.heard.after(self.options.stall) <= cx.now) {
            self.later(cx, Fault::Stalled, None);
        }
    }

    fn loaded(&mut self, cx: &mut Cx<'_>, value: Result<Option<&[u8]>, StoreFailed>) {
        if !matches!(self.state, State::Opening) {
            return;
        }
        let opened = match value {
            Ok(None) => Ok(Record::default()),
            Ok(Some(record)) => Record::open(record, &self.identity),
            Err(StoreFailed) => Err("the store could not be read"),
        };
        match opened {
            Ok(record) => {
                self.record = record;
                self.opened(cx);
            }
            Err(why) => self.spoil(cx, why),
        }
    }

    fn spoil(&mut self, cx: &Cx<'_>, why: &'static str) {
        self.state = State::Spoilt(why);
        self.say(cx, News::Unusable(why));
        if self.job.take().is_some() {
            self.say(cx, News::Failed(Fault::Storage));
        }
    }

    fn opened(&mut self, cx: &mut Cx<'_>) {
        self.state = State::Idle;
        let job = self.record.kept.as_ref().map(|kept| kept.job.clone());
        self.say(cx, News::Opened { job, note: self.record.note.clone() });
        if self.job.is_some() {
            self.begin(cx);
        }
    }

    fn stored(&mut self, cx: &mut Cx<'_>, done: Result<(), StoreFailed>) {
        if matches!(self.state, State::Forgetting) {
            if done.is_ok() {
                self.opened(cx);
            } else {
                self.spoil(cx, "the record of the download could not be deleted");
            }
            return;
        }
        let Some(epoch) = self.keeper.done(done.is_ok()) else { return };
        if self.noted.is_some_and(|noted| noted <= epoch) {
            self.noted = None;
            self.say(cx, News::Noted(done));
        }
        let State::Storing(awaited, stage) = self.state else { return };
        if awaited > epoch {
            return;
        }
        match (done, stage) {
            (Err(StoreFailed), _) => self.fail(cx, Fault::Storage),
            (Ok(()), Stage::Ready) => {
                self.state = State::Ready;
                self.say(cx, News::Ready);
            }
            (Ok(()), Stage::UnderWay) => self.request(cx),
            (Ok(()), Stage::Verified) => {
                self.state = State::Judging;
                self.say(cx, News::Judge);
            }
        }
    }

    /// The record is open and the job is known.
    fn begin(&mut self, cx: &mut Cx<'_>) {
        let Some(job) = &self.job else { return };
        let resumed = self.record.kept.take().filter(|kept| is_of(kept, job)).and_then(|kept| {
            let hasher = Hasher::restore(job.digest.as_ref(), &kept.work)?;
            Some((kept, hasher))
        });
        let (mut kept, hasher) = resumed.unwrap_or_else(|| (fresh(job), Hasher::new(job.digest.as_ref())));
        kept.total = kept.total.or(job.size);
        let no_room = job.size.or(kept.total).zip(job.room).filter(|(size, room)| size > room);
        (self.offset, self.hasher, self.began) = (kept.offset, hasher, cx.now);
        (self.fruitless, self.renewals) = (0, 0);
        self.meter = Meter::new(cx.now, self.offset);
        let (stage, judged) = (kept.stage, job.judged);
        self.record.kept = Some(kept);
        let epoch = self.keeper.touch();
        self.cleared = if self.offset == 0 { epoch } else { Epoch::default() };
        if let Some((size, room)) = no_room {
            self.fail(cx, Fault::NoRoom { size, room });
            return;
        }
        match stage {
            Stage::UnderWay => self.request(cx),
            Stage::Verified if judged => self.reach(Stage::Verified),
            Stage::Verified | Stage::Ready => self.reach(Stage::Ready),
        }
    }

    /// Makes the next request, from the job's own URL.
    fn request(&mut self, cx: &mut Cx<'_>) {
        let Some(job) = &self.job else { return };
        if self.total() == Some(self.offset) && self.offset > 0 {
            self.verify(cx);
            return;
        }
        if self.offset == 0 && !self.keeper.is_safe(self.cleared) {
            // Else a power cut could leave an older record over the start of this content.
            if !self.keeper.is_busy() {
                self.cleared = self.keeper.touch();
            }
            self.state = State::Storing(self.cleared, Stage::UnderWay);
            return;
        }
        match self.options.rules.admit(&job.url) {
            Ok(url) => self.ask(cx, Route::new(url)),
            Err(fault) => self.fail(cx, Fault::Url(fault)),
        }
    }

    fn ask(&mut self, cx: &mut Cx<'_>, route: Route) {
        let Some(job) = &self.job else { return };
        let mut headers = if route.is_home() { job.headers.clone() } else { Vec::new() };
        // A body that is compressed on the way has other lengths and another digest.
        headers.push(("Accept-Encoding".into(), "identity".into()));
        let tag = self.record.kept.as_ref().and_then(|kept| kept.etag.as_deref());
        if let Some(tag) = tag.filter(|tag| self.offset > 0 && !tag.starts_with("W/")) {
            headers.push(("If-Range".into(), tag.into()));
        }
        let id = cx.exchange(Exchange {
            method: Method::Get,
            url: route.url().as_str().into(),
            headers,
            range: (self.offset > 0).then_some(self.offset),
            certificate: job.certificate && route.is_home(),
            body: Vec::new(),
            sink: Sink::Slot(job.slot),
        });
        self.state = State::Asking(Request { id, route, heard: cx.now, body: None });
    }

    /// Says nothing of `stage` before it is stored.
    fn reach(&mut self, stage: Stage) {
        if let Some(kept) = &mut self.record.kept {
            kept.stage = stage;
        }
        self.state = State::Storing(self.keeper.touch(), stage);
    }

    /// Tries again after a while, from where it broke off; fails for `fault` when that has not helped for long.
    fn later(&mut self, cx: &mut Cx<'_>, fault: Fault, retry_after: Option<u32>) {
        self.stop(cx);
        self.fruitless = self.fruitless.saturating_add(1);
        if self.fruitless >= self.options.attempts {
            self.fail(cx, fault);
            return;
        }
        self.checkpoint(cx.now);
        self.pause(cx, self.fruitless - 1, retry_after);
    }

    /// Discards what came and fetches it from the start.
    fn anew(&mut self, cx: &mut Cx<'_>, fault: Fault) {
        self.stop(cx);
        let Some((job, kept)) = self.job.as_ref().zip(self.record.kept.as_mut()) else { return };
        if kept.restarts >= RESTARTS {
            self.fail(cx, fault);
            return;
        }
        let restarts = kept.restarts + 1;
        *kept = Kept { restarts, spent: kept.spent, ..fresh(job) };
        self.hasher = Hasher::new(job.digest.as_ref());
        self.offset = 0;
        self.meter = Meter::new(cx.now, 0);
        self.checkpoint(cx.now);
        self.cleared = self.keeper.touch();
        self.pause(cx, u32::from(restarts) - 1, None);
    }

    fn pause(&mut self, cx: &mut Cx<'_>, attempt: u32, retry_after: Option<u32>) {
        let random = cx.rng().next_u64();
        let wait = self.options.backoff.delay(Class::Transient, attempt, random);
        let wait = wait.max(Duration::from_secs(retry_after.unwrap_or(0).into()));
        self.state = State::Waiting(cx.now.after(wait));
    }

    fn fail(&mut self, cx: &mut Cx<'_>, fault: Fault) {
        self.stop(cx);
        // A record that is not open stays as it is.
        if self.is_open() {
            self.state = State::Idle;
            self.drop_kept();
        }
        self.job = None;
        self.say(cx, News::Failed(fault));
    }

    fn drop_kept(&mut self) {
        self.job = None;
        self.hasher = Hasher::default();
        if self.record.kept.take().is_some() {
            self.keeper.touch();
        }
    }

    /// Wants no more of the request that runs, if one does; gives back its way.
    fn stop(&mut self, cx: &mut Cx<'_>) -> Option<Route> {
        if !matches!(self.state, State::Asking(_)) {
            return None;
        }
        let State::Asking(request) = mem::replace(&mut self.state, State::Idle) else { return None };
        cx.act(Action::Cancel(request.id));
        Some(request.route)
    }

    /// Brings the record up to date.
    fn checkpoint(&mut self, now: Instant) {
        let Some(kept) = &mut self.record.kept else { return };
        kept.offset = self.offset;
        kept.work = self.hasher.save();
        kept.spent = kept.spent.saturating_add(millis(now.since(self.began)));
        self.began = now;
        self.keeper.touch();
    }

    fn settle(&mut self, cx: &mut Cx<'_>) {
        if self.is_open() {
            self.keeper.flush(cx, &self.record, &self.identity);
        }
    }

    fn say(&mut self, cx: &Cx<'_>, news: News) {
        if self.news.is_empty() {
            self.said = cx.now;
        }
        self.news.push_back(news);
    }

    fn total(&self) -> Option<u64> {
        self.record.kept.as_ref().and_then(|kept| kept.total)
    }
}

fn fresh(job: &Job) -> Kept {
    Kept {
        stage: Stage::UnderWay,
        job: job.id.clone(),
        digest_kind: Digest::code(job.digest.as_ref()),
        digest: job.digest.as_ref().map_or_else(Vec::new, |digest| digest.bytes().to_vec()),
        total: job.size,
        offset: 0,
        restarts: 0,
        spent: 0,
        etag: None,
        work: Hasher::new(job.digest.as_ref()).save(),
    }
}

/// Whether a record tells of this very job.
fn is_of(kept: &Kept, job: &Job) -> bool {
    kept.job == job.id
        && kept.digest_kind == Digest::code(job.digest.as_ref())
        && kept.digest == job.digest.as_ref().map_or(&[][..], Digest::bytes)
        && (job.size.is_none() || kept.total == job.size)
}
