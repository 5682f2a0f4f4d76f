//! What may an application ask of the cloud? Twins, methods, messages, the portal's view, and faults on purpose.

use super::{
    AzureCloud, Identity,
    answer::{self, ServiceError},
    c2d::{C2d, Feedback},
    central::{self, PropertyState, Template},
    config::DeviceConfig,
    dps::{Ending, Registration, Throttle},
    files::FileFault,
    hub::ConfigError,
    method::{CallId, Outcome, Strays},
    proof::{Proof, SharedKey},
    telemetry::Telemetry,
    text,
    topics::Filter,
    twin::{Object, Twin},
    upload::Upload,
};
use crate::broker::policy::{At, Outbox, Target};
use core::time::Duration;
use serde_json::Value;
use skytether_core::link::QoS;

/// Largest payload of a method, in bytes.
pub(super) const METHOD_BYTES: usize = 128 * 1024;

/// How long a portal waits for the answer to a command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Devices and what is known of them.
impl AzureCloud {
    /// Every device and module, in alphabetical order.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.hubs.identities()
    }

    /// Adds a device to a hub.
    ///
    /// # Errors
    /// [`ConfigError`] says what is wrong; nothing has changed then.
    pub fn add_device(&mut self, hub: &str, device: &DeviceConfig) -> Result<(), ConfigError> {
        if !self.hubs.has(hub) {
            return Err(ConfigError::UnknownHub(hub.into()));
        }
        let identity = Identity::device(hub, &device.id);
        self.hubs.add(identity, device.proof.clone(), &device.desired)?;
        device.modules.iter().try_for_each(|(module, key)| {
            let identity = Identity::module(hub, &device.id, module);
            self.hubs.add(identity, Proof::Key(key.clone()), &Object::new())
        })
    }

    /// Adds a hub without devices.
    ///
    /// # Errors
    /// [`ConfigError::Hub`].
    pub fn add_hub(&mut self, name: &str) -> Result<(), ConfigError> {
        self.hubs.add_hub(name)
    }

    /// Whether it is connected.
    pub fn is_connected(&self, identity: &Identity) -> bool {
        self.hubs.get(identity).is_some_and(|member| member.line.up)
    }

    /// Its twin.
    pub fn twin_of(&self, identity: &Identity) -> Option<&Twin> {
        self.hubs.get(identity).map(|member| &member.twin)
    }

    /// The model that it has announced, to the provisioning service or in its user name.
    pub fn model_of(&self, identity: &Identity) -> Option<&str> {
        self.hubs.get(identity)?.model_id.as_deref()
    }

    /// What the provisioning service remembers of a registration.
    pub fn registration(&self, registration_id: &str) -> Option<&Registration> {
        self.provisioning.registration(registration_id)
    }

    /// The oldest telemetry that was not taken yet; of more than 10,000 messages the oldest are lost.
    pub fn take_telemetry(&mut self) -> Option<Telemetry> {
        self.telemetry.pop_front()
    }

    /// The oldest feedback that was not taken yet; of more than 1,000 the oldest is lost.
    pub fn take_feedback(&mut self) -> Option<Feedback> {
        self.feedback.pop_front()
    }
}

/// What goes to a device.
impl AzureCloud {
    /// Merges a patch into the desired properties, and tells the device if it listens; the new version.
    ///
    /// # Errors
    /// 404001; 400004 or 413001 for a patch that breaks a rule of twins. Nothing has changed then.
    pub fn write_desired(
        &mut self,
        identity: &Identity,
        patch: &Object,
        out: &mut Outbox,
    ) -> Result<u64, ServiceError> {
        let told = self.hubs.find(identity)?.twin.desire(patch)?;
        self.tell_desired(identity, told, out)
    }

