//! What the cloud decides and answers, packet by packet.

use super::{
    AzureCloud, Identity,
    answer::{ServiceError, UNAUTHORIZED},
    c2d::{self, Fate, Feedback},
    credentials::{self, UserName},
    dps::Enrolled,
    proof::forbidden,
    telemetry::{self, Telemetry},
    text,
    topics::{self, Filter, Spoken},
};
use crate::broker::policy::{At, Denial, Limits, Outbox, Peer, Policy, Settled, Target, Verdict};
use core::time::Duration;
use skytether_core::{
    io::Refusal,
    link::{Connect, Message, QoS},
    time::{Deadline, UnixMillis},
};

/// Feedback kept until someone takes it; older is dropped.
const FEEDBACK: usize = 1000;

/// Longest silence of a client: the platform's longest keep alive, 1.5 times.
const SILENCE: Duration = Duration::from_secs(1767);

/// Whom a connection belongs to.
#[derive(Clone, PartialEq, Debug)]
pub struct Caller(Who);

#[derive(Clone, PartialEq, Debug)]
enum Who {
    Registration { id_scope: String, id: String, enrolled: Box<Enrolled> },
    Member { identity: Identity, expiry: Option<u64>, model_id: Option<String> },
}

impl Caller {
    /// The device or module; `None` for a client of the provisioning service.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.0 {
            Who::Registration { .. } => None,
            Who::Member { identity, .. } => Some(identity),
        }
    }
}

impl AzureCloud {
    fn admit_registration(
        &self,
        (id_scope, id): (String, String),
        at: At,
        connect: &Connect,
        peer: &Peer,
    ) -> Result<Caller, Denial> {
        credentials::form(connect, &id)?;
        if id_scope != self.provisioning.config.id_scope {
            return Err(forbidden("there is no provisioning service of this id scope"));
        }
        let mut refused = forbidden("nobody of this registration id is enrolled");
        for (tried, enrolled) in self.provisioning.candidates(&id).into_iter().enumerate() {
            match credentials::registration(&enrolled.proof, (&id_scope, &id), at.wall, connect, peer) {
                Ok(()) => return Ok(Caller(Who::Registration { id_scope, id, enrolled: Box::new(enrolled) })),
                // Of several that could be meant, one that was tried and not proved says more than one that was not.
                Err(denial @ Denial::Code(Refusal::BadCredentials, _)) if tried == 0 => refused = denial,
                Err(Denial::Code(Refusal::BadCredentials, _)) => {}
                Err(denial) => refused = denial,
            }
        }
        Err(refused)
    }

    fn admit_member(
        &self,
        (identity, model_id): (Identity, Option<String>),
        at: At,
        connect: &Connect,
        peer: &Peer,
    ) -> Result<Caller, Denial> {
        credentials::form(connect, &identity.client_id())?;
        let elsewhere = |why| Err(Denial::Code(Refusal::ServerUnavailable, why));
        if !self.hubs.has(identity.hub()) {
            return elsewhere("there is no hub of the name in the user name");
        }
        if peer.server_name.as_deref().is_some_and(|name| name != identity.hub() && self.hubs.has(name)) {
            return elsewhere("the user name is for another hub than the TLS handshake");
        }
        let member = self.hubs.get(&identity).ok_or_else(|| forbidden("the hub has no such device"))?;
        let expiry = credentials::hub(&member.proof, &identity, at.wall, connect, peer)?;
        if member.disabled {
            return Err(forbidden("the device is disabled"));
        }
        if let Some(will) = &connect.will {
            let spoken = topics::spoken(&identity, &will.topic);
            if !matches!(spoken, Ok(Spoken::Telemetry { .. })) || will.qos == QoS::ExactlyOnce {
                return Err(Denial::Silent("a will is telemetry, at QoS 0 or 1"));
            }
        }
        Ok(Caller(Who::Member { identity, expiry, model_id }))
    }

