//! What an `AnyCloud` or RNWF module does: AT commands from a host on one side, an MQTT client in the network on the other.
//!
//! Pure: no socket, no clock, no chance but that of its seed. The owner of a [`Modem`]
//! - hands in what the host and the network say by [`Modem::receive`]; what comes for the network as long as
//!   [`Modem::wants_bytes`] is true, what comes from the host always, as on a line without flow control;
//! - after each call carries out each [`Modem::next_order`], and answers it by [`Modem::opened`] or [`Modem::closed`];
//! - takes [`Modem::transmit`] of each side and reports [`Modem::sent`];
//! - calls [`Modem::tick`] at [`Modem::deadline`].
//!
//! TLS is the owner's: the modem says which names and certificates are meant ([`Tls`]), and gets plain bytes.
//!
//! The firmware's slips are kept, as hosts have to live with them: `+GMM` with `=`, `WSTAC:` without `+`, a closing
//! quote that may be missing, quotes inside of strings that nobody escapes, literal pairs in `+MQTTCONNACK`. Of the commands
//! that hosts of a cloud have no use for, none is known (error 3): soft AP, provisioning, module firmware, DNS and ping,
//! low power, UDP, files, MQTT 5.
//!
//! ```
//! use skytether_core::time::{Instant, UnixMillis};
//! use skytether_simulator::modem::{Config, Modem, Side};
//!
//! let mut modem = Modem::new(Config::default(), Instant(0), UnixMillis(1_767_225_600_000));
//! let mut at = |now, line: &str| {
//!     modem.receive(Instant(now), Side::Serial, line.as_bytes());
//!     modem.tick(Instant(now));
//!     let said = String::from_utf8_lossy(modem.transmit(Side::Serial)).into_owned();
//!     modem.sent(Instant(now), Side::Serial, said.len());
//!     said
//! };
//! assert_eq!(at(1000, ""), "\r\nOK\r\n>");
//! assert_eq!(at(1001, "AT+WSTA\r\n"), "AT+WSTA\r\n+WSTA:0\r\nOK\r\n>");
//! assert_eq!(at(1002, "ATE0\r\n"), "ATE0\r\nOK\r\n");
//! assert_eq!(at(1003, "AT+MQTTDISCONN\r\n"), "ERROR:47,\"MQTT Error\"\r\n");
//! assert_eq!(at(1004, "AT+WSTAC=1,\"lab\"\r\n"), "OK\r\n");
//! assert_eq!(at(1005, "AT+WSTA=1\r\n"), "OK\r\n");
//! assert_eq!(at(2505, ""), "\r+WSTALU:\"02:00:00:00:00:01\",11\r\n");
//! assert_eq!(at(2805, ""), "\r+WSTAAIP:\"192.0.2.7\"\r\n");
//! ```

#[cfg(feature = "server")]
pub mod bridge;
mod client;
mod commands;
mod config;
mod console;
mod editor;
mod events;
mod fault;
mod grammar;
mod net;
mod outlet;
mod print;
mod raw;
mod settings;
mod sockets;
mod station;
mod tables;
mod trouble;

pub use config::{Certificates, Config, Dialect, Network, Quirks, Standing, StationForm, Times};
pub use fault::{Fault, FaultError};
pub use net::{Order, Pipe, Side, Tls};

use client::Client;
use console::Console;
use editor::{Editor, Typed};
use net::Net;
use raw::Raw;
use skytether_core::time::{Deadline, Instant, UnixMillis};
use sockets::Sockets;
use station::Station;
use std::collections::VecDeque;
use tables::Tables;
use trouble::Trouble;

/// A Wi-Fi module that speaks MQTT, as a state machine.
#[derive(Debug)]
pub struct Modem {
    config: Config,
    /// A wall time and the moment at which it was told.
    wall: (Instant, UnixMillis),
    /// It starts, until then.
    booting: Option<Instant>,
    console: Console,
    editor: Editor,
    /// What the host says while a command runs.
    held: VecDeque<u8>,
    /// The result of the command that runs, when it is said, and whether raw bytes stood before it.
    running: Option<(Instant, Result<(), Trouble>, bool)>,
    raw: Option<Raw>,
    tables: Tables,
    station: Station,
    client: Client,
    sockets: Sockets,
    net: Net,
    clock: Clock,
    /// What `AT+LOADCERT` brought last, as DER.
    loaded: Option<Vec<u8>>,
    baud: u32,
    deaf: u16,
    wrong_lengths: u16,
    /// Messages of RNWF that are announced and not fetched: topic, id, payload.
    announced: VecDeque<(String, u16, Vec<u8>)>,
    announced_id: u16,
}

/// Whether the modem knows the time, and when it learns or tells it.
#[derive(Clone, Copy, Default, Debug)]
struct Clock {
    known: bool,
    next: Option<Instant>,
    /// What `AT+TIME` has set it ahead by, in milliseconds.
    offset: i64,
}