    /// Replaces the desired properties; the device is told all of them, and those that are gone as `null`.
    ///
    /// # Errors
    /// As [`AzureCloud::write_desired`].
    pub fn replace_desired(
        &mut self,
        identity: &Identity,
        whole: &Object,
        out: &mut Outbox,
    ) -> Result<u64, ServiceError> {
        let told = self.hubs.find(identity)?.twin.replace(whole)?;
        self.tell_desired(identity, told, out)
    }

    fn tell_desired(&mut self, identity: &Identity, told: Vec<u8>, out: &mut Outbox) -> Result<u64, ServiceError> {
        let member = self.hubs.find(identity)?;
        let version = member.twin.desired_version();
        if self.orders.untold > 0 {
            self.orders.untold -= 1;
        } else if member.line.hears(Filter::Desired) {
            let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
            out.send(Target::Subscriber(identity.session()), topic, told, QoS::AtMostOnce);
        }
        Ok(version)
    }

    /// Calls a method. Its end comes within `timeout`, which the platform holds between 5 and 300 s: ask for it by
    /// [`AzureCloud::outcome`], or be told by [`AzureCloud::notify`]. `payload`: JSON, or nothing.
    ///
    /// # Errors
    /// 404001; 404103: it is not connected, or does not listen to methods; 413001: the payload is over 128 KB.
    pub fn invoke(
        &mut self,
        at: At,
        identity: &Identity,
        (method, payload): (&str, &[u8]),
        timeout: Duration,
        out: &mut Outbox,
    ) -> Result<CallId, ServiceError> {
        if !self.hubs.find(identity)?.line.hears(Filter::Methods) {
            return Err(answer::DEVICE_NOT_ONLINE);
        }
        if payload.len() > METHOD_BYTES {
            return Err(answer::MESSAGE_TOO_LARGE);
        }
        let timeout = timeout.clamp(Duration::from_secs(5), Duration::from_mins(5));
        let call = self.calls.begin(identity, at.now, timeout);
        // `*` parts a component from its command, and stands as it is.
        let method = method.split('*').map(text::encode).collect::<Vec<_>>().join("*");
        let topic = format!("$iothub/methods/POST/{method}/?$rid={call}");
        out.send(Target::Subscriber(identity.session()), topic, payload, QoS::AtMostOnce);
        Ok(call)
    }

    /// How a call has ended; `None` while it has not, and for one of long ago.
    pub fn outcome(&self, call: CallId) -> Option<&Outcome> {
        self.calls.outcome(call)
    }

    /// Calls `ear` once, when the call ends; at once, if it has.
    pub fn notify(&mut self, call: CallId, ear: impl FnOnce(Outcome) + Send + 'static) {
        self.calls.notify(call, Box::new(ear));
    }

    /// Answers of devices that belong to no open call.
    pub fn strays(&self) -> Strays {
        self.calls.strays()
    }

    /// Sends a message, which waits until the device listens; its message id. A device that has never connected without
    /// clean session gets it now or not at all.
    ///
    /// # Errors
    /// 404001: there is no such device, or it is a module; 403004: 50 messages wait already; 413001: it is over 64 KB;
    /// 404103: it does not listen, and nothing waits for it.
    pub fn send(
        &mut self,
        at: At,
        identity: &Identity,
        mut message: C2d,
        out: &mut Outbox,
    ) -> Result<String, ServiceError> {
        let id = match &message.message_id {
            Some(id) => id.clone(),
            None => format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64()),
        };
        message.message_id = Some(id.clone());
        let member = self.hubs.find(identity)?;
        if identity.module_id().is_some() {
            return Err(answer::DEVICE_NOT_FOUND);
        }
        if !member.line.lasting && !member.line.hears(Filter::Devicebound) {
            return Err(answer::DEVICE_NOT_ONLINE);
        }
        if member.queue.is_full() {
            return Err(answer::QUEUE_FULL);
        }
        if !member.queue.push(identity.device_id(), at.wall, message) {
            return Err(answer::MESSAGE_TOO_LARGE);
        }
        self.deliver(at.wall, identity, out);
        Ok(id)
    }

    /// How many messages wait for a device, those on their way included.
    pub fn waiting(&self, identity: &Identity) -> usize {
        self.hubs.get(identity).map_or(0, |member| member.queue.len())
    }

    /// Sends a message to an input of a module; false: it does not listen.
    pub fn send_input(&mut self, identity: &Identity, input: &str, body: &[u8], out: &mut Outbox) -> bool {
        let hears = self.hubs.get(identity).is_some_and(|member| member.line.hears(Filter::Inputs));
        if hears {
            let topic = format!("{}/inputs/{}/", identity.root(), text::encode(input));
            out.send(Target::Subscriber(identity.session()), topic, body, QoS::AtLeastOnce);
        }
        hears
    }
}

