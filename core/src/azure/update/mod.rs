//! Device Update: how a device takes updates from the platform, as the agent of its contract model (§3.8).
//!
//! The platform writes a deployment into the desired properties; the agent answers there, fetches the files over HTTP and
//! reports. What needs judgement is the application's, by an event that carries the way to answer:
//!
//! ```text
//! ◀ desired     deviceUpdate.service {workflow{action:3,id}, updateManifest, updateManifestSignature, fileUrls}
//!   event       Offered    the manifest, read, and its signature, taken apart   → accept or refuse (within no time limit)
//! ▶ reported    deviceUpdate.service {ac:200, av} , deviceUpdate.agent {state:6, workflow}        refused: {ac:406}
//!   HTTP        each file into its slot, SHA-256 and size checked, resumed after a break or a restart
//!   event       Install    which file is in which slot                         → installed, with or without a restart, or failed
//!   event       Reboot     when a restart belongs to it; the application restarts the device
//!   after that  the criteria of the deployment are compared with those that the running software meets
//! ▶ reported    deviceUpdate.agent {state:0, lastInstallResult{resultCode:700}, installedUpdateId}  or state 255
//!   event       Confirmed  the platform knows: only now is the new software to be confirmed to the boot loader (R-107)
//! ```
//!
//! Each stage is stored before it is acted on (R-100), so a power cut anywhere goes on where it was: with the download,
//! with `Install` again, or with the comparison. Action 255 cancels. The same deployment again is reported again and not
//! installed again, until its `retryTimestamp` changes. Another one while files come takes their place; while one is
//! installed, it waits (R-105).
//!
//! The manifest is trusted only by the application's word: the agent checks the form of its signature and its digest,
//! the application the two RSA signatures, see [`Signature`]. The platform's content network names `http` URLs: allow them
//! in [`Files::rules`](super::Files::rules), the digests being signed.

mod agent;
mod manifest;
mod note;
mod outgoing;
pub mod report;
mod service;
mod signature;

pub use manifest::{File, MAX_FILES, MAX_NAME, MAX_STEPS, Manifest, ManifestError, Step, UpdateId};
pub use signature::{Signature, SignatureError};

pub(super) use agent::Agent;

use super::command::Command;
use crate::{
    cloud::Fatal,
    download::{Fault, Options},
    io::Slot,
};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

/// Longest text of a failure that is reported, in bytes; more is cut off.
pub const MAX_DETAILS: usize = 256;

/// What the agent has to know of its device.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Updates {
    /// Manufacturer, 1 to 64 bytes.
    pub manufacturer: String,
    /// Model, 1 to 64 bytes.
    pub model: String,
    /// Properties of one's own beside these, at most 8.
    pub properties: Vec<(String, String)>,
    /// Names of the properties that decide whether an update fits, with commas between. Default `manufacturer,model`.
    pub compat: String,
    /// What runs now.
    pub installed: UpdateId,
    /// Which `installedCriteria` the running software meets; usually its version.
    pub meets: Vec<String>,
    /// Where files go, the first file of an update into the first, and how many bytes each has room for, where that is
    /// known. Never the slot that is running.
    pub slots: Vec<(Slot, Option<u64>)>,
    /// Whether an older version than the running one is taken too (R-104). Default: no.
    pub allow_downgrade: bool,
    /// Whether a manifest without a signature is offered too. Default: no.
    pub allow_unsigned: bool,
    /// How files are fetched; its rules are those of [`Files::rules`](super::Files::rules).
    pub download: Options,
}

