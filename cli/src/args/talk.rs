//! With which options does a user talk to a cloud: run, pub, sub?

use super::target::Whom;
use crate::{
    exit::{CODES, Failure},
    lines::{LONGEST, Lines, whole},
    talk::{
        command, event,
        publish::{Payloads, Publish},
        subscribe::{Form, Subscribe},
    },
};
use clap::{ArgGroup, Args};
use core::time::Duration;
use skytether_core::link::QoS;
use std::{fs::File, io, path::PathBuf};

/// The options of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// Goes on when stdin has ended. Else that is the end, once every command has its outcome.
    #[arg(long)]
    pub stay: bool,
    /// Keeps what the device must not forget over restarts in this folder: the hub that it was assigned.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Which device, on which cloud.
    #[command(flatten)]
    pub whom: Whom,
}

/// The options of `pub`.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("payload").required(true))]
pub struct PublishArguments {
    /// The topic; ./event is the device's own {product id}/{device name}/event.
    #[arg(short, long)]
    pub topic: String,
    /// Sends this text.
    #[arg(short, long, value_name = "TEXT", group = "payload")]
    pub message: Option<String>,
    /// Sends what is in this file.
    #[arg(short, long, value_name = "FILE", group = "payload")]
    pub file: Option<PathBuf>,
    /// Sends all of stdin as one message.
    #[arg(short, long, group = "payload")]
    pub stdin: bool,
    /// Sends each line of stdin as a message.
    #[arg(short, long, group = "payload")]
    pub lines: bool,
    /// Sends an empty message.
    #[arg(short, long, group = "payload")]
    pub null: bool,
    /// The quality of service: 0, 1 or 2. Clouds take 0 and 1.
    #[arg(short, long, value_name = "N", default_value = "0", value_parser = qos)]
    pub qos: QoS,
    /// Lets the broker keep the message for later subscribers.
    #[arg(short, long)]
    pub retain: bool,
    /// Sends each message so many times.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// The pause between two of these, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = super::seconds, requires = "repeat")]
    pub repeat_delay: Duration,
    /// How long a message may take to arrive, in seconds.
    #[arg(short = 'W', long, value_name = "SECONDS", default_value = "30", value_parser = super::seconds)]
    pub timeout: Duration,
    /// Which device, on which cloud.
    #[command(flatten)]
    pub whom: Whom,
}

/// The options of `sub`.
#[derive(Args, Clone, Debug)]
pub struct SubscribeArguments {
    /// A topic or filter, `+` and `#` allowed; may be repeated. ./control is the device's own {product id}/{device
    /// name}/control.
    #[arg(short, long = "topic", value_name = "FILTER", required = true)]
    pub topics: Vec<String>,
    /// The highest quality of service wanted: 0, 1 or 2. Clouds grant 0 and 1.
    #[arg(short, long, value_name = "N", default_value = "0", value_parser = qos)]
    pub qos: QoS,
    /// Ends after so many messages.
    #[arg(short = 'C', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Ends after this time, in seconds, with exit code 8.
    #[arg(short = 'W', long, value_name = "SECONDS", value_parser = super::seconds)]
    pub timeout: Option<Duration>,
    /// Leaves out messages that the broker had kept from before.
    #[arg(short = 'R', long)]
    pub no_retained: bool,
    /// Writes each message's topic before it.
    #[arg(short = 'T', long, conflicts_with = "json")]
    pub show_topic: bool,
    /// Writes each message as a JSON line, as `skytether run` does.
    #[arg(long)]
    pub json: bool,
    /// Which device, on which cloud.
    #[command(flatten)]
    pub whom: Whom,
}

impl PublishArguments {
    /// What to publish.
    pub fn publish(&self) -> Publish {
        Publish {
            topic: self.topic.clone(),
            qos: self.qos,
            retain: self.retain,
            repeat: self.repeat,
            pause: self.repeat_delay,
            patience: self.timeout,
        }
    }

    /// The payloads, read from where they are.
    ///
    /// # Errors
    /// [`Failure::Start`] where a file or stdin cannot be read.
    pub async fn payloads(&self) -> Result<Payloads, Failure> {
        let unreadable = |what: &dyn core::fmt::Display, error: &io::Error| {
            Failure::Start(format!("{what} cannot be read: {error}"))
        };
        if self.lines {
            return Ok(Payloads::Lines(Lines::new(io::stdin())));
        }
        Ok(Payloads::One(if let Some(text) = &self.message {
            text.clone().into_bytes()
        } else if let Some(file) = &self.file {
            let read = async { whole(File::open(file)?, LONGEST).await };
            read.await.map_err(|error| unreadable(&file.display(), &error))?
        } else if self.stdin {
            whole(io::stdin(), LONGEST).await.map_err(|error| unreadable(&"stdin", &error))?
        } else {
            Vec::new()
        }))
    }
}

impl SubscribeArguments {
    /// What to subscribe to.
    pub fn subscribe(&self) -> Subscribe {
        Subscribe {
            filters: self.topics.clone(),
            qos: self.qos,
            form: match (self.json, self.show_topic) {
                (true, _) => Form::Json,
                (false, true) => Form::Topic,
                (false, false) => Form::Payload,
            },
            count: self.count,
            time: self.timeout,
            fresh_only: self.no_retained,
        }
    }
}

fn qos(text: &str) -> Result<QoS, &'static str> {
    text.parse().ok().and_then(QoS::from_level).ok_or("write 0, 1 or 2")
}

/// What `run --help` says at its end.
pub(super) fn run_help() -> String {
    format!(
        "\
{}

{}

Examples:
  skytether run --profile skytether-sim/door_tls.json
  echo '{{\"do\": \"publish\", \"topic\": \"./event\", \"text\": \"hi\", \"qos\": 1}}' | skytether run --profile …
  skytether run --host test.example -u me -P secret

Ctrl-C, and a stdout that nobody reads, are ordinary ends.

{CODES}",
        event::SCHEMA,
        command::SCHEMA
    )
}

/// What `pub --help` says at its end.
pub(super) fn publish_help() -> String {
    format!(
        "\
Examples:
  skytether pub -t home/lamp -m on -q 1                                  to a broker on this machine
  skytether pub --host broker.example --ca ca.pem -u me -P secret -t a -f photo.jpg
  skytether pub --profile skytether-sim/door_tls.json -t ./event -m '{{\"action\": \"come_home\"}}' -q 1

{CODES}"
    )
}

/// What `sub --help` says at its end.
pub(super) fn subscribe_help() -> String {
    format!(
        "\
Examples:
  skytether sub -t 'home/#' -T                                   from a broker on this machine
  skytether sub --host broker.example --transport wss -t a -C 1
  skytether sub --profile skytether-sim/aircond_tls.json -t ./control -q 1 --json

Ctrl-C, and a stdout that nobody reads, are ordinary ends where no count is given.

{CODES}"
    )
}
