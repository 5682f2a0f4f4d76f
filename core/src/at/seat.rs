//! How the modem fills the seat of a link.

use super::{Modem, Phase, abilities, client::TOO_LONG, encode, host, publish_line};
use crate::{
    io::{Action, Cause, Deadline, Failure, Instant, Key, Pipe, Rejected, StoreFailed, Tag},
    link::{Abilities, Connect, Endpoint, Lane, Link, Notice, Publish, QoS, Version},
    mqtt::topic,
    queue::Qos0Offline,
};
use alloc::vec::Vec;
use core::time::Duration;

impl Link for Modem {
    fn abilities(&self) -> Abilities {
        abilities(self.client.dialect(), &self.limits)
    }

    fn dial(&mut self, now: Instant, to: &Endpoint, connect: Connect) -> Result<Pipe, Rejected> {
        self.tell_time(now);
        self.check(to, &connect)?;
        if self.phase != Phase::Idle {
            self.drop_connection();
        }
        (self.to, self.connect) = (to.clone(), connect);
        self.finished = false;
        self.wants_close = false;
        self.phase = Phase::Dialled;
        Ok(Pipe::Serial)
    }

    fn opened(&mut self, now: Instant) {
        self.tell_time(now);
        if self.phase == Phase::Dialled {
            self.phase = Phase::Connecting;
            self.client.start(self.now);
        }
    }

    fn closed(&mut self, now: Instant, cause: Cause) {
        self.tell_time(now);
        match self.phase {
            Phase::Idle => return,
            Phase::Over => {}
            Phase::Leaving { .. } => {
                self.drop_connection();
                self.pending.push_back(Notice::Down(Cause::Asked));
            }
            Phase::Dialled | Phase::Connecting | Phase::Up => {
                self.drop_connection();
                self.pending.push_back(Notice::Down(cause));
            }
        }
        self.phase = Phase::Idle;
        self.wants_close = false;
    }

    fn ready(&mut self) {
        if self.phase == Phase::Up {
            self.ready = true;
            self.go_on();
        }
    }

    fn subscribe(&mut self, now: Instant, tag: Tag, lane: Lane, filter: &[&str], qos: QoS) -> Result<(), Rejected> {
        self.tell_time(now);
        let filter = self.filter(filter)?;
        if self.is_leaving() || (lane == Lane::Setup && self.phase != Phase::Up) {
            return Err(Rejected::Offline);
        }
        let (requests, held) = (self.limits.requests, self.abilities().subscriptions);
        if self.requests.open() >= requests || self.requests.others(&filter) >= held {
            return Err(Rejected::Full);
        }
        self.requests.subscribe(tag, lane, &filter, qos);
        self.go_on();
        Ok(())
    }

    fn unsubscribe(&mut self, now: Instant, tag: Tag, filter: &[&str]) -> Result<(), Rejected> {
        self.tell_time(now);
        let filter = self.filter(filter)?;
        if self.is_leaving() {
            return Err(Rejected::Offline);
        }
        if self.requests.open() >= self.limits.requests {
            return Err(Rejected::Full);
        }
        self.requests.unsubscribe(tag, &filter);
        self.go_on();
        Ok(())
    }

    fn publish(&mut self, now: Instant, publish: Publish<'_>) -> Result<(), Rejected> {
        self.tell_time(now);
        let offline = match publish.lane {
            Lane::Setup => self.phase != Phase::Up,
            Lane::Reply => self.phase != Phase::Up || self.finished,
            Lane::App => {
                let refuse = publish.qos == QoS::AtMostOnce && !self.ready;
                self.finished || (refuse && self.options.qos0_offline == Qos0Offline::Refuse)
            }
        };
        if offline {
            return Err(Rejected::Offline);
        }
        let len = topic::check_pieces(publish.topic).map_err(Rejected::Invalid)?;
        if usize::from(len) > self.abilities().topic {
            return Err(Rejected::Invalid("the topic is over the modem's limit"));
        }
        let line = publish_line(publish.topic, publish.qos, publish.retain, publish.payload, self.client.dialect())?;
        if line.len() > self.limits.packet_out {
            return Err(Rejected::Invalid("the message is over the limit of a packet"));
        }
        self.lanes.push(self.now, &publish, line, self.options.queue, &self.limits)?;
        self.go_on();
        Ok(())
    }

    fn slow_down(&mut self, now: Instant) {
        self.tell_time(now);
        self.lanes.slow_down(self.now);
    }

    fn hang_up(&mut self, now: Instant, drain: Option<Duration>) {
        self.tell_time(now);
        match self.phase {
            Phase::Up => {
                // As many as a session would have handed to its pipe by now.
                let flush = if self.ready { self.lanes.live().1.min(self.limits.inflight.into()) } else { 0 };
                let drain = drain.map(|time| self.now.after(time));
                self.phase = Phase::Leaving { drain, flush, farewell: false };
                self.go_on();
            }
            Phase::Dialled | Phase::Connecting => {
                let down = self.fail(Cause::Asked);
                self.pending.push_back(down);
            }
            Phase::Idle | Phase::Leaving { .. } | Phase::Over => {}
        }
    }