    /// Gives a device that listens what waits for it.
    pub(super) fn deliver(&mut self, wall: UnixMillis, identity: &Identity, out: &mut Outbox) {
        let Some(member) = self.hubs.get_mut(identity) else { return };
        if !member.line.hears(Filter::Devicebound) {
            return;
        }
        let mut ended = Vec::new();
        let given = member.queue.give(wall, |message, fate| ended.push((message, fate)));
        for (topic, body) in given {
            out.send(Target::Subscriber(identity.session()), topic, body, QoS::AtLeastOnce);
        }
        for (message, fate) in ended {
            self.feed_back(identity, message, fate);
        }
    }

    fn feed_back(&mut self, identity: &Identity, message: c2d::C2d, fate: Fate) {
        if !message.ack {
            return;
        }
        if self.feedback.len() >= FEEDBACK {
            self.feedback.pop_front();
        }
        let message_id = message.message_id.unwrap_or_default();
        self.feedback.push_back(Feedback { identity: identity.clone(), message_id, fate });
    }

    /// Answers a request about the twin.
    fn twin(&mut self, at: At, identity: &Identity, spoken: &Spoken, payload: &[u8], out: &mut Outbox) {
        let (Spoken::TwinGet { rid } | Spoken::TwinPatch { rid }) = spoken else { return };
        let rid = text::encode(rid.as_deref().unwrap_or_default());
        let refused = self.orders.refuse_twin();
        let result = match (refused, self.hubs.get_mut(identity)) {
            (Some(error), _) => Err(error),
            (None, None) => Err(UNAUTHORIZED),
            (None, Some(member)) if matches!(spoken, Spoken::TwinGet { .. }) => {
                Ok((format!("200/?$rid={rid}"), member.twin.document()))
            }
            (None, Some(member)) => {
                member.twin.report(payload).map(|version| (format!("204/?$rid={rid}&$version={version}"), Vec::new()))
            }
        };
        let (end, body) = result.unwrap_or_else(|error: ServiceError| {
            (format!("{}/?$rid={rid}", error.status()), error.body(at.wall, &mut self.rng))
        });
        if self.orders.silent > 0 {
            self.orders.silent -= 1;
            return;
        }
        let topic = format!("$iothub/twin/res/{end}");
        out.send(Target::Subscriber(identity.session()), topic, body, QoS::AtMostOnce);
    }

    fn take_telemetry_in(&mut self, telemetry: Telemetry) {
        if self.telemetry.len() >= telemetry::KEPT {
            self.telemetry.pop_front();
        }
        self.telemetry.push_back(telemetry);
    }

    fn hear(&mut self, at: At, caller: &Caller, message: &Message<'_>, will: bool, out: &mut Outbox) {
        match &caller.0 {
            Who::Registration { id_scope, id, enrolled } => self.register(at, (id_scope, id, enrolled), message, out),
            Who::Member { identity, .. } => match topics::spoken(identity, message.topic) {
                Ok(Spoken::Telemetry { properties }) => {
                    self.take_telemetry_in(Telemetry::new(identity, at.wall, properties, message, will));
                }
                Ok(Spoken::MethodAnswer { status, rid }) => {
                    self.calls.answer(identity, &rid, status, message.payload);
                }
                Ok(spoken) => self.twin(at, identity, &spoken, message.payload, out),
                Err(_) => {}
            },
        }
    }

