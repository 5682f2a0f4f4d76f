//! The board of the Azure demo on bare metal: an AnyCloud modem on the UART, provisioning, hub, and IoT Central.
//!
//! Parameters: `ssid`, `passphrase`, `ntp`, `scope`, `device`, and `speed`, how many times faster than it happens the
//! story is told. It runs until the emulator is ended: a restart is the device's, never the host's.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use core::time::Duration;
use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use embassy_executor::Executor;
use embassy_futures::{
    join::join,
    select::{Either, select},
};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::Timer;
use skytether_board::{Board, Do, MODEL};
use skytether_core::{
    at::{self, Modem, Security, Wifi},
    azure::{
        self, Azure, Command, Config, Proof, Provisioning, Route, Telemetry,
        identity::{IdScope, ModelId, RegistrationId},
    },
    device::{self, Device, Event},
    limits::Limits,
    secret::Secret,
    time::Instant,
};
use skytether_embassy::{Buffers, Channels, Flash, Runner, Serial, Store, Wall};
use skytether_firmware::{
    board::{self, semihosting, uart},
    memory_flash::{MemoryFlash, SIZE},
    parameters::Parameters,
};
use static_cell::StaticCell;

type Machine = Device<Modem, Azure>;

static CHANNELS: Channels<CriticalSectionRawMutex, Machine, 6, 8> = Channels::new();
static WALL: Wall = Wall::new();

#[entry]
fn main() -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    board::start();
    EXECUTOR.init(Executor::new()).run(|spawner| spawner.spawn(live().expect("the first task")))
}

/// Lives, and restarts when it is told to, for ever.
#[embassy_executor::task]
async fn live() {
    let parameters = Parameters::read();
    let (reader, writer) = uart::start();
    let mut serial = Serial::new(reader, writer);
    let mut buffer = [0; 512];
    let range = 0..u32::try_from(SIZE).expect("a few pages");
    let mut store = Flash::new(MemoryFlash::new(), range, &mut buffer).expect("two pages");
    let (mut read, mut write) = ([0; 256], [0; 256]);
    let story = Story { speed: u32::try_from(parameters.number("speed").unwrap_or(1)).unwrap_or(1).max(1) };
    loop {
        let device = device(&parameters);
        let buffers = Buffers { read: &mut read, write: &mut write };
        let delay = life(device, &mut serial, buffers, &mut store, story).await;
        hprintln!("the device restarts in {} s; the board goes on", delay.as_secs());
        story.pause(delay).await;
    }
}

/// From the start to the next restart, which it tells the delay of.
async fn life(
    device: Machine,
    serial: &mut Serial<uart::Receiver, uart::Transmitter>,
    buffers: Buffers<'_>,
    store: &mut impl Store,
    story: Story,
) -> Duration {
    let mut runner = Runner::new(device, serial, &CHANNELS, &WALL, buffers).with_store(store);
    // A fleet spreads its first connections over a second or two; here there is one device.
    CHANNELS.handle().reconnect_now();
    join(runner.run(), application(story)).await.1
}

/// The story's time.
#[derive(Clone, Copy)]
struct Story {
    speed: u32,
}

impl Story {
    fn now(self) -> Instant {
        Instant(embassy_time::Instant::now().as_millis() * u64::from(self.speed))
    }

    async fn pause(self, time: Duration) {
        let millis = u64::try_from((time / self.speed).as_millis()).unwrap_or(u64::MAX);
        Timer::after_millis(millis.max(1)).await;
    }
}

/// The board's own code, until it is told to restart.
async fn application(story: Story) -> Duration {
    let handle = CHANNELS.handle();
    let mut events = CHANNELS.events();
    let mut board: Option<Board> = None;
    let mut restart = None;
    loop {
        while let Some(what) = board.as_mut().and_then(|board| board.next(story.now())) {
            let command = match what {
                Do::Tell(values) => {
                    hprintln!("telemetry {}, heap {}", values, board::heap_used());
                    Command::Telemetry(Telemetry::json(&values))
                }
                Do::Report(properties) => Command::Report(properties),
                Do::Acknowledge(acks) => {
                    for ack in &acks {
                        hprintln!("acknowledges {} with {}", ack.name, ack.ac);
                    }
                    Command::Acknowledge { component: None, acks }
                }
                Do::Show(text) => {
                    hprintln!("shows {}", text);
                    continue;
                }
                Do::Restart(delay) => {
                    restart = Some(delay);
                    handle.close();
                    continue;
                }
            };
            // Its outcome is told by the next event that depends on it; what was not taken is said.
            if let Err(error) = handle.submit(command).await {
                hprintln!("not taken: {}", error);
            }
        }
        let due = board.as_ref().and_then(Board::deadline).map_or(Duration::MAX, |at| at.since(story.now()));
        let event = match select(events.next(), story.pause(due.min(Duration::from_secs(3600)))).await {
            Either::First(Some(event)) => event,
            Either::First(None) => return restart.unwrap_or_default(),
            Either::Second(()) => continue,
        };
        match event {
            Event::Dialling(endpoint) => hprintln!("connects to {}", endpoint),
            Event::Ready => board.get_or_insert_with(|| Board::new(MODEL, None)).start(story.now()),
            Event::Down { cause, .. } => hprintln!("disconnected: {}", cause),
            Event::GaveUp(why) => {
                hprintln!("gave up: {}", why);
                board::exit(false);
            }
            Event::Cloud(azure::Event::Desired(desired)) => {
                hprintln!("desired properties, version {}", desired.version);
                if let Some(board) = &mut board {
                    board.desired(story.now(), desired.version, &desired.desired);
                }
            }
            Event::Cloud(azure::Event::Method(call)) => {
                hprintln!("command {}", call.name);
                let answer = board.as_mut().map(|board| board.call(&call.name, call.payload.as_ref()));
                let (status, payload) = answer.unwrap_or((503, serde_json::Value::Null));
                if let Err(error) = handle.submit(call.answer(status, payload)).await {
                    hprintln!("not answered: {}", error);
                }
            }
            _ => {}
        }
    }
}

/// A device with a certificate that the modem holds.
fn device(parameters: &Parameters) -> Machine {
    let wifi = Wifi {
        ssid: parameters.value("ssid").into(),
        security: Security::Wpa2,
        passphrase: Secret::new(parameters.value("passphrase")),
    };
    let options = at::Options { wifi: Some(wifi), ntp: Some(parameters.value("ntp").into()), ..at::Options::default() };
    let limits = Limits {
        packet_in: 4096,
        packet_out: 1024,
        queued: 8,
        queued_bytes: 4096,
        reserve: 4,
        reserve_bytes: 2048,
        requests: 8,
        subscriptions: 8,
        ..Limits::default()
    };
    let scope = IdScope::new(parameters.value("scope")).expect("an id scope");
    let id = RegistrationId::new(parameters.value("device")).expect("a registration id");
    let mut config = Config::new(Route::Provisioning(Provisioning::new(scope, id)), Proof::Certificate);
    config.model = Some(ModelId::new(MODEL).expect("a model id"));
    let cloud = Azure::new(config).expect("a configuration that can work");
    let mut seed = [0; 32];
    assert!(semihosting::randomness(&mut seed), "the host gives randomness");
    let times = device::Config { drain: Some(Duration::from_secs(2)), ..device::Config::default() };
    Device::new(Modem::new(options, limits), cloud, times, seed, Instant::ZERO)
}