impl Updates {
    /// The defaults for one device, with room of unknown size for one file.
    pub fn new(manufacturer: impl Into<String>, model: impl Into<String>, installed: UpdateId, slot: Slot) -> Self {
        Self {
            manufacturer: manufacturer.into(),
            model: model.into(),
            properties: Vec::new(),
            compat: "manufacturer,model".into(),
            meets: Vec::from([installed.version.clone()]),
            installed,
            slots: Vec::from([(slot, None)]),
            allow_downgrade: false,
            allow_unsigned: false,
            download: Options::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), Fatal> {
        let wrong = |why| Err(Fatal::Invalid(why));
        let short = |text: &str| (1..=MAX_NAME).contains(&text.len());
        let name = |text: &str| short(text) && !text.contains(['.', '$', ' ']) && !text.contains(char::is_control);
        if !short(&self.manufacturer) || !short(&self.model) || !self.installed.is_sound() {
            return wrong("manufacturer, model and the parts of the installed update have 1 to 64 bytes each");
        }
        if self.properties.len() > 8 || !self.properties.iter().all(|(key, value)| name(key) && value.len() <= 256) {
            return wrong("an update agent has at most 8 properties, names of 64 bytes without dot, dollar and space");
        }
        if self.compat.is_empty() || self.compat.len() > 256 {
            return wrong("the names of compatibility properties have 1 to 256 bytes");
        }
        if self.slots.is_empty() || self.slots.len() > MAX_FILES {
            return wrong("an update agent needs 1 to 8 slots for files");
        }
        Ok(())
    }
}

/// What the application hears of updates.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UpdateEvent {
    /// A deployment came: check its signature, and accept or refuse it.
    Offered(Box<Offer>),
    /// A deployment was refused for what is named; the platform is told (406).
    Refused(Refused),
    /// A file comes. At most once for each 5 % or 3 s (R-109).
    Progress {
        /// Its id in the manifest.
        file: String,
        /// Bytes that its slot holds safely.
        done: u64,
        /// Bytes of the whole.
        total: Option<u64>,
    },
    /// All files are there and are the right ones: install them. Told again after a restart until it is answered, so that
    /// it may come twice for one deployment.
    Install(Box<Install>),
    /// It is installed, and stored that it is: restart the device now.
    Reboot,
    /// The platform knows that this runs: confirm it to the boot loader.
    Confirmed(UpdateId),
    /// A deployment failed; the platform is told.
    Failed(UpdateFault),
    /// The platform cancelled the deployment; if it was being installed, stop that if it can be stopped.
    Cancelled,
    /// The stored state of updates cannot be used, for the reason named, and is left untouched: no deployment is taken
    /// before [`Command::DiscardUpdates`].
    StoreUnusable(&'static str),
}

/// Why the agent itself refused a deployment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refused {
    /// The action is neither 3 nor 255: only older agents have others.
    Action(u16),
    /// There is no manifest.
    NoManifest,
    /// The manifest.
    Manifest(ManifestError),
    /// There is no signature.
    Unsigned,
    /// The signature.
    Signature(SignatureError),
    /// It is older than what runs (R-104).
    Downgrade,
    /// It has more files than there are slots.
    Slots,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(action) => write!(f, "the action {action} is one of older agents"),
            Self::NoManifest => f.write_str("the deployment has no manifest"),
            Self::Manifest(error) => write!(f, "{error}"),
            Self::Unsigned => f.write_str("the manifest is not signed"),
            Self::Signature(error) => write!(f, "{error}"),
            Self::Downgrade => f.write_str("the update is older than what runs"),
            Self::Slots => f.write_str("the update has more files than there are slots"),
        }
    }
}

impl core::error::Error for Refused {}

/// Why a deployment failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UpdateFault {
    /// A file has no URL.
    NoUrl,
    /// A file could not be fetched.
    Download(Fault),
    /// The application could not install it: its own code.
    Install(i32),
    /// What runs after the restart does not meet the update's criteria: the boot loader went back, or it was not
    /// installed.
    NotRunning,
    /// The store failed.
    Storage,
}

impl UpdateFault {
    /// `extendedResultCode`: the application's own, or a number of the agent's from 0x30000001 up.
    pub fn code(self) -> i32 {
        match self {
            Self::Install(code) => code,
            Self::NoUrl => 0x3000_0001,
            Self::Download(_) => 0x3000_0002,
            Self::NotRunning => 0x3000_0003,
            Self::Storage => 0x3000_0004,
        }
    }
}

impl fmt::Display for UpdateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUrl => f.write_str("a file has no URL"),
            Self::Download(fault) => write!(f, "a file could not be fetched: {fault}"),
            Self::Install(code) => write!(f, "it could not be installed (code {code})"),
            Self::NotRunning => f.write_str("what runs after the restart is not the update"),
            Self::Storage => f.write_str("the store failed"),
        }
    }
}

impl core::error::Error for UpdateFault {}

/// A deployment to be judged. Check [`signature`](Self::signature), and what else matters to you, and answer.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Offer {
    /// Its id.
    pub workflow: String,
    /// What it consists of.
    pub manifest: Manifest,
    /// The signature, whose two RSA signatures are to be checked; `None` only where unsigned ones are allowed.
    pub signature: Option<Signature>,
    serial: u32,
}

impl Offer {
    /// The command that takes it: its files are fetched.
    pub fn accept(&self) -> Command {
        Command::Update(Verdict { serial: self.serial, says: Says::Accept })
    }

    /// The command that refuses it; the platform is told (406).
    pub fn refuse(&self) -> Command {
        Command::Update(Verdict { serial: self.serial, says: Says::Refuse })
    }
}

/// A deployment to be installed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Install {
    /// Its id.
    pub workflow: String,
    /// What it consists of.
    pub manifest: Manifest,
    /// The slot of each of the manifest's files, in their order.
    pub slots: Vec<Slot>,
    serial: u32,
}

impl Install {
    /// The command that says that it is installed; with `reboot`, once the device has restarted.
    /// [`UpdateEvent::Reboot`] follows then.
    pub fn installed(&self, reboot: bool) -> Command {
        Command::Update(Verdict { serial: self.serial, says: Says::Installed { reboot } })
    }

    /// The command that says that it could not be installed, with a code of the application's own, not 0, for the
    /// platform.
    pub fn failed(&self, code: i32) -> Command {
        Command::Update(Verdict { serial: self.serial, says: Says::Failed(code) })
    }
}

/// The application's word on a deployment; made by [`Offer`] and [`Install`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    serial: u32,
    says: Says,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Says {
    Accept,
    Refuse,
    Installed { reboot: bool },
    Failed(i32),
}
