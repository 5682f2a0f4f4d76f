//! How a deployment goes from stage to stage: what is stored, fetched, asked of the application and reported, in order.

mod told;

use super::{
    Install, MAX_DETAILS, Offer, Refused, Says, UpdateEvent, UpdateFault, Updates, Verdict,
    manifest::Manifest,
    note::{Deployment, Stage},
    outgoing::{Outgoing, Patch},
    report::{self, InstallResult, Workflow},
    service::Service,
    signature::Signature,
};
use crate::{
    cloud::{Cx, Heard},
    download::{Digest, Download, Fault, Job, News},
    io::{Deadline, Instant, Rejected, StoreFailed, Tag},
};
use alloc::{
    boxed::Box,
    collections::VecDeque,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};
use core::mem;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// `workflow.action`: apply the deployment.
const APPLY: u16 = 3;
/// `workflow.action`: cancel it.
const CANCEL: u16 = 255;
/// `ac`: the deployment was taken.
const TAKEN: u16 = 200;
/// `ac`: the deployment was rejected.
const REJECTED: u16 = 406;

/// The update agent of a device.
#[derive(Debug)]
pub(in crate::azure) struct Agent {
    config: Updates,
    download: Download,
    service: Service,
    /// The whole twin has been seen.
    known: bool,
    store: Store,
    deployment: Option<Deployment>,
    /// A deployment that was cancelled and never taken; only reported.
    cancelled: Option<Workflow>,
    phase: Phase,
    serial: u32,
    /// The version of the property that was refused.
    refused: Option<u64>,
    outgoing: Outgoing,
    /// [`UpdateEvent::Confirmed`] has been told, or nothing is to be confirmed.
    confirmed: bool,
    said: VecDeque<UpdateEvent>,
}

/// What is known of the stored state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Store {
    Unknown,
    Unusable,
    Usable,
}

#[derive(Debug)]
enum Phase {
    Idle,
    /// For the application's word.
    Offered(Box<Plan>),
    /// For the note to be stored; then comes this.
    Storing(Next, Option<Box<Plan>>),
    Fetching(Box<Plan>),
    Installing(Box<Plan>),
    /// For the application to restart the device.
    Rebooting,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    Fetch,
    Install,
    Reboot,
    Report,
}

#[derive(Clone, Debug)]
struct Plan {
    workflow: Workflow,
    manifest: Manifest,
    digest: [u8; 32],
}

impl Agent {
    /// An agent for the device that `identity` names in the store.
    pub(in crate::azure) fn new(config: Updates, identity: String) -> Self {
        let download = Download::new(identity, config.download.clone());
        Self {
            config,
            download,
            service: Service::default(),
            known: false,
            store: Store::Unknown,
            deployment: None,
            cancelled: None,
            phase: Phase::Idle,
            serial: 0,
            refused: None,
            outgoing: Outgoing::default(),
            confirmed: false,
            said: VecDeque::new(),
        }
    }

    /// Looks the stored state up, once.
    pub(in crate::azure) fn open(&mut self, cx: &mut Cx<'_>) {
        self.download.open(cx);
    }

    /// Takes in desired properties, and what is meant for the agent out of them.
    pub(in crate::azure) fn desired(
        &mut self,
        cx: &mut Cx<'_>,
        version: u64,
        full: bool,
        desired: &mut Map<String, Value>,
    ) {
        let changed = self.service.desired(version, full, desired);
        let first = full && !self.known;
        self.known |= full;
        if first && self.store != Store::Unknown {
            self.outgoing.report();
        }
        if changed || first {
            self.decide(cx);
        }
    }

