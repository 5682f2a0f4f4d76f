//! A whole life of ordinary devices: an application on each that counts its messages, faults from a schedule, and then
//! peace in which everything has to come right.

use crate::{
    diary::Keep,
    fault::{self, Fault, Mix, below},
    ledger::Ledger,
    node::Birth,
    pipe::Direction,
    resident::{Resident, memory_bound},
    told::Told,
    world::{World, seed_bytes},
};
use core::{fmt, time::Duration};
use skytether_core::{
    at,
    device::{self, Device, Event},
    io::{Instant, Machine},
    limits::Limits,
    link::{Connect, Endpoint, QoS},
    mqtt::session::{Options, Session},
    plain::{self, Command, Config, Plain},
    queue::Rate,
    rng::Rng,
};
use skytether_simulator::{broker::policy::Open, modem};

/// What lives here.
pub type Ordinary = Device<Session, Plain>;

/// What lives here behind a modem.
pub type Remote = Device<at::Modem, Plain>;

/// A device of an ordinary broker, whatever its link.
pub trait Inhabitant: Resident<Command = Command, Event = Event<plain::Event>, Answer = plain::Answer> {}

impl<M> Inhabitant for M where M: Resident<Command = Command, Event = Event<plain::Event>, Answer = plain::Answer> {}

/// What a life is made of.
#[derive(Clone, PartialEq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "tests write it down")]
pub struct Plan {
    /// All chance comes from it.
    pub seed: u64,
    /// Devices, each with a client id of its own.
    pub devices: usize,
    /// Messages, evenly spread over directions and qualities of service.
    pub messages: usize,
    /// How long messages and faults come; peace follows.
    pub span: Duration,
    /// Kinds of faults.
    pub mix: Mix,
    /// How many of them.
    pub faults: usize,
    /// The sessions' policies and limits.
    pub options: Options,
    /// Keep alive, in seconds.
    pub keep_alive: u16,
    /// How much is written down.
    pub keep: Keep,
}

impl Plan {
    /// A short life of one or two devices, with faults of kinds that the seed chooses.
    pub fn short(seed: u64) -> Self {
        let mut rng = Rng::new(seed_bytes(!seed));
        let mut coin = || rng.up_to(1) == 0;
        let persist = coin();
        let mix = Mix {
            network: true,
            restarts: coin(),
            wipes: coin() && coin(),
            takeovers: coin(),
            store: persist && coin(),
            power: persist && coin(),
            modem: false,
        };
        let next_packet_id = if coin() { 65_530 } else { 1 };
        let resubscribe_always = coin();
        let rate = (coin() && coin()).then_some(Rate { per_second: 2, burst: 3 });
        let inflight = if coin() { 1 + u16::from(coin()) } else { 20 };
        let limits = Limits { inflight, ..Limits::default() };
        let options = Options { persist, next_packet_id, resubscribe_always, rate, limits, ..Options::default() };
        Self {
            seed,
            devices: 1 + below(&mut rng, 2),
            messages: 6 + below(&mut rng, 30),
            span: Duration::from_secs(30 + rng.up_to(150)),
            mix,
            faults: 1 + below(&mut rng, 8),
            options,
            keep_alive: 20,
            keep: Keep::Tail,
        }
    }
}

/// What a life came to.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "tests read it")]
pub struct Account {
    /// The diary.
    pub diary: String,
    /// The most bytes of traffic that a device held.
    pub high_water: usize,
    /// Pipes that were asked for.
    pub dials: usize,
    /// Messages that were accepted.
    pub accepted: usize,
}

/// What was broken in a life, and how it came to that.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "tests print it")]
pub struct Ruin {
    /// The seed of the plan.
    pub seed: u64,
    /// What does not hold.
    pub what: String,
    /// The end of the diary.
    pub diary: String,
}

impl fmt::Display for Ruin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\nseed {}: {}", self.diary, self.seed, self.what)
    }
}

impl core::error::Error for Ruin {}

/// A world with ordinary devices, and the ledger of their messages.
#[derive(Debug)]
pub struct Life<M: Inhabitant = Ordinary> {
    /// The world.
    pub world: World<M, Open>,
    /// The messages.
    pub ledger: Ledger,
    seed: u64,
    accepted: usize,
}

/// How long peace may take to make everything right: longest back-off, keep alive, late acknowledgements.
const PEACE: Duration = Duration::from_mins(20);

/// How often the applications look at what they were told.
const LOOK: Duration = Duration::from_millis(500);