    fn finish(&mut self) {
        if self.finished {
            return;
        }
        self.finished = true;
        self.drop_connection();
        if !matches!(self.phase, Phase::Idle | Phase::Over) {
            let down = self.fail(Cause::Asked);
            self.pending.push_back(down);
        }
        self.lanes.fail_all(Failure::Closed);
        let waiting = self.requests.finish();
        self.pending.extend(waiting.into_iter().map(|tag| Notice::Failed(tag, Failure::Closed)));
    }

    fn read<'b>(&mut self, now: Instant, bytes: &'b [u8], scratch: &'b mut Vec<u8>) -> (usize, Option<Notice<'b>>) {
        self.tell_time(now);
        // Line by line, so that what comes of one is told before the next is read, however they come.
        if let Some(notice) = self.news() {
            return (0, Some(notice));
        }
        if !self.is_open() {
            return (bytes.len(), if bytes.is_empty() { self.clock() } else { None });
        }
        // What has happened already comes before what the bytes say; time runs out only once all that came is read.
        while let Some(event) = self.client.happened(self.now, bytes.is_empty()) {
            if let Some(notice) = self.hear(event) {
                return (0, Some(notice));
            }
            self.go_on();
        }
        if bytes.is_empty() {
            return (0, self.clock());
        }
        self.heard = self.now;
        let (used, event) = self.client.read(self.now, bytes, scratch);
        let notice = event.and_then(|event| self.hear(event));
        self.go_on();
        (used, notice)
    }

    fn want(&mut self) -> Option<Action> {
        core::mem::take(&mut self.wants_close).then_some(Action::Close)
    }

    fn stored(&mut self, _: Instant, _: &Key, _: Result<(), StoreFailed>) {}

    fn loaded(&mut self, _: Instant, _: &Key, _: Result<Option<&[u8]>, StoreFailed>) {}

    fn room(&self) -> bool {
        self.lanes.has_room(&self.limits) && !self.finished
    }

    fn wants_bytes(&self) -> bool {
        true
    }

    fn transmit(&self) -> &[u8] {
        if self.is_open() { self.client.transmit() } else { &[] }
    }

    fn sent(&mut self, now: Instant, len: usize) {
        self.tell_time(now);
        if self.is_open() {
            self.client.sent(self.now, len);
            self.go_on();
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        if !self.pending.is_empty() || self.lanes.has_news() {
            return Some(Deadline { at: self.now, why: "news" });
        }
        let expiry = self.lanes.expiry().map(|at| Deadline { at, why: "expiry" });
        if !self.is_open() {
            return expiry;
        }
        let mut deadline = Deadline::earlier(expiry, self.client.deadline());
        let mut also = |at: Option<Instant>, why| {
            deadline = Deadline::earlier(deadline, at.map(|at| Deadline { at, why }));
        };
        let idle = self.asked.is_none() && self.client.is_idle();
        if idle && self.phase == Phase::Up {
            also(Some(self.heard.after(self.options.timers.check)), "check");
        }
        if idle && self.ready {
            also(self.lanes.paced(), "rate");
        }
        if let Phase::Leaving { drain: Some(until), farewell: false, .. } = self.phase {
            also((until > self.now).then_some(until), "drain");
        }
        deadline
    }
}

impl Modem {
    /// Whether bytes flow between the modem and its pipe.
    fn is_open(&self) -> bool {
        self.phase == Phase::Connecting || self.is_connected()
    }

    fn is_leaving(&self) -> bool {
        self.finished || matches!(self.phase, Phase::Leaving { .. })
    }

    /// Whether the module can do this dial.
    fn check(&self, to: &Endpoint, connect: &Connect) -> Result<(), Rejected> {
        let abilities = self.abilities();
        let fits = |text: Option<&str>, max| text.is_none_or(|text: &str| text.len() <= max);
        if to.path.is_some() {
            return Err(Rejected::Unsupported("WebSocket by a modem"));
        }
        if connect.will.is_some() {
            return Err(Rejected::Unsupported("a will by a modem"));
        }
        if connect.version != Version::V3_1_1 {
            return Err(Rejected::Unsupported("another version of MQTT than 3.1.1 by a modem"));
        }
        if to.host.is_empty() {
            return Err(Rejected::Invalid("the host name is empty"));
        }
        if to.host.len() > host(self.client.dialect()) {
            return Err(Rejected::Unsupported("so long a host name by this modem"));
        }
        if !fits(Some(&connect.client_id), abilities.client_id) {
            return Err(Rejected::Unsupported("so long a client id by this modem"));
        }
        if !fits(connect.user_name.as_deref(), abilities.user_name) {
            return Err(Rejected::Unsupported("so long a user name by this modem"));
        }
        if connect.password.as_ref().is_some_and(|password| password.expose().len() > abilities.password) {
            return Err(Rejected::Unsupported("so long a password by this modem"));
        }
        Ok(())
    }

    /// Joins the pieces of a filter that the module can take.
    fn filter(&self, pieces: &[&str]) -> Result<alloc::string::String, Rejected> {
        let filter = pieces.concat();
        topic::check_filter(&filter).map_err(Rejected::Invalid)?;
        if filter.len() > self.abilities().topic {
            return Err(Rejected::Invalid("the filter is over the modem's limit"));
        }
        let params = [encode::Param::Bytes(filter.as_bytes()), encode::Param::Int(2)];
        encode::append(&mut Vec::new(), "+MQTTUNSUB", &params, self.client.dialect().line()).map_err(|_| TOO_LONG)?;
        Ok(filter)
    }
}