/// Bytes of the host that wait while a command runs; more is lost.
const HELD: usize = 4096;

/// The speed of the published firmware.
const BAUD: u32 = 230_400;

impl Modem {
    /// A modem that is switched on now, or has been in use before. `wall` is the wall time at `now`, which it does not
    /// know itself before it has asked for it.
    pub fn new(config: Config, now: Instant, wall: UnixMillis) -> Self {
        let dialect = config.dialect;
        let mut modem = Self {
            wall: (now, wall),
            booting: Some(now.after(config.times.boot)),
            console: Console::new(dialect, config.seed),
            editor: Editor::new(dialect),
            held: VecDeque::new(),
            running: None,
            raw: None,
            tables: Tables::new(dialect, &config.device_id),
            station: Station::new(),
            client: Client::new(dialect, config.times, config.quirks),
            sockets: Sockets::default(),
            net: Net::default(),
            clock: Clock::default(),
            loaded: None,
            baud: BAUD,
            deaf: 0,
            wrong_lengths: 0,
            announced: VecDeque::new(),
            announced_id: 0,
            config,
        };
        modem.stand(now);
        modem
    }

    /// What it did before the host came.
    fn stand(&mut self, now: Instant) {
        let standing = self.config.standing.clone();
        if standing == Standing::Off {
            return;
        }
        self.booting = None;
        self.clock.known = true;
        if let Some(network) = self.config.networks.first() {
            self.tables.stands(network);
            self.station.stands(0);
        }
        if let Standing::Connected { host, port, tls, client_id, user_name } = standing {
            self.tables.broker(&host, port, tls, &client_id, &user_name);
            let hello = self.hello(true);
            self.client.connect(now, &mut self.net, hello);
        }
    }

    /// The wall time is this, now. Between two calls it runs with the owner's clock.
    pub fn set_wall(&mut self, now: Instant, wall: UnixMillis) {
        self.wall = (now, wall);
    }

    fn wall(&self, now: Instant) -> UnixMillis {
        let (told, wall) = self.wall;
        UnixMillis(wall.after(now.since(told)).0.saturating_add_signed(self.clock.offset))
    }

    /// Bytes came in on one side, cut in any way.
    pub fn receive(&mut self, now: Instant, side: Side, bytes: &[u8]) {
        match side {
            Side::Serial => self.hear(now, bytes),
            Side::Net(pipe) if self.client.owns(pipe) => self.client.receive(now, &mut self.net, bytes),
            Side::Net(pipe) => self.sockets.receive(pipe, bytes),
        }
        self.tell(now);
    }

    /// Whether a side should be read: false for the network while the host does not read.
    pub fn wants_bytes(&self, side: Side) -> bool {
        match side {
            Side::Serial => true,
            Side::Net(pipe) => !self.console.is_full() && self.sockets.wants_bytes(pipe),
        }
    }

    /// Bytes that wait for one side.
    pub fn transmit(&self, side: Side) -> &[u8] {
        match side {
            Side::Serial => self.console.transmit(),
            Side::Net(pipe) => self.net.transmit(pipe),
        }
    }

    /// That side took this many of them.
    pub fn sent(&mut self, now: Instant, side: Side, len: usize) {
        match side {
            Side::Serial => self.console.sent(len),
            Side::Net(pipe) => self.net.sent(pipe, len),
        }
        self.tell(now);
    }

    /// The connections that it has or wants, in order of their names: where [`Modem::transmit`] may show something.
    pub fn pipes(&self) -> Vec<Pipe> {
        self.net.pipes()
    }

    /// What it wants of the network; ask until nothing comes.
    pub fn next_order(&mut self) -> Option<Order> {
        self.net.next_order()
    }

    /// A connection that it asked for is open.
    pub fn opened(&mut self, now: Instant, pipe: Pipe) {
        if self.client.owns(pipe) {
            self.client.opened(now, &mut self.net, pipe);
        } else {
            self.sockets.opened(pipe);
        }
        self.tell(now);
    }

    /// A connection has ended, or could not be opened.
    pub fn closed(&mut self, now: Instant, pipe: Pipe) {
        if self.client.owns(pipe) {
            self.client.closed(now, &mut self.net, pipe);
        } else {
            self.sockets.closed(pipe);
        }
        self.net.forget(pipe);
        self.tell(now);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        if self.booting.is_some_and(|until| until <= now) {
            self.booting = None;
            self.banner(now);
        }
        if let Some((_, result, after_binary)) = self.running.filter(|(at, ..)| *at <= now) {
            self.running = None;
            self.console.ends(now, result, after_binary);
            self.tell(now);
            self.hear_held(now);
        }
        if self.editor.tick(now) {
            // The line is drawn anew, empty.
            self.console.echo(now, b"\x1b[2K\r\0>");
        }
        if let Some(end) = self.raw.as_mut().and_then(|raw| raw.tick(now)) {
            self.raw_ended(now, &end);
        }
        self.console.tick(now);
        self.station.tick(now, &self.config);
        self.tell(now);
        self.clock_ticks(now);
        self.client.tick(now, &mut self.net, self.station.network().is_some());
        self.sockets.tick(now, &mut self.net);
        self.tell(now);
    }

