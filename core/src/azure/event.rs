//! What an application is told.

use super::{
    c2d::C2d,
    identity::{DeviceId, HostName},
    method::MethodCall,
    twin::{Desired, TwinError},
    update::UpdateEvent,
    upload::BlockCall,
};
use crate::{
    io::{Refusal, UnixMillis},
    message::Received,
};
use alloc::string::String;
use core::{fmt, time::Duration};
use serde_json::Value;

/// What an application is told.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// How a registration goes.
    Provisioning(Progress),
    /// The provisioning service assigned a hub. It is stored, or is about to be tried although the store failed.
    Assigned(Assigned),
    /// A registration ended without a hub.
    NotAssigned(NotAssigned),
    /// The stored assignment cannot be used, for the reason named; it is left as it is, and the device registers anew.
    /// What it then is assigned replaces a record that is damaged, never one of another device or a newer version.
    StoredHubUnusable(&'static str),
    /// The service refused the connection for what we said of ourselves.
    Refused {
        /// The reason that the service gave.
        refusal: Refusal,
        /// What to look at.
        check: &'static str,
    },
    /// The hub refused a subscription that is wanted; it is asked again after 30 s, then ever later. Until it is granted,
    /// the device is not ready and messages wait.
    SubscriptionRefused {
        /// The filter.
        filter: String,
    },
    /// The given token, which cannot be renewed here, expires in less than 2 min: give the device another one.
    TokenExpiring {
        /// When, in seconds since 1970.
        expiry: u64,
    },
    /// The given token has expired. The connection goes on as long as the hub lets it.
    TokenExpired {
        /// When, in seconds since 1970.
        expiry: u64,
    },
    /// The clock shows a time before 2020, so nothing can be signed; told once, while it is asked again every minute.
    ClockUnset {
        /// What it shows.
        wall: UnixMillis,
    },
    /// Desired properties: all of them where they are not the version told last (at the first connection always), then
    /// each change.
    Desired(Desired),
    /// A document about the twin that cannot be used. The hub is asked again.
    TwinUnreadable(TwinError),
    /// The hub did not give the whole twin; it is asked again every minute, and no change is told until then.
    TwinBehind {
        /// Its status; `None` where it did not answer.
        status: Option<u16>,
    },
    /// A direct method is called; answer it within 30 s, also where it is unknown
    /// ([`MethodCall::unknown`](super::MethodCall::unknown)).
    Method(MethodCall),
    /// A message from the cloud, or at a module's input.
    Message(C2d),
    /// A command that IoT Central sent as a message, since it does not wait for an answer.
    OfflineCommand(OfflineCommand),
    /// Device Update.
    Update(UpdateEvent),
    /// The next part of a file that is uploaded in blocks; answer it within 5 min.
    UploadBlock(BlockCall),
    /// A message on a topic of no known shape, or of another device.
    Unrouted(Received),
}

/// A command without an answer: a message with the property `method-name`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct OfflineCommand {
    /// The component that is addressed, where one is.
    pub component: Option<String>,
    /// Its name.
    pub name: String,
    /// The message that carries it; its payload is the request's.
    pub message: C2d,
}

/// How a registration goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// The request to register has left.
    Registering,
    /// The service works on it; it is asked again after this time.
    Assigning {
        /// Until the next question.
        wait: Duration,
    },
    /// The service has no time or had a fault; the same is asked again after this time.
    Delayed {
        /// Its status: 429 or 500 and above.
        status: u16,
        /// Until the request is repeated.
        wait: Duration,
    },
}

/// What the provisioning service assigned.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Assigned {
    /// The hub.
    pub hub: HostName,
    /// The device's id there, which need not be its registration id.
    pub device: DeviceId,
    /// `payload`: what custom allocation or the enrolment gives the device, as it came.
    pub payload: Option<Value>,
    /// `substatus`, such as `initialAssignment` or `deviceDataMigrated`.
    pub substatus: Option<String>,
    /// Whether the assignment is safe in the store; otherwise the next start registers again.
    pub stored: bool,
}

/// Why a registration ended without a hub.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NotAssigned {
    /// The service refused the request (status 300 to 428), or the registration failed at a status of 200.
    Refused(ServiceError),
    /// The registration ended as `failed`.
    Failed(ServiceError),
    /// The enrolment is disabled.
    Disabled,
    /// The enrolment has no hub.
    Unassigned,
    /// It took longer than [`limit`](super::Provisioning::limit).
    TimedOut,
    /// The service's answer breaks the rule named.
    Nonsense(&'static str),
    /// The link cannot carry the request: its payload, or the name that the service gave the operation, is too long.
    TooLong,
    /// The service assigned a host outside the allowed domains.
    HubNotAllowed(HostName),
}

/// What the service says of an error.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ServiceError {
    /// Status of the answer, as in HTTP.
    pub status: u16,
    /// `errorCode`: its first three digits are the class, such as 401002.
    pub code: Option<u32>,
    /// `message` or `errorMessage`, at most 256 bytes of it.
    pub message: String,
    /// `trackingId`, which the platform's support asks for.
    pub tracking_id: String,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if let Some(code) = self.code {
            write!(f, ", code {code}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl fmt::Display for NotAssigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "the provisioning service refused the request ({error})"),
            Self::Failed(error) => write!(f, "the registration failed ({error})"),
            Self::Disabled => f.write_str("the enrolment is disabled: enable it in the provisioning service"),
            Self::Unassigned => f.write_str("the enrolment has no hub: link one in the provisioning service"),
            Self::TimedOut => f.write_str("the registration took too long"),
            Self::Nonsense(rule) => write!(f, "the provisioning service answered something unintelligible: {rule}"),
            Self::TooLong => f.write_str("the request is longer than the link can carry: shorten the payload"),
            Self::HubNotAllowed(hub) => write!(f, "the assigned hub {hub} lies outside the allowed domains"),
        }
    }
}

impl core::error::Error for NotAssigned {}