    /// The application's word.
    ///
    /// # Errors
    /// [`Rejected::Invalid`] where it is about a deployment or stage that is over.
    pub(in crate::azure) fn verdict(&mut self, cx: &mut Cx<'_>, verdict: &Verdict) -> Result<(), Rejected> {
        let over = Rejected::Invalid("the deployment that this is about is over, or further on");
        if verdict.serial != self.serial {
            return Err(over);
        }
        match (mem::replace(&mut self.phase, Phase::Idle), verdict.says) {
            (Phase::Offered(plan), Says::Accept) => self.take(cx, plan),
            (Phase::Offered(_), Says::Refuse) => {
                self.refused = Some(self.service.version);
                self.acknowledge(REJECTED);
            }
            (Phase::Installing(plan), Says::Installed { reboot: true }) => {
                if let Some(deployment) = &mut self.deployment {
                    (deployment.stage, deployment.rebooted) = (Stage::Rebooting, true);
                }
                self.keep(cx, Next::Reboot, Some(plan));
            }
            (Phase::Installing(_), Says::Installed { reboot: false }) => self.succeed(cx),
            (Phase::Installing(_), Says::Failed(code)) => self.fail(cx, UpdateFault::Install(code)),
            (phase, _) => {
                self.phase = phase;
                return Err(over);
            }
        }
        Ok(())
    }

    /// Deletes a stored state that cannot be used.
    pub(in crate::azure) fn discard(&mut self, cx: &mut Cx<'_>) {
        if self.download.is_open() && self.store == Store::Unusable {
            // What is kept beside the download is of another version.
            self.deployment = None;
            let _ = self.download.note(cx, Vec::new());
            self.begin(cx);
        } else {
            self.download.forget(cx);
        }
    }

    /// Takes in what was heard, as far as it is meant for the download.
    pub(in crate::azure) fn hear(&mut self, cx: &mut Cx<'_>, heard: &Heard<'_>) {
        self.outgoing.tick(cx.now);
        match self.download.hear(cx, heard) {
            // Only the agent cancels, and it has gone on since.
            None | Some(News::UrlRefused(_) | News::Judge | News::Failed(Fault::Cancelled)) => {}
            Some(News::Opened { note, .. }) => self.opened(cx, &note),
            Some(News::Unusable(why)) => self.unusable(why),
            Some(News::Progress { done, total }) => {
                let file = self.file().unwrap_or_default();
                self.said.push_back(UpdateEvent::Progress { file, done, total });
            }
            Some(News::Ready) => self.fetched(cx),
            Some(News::Failed(fault)) => {
                if matches!(self.phase, Phase::Fetching(_)) {
                    self.fail(cx, UpdateFault::Download(fault));
                }
            }
            Some(News::Noted(done)) => self.noted(cx, done),
        }
    }

    /// What the application is to hear.
    pub(in crate::azure) fn said(&mut self) -> impl Iterator<Item = UpdateEvent> {
        self.said.drain(..)
    }

    /// The next patch of reported properties that is due; it ends in [`Self::reported`] or [`Self::not_sent`].
    pub(in crate::azure) fn report(&mut self, cx: &mut Cx<'_>) -> Option<(Tag, Value)> {
        let (tag, patch) = self.outgoing.next(|| cx.tag())?;
        Some((
            tag,
            match patch {
                Patch::Ack(code, version) => report::acknowledgement(code, version),
                Patch::Report => self.patch(),
            },
        ))
    }

    /// Whether this is the tag of a patch of ours.
    pub(in crate::azure) fn owns(&self, tag: Tag) -> bool {
        self.outgoing.owns(tag)
    }

    /// The patch on its way is over.
    pub(in crate::azure) fn reported(&mut self, now: Instant, taken: bool) {
        if !taken {
            return self.outgoing.not_taken(now);
        }
        // A report that was overtaken by another one does not tell of the end.
        if self.outgoing.taken()
            && !self.confirmed
            && let Some(update) = self.to_confirm()
        {
            self.confirmed = true;
            self.said.push_back(UpdateEvent::Confirmed(update));
        }
    }

    /// The patch could not be sent; it is, later.
    pub(in crate::azure) fn not_sent(&mut self, now: Instant) {
        self.outgoing.not_taken(now);
    }

    pub(in crate::azure) fn deadline(&self) -> Option<Deadline> {
        let again = self.outgoing.again().map(|at| Deadline { at, why: "update report" });
        Deadline::earlier(self.download.deadline(), again)
    }

    /// The stored state is known.
    fn opened(&mut self, cx: &mut Cx<'_>, note: &[u8]) {
        self.deployment = Deployment::read(note);
        if self.deployment.is_none() && !note.is_empty() {
            return self.unusable("the record of the deployment is of another version");
        }
        self.begin(cx);
    }

    fn begin(&mut self, cx: &mut Cx<'_>) {
        self.introduce(Store::Usable);
        self.decide(cx);
    }

