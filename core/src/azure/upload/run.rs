//! How one upload goes from exchange to exchange, and what each answer leads to.

use super::{
    BlockCall, Content, Upload, UploadFault, Uploaded,
    grant::{Grant, Unusable, read},
};
use crate::{
    azure::{
        config::Config,
        identity::{HostName, Whom},
        limits,
        percent::Encoded,
        rest::{self, Credentials},
    },
    backoff::{Backoff, Class},
    cloud::Cx,
    io::{Action, Cause, Deadline, Exchange, ExchangeId, Head, Instant, Method, Rejected, Reply, Sink, Tag},
};
use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{mem, time::Duration};
use serde_json::json;

/// Longest answer that is read, in bytes.
const ANSWER: usize = 8 * 1024;
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_mins(1);
/// How long the application may take for a block.
const BLOCK: Duration = Duration::from_mins(5);
/// How often a request is made in all.
const TRIES: u32 = 5;
/// What the hub is told where no status stands for what went wrong.
const FAILED: u16 = 500;

/// One upload.
#[derive(Debug)]
pub(super) struct Run {
    tag: Tag,
    hub: HostName,
    whom: Whom,
    upload: Upload,
    step: Step,
    wait: Wait,
    tries: u32,
    correlation: Option<String>,
    grant: Option<Grant>,
    /// The block on its way.
    block: Vec<u8>,
    wanted: Option<BlockCall>,
    fault: Option<UploadFault>,
    end: Option<Uploaded>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Grant,
    Whole,
    /// The block of this number.
    Block(u32),
    List,
    Notify,
}

#[derive(Debug)]
enum Wait {
    /// For the wall time, until then.
    Wall(Instant),
    /// For the application's block, until then.
    Block(Instant),
    /// To make the request again.
    Pause(Instant),
    Answer(Answer),
}

#[derive(Debug)]
struct Answer {
    id: ExchangeId,
    until: Instant,
    status: u16,
    retry_after: Option<u32>,
    body: Vec<u8>,
}

impl Run {
    pub(super) fn start(cx: &mut Cx<'_>, config: &Config, at: (HostName, Whom), tag: Tag, upload: &Upload) -> Self {
        let mut run = Self {
            tag,
            hub: at.0,
            whom: at.1,
            upload: upload.clone(),
            step: Step::Grant,
            wait: Wait::Pause(cx.now),
            tries: 0,
            correlation: None,
            grant: None,
            block: Vec::new(),
            wanted: None,
            fault: None,
            end: None,
        };
        run.go(cx, config, Step::Grant);
        run
    }

    pub(super) fn tag(&self) -> Tag {
        self.tag
    }

    /// The part that is wanted, once.
    pub(super) fn wanted(&mut self) -> Option<BlockCall> {
        self.wanted.take()
    }

    pub(super) fn end(&self) -> Option<&Uploaded> {
        self.end.as_ref()
    }

    /// Whether this exchange is the one under way.
    pub(super) fn asks(&self, id: ExchangeId) -> bool {
        matches!(&self.wait, Wait::Answer(answer) if answer.id == id)
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        if self.end.is_some() || self.wanted.is_some() {
            return None;
        }
        let (at, why) = match &self.wait {
            Wait::Wall(until) => (*until, "upload time"),
            Wait::Block(until) => (*until, "upload block"),
            Wait::Pause(until) => (*until, "upload retry"),
            Wait::Answer(answer) => (answer.until, "upload answer"),
        };
        Some(Deadline { at, why })
    }

    pub(super) fn tick(&mut self, cx: &mut Cx<'_>, config: &Config) {
        match &self.wait {
            Wait::Wall(until) if *until <= cx.now => self.fail(cx, config, UploadFault::NoTime),
            Wait::Wall(_) => self.send(cx, config),
            Wait::Block(until) if *until <= cx.now => self.fail(cx, config, UploadFault::Abandoned),
            Wait::Pause(until) if *until <= cx.now => self.send(cx, config),
            Wait::Answer(answer) if answer.until <= cx.now => {
                cx.act(Action::Cancel(answer.id));
                self.again(cx, config, UploadFault::Silent, None);
            }
            Wait::Block(_) | Wait::Pause(_) | Wait::Answer(_) => {}
        }
    }

    /// Takes the part that was asked for; `None`: there is none.
    pub(super) fn block(
        &mut self,
        cx: &mut Cx<'_>,
        config: &Config,
        offset: u64,
        bytes: Option<&[u8]>,
    ) -> Result<(), Rejected> {
        let Step::Block(number) = self.step else {
            return Err(Rejected::Invalid("the upload waits for no block"));
        };
        let (at, length) = self.place(number);
        if !matches!(self.wait, Wait::Block(_)) || offset != at {
            return Err(Rejected::Invalid("the upload waits for another block"));
        }
        match bytes {
            None => self.fail(cx, config, UploadFault::Abandoned),
            Some(bytes) if bytes.len() != length => {
                return Err(Rejected::Invalid("a block has the length that was asked for"));
            }
            Some(bytes) => {
                self.block = bytes.to_vec();
                self.send(cx, config);
            }
        }
        Ok(())
    }

