//! How do a cloud's messages get to stdout, and when is it enough?

use super::event;
use crate::{
    cloud::Event, connection::Connection, exit::Failure, interrupt::Interrupt, log::Log, output::Output, target::Target,
};
use core::{future::pending, time::Duration};
use skytether_core::{device, link::QoS, message::Received};
use skytether_tokio::SendError;
use tokio::{select, task::JoinSet, time::sleep};

/// What to subscribe to, and when to end.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the command line and tests write it field by field")]
pub struct Subscribe {
    /// Filters; `./` at their beginning stands for the device's own topics.
    pub filters: Vec<String>,
    /// Highest quality of service wanted.
    pub qos: QoS,
    /// How a message is written.
    pub form: Form,
    /// Ends after so many messages.
    pub count: Option<u64>,
    /// Ends after this time.
    pub time: Option<Duration>,
    /// Leaves out what the broker had kept from before.
    pub fresh_only: bool,
}

/// How a message is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the command line builds it")]
pub enum Form {
    /// Its payload as it is, and a line feed.
    Payload,
    /// Its topic, a space, its payload, and a line feed.
    Topic,
    /// A JSON line, as `run` writes it.
    Json,
}

/// Connects, subscribes, and writes messages until there are enough, time is over, Ctrl-C, or nobody reads them.
///
/// # Errors
/// [`Failure`] names the step; [`Failure::TimeOver`]; [`Failure::Interrupted`] where a count was not reached.
pub async fn subscribe(
    target: Target,
    subscribe: &Subscribe,
    out: Output,
    log: &Log,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut connection = Connection::start(target, log)?;
    let time = async {
        match subscribe.time {
            Some(time) => sleep(time).await,
            None => pending().await,
        }
    };
    let heard = select! {
        heard = listen(&mut connection, subscribe, &out, log) => heard,
        () = out.unread() => Ok(()),
        () = time => Err(Failure::TimeOver),
        () = interrupt.first() => match subscribe.count {
            Some(_) => Err(Failure::Interrupted),
            None => Ok(()),
        },
    };
    connection.close().await;
    out.finish().await;
    heard
}

async fn listen(connection: &mut Connection, subscribe: &Subscribe, out: &Output, log: &Log) -> Result<(), Failure> {
    connection.connected().await?;
    let who = connection.who().to_owned();
    let mut granted = JoinSet::new();
    for filter in &subscribe.filters {
        let command = connection.dialect().subscribe(filter, subscribe.qos);
        let command = command.map_err(|error| Failure::Start(format!("{}; {}", error.what, error.fix)))?;
        let topic = connection.dialect().topic(filter);
        let handle = connection.handle().clone();
        granted.spawn(async move { (topic, handle.send(command).await) });
    }
    let mut count = 0;
    while subscribe.count.is_none_or(|enough| count < enough) {
        select! {
            Some(ended) = granted.join_next() => {
                // A task that panicked has said so itself.
                let Ok((topic, outcome)) = ended else { continue };
                outcome.map_err(|error| Failure::Subscription { who: who.clone(), topic, error })?;
            }
            event = connection.next() => match event {
                Some(device::Event::Cloud(Event::Message(message))) => {
                    if message.retain() && subscribe.fresh_only {
                        continue;
                    }
                    count += 1;
                    if out.write(piece(&message, subscribe.form)).await.is_err() {
                        return Ok(());
                    }
                }
                Some(device::Event::Down { cause, retry: Some(_) }) => {
                    log.line(&who, format_args!("{cause}; trying again"));
                }
                Some(device::Event::GaveUp(fatal)) => {
                    return Err(Failure::Configuration { who, why: fatal.to_string() });
                }
                Some(_) => {}
                None => {
                    let topic = subscribe.filters.join(" ");
                    return Err(Failure::Subscription { who, topic, error: SendError::Gone });
                }
            }
        }
    }
    Ok(())
}

fn piece(message: &Received, form: Form) -> Vec<u8> {
    match form {
        Form::Payload => [message.payload(), b"\n"].concat(),
        Form::Topic => [message.topic().as_bytes(), b" ", message.payload(), b"\n"].concat(),
        Form::Json => event::bytes(&event::of_message(message)),
    }
}
