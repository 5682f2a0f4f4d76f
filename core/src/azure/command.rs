//! What an application can ask for, and what each request ends in.

/// What an application can ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Asks the provisioning service for a hub anew; ends in [`Answer::Reprovisioning`] at once. The connection is ended
    /// in order; queued messages go to the new hub. [`Rejected::Unsupported`](crate::io::Rejected::Unsupported) without
    /// provisioning.
    Reprovision,
}

/// What a command ends in.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// The device asks the provisioning service next.
    Reprovisioning,
}