    fn unusable(&mut self, why: &'static str) {
        self.introduce(Store::Unusable);
        self.said.push_back(UpdateEvent::StoreUnusable(why));
    }

    /// What runs is told once the store has said what it has.
    fn introduce(&mut self, store: Store) {
        self.store = store;
        if self.known {
            self.outgoing.report();
        }
    }

    /// Holds what is wanted against what is under way. Called whenever either changes.
    fn decide(&mut self, cx: &mut Cx<'_>) {
        if self.store != Store::Usable || !self.known || self.refused == Some(self.service.version) {
            return;
        }
        let Some(workflow) = self.service.workflow() else { return };
        match workflow.action {
            CANCEL => return self.cancel(cx, workflow),
            APPLY => {}
            action => return self.refuse(Refused::Action(action)),
        }
        let same = |other: &Workflow| (&other.id, &other.retry) == (&workflow.id, &workflow.retry);
        let mine = self.deployment.as_ref().filter(|mine| same(&mine.workflow) && mine.workflow.action == APPLY);
        match (&self.phase, mine.map(|mine| &mine.stage)) {
            // It is installed already, or that has failed: the platform is told again.
            (Phase::Idle, Some(Stage::Done(_))) => {
                self.acknowledge(TAKEN);
                self.outgoing.report();
            }
            (Phase::Idle, Some(Stage::Rebooting)) => {
                self.acknowledge(TAKEN);
                self.compare(cx);
            }
            (Phase::Idle, Some(Stage::Downloading(_) | Stage::Installing)) => self.resume(cx, workflow),
            (Phase::Fetching(_), Some(_)) => {
                self.acknowledge(TAKEN);
                self.fetch(cx);
            }
            (Phase::Storing(..) | Phase::Installing(_) | Phase::Rebooting, Some(_)) => self.acknowledge(TAKEN),
            // What is being installed is brought to its end first.
            (Phase::Storing(..) | Phase::Installing(_) | Phase::Rebooting, None) => {}
            (Phase::Idle | Phase::Offered(_), None) | (Phase::Offered(_), Some(_)) => self.offer(cx, workflow),
            (Phase::Fetching(_), None) => {
                self.download.cancel(cx);
                self.phase = Phase::Idle;
                self.offer(cx, workflow);
            }
        }
    }

    /// Reads a deployment and asks the application for its word.
    fn offer(&mut self, cx: &mut Cx<'_>, workflow: Workflow) {
        self.phase = Phase::Idle;
        self.serial = self.serial.wrapping_add(1);
        let plan = match self.plan(workflow) {
            Ok(plan) => plan,
            Err(why) => return self.refuse(why),
        };
        let update = &plan.manifest.update;
        if *update == self.config.installed || *update == *self.installed() {
            self.deployment = Some(plan.deployment());
            self.acknowledge(TAKEN);
            return self.succeed(cx);
        }
        if !self.config.allow_downgrade && update.is_older_than(self.installed()) == Some(true) {
            return self.refuse(Refused::Downgrade);
        }
        let text = self.service.manifest().unwrap_or_default();
        let signature = match self.service.signature().map(|signature| Signature::parse(signature, text)) {
            None if self.config.allow_unsigned => None,
            None => return self.refuse(Refused::Unsigned),
            Some(Ok(signature)) => Some(signature),
            Some(Err(error)) => return self.refuse(Refused::Signature(error)),
        };
        let (workflow, manifest) = (plan.workflow.id.clone(), plan.manifest.clone());
        self.phase = Phase::Offered(Box::new(plan));
        let offer = Offer { workflow, manifest, signature, serial: self.serial };
        self.said.push_back(UpdateEvent::Offered(Box::new(offer)));
    }

    fn plan(&self, workflow: Workflow) -> Result<Plan, Refused> {
        let text = self.service.manifest().ok_or(Refused::NoManifest)?;
        let manifest = Manifest::parse(text).map_err(Refused::Manifest)?;
        if manifest.files.len() > self.config.slots.len() {
            return Err(Refused::Slots);
        }
        Ok(Plan { workflow, manifest, digest: Sha256::digest(text.as_bytes()).into() })
    }

