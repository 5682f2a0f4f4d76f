//! How large is the core? Links what its features name and nothing else that could be left out; it is never run. Without
//! a feature it is the floor: the board's start, the allocator, and the panic.
#![no_std]
#![no_main]

extern crate alloc;

use core::{hint::black_box, panic::PanicInfo};
use cortex_m as _;
use cortex_m_rt::entry;
use embedded_alloc::LlffHeap;

#[global_allocator]
static ALLOCATOR: LlffHeap = LlffHeap::empty();

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        cortex_m::asm::nop();
    }
}

#[entry]
fn main() -> ! {
    // What every program with a heap links: a vector that grows, and the copying of memory.
    let mut bytes = alloc::vec::Vec::new();
    for byte in 0..black_box(100_u8) {
        bytes.push(byte);
    }
    black_box(&bytes);
    #[cfg(feature = "session")]
    probes::session();
    #[cfg(feature = "plain")]
    probes::plain();
    #[cfg(feature = "tencent")]
    probes::tencent();
    #[cfg(all(feature = "azure", not(feature = "modem")))]
    probes::azure();
    #[cfg(feature = "modem")]
    probes::modem();
    loop {
        cortex_m::asm::nop();
    }
}

#[cfg(any(feature = "session", feature = "plain", feature = "tencent", feature = "azure"))]
mod probes {
    #![allow(dead_code, reason = "each feature uses its own part")]

    use core::hint::black_box;
    #[allow(unused_imports, reason = "as above")]
    use skytether_core::{
        device::{self, Device},
        io::{Input, Machine, Step},
        limits::Limits,
        link::{Connect, Endpoint, Lane, Link, Publish, QoS},
        mqtt::session::{Options, Session},
        time::Instant,
    };

    fn link() -> Session {
        Session::new(Options { limits: black_box(Limits::default()), ..Options::default() })
    }

    /// Does with a machine all that a driver does.
    fn drive<M: Machine>(mut machine: M, command: &M::Command) {
        let now = black_box(Instant(1));
        let _ = machine.command(now, command);
        let mut inputs = [
            Input::Opened,
            Input::Bytes(black_box(&[])),
            Input::Sent(black_box(0)),
            Input::Closed(black_box(skytether_core::io::Cause::Lost)),
            Input::Tick,
        ];
        for input in black_box(&mut inputs) {
            while black_box(!matches!(machine.step(now, input), Step::Idle)) {}
        }
        black_box((machine.deadline().is_some(), machine.transmit(), machine.wants_command(), machine.wants_bytes()));
        machine.reconnect_now(now);
        machine.close(now);
        black_box(machine.is_closed());
    }

    #[cfg(feature = "session")]
    pub(super) fn session() {
        let (mut session, now) = (link(), black_box(Instant(1)));
        let connect = Connect { client_id: black_box("id").into(), ..Connect::default() };
        let _ = black_box(session.dial(now, &Endpoint::tcp(black_box("host"), 1883), connect));
        session.opened(now);
        session.ready();
        let tag = skytether_core::io::Tag(black_box(1));
        let _ = black_box(session.subscribe(now, tag, Lane::App, &[black_box("filter")], QoS::AtLeastOnce));
        let _ = black_box(session.unsubscribe(now, tag, &[black_box("filter")]));
        let publish = Publish {
            tag,
            lane: black_box(Lane::App),
            topic: &[black_box("topic")],
            payload: black_box(b"payload"),
            qos: black_box(QoS::ExactlyOnce),
            retain: false,
            ttl: None,
        };
        let _ = black_box(session.publish(now, publish));
        let mut scratch = alloc::vec::Vec::new();
        black_box(session.read(now, black_box(&[]), &mut scratch));
        session.sent(now, black_box(session.transmit().len()));
        black_box((session.want(), session.deadline(), session.room(), session.wants_bytes()));
        session.closed(now, skytether_core::io::Cause::Lost);
        session.hang_up(now, None);
        session.finish();
    }

    #[cfg(feature = "plain")]
    pub(super) fn plain() {
        use skytether_core::plain::{Command, Config, Plain};
        let connect = Connect { client_id: black_box("id").into(), ..Connect::default() };
        let cloud = Plain::new(Config { endpoint: Endpoint::tcp(black_box("host"), 1883), connect });
        let device = Device::new(link(), cloud, device::Config::default(), black_box([7; 32]), Instant(0));
        drive(device, black_box(&Command::Subscribe { filter: "a".into(), qos: QoS::AtLeastOnce }));
    }

    #[cfg(feature = "tencent")]
    pub(super) fn tencent() {
        use skytether_core::tencent::{Command, Config, Tencent, device_info::DeviceInfo};
        let Ok(info) = DeviceInfo::parse(black_box(b"{}")) else { return };
        let Ok(cloud) = Tencent::new(Config::from(&info)) else { return };
        let device = Device::new(link(), cloud, device::Config::default(), black_box([7; 32]), Instant(0));
        drive(device, black_box(&Command::SyncTime));
    }

    #[cfg(feature = "azure")]
    fn central() -> Option<skytether_core::azure::Azure> {
        use skytether_core::azure::{
            Azure, Config, Proof, Provisioning, Route,
            identity::{DeviceKey, IdScope, RegistrationId},
        };
        let scope = IdScope::new(black_box("0ne00000000")).ok()?;
        let id = RegistrationId::new(black_box("id")).ok()?;
        let key = DeviceKey::from_base64(black_box("AAAA")).ok()?;
        Azure::new(Config::new(Route::Provisioning(Provisioning::new(scope, id)), Proof::Key(key))).ok()
    }

    #[cfg(all(feature = "azure", not(feature = "modem")))]
    pub(super) fn azure() {
        let Some(cloud) = central() else { return };
        let device = Device::new(link(), cloud, device::Config::default(), black_box([7; 32]), Instant(0));
        drive(device, black_box(&skytether_core::azure::Command::GetTwin));
    }

    #[cfg(feature = "modem")]
    pub(super) fn modem() {
        use skytether_core::at::{Modem, Options};
        let Some(cloud) = central() else { return };
        let link = Modem::new(black_box(Options::default()), black_box(Limits::default()));
        let device = Device::new(link, cloud, device::Config::default(), black_box([7; 32]), Instant(0));
        drive(device, black_box(&skytether_core::azure::Command::GetTwin));
    }
}
