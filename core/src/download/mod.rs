//! What does every download share? Ranges, resumption, checks, verdict: firmware, configuration and files of any cloud.
//!
//! A cloud owns one [`Download`], lets it hear what itself hears, and hands it one [`Job`] at a time. The content goes
//! straight into a [`Slot`]; what streams by here is only counted and digested.
//!
//! ```text
//! open ──▶ Load ──▶ Opened            start(job)
//!                                       │  ┌───────── wait ◀── break, 429, 5xx, silence
//!                                       ▼  ▼
//!   Failed ◀── 4th wrong content ◀── request ──▶ body ──▶ digest ──▶ stored: verified ──▶ Judge
//!                                       ▲          │        │                               │ verdict
//!                                       └─ from 0 ◀┴────────┘        Ready ◀── stored: ready ◀┘
//! ```
//!
//! **What survives a power cut (R-100).** One record under [`Key::Ota`](crate::io::Key::Ota) holds the job's name, how
//! many bytes the slot holds safely, the entity tag, and the digest's own state after exactly these bytes: SHA-256,
//! SHA-1 and MD5 go on from a saved state, so that nothing has to be read back. A state that this build cannot go on
//! from starts the download anew. The record is written at the start, after each 64 KiB or 64th part of the whole
//! (whichever is more), at each break, and before anything is said to be verified or ready: at most about 70 times a
//! download that nothing disturbs. Nothing is asked for from the start before the
//! record that says so is stored, since an older one would then stand over new content. Bytes that were safe beyond the
//! last record are fetched again. The record also holds
//! a note of the cloud's, so that both change in one write: what is installed, rebooted and confirmed is the cloud's part.
//!
//! **What is wrong content (R-101):** another size, another digest, a body too short or too long, a whole where a range
//! was asked for, another entity tag. It is discarded and fetched from the start, 3 times at most.

mod digest;
mod keeper;
mod machine;
mod progress;
mod record;

pub use digest::Digest;
pub use machine::Download;

use crate::{
    backoff::{Backoff, Shape},
    http::{Rules, UrlFault},
    io::{Cause, Slot, StoreFailed},
};
use alloc::{string::String, vec::Vec};
use core::{fmt, time::Duration};

/// Longest [`Job::id`], in bytes.
pub const MAX_ID: usize = 128;

/// Longest note that a cloud may keep beside a download, in bytes.
pub const MAX_NOTE: usize = 4096;

/// How often content that was wrong is fetched anew, over all restarts of the device.
pub const RESTARTS: u8 = 3;

/// How often a job's URL may be renewed in one go.
pub const RENEWALS: u8 = 3;

/// One thing to fetch.
#[derive(Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a cloud fills all of it from what it was told")]
pub struct Job {
    /// Names it over restarts, 1 to 128 bytes: a job with this name, size and digest goes on where it broke off, even
    /// from another URL.
    pub id: String,
    /// Where it is.
    pub url: String,
    /// What to say there, and to no other host: tokens.
    pub headers: Vec<(String, String)>,
    /// Whether that host, and no other, may be shown the device's certificate.
    pub certificate: bool,
    /// Its length in bytes, where the cloud tells it.
    pub size: Option<u64>,
    /// What it must amount to, where the cloud tells it.
    pub digest: Option<Digest>,
    /// Where it goes. Never the slot that is running.
    pub slot: Slot,
    /// Bytes that the slot has room for, where that is known: checked before the first request (R-106).
    pub room: Option<u64>,
    /// Whether the application judges it once its digest is right, a signature for instance (R-102).
    pub judged: bool,
    /// Whether the cloud can name another URL once this one is refused with 401, 403 or 410 (R-108).
    pub renewable: bool,
}

