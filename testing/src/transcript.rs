//! Recorded transcripts played through a whole driver over a real socket: what the server hears must be the recorded
//! bytes, and what the application hears is written down, so that two drivers can be compared.

use serde_json::{Map, Value};
use skytether_core::{
    device::{self, Device, Event},
    io::Instant,
    link::{Connect, Endpoint, QoS, Will},
    mqtt::session::{self, Session},
    plain::{self, Command, Plain},
    secret::Secret,
};
use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::sleep,
    time::Duration,
};

/// The recorded cases, as the conformance runner reads them too.
const FILE: &str = include_str!("../../conformance/vectors/mqtt-client-transcripts.json");
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// A device of these cases.
pub type Client = Device<Session, Plain>;

/// The application's side of a driver. Each call waits until it can answer.
pub trait Application {
    /// Hands a command in; `Err` says in words why it was not taken.
    fn submit(&mut self, command: Command) -> Result<(), String>;
    /// How the command of this number ended (counted from 0, those that were taken), in words.
    fn outcome(&mut self, number: usize) -> String;
    /// The next event; `None` when the device is closed.
    fn next(&mut self) -> Option<Event<plain::Event>>;
    /// Dials at once.
    fn reconnect_now(&mut self);
    /// Begins the end.
    fn close(&mut self);
}

/// One recorded case.
#[derive(Debug)]
pub struct Case {
    /// Its name in the file.
    pub id: String,
    connect: Connect,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Open,
    Hear(Vec<Piece>),
    HearLong {
        prefix: Vec<u8>,
        len: usize,
    },
    Say(Vec<Piece>),
    Do(Command),
    Expect(Expected),
    Drop,
    /// The device ends the connection.
    End,
    Close,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Expected {
    Ready,
    Message,
    /// The end of a command.
    Outcome(usize),
}

#[derive(Clone, Debug)]
enum Piece {
    Bytes(Vec<u8>),
    /// Two bytes that the device chooses.
    Id(String),
}

/// The cases that need no time to pass, no setting of the session and no call that a device does not have.
pub fn cases() -> Vec<Case> {
    let file: Value = serde_json::from_str(FILE).unwrap();
    file["cases"].as_array().unwrap().iter().filter_map(case).collect()
}

impl Case {
    /// Plays it with the driver that `start` puts under the device; gives everything that the application heard, and
    /// what the device said at its end.
    pub fn play<A: Application>(&self, start: impl FnOnce(Client) -> A) -> Vec<String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = Endpoint::tcp("127.0.0.1", listener.local_addr().unwrap().port());
        let cloud = Plain::new(plain::Config { endpoint, connect: self.connect.clone() });
        let session = Session::new(session::Options::default());
        let device = Device::new(session, cloud, device::Config::default(), [7; 32], Instant::ZERO);
        let mut stage = Stage {
            id: &self.id,
            listener,
            stream: None,
            up: false,
            ids: BTreeMap::new(),
            app: start(device),
            log: Vec::new(),
            taken: 0,
            told: 0,
        };
        for step in &self.steps {
            stage.play(step);
        }
        stage.end()
    }
}

struct Stage<'a, A> {
    id: &'a str,
    listener: TcpListener,
    stream: Option<TcpStream>,
    /// The application knows that the connection is up.
    up: bool,
    ids: BTreeMap<String, [u8; 2]>,
    app: A,
    log: Vec<String>,
    /// Commands that were taken, and those of them whose outcome is in the log.
    taken: usize,
    told: usize,
}

