//! Tencent IoT Hub: credentials, topics, time.

use super::{Vector, WantedMessage, expect};
use serde::Deserialize;
use skytether_core::{
    device::{self, Device},
    io::{Action, Input, Instant, Machine as _, Step},
    mqtt::{
        codec::{ConnAck, Packet, decode, suback_append},
        session::{Options, Session},
    },
    tencent::{
        Command, Config, Proof, Tencent,
        credentials::{ConnId, Credentials, SignMethod, UserName, client_id},
        identity::{DeviceName, DeviceSecret, ProductId},
        time::ServerTimes,
        topic::{Service, Topic, Whose},
    },
};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Auth {
    product_id: String,
    device_name: String,
    device_secret_b64: String,
    sign_method: String,
    sdk_appid: String,
    conn_id: String,
    expiry: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthOut {
    client_id: String,
    username: String,
    mac_hex: String,
    password: String,
}

pub(super) fn mqtt_auth(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Auth, AuthOut) = (vector.input()?, vector.output()?);
    let product = ProductId::new(&input.product_id).map_err(said)?;
    let device = DeviceName::new(&input.device_name).map_err(said)?;
    let secret = DeviceSecret::from_base64(input.device_secret_b64.as_str()).map_err(said)?;
    let method = SignMethod::from_name(&input.sign_method).ok_or("unknown sign_method")?;
    let user_name = UserName {
        product: &product,
        device: &device,
        sdk_app_id: input.sdk_appid.parse().map_err(|_| "sdk_appid is no number")?,
        conn_id: ConnId::new(&input.conn_id).ok_or("conn_id has not 5 letters or digits")?,
        expiry: input.expiry.parse().map_err(|_| "expiry is no number")?,
    };
    let credentials = Credentials::new(&user_name, &secret, method);
    expect("client_id", &client_id(&product, &device), &wanted.client_id)?;
    expect("client_id of the credentials", &credentials.client_id, &wanted.client_id)?;
    expect("username", &credentials.user_name, &wanted.username)?;
    let password = credentials.password.ok_or("no password")?;
    let password = String::from_utf8_lossy(password.expose()).into_owned();
    expect("password", &password, &wanted.password)?;
    let mac = password.split(';').next().unwrap_or_default();
    expect("mac_hex", mac, wanted.mac_hex.as_str())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whom {
    product_id: String,
    device_name: String,
}

/// Every name of the vector, and the way back from the text.
pub(super) fn topics(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Whom, BTreeMap<String, String>) = (vector.input()?, vector.output()?);
    let product = ProductId::new(&input.product_id).map_err(said)?;
    let device = DeviceName::new(&input.device_name).map_err(said)?;
    let whose = Whose::new(&product, &device);
    for (name, text) in &wanted {
        let topic = match name.as_str() {
            "event" | "control" | "data" => Topic::User(whose, name),
            "rrpc_sub" => Topic::RrpcRequests(whose),
            _ => {
                let service = Service::ALL.iter().find(|service| service.name() == name);
                Topic::Service(*service.ok_or_else(|| format!("no topic is named {name}"))?, whose)
            }
        };
        expect(name, &topic.to_string(), text)?;
        expect(&format!("{name} read"), &Topic::parse(text), &Some(topic))?;
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    send_ms: u64,
    recv_ms: u64,
    reply: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExchangeOut {
    #[serde(rename = "accurate_ms")]
    accurate: u64,
    #[serde(rename = "offset_ms")]
    offset: i64,
    #[serde(rename = "round_trip_ms")]
    round_trip: i64,
}

pub(super) fn time_sync(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Exchange, ExchangeOut) = (vector.input()?, vector.output()?);
    let times = ServerTimes::parse(input.reply.as_bytes()).map_err(said)?.ok_or("not read as an answer")?;
    let (send, recv) = (input.send_ms, input.recv_ms);
    expect("accurate_ms", &times.accurate_ms(send, recv), &Some(wanted.accurate))?;
    expect("offset_ms", &times.offset_ms(send, recv), &Some(wanted.offset))?;
    expect("round_trip_ms", &times.round_trip_ms(send, recv), &Some(wanted.round_trip))
}

/// `{}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoArgs {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    product_id: String,
    device_name: String,
    #[serde(rename = "builder")]
    _builder: String,
    #[serde(rename = "args")]
    _args: NoArgs,
}

/// The message with which a connected device asks for the time, as it leaves the device.
pub(super) fn time_request(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Request, WantedMessage) = (vector.input()?, vector.output()?);
    let product = ProductId::new(&input.product_id).map_err(said)?;
    let device = DeviceName::new(&input.device_name).map_err(said)?;
    let secret = DeviceSecret::from_base64("AA==").map_err(said)?;
    let cloud = Tencent::new(Config::new(product, device, Proof::Key(secret))).map_err(said)?;
    let session = Session::new(Options::default());
    let mut device = Device::new(session, cloud, device::Config::default(), [0; 32], Instant::ZERO);
    let mut server = Server { sent: Vec::new(), answers: Vec::new(), message: None };
    server.serve(&mut device)?;
    device.command(Instant::ZERO, &Command::SyncTime).map_err(said)?;
    server.serve(&mut device)?;
    let (topic, qos, payload) = server.message.ok_or("the device sends no message")?;
    wanted.compare(&topic, qos, &payload)
}

/// A server that accepts everything, and keeps the message it gets.
struct Server {
    sent: Vec<u8>,
    answers: Vec<u8>,
    message: Option<(String, u8, Vec<u8>)>,
}

impl Server {
    /// Drives the device until it has nothing more to say.
    fn serve(&mut self, device: &mut Device<Session, Tencent>) -> Result<(), String> {
        const ROUNDS: usize = 1000;
        let mut opened = false;
        for _ in 0..ROUNDS {
            let answers = std::mem::take(&mut self.answers);
            let mut input = if std::mem::take(&mut opened) { Input::Opened } else { Input::Bytes(&answers) };
            loop {
                match device.step(Instant::ZERO, &mut input) {
                    Step::Idle => break,
                    Step::Act(Action::Open(_)) => opened = true,
                    Step::Act(_) | Step::Again | Step::Event(_) | Step::Done(..) => {}
                }
            }
            let sent = device.transmit().len();
            if sent == 0 && !opened {
                return Ok(());
            }
            self.sent.extend_from_slice(device.transmit());
            let mut input = Input::Sent(sent);
            while !matches!(device.step(Instant::ZERO, &mut input), Step::Idle) {}
            self.answer()?;
        }
        Err("the device goes on without end".to_owned())
    }

    fn answer(&mut self) -> Result<(), String> {
        while let Some((packet, len)) = decode(&self.sent, usize::MAX).map_err(said)? {
            match packet {
                Packet::Connect(_) => {
                    self.answers.extend_from_slice(&ConnAck { session_present: false, refusal: None }.encode());
                }
                Packet::Subscribe(subscribe) => {
                    let codes: Vec<_> = subscribe.filters().map(|(_, qos)| Some(qos)).collect();
                    suback_append(&mut self.answers, subscribe.id, &codes).map_err(said)?;
                }
                Packet::Publish(publish) => {
                    let qos = publish.delivery.qos().level();
                    self.message = Some((publish.topic.to_owned(), qos, publish.payload.to_vec()));
                }
                _ => {}
            }
            self.sent.drain(..len);
        }
        Ok(())
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
