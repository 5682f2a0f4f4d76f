//! Which links there are, and what stands between each and the broker.

use crate::tester::{Order, Tester};
use core::time::Duration;
use skytether_core::{
    at,
    device::{self, Device, Event},
    limits::Limits,
    link::{Abilities, Link},
    message::Received,
    mqtt::session::{self, Session},
    secret::Secret,
};
use skytether_simulator::{
    broker::policy::Policy,
    modem::{self, Network, Times},
};
use skytether_world::{
    resident::{Resident, memory_bound},
    world::{Birth, World},
};

/// A kind of link.
pub(crate) trait Kind {
    /// A device on it.
    type Device: Resident<Command = Order, Event = Event<Received>, Answer = &'static str> + 'static;

    /// A new device.
    fn device(&self, birth: Birth) -> Self::Device;

    /// What its link offers.
    fn abilities(device: &Self::Device) -> Abilities;

    /// The most that it may hold.
    fn bound(&self) -> usize {
        memory_bound(&Limits::default())
    }

    /// Puts what it needs between the device and the broker.
    fn attach<M: Resident, P: Policy>(&self, world: &mut World<M, P>, device: usize);

    /// The longest payload on topic `t` that the broker may send to it.
    fn largest_down(&self) -> usize;

    /// Whether it knows why it was refused.
    fn knows_reasons(&self) -> bool {
        true
    }
}

/// A device on this link.
fn on<L: Link>(link: L, birth: Birth) -> Device<L, Tester> {
    let cloud = Tester::new("dev-7", &["one.invalid", "two.invalid"]);
    let config = device::Config { drain: Some(Duration::from_secs(3)), ..device::Config::default() };
    Device::new(link, cloud, config, birth.seed, birth.now)
}

/// The session.
pub(crate) struct Mqtt;

impl Kind for Mqtt {
    type Device = Device<Session, Tester>;

    fn device(&self, birth: Birth) -> Self::Device {
        on(Session::new(session::Options::default()), birth)
    }

    fn abilities(device: &Self::Device) -> Abilities {
        device.link().abilities()
    }

    fn attach<M: Resident, P: Policy>(&self, _: &mut World<M, P>, _: usize) {}

    fn largest_down(&self) -> usize {
        100_000
    }
}

/// A modem of this dialect.
pub(crate) struct ByModem {
    pub(crate) dialect: modem::Dialect,
}

pub(crate) const ANYCLOUD: ByModem = ByModem { dialect: modem::Dialect::AnyCloud };
pub(crate) const RNWF: ByModem = ByModem { dialect: modem::Dialect::Rnwf };

impl ByModem {
    /// The module, and the network around it.
    pub(crate) fn config(&self) -> modem::Config {
        let networks = vec![Network::protected("lab", *b"pass word")];
        // It has been on for long when the device looks for it.
        let times = Times { boot: Duration::ZERO, ..Times::default() };
        modem::Config { dialect: self.dialect, networks, times, ..modem::Config::default() }
    }
}

/// A link that knows the network around its module.
pub(crate) fn options() -> at::Options {
    let wifi = at::Wifi { ssid: "lab".into(), passphrase: Secret::new(*b"pass word"), ..at::Wifi::default() };
    at::Options { wifi: Some(wifi), ..at::Options::default() }
}

impl Kind for ByModem {
    type Device = Device<at::Modem, Tester>;

    fn device(&self, birth: Birth) -> Self::Device {
        on(at::Modem::new(options(), Limits::default()), birth)
    }

    fn abilities(device: &Self::Device) -> Abilities {
        device.link().abilities()
    }

    fn attach<M: Resident, P: Policy>(&self, world: &mut World<M, P>, device: usize) {
        world.attach(device, self.config());
    }

    fn largest_down(&self) -> usize {
        match self.dialect {
            // Its buffer has 1,500 bytes: two of length, topic with its own length, fixed header of three.
            modem::Dialect::AnyCloud => 1494,
            modem::Dialect::Rnwf => 8192 - 6,
        }
    }

    fn knows_reasons(&self) -> bool {
        self.dialect == modem::Dialect::Rnwf
    }
}