    pub(super) fn reply(&mut self, cx: &mut Cx<'_>, config: &Config, reply: Reply<'_>) {
        let Wait::Answer(answer) = &mut self.wait else { return };
        answer.until = cx.now.after(SILENCE);
        match reply {
            Reply::Head(Head { status, retry_after, .. }) => {
                (answer.status, answer.retry_after) = (status, retry_after);
            }
            Reply::Chunk(chunk) => {
                let room = ANSWER.saturating_sub(answer.body.len());
                answer.body.extend_from_slice(chunk.get(..chunk.len().min(room)).unwrap_or_default());
            }
            Reply::End => {
                let (status, retry_after, body) = (answer.status, answer.retry_after, mem::take(&mut answer.body));
                self.answered(cx, config, status, retry_after, &body);
            }
            Reply::Failed(cause @ Cause::Unsupported(_)) => self.fail(cx, config, UploadFault::Broken(cause)),
            Reply::Failed(cause) => self.again(cx, config, UploadFault::Broken(cause), None),
        }
    }

    fn answered(&mut self, cx: &mut Cx<'_>, config: &Config, status: u16, retry_after: Option<u32>, body: &[u8]) {
        let fault = match self.step {
            Step::Grant | Step::Notify => UploadFault::Refused(status),
            Step::Whole | Step::Block(_) | Step::List => UploadFault::NotStored(status),
        };
        match (status, self.step) {
            (200..=299, Step::Grant) => self.granted(cx, config, body),
            (200..=299, Step::Block(number)) => {
                let (at, length) = self.place(number);
                let whole = at.saturating_add(length as u64) >= self.len();
                self.go(cx, config, if whole { Step::List } else { Step::Block(number.saturating_add(1)) });
            }
            (200..=299, Step::Whole | Step::List) => self.go(cx, config, Step::Notify),
            (200..=299, Step::Notify) => self.finish(true),
            (408 | 429 | 500.., _) => self.again(cx, config, fault, retry_after),
            // A token of ours that has just run out; the next is made anew.
            (401, Step::Grant | Step::Notify) if self.tries == 1 => self.again(cx, config, fault, None),
            _ => self.fail(cx, config, fault),
        }
    }

    fn granted(&mut self, cx: &mut Cx<'_>, config: &Config, body: &[u8]) {
        let (correlation, grant) = read(body, &config.files.rules);
        self.correlation = correlation;
        match grant {
            Ok(grant) => {
                self.grant = Some(grant);
                let blocks = matches!(self.upload.content, Content::Blocks(_));
                self.go(cx, config, if blocks { Step::Block(0) } else { Step::Whole });
            }
            Err(Unusable::Shape(rule)) => self.fail(cx, config, UploadFault::Grant(rule)),
            Err(Unusable::Url(fault)) => self.fail(cx, config, UploadFault::Url(fault)),
        }
    }

    /// Begins a step.
    fn go(&mut self, cx: &mut Cx<'_>, config: &Config, step: Step) {
        (self.step, self.tries) = (step, 0);
        let Step::Block(number) = step else { return self.send(cx, config) };
        let (offset, length) = self.place(number);
        self.wanted = Some(BlockCall { upload: self.tag, offset, length });
        self.wait = Wait::Block(cx.now.after(BLOCK));
    }

    /// Makes the request of the step.
    fn send(&mut self, cx: &mut Cx<'_>, config: &Config) {
        let Some(exchange) = self.exchange(cx, config) else {
            if !matches!(self.wait, Wait::Wall(_)) {
                cx.act(Action::AskWall);
                self.wait = Wait::Wall(cx.now.after(SILENCE));
            }
            return;
        };
        self.tries = self.tries.saturating_add(1);
        let id = cx.exchange(exchange);
        let until = cx.now.after(SILENCE);
        self.wait = Wait::Answer(Answer { id, until, status: 0, retry_after: None, body: Vec::new() });
    }

