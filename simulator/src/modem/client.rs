//! The MQTT client inside the modem: one connection, nothing kept beyond it, few requests at once.

use super::{
    config::{Dialect, Quirks, Times},
    net::{Net, Pipe, Tls},
    trouble::Trouble,
};
use core::time::Duration;
use skytether_core::{
    io::Refusal,
    link::{Connect, QoS},
    mqtt::codec::{
        self, AckKind, Delivery, Outgoing, PINGREQ, Packet, PacketId, Publish, ack, connect_append, subscribe_append,
        unsubscribe_append,
    },
    time::Instant,
};
use std::collections::{BTreeSet, VecDeque};

/// Where to connect, and how to introduce itself.
#[derive(Clone, Debug)]
pub(super) struct Hello {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<Tls>,
    pub(super) connect: Connect,
}

/// What the host is to be told.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// The broker accepted.
    Up {
        session_present: bool,
        /// Nobody asked for it.
        by_itself: bool,
    },
    /// The broker refused, or did not answer.
    Refused(Option<Refusal>),
    /// The connection ended or was not made.
    Down {
        /// It never came to MQTT.
        below: bool,
    },
    /// `None`: refused, or not answered.
    Granted(Option<QoS>),
    /// Whether it was answered.
    Unsubscribed(bool),
    /// QoS 0: it was sent.
    Published(QoS, u16),
    /// It was not acknowledged.
    Unpublished(u16),
    Message(Incoming),
}

/// A message that came in.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Incoming {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) dup: bool,
}

/// The client.
#[derive(Debug)]
pub(super) struct Client {
    dialect: Dialect,
    times: Times,
    quirks: Quirks,
    stage: Stage,
    hello: Option<Hello>,
    /// It connects by itself, and at what time.
    again: Option<Instant>,
    by_itself: bool,
    inbox: Vec<u8>,
    id: u16,
    filters: Vec<(String, QoS)>,
    pending: Vec<Pending>,
    /// QoS 2 messages that came and were not released.
    unreleased: BTreeSet<u16>,
    spoke: Instant,
    ping_until: Option<Instant>,
    said: VecDeque<Said>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Idle,
    Opening(Pipe, Instant),
    Greeting(Pipe, Instant),
    Up(Pipe),
}

#[derive(Debug)]
struct Pending {
    id: PacketId,
    what: What,
    until: Instant,
}

#[derive(PartialEq, Eq, Debug)]
enum What {
    Subscribe(String),
    Unsubscribe(String),
    AtLeastOnce,
    ExactlyOnce,
}

/// Bytes of a packet, each way. RNWF documents no limit; its vendor's hosts have buffers of half of this.
const ANYCLOUD_PACKET: usize = 1500;
const RNWF_PACKET: usize = 8192;

/// Bytes that may wait for the network; then nothing more is taken.
const OUT: usize = 16 * 1024;

/// Subscriptions at once. RNWF documents no limit.
const ANYCLOUD_FILTERS: usize = 4;
const RNWF_FILTERS: usize = 32;

/// Requests and messages without their acknowledgement: `AnyCloud` says none of their ids.
const ANYCLOUD_PENDING: usize = 1;
const RNWF_PENDING: usize = 8;

