//! What a device does with direct methods: one answer each, in time, and the same again for one that comes again.

use crate::bench::{Bench, device_config};
use serde_json::{Value, json};
use skytether_core::{
    azure::{Answer, Event, MethodCall},
    io::Rejected,
};

fn call(bench: &mut Bench, path: &str, payload: &str) -> Vec<MethodCall> {
    bench.say(&format!("$iothub/methods/POST/{path}"), payload);
    let events = bench.events();
    let call = |event| match event {
        Event::Method(call) => call,
        other => panic!("{other:?}"),
    };
    events.into_iter().map(call).collect()
}

fn one(bench: &mut Bench, path: &str, payload: &str) -> MethodCall {
    let mut calls = call(bench, path, payload);
    assert_eq!(calls.len(), 1, "{path}");
    calls.remove(0)
}

/// A device that knows its twin, with nothing left to read.
fn ready() -> Bench {
    let mut bench = Bench::in_step();
    bench.heard();
    bench
}

#[test]
fn a_method_is_answered_under_its_own_id_and_status_with_any_json() {
    for (rid, status, payload, body) in [
        ("1", 200, Some(json!({"status": "Success", "delay": 5})), r#"{"delay":5,"status":"Success"}"#),
        ("7f", 404, Some(Value::Null), "null"),
        ("a%2fB", 202, None, ""),
        ("x", -1, Some(json!("PT5S")), r#""PT5S""#),
    ] {
        let mut bench = ready();
        let call = one(&mut bench, &format!("reboot/?$rid={rid}"), r#"{"delay":"PT5S"}"#);
        assert_eq!((&*call.name, &call.component, &call.payload), ("reboot", &None, &Some(json!({"delay": "PT5S"}))));
        let tag = bench.command(&call.answer(status, payload)).unwrap();
        assert_eq!(bench.heard(), [(format!("$iothub/methods/res/{status}/?$rid={rid}"), body.to_owned())]);
        assert_eq!(bench.done(), [(tag, Ok(Answer::Sent))]);
    }
}

#[test]
fn an_answer_goes_at_qos_1_and_a_request_may_be_empty_or_for_a_component() {
    let mut bench = ready();
    let call = one(&mut bench, "thermostat1*getMaxMinReport/?$rid=7f", "");
    assert_eq!(
        (call.component.as_deref(), &*call.name, &call.payload),
        (Some("thermostat1"), "getMaxMinReport", &None)
    );
    bench.command(&call.unknown()).unwrap();
    assert_eq!(bench.heard_with_qos(), [("$iothub/methods/res/404/?$rid=7f".to_owned(), 1)]);
    let call = one(&mut bench, "*odd%20one/?$rid=8", "12345678901234567");
    assert_eq!(
        (call.component, &*call.name, call.payload),
        (None, "*odd one", Some(json!(12_345_678_901_234_567_u64)))
    );
}

#[test]
fn a_call_is_answered_once() {
    let mut bench = ready();
    let call = one(&mut bench, "reboot/?$rid=1", "");
    bench.command(&call.clone().answer(200, None)).unwrap();
    bench.heard();
    let Err(Rejected::Invalid(why)) = bench.command(&call.answer(500, None)) else { panic!() };
    assert!(why.contains("answered before"), "{why}");
    assert_eq!(bench.heard(), []);
}

#[test]
fn r_78_a_call_that_is_not_answered_in_30_s_is_over() {
    let mut bench = ready();
    let call = one(&mut bench, "slow/?$rid=1", "");
    bench.wait(29_999);
    let in_time = one(&mut bench, "slow/?$rid=2", "");
    bench.wait(1);
    assert!(matches!(bench.command(&call.answer(200, None)), Err(Rejected::Invalid(_))));
    bench.wait(29_998);
    assert!(bench.command(&in_time.answer(200, None)).is_ok());
    assert_eq!(bench.heard().len(), 1);
}

#[test]
fn r_78_calls_that_nobody_answers_free_their_places() {
    let mut bench = ready();
    for rid in 0..32 {
        one(&mut bench, &format!("slow/?$rid={rid}"), "");
    }
    assert_eq!(call(&mut bench, "slow/?$rid=99", ""), []);
    let heard = bench.heard();
    assert!(matches!(&heard[..], [(topic, _)] if topic == "$iothub/methods/res/429/?$rid=99"), "{heard:?}");
    bench.wait(30_000);
    bench.heard();
    one(&mut bench, "slow/?$rid=100", "");
}

#[test]
fn r_77_a_request_that_comes_again_runs_no_handler_and_gets_the_same_answer() {
    let mut bench = ready();
    let first = one(&mut bench, "reboot/?$rid=1", r#"{"delay":5}"#);
    assert_eq!(call(&mut bench, "reboot/?$rid=1", r#"{"delay":5}"#), [], "it is being answered");
    bench.command(&first.answer(200, json!({"n": 1}))).unwrap();
    let answer = bench.heard();
    assert_eq!(answer.len(), 1);
    for _ in 0..3 {
        assert_eq!(call(&mut bench, "reboot/?$rid=1", r#"{"delay":5}"#), []);
        assert_eq!(bench.heard(), answer);
    }
    bench.reconnect();
    bench.heard();
    assert_eq!(call(&mut bench, "reboot/?$rid=1", r#"{"delay":5}"#), [], "after a reconnect too");
    assert_eq!(bench.heard(), answer);
}

#[test]
fn r_77_an_id_alone_does_not_make_two_requests_one() {
    let mut bench = ready();
    let first = one(&mut bench, "reboot/?$rid=1", r#"{"delay":5}"#);
    bench.command(&first.answer(200, None)).unwrap();
    for (path, payload) in [
        ("reboot/?$rid=1", r#"{"delay":6}"#),
        ("halt/?$rid=1", r#"{"delay":5}"#),
        ("a*reboot/?$rid=1", r#"{"delay":5}"#),
    ] {
        one(&mut bench, path, payload);
    }
}

#[test]
fn r_77_answers_are_kept_for_60_s_and_16_of_them() {
    let mut bench = ready();
    let first = one(&mut bench, "m/?$rid=1", "");
    bench.command(&first.answer(200, None)).unwrap();
    bench.wait(59_999);
    assert_eq!(call(&mut bench, "m/?$rid=1", ""), []);
    bench.wait(1);
    let again = one(&mut bench, "m/?$rid=1", "");
    bench.command(&again.answer(200, None)).unwrap();
    for rid in 2..=17 {
        let call = one(&mut bench, &format!("m/?$rid={rid}"), "");
        bench.command(&call.answer(200, None)).unwrap();
    }
    for rid in 2..=17 {
        assert_eq!(call(&mut bench, &format!("m/?$rid={rid}"), ""), [], "{rid}");
    }
    one(&mut bench, "m/?$rid=1", "");
}

#[test]
fn r_77_an_answer_too_large_to_be_kept_still_runs_no_handler_twice() {
    let mut bench = ready();
    for rid in 0..4 {
        let path = format!("dump/?$rid={rid}");
        let first = one(&mut bench, &path, "");
        bench.command(&first.answer(200, json!("x".repeat(30_000)))).unwrap();
        bench.heard();
        assert_eq!(call(&mut bench, &path, ""), []);
        assert_eq!(bench.heard().len(), usize::from(rid < 2), "64 KiB are kept in all");
    }
}

#[test]
fn what_cannot_be_handed_on_is_answered_at_once() {
    let deep = "[".repeat(40) + &"]".repeat(40);
    for (path, payload) in [
        ("/?$rid=1", "{}"),
        ("reboot/?$rid=1", "{"),
        ("reboot/?$rid=1", "PT5S"),
        ("reboot/?$rid=1", "\u{feff}{}"),
        ("reboot/?$rid=1", &deep),
    ] {
        let mut bench = ready();
        assert_eq!(call(&mut bench, path, payload), []);
        let heard = bench.heard();
        assert!(
            matches!(&heard[..], [(topic, body)] if topic == "$iothub/methods/res/400/?$rid=1" && body.contains("message")),
            "{path} {payload}: {heard:?}"
        );
    }
}

#[test]
fn a_request_without_an_id_cannot_be_answered_and_is_told() {
    for path in ["reboot/", "reboot/?$rid=", "reboot/?rod=1", "reboot", "re/boot/?$rid=1", "reboot/?$rid=%zz"] {
        let mut bench = ready();
        bench.say(&format!("$iothub/methods/POST/{path}"), "");
        assert!(matches!(bench.events()[..], [Event::Unrouted(_)]), "{path}");
        assert_eq!(bench.heard(), []);
    }
}

#[test]
fn r_75_an_answer_over_the_bound_is_rejected_and_the_call_stays_open() {
    let mut bench = ready();
    let call = one(&mut bench, "dump/?$rid=1", "");
    for (len, word) in [(33_000, "queue"), (200_000, "128 KiB")] {
        let rejected = bench.command(&call.clone().answer(200, json!("x".repeat(len))));
        assert!(matches!(rejected, Err(Rejected::Invalid(why)) if why.contains(word)), "{len}: {rejected:?}");
    }
    assert!(bench.command(&call.answer(200, json!("short"))).is_ok());
}

#[test]
fn an_answer_given_without_a_connection_is_rejected_and_may_be_given_again() {
    let mut bench = ready();
    let call = one(&mut bench, "reboot/?$rid=1", "");
    bench.lose();
    assert_eq!(bench.command(&call.clone().answer(200, None)), Err(Rejected::Offline));
    bench.wait(20_000);
    bench.heard();
    assert!(bench.command(&call.answer(200, None)).is_ok());
    assert_eq!(bench.heard().len(), 1);
}

#[test]
fn r_124_a_method_does_nothing_but_tell_the_application() {
    let mut bench = ready();
    for (rid, name) in ["reboot", "reprovision", "update", "setHub", "factoryReset"].iter().enumerate() {
        one(&mut bench, &format!("{name}/?$rid={rid}"), r#"{"hub":"evil.example","url":"http://evil.example/"}"#);
    }
    assert_eq!((bench.heard(), bench.downs()), (vec![], vec![]));
}

#[test]
fn calls_may_be_open_side_by_side_and_end_in_any_order() {
    let mut bench = Bench::new(device_config());
    bench.heard();
    let calls: Vec<MethodCall> = (0..5).map(|rid| one(&mut bench, &format!("m/?$rid={rid}"), "")).collect();
    for call in calls.into_iter().rev() {
        bench.command(&call.answer(200, None)).unwrap();
    }
    let rids: Vec<String> =
        bench.heard().into_iter().map(|(topic, _)| topic.split_once('=').unwrap().1.into()).collect();
    assert_eq!(rids, ["4", "3", "2", "1", "0"]);
}
