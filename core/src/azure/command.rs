//! What an application can ask for, and what each request ends in.

use super::{
    method::MethodAnswer,
    pnp::Ack,
    telemetry::Telemetry,
    twin::Twin,
    update::Verdict,
    upload::{Block, Upload, Uploaded},
};
use alloc::{boxed::Box, string::String, vec::Vec};
use serde_json::Value;

/// What an application can ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Sends a message to the cloud; ends in [`Answer::Sent`]. It waits for a connection.
    Telemetry(Telemetry),
    /// Asks for the whole twin; ends in [`Answer::Twin`], [`Failure::TimedOut`](crate::io::Failure::TimedOut) after three
    /// times 30 s without an answer, or [`Failure::Refused`](crate::io::Failure::Refused) with the hub's status. It waits
    /// for a connection; six at a time.
    GetTwin,
    /// Changes reported properties: one JSON object, laid over what was reported before; `null` removes. Ends in
    /// [`Answer::Reported`], failures as for [`Command::GetTwin`].
    ///
    /// At most 32 KiB, 10 levels deep, integers within ±(2^52 − 1), texts of 4 KiB; names without dot, dollar, space and
    /// control characters. Reports go out in order, one at a time; those that wait for each other go as one.
    Report(Value),
    /// Acknowledges desired properties, of a component or of the device itself, in one patch; ends as a report does.
    Acknowledge {
        /// The component; `None` for the device itself.
        component: Option<String>,
        /// What became of each property.
        acks: Vec<Ack>,
    },
    /// Answers a direct method; made by [`MethodCall::answer`](super::MethodCall::answer). Ends in [`Answer::Sent`].
    Answer(MethodAnswer),
    /// Uploads a file to the storage of the hub, over HTTPS; ends in [`Answer::Uploaded`], whatever comes of it. Four at a
    /// time; not for modules. [`Rejected::Offline`](crate::io::Rejected::Offline) while no hub is known.
    Upload(Upload),
    /// Gives an upload the block that [`Event::UploadBlock`](super::Event::UploadBlock) asks for; made by
    /// [`BlockCall::answer`](super::upload::BlockCall::answer). Ends in [`Answer::Sent`] at once.
    UploadBlock(Block),
    /// The application's word on a deployment of Device Update; made by [`Offer`](super::update::Offer) and
    /// [`Install`](super::update::Install). Ends in [`Answer::Sent`] at once.
    Update(Verdict),
    /// Deletes a stored state of updates that [cannot be used](super::update::UpdateEvent::StoreUnusable). Ends in
    /// [`Answer::Sent`] at once.
    DiscardUpdates,
    /// Asks the provisioning service for a hub anew; ends in [`Answer::Reprovisioning`] at once. The connection is ended
    /// in order; queued messages go to the new hub. [`Rejected::Unsupported`](crate::io::Rejected::Unsupported) without
    /// provisioning.
    Reprovision,
}

/// What a command ends in.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// The message or answer was handed to the pipe (QoS 0) or acknowledged by the hub (QoS 1).
    Sent,
    /// The twin.
    Twin(Box<Twin>),
    /// The properties are reported.
    Reported {
        /// The new version of the reported properties, where the hub told it.
        version: Option<u64>,
    },
    /// The upload is over: stored, or not for the reason named.
    Uploaded(Uploaded),
    /// The device asks the provisioning service next.
    Reprovisioning,
}
