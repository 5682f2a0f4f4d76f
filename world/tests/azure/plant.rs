//! A plant: its cloud of two hubs, a pump enrolled by its group's key, and what the pump makes of what it is told.

use core::time::Duration;
use serde_json::{Value, json};
use skytether_core::{
    azure::{
        Answer, Azure, Command, Config, Event, Proof, Provisioning, Route, Telemetry, credentials,
        identity::{DeviceKey, IdScope, ModelId, RegistrationId},
        pnp::Ack,
    },
    device::{self, Device},
    io::{Cause, Failure, Tag},
    mqtt::session::{Options, Session},
};
use skytether_simulator::{
    azure::{
        self as cloud, AzureCloud, GroupConfig, HubConfig, Identity, ProvisioningConfig, SharedKey, Template, Terms,
    },
    broker::policy::{At, Outbox},
};
use skytether_world::{diary::Keep, resident::memory_bound, told::Told, world::World};

pub(crate) type Thing = Device<Session, Azure>;
pub(crate) type Sky = World<Thing, AzureCloud>;

pub(crate) const PUMP: usize = 0;
pub(crate) const NAME: &str = "pump-7";
pub(crate) const HUBS: [&str; 2] = ["hub-1.azure-devices.net", "hub-2.azure-devices.net"];
const SCOPE: &str = "0ne00000001";
const GROUP_KEY: [u8; 32] = [0x5a; 32];

/// The account: two hubs, and a group of pumps that begin on the first.
pub(crate) fn account() -> cloud::Config {
    let hub = |name: &str| HubConfig { name: name.to_owned(), devices: Vec::new() };
    let group = GroupConfig {
        name: "pumps".to_owned(),
        proof: cloud::Proof::Key(SharedKey::new(&GROUP_KEY).unwrap()),
        terms: Terms { payload: Some(json!({"site": "north"})), ..Terms::default() },
    };
    let id_scope = SCOPE.to_owned();
    let provisioning = ProvisioningConfig { id_scope, groups: vec![group], ..ProvisioningConfig::default() };
    cloud::Config { provisioning, hubs: HUBS.map(hub).to_vec(), templates: vec![Template::wbz451_curiosity()] }
}

/// What a device is told of itself that registers under this name.
pub(crate) fn device(name: &str, proof: Proof) -> Config {
    let (scope, id) = (IdScope::new(SCOPE).unwrap(), RegistrationId::new(name).unwrap());
    let mut config = Config::new(Route::Provisioning(Provisioning::new(scope, id)), proof);
    config.model = Some(ModelId::new("dtmi:com:Microchip:WBZ451_Curiosity;1").unwrap());
    config
}

/// What the pump is told of itself.
pub(crate) fn pump() -> Config {
    let key = credentials::derive(&DeviceKey::from_bytes(GROUP_KEY), &RegistrationId::new(NAME).unwrap());
    device(NAME, Proof::Key(key))
}

/// The pump on one of the hubs.
pub(crate) fn at(hub: usize) -> Identity {
    Identity::device(HUBS[hub], NAME)
}

/// One device, its cloud, and all that it was told.
pub(crate) struct Plant {
    pub(crate) world: Sky,
    pub(crate) told: Vec<device::Event<Event>>,
    pub(crate) done: Vec<(Tag, Result<Answer, Failure>)>,
    /// Telemetry as the hubs have it: the hub, and the body.
    pub(crate) heard: Vec<(Identity, String)>,
}

impl Plant {
    pub(crate) fn new(seed: u64, keep: Keep, account: cloud::Config, config: Config) -> Self {
        let found = move || AzureCloud::new(&account, [9; 32]).expect("a valid account");
        let mut world = World::new(seed, keep, found);
        world.add(memory_bound(&Options::default().limits), move |birth| {
            let cloud = Azure::new(config.clone()).expect("a valid configuration");
            Device::new(Session::new(Options::default()), cloud, device::Config::default(), birth.seed, birth.now)
        });
        Self { world, told: Vec::new(), done: Vec::new(), heard: Vec::new() }
    }

