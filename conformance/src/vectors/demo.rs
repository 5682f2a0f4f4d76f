//! The demo's home and the cloud's rules: door, air conditioner, rule engine.

use super::{Vector, WantedMessage, expect};
use serde::Deserialize;
use skytether_core::{
    link::QoS,
    rng::Rng,
    tencent::{
        identity::{DeviceName, ProductId},
        topic::{Topic, Whose},
    },
};
use skytether_simulator::{
    home::{self, Action, AirConditioner, command_action, door_payload},
    rules::{Definition, Message, Outcome, Rule},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Door {
    product_id: String,
    device_name: String,
    #[serde(rename = "builder")]
    _builder: String,
    args: DoorArgs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoorArgs {
    action: String,
    target: String,
}

/// The door of the vectors sends as the Python SDK does.
pub(super) fn door(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Door, WantedMessage) = (vector.input()?, vector.output()?);
    let product = ProductId::new(&input.product_id).map_err(|error| error.to_string())?;
    let device = DeviceName::new(&input.device_name).map_err(|error| error.to_string())?;
    let topic = Topic::User(Whose::new(&product, &device), "event").to_string();
    let action = Action::from_name(&input.args.action).ok_or("unknown action")?;
    wanted.compare(&topic, home::QOS.level(), &door_payload(action, &input.args.target, true))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incoming {
    #[serde(rename = "topic")]
    _topic: String,
    payload: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Heard {
    #[serde(rename = "event")]
    _event: String,
    action: Option<String>,
}

pub(super) fn aircond_command(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Incoming, Heard) = (vector.input()?, vector.output()?);
    let seen = command_action(input.payload.as_bytes()).map(Action::name);
    expect("action", &seen, &wanted.action.as_deref())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Room {
    start: f64,
    ticks: usize,
    events: Vec<RoomEvent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomEvent {
    before_tick: usize,
    action: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    lines: Vec<String>,
}

pub(super) fn aircond_sim(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Room, Lines) = (vector.input()?, vector.output()?);
    let mut air = AirConditioner::new(input.start);
    let mut lines = Vec::new();
    for tick in 0..input.ticks {
        for event in input.events.iter().filter(|event| event.before_tick == tick) {
            // What is no action changes nothing, as a payload without one.
            if let Some(action) = Action::from_name(&event.action) {
                air.command(action);
            }
        }
        lines.push(air.tick());
    }
    for (tick, (seen, wanted)) in lines.iter().zip(&wanted.lines).enumerate() {
        expect(&format!("tick {tick}"), seen, wanted)?;
    }
    expect("number of lines", &lines.len(), &wanted.lines.len())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleIn {
    sql: String,
    topic: String,
    payload: String,
    qos: u8,
    republish_topic: String,
    now_s: u64,
    #[serde(default)]
    unwrap_json_string: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleOut {
    matched: bool,
    reason: Option<String>,
    republish_topic: Option<String>,
    republish_payload: Option<String>,
    republish_qos: Option<u8>,
}

pub(super) fn rule(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (RuleIn, RuleOut) = (vector.input()?, vector.output()?);
    let mut definition = Definition::republish("vector", &input.sql, &input.republish_topic);
    definition.unwrap_json_string = input.unwrap_json_string;
    let rule = Rule::new(&definition).map_err(|error| format!("the rule is refused: {error}"))?;
    let qos = QoS::from_level(input.qos).ok_or("qos is above 2")?;
    let message = Message::from_topic(&input.topic, input.payload.as_bytes(), qos, input.now_s);
    match rule.evaluate(&message, &mut Rng::new([0; 32])) {
        Outcome::NotMatched(why) => {
            expect("matched", &false, &wanted.matched)?;
            expect("reason", &Some(why.name()), &wanted.reason.as_deref())
        }
        Outcome::Matched(results) => {
            expect("matched", &true, &wanted.matched)?;
            let [result] = <[_; 1]>::try_from(results).map_err(|results| format!("{} actions", results.len()))?;
            let republish = result.map_err(|why| format!("the action failed: {why}"))?;
            expect("republish_topic", &Some(republish.topic), &wanted.republish_topic)?;
            let payload = String::from_utf8_lossy(&republish.payload).into_owned();
            expect("republish_payload", &Some(payload), &wanted.republish_payload)?;
            expect("republish_qos", &Some(republish.qos.level()), &wanted.republish_qos)
        }
    }
}