impl fmt::Debug for Job {
    /// Without URL and headers, which may hold tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("size", &self.size)
            .field("digest", &self.digest)
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

/// How downloads are made.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes `Options { rules: …, ..Options::default() }`")]
pub struct Options {
    /// Which URLs are allowed.
    pub rules: Rules,
    /// Silence after which a request is given up and made again. Default 60 s.
    pub stall: Duration,
    /// The most that one download may take, waits and restarts of the device included. Default 24 h.
    pub overall: Duration,
    /// Requests in a row that may bring no byte. Default 10.
    pub attempts: u32,
    /// The waits between them; a `Retry-After` makes them longer. Default: from 1 s to 2 min, full jitter.
    pub backoff: Backoff,
    /// The least number of bytes between two writes of the record. Default 64 KiB.
    pub checkpoint: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            stall: Duration::from_mins(1),
            overall: Duration::from_hours(24),
            attempts: 10,
            backoff: Backoff { shape: Shape::FULL_JITTER, ..Backoff::default() },
            checkpoint: 64 * 1024,
        }
    }
}

/// What a download has to say.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a cloud must see each")]
pub enum News {
    /// The record was looked up.
    Opened {
        /// The download that it tells of: under way, or ready and not yet released.
        job: Option<String>,
        /// The cloud's note; empty where there is none.
        note: Vec<u8>,
    },
    /// The record cannot be used, for the reason named, and is left untouched: no download starts before
    /// [`Download::forget`].
    Unusable(&'static str),
    /// So many bytes are safe. At most one in 3 s, or one for each 5 % (R-109).
    Progress {
        /// Bytes that the slot holds safely.
        done: u64,
        /// Bytes of the whole, where they are known.
        total: Option<u64>,
    },
    /// The URL was refused with this status: [`Download::renew`] gives another, within [`Options::overall`].
    UrlRefused(u16),
    /// All bytes are there and are the right ones: [`Download::verdict`] decides, without a time limit.
    Judge,
    /// It may be used: it is verified, accepted, and safe in its slot. Told again for the same job after a restart,
    /// until [`Download::release`].
    Ready,
    /// It ended without success; nothing of it is kept.
    Failed(Fault),
    /// The note is stored, or not.
    Noted(Result<(), StoreFailed>),
}

/// Why a download failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The URL, or one that a redirect named, is not used.
    Url(UrlFault),
    /// The server's status.
    Status(u16),
    /// Each request broke off; the last one for this cause.
    Broken(Cause),
    /// The server fell silent in the middle, each time.
    Stalled,
    /// It took longer than the overall limit.
    TooSlow,
    /// The slot has less room than the content needs.
    NoRoom {
        /// Bytes of the content; where it does not say, those that have come.
        size: u64,
        /// Bytes of the slot.
        room: u64,
    },
    /// The server tells another length than the one expected.
    Size {
        /// Expected.
        expected: u64,
        /// Told.
        told: u64,
    },
    /// The body ended early.
    Short {
        /// Bytes expected.
        expected: u64,
        /// Bytes that came.
        came: u64,
    },
    /// More came than was announced.
    Long,
    /// A range was asked for and something else came.
    NoRange,
    /// The content changed on the server half-way.
    Changed,
    /// The digest is another one.
    Digest,
    /// The application refused it.
    Rejected,
    /// It was cancelled.
    Cancelled,
    /// The store or the slot failed.
    Storage,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(fault) => write!(f, "{fault}"),
            Self::Status(status) => write!(f, "the server answered with HTTP status {status}"),
            Self::Broken(cause) => write!(f, "the download kept breaking off: {cause}"),
            Self::Stalled => f.write_str("the server kept falling silent"),
            Self::TooSlow => f.write_str("the download took longer than its overall limit"),
            Self::NoRoom { size, room } => write!(f, "the slot has room for {room} bytes and the content has {size}"),
            Self::Size { expected, told } => write!(f, "the server tells {told} bytes instead of {expected}"),
            Self::Short { expected, came } => write!(f, "the body ended after {came} of {expected} bytes"),
            Self::Long => f.write_str("more bytes came than were announced"),
            Self::NoRange => f.write_str("the server does not serve the range that was asked for"),
            Self::Changed => f.write_str("the content changed on the server half-way"),
            Self::Digest => f.write_str("the content's digest is not the expected one"),
            Self::Rejected => f.write_str("the application rejected the content"),
            Self::Cancelled => f.write_str("the download was cancelled"),
            Self::Storage => f.write_str("the store or the slot failed"),
        }
    }
}

impl core::error::Error for Fault {}