impl<A: Application> Stage<'_, A> {
    fn play(&mut self, step: &Step) {
        match step {
            Step::Open => self.accept(),
            Step::Hear(pieces) => self.hear(pieces),
            Step::HearLong { prefix, len } => {
                let heard = self.read(*len);
                assert!(heard.starts_with(prefix), "{}", self.id);
            }
            Step::Say(pieces) => {
                let mut bytes = Vec::new();
                for piece in pieces {
                    match piece {
                        Piece::Bytes(plain) => bytes.extend_from_slice(plain),
                        Piece::Id(name) => bytes.extend_from_slice(&self.ids[name]),
                    }
                }
                self.stream().write_all(&bytes).unwrap();
            }
            Step::Do(command) => match self.app.submit(command.clone()) {
                Ok(()) => self.taken += 1,
                Err(why) => self.log.push(why),
            },
            Step::Expect(Expected::Ready) => {
                self.until(|event| *event == Event::Ready);
                self.up = true;
            }
            Step::Expect(Expected::Message) => {
                self.until(|event| matches!(event, Event::Cloud(plain::Event::Message(_))));
            }
            Step::Expect(Expected::Outcome(number)) => {
                assert!(*number < self.taken, "{}: command {number} was not taken", self.id);
                let outcome = self.app.outcome(*number);
                self.log.push(format!("{number}: {outcome}"));
                self.told += 1;
            }
            Step::Drop => {
                (self.stream, self.up) = (None, false);
                self.until(|event| matches!(event, Event::Down { .. }));
                self.app.reconnect_now();
            }
            Step::End => {
                self.up = false;
                self.hear_the_end();
                self.until(|event| matches!(event, Event::Down { .. }));
            }
            Step::Close => {
                self.up = false;
                self.app.close();
            }
        }
    }

    fn end(mut self) -> Vec<String> {
        if self.up {
            // Behind everything that was said: once it is heard, so is all else.
            self.stream().write_all(b"\x30\x09\x00\x07the/end").unwrap();
            self.until(|event| matches!(event, Event::Cloud(plain::Event::Message(last)) if last.topic() == "the/end"));
        }
        self.app.close();
        self.hear_the_end();
        while let Some(event) = self.app.next() {
            self.log.push(text(&event));
        }
        self.log.push(format!("{} commands taken, {} outcomes told before the end", self.taken, self.told));
        self.log
    }

    fn accept(&mut self) {
        let mut left = PATIENCE.as_millis();
        let stream = loop {
            match self.listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) if left > 0 => sleep(Duration::from_millis(1)),
                Err(error) => panic!("{}: no connection: {error}", self.id),
            }
            left -= 1;
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        self.stream = Some(stream);
    }

    fn stream(&mut self) -> &mut TcpStream {
        self.stream.as_mut().expect("a connection")
    }

    fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let read = self.stream().read_exact(&mut bytes);
        assert!(read.is_ok(), "{}: {len} more bytes do not come: {read:?}", self.id);
        bytes
    }

    fn hear(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            match piece {
                Piece::Bytes(expected) => {
                    let heard = self.read(expected.len());
                    assert_eq!(heard, *expected, "{}", self.id);
                }
                Piece::Id(name) => {
                    let heard = self.read(2).try_into().unwrap();
                    let first = *self.ids.entry(name.clone()).or_insert(heard);
                    assert_eq!(heard, first, "{}: <{name}>", self.id);
                }
            }
        }
    }

    /// Reads to the end of the connection, and writes down what came.
    fn hear_the_end(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            let mut last = Vec::new();
            // One that was reset has ended too.
            let _ = stream.read_to_end(&mut last);
            self.log.push(format!("last bytes {last:02x?}"));
        }
    }

    /// Writes events down up to and with the first that is meant.
    fn until(&mut self, is_meant: impl Fn(&Event<plain::Event>) -> bool) {
        loop {
            let event = self.app.next().unwrap_or_else(|| panic!("{}: the device is closed", self.id));
            self.log.push(text(&event));
            if is_meant(&event) {
                return;
            }
        }
    }
}

/// An event without what differs from run to run: ports, and the moment of the next dial.
fn text(event: &Event<plain::Event>) -> String {
    match event {
        Event::Dialling(_) => String::from("Dialling"),
        Event::Down { cause, retry } => format!("Down({cause:?}), to be tried again: {}", retry.is_some()),
        event @ (Event::Up { .. } | Event::Ready | Event::GaveUp(_) | Event::Note(_) | Event::Cloud(_)) => {
            format!("{event:?}")
        }
    }
}

fn case(value: &Value) -> Option<Case> {
    let id = value["id"].as_str().unwrap().to_owned();
    if value["protocol"] != "3.1.1" {
        return None;
    }
    let connect = connect(value["config"].as_object().unwrap())?;
    let mut tags = Vec::new();
    let mut steps = Vec::new();
    for step in value["steps"].as_array().unwrap() {
        let ended = matches!(steps.last(), Some(Step::End));
        steps.extend(self::steps(step.as_object().unwrap(), &mut tags, ended)?);
    }
    Some(Case { id, connect, steps })
}