    /// Goes on with a deployment that the application took before a restart; with another manifest it is another one.
    fn resume(&mut self, cx: &mut Cx<'_>, workflow: Workflow) {
        let digest = self.deployment.as_ref().map(|deployment| deployment.manifest);
        let plan = match self.plan(workflow.clone()) {
            Ok(plan) if Some(plan.digest) == digest => Box::new(plan),
            Ok(_) | Err(_) => return self.offer(cx, workflow),
        };
        self.acknowledge(TAKEN);
        self.outgoing.report();
        let installing = self.deployment.as_ref().is_some_and(|deployment| deployment.stage == Stage::Installing);
        let next = if installing { Next::Install } else { Next::Fetch };
        self.go(cx, next, Some(plan));
    }

    fn take(&mut self, cx: &mut Cx<'_>, plan: Box<Plan>) {
        self.deployment = Some(plan.deployment());
        self.cancelled = None;
        self.confirmed = false;
        self.acknowledge(TAKEN);
        self.outgoing.report();
        self.keep(cx, Next::Fetch, Some(plan));
    }

    /// Stores how far the deployment has come; `next` follows once that is safe.
    fn keep(&mut self, cx: &mut Cx<'_>, next: Next, plan: Option<Box<Plan>>) {
        let note = self.deployment.as_ref().map(Deployment::write).unwrap_or_default();
        self.phase = Phase::Storing(next, plan);
        if self.download.note(cx, note).is_err() {
            self.noted(cx, Err(StoreFailed));
        }
    }

    fn noted(&mut self, cx: &mut Cx<'_>, done: Result<(), StoreFailed>) {
        let Phase::Storing(next, plan) = mem::replace(&mut self.phase, Phase::Idle) else { return };
        match (done, next) {
            // The end is told whether or not it could be stored: it is found out again after a restart.
            (_, Next::Report) | (Ok(()), _) => self.go(cx, next, plan),
            (Err(StoreFailed), _) => self.fail(cx, UpdateFault::Storage),
        }
    }

    fn go(&mut self, cx: &mut Cx<'_>, next: Next, plan: Option<Box<Plan>>) {
        match (next, plan) {
            (Next::Fetch, Some(plan)) => {
                self.phase = Phase::Fetching(plan);
                self.fetch(cx);
            }
            (Next::Install, Some(plan)) => {
                let (workflow, manifest) = (plan.workflow.id.clone(), plan.manifest.clone());
                let slots = self.config.slots.iter().take(manifest.files.len()).map(|(slot, _)| *slot).collect();
                self.serial = self.serial.wrapping_add(1);
                self.phase = Phase::Installing(plan);
                let install = Install { workflow, manifest, slots, serial: self.serial };
                self.said.push_back(UpdateEvent::Install(Box::new(install)));
            }
            (Next::Reboot, _) => {
                self.phase = Phase::Rebooting;
                self.said.push_back(UpdateEvent::Reboot);
            }
            (Next::Report | Next::Fetch | Next::Install, _) => {
                self.phase = Phase::Idle;
                self.outgoing.report();
            }
        }
        // Something else may have been wanted meanwhile.
        let waits = |workflow: &Workflow| self.deployment.as_ref().is_none_or(|mine| mine.workflow != *workflow);
        if next == Next::Report && self.service.workflow().as_ref().is_some_and(waits) {
            self.decide(cx);
        }
    }

    /// Fetches the first file that is missing.
    fn fetch(&mut self, cx: &mut Cx<'_>) {
        let Phase::Fetching(plan) = &self.phase else { return };
        let Some(at) = self.at() else { return };
        let Some((file, (slot, room))) = plan.manifest.files.get(at).zip(self.config.slots.get(at)) else {
            let plan = plan.clone();
            if let Some(deployment) = &mut self.deployment {
                deployment.stage = Stage::Installing;
            }
            return self.keep(cx, Next::Install, Some(plan));
        };
        let Some(url) = self.service.url(&file.id) else { return self.fail(cx, UpdateFault::NoUrl) };
        let job = Job {
            id: format!("adu/{}", file.id),
            url: url.into(),
            headers: Vec::new(),
            certificate: false,
            size: Some(file.size),
            digest: Some(Digest::Sha256(file.sha256)),
            slot: *slot,
            room: *room,
            judged: false,
            renewable: false,
        };
        if self.download.start(cx, job).is_err() {
            self.fail(cx, UpdateFault::Storage);
        }
    }