    /// Time passes; the device does what it is told meanwhile.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.world.now().after(time);
        while self.world.now() < end {
            self.world.run_until(self.world.now().after(Duration::from_millis(500)).min(end));
            self.live();
        }
    }

    /// Runs until the device is ready once more.
    pub(crate) fn run_to_ready(&mut self) {
        let before = self.count(|event| *event == device::Event::Ready);
        for _ in 0..1200 {
            self.run(Duration::from_millis(500));
            if self.count(|event| *event == device::Event::Ready) > before {
                return;
            }
        }
        panic!("{}", self.world.diary().text());
    }

    /// The application: every interval is taken over and acknowledged, `reboot` is done, anything else is unknown.
    pub(crate) fn live(&mut self) {
        assert_eq!(self.world.breach_found(), None, "{}", self.world.diary().text());
        for (_, told) in self.world.take_told(PUMP) {
            if let Told::Done(tag, outcome) = told {
                self.done.push((tag, outcome));
                continue;
            }
            let Told::Event(event) = told else { continue };
            if let device::Event::Cloud(Event::Desired(desired)) = &event
                && let Some(value) = desired.desired.get("telemetryInterval").cloned()
            {
                let acks = vec![Ack::applied("telemetryInterval", desired.version, value)];
                self.command(&Command::Acknowledge { component: None, acks });
            }
            if let device::Event::Cloud(Event::Method(call)) = &event {
                let (known, call) = (call.name == "reboot", call.clone());
                let answer = if known { call.answer(200, json!({"in": "PT5S"})) } else { call.unknown() };
                self.command(&answer);
            }
            self.told.push(event);
        }
        self.world.with_broker(|broker, _| {
            while let Some(telemetry) = broker.policy_mut().inner_mut().take_telemetry() {
                self.heard.push((telemetry.identity.clone(), String::from_utf8(telemetry.body).unwrap()));
            }
        });
    }

    pub(crate) fn command(&mut self, command: &Command) -> Tag {
        self.world.command(PUMP, command).expect("a command that is taken")
    }

    /// Sends telemetry at QoS 1.
    pub(crate) fn say(&mut self, body: &str) -> Tag {
        self.command(&Command::Telemetry(Telemetry::bytes(body.as_bytes().to_vec())))
    }

    /// The cloud's side does something.
    pub(crate) fn cloud<R>(&mut self, act: impl FnOnce(&mut AzureCloud, At, &mut Outbox) -> R) -> R {
        self.world.with_broker(|broker, now| broker.act(now, |policy, at, out| act(policy.inner_mut(), at, out)))
    }

    pub(crate) fn count(&self, is: impl Fn(&device::Event<Event>) -> bool) -> usize {
        self.told.iter().filter(|event| is(event)).count()
    }

    /// What the cloud said, in order; that of connections is left out.
    pub(crate) fn said(&self) -> impl Iterator<Item = &Event> {
        self.told.iter().filter_map(|event| if let device::Event::Cloud(event) = event { Some(event) } else { None })
    }

    /// How connections ended, in order.
    pub(crate) fn ends(&self) -> Vec<Cause> {
        let end = |event: &device::Event<Event>| {
            if let device::Event::Down { cause, .. } = event { Some(*cause) } else { None }
        };
        self.told.iter().filter_map(end).collect()
    }

    /// How a command ended: once, or not yet.
    pub(crate) fn end_of(&self, tag: Tag) -> Option<&Result<Answer, Failure>> {
        let mut ends = self.done.iter().filter(|(done, _)| *done == tag).map(|(_, outcome)| outcome);
        let end = ends.next();
        assert_eq!(ends.next(), None, "{tag:?} ended twice");
        end
    }

    /// Which hub has heard this body, and how often.
    pub(crate) fn times(&self, hub: usize, body: &str) -> usize {
        self.heard.iter().filter(|(identity, heard)| identity.hub() == HUBS[hub] && heard == body).count()
    }

    /// All desired properties as the application was told them: version, whole or change, and what they are.
    pub(crate) fn desired(&self) -> Vec<(u64, bool, Value)> {
        let desired =
            self.said().filter_map(|event| if let Event::Desired(desired) = event { Some(desired) } else { None });
        desired.map(|desired| (desired.version, desired.full, Value::Object(desired.desired.clone()))).collect()
    }
}
