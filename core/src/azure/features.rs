//! Whom each command and each message at the hub is for: telemetry, twin, methods, messages from the cloud.

use super::{
    c2d::C2d,
    command::{Answer, Command},
    event::{Event, OfflineCommand},
    method::Methods,
    pnp,
    rid::Rids,
    topic::{Topic, Whose},
    twin::{Outcome, TwinSync},
};
use crate::{
    cloud::{Cx, Out},
    io::{Deadline, Rejected, Tag},
    link::Message,
};
use alloc::{borrow::Cow, boxed::Box};
use serde_json::Value;

type Said = Option<Out<Event, Answer>>;

/// The machines that talk to a hub once its subscriptions are granted.
#[derive(Debug, Default)]
pub(super) struct Features {
    twin: TwinSync,
    methods: Methods,
}

impl Features {
    /// Accepts a command that one of the features carries out, for the device or module that the hub knows.
    ///
    /// # Errors
    /// What the feature says; [`Rejected::Unsupported`] for a command of another part of the client.
    pub(super) fn command(
        &mut self,
        cx: &mut Cx<'_>,
        rids: &mut Rids,
        whose: Whose<'_>,
        tag: Tag,
        command: &Command,
    ) -> Result<(), Rejected> {
        match command {
            Command::Telemetry(telemetry) => telemetry.publish(cx, tag, whose),
            Command::GetTwin => self.twin.get(cx, rids, tag),
            Command::Report(patch) => self.twin.report(cx, rids, tag, patch),
            Command::Acknowledge { component, acks } => {
                let patch = pnp::acknowledgement(component.as_deref(), acks)?;
                self.twin.report(cx, rids, tag, &patch)
            }
            Command::Answer(answer) => self.methods.answer(cx, tag, answer),
            Command::Reprovision
            | Command::Upload(_)
            | Command::UploadBlock(_)
            | Command::Update(_)
            | Command::DiscardUpdates => Err(Rejected::Unsupported("this over the hub's connection")),
        }
    }

    /// Reports properties for a part of the client, under its own tag.
    ///
    /// # Errors
    /// What [`TwinSync::report`] says.
    pub(super) fn report(&mut self, cx: &mut Cx<'_>, rids: &mut Rids, tag: Tag, patch: &Value) -> Result<(), Rejected> {
        self.twin.report(cx, rids, tag, patch)
    }

    /// The subscriptions of this connection are granted. `follow`: those for desired properties among them.
    pub(super) fn up(&mut self, cx: &mut Cx<'_>, rids: &mut Rids, follow: bool) {
        self.twin.up(cx, rids, follow);
    }

    /// The connection is gone.
    pub(super) fn down(&mut self) {
        self.twin.down();
    }

    /// Whether this is the tag of a request of a feature's own, which no command waits for.
    pub(super) fn owns(&self, tag: Tag) -> bool {
        self.twin.owns(tag)
    }

    /// The link gave such a request up.
    pub(super) fn failed(&mut self, cx: &Cx<'_>, tag: Tag) {
        self.twin.failed(cx, tag);
    }

    /// A message came in at a hub.
    pub(super) fn message(&mut self, cx: &mut Cx<'_>, rids: &mut Rids, me: Whose<'_>, message: Message<'_>) -> Said {
        let unrouted = || Some(Out::Event(Event::Unrouted(message.into())));
        match Topic::parse(message.topic) {
            Some(Topic::TwinAnswer { status, rid, version }) => {
                self.twin.answer(cx, rids, status, rid.as_deref(), version, message.payload).map(said)
            }
            Some(Topic::TwinDesired { version }) => self.twin.changed(cx, rids, version, message.payload).map(said),
            Some(Topic::Method { component, name, rid }) => {
                let call = self.methods.called(cx, component, name, rid, message.payload)?;
                Some(Out::Event(Event::Method(call)))
            }
            Some(Topic::DeviceBound(whose, properties)) if whose == me => {
                Some(received(C2d::new(message.payload, properties, None)))
            }
            Some(Topic::Input(whose, input, properties)) if whose == me => {
                Some(received(C2d::new(message.payload, properties, Some(input))))
            }
            Some(
                Topic::DeviceBound(..)
                | Topic::Input(..)
                | Topic::DpsRegister { .. }
                | Topic::DpsQuery { .. }
                | Topic::DpsAnswer { .. }
                | Topic::Events(..)
                | Topic::MethodAnswer { .. }
                | Topic::TwinGet { .. }
                | Topic::TwinReported { .. }
                | Topic::CredentialAnswer { .. },
            )
            | None => unrouted(),
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_>, rids: &mut Rids) -> Said {
        self.twin.tick(cx, rids).map(said)
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.twin.deadline()
    }
}

fn said(outcome: Outcome) -> Out<Event, Answer> {
    match outcome {
        Outcome::Twin(tag, result) => Out::Done(tag, result.map(|twin| Answer::Twin(Box::new(twin)))),
        Outcome::Reported(tag, result) => Out::Done(tag, result.map(|version| Answer::Reported { version })),
        Outcome::Desired(desired) => Out::Event(Event::Desired(desired)),
        Outcome::Unreadable(error) => Out::Event(Event::TwinUnreadable(error)),
        Outcome::Behind(status) => Out::Event(Event::TwinBehind { status }),
    }
}

fn received(message: C2d) -> Out<Event, Answer> {
    let named = message.command().map(|(component, name)| (component.map(Cow::into_owned), name.into_owned()));
    Out::Event(match named {
        Some((component, name)) => Event::OfflineCommand(OfflineCommand { component, name, message }),
        None => Event::Message(message),
    })
}