fn connect(config: &Map<String, Value>) -> Option<Connect> {
    let mut connect = Connect::default();
    for (key, value) in config {
        match key.as_str() {
            "client_id" => value.as_str()?.clone_into(&mut connect.client_id),
            "keep_alive_s" => connect.keep_alive = u16::try_from(value.as_u64()?).ok()?,
            "clean_session" => connect.clean_session = value.as_bool()?,
            "username" => connect.user_name = Some(value.as_str()?.to_owned()),
            "password_hex" => connect.password = Some(Secret::new(hex(value.as_str()?))),
            "will" => {
                connect.will = Some(Will {
                    topic: value["topic"].as_str()?.to_owned(),
                    payload: hex(value["payload_hex"].as_str()?),
                    qos: qos(&value["qos"])?,
                    retain: value["retain"].as_bool()?,
                });
            }
            _ => return None,
        }
    }
    Some(connect)
}

/// What a step of the file is here; `None` where it needs what a driver cannot be asked for.
fn steps(step: &Map<String, Value>, tags: &mut Vec<String>, ended: bool) -> Option<Vec<Step>> {
    if let Some(api) = step.get("api") {
        let filter = || match step["filters"].as_array()?.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        };
        let command = match api.as_str()? {
            "disconnect" => return Some(vec![Step::Close]),
            "publish" => Command::Publish {
                topic: step["topic"].as_str()?.to_owned(),
                payload: payload(step)?.into(),
                qos: qos(&step["qos"])?,
                retain: step.get("retain").is_some_and(|retain| *retain == true),
                ttl: None,
            },
            "subscribe" => Command::Subscribe { filter: filter()?[0].as_str()?.to_owned(), qos: qos(&filter()?[1])? },
            "unsubscribe" => Command::Unsubscribe { filter: filter()?.as_str()?.to_owned() },
            _ => return None,
        };
        tags.push(step.get("tag").and_then(Value::as_str).unwrap_or_default().to_owned());
        return Some(vec![Step::Do(command)]);
    }
    if let Some(prefix) = step.get("expect_tx_prefix") {
        let len = usize::try_from(step["expect_tx_len"].as_u64()?).ok()?;
        return Some(vec![Step::HearLong { prefix: hex(prefix.as_str()?), len }]);
    }
    let (key, value) = step.iter().next()?;
    Some(match key.as_str() {
        "open" => vec![Step::Open],
        "drop" => vec![Step::Drop],
        "expect_tx" if value.as_array()?.is_empty() => Vec::new(),
        "expect_tx" => vec![Step::Hear(pieces(value)?)],
        "rx" => vec![Step::Say(pieces(value)?)],
        "rx_bytes" => vec![Step::Say(vec![Piece::Bytes(hex(value.as_str()?))])],
        "expect_close" | "expect_close_any" => vec![Step::End],
        "distinct" | "forbid_event" | "expect_open" => Vec::new(),
        "rx_after_close" if ended => Vec::new(),
        "expect_events" => value.as_array()?.iter().map(|event| expected(event, tags)).collect::<Option<_>>()?,
        _ => return None,
    })
}

fn expected(event: &Value, tags: &[String]) -> Option<Step> {
    let (kind, content) = event.as_object()?.iter().next()?;
    Some(Step::Expect(match kind.as_str() {
        "connected" => Expected::Ready,
        "message" => Expected::Message,
        "published" | "subscribed" | "unsubscribed" | "publish_failed" => {
            Expected::Outcome(tags.iter().position(|tag| content["tag"] == **tag)?)
        }
        _ => return None,
    }))
}

fn payload(step: &Map<String, Value>) -> Option<Vec<u8>> {
    match step.get("payload_repeat") {
        Some(repeat) => Some(hex(repeat[0].as_str()?).repeat(usize::try_from(repeat[1].as_u64()?).ok()?)),
        None => Some(hex(step.get("payload_hex")?.as_str()?)),
    }
}

fn qos(level: &Value) -> Option<QoS> {
    Some(match level.as_u64()? {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    })
}

/// Packets in hexadecimal, with names such as `<a>` for packet ids.
fn pieces(packets: &Value) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    for packet in packets.as_array()? {
        for (index, part) in packet.as_str()?.split(['<', '>']).enumerate() {
            pieces.push(if index % 2 == 0 { Piece::Bytes(hex(part)) } else { Piece::Id(part.to_owned()) });
        }
    }
    Some(pieces)
}

fn hex(text: &str) -> Vec<u8> {
    base16ct::lower::decode_vec(text).unwrap()
}