    /// A file is whole, and safe.
    fn fetched(&mut self, cx: &mut Cx<'_>) {
        let Phase::Fetching(plan) = &self.phase else { return };
        let plan = plan.clone();
        if let Some(Deployment { stage: Stage::Downloading(at), .. }) = &mut self.deployment {
            *at = at.saturating_add(1);
        }
        self.keep(cx, Next::Fetch, Some(plan));
        self.download.release(cx);
    }

    /// After a restart: whether the update runs now.
    fn compare(&mut self, cx: &mut Cx<'_>) {
        if self.runs() { self.succeed(cx) } else { self.fail(cx, UpdateFault::NotRunning) }
    }

    fn succeed(&mut self, cx: &mut Cx<'_>) {
        self.finish(cx, report::SUCCESS, 0, "");
    }

    fn fail(&mut self, cx: &mut Cx<'_>, fault: UpdateFault) {
        self.download.cancel(cx);
        self.finish(cx, report::FAILURE, fault.code(), &fault.to_string());
        self.said.push_back(UpdateEvent::Failed(fault));
    }

    fn finish(&mut self, cx: &mut Cx<'_>, code: i32, extended: i32, details: &str) {
        let details: String = details.chars().take(MAX_DETAILS / 4).collect();
        if let Some(deployment) = &mut self.deployment {
            let steps = vec![(code, extended); deployment.steps];
            deployment.stage = Stage::Done(InstallResult { code, extended, details, steps });
        }
        self.keep(cx, Next::Report, None);
    }

    fn cancel(&mut self, cx: &mut Cx<'_>, workflow: Workflow) {
        let mine = self.deployment.as_ref().is_some_and(|mine| mine.workflow.id == workflow.id);
        let offered = matches!(&self.phase, Phase::Offered(plan) if plan.workflow.id == workflow.id);
        match &self.phase {
            // What is installed runs after the restart; then the platform hears of it.
            Phase::Rebooting | Phase::Storing(Next::Reboot | Next::Report, _) => return,
            Phase::Fetching(_) | Phase::Installing(_) | Phase::Storing(..) if mine => {
                self.acknowledge(TAKEN);
                self.download.cancel(cx);
                self.serial = self.serial.wrapping_add(1);
                if let Some(deployment) = &mut self.deployment {
                    deployment.workflow.action = CANCEL;
                }
                self.finish(cx, report::CANCELLED, 0, "");
                self.said.push_back(UpdateEvent::Cancelled);
                return;
            }
            Phase::Offered(_) if offered => {
                self.phase = Phase::Idle;
                self.serial = self.serial.wrapping_add(1);
                self.said.push_back(UpdateEvent::Cancelled);
            }
            Phase::Idle | Phase::Offered(_) | Phase::Fetching(_) | Phase::Installing(_) | Phase::Storing(..) => {}
        }
        self.acknowledge(TAKEN);
        self.cancelled = Some(workflow);
        self.outgoing.report();
    }

    fn refuse(&mut self, why: Refused) {
        self.refused = Some(self.service.version);
        self.acknowledge(REJECTED);
        self.said.push_back(UpdateEvent::Refused(why));
    }

    fn acknowledge(&mut self, code: u16) {
        self.outgoing.acknowledge(code, self.service.version);
    }

    /// The file that comes: how many are whole.
    fn at(&self) -> Option<usize> {
        match self.deployment.as_ref()?.stage {
            Stage::Downloading(at) => Some(at),
            Stage::Installing | Stage::Rebooting | Stage::Done(_) => None,
        }
    }

    fn file(&self) -> Option<String> {
        let Phase::Fetching(plan) = &self.phase else { return None };
        plan.manifest.files.get(self.at()?).map(|file| file.id.clone())
    }
}

impl Plan {
    fn deployment(&self) -> Deployment {
        Deployment {
            workflow: self.workflow.clone(),
            update: self.manifest.update.clone(),
            manifest: self.digest,
            criteria: self.manifest.steps.iter().filter_map(|step| step.criteria.clone()).collect(),
            steps: self.manifest.steps.len(),
            stage: Stage::Downloading(0),
            rebooted: false,
        }
    }
}
