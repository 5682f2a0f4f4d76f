//! How a method is called, answered, and not answered.

use crate::rig::{OTHER, cloud, dev, device, heard};
use crate::support::Bench;
use core::time::Duration;
use skytether_simulator::azure::{AzureCloud, CallId, Outcome, ServiceError, Strays};
use std::sync::mpsc;

const METHODS: &str = "$iothub/methods/POST/#";

fn call(bench: &mut Bench<AzureCloud>, name: &str, payload: &str, seconds: u64) -> Result<CallId, ServiceError> {
    let timeout = Duration::from_secs(seconds);
    bench.act(|cloud, at, out| cloud.invoke(at, &dev(), (name, payload.as_bytes()), timeout, out))
}

#[test]
fn a_method_is_answered_once_by_its_request_id() {
    let mut bench = cloud();
    let conn = bench.dev_7(&[METHODS]);
    let id = call(&mut bench, "reboot", r#"{"delay":"PT5S"}"#, 30).unwrap();
    let (hears, heard_it) = mpsc::channel();
    bench.broker.policy_mut().notify(id, move |outcome| hears.send(outcome).unwrap());
    let lines = bench.take(conn);
    let (topic, body) = heard(&lines[0]);
    assert_eq!((topic, body), ("$iothub/methods/POST/reboot/?$rid=1", r#"{"delay":"PT5S"}"#));
    assert!(lines[0].starts_with("PUBLISH q0"));
    let answer = r#"{"status":"Success","delay":5}"#;
    bench.say(conn, "$iothub/methods/res/200/?$rid=1", answer);
    let expected = Outcome::Answered { status: 200, payload: answer.into() };
    assert_eq!(bench.broker.policy().outcome(id), Some(&expected));
    assert_eq!(heard_it.try_recv(), Ok(expected));
    bench.say(conn, "$iothub/methods/res/200/?$rid=1", answer);
    bench.say(conn, "$iothub/methods/res/200/?$rid=01", answer);
    bench.say(conn, "$iothub/methods/res/200/?$rid=zz", answer);
    assert_eq!(bench.broker.policy().strays(), Strays { late: 0, repeated: 1, unknown: 2 });
}

#[test]
fn another_device_cannot_answer() {
    let mut bench = cloud();
    bench.dev_7(&[METHODS]);
    let id = call(&mut bench, "a", "", 30).unwrap();
    let (other, _) = bench.enter(&device(OTHER));
    bench.say(other, &format!("$iothub/methods/res/200/?$rid={id}"), "1");
    assert_eq!((bench.broker.policy().outcome(id), bench.broker.policy().strays().unknown), (None, 1));
}

#[test]
fn a_late_answer_is_dropped_and_each_call_has_a_timeout_of_its_own() {
    let mut bench = cloud();
    let conn = bench.dev_7(&[METHODS]);
    let (short, long) = (call(&mut bench, "a", "", 1).unwrap(), call(&mut bench, "b", "", 30).unwrap());
    bench.pass(4999);
    assert_eq!(bench.broker.policy().outcome(short), None, "5 s are the least");
    bench.pass(1);
    assert_eq!(bench.broker.policy().outcome(short), Some(&Outcome::TimedOut));
    bench.say(conn, &format!("$iothub/methods/res/200/?$rid={short}"), "1");
    bench.say(conn, &format!("$iothub/methods/res/-7/?$rid={long}"), "null");
    let answered = Outcome::Answered { status: -7, payload: b"null".to_vec() };
    assert_eq!(bench.broker.policy().outcome(long), Some(&answered));
    assert_eq!(bench.broker.policy().outcome(short), Some(&Outcome::TimedOut));
    assert_eq!(bench.broker.policy().strays().late, 1);
    assert_eq!(bench.broker.policy_mut().outcome(CallId(99)), None);
}

#[test]
fn who_is_away_or_does_not_listen_cannot_be_called() {
    let mut bench = cloud();
    assert_eq!(call(&mut bench, "a", "", 30).unwrap_err().code, 404_103);
    let conn = bench.dev_7(&[]);
    assert_eq!(call(&mut bench, "a", "", 30).unwrap_err().code, 404_103);
    bench.cut(conn);
    let conn = bench.dev_7(&[METHODS]);
    assert_eq!(call(&mut bench, "a", &"x".repeat(128 * 1024 + 1), 30).unwrap_err().code, 413_001);
    bench.cut(conn);
    assert_eq!(call(&mut bench, "a", "", 30).unwrap_err().code, 404_103);
}

#[test]
fn names_are_escaped_but_for_the_star_of_a_component() {
    let mut bench = cloud();
    let conn = bench.dev_7(&[METHODS]);
    call(&mut bench, "thermo stat*get/max", "null", 30).unwrap();
    assert_eq!(heard(&bench.take(conn)[0]).0, "$iothub/methods/POST/thermo%20stat*get%2Fmax/?$rid=1");
}