impl Client {
    pub(super) fn new(dialect: Dialect, times: Times, quirks: Quirks) -> Self {
        Self {
            dialect,
            times,
            quirks,
            stage: Stage::Idle,
            hello: None,
            again: None,
            by_itself: false,
            inbox: Vec::new(),
            id: 0,
            filters: Vec::new(),
            pending: Vec::new(),
            unreleased: BTreeSet::new(),
            spoke: Instant::ZERO,
            ping_until: None,
            said: VecDeque::new(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Up(_))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// What it has subscribed to.
    pub(super) fn filters(&self) -> &[(String, QoS)] {
        &self.filters
    }

    pub(super) fn take_said(&mut self) -> Option<Said> {
        self.said.pop_front()
    }

    /// Connects.
    pub(super) fn connect(&mut self, now: Instant, net: &mut Net, hello: Hello) {
        self.again = None;
        self.by_itself = false;
        self.begin(now, net, hello);
    }

    fn begin(&mut self, now: Instant, net: &mut Net, hello: Hello) {
        let pipe = net.open(hello.host.clone(), hello.port, hello.tls.clone());
        self.hello = Some(hello);
        self.stage = Stage::Opening(pipe, now.after(self.times.network));
    }

    /// A connection could not even be begun.
    pub(super) fn fail(&mut self) {
        self.said.push_back(Said::Down { below: true });
    }

    pub(super) fn opened(&mut self, now: Instant, net: &mut Net, pipe: Pipe) {
        let Some(hello) = self.hello.as_ref().filter(|_| matches!(self.stage, Stage::Opening(own, _) if own == pipe))
        else {
            return;
        };
        let connect = &hello.connect;
        match net.write(pipe, |out| connect_append(out, connect)) {
            Some(Ok(())) => {
                self.inbox.clear();
                self.spoke = now;
                self.stage = Stage::Greeting(pipe, now.after(self.times.answer));
            }
            // A client id that cannot be: it goes as far as the server would let it.
            Some(Err(_)) | None => self.end(now, net, true),
        }
    }

    /// Whether the pipe is this client's.
    pub(super) fn owns(&self, pipe: Pipe) -> bool {
        self.pipe() == Some(pipe)
    }

    fn pipe(&self) -> Option<Pipe> {
        match self.stage {
            Stage::Idle => None,
            Stage::Opening(pipe, _) | Stage::Greeting(pipe, _) | Stage::Up(pipe) => Some(pipe),
        }
    }

    /// The pipe is gone.
    pub(super) fn closed(&mut self, now: Instant, net: &mut Net, pipe: Pipe) {
        if self.owns(pipe) {
            let below = matches!(self.stage, Stage::Opening(..));
            self.end(now, net, below);
        }
    }

    /// The network is gone, or the connection breaks.
    pub(super) fn lose(&mut self, now: Instant, net: &mut Net) {
        if self.pipe().is_some() {
            self.end(now, net, false);
        }
        self.again = self.again.filter(|_| self.quirks.reconnects.is_some());
    }

    /// The host says goodbye.
    ///
    /// # Errors
    /// [`Trouble::Mqtt`]: it is not connected.
    pub(super) fn hang_up(&mut self, net: &mut Net) -> Result<(), Trouble> {
        let Stage::Up(pipe) = self.stage else { return Err(Trouble::Mqtt) };
        net.write(pipe, |out| out.extend_from_slice(&codec::DISCONNECT));
        net.close(pipe);
        self.clear();
        self.again = None;
        self.said.push_back(Said::Down { below: false });
        Ok(())
    }

    /// It starts anew; its pipe is closed by whoever resets it.
    pub(super) fn reset(&mut self) {
        self.clear();
        self.again = None;
        self.hello = None;
        self.said.clear();
        self.id = 0;
    }

    fn clear(&mut self) {
        self.stage = Stage::Idle;
        self.inbox.clear();
        self.filters.clear();
        self.pending.clear();
        self.unreleased.clear();
        self.ping_until = None;
    }

    fn end(&mut self, now: Instant, net: &mut Net, below: bool) {
        let was_up = self.is_up();
        if let Some(pipe) = self.pipe() {
            net.close(pipe);
        }
        self.clear();
        // Of what it tries by itself, only success is told.
        if was_up || !self.by_itself {
            self.said.push_back(Said::Down { below });
        }
        if let Some(wait) = self.quirks.reconnects.filter(|_| was_up || self.by_itself) {
            self.again = Some(now.after(wait));
        }
    }

    fn refused(&mut self, refusal: Option<Refusal>) {
        if !self.by_itself {
            self.said.push_back(Said::Refused(refusal));
        }
    }

    /// Bytes came in.
    pub(super) fn receive(&mut self, now: Instant, net: &mut Net, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
        let max = match self.dialect {
            Dialect::AnyCloud => ANYCLOUD_PACKET,
            Dialect::Rnwf => RNWF_PACKET,
        };
        let inbox = core::mem::take(&mut self.inbox);
        let mut used = 0;
        while self.pipe().is_some() {
            match codec::decode(inbox.get(used..).unwrap_or_default(), max) {
                Ok(Some((packet, len))) => {
                    used += len;
                    self.packet(now, net, &packet);
                }
                Ok(None) => {
                    self.inbox = inbox.get(used..).unwrap_or_default().to_vec();
                    return;
                }
                // No packet, or one that does not fit into its buffer: it has lost its place.
                Err(_) => self.end(now, net, false),
            }
        }
    }

    fn packet(&mut self, now: Instant, net: &mut Net, packet: &Packet<'_>) {
        match (self.stage, packet) {
            (Stage::Greeting(pipe, _), Packet::ConnAck(answer)) => match answer.refusal {
                None => {
                    self.stage = Stage::Up(pipe);
                    let (session_present, by_itself) = (answer.session_present, self.by_itself);
                    self.said.push_back(Said::Up { session_present, by_itself });
                }
                Some(refusal) => {
                    self.refused(Some(refusal));
                    self.end(now, net, false);
                }
            },
            (Stage::Up(pipe), Packet::Publish(publish)) => self.message(net, pipe, publish),
            (Stage::Up(_), Packet::PubAck(id)) => {
                if self.settle(*id, &What::AtLeastOnce) {
                    self.said.push_back(Said::Published(QoS::AtLeastOnce, id.get()));
                }
            }
            (Stage::Up(pipe), Packet::PubRec(id)) => {
                net.write(pipe, |out| out.extend_from_slice(&ack(AckKind::PubRel, *id)));
                self.spoke = now;
            }
            (Stage::Up(_), Packet::PubComp(id)) => {
                if self.settle(*id, &What::ExactlyOnce) {
                    self.said.push_back(Said::Published(QoS::ExactlyOnce, id.get()));
                }
            }
            (Stage::Up(pipe), Packet::PubRel(id)) => {
                self.unreleased.remove(&id.get());
                net.write(pipe, |out| out.extend_from_slice(&ack(AckKind::PubComp, *id)));
            }
            (Stage::Up(_), Packet::SubAck(answer)) => {
                let granted = answer.codes().next().flatten();
                if let Some(What::Subscribe(filter)) = self.take_pending(answer.id) {
                    if let Some(qos) = granted {
                        self.filters.retain(|(held, _)| *held != filter);
                        self.filters.push((filter, qos));
                    }
                    self.said.push_back(Said::Granted(granted));
                }
            }
            (Stage::Up(_), Packet::UnsubAck(id)) => {
                if let Some(What::Unsubscribe(filter)) = self.take_pending(*id) {
                    self.filters.retain(|(held, _)| *held != filter);
                    self.said.push_back(Said::Unsubscribed(true));
                }
            }
            (Stage::Up(_), Packet::PingResp) => self.ping_until = None,
            (
                Stage::Idle | Stage::Opening(..) | Stage::Greeting(..) | Stage::Up(_),
                Packet::Connect(_)
                | Packet::ConnAck(_)
                | Packet::Publish(_)
                | Packet::PubAck(_)
                | Packet::PubRec(_)
                | Packet::PubRel(_)
                | Packet::PubComp(_)
                | Packet::Subscribe(_)
                | Packet::SubAck(_)
                | Packet::Unsubscribe(_)
                | Packet::UnsubAck(_)
                | Packet::PingReq
                | Packet::PingResp
                | Packet::Disconnect,
            ) => self.end(now, net, false),
        }
    }

    /// Takes the pending thing with this id, if it is what is acknowledged.
    fn settle(&mut self, id: PacketId, what: &What) -> bool {
        let at = self.pending.iter().position(|pending| pending.id == id && pending.what == *what);
        at.map(|at| self.pending.remove(at)).is_some()
    }

    fn take_pending(&mut self, id: PacketId) -> Option<What> {
        let is_request = |pending: &Pending| matches!(pending.what, What::Subscribe(_) | What::Unsubscribe(_));
        let at = self.pending.iter().position(|pending| pending.id == id && is_request(pending))?;
        Some(self.pending.remove(at).what)
    }

    /// The host hears of it, and the broker is told that it did: nothing is between the two.
    fn message(&mut self, net: &mut Net, pipe: Pipe, publish: &Publish<'_>) {
        let (qos, answer, fresh) = match publish.delivery {
            Delivery::AtMostOnce => (QoS::AtMostOnce, None, true),
            Delivery::AtLeastOnce(id) => (QoS::AtLeastOnce, Some(ack(AckKind::PubAck, id)), true),
            Delivery::ExactlyOnce(id) => {
                (QoS::ExactlyOnce, Some(ack(AckKind::PubRec, id)), self.unreleased.insert(id.get()))
            }
        };
        if let Some(answer) = answer {
            net.write(pipe, |out| out.extend_from_slice(&answer));
        }
        if fresh {
            self.said.push_back(Said::Message(Incoming {
                topic: publish.topic.to_owned(),
                payload: publish.payload.to_vec(),
                qos,
                retain: publish.retain,
                dup: publish.dup,
            }));
        }
    }

    /// The pipe, if one more request or message may be under way.
    fn free(&self, net: &Net) -> Result<Pipe, Trouble> {
        let most = match self.dialect {
            Dialect::AnyCloud => ANYCLOUD_PENDING,
            Dialect::Rnwf => RNWF_PENDING,
        };
        match self.stage {
            Stage::Up(pipe) if self.pending.len() < most && net.transmit(pipe).len() < OUT => Ok(pipe),
            Stage::Idle | Stage::Opening(..) | Stage::Greeting(..) | Stage::Up(_) => Err(Trouble::Mqtt),
        }
    }

    fn next_id(&mut self) -> PacketId {
        loop {
            self.id = self.id.checked_add(1).unwrap_or(1);
            let free = |id: PacketId| self.pending.iter().all(|pending| pending.id != id);
            if let Some(id) = PacketId::new(self.id).filter(|id| free(*id)) {
                return id;
            }
        }
    }

    fn await_answer(&mut self, now: Instant, id: PacketId, what: What) {
        self.spoke = now;
        self.pending.push(Pending { id, what, until: now.after(self.times.answer) });
    }

    /// Subscribes to one filter. One more than there may be fails without the broker being asked.
    ///
    /// # Errors
    /// [`Trouble::Mqtt`]: not connected, or something is under way; [`Trouble::InvalidParameter`]: no filter.
    pub(super) fn subscribe(&mut self, now: Instant, net: &mut Net, filter: String, qos: QoS) -> Result<(), Trouble> {
        let pipe = self.free(net)?;
        let most = match self.dialect {
            Dialect::AnyCloud => ANYCLOUD_FILTERS,
            Dialect::Rnwf => RNWF_FILTERS,
        };
        if self.filters.len() >= most && self.filters.iter().all(|(held, _)| *held != filter) {
            self.said.push_back(Said::Granted(None));
            return Ok(());
        }
        let id = self.next_id();
        net.write(pipe, |out| subscribe_append(out, id, &[(filter.as_str(), qos)]))
            .ok_or(Trouble::Mqtt)?
            .map_err(|_| Trouble::InvalidParameter)?;
        self.await_answer(now, id, What::Subscribe(filter));
        Ok(())
    }

    /// Ends one subscription.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub(super) fn unsubscribe(&mut self, now: Instant, net: &mut Net, filter: String) -> Result<(), Trouble> {
        let pipe = self.free(net)?;
        let id = self.next_id();
        net.write(pipe, |out| unsubscribe_append(out, id, &[filter.as_str()]))
            .ok_or(Trouble::Mqtt)?
            .map_err(|_| Trouble::InvalidParameter)?;
        self.await_answer(now, id, What::Unsubscribe(filter));
        Ok(())
    }

    /// Publishes; the packet id, 0 for QoS 0.
    ///
    /// # Errors
    /// As [`Client::subscribe`]; [`Trouble::Mqtt`] also for a packet over the buffer.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        net: &mut Net,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
    ) -> Result<u16, Trouble> {
        let pipe = self.free(net)?;
        let (id, delivery) = match qos {
            QoS::AtMostOnce => (None, Delivery::AtMostOnce),
            QoS::AtLeastOnce => {
                let id = self.next_id();
                (Some((id, What::AtLeastOnce)), Delivery::AtLeastOnce(id))
            }
            QoS::ExactlyOnce => {
                let id = self.next_id();
                (Some((id, What::ExactlyOnce)), Delivery::ExactlyOnce(id))
            }
        };
        let packet = Outgoing { topic: &[topic], payload, delivery, retain, dup: false };
        let measured = packet.measure().map_err(|_| Trouble::InvalidParameter)?;
        if self.dialect == Dialect::AnyCloud && measured.len > ANYCLOUD_PACKET {
            return Err(Trouble::Mqtt);
        }
        net.write(pipe, |out| packet.append(measured, out)).ok_or(Trouble::Mqtt)?;
        self.spoke = now;
        let Some((id, what)) = id else {
            if self.quirks.published_at_qos_0 {
                self.said.push_back(Said::Published(QoS::AtMostOnce, 0));
            }
            return Ok(0);
        };
        self.await_answer(now, id, what);
        Ok(id.get())
    }