    /// The request of the step; `None` while it cannot be signed for want of the time.
    fn exchange(&self, cx: &Cx<'_>, config: &Config) -> Option<Exchange> {
        let storage = || self.grant.as_ref().map_or("", |grant| grant.url.as_str());
        let put = |url: String, headers: &[(&str, &str)], body: Vec<u8>| Exchange {
            method: Method::Put,
            url,
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            range: None,
            certificate: false,
            body,
            sink: Sink::Memory(ANSWER),
        };
        Some(match self.step {
            Step::Grant => self.post(cx, config, "", &json!({ "blobName": self.upload.blob }).to_string())?,
            Step::Whole => {
                let Content::Whole(bytes) = &self.upload.content else { return None };
                put(storage().into(), &[("x-ms-blob-type", "BlockBlob")], bytes.to_vec())
            }
            Step::Block(number) => {
                let url = format!("{}&comp=block&blockid={}", storage(), Encoded(&block_id(number)));
                put(url, &[], self.block.clone())
            }
            Step::List => {
                let url = format!("{}&comp=blocklist", storage());
                put(url, &[("Content-Type", "application/xml")], self.list().into())
            }
            Step::Notify => self.post(cx, config, "/notifications", &self.report())?,
        })
    }

    /// A request to the hub, below `…/files`.
    fn post(&self, cx: &Cx<'_>, config: &Config, path: &str, body: &str) -> Option<Exchange> {
        let credentials = Credentials { hub: &self.hub, whom: &self.whom };
        let mut headers = Vec::new();
        headers.extend(rest::authorization(cx.wall, config, &credentials)?);
        headers.push(("Content-Type".into(), "application/json; charset=utf-8".into()));
        Some(Exchange {
            method: Method::Post,
            url: rest::url(config, &credentials, &format!("files{path}")),
            headers,
            range: None,
            certificate: rest::shows_certificate(config),
            body: body.as_bytes().to_vec(),
            sink: Sink::Memory(ANSWER),
        })
    }

    /// What the hub is told of the end.
    fn report(&self) -> String {
        let (status, text) = match self.fault {
            None => (200, String::from("ok")),
            Some(fault @ (UploadFault::NotStored(status) | UploadFault::Refused(status))) => {
                (status, fault.to_string())
            }
            Some(fault) => (FAILED, fault.to_string()),
        };
        let correlation = self.correlation.as_deref().unwrap_or_default();
        let (success, text) = (self.fault.is_none(), json!(text));
        // In the order in which the platform's page has it.
        format!(
            r#"{{"correlationId":{},"isSuccess":{success},"statusCode":{status},"statusDescription":{text}}}"#,
            json!(correlation)
        )
    }

    /// The list that makes the blocks a file.
    fn list(&self) -> String {
        let mut list = String::from(r#"<?xml version="1.0" encoding="utf-8"?><BlockList>"#);
        for number in 0..self.blocks() {
            list.push_str("<Latest>");
            list.push_str(&block_id(number));
            list.push_str("</Latest>");
        }
        list.push_str("</BlockList>");
        list
    }

    fn len(&self) -> u64 {
        match &self.upload.content {
            Content::Whole(bytes) => bytes.len() as u64,
            Content::Blocks(len) => *len,
        }
    }

    fn blocks(&self) -> u32 {
        u32::try_from(self.len().div_ceil(limits::UPLOAD_BLOCK)).unwrap_or(u32::MAX)
    }

    /// Where a block begins, and its length.
    fn place(&self, number: u32) -> (u64, usize) {
        let at = u64::from(number).saturating_mul(limits::UPLOAD_BLOCK);
        let length = self.len().saturating_sub(at).min(limits::UPLOAD_BLOCK);
        (at, usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn again(&mut self, cx: &mut Cx<'_>, config: &Config, fault: UploadFault, retry_after: Option<u32>) {
        if self.tries >= TRIES {
            self.fail(cx, config, fault);
            return;
        }
        let random = cx.rng().next_u64();
        let wait = Backoff::default().delay(Class::Transient, self.tries.saturating_sub(1), random);
        let wait = wait.max(Duration::from_secs(retry_after.unwrap_or(0).into()).min(limits::UPLOAD_PATIENCE));
        self.wait = Wait::Pause(cx.now.after(wait));
    }

    /// The upload has failed; the hub is told, if it knows of it at all.
    fn fail(&mut self, cx: &mut Cx<'_>, config: &Config, fault: UploadFault) {
        self.block = Vec::new();
        if self.step == Step::Notify {
            self.finish(false);
            return;
        }
        self.fault = Some(fault);
        if self.correlation.is_some() {
            self.go(cx, config, Step::Notify);
        } else {
            self.finish(false);
        }
    }

    fn finish(&mut self, notified: bool) {
        let blob = self.grant.as_ref().map(|grant| grant.blob.clone());
        self.end = Some(Uploaded { blob, fault: self.fault, notified });
    }
}

/// The name of a block: all of one length, as the storage service wants it; base64 of the number in six digits.
fn block_id(number: u32) -> String {
    use base64ct::{Base64, Encoding as _};
    Base64::encode_string(format!("{number:06}").as_bytes())
}