impl Life {
    /// The devices of a plan, before anything has happened.
    pub fn new(plan: &Plan) -> Self {
        let mut world = World::new(plan.seed, plan.keep, Open::anonymous);
        for _ in 0..plan.devices {
            let (options, keep_alive) = (plan.options, plan.keep_alive);
            world.add(memory_bound(&options.limits), move |birth| ordinary(birth, options, keep_alive));
        }
        Self { world, ledger: Ledger::default(), seed: plan.seed, accepted: 0 }
    }

    /// Lives a plan through.
    ///
    /// # Errors
    /// [`Ruin`] says what was broken.
    pub fn through(plan: &Plan) -> Result<Account, Ruin> {
        Self::new(plan).lead(plan)
    }
}

impl Life<Remote> {
    /// The devices of a plan, each behind a modem of its own, before anything has happened. Of the plan's options the
    /// limits hold.
    pub fn by_modem(plan: &Plan, options: &at::Options, modem: &modem::Config) -> Self {
        let mut world = World::new(plan.seed, plan.keep, Open::anonymous);
        for _ in 0..plan.devices {
            let (options, limits, keep_alive) = (options.clone(), plan.options.limits, plan.keep_alive);
            let device = world.add(memory_bound(&limits), move |birth| {
                let cloud = broker(birth, keep_alive, true);
                let link = at::Modem::new(options.clone(), limits);
                Device::new(link, cloud, device::Config::default(), birth.seed, birth.now)
            });
            world.attach(device, modem::Config { seed: plan.seed, ..modem.clone() });
        }
        Self { world, ledger: Ledger::default().without_sessions().without_qos(), seed: plan.seed, accepted: 0 }
    }
}

