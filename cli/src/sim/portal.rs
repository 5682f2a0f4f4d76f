//! What may a user do to a device of the local Azure, as at its portal: write a property, call a method, send a message?

use crate::log::Log;
use core::{str::FromStr, time::Duration};
use serde_json::Value;
use skytether_simulator::{
    azure::{AzureCloud, C2d, Identity, Object, Outcome, ServiceError},
    broker::policy::{At, Outbox},
    server::Handle,
};
use tokio::sync::oneshot;

/// How long a method may take to be answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to do, and to which device.
#[derive(Clone, PartialEq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "whoever obeys has to know all")]
pub struct Order {
    /// The device's id.
    pub device: String,
    /// What to do.
    pub what: What,
}

/// What to do to a device.
#[derive(Clone, PartialEq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "whoever obeys has to know all")]
pub enum What {
    /// Write these desired properties; `null` removes one.
    Write(Object),
    /// Call this method with this payload.
    Call(String, Option<Value>),
    /// Send this text.
    Letter(String),
    /// Show the twin.
    Twin,
}

impl Order {
    /// The order of a line; `None` for one that is none of the portal's.
    pub fn of_text(text: &str) -> Option<Result<Self, String>> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (device, rest) = rest.trim_start().split_once(' ').unwrap_or_else(|| (rest.trim(), ""));
        let rest = rest.trim();
        let what = match word {
            "write" => match Value::from_str(rest) {
                Ok(Value::Object(properties)) => Ok(What::Write(properties)),
                _ => Err("write: write write DEVICE {\"telemetryInterval\": 5}"),
            },
            "call" => {
                let (method, payload) = rest.split_once(' ').unwrap_or((rest, ""));
                match payload.trim() {
                    _ if method.is_empty() => Err("call: write call DEVICE METHOD, or call DEVICE METHOD {\"a\": 1}"),
                    "" => Ok(What::Call(method.to_owned(), None)),
                    payload => Value::from_str(payload)
                        .map(|payload| What::Call(method.to_owned(), Some(payload)))
                        .map_err(|_| "call: the payload is no JSON; a text stands in quotes"),
                }
            }
            "message" if rest.is_empty() => Err("message: write message DEVICE TEXT"),
            "message" => Ok(What::Letter(rest.to_owned())),
            "twin" => Ok(What::Twin),
            _ => return None,
        };
        Some(match what {
            _ if device.is_empty() => Err(format!("{word}: name the device; its id stands in the name of its profile")),
            Ok(what) => Ok(Self { device: device.to_owned(), what }),
            Err(fix) => Err(fix.to_owned()),
        })
    }
}

/// Does it, and tells how it went; a method's answer is told when it comes.
pub async fn obey(handle: &Handle<AzureCloud>, order: Order, log: &Log) {
    let Order { device, what } = order;
    let refused = |error: ServiceError| log.say(format_args!("the cloud refuses: {error}"));
    match what {
        What::Write(properties) => {
            let written =
                act(handle, &device, log, move |cloud, _, out, who| cloud.write_desired(who, &properties, out));
            match written.await {
                Some(Ok(version)) => log.line("portal", format_args!("{device}: written, version {version}")),
                Some(Err(error)) => refused(error),
                None => {}
            }
        }
        What::Letter(text) => {
            let sent = act(handle, &device, log, move |cloud, at, out, who| {
                cloud.send(at, who, C2d { body: text.into_bytes(), ..C2d::default() }, out)
            });
            match sent.await {
                Some(Ok(id)) => log.line("portal", format_args!("{device}: message {id} is on its way")),
                Some(Err(error)) => refused(error),
                None => {}
            }
        }
        What::Twin => {
            let twin = act(handle, &device, log, |cloud, _, _, who| {
                cloud.twin_of(who).map(|twin| (twin.desired().clone(), twin.reported().clone()))
            });
            if let Some(Some((desired, reported))) = twin.await {
                log.line("portal", format_args!("{device}: desired {}", Value::Object(desired)));
                log.line("portal", format_args!("{device}: reported {}", Value::Object(reported)));
            }
        }
        What::Call(method, payload) => {
            let (tell, told) = oneshot::channel();
            let name = method.clone();
            let payload = payload.map(|payload| payload.to_string()).unwrap_or_default();
            let called = act(handle, &device, log, move |cloud, at, out, who| {
                let call = cloud.invoke(at, who, (&name, payload.as_bytes()), PATIENCE, out)?;
                cloud.notify(call, move |outcome| {
                    // The log may have gone.
                    let _ = tell.send(outcome);
                });
                Ok::<_, ServiceError>(())
            });
            match called.await {
                Some(Ok(())) => {
                    let log = log.clone();
                    tokio::spawn(async move {
                        match told.await {
                            Ok(Outcome::Answered { status, payload }) => {
                                let payload = String::from_utf8_lossy(&payload).into_owned();
                                log.line("portal", format_args!("{device}: {method} is answered: {status} {payload}"));
                            }
                            Ok(_) => log.line("portal", format_args!("{device}: {method} is not answered in 30 s")),
                            // The cloud has stopped.
                            Err(_) => {}
                        }
                    });
                }
                Some(Err(error)) => refused(error),
                None => {}
            }
        }
    }
}

/// Lets the cloud do something to a device; `None`, which is told, where there is no such device.
async fn act<R: Send + 'static>(
    handle: &Handle<AzureCloud>,
    device: &str,
    log: &Log,
    act: impl FnOnce(&mut AzureCloud, At, &mut Outbox, &Identity) -> R + Send + 'static,
) -> Option<R> {
    let id = device.to_owned();
    let done = handle.with_broker(move |broker, now| {
        broker.act(now, |cloud, at, out| {
            let named = |identity: &&Identity| identity.device_id() == id && identity.module_id().is_none();
            let identity = cloud.identities().find(named).cloned()?;
            Some(act(cloud, at, out, &identity))
        })
    });
    // That the cloud has stopped, the next line says.
    let done = done.await.ok()?;
    if done.is_none() {
        log.say(format_args!("{device}: no hub knows this device; it is known once it was provisioned"));
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_order_is_read_and_each_wrong_one_answered_with_what_to_write() {
        let read = |text: &str| Order::of_text(text).map(|order| order.map(|order| order.what));
        let properties = json!({"telemetryInterval": 5}).as_object().unwrap().clone();
        assert_eq!(read("write d {\"telemetryInterval\": 5}"), Some(Ok(What::Write(properties))));
        assert_eq!(read("call d reboot"), Some(Ok(What::Call("reboot".into(), None))));
        let call = What::Call("reboot".into(), Some(json!({"delay": "PT5S"})));
        assert_eq!(read("call d reboot {\"delay\": \"PT5S\"}"), Some(Ok(call)));
        assert_eq!(read("message d hello there"), Some(Ok(What::Letter("hello there".into()))));
        assert_eq!(read("twin d"), Some(Ok(What::Twin)));
        for wrong in ["write d 5", "write d", "call d", "call d m {", "message d", "twin", "call", "write"] {
            assert!(matches!(read(wrong), Some(Err(_))), "{wrong}");
        }
        assert_eq!(read("drop"), None);
    }
}
