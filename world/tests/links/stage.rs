//! A device on some link in a world with a broker that has a few rules, and what a scenario may ask of both.

use crate::{links::Kind, tester::Order};
use core::time::Duration;
use skytether_core::{
    device::Event,
    io::{Failure, Rejected, Tag},
    link::{Abilities, Connect, Message, QoS},
};
use skytether_simulator::broker::policy::{At, Denial, Outbox, Peer, Policy, Verdict};
use skytether_world::{diary::Keep, told::Told, watched::Heard, world::World};
use std::collections::BTreeMap;

/// A broker that refuses some filters, and remembers who came and went.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) came: Vec<Connect>,
    /// Whether each that went said goodbye.
    pub(crate) went: Vec<bool>,
}

impl Policy for Rules {
    type Identity = ();

    fn authenticate(&mut self, _: At, connect: &Connect, _: &Peer) -> Result<(), Denial> {
        self.came.push(connect.clone());
        Ok(())
    }

    fn may_subscribe(&mut self, _: At, (): &(), filter: &str, qos: QoS) -> Option<QoS> {
        (!filter.starts_with("forbidden")).then_some(qos)
    }

    fn may_publish(&mut self, _: At, (): &(), _: &Message<'_>) -> Verdict {
        Verdict::Accept
    }

    fn on_disconnected(&mut self, _: At, (): &(), orderly: bool, _: &mut Outbox) {
        self.went.push(orderly);
    }
}

/// A device and its world.
pub(crate) struct Stage<K: Kind> {
    pub(crate) world: World<K::Device, Rules>,
    /// What came in, in order.
    pub(crate) came_in: Vec<(String, Vec<u8>)>,
    pub(crate) ended: BTreeMap<Tag, Vec<Result<&'static str, Failure>>>,
    pub(crate) events: Vec<String>,
    heard: Vec<Heard>,
}

/// How long a modem may take to be connected.
pub(crate) const SOON: Duration = Duration::from_secs(30);

impl<K: Kind> Stage<K> {
    pub(crate) fn set(kind: &'static K) -> Self {
        Self::with(kind, |_| ())
    }

    /// The same; `arrange` is called before the device is born.
    pub(crate) fn with(kind: &'static K, arrange: impl FnOnce(&mut World<K::Device, Rules>)) -> Self {
        let mut world = World::new(7, Keep::Tail, Rules::default);
        let device = world.add(kind.bound(), |birth| kind.device(birth));
        kind.attach(&mut world, device);
        arrange(&mut world);
        Self { world, came_in: Vec::new(), ended: BTreeMap::new(), events: Vec::new(), heard: Vec::new() }
    }

    /// Connected and ready.
    pub(crate) fn up(kind: &'static K) -> Self {
        let mut stage = Self::set(kind);
        stage.until_ready();
        stage
    }

    pub(crate) fn until_ready(&mut self) {
        self.until("ready", |stage| stage.events.iter().any(|event| event == "Ready"));
        self.run(500);
    }

    /// Lets time pass until `reached`.
    pub(crate) fn until(&mut self, what: &str, reached: impl Fn(&Self) -> bool) {
        let end = self.world.now().after(SOON * 4);
        while !reached(self) {
            assert!(self.world.now() < end, "{what} does not come: {:?}\n{}", self.events, self.world.diary().text());
            self.run(10);
        }
    }

    pub(crate) fn run(&mut self, millis: u64) {
        self.world.run(Duration::from_millis(millis));
        self.look();
    }

    fn look(&mut self) {
        assert_eq!(self.world.breach_found(), None, "{}", self.world.diary().text());
        for (_, told) in self.world.take_told(0) {
            match told {
                Told::Event(Event::Cloud(message)) => {
                    self.came_in.push((message.topic().to_owned(), message.payload().to_vec()));
                }
                Told::Event(event) => self.events.push(format!("{event:?}")),
                Told::Done(tag, outcome) => self.ended.entry(tag).or_default().push(outcome),
                Told::Saving(_) | Told::Saved(_) | Told::NotSaved(_) | Told::Died(_) | Told::Born | Told::Wiped => {}
            }
        }
        self.heard.extend(self.world.take_heard());
    }

    pub(crate) fn order(&mut self, order: &Order) -> Result<Tag, Rejected> {
        let tag = self.world.command(0, order);
        self.look();
        tag
    }

    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8], qos: QoS) -> Tag {
        self.order(&Order::Publish { topic: topic.to_owned(), payload: payload.to_vec(), qos }).unwrap()
    }

    pub(crate) fn subscribe(&mut self, filter: &str, qos: QoS) {
        let tag = self.order(&Order::Subscribe { filter: filter.to_owned(), qos }).unwrap();
        assert_eq!(self.end_of(tag), Ok("granted"), "{filter}");
    }

    /// The one end of a command, once it has come.
    pub(crate) fn end_of(&mut self, tag: Tag) -> Result<&'static str, Failure> {
        self.until("the end of a command", |stage| stage.ended.contains_key(&tag));
        let ends = &self.ended[&tag];
        assert_eq!(ends.len(), 1, "R-5: {ends:?}");
        ends[0]
    }

    /// Payloads that the broker heard on this topic, in order.
    pub(crate) fn heard(&self, topic: &str) -> Vec<Vec<u8>> {
        self.heard.iter().filter(|heard| heard.topic == topic).map(|heard| heard.payload.clone()).collect()
    }

    /// Topics that the broker heard, in order.
    pub(crate) fn topics(&self) -> Vec<&str> {
        self.heard.iter().map(|heard| heard.topic.as_str()).collect()
    }

    pub(crate) fn rules(&self) -> &Rules {
        self.world.broker().policy().inner()
    }

    /// How often something was told whose text begins so.
    pub(crate) fn told(&self, beginning: &str) -> usize {
        self.events.iter().filter(|event| event.starts_with(beginning)).count()
    }

    pub(crate) fn abilities(&self) -> Abilities {
        K::abilities(self.world.machine(0).unwrap())
    }

    pub(crate) fn qos(&self) -> QoS {
        self.abilities().qos
    }
}

/// The levels up to one.
pub(crate) fn levels(highest: QoS) -> Vec<QoS> {
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].into_iter().filter(|qos| *qos <= highest).collect()
}
