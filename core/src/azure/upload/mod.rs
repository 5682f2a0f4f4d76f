//! How a file gets into the storage that belongs to a hub: three HTTP exchanges (§3.9), and more for large files.
//!
//! ```text
//! ▶ POST  https://{hub}/devices/{device}/files?api-version=2021-04-12              {"blobName":"logs/a.bin"}
//! ◀ 200   {"correlationId":"…","hostName":"…","containerName":"…","blobName":"{device}/logs/a.bin","sasToken":"?…"}
//! ▶ PUT   https://{hostName}/{containerName}/{blobName}{sasToken}                  x-ms-blob-type: BlockBlob, the file
//! ◀ 201      of a file in blocks: PUT …&comp=block&blockid={id} for each, then PUT …&comp=blocklist with their list
//! ▶ POST  https://{hub}/devices/{device}/files/notifications?api-version=2021-04-12
//!         {"correlationId":"…","isSuccess":true,"statusCode":200,"statusDescription":"ok"}
//! ◀ 204
//! ```
//!
//! The hub is told of the end of each upload that it has granted, of a failed one too: it lets a device have ten open.
//! A request that is throttled (429), meets a server error (408, 5xx), breaks off or falls silent for 60 s is made again,
//! five times in all. Requests to the hub carry a token or the certificate; those to the storage carry neither. No
//! redirect is followed.

mod grant;
mod run;

use super::{
    command::{Answer, Command},
    config::Config,
    event::Event,
    identity::{HostName, Whom},
    limits,
};
use crate::{
    cloud::{Cx, Out},
    http::UrlFault,
    io::{Cause, Deadline, ExchangeId, Rejected, Reply, Tag},
};
use alloc::{borrow::Cow, collections::VecDeque, string::String, vec::Vec};
use core::fmt;
use run::Run;

/// A file to upload.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "all that an upload has")]
pub struct Upload {
    /// What it shall be called, 1 to 1024 bytes with `/` between its segments; the hub puts the device's id and a `/`
    /// before it.
    pub blob: String,
    /// What is in it.
    pub content: Content,
}

/// What is in a file.
#[derive(Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there is no third way to have a file")]
pub enum Content {
    /// Its bytes, at most 1 MiB.
    Whole(Cow<'static, [u8]>),
    /// This many bytes, 1 to 512 MiB, which are asked for 128 KiB at a time, by
    /// [`Event::UploadBlock`].
    Blocks(u64),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Blocks(len) => write!(f, "Blocks({len} bytes)"),
        }
    }
}

/// A part of a file that is wanted next; answer it within 5 min.
#[derive(PartialEq, Eq, Debug, Clone)]
#[non_exhaustive]
pub struct BlockCall {
    /// The upload: the tag of its command.
    pub upload: Tag,
    /// Where the part begins in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub length: usize,
}

impl BlockCall {
    /// The command that gives the bytes: exactly [`length`](Self::length) of them.
    pub fn answer(self, bytes: impl Into<Vec<u8>>) -> Command {
        Command::UploadBlock(Block { upload: self.upload, offset: self.offset, bytes: Some(bytes.into()) })
    }

    /// The command that ends the upload, since there are no such bytes.
    pub fn abandon(self) -> Command {
        Command::UploadBlock(Block { upload: self.upload, offset: self.offset, bytes: None })
    }
}

/// A part of a file, or that there is none; made by [`BlockCall::answer`] and [`BlockCall::abandon`].
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    upload: Tag,
    offset: u64,
    bytes: Option<Vec<u8>>,
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("upload", &self.upload).field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// How an upload ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Uploaded {
    /// The name under which the file is stored, with the device's id before it; `None` where the hub granted none.
    pub blob: Option<String>,
    /// Why it is not stored; `None` where it is.
    pub fault: Option<UploadFault>,
    /// Whether the hub has been told.
    pub notified: bool,
}

/// Why a file is not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UploadFault {
    /// The hub did not grant it: its HTTP status. 403 may say that ten others are open.
    Refused(u16),
    /// The hub's grant breaks the rule named.
    Grant(&'static str),
    /// The storage's URL is not allowed.
    Url(UrlFault),
    /// The storage did not take it: its HTTP status.
    NotStored(u16),
    /// The connection broke each time; the last time for this cause.
    Broken(Cause),
    /// No answer came, each time.
    Silent,
    /// The application gave it up, or gave no bytes for 5 min.
    Abandoned,
    /// The time is not known, which a token needs.
    NoTime,
}

