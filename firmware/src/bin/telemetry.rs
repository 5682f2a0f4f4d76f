//! A device on Tencent IoT Hub over Ethernet: it sends telemetry, obeys commands, and comes back when it is dropped.
//!
//! Parameters: `host`, the name of the server, and `at`, the address where it is found; `port`, `product`, `device`,
//! `secret` (in base64); `ca`, the root to trust (in base64), where it was built to speak TLS.
//! Each step is printed; the exit code says whether all came.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::{format, string::String};
use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use embassy_executor::{Executor, Spawner};
use embassy_net::{Config as NetConfig, Runner as NetRunner, StackResources};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::{Duration, with_timeout};
use skytether_core::{
    device::{self, Device, Event},
    io::{Cause, Pipe},
    limits::Limits,
    link::QoS,
    mqtt::session::{self, Session},
    tencent::{
        self, Command, Config, Proof, Tencent, UserTopic,
        endpoint::{Server, Transport},
        identity::{DeviceName, DeviceSecret, ProductId},
    },
    time::{Instant, UnixMillis},
};
use skytether_embassy::{Buffers, Channels, Connector, Conversation, Net, NoStore, NoWeb, Runner, Wall};
use skytether_firmware::{
    board::{self, ethernet::Ethernet, semihosting},
    parameters::Parameters,
};
use static_cell::StaticCell;

type Machine = Device<Session, Tencent>;

/// What application and driver share: two commands under way, four events waiting.
static CHANNELS: Channels<CriticalSectionRawMutex, Machine, 2, 4> = Channels::new();
static WALL: Wall = Wall::new();

/// Memory of the one connection.
struct Memory {
    stack: StackResources<4>,
    socket_in: [u8; 2048],
    socket_out: [u8; 2048],
    read: [u8; 512],
    write: [u8; 512],
    #[cfg(feature = "tls")]
    records_in: [u8; 18 * 1024],
    #[cfg(feature = "tls")]
    records_out: [u8; 4 * 1024],
}

#[entry]
fn main() -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    board::start();
    EXECUTOR.init(Executor::new()).run(|spawner| spawner.spawn(begin(spawner).expect("the first task")))
}

#[embassy_executor::task]
async fn network(mut runner: NetRunner<'static, Ethernet>) {
    runner.run().await;
}

#[embassy_executor::task]
async fn begin(spawner: Spawner) {
    static MEMORY: StaticCell<Memory> = StaticCell::new();
    static RUNNER: StaticCell<Drive> = StaticCell::new();
    let memory = MEMORY.init_with(|| Memory {
        stack: StackResources::new(),
        socket_in: [0; 2048],
        socket_out: [0; 2048],
        read: [0; 512],
        write: [0; 512],
        #[cfg(feature = "tls")]
        records_in: [0; 18 * 1024],
        #[cfg(feature = "tls")]
        records_out: [0; 4 * 1024],
    });
    let parameters = Parameters::read();
    WALL.tell(UnixMillis(semihosting::unix_seconds() * 1000));
    let mut seed = [0; 32];
    assert!(semihosting::randomness(&mut seed), "the host gives randomness");

    let ethernet = Ethernet::start().expect("the network chip answers");
    let number = u64::from_le_bytes([seed[0], seed[1], seed[2], seed[3], seed[4], seed[5], seed[6], seed[7]]);
    let (stack, runner) = embassy_net::new(ethernet, NetConfig::dhcpv4(Default::default()), &mut memory.stack, number);
    spawner.spawn(network(runner).expect("there is one network"));

    let net = Net::new(stack, &mut memory.socket_in, &mut memory.socket_out);
    let net = At { net, address: parameters.value("at").into() };
    let buffers = Buffers { read: &mut memory.read, write: &mut memory.write };
    #[cfg(feature = "tls")]
    let net = secure::Tls::new(net, secure::config(&parameters), &mut memory.records_in, &mut memory.records_out);
    let runner = RUNNER.init_with(|| Runner::new(device(&parameters, seed), net, &CHANNELS, &WALL, buffers));
    spawner.spawn(drive(runner).expect("there is one device"));
    let done = with_timeout(Duration::from_secs(30), application()).await;
    hprintln!("heap {} bytes at the end", board::heap_used());
    board::exit(done == Ok(true));
}

#[cfg(feature = "tls")]
type Connection = secure::Tls<'static, At>;
#[cfg(not(feature = "tls"))]
type Connection = At;

