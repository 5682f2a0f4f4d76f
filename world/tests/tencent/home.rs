//! The home of the demo: its cloud, its two devices, and what the air conditioner makes of what it is told.

use core::time::Duration;
use skytether_core::{
    device::{self, Device},
    io::{Failure, Machine as _, Tag},
    link::QoS,
    mqtt::session::{Options, Session},
    tencent::{
        Answer, Command, Config, Event, Proof, Tencent, UserTopic,
        identity::{DeviceName, DeviceSecret, ProductId},
    },
};
use skytether_simulator::{
    home::{Action, AirConditioner, command_action, door_payload},
    rules::Definition,
    tencent::{self as cloud, DeviceConfig, ProductConfig, SecretText, TencentCloud},
};
use skytether_world::{
    diary::Keep,
    resident::memory_bound,
    told::Told,
    world::{World, seed_bytes},
};

pub(crate) type Thing = Device<Session, Tencent>;
pub(crate) type Sky = World<Thing, TencentCloud>;

pub(crate) const DOOR: usize = 0;
pub(crate) const AIR: usize = 1;
pub(crate) const SECRETS: [&str; 2] = ["JTTi3h3sJP7atMACZrVbqQ==", "y5Jlwt6f9FJzywEHmeyiuABLQmntJtT4"];
const PRODUCTS: [&str; 2] = ["DOORPRD9A1", "AIRCPRD7B2"];
const NAMES: [&str; 2] = ["door1", "AirConditioner1"];

/// The account: two products, a device each, and the rule between them.
pub(crate) fn account() -> TencentCloud {
    let product = |which: usize| ProductConfig {
        id: PRODUCTS[which].to_owned(),
        classes: Vec::new(),
        devices: vec![DeviceConfig {
            name: NAMES[which].to_owned(),
            secret: Some(SecretText::new(SECRETS[which])),
            ..DeviceConfig::default()
        }],
    };
    let sql = "SELECT action, targetDevice FROM 'DOORPRD9A1/+/event' WHERE targetDevice = 'AirConditioner1'";
    let rule = Definition::republish("home", sql, "AIRCPRD7B2/${targetDevice}/control");
    let config =
        cloud::Config { products: vec![product(DOOR), product(AIR)], rules: vec![rule], ..cloud::Config::default() };
    TencentCloud::new(&config, [5; 32]).expect("a valid account")
}

/// What a device is told of itself.
pub(crate) fn config(which: usize, secret: &str) -> Config {
    Config::new(
        ProductId::new(PRODUCTS[which]).unwrap(),
        DeviceName::new(NAMES[which]).unwrap(),
        Proof::Key(DeviceSecret::from_base64(secret).unwrap()),
    )
}

/// A world with these devices.
pub(crate) fn sky(seed: u64, keep: Keep, configs: Vec<Config>) -> Sky {
    let mut world = World::new(seed, keep, account);
    for config in configs {
        let bound = memory_bound(&Options::default().limits);
        world.add(bound, move |birth| {
            let cloud = Tencent::new(config.clone()).expect("a valid configuration");
            Device::new(Session::new(Options::default()), cloud, device::Config::default(), birth.seed, birth.now)
        });
    }
    world
}

/// The home over its world: the door says, the air conditioner does.
pub(crate) struct Home {
    pub(crate) world: Sky,
    pub(crate) air: AirConditioner,
    /// What came, in order.
    pub(crate) commands: Vec<Action>,
    pub(crate) done: Vec<(Tag, Result<Answer, Failure>)>,
}

impl Home {
    pub(crate) fn new(seed: u64, keep: Keep, kept_session: bool) -> Self {
        let configs = [DOOR, AIR].map(|which| {
            let mut config = config(which, SECRETS[which]);
            config.clean_session = !kept_session;
            config
        });
        let mut world = sky(seed, keep, configs.to_vec());
        // Born by the first moment, they take commands.
        world.run(Duration::from_millis(1));
        let control = Command::Subscribe { filter: UserTopic::own("control"), qos: QoS::AtLeastOnce };
        world.command(AIR, &control).unwrap();
        Self { world, air: AirConditioner::default(), commands: Vec::new(), done: Vec::new() }
    }

    /// Someone comes or goes.
    pub(crate) fn door(&mut self, action: Action) -> Tag {
        let payload = door_payload(action, NAMES[AIR], false).into();
        let publish = Command::Publish { topic: UserTopic::own("event"), payload, qos: QoS::AtLeastOnce, ttl: None };
        self.world.command(DOOR, &publish).unwrap()
    }

    /// Time passes; the air conditioner does what it is told meanwhile.
    pub(crate) fn run(&mut self, time: Duration) {
        self.world.run(time);
        assert_eq!(self.world.breach_found(), None, "{}", self.world.diary().text());
        for (_, told) in self.world.take_told(AIR) {
            if let Told::Event(device::Event::Cloud(Event::Message(message))) = told {
                let action = command_action(message.payload()).expect("the rule passes commands on");
                self.commands.push(action);
                self.air.command(action);
            }
        }
        for (_, told) in self.world.take_told(DOOR) {
            if let Told::Done(tag, outcome) = told {
                self.done.push((tag, outcome));
            }
        }
    }

    /// Ends both in order.
    pub(crate) fn close(mut self) -> String {
        for device in [DOOR, AIR] {
            self.world.close(device);
        }
        self.run(Duration::from_secs(10));
        assert!([DOOR, AIR].iter().all(|device| self.world.machine(*device).unwrap().is_closed()));
        self.world.diary().text()
    }
}

/// The rng of a test's own schedule.
pub(crate) fn chance(seed: u64) -> skytether_core::rng::Rng {
    skytether_core::rng::Rng::new(seed_bytes(seed ^ 0xabcd))
}
