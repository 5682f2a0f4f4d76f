//! Does the rule engine hold on any statement and any payload, and is what it republishes sound?
//!
//! Bytes, as lines: a flag (`1` unwraps JSON strings), the statement, the target, the topic, then the payload to the end.

use skytether_core::{link::QoS, mqtt::topic, rng::Rng};
use skytether_simulator::rules::{Definition, Message, Outcome, Rule, RuleError};

pub(crate) fn run(data: &[u8]) {
    let mut lines = data.splitn(5, |byte| *byte == b'\n');
    let mut line = || str::from_utf8(lines.next().unwrap_or_default()).ok();
    let (Some(flag), Some(sql), Some(target), Some(from)) = (line(), line(), line(), line()) else { return };
    let payload = lines.next().unwrap_or_default();
    let mut definition = Definition::republish("fuzz", sql, target);
    definition.unwrap_json_string = flag == "1";
    let rule = match Rule::new(&definition) {
        Ok(rule) => rule,
        Err(error) => return judge(&definition, target, &error),
    };
    if topic::check_name(from).is_err() {
        return;
    }
    let message = Message::from_topic(from, payload, QoS::AtLeastOnce, 1_700_000_000);
    let outcome = rule.evaluate(&message, &mut Rng::new([7; 32]));
    assert_eq!(outcome, rule.evaluate(&message, &mut Rng::new([7; 32])), "the same again");
    let Outcome::Matched(actions) = outcome else { return };
    assert_eq!(actions.len(), 1, "an outcome for each action");
    for republish in actions.into_iter().flatten() {
        assert_eq!(topic::check_name(&republish.topic), Ok(()), "{:?}", republish.topic);
        assert_eq!(republish.qos, message.qos);
        assert!(republish.payload.len() <= 16 * 1024 || republish.payload == payload, "a payload over the limit");
        if republish.payload != payload {
            let value: Result<serde_json::Value, _> = serde_json::from_slice(&republish.payload);
            assert!(value.is_ok_and(|value| value.is_object()), "{:?}", String::from_utf8_lossy(&republish.payload));
        }
    }
}

/// An error points into the text that it is about.
fn judge(definition: &Definition, target: &str, error: &RuleError) {
    assert!(!error.to_string().is_empty());
    match error {
        RuleError::Sql { at, .. } => assert!((1..=definition.sql.chars().count() + 1).contains(at), "{error}"),
        RuleError::Target { at, .. } => assert!((1..=target.chars().count() + 1).contains(at), "{error}"),
        _ => panic!("{error}: nothing else was wrong"),
    }
}