    /// When time brings something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let stage = match self.stage {
            Stage::Idle => self.again,
            Stage::Opening(_, until) | Stage::Greeting(_, until) => Some(until),
            Stage::Up(_) => self.ping_until.or_else(|| self.keep_alive().map(|pause| self.spoke.after(pause))),
        };
        self.pending.iter().map(|pending| pending.until).chain(stage).min()
    }

    fn keep_alive(&self) -> Option<Duration> {
        let seconds = self.hello.as_ref().map_or(0, |hello| hello.connect.keep_alive);
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant, net: &mut Net, joined: bool) {
        match self.stage {
            Stage::Idle => {
                if self.again.is_some_and(|at| at <= now) {
                    self.again = None;
                    match self.hello.clone().filter(|_| joined) {
                        Some(hello) => {
                            self.by_itself = true;
                            self.begin(now, net, hello);
                        }
                        None => self.again = self.quirks.reconnects.map(|wait| now.after(wait)),
                    }
                }
            }
            Stage::Opening(_, until) if until <= now => self.end(now, net, true),
            Stage::Greeting(_, until) if until <= now => {
                self.refused(None);
                self.end(now, net, false);
            }
            Stage::Opening(..) | Stage::Greeting(..) => {}
            Stage::Up(pipe) => self.keep_up(now, net, pipe),
        }
    }

    fn keep_up(&mut self, now: Instant, net: &mut Net, pipe: Pipe) {
        if self.ping_until.is_some_and(|until| until <= now) {
            return self.end(now, net, false);
        }
        let silent = self.keep_alive().is_some_and(|pause| now.since(self.spoke) >= pause);
        if silent && self.ping_until.is_none() {
            net.write(pipe, |out| out.extend_from_slice(&PINGREQ));
            self.spoke = now;
            self.ping_until = Some(now.after(self.times.answer));
        }
        while let Some(at) = self.pending.iter().position(|pending| pending.until <= now) {
            let pending = self.pending.remove(at);
            self.said.push_back(match pending.what {
                What::Subscribe(_) => Said::Granted(None),
                What::Unsubscribe(_) => Said::Unsubscribed(false),
                What::AtLeastOnce | What::ExactlyOnce => Said::Unpublished(pending.id.get()),
            });
        }
    }
}