    /// Answers a request to the provisioning service.
    fn register(
        &mut self,
        at: At,
        (id_scope, id, enrolled): (&str, &str, &Enrolled),
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        let Ok(asked) = topics::asked(message.topic) else { return };
        let names = self.hubs.names().to_vec();
        // Since the CONNECT the enrolment may have been changed.
        let current = self.provisioning.candidates(id).into_iter().find(|now| now.group == enrolled.group);
        let enrolled = current.as_ref().unwrap_or(enrolled);
        let hubs = &mut self.hubs;
        let answer = self.provisioning.answer(
            (at.now, at.wall),
            (id, enrolled),
            (&asked, message.payload),
            (&names, &mut self.rng),
            |placement| {
                let device = &placement.enrolled.device_id;
                let identity = Identity::device(placement.hub, device);
                let before = placement.before.map(|hub| Identity::device(&hub, device));
                let terms = &placement.enrolled.terms;
                hubs.place(&identity, before.as_ref(), &placement.enrolled.proof, &terms.desired);
                if let (Some(member), Some(model_id)) = (hubs.get_mut(&identity), placement.model_id) {
                    member.model_id = Some(model_id);
                }
                if let Some(before) = before.filter(|before| *before != identity) {
                    out.kick(before.session(), "the device was moved to another hub");
                }
            },
        );
        let session = format!("{id_scope}/registrations/{id}");
        out.send(Target::Subscriber(session), answer.topic, answer.body, QoS::AtLeastOnce);
    }
}

impl Policy for AzureCloud {
    type Identity = Caller;

    fn limits(&self) -> Limits {
        Limits {
            // A message that is a little too large is told from a packet that nobody should hold.
            packet: telemetry::BYTES + 128 * 1024,
            qos: QoS::AtLeastOnce,
            retain: false,
            subscriptions: 5,
            deliveries: Some(c2d::DELIVERIES),
            silence: Some(SILENCE),
            ..Limits::default()
        }
    }

    fn authenticate(&mut self, at: At, connect: &Connect, peer: &Peer) -> Result<Caller, Denial> {
        match UserName::parse(connect.user_name.as_deref())? {
            UserName::Provisioning { id_scope, registration_id } => {
                self.admit_registration((id_scope, registration_id), at, connect, peer)
            }
            UserName::Hub { identity, model_id } => self.admit_member((identity, model_id), at, connect, peer),
        }
    }

    fn session(&self, caller: &Caller, _: &str) -> String {
        match &caller.0 {
            Who::Registration { id_scope, id, .. } => format!("{id_scope}/registrations/{id}"),
            Who::Member { identity, .. } => identity.session(),
        }
    }

    /// The provisioning service keeps no sessions, whatever a client asks for.
    fn is_clean(&self, caller: &Caller, asked: bool) -> bool {
        asked || matches!(caller.0, Who::Registration { .. })
    }

    fn may_subscribe(&mut self, _: At, caller: &Caller, filter: &str, qos: QoS) -> Option<QoS> {
        match &caller.0 {
            Who::Registration { .. } => (filter == topics::REGISTRATION_ANSWERS).then_some(qos),
            Who::Member { identity, .. } => topics::filter(identity, filter).map(|_| qos),
        }
    }

    fn may_publish(&mut self, _: At, caller: &Caller, message: &Message<'_>) -> Verdict {
        let spoken = match &caller.0 {
            Who::Registration { .. } => topics::asked(message.topic).map(|_| None),
            Who::Member { identity, .. } => topics::spoken(identity, message.topic).map(Some),
        };
        let most = match &spoken {
            Ok(Some(Spoken::Telemetry { properties })) => {
                telemetry::BYTES.saturating_sub(telemetry::weight(properties, &[]))
            }
            Ok(Some(Spoken::MethodAnswer { .. })) => super::service::METHOD_BYTES,
            Ok(_) => telemetry::BYTES,
            Err(why) => return Verdict::Close(why),
        };
        if message.payload.len() > most {
            return Verdict::Close("the message is too large");
        }
        Verdict::AcceptSilently
    }

    fn on_publish(&mut self, at: At, caller: &Caller, message: &Message<'_>, out: &mut Outbox) {
        self.hear(at, caller, message, false, out);
    }

    fn on_will(&mut self, at: At, caller: &Caller, message: &Message<'_>, out: &mut Outbox) {
        self.hear(at, caller, message, true, out);
    }