impl<M: Inhabitant> Life<M> {
    /// Lives a plan through, from now on.
    ///
    /// # Errors
    /// [`Ruin`] says what was broken.
    pub fn lead(mut self, plan: &Plan) -> Result<Account, Ruin> {
        let life = &mut self;
        let mut rng = Rng::new(seed_bytes(plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        for (at, fault) in fault::schedule(&mut rng, plan.mix, plan.devices, plan.faults, plan.span) {
            life.world.harm_at(at, fault);
        }
        let span = u64::try_from(plan.span.as_millis()).unwrap_or(u64::MAX);
        let mut moments: Vec<u64> = (0..plan.messages).map(|_| rng.up_to(span)).collect();
        moments.sort_unstable();
        for at in moments {
            life.until(Instant(at));
            life.write(&mut rng, plan.devices);
            if life.is_ruined() {
                break;
            }
        }
        life.until(Instant(span));
        self.finish()
    }

    /// Lets time pass, and counts.
    pub fn until(&mut self, when: Instant) {
        while self.world.now() < when && !self.is_ruined() {
            let next = self.world.now().after(LOOK).min(when);
            self.world.run_until(next);
            self.count();
        }
    }

    /// Lets so much time pass, and counts.
    pub fn run(&mut self, time: Duration) {
        self.until(self.world.now().after(time));
    }

    /// A device sends a message; whether it was accepted.
    pub fn up(&mut self, device: usize, qos: QoS, size: usize) -> bool {
        let letter = self.ledger.write(Direction::Up, device, qos, size);
        let command =
            Command::Publish { topic: letter.topic, payload: letter.payload.into(), qos, retain: false, ttl: None };
        match self.world.command(device, &command) {
            Ok(tag) => {
                self.accepted += 1;
                self.ledger.accepted(letter.number, tag);
            }
            Err(_) => self.ledger.refused(letter.number),
        }
        let accepted = self.world.under_way(device) > 0;
        self.count();
        accepted
    }

    /// The cloud sends a message to a device, if the broker knows that it is wanted.
    pub fn down(&mut self, device: usize, qos: QoS, size: usize) {
        if self.world.is_subscribed(device, &inbox(device)) {
            let letter = self.ledger.write(Direction::Down, device, qos, size);
            self.world.publish(&letter.topic, &letter.payload, qos);
        }
        self.count();
    }

    /// Something goes wrong.
    pub fn harm(&mut self, fault: Fault) {
        self.world.harm(fault);
        self.count();
    }

    /// Makes peace, waits until everything has come right, closes the devices, and looks at what came of it all.
    ///
    /// # Errors
    /// [`Ruin`] says what was broken.
    pub fn finish(mut self) -> Result<Account, Ruin> {
        self.world.heal();
        self.settle();
        // What would arrive once more does it now, and a fault that was promised for later strikes.
        self.run(Duration::from_secs(70));
        self.settle();
        self.judge()?;
        for device in 0..self.world.len() {
            self.world.close(device);
        }
        self.run(Duration::from_secs(30));
        let closed = |device| self.world.machine(device).is_some_and(Machine::is_closed);
        if let Some(device) = (0..self.world.len()).find(|device| !closed(*device)) {
            return Err(self.ruin(format!("R-31: device {device} does not close")));
        }
        self.judge()?;
        let devices = 0..self.world.len();
        Ok(Account {
            diary: self.world.diary().text(),
            high_water: devices.clone().map(|device| self.world.high_water(device)).max().unwrap_or(0),
            dials: devices.map(|device| self.world.dials(device).len()).sum(),
            accepted: self.accepted,
        })
    }

    fn settle(&mut self) {
        let end = self.world.now().after(PEACE);
        while self.world.now() < end && !self.is_settled() && !self.is_ruined() {
            self.run(Duration::from_secs(1));
        }
    }

    /// Whether everything has arrived and ended that has to.
    pub fn is_settled(&self) -> bool {
        let ended = (0..self.world.len()).all(|device| self.world.under_way(device) == 0);
        ended && self.ledger.is_settled()
    }

    fn is_ruined(&self) -> bool {
        self.world.breach_found().is_some() || self.ledger.broken().is_some()
    }

    fn judge(&self) -> Result<(), Ruin> {
        if let Some(breach) = self.world.breach_found() {
            return Err(self.ruin(breach.to_string()));
        }
        let faults = self.ledger.faults();
        if !faults.is_empty() {
            return Err(self.ruin(faults.join("\n")));
        }
        match (0..self.world.len()).find(|device| self.world.under_way(*device) > 0) {
            Some(device) => Err(self.ruin(format!("R-5: commands of device {device} never ended"))),
            None => Ok(()),
        }
    }

    fn ruin(&self, what: String) -> Ruin {
        Ruin { seed: self.seed, what, diary: self.world.diary().text() }
    }

    /// One message of any kind.
    fn write(&mut self, rng: &mut Rng, devices: usize) {
        let device = below(rng, devices);
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce];
        let qos = qos.get(below(rng, qos.len())).copied().unwrap_or_default();
        let size = if rng.up_to(9) == 0 { 300 } else { below(rng, 40) };
        if rng.up_to(1) == 0 {
            self.up(device, qos, size);
        } else {
            self.down(device, qos, size);
        }
    }

    /// Takes down what has happened, in the order of time; what is born subscribes.
    fn count(&mut self) {
        let mut heard = self.world.take_heard().into_iter().peekable();
        let mut told: Vec<_> = (0..self.world.len())
            .flat_map(|device| self.world.take_told(device).into_iter().map(move |(at, told)| (at, device, told)))
            .collect();
        told.sort_by_key(|(at, ..)| *at);
        for (at, device, told) in told {
            // At one moment the loss of a session comes before what is sent again because of it.
            while let Some(earlier) = heard.next_if(|heard| heard.at < at) {
                self.ledger.heard(&earlier);
            }
            if let Told::Event(Event::Cloud(plain::Event::Message(message))) = &told {
                self.ledger.shown(device, message);
            }
            if let Told::Event(Event::Up { session_present: false }) = &told {
                self.ledger.begun(device);
            }
            self.ledger.told(device, &told);
            if told == Told::Born {
                // Full or closing would be found out: nothing would arrive.
                let subscribe = Command::Subscribe { filter: inbox(device), qos: QoS::ExactlyOnce };
                let _ = self.world.command(device, &subscribe);
            }
        }
        heard.for_each(|heard| self.ledger.heard(&heard));
    }
}

/// What a device subscribes to.
fn inbox(device: usize) -> String {
    format!("down/{device}/#")
}

/// One device of a plan.
fn ordinary(birth: Birth, options: Options, keep_alive: u16) -> Ordinary {
    let cloud = broker(birth, keep_alive, false);
    Device::new(Session::new(options), cloud, device::Config::default(), birth.seed, birth.now)
}

/// Its broker.
fn broker(birth: Birth, keep_alive: u16, clean_session: bool) -> Plain {
    let client_id = format!("device-{}", birth.device);
    let connect = Connect { client_id, keep_alive, clean_session, ..Connect::default() };
    Plain::new(Config { endpoint: Endpoint::tcp("broker.invalid", 1883), connect })
}