    /// When to call [`Modem::tick`]; it may come to nothing then.
    pub fn deadline(&self) -> Option<Deadline> {
        let at = |at: Option<Instant>, why| at.map(|at| Deadline { at, why });
        [
            at(self.booting, "boot"),
            at(self.running.map(|(at, ..)| at), "command"),
            at(self.editor.deadline(), "escape"),
            at(self.raw.as_ref().and_then(Raw::deadline), "raw bytes"),
            at(self.console.deadline(), "interleaving"),
            at(self.station.deadline(), "station"),
            at(self.clock.next, "clock"),
            at(self.client.deadline(), "broker"),
            at(self.sockets.deadline(), "socket"),
        ]
        .into_iter()
        .fold(None, Deadline::earlier)
    }

    /// Misbehaves as ordered.
    pub fn misbehave(&mut self, now: Instant, fault: Fault) {
        match fault {
            Fault::Garbage(count) => self.console.garbage(now, count),
            Fault::Garble(count) => self.console.garble = count,
            Fault::Lose(count) => self.console.lose = count,
            Fault::Twice(count) => self.console.twice = count,
            Fault::Deaf(count) => self.deaf = count,
            Fault::Silence(time) => self.console.silent_until = Some(now.after(time)),
            Fault::Interleave(count) => self.console.interleave = count,
            Fault::Length(count) => self.wrong_lengths = count,
            Fault::Reset => self.reset(now),
            Fault::NoWifi(time) => self.station.lose(now, time),
            Fault::NoMqtt => self.client.lose(now, &mut self.net),
            Fault::Behave => {
                self.console.behave();
                self.station.behave();
                (self.deaf, self.wrong_lengths) = (0, 0);
            }
        }
        self.tell(now);
    }

    /// Whether it is in a Wi-Fi network and has an address there.
    pub fn is_joined(&self) -> bool {
        self.station.network().is_some()
    }

    /// Whether its MQTT client is connected.
    pub fn is_connected(&self) -> bool {
        self.client.is_up()
    }

    /// The speed of its serial line, in bits a second.
    pub fn baud(&self) -> u32 {
        self.baud
    }

    /// It starts anew; of all that it was told, nothing is left.
    fn reset(&mut self, now: Instant) {
        for pipe in self.net.pipes() {
            self.net.close(pipe);
        }
        self.client.reset();
        self.sockets = Sockets::default();
        self.station.reset();
        self.console.reset();
        self.editor.clear();
        self.held.clear();
        (self.running, self.raw, self.loaded) = (None, None, None);
        self.tables = Tables::new(self.config.dialect, &self.config.device_id);
        self.clock = Clock::default();
        self.announced.clear();
        if self.baud != BAUD {
            self.baud = BAUD;
            self.net.order(Order::Baud(BAUD));
        }
        self.booting = Some(now.after(self.config.times.boot));
    }

    fn banner(&mut self, now: Instant) {
        match self.config.dialect {
            Dialect::AnyCloud => self.console.raw(now, "\r\nOK\r\n"),
            Dialect::Rnwf => self.console.raw(now, "\r+BOOT:\"RNWF - AT Command Interface\"\r\n"),
        }
        self.console.prompt(now);
    }

    fn hear(&mut self, now: Instant, bytes: &[u8]) {
        for byte in bytes {
            if self.booting.is_some() || self.console.is_silent(now) {
                continue;
            }
            if let Some(raw) = &mut self.raw {
                if let Some(end) = raw.take(now, *byte) {
                    self.raw_ended(now, &end);
                }
            } else if self.running.is_some() {
                if self.held.len() < HELD {
                    self.held.push_back(*byte);
                }
            } else {
                self.type_byte(now, *byte);
            }
        }
    }

    fn hear_held(&mut self, now: Instant) {
        let held: Vec<u8> = core::mem::take(&mut self.held).into();
        self.hear(now, &held);
    }

    fn type_byte(&mut self, now: Instant, byte: u8) {
        let mut echo = Vec::new();
        let typed = self.editor.type_byte(now, byte, &mut echo);
        self.console.echo(now, &echo);
        match typed {
            Typed::More => {}
            // Too long a line is dropped without a word.
            Typed::Empty | Typed::TooLong => self.console.prompt(now),
            Typed::Line(_) if self.deaf > 0 => self.deaf -= 1,
            Typed::Line(line) => self.execute(now, &line),
        }
    }

    /// The result of a command is known: it is said now or when the command has taken its time.
    fn finish(&mut self, now: Instant, result: Result<(), Trouble>, after_binary: bool) {
        if self.config.times.command.is_zero() {
            self.console.ends(now, result, after_binary);
        } else {
            self.running = Some((now.after(self.config.times.command), result, after_binary));
        }
    }
}