/// What a portal shows and does.
impl AzureCloud {
    /// The model of a device, if the cloud has a template of it.
    pub fn template_of(&self, identity: &Identity) -> Option<&Template> {
        let model = self.model_of(identity)?;
        self.templates.iter().find(|template| template.model_id == model)
    }

    /// Writes a property of the model; the version of the desired properties since.
    ///
    /// # Errors
    /// 400004: the template has no such writable property; else as [`AzureCloud::write_desired`].
    pub fn write_property(
        &mut self,
        identity: &Identity,
        member: &central::Member,
        value: Value,
        out: &mut Outbox,
    ) -> Result<u64, ServiceError> {
        if self.template_of(identity).is_some_and(|template| !template.is_writable(member)) {
            return Err(answer::ARGUMENT_INVALID);
        }
        self.write_desired(identity, &central::patch(member, value), out)
    }

    /// What has become of a property that was written; `None` if it never was.
    pub fn property(&self, identity: &Identity, member: &central::Member) -> Option<PropertyState> {
        central::state(self.twin_of(identity)?, member)
    }

    /// Calls a command of the model, with 30 s for the answer.
    ///
    /// # Errors
    /// 400004: the template has no such command; else as [`AzureCloud::invoke`].
    pub fn command(
        &mut self,
        at: At,
        identity: &Identity,
        (member, payload): (&central::Member, &[u8]),
        out: &mut Outbox,
    ) -> Result<CallId, ServiceError> {
        if self.template_of(identity).is_some_and(|template| !template.has_command(member)) {
            return Err(answer::ARGUMENT_INVALID);
        }
        self.invoke(at, identity, (&member.to_string(), payload), COMMAND_TIMEOUT, out)
    }

    /// Sends a command that may wait for the device: a message with the property `method-name`, which nobody answers.
    ///
    /// # Errors
    /// As [`AzureCloud::send`].
    pub fn offline_command(
        &mut self,
        at: At,
        identity: &Identity,
        (member, payload): (&central::Member, &[u8]),
        out: &mut Outbox,
    ) -> Result<String, ServiceError> {
        let properties = vec![("method-name".to_owned(), Some(member.to_string()))];
        self.send(at, identity, C2d { body: payload.to_vec(), properties, ..C2d::default() }, out)
    }
}

/// What makes life hard for a device.
impl AzureCloud {
    /// Disables a device, which ends its connection, or enables it again.
    ///
    /// # Errors
    /// 404001.
    pub fn disable(&mut self, identity: &Identity, disabled: bool, out: &mut Outbox) -> Result<(), ServiceError> {
        self.hubs.find(identity)?.disabled = disabled;
        if disabled {
            out.kick(identity.session(), "the device was disabled");
        }
        Ok(())
    }

    /// Gives a device another proof, and ends its connection.
    ///
    /// # Errors
    /// 404001.
    pub fn set_proof(&mut self, identity: &Identity, proof: Proof, out: &mut Outbox) -> Result<(), ServiceError> {
        self.hubs.find(identity)?.proof = proof;
        out.kick(identity.session(), "the credentials were changed");
        Ok(())
    }