impl fmt::Display for UploadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "the hub did not grant the upload (HTTP status {status})"),
            Self::Grant(rule) => write!(f, "the hub's grant cannot be used: {rule}"),
            Self::Url(fault) => write!(f, "the storage that the hub named is not used: {fault}"),
            Self::NotStored(status) => write!(f, "the storage did not take the file (HTTP status {status})"),
            Self::Broken(cause) => write!(f, "the upload kept breaking off: {cause}"),
            Self::Silent => f.write_str("the server kept silent"),
            Self::Abandoned => f.write_str("the application gave no bytes"),
            Self::NoTime => f.write_str("the time is not known, which a token needs"),
        }
    }
}

impl core::error::Error for UploadFault {}

/// The uploads under way.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    runs: Vec<Run>,
    out: VecDeque<Out<Event, Answer>>,
}

impl Uploads {
    /// Begins one, at the hub and in the name given.
    ///
    /// # Errors
    /// [`Rejected::Invalid`] for a name or size beyond its bounds, [`Rejected::Unsupported`] for a module,
    /// [`Rejected::Full`] while four run.
    pub(super) fn start(
        &mut self,
        cx: &mut Cx<'_>,
        config: &Config,
        at: (HostName, Whom),
        tag: Tag,
        upload: &Upload,
    ) -> Result<(), Rejected> {
        if at.1.module.is_some() {
            return Err(Rejected::Unsupported("file uploads by a module: the hub takes them from devices"));
        }
        if !grant::is_blob_name(&upload.blob) {
            return Err(Rejected::Invalid(
                "a blob's name has 1 to 1024 bytes, in segments that are not empty and do not end in a dot",
            ));
        }
        match upload.content {
            Content::Whole(ref bytes) if bytes.len() > limits::UPLOAD_WHOLE => {
                return Err(Rejected::Invalid("a file as a whole has at most 1 MiB; give a larger one in blocks"));
            }
            Content::Blocks(len) if len == 0 || len > limits::UPLOAD_MAX => {
                return Err(Rejected::Invalid("a file in blocks has 1 byte to 512 MiB"));
            }
            Content::Whole(_) | Content::Blocks(_) => {}
        }
        if self.runs.len() >= limits::UPLOADS {
            return Err(Rejected::Full);
        }
        self.runs.push(Run::start(cx, config, at, tag, upload));
        Ok(())
    }

    /// Takes a part that was asked for.
    ///
    /// # Errors
    /// [`Rejected::Invalid`] where nothing waits for it, or it has another length than was asked for.
    pub(super) fn block(&mut self, cx: &mut Cx<'_>, config: &Config, block: &Block) -> Result<(), Rejected> {
        let run = self.runs.iter_mut().find(|run| run.tag() == block.upload);
        let run = run.ok_or(Rejected::Invalid("the upload that the block is of has ended"))?;
        run.block(cx, config, block.offset, block.bytes.as_deref())
    }

    /// News of an exchange; of another one than an upload's it is ignored.
    pub(super) fn reply(&mut self, cx: &mut Cx<'_>, config: &Config, id: ExchangeId, reply: Reply<'_>) {
        if let Some(run) = self.runs.iter_mut().find(|run| run.asks(id)) {
            run.reply(cx, config, reply);
            self.sweep();
        }
    }

    /// Time has passed, or the wall time has become known.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_>, config: &Config) {
        for run in &mut self.runs {
            run.tick(cx, config);
        }
        self.sweep();
    }

    /// What there is to say: at most one thing an upload.
    pub(super) fn said(&mut self) -> impl Iterator<Item = Out<Event, Answer>> {
        self.out.drain(..)
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.runs.iter().map(Run::deadline).fold(None, Deadline::earlier)
    }

    /// Takes what the uploads have to say, and those out that have ended.
    fn sweep(&mut self) {
        for run in &mut self.runs {
            self.out.extend(run.wanted().map(|call| Out::Event(Event::UploadBlock(call))));
        }
        let out = &mut self.out;
        self.runs.retain(|run| match run.end() {
            Some(uploaded) => {
                out.push_back(Out::Done(run.tag(), Ok(Answer::Uploaded(uploaded.clone()))));
                false
            }
            None => true,
        });
    }
}