    fn on_session(&mut self, _: At, caller: &Caller, present: bool) {
        let Some(member) = caller.identity().and_then(|identity| self.hubs.get_mut(identity)) else { return };
        if !present {
            member.line.filters.clear();
            member.queue.take_back();
        }
    }

    fn on_connected(&mut self, at: At, caller: &Caller, connect: &Connect, out: &mut Outbox) {
        let Who::Member { identity, expiry, model_id } = &caller.0 else { return };
        let Some(member) = self.hubs.get_mut(identity) else { return };
        member.line.up = true;
        member.line.clean = connect.clean_session;
        member.line.lasting |= !connect.clean_session;
        if model_id.is_some() {
            member.model_id.clone_from(model_id);
        }
        let expiry = expiry.map(|seconds| UnixMillis(seconds.saturating_mul(1000)));
        let expiry = expiry.map(|wall| (wall, at.now.after(remaining(at, wall))));
        member.line.expiry = expiry;
        self.expiries.extend(expiry.map(|(_, at)| (at, identity.clone())));
        self.deliver(at.wall, identity, out);
    }

    fn on_subscribed(&mut self, at: At, caller: &Caller, filter: &str, _: QoS, out: &mut Outbox) {
        let Some(identity) = caller.identity() else { return };
        let Some(filter) = topics::filter(identity, filter) else { return };
        if let Some(member) = self.hubs.get_mut(identity) {
            member.line.filters.insert(filter);
        }
        self.deliver(at.wall, identity, out);
    }

    fn on_unsubscribed(&mut self, _: At, caller: &Caller, filter: &str) {
        let Some(identity) = caller.identity() else { return };
        let (filter, member) = (topics::filter(identity, filter), self.hubs.get_mut(identity));
        if let (Some(filter), Some(member)) = (filter, member) {
            member.line.filters.remove(&filter);
        }
    }

    fn on_settled(&mut self, _: At, session: &str, topic: &str, settled: Settled, _: &mut Outbox) {
        let Some((identity, member)) = self.hubs.by_session(session) else { return };
        let fate = match settled {
            Settled::Acknowledged => Fate::Completed,
            Settled::GivenUp => Fate::DeliveriesExceeded,
        };
        if let Some(message) = member.queue.settle(topic) {
            self.feed_back(&identity, message, fate);
        }
    }

    fn on_disconnected(&mut self, _: At, caller: &Caller, _: bool, _: &mut Outbox) {
        let Some(identity) = caller.identity() else { return };
        let Some(member) = self.hubs.get_mut(identity) else { return };
        member.line.up = false;
        if let Some((_, at)) = member.line.expiry.take() {
            self.expiries.remove(&(at, identity.clone()));
        }
        if member.line.clean {
            member.line.filters.clear();
            member.queue.take_back();
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        let call = self.calls.deadline().map(|at| Deadline { at, why: "a method's answer" });
        let token = self.expiries.first().map(|(at, _)| Deadline { at: *at, why: "the end of a token" });
        Deadline::earlier(call, token)
    }

    fn on_time(&mut self, at: At, out: &mut Outbox) {
        self.calls.expire(at.now);
        while self.expiries.first().is_some_and(|(due, _)| *due <= at.now) {
            let Some((_, identity)) = self.expiries.pop_first() else { return };
            let Some(member) = self.hubs.get_mut(&identity) else { continue };
            let Some((wall, due)) = &mut member.line.expiry else { continue };
            if *wall <= at.wall {
                member.line.expiry = None;
                out.kick(identity.session(), "the token has expired");
            } else {
                // The wall clock was set back.
                *due = at.now.after(remaining(at, *wall));
                let due = *due;
                self.expiries.insert((due, identity));
            }
        }
    }
}

/// How long until then; never nothing.
fn remaining(at: At, wall: UnixMillis) -> Duration {
    Duration::from_millis(wall.0.saturating_sub(at.wall.0).max(1))
}
