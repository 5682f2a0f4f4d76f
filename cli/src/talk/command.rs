//! What does a command look like as a JSON line, and what is wrong with one that is none?

use crate::cloud::{Command, Dialect, Outgoing, Unsayable};
use base64ct::{Base64, Encoding as _};
use core::{fmt, time::Duration};
use serde_json::{Map, Value};
use skytether_core::{
    azure::{self, pnp::Ack},
    link::QoS,
};

/// The commands, for help texts.
pub const SCHEMA: &str = "\
Commands, one JSON object a line on stdin:
  {\"do\": \"publish\", \"topic\": T, \"text\": \"…\" or \"json\": … or \"base64\": \"…\",
   \"qos\": 0|1|2, \"retain\": true|false, \"ttl_ms\": N}            qos, retain, ttl_ms may be left out
  {\"do\": \"subscribe\", \"filter\": F, \"qos\": 0|1|2}
  {\"do\": \"unsubscribe\", \"filter\": F}
  {\"do\": \"twin\"}           asks Azure for desired and reported properties
  {\"do\": \"report\", \"json\": {…}}                    reports properties to Azure
  {\"do\": \"acknowledge\", \"name\": P, \"version\": N, \"json\": V, \"status\": 200, \"description\": \"…\",
   \"component\": C}           answers a desired property; status, description, component may be left out
  {\"do\": \"answer\", \"call\": N, \"status\": 200, \"json\": …}    answers a method that Azure called
  {\"do\": \"reprovision\"}    asks Azure's provisioning service for a hub anew
  {\"do\": \"time\"}           asks a cloud that tells it for the time
  {\"do\": \"reconnect\"}      dials now instead of waiting
  {\"do\": \"close\"}          ends, once every command before has its outcome
Each may have an \"id\" (text or number), which comes back with its outcome.
A topic or filter that begins with ./ is the device's own: ./event is {product id}/{device name}/event. At Azure there is
one, ./telemetry, with properties behind a ?: ./telemetry?room=7&alert.";

/// What a line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "whoever obeys has to know all")]
pub enum Asked {
    /// Something for the device, which has an outcome.
    Say(Command),
    /// An answer to the method call of this number.
    Answer {
        /// The number, as the event had it.
        call: u64,
        /// The status, as in HTTP.
        status: i32,
        /// The payload; `None`: empty.
        payload: Option<Value>,
    },
    /// Dial now.
    Reconnect,
    /// End.
    Close,
}

/// A line that is no command: what is wrong, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "an error line is made of it")]
pub struct Wrong {
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub fix: String,
}

impl Wrong {
    fn new(what: impl fmt::Display, fix: impl fmt::Display) -> Self {
        Self { what: what.to_string(), fix: fix.to_string() }
    }
}

/// Reads a line. The `id` comes out even where the rest is wrong.
pub fn read(line: &[u8], dialect: &Dialect) -> (Option<Value>, Result<Asked, Wrong>) {
    let object = match serde_json::from_slice(line) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return (None, Err(Wrong::new("the line is no JSON object", "write {\"do\": \"publish\", …}"))),
        Err(error) => {
            let fix = "write one JSON object a line, such as {\"do\": \"subscribe\", \"filter\": \"a/#\"}";
            return (None, Err(Wrong::new(format_args!("the line is no JSON: {error}"), fix)));
        }
    };
    let mut keys = Keys(object);
    let id = match keys.0.remove("id") {
        None => None,
        Some(id @ (Value::String(_) | Value::Number(_))) => Some(id),
        Some(_) => {
            return (None, Err(Wrong::new("`id` is neither text nor number", "write \"id\": 1, or leave it out")));
        }
    };
    (id, keys.command(dialect))
}

const NO_STATUS: &str = "`status` is no status";
const STATUS: &str = "write a number as in HTTP, such as 200 or 404, or leave it out for 200";

impl From<Unsayable> for Wrong {
    fn from(error: Unsayable) -> Self {
        Self::new(error.what, error.fix)
    }
}

struct Keys(Map<String, Value>);

impl Keys {
    fn command(mut self, dialect: &Dialect) -> Result<Asked, Wrong> {
        const WORDS: &str = "write \"do\": \"publish\", \"subscribe\", \"unsubscribe\", \"twin\", \"report\", \
                             \"acknowledge\", \"answer\", \"reprovision\", \"time\", \"reconnect\" or \"close\"";
        let word = self.text("do", WORDS)?.ok_or_else(|| Wrong::new("`do` is missing", WORDS))?;
        let asked = match word.as_str() {
            "publish" => self.publish(dialect)?,
            "subscribe" => {
                let filter = self.need("filter", "write \"filter\": \"a/#\"")?;
                Asked::Say(dialect.subscribe(&filter, self.qos()?).map_err(Wrong::from)?)
            }
            "unsubscribe" => {
                let filter = self.need("filter", "write the filter as it was subscribed")?;
                Asked::Say(dialect.unsubscribe(&filter).map_err(Wrong::from)?)
            }
            "twin" => Asked::Say(dialect.azure(azure::Command::GetTwin).map_err(Wrong::from)?),
            "report" => {
                let properties = self.json("write \"json\": {…} with the properties")?;
                Asked::Say(dialect.azure(azure::Command::Report(properties)).map_err(Wrong::from)?)
            }
            "acknowledge" => Asked::Say(dialect.azure(self.acknowledgement()?).map_err(Wrong::from)?),
            "answer" => Asked::Answer {
                call: self.number("call", "write the call's number, as its event had it")?,
                status: i32::try_from(self.number_or("status", 200, STATUS)?)
                    .map_err(|_| Wrong::new(NO_STATUS, STATUS))?,
                payload: self.0.remove("json"),
            },
            "reprovision" => Asked::Say(dialect.azure(azure::Command::Reprovision).map_err(Wrong::from)?),
            "time" => Asked::Say(dialect.time().map_err(Wrong::from)?),
            "reconnect" => Asked::Reconnect,
            "close" => Asked::Close,
            other => return Err(Wrong::new(format_args!("`do` holds the unknown word {other:?}"), WORDS)),
        };
        match self.0.keys().next() {
            None => Ok(asked),
            Some(key) => {
                Err(Wrong::new(format_args!("`{key}` is no key of {word:?}"), "leave it out, or look at --help"))
            }
        }
    }

    fn publish(&mut self, dialect: &Dialect) -> Result<Asked, Wrong> {
        let topic = self.need("topic", "write \"topic\": \"a/b\"")?;
        let payload = self.payload()?;
        let qos = self.qos()?;
        let retain = match self.0.remove("retain") {
            None => false,
            Some(Value::Bool(retain)) => retain,
            Some(_) => return Err(Wrong::new("`retain` is no truth value", "write true or false, or leave it out")),
        };
        let ttl = match self.0.remove("ttl_ms") {
            None => None,
            Some(value) => Some(Duration::from_millis(value.as_u64().ok_or_else(|| {
                Wrong::new("`ttl_ms` is no whole number", "write milliseconds, such as 5000, or leave it out")
            })?)),
        };
        let message = Outgoing { topic, payload, qos, retain, ttl };
        dialect.publish(message).map(Asked::Say).map_err(Wrong::from)
    }

    fn acknowledgement(&mut self) -> Result<azure::Command, Wrong> {
        let component = self.text("component", "write the component's name, or leave it out")?;
        let name = self.need("name", "write the property's name")?;
        let version = self.number("version", "write the version that the event \"desired\" had")?;
        let status =
            u16::try_from(self.number_or("status", 200, STATUS)?).map_err(|_| Wrong::new(NO_STATUS, STATUS))?;
        let value = self.json("write \"json\": … with the value that is in effect")?;
        let mut ack = Ack::new(name, status, version, value);
        if let Some(text) = self.text("description", "write a text, or leave it out")? {
            ack = ack.with(text);
        }
        Ok(azure::Command::Acknowledge { component, acks: vec![ack] })
    }

    fn json(&mut self, fix: &str) -> Result<Value, Wrong> {
        self.0.remove("json").ok_or_else(|| Wrong::new("`json` is missing", fix))
    }

    fn number(&mut self, key: &str, fix: &str) -> Result<u64, Wrong> {
        match self.0.remove(key) {
            None => Err(Wrong::new(format_args!("`{key}` is missing"), fix)),
            Some(value) => value.as_u64().ok_or_else(|| Wrong::new(format_args!("`{key}` is no whole number"), fix)),
        }
    }

    fn number_or(&mut self, key: &str, otherwise: u64, fix: &str) -> Result<u64, Wrong> {
        if self.0.contains_key(key) { self.number(key, fix) } else { Ok(otherwise) }
    }

    fn payload(&mut self) -> Result<Vec<u8>, Wrong> {
        const ONE: &str = "write one of \"text\": \"…\", \"json\": … and \"base64\": \"…\"";
        let text = self.text("text", "write \"text\": \"…\"; for anything else \"json\": …")?;
        let base64 = self.text("base64", "write \"base64\": \"aGVsbG8=\"")?;
        match (text, self.0.remove("json"), base64) {
            (Some(text), None, None) => Ok(text.into_bytes()),
            (None, Some(json), None) => Ok(json.to_string().into_bytes()),
            (None, None, Some(base64)) => Base64::decode_vec(&base64)
                .map_err(|_| Wrong::new("`base64` does not decode", "write standard base64 with padding")),
            (None, None, None) => Err(Wrong::new("there is no payload", ONE)),
            _ => Err(Wrong::new("there is more than one payload", ONE)),
        }
    }

    fn qos(&mut self) -> Result<QoS, Wrong> {
        match self.0.remove("qos") {
            None => Ok(QoS::AtMostOnce),
            Some(value) => value
                .as_u64()
                .and_then(|level| QoS::from_level(u8::try_from(level).ok()?))
                .ok_or_else(|| Wrong::new("`qos` is no quality of service", "write 0, 1 or 2, or leave it out for 0")),
        }
    }

    fn need(&mut self, key: &str, fix: &str) -> Result<String, Wrong> {
        self.text(key, fix)?.ok_or_else(|| Wrong::new(format_args!("`{key}` is missing"), fix))
    }

    fn text(&mut self, key: &str, fix: &str) -> Result<Option<String>, Wrong> {
        match self.0.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Wrong::new(format_args!("`{key}` is no text"), fix)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use skytether_core::{
        plain,
        tencent::{
            self, UserTopic,
            identity::{DeviceName, ProductId},
        },
    };

    fn door() -> Dialect {
        Dialect::Tencent(ProductId::new("DOORPRD9A1").unwrap(), DeviceName::new("door1").unwrap())
    }

    #[test]
    fn every_form_of_a_payload_is_taken() {
        let cases = [
            (json!({"text": "hi"}), "hi"),
            (json!({"json": {"a": [1, null]}}), r#"{"a":[1,null]}"#),
            (json!({"json": null}), "null"),
            (json!({"base64": "aGk="}), "hi"),
        ];
        for (mut line, expected) in cases {
            line["do"] = "publish".into();
            line["topic"] = "t".into();
            let (_, asked) = read(line.to_string().as_bytes(), &Dialect::Plain);
            let Ok(Asked::Say(Command::Plain(plain::Command::Publish { payload, .. }))) = asked else {
                panic!("{asked:?}")
            };
            assert_eq!(payload, expected.as_bytes());
        }
    }

    #[test]
    fn an_own_topic_is_completed_and_the_id_comes_back() {
        let (id, asked) = read(br#"{"do":"subscribe","filter":"./control","qos":1,"id":"x"}"#, &door());
        assert_eq!(id, Some(json!("x")));
        let filter = UserTopic::full("DOORPRD9A1/door1/control");
        let expected = tencent::Command::Subscribe { filter, qos: QoS::AtLeastOnce };
        assert_eq!(asked, Ok(Asked::Say(Command::Tencent(expected))));
    }

    #[test]
    fn each_wrong_line_is_named_with_its_fix_and_keeps_its_id() {
        let cases = [
            ("nonsense", "the line is no JSON", "write one JSON object a line"),
            ("[]", "the line is no JSON object", "write {\"do\""),
            ("{}", "`do` is missing", "\"publish\""),
            (r#"{"do":7}"#, "`do` is no text", "\"publish\""),
            (r#"{"do":"dance"}"#, "unknown word \"dance\"", "\"publish\""),
            (r#"{"do":"publish"}"#, "`topic` is missing", "\"topic\""),
            (r#"{"do":"publish","topic":"t"}"#, "no payload", "\"text\""),
            (r#"{"do":"publish","topic":"t","text":"a","json":1}"#, "more than one payload", "one of"),
            (r#"{"do":"publish","topic":"t","text":1}"#, "`text` is no text", "\"json\""),
            (r#"{"do":"publish","topic":"t","base64":"~"}"#, "does not decode", "standard base64"),
            (r#"{"do":"publish","topic":"t","text":"","qos":3}"#, "`qos`", "0, 1 or 2"),
            (r#"{"do":"publish","topic":"t","text":"","qos":-1}"#, "`qos`", "0, 1 or 2"),
            (r#"{"do":"publish","topic":"t","text":"","retain":1}"#, "`retain`", "true or false"),
            (r#"{"do":"publish","topic":"t","text":"","ttl_ms":"1"}"#, "`ttl_ms`", "milliseconds"),
            (r#"{"do":"publish","topic":"t","text":"","QoS":1}"#, "`QoS` is no key of \"publish\"", "leave it out"),
            (r#"{"do":"subscribe"}"#, "`filter` is missing", "\"filter\""),
            (r#"{"do":"time"}"#, "does not tell the time", "--profile"),
            (r#"{"do":"close","id":[]}"#, "`id` is neither", "leave it out"),
        ];
        for (line, what, fix) in cases {
            let (_, asked) = read(line.as_bytes(), &Dialect::Plain);
            let wrong = asked.unwrap_err();
            assert!(wrong.what.contains(what) && wrong.fix.contains(fix), "{line}: {wrong:?}");
        }
        let (id, asked) = read(br#"{"id":3,"do":"publish","topic":"./t","text":"","retain":true}"#, &door());
        assert_eq!(id, Some(json!(3)));
        assert_eq!(asked.unwrap_err().what, "this cloud retains no messages");
    }

    #[test]
    fn azures_words_are_for_azure() {
        let asked = |line: &str, dialect: &Dialect| read(line.as_bytes(), dialect).1;
        let ack = r#"{"do":"acknowledge","name":"telemetryInterval","version":105,"json":5,"description":"set"}"#;
        let expected = azure::Command::Acknowledge {
            component: None,
            acks: vec![Ack::applied("telemetryInterval", 105, 5).with("set")],
        };
        assert_eq!(asked(ack, &Dialect::Azure), Ok(Asked::Say(Command::Azure(expected))));
        let answer = asked(r#"{"do":"answer","call":3,"status":404}"#, &Dialect::Azure);
        assert_eq!(answer, Ok(Asked::Answer { call: 3, status: 404, payload: None }));
        let wrong = asked(r#"{"do":"twin"}"#, &Dialect::Plain).unwrap_err();
        assert!(wrong.fix.contains("profile"), "{wrong:?}");
        for line in [
            r#"{"do":"report"}"#,
            r#"{"do":"answer"}"#,
            r#"{"do":"answer","call":"x"}"#,
            r#"{"do":"acknowledge","name":"a","version":1,"json":1,"status":70000}"#,
            r#"{"do":"subscribe","filter":"a/#"}"#,
        ] {
            assert!(asked(line, &Dialect::Azure).is_err(), "{line}");
        }
    }
}
