//! A whole device on a modem: the same cloud and lifecycle as on a network pipe, with a serial line beneath.

use crate::rig::{Module, options};
use core::time::Duration;
use skytether_core::{
    at::Modem,
    device::{Config, Device, Event},
    io::{Action, Cause, Failure, Input, Instant, Machine as _, Pipe, Step, Tag},
    limits::Limits,
    link::{Connect, Endpoint, QoS, TlsIdentity},
    plain::{self, Answer, Command, Plain},
};

/// A device, the driver of its serial line, and the module at the other end.
struct Bench {
    device: Device<Modem, Plain>,
    module: Module,
    now: Instant,
    open: bool,
    opened: usize,
    said: Vec<String>,
    done: Vec<(Tag, Result<Answer, Failure>)>,
}

impl Bench {
    fn new(client_id: &str) -> Self {
        let endpoint = Endpoint { tls: TlsIdentity::Client, ..Endpoint::tcp("h.example", 8883) };
        let connect = Connect { client_id: client_id.into(), clean_session: true, ..Connect::default() };
        let cloud = Plain::new(plain::Config { endpoint, connect });
        let modem = Modem::new(options(), Limits::default());
        let device = Device::new(modem, cloud, Config::default(), [7; 32], Instant::ZERO);
        let (said, done) = (Vec::new(), Vec::new());
        Self { device, module: Module::new(), now: Instant::ZERO, open: false, opened: 0, said, done }
    }

    /// Gives an input and carries out what comes of it, until nothing waits.
    fn give(&mut self, mut input: Input<'_>) {
        let mut next = Vec::new();
        loop {
            match self.device.step(self.now, &mut input) {
                Step::Idle => break,
                Step::Again => {}
                Step::Act(Action::Open(pipe)) => {
                    assert_eq!(pipe, Pipe::Serial);
                    assert!(!core::mem::replace(&mut self.open, true), "one pipe at a time");
                    self.opened += 1;
                    next.push(Input::Opened);
                }
                Step::Act(Action::Close) => {
                    self.open = false;
                    next.push(Input::Closed(Cause::Asked));
                }
                Step::Act(action) => panic!("{action:?}"),
                Step::Event(event) => self.said.push(words(&event)),
                Step::Done(tag, outcome) => self.done.push((tag, outcome)),
            }
        }
        for input in next {
            self.give(input);
        }
    }

    /// Lets the module answer until nothing goes out any more.
    fn serve(&mut self) {
        for _ in 0..1000 {
            let out = String::from_utf8(self.device.transmit().to_vec()).unwrap();
            if out.is_empty() {
                return;
            }
            self.give(Input::Sent(out.len()));
            let said = self.module.answer(&out);
            self.give(Input::Bytes(said.as_bytes()));
        }
        panic!("the device never rests");
    }

    /// Time goes on, deadline by deadline.
    fn pass(&mut self, wait: Duration) {
        let end = self.now.after(wait);
        self.give(Input::Tick);
        self.serve();
        while let Some(deadline) = self.device.deadline().filter(|deadline| deadline.at <= end) {
            self.now = deadline.at.max(self.now);
            self.give(Input::Tick);
            self.serve();
        }
        self.now = end;
    }

    fn publish(&mut self, payload: &[u8]) -> Tag {
        let command = Command::Publish {
            topic: "t".into(),
            payload: payload.to_vec().into(),
            qos: QoS::AtLeastOnce,
            retain: false,
            ttl: None,
        };
        self.device.command(self.now, &command).unwrap()
    }

    fn said(&mut self) -> Vec<String> {
        core::mem::take(&mut self.said)
    }
}

fn words(event: &Event<plain::Event>) -> String {
    match event {
        Event::Dialling(_) => "Dialling".into(),
        Event::Up { .. } => "Up".into(),
        Event::Ready => "Ready".into(),
        Event::Down { cause, .. } => format!("Down: {cause}"),
        Event::GaveUp(fatal) => format!("GaveUp: {fatal}"),
        Event::Note(note) => format!("Note: {note}"),
        Event::Cloud(said) => format!("{said:?}"),
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn it_dials_publishes_and_says_farewell() {
    let mut bench = Bench::new("dev");
    bench.pass(SECOND);
    assert_eq!(bench.said(), ["Dialling", "Up", "Ready"]);
    let tag = bench.publish(b"{\"a\":1}");
    bench.pass(SECOND);
    assert_eq!(bench.done, [(tag, Ok(Answer::Published))]);
    assert_eq!(bench.module.heard.last().unwrap(), "AT+MQTTPUB=0,1,0,\"t\",\"{\\\"a\\\":1}\"");
    bench.device.close(bench.now);
    bench.pass(SECOND);
    assert_eq!(bench.module.heard.last().unwrap(), "AT+MQTTDISCONN");
    assert_eq!(bench.said(), ["Down: closed on request"]);
    assert!(bench.device.is_closed() && !bench.open);
}

#[test]
fn what_was_queued_goes_out_after_a_loss_on_a_line_that_was_opened_anew() {
    let mut bench = Bench::new("dev");
    bench.pass(SECOND);
    bench.module.connected = false;
    bench.give(Input::Bytes(b"\r+MQTTCONN:0\r\n>"));
    assert_eq!(bench.said()[3..], ["Down: the connection was lost"]);
    let tag = bench.publish(b"x");
    bench.pass(2 * SECOND);
    assert_eq!(bench.said(), ["Dialling", "Up", "Ready"]);
    assert_eq!((bench.done.as_slice(), bench.opened), (&[(tag, Ok(Answer::Published))][..], 2));
}

#[test]
fn a_module_without_power_is_tried_again_and_found_when_it_is_back() {
    let mut bench = Bench::new("dev");
    bench.module.silent = true;
    bench.pass(60 * SECOND);
    let why = "Down: the modem: it does not answer: check its power, the wiring and the baud rate";
    assert!(bench.said().contains(&why.to_owned()));
    bench.module.silent = false;
    bench.pass(180 * SECOND);
    assert_eq!(bench.said().last().unwrap(), "Ready");
}

#[test]
fn a_device_that_does_not_fit_the_module_gives_up_before_it_dials() {
    let mut bench = Bench::new("a-device-id-of-twenty-five");
    bench.pass(SECOND);
    assert_eq!(bench.said(), ["GaveUp: the link does not offer so long a client id by this modem"]);
    assert_eq!((bench.opened, bench.module.heard.len()), (0, 0));
}

#[test]
fn a_serial_line_that_cannot_be_opened_is_a_loss_like_any_other() {
    let mut bench = Bench::new("dev");
    bench.pass(SECOND);
    bench.give(Input::Closed(Cause::Serial("the device is gone")));
    bench.open = false;
    assert_eq!(bench.said()[3..], ["Down: the serial line could not be opened: the device is gone"]);
    bench.module.connected = true;
    bench.pass(2 * SECOND);
    assert_eq!(bench.said().last().unwrap(), "Ready");
    assert!(bench.module.heard.contains(&"AT+MQTTDISCONN".to_owned()), "the module still held its connection");
}