    /// Gives a device a key that nobody has, and ends its connection.
    ///
    /// # Errors
    /// 404001.
    pub fn revoke(&mut self, identity: &Identity, out: &mut Outbox) -> Result<(), ServiceError> {
        let bytes = [(); 4].map(|()| self.rng.next_u64().to_be_bytes()).concat();
        let key = SharedKey::new(&bytes).ok_or(answer::ARGUMENT_INVALID)?;
        self.set_proof(identity, Proof::Key(key), out)
    }

    /// Removes a device from its hub, and ends its connection. False: there was none.
    pub fn remove(&mut self, identity: &Identity, out: &mut Outbox) -> bool {
        out.kick(identity.session(), "the device was removed");
        self.hubs.remove(identity)
    }

    /// Moves a registration to another hub: its device is gone from the hub that it was on, and the provisioning
    /// service assigns the new one when it is asked next. With an enrolment of a group, the whole group moves.
    ///
    /// # Errors
    /// [`ConfigError::UnknownHub`].
    pub fn move_registration(&mut self, registration_id: &str, hub: &str, out: &mut Outbox) -> Result<(), ConfigError> {
        if !self.hubs.has(hub) {
            return Err(ConfigError::UnknownHub(hub.into()));
        }
        let before = self.registration(registration_id).and_then(|registration| registration.hub.clone());
        self.provisioning.move_to(registration_id, hub);
        if let (Some(before), Some(enrolled)) = (before, self.provisioning.candidates(registration_id).first()) {
            let (from, to) =
                (Identity::device(&before, &enrolled.device_id), Identity::device(hub, &enrolled.device_id));
            if from != to {
                out.kick(from.session(), "the device was moved to another hub");
                self.hubs.place(&to, Some(&from), &enrolled.proof, &enrolled.terms.desired);
            }
        }
        Ok(())
    }

    /// How a registration ends from now on.
    pub fn end_by(&mut self, registration_id: &str, ending: Ending) {
        self.provisioning.end_by(registration_id, ending);
    }

    /// Answers the next requests to the provisioning service by an error; several orders follow each other.
    pub fn throttle_provisioning(&mut self, throttle: Throttle) {
        self.provisioning.throttle(throttle);
    }

    /// How many polls the provisioning service answers by `assigning` from now on, and with which `retry-after`.
    pub fn pace_provisioning(&mut self, polls: u32, retry_after: Option<u32>) {
        self.provisioning.config.polls = polls;
        self.provisioning.config.retry_after = retry_after;
    }

    /// Answers the next requests about any twin by this error, 429001 mostly.
    pub fn refuse_twins(&mut self, times: u32, error: ServiceError) {
        self.orders.twin = (times > 0).then_some((times, error));
    }

    /// Leaves the next requests about any twin without an answer; what they ask for is done.
    pub fn silence_twins(&mut self, times: u32) {
        self.orders.silent = times;
    }

    /// Tells nobody of the next changes of desired properties, as when notifications are lost.
    pub fn lose_desired(&mut self, times: u32) {
        self.orders.untold = times;
    }
}

/// Files, both ways.
impl AzureCloud {
    /// Gives a file out at this path, in the place of any that is there.
    pub fn add_file(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.files.add(path, content.into());
    }

    /// Gives it out no more. False: there was none.
    pub fn remove_file(&mut self, path: &str) -> bool {
        self.files.remove(path)
    }

    /// Does the next request for a file wrong; several orders follow each other.
    pub fn spoil_files(&mut self, fault: FileFault) {
        self.files.faults.push_back(fault);
    }

    /// What devices are told as the storage's host name, with its port: where [`AzureCloud::http`] is served.
    pub fn set_storage(&mut self, host: impl Into<String>) {
        self.uploads.host = host.into();
    }

    /// The oldest upload that is over and was not taken yet; of more than 100 the oldest are lost.
    pub fn take_upload(&mut self) -> Option<Upload> {
        self.uploads.take()
    }
}