/// Finds every server at one address: the emulator's name server does not know what the host is called.
struct At {
    net: Net<'static>,
    address: String,
}

impl Connector for At {
    async fn open<T: Conversation>(&mut self, pipe: &Pipe, talk: T) -> Cause {
        let mut pipe = pipe.clone();
        if let Pipe::Net(endpoint) = &mut pipe {
            endpoint.host.clone_from(&self.address);
        }
        self.net.open(&pipe, talk).await
    }
}

type Drive = Runner<'static, CriticalSectionRawMutex, Machine, Connection, NoStore, NoWeb, 2, 4>;

#[embassy_executor::task]
async fn drive(runner: &'static mut Drive) {
    runner.run().await;
}

/// The device, with the limits of a small one.
fn device(parameters: &Parameters, seed: [u8; 32]) -> Machine {
    let limits = Limits {
        packet_in: 1024,
        packet_out: 1024,
        control: 256,
        inflight: 4,
        queued: 4,
        queued_bytes: 2048,
        reserve: 2,
        reserve_bytes: 512,
        requests: 2,
        subscriptions: 4,
        received: 4,
    };
    let product = ProductId::new(parameters.value("product")).expect("a product id");
    let name = DeviceName::new(parameters.value("device")).expect("a device name");
    let proof = Proof::Key(DeviceSecret::from_base64(parameters.value("secret")).expect("a secret in base64"));
    let mut config = Config::new(product, name, proof);
    config.server = server(parameters);
    let cloud = Tencent::new(config).expect("a configuration that can work");
    let session = Session::new(session::Options { limits, ..session::Options::default() });
    Device::new(session, cloud, device::Config::default(), seed, Instant::ZERO)
}

fn server(parameters: &Parameters) -> Server {
    let transport = if cfg!(feature = "tls") { Transport::Tls } else { Transport::Tcp };
    let port = parameters.number("port").and_then(|port| u16::try_from(port).ok());
    Server { transport, domain: Some(parameters.value("host").into()), port, ..Server::default() }
}

/// What the application does: two messages, one command, and the same again after the server has gone away.
async fn application() -> bool {
    let handle = CHANNELS.handle();
    let mut events = CHANNELS.events();
    let mut connections = 0;
    let mut commands = 0;
    while let Some(event) = events.next().await {
        match event {
            Event::Ready => {
                connections += 1;
                hprintln!("ready {connections}");
                if connections == 1 {
                    let answer = handle.send(Command::Subscribe { filter: UserTopic::own("control"), qos: QoS::AtLeastOnce }).await;
                    hprintln!("subscribed {:?}", answer);
                }
                let payload = format!("{{\"temperature\":{},\"connection\":{}}}", 20 + connections, connections);
                let telemetry = Command::Publish {
                    topic: UserTopic::own("event"),
                    payload: payload.into_bytes().into(),
                    qos: QoS::AtLeastOnce,
                    ttl: None,
                };
                hprintln!("telemetry {:?}, heap {}", handle.send(telemetry).await, board::heap_used());
            }
            Event::Cloud(tencent::Event::Message(message)) => {
                commands += 1;
                hprintln!("command {} {}", commands, String::from_utf8_lossy(message.payload()));
                if commands == 2 {
                    handle.close();
                }
            }
            Event::Down { cause, .. } => hprintln!("down {}", cause),
            Event::GaveUp(why) => hprintln!("gave up {}", why),
            _ => {}
        }
    }
    hprintln!("closed");
    connections == 2 && commands == 2
}

/// TLS: the caller's cryptography, one root, the host's clock.
#[cfg(feature = "tls")]
mod secure {
    use super::{Parameters, WALL};
    use alloc::{format, sync::Arc};
    use rustls::{
        ClientConfig, RootCertStore,
        client::Resumption,
        pki_types::{CertificateDer, pem::PemObject as _},
    };
    pub(super) use skytether_embassy::Tls;
    use skytether_firmware::board::semihosting;

    getrandom::register_custom_getrandom!(random);

    fn random(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
        if semihosting::randomness(bytes) { Ok(()) } else { Err(getrandom::Error::UNSUPPORTED) }
    }

    pub(super) fn config(parameters: &Parameters) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", parameters.value("ca"));
        let root = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate in base64");
        roots.add(root).expect("it is a CA's");
        let mut config = ClientConfig::builder_with_details(Arc::new(rustls_rustcrypto::provider()), Arc::new(&WALL))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .expect("the provider speaks TLS 1.2")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config
    }
}
