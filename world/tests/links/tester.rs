//! A cloud that uses every lane: it says hello and asks for its own topic before it is ready, answers what is asked, and
//! lets its application send and subscribe.

use skytether_core::{
    cloud::{Cloud, Cx, Dial, Heard, Out},
    io::{Deadline, Failure, Rejected, Tag},
    link::{Connect, Endpoint, Lane, Message, Notice, Publish, QoS},
    message::Received,
};
use std::collections::BTreeSet;

/// The cloud.
#[derive(Debug)]
pub(crate) struct Tester {
    client_id: String,
    /// Where it connects in turns, one after each redial.
    hosts: Vec<String>,
    dials: usize,
    /// What it asked for itself.
    asked: Option<Tag>,
    own: BTreeSet<Tag>,
}

/// What its application asks for.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Publish { topic: String, payload: Vec<u8>, qos: QoS },
    Subscribe { filter: String, qos: QoS },
    Unsubscribe { filter: String },
    Redial,
}

/// What it asks everyone.
pub(crate) const ASK: &str = "ask/#";

impl Tester {
    pub(crate) fn new(client_id: &str, hosts: &[&str]) -> Self {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Self { client_id: client_id.to_owned(), hosts, dials: 0, asked: None, own: BTreeSet::new() }
    }

    fn send(&mut self, cx: &mut Cx<'_>, lane: Lane, topic: &str, payload: &[u8]) {
        let tag = cx.tag();
        let publish = Publish { tag, lane, topic: &[topic], payload, qos: QoS::AtLeastOnce, retain: false, ttl: None };
        if cx.link.publish(cx.now, publish).is_ok() {
            self.own.insert(tag);
        }
    }

    fn message(&mut self, cx: &mut Cx<'_>, message: Message<'_>) -> Option<Out<Received, &'static str>> {
        if message.topic.starts_with("ask/") {
            self.send(cx, Lane::Reply, "answer", message.payload);
            return None;
        }
        Some(Out::Event(Received::from(message)))
    }

    fn end(&mut self, tag: Tag, outcome: Result<&'static str, Failure>) -> Option<Out<Received, &'static str>> {
        if self.own.remove(&tag) { None } else { Some(Out::Done(tag, outcome)) }
    }
}

impl Cloud for Tester {
    type Command = Order;
    type Event = Received;
    type Answer = &'static str;

    fn dial(&mut self, _: &mut Cx<'_>) -> Dial {
        let host = self.hosts.get(self.dials % self.hosts.len().max(1)).cloned().unwrap_or_default();
        let connect = Connect {
            client_id: self.client_id.clone(),
            user_name: Some(format!("{}/user?v=1", self.client_id)),
            password: Some(skytether_core::secret::Secret::new("pass\"word\\")),
            keep_alive: 30,
            clean_session: true,
            ..Connect::default()
        };
        Dial::Go(Endpoint::tcp(host, 1883), connect)
    }

    fn command(&mut self, cx: &mut Cx<'_>, tag: Tag, order: &Order) -> Result<(), Rejected> {
        match order {
            Order::Publish { topic, payload, qos } => {
                let topic = &[topic.as_str()];
                let publish = Publish { tag, lane: Lane::App, topic, payload, qos: *qos, retain: false, ttl: None };
                cx.link.publish(cx.now, publish)
            }
            Order::Subscribe { filter, qos } => cx.link.subscribe(cx.now, tag, Lane::App, &[filter], *qos),
            Order::Unsubscribe { filter } => cx.link.unsubscribe(cx.now, tag, &[filter]),
            Order::Redial => {
                self.dials += 1;
                cx.redial();
                self.own.insert(tag);
                Ok(())
            }
        }
    }

    fn hear(&mut self, cx: &mut Cx<'_>, heard: Heard<'_>) -> Option<Out<Received, &'static str>> {
        let Heard::Link(notice) = heard else { return None };
        match notice {
            Notice::Up { .. } => {
                let tag = cx.tag();
                self.asked = Some(tag);
                cx.link.subscribe(cx.now, tag, Lane::Setup, &[ASK], QoS::AtLeastOnce).unwrap();
                self.send(cx, Lane::Setup, "hello", b"hello");
                None
            }
            Notice::Granted(tag, granted) if self.asked == Some(tag) => {
                if granted.is_some() {
                    cx.ready();
                } else {
                    cx.degraded();
                }
                None
            }
            Notice::Granted(tag, Some(_)) => self.end(tag, Ok("granted")),
            Notice::Granted(tag, None) => self.end(tag, Err(Failure::Refused(128))),
            Notice::Unsubscribed(tag) => self.end(tag, Ok("unsubscribed")),
            Notice::Delivered(tag) => self.end(tag, Ok("delivered")),
            Notice::Failed(tag, _) if self.asked == Some(tag) => None,
            Notice::Failed(tag, why) => self.end(tag, Err(why)),
            Notice::Message(message) => self.message(cx, message),
            Notice::Wall(_) | Notice::Note(_) | Notice::Down(_) => None,
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        None
    }
}
