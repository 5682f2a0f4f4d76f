//! What goes on beside the connection to the hub: file uploads and updates, over HTTP and the twin.

use super::{
    command::{Answer, Command},
    config::{Config, Route},
    event::Event,
    features::Features,
    identity::{HostName, Whom},
    rid::Rids,
    update::Agent,
    upload::Uploads,
};
use crate::{
    cloud::{Cx, Heard, Out},
    io::{Deadline, Rejected, Tag},
};
use alloc::{collections::VecDeque, format, string::String};

type Said = Out<Event, Answer>;

/// Uploads, and the update agent where one is wanted.
#[derive(Debug)]
pub(super) struct Aside {
    uploads: Uploads,
    updates: Option<Agent>,
}

impl Aside {
    pub(super) fn new(config: &Config) -> Self {
        let updates = config.updates.clone().map(|mut updates| {
            updates.download.rules.clone_from(&config.files.rules);
            Agent::new(updates, identity(&config.route))
        });
        Self { uploads: Uploads::default(), updates }
    }

    /// Looks stored state up, once.
    pub(super) fn open(&mut self, cx: &mut Cx<'_>) {
        if let Some(agent) = &mut self.updates {
            agent.open(cx);
        }
    }

    /// Accepts a command that is carried out here; `at`: the hub, and who we are there.
    ///
    /// # Errors
    /// What the part says that carries it out; [`Rejected::Unsupported`] where there is none.
    pub(super) fn command(
        &mut self,
        cx: &mut Cx<'_>,
        config: &Config,
        at: Option<(HostName, Whom)>,
        tag: Tag,
        command: &Command,
    ) -> Result<Option<Said>, Rejected> {
        let unwanted = Rejected::Unsupported("updates: the configuration does not want them");
        match command {
            Command::Upload(upload) => {
                self.uploads.start(cx, config, at.ok_or(Rejected::Offline)?, tag, upload)?;
                return Ok(None);
            }
            Command::UploadBlock(block) => self.uploads.block(cx, config, block)?,
            Command::Update(verdict) => self.updates.as_mut().ok_or(unwanted)?.verdict(cx, verdict)?,
            Command::DiscardUpdates => self.updates.as_mut().ok_or(unwanted)?.discard(cx),
            Command::Telemetry(_)
            | Command::GetTwin
            | Command::Report(_)
            | Command::Acknowledge { .. }
            | Command::Answer(_)
            | Command::Reprovision => return Err(Rejected::Unsupported("this beside the hub's connection")),
        }
        Ok(Some(Out::Done(tag, Ok(Answer::Sent))))
    }

    /// Takes in what was heard, as far as it is meant for something here.
    pub(super) fn hear(&mut self, cx: &mut Cx<'_>, config: &Config, heard: &Heard<'_>) {
        if let Some(agent) = &mut self.updates {
            agent.hear(cx, heard);
        }
        match heard {
            Heard::Reply(id, reply) => self.uploads.reply(cx, config, *id, *reply),
            Heard::Tick | Heard::Wall => self.uploads.tick(cx, config),
            Heard::Link(_) | Heard::Stored(..) | Heard::Loaded(..) | Heard::Written(..) => {}
        }
    }

    /// Takes out of what a feature says what is the update agent's.
    pub(super) fn absorb(&mut self, cx: &mut Cx<'_>, said: Option<Said>) -> Option<Said> {
        match (said, &mut self.updates) {
            (Some(Out::Done(tag, result)), Some(agent)) if agent.owns(tag) => {
                agent.reported(cx.now, result.is_ok());
                None
            }
            (Some(Out::Event(Event::Desired(mut desired))), Some(agent)) => {
                agent.desired(cx, desired.version, desired.full, &mut desired.desired);
                let left = desired.full || !desired.desired.is_empty();
                left.then_some(Out::Event(Event::Desired(desired)))
            }
            (said, _) => said,
        }
    }

    /// Tells and reports what there is.
    pub(super) fn say(&mut self, cx: &mut Cx<'_>, features: &mut Features, rids: &mut Rids, said: &mut VecDeque<Said>) {
        said.extend(self.uploads.said());
        let Some(agent) = &mut self.updates else { return };
        if let Some((tag, patch)) = agent.report(cx)
            && features.report(cx, rids, tag, &patch).is_err()
        {
            agent.not_sent(cx.now);
        }
        said.extend(agent.said().map(|event| Out::Event(Event::Update(event))));
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let updates = self.updates.as_ref().and_then(Agent::deadline);
        Deadline::earlier(self.uploads.deadline(), updates)
    }
}

/// How the device's own records are told from those of others.
fn identity(route: &Route) -> String {
    match route {
        Route::Hub { host, whom } => format!("azure/{host}/{whom}"),
        Route::Provisioning(provisioning) => format!("azure/{}/{}", provisioning.scope, provisioning.registration),
    }
}
