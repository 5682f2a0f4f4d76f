//! What a device does with its twin: asks for it, follows it, reports to it, and what holds when the hub is silent, busy,
//! late or hostile.

use crate::bench::{Bench, Done, device_config};
use serde_json::{Value, json};
use skytether_core::{
    azure::{
        Answer, Command, Event, Telemetry,
        pnp::Ack,
        twin::{Desired, Twin},
    },
    io::{Failure, Machine as _, Rejected, Tag},
    link::QoS,
};

fn body(version: u64, desired: &Value) -> String {
    let mut desired = desired.clone();
    desired.as_object_mut().unwrap().insert("$version".into(), json!(version));
    json!({"desired": desired, "reported": {"$version": 3}}).to_string()
}

/// Desired properties as events have them: version, whether whole, members.
fn desired(bench: &mut Bench) -> Vec<(u64, bool, Value)> {
    let shown = |desired: Desired| (desired.version, desired.full, Value::Object(desired.desired));
    bench
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Desired(desired) => shown(desired),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn change(bench: &mut Bench, version: u64, members: &Value) {
    let mut members = members.clone();
    members.as_object_mut().unwrap().insert("$version".into(), json!(version));
    let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
    bench.say(&topic, members.to_string());
}

fn reported(done: &[Done]) -> Vec<(Tag, Option<u64>)> {
    done.iter()
        .map(|(tag, result)| match result {
            Ok(Answer::Reported { version }) => (*tag, *version),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn on_every_connection_the_whole_twin_is_asked_for_once_its_filters_are_granted() {
    let mut bench = Bench::new(device_config());
    for filter in ["$iothub/methods/POST/#", "$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"] {
        assert!(bench.filters().iter().any(|asked| asked == filter), "{filter}");
    }
    let rid = bench.rid_of_get();
    bench.twin(&rid, &body(4, &json!({"a": 1, "$metadata": {"x": 1}})));
    assert_eq!(desired(&mut bench), [(4, true, json!({"a": 1}))]);
    bench.reconnect();
    let rid = bench.rid_of_get();
    bench.twin(&rid, &body(4, &json!({"a": 1})));
    assert_eq!(desired(&mut bench), [], "it is known");
    bench.reconnect();
    let rid = bench.rid_of_get();
    bench.twin(&rid, &body(6, &json!({"a": 3})));
    assert_eq!(desired(&mut bench), [(6, true, json!({"a": 3}))], "what was missed offline");
}

#[test]
fn changes_are_told_once_and_in_order_and_those_before_the_answer_after_it() {
    let mut bench = Bench::new(device_config());
    let rid = bench.rid_of_get();
    change(&mut bench, 5, &json!({"a": 5}));
    change(&mut bench, 6, &json!({"b": null}));
    assert_eq!(desired(&mut bench), []);
    bench.twin(&rid, &body(5, &json!({"a": 5, "b": 1})));
    assert_eq!(desired(&mut bench), [(5, true, json!({"a": 5, "b": 1})), (6, false, json!({"b": null}))]);
    change(&mut bench, 6, &json!({"b": null}));
    change(&mut bench, 7, &json!({"c": {"x": [1, null]}}));
    assert_eq!(desired(&mut bench), [(7, false, json!({"c": {"x": [1, null]}}))]);
}

#[test]
fn a_change_may_have_its_version_in_the_topic_alone() {
    let mut bench = Bench::in_step();
    bench.say("$iothub/twin/PATCH/properties/desired/?$version=2", r#"{"a":1}"#);
    assert_eq!(desired(&mut bench), [(2, false, json!({"a": 1}))]);
}

#[test]
fn a_gap_is_repaired_by_the_whole_and_a_hub_that_counts_wildly_is_asked_every_5_s_at_most() {
    let mut bench = Bench::in_step();
    bench.heard();
    change(&mut bench, 3, &json!({"a": 3}));
    let rid = bench.rid_of_get();
    bench.twin(&rid, &body(3, &json!({"a": 3, "b": 2})));
    assert_eq!(desired(&mut bench), [(3, true, json!({"a": 3, "b": 2}))]);
    change(&mut bench, 4, &json!({"a": 4}));
    assert_eq!(desired(&mut bench), [(4, false, json!({"a": 4}))]);
    let mut asked = 0;
    for version in 0..110_u64 {
        change(&mut bench, 1000 + 2 * version, &json!({}));
        for rid in bench.rids_of_gets() {
            asked += 1;
            bench.twin(&rid, &body(5, &json!({})));
        }
        bench.wait(100);
    }
    assert_eq!(asked, 2, "in 11 s, after one at the beginning");
}

#[test]
fn r_79_a_twin_that_does_not_come_is_asked_for_three_times_under_new_ids_and_again_a_minute_later() {
    let mut bench = Bench::new(device_config());
    let mut ids = bench.rids_of_gets();
    for _ in 0..2 {
        bench.wait(29_999);
        assert_eq!(bench.heard(), []);
        bench.wait(1);
        ids.push(bench.rid_of_get());
    }
    assert_eq!(bench.events(), []);
    bench.wait(30_000);
    assert_eq!(bench.events(), [Event::TwinBehind { status: None }]);
    bench.wait(59_999);
    assert_eq!(bench.heard(), []);
    bench.wait(1);
    let rid = bench.rid_of_get();
    let mut unique = [ids.as_slice(), core::slice::from_ref(&rid)].concat();
    unique.dedup();
    assert_eq!(unique.len(), 4);
    bench.twin(&rid, &body(1, &json!({})));
    assert_eq!(desired(&mut bench), [(1, true, json!({}))]);
}

#[test]
fn r_79_a_command_for_the_twin_ends_after_three_times_30_s() {
    let mut bench = Bench::in_step();
    let tag = bench.command(&Command::GetTwin).unwrap();
    bench.wait(89_999);
    assert_eq!(bench.done(), []);
    assert_eq!(bench.rids_of_gets().len(), 3);
    bench.wait(1);
    assert_eq!(bench.done(), [(tag, Err(Failure::TimedOut))]);
}

#[test]
fn r_80_late_unknown_and_unnumbered_answers_are_ignored() {
    let mut bench = Bench::in_step();
    let tag = bench.command(&Command::GetTwin).unwrap();
    let old = bench.rid_of_get();
    bench.wait(30_000);
    let rid = bench.rid_of_get();
    let twin = body(1, &json!({}));
    bench.twin(&old, &twin);
    bench.twin("4711", &twin);
    bench.twin("", &twin);
    bench.twin("x%20y", &twin);
    bench.say("$iothub/twin/res/200/", &twin);
    bench.say("$iothub/twin/res/200/?$rid=&retry-after=3", &twin);
    bench.say("$iothub/twin/res/200/?retry-after=3", &twin);
    assert_eq!((bench.done(), bench.events()), (vec![], vec![]));
    bench.twin(&rid, &twin);
    let Ok(Answer::Twin(twin)) = bench.done().remove(0).1 else { panic!() };
    assert_eq!((twin.desired_version, twin.reported_version), (1, 3));
    bench.twin(&rid, &body(9, &json!({})));
    assert_eq!((bench.done(), bench.events()), (vec![], vec![]), "a second answer, after {tag:?}");
}

#[test]
fn r_79_the_table_of_requests_is_bounded_and_each_answer_finds_its_own() {
    let mut bench = Bench::in_step();
    let tags: Vec<Tag> = (0..6).map(|_| bench.command(&Command::GetTwin).unwrap()).collect();
    assert_eq!(bench.command(&Command::GetTwin), Err(Rejected::Full));
    let rids = bench.rids_of_gets();
    for (rid, version) in rids.iter().zip([10, 11, 12, 13, 14, 15]).rev() {
        bench.twin(rid, &body(version, &json!({})));
    }
    let versions: Vec<(Tag, u64)> = bench
        .done()
        .into_iter()
        .map(|(tag, result)| match result {
            Ok(Answer::Twin(twin)) => (tag, twin.desired_version),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<(Tag, u64)> = tags.into_iter().zip([10, 11, 12, 13, 14, 15]).rev().collect();
    assert_eq!(versions, expected);
    // The newest of them was told, and none of the older ones after it.
    assert_eq!(desired(&mut bench), [(15, true, json!({}))]);
    assert!(bench.command(&Command::GetTwin).is_ok());
}

#[test]
fn a_request_waits_for_the_connection_and_is_made_again_on_the_next() {
    let mut bench = Bench::in_step();
    bench.lose();
    let get = bench.command(&Command::GetTwin).unwrap();
    let report = bench.command(&Command::Report(json!({"a": 1}))).unwrap();
    bench.come_back();
    let topics: Vec<String> = bench.heard().into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(topics.len(), 3, "{topics:?}: both, and the whole twin");
    bench.reconnect();
    let heard = bench.heard();
    for (topic, _) in &heard {
        let (request, rid) = topic.split_once("?$rid=").unwrap();
        match request {
            "$iothub/twin/GET/" => bench.twin(rid, &body(1, &json!({}))),
            _ => bench.say(&format!("$iothub/twin/res/204/?$rid={rid}&$version=8"), ""),
        }
    }
    let mut ended: Vec<Tag> = bench.done().into_iter().map(|(tag, result)| (tag, result.unwrap()).0).collect();
    ended.sort();
    assert_eq!((heard.len(), ended), (3, vec![get, report]));
}

#[test]
fn reports_go_one_at_a_time_and_those_that_wait_go_as_one() {
    let mut bench = Bench::in_step();
    bench.heard();
    let first = bench.command(&Command::Report(json!({"a": 1}))).unwrap();
    let (rid, patch) = bench.patch();
    assert_eq!(patch, json!({"a": 1}));
    let second = bench.command(&Command::Report(json!({"b": 1, "c": 1}))).unwrap();
    let ack = Ack::applied("a", 1, 3).with("done");
    let third = bench.command(&Command::Acknowledge { component: None, acks: vec![ack] }).unwrap();
    assert_eq!(bench.heard(), [], "one at a time");
    bench.say(&format!("$iothub/twin/res/204/?$rid={rid}&$version=7"), "");
    assert_eq!(reported(&bench.done()), [(first, Some(7))]);
    let (rid, patch) = bench.patch();
    assert_eq!(patch, json!({"a": {"ac": 200, "av": 1, "ad": "done", "value": 3}, "b": 1, "c": 1}));
    bench.say(&format!("$iothub/twin/res/204/?$rid={rid}"), "");
    assert_eq!(reported(&bench.done()), [(second, None), (third, None)]);
}

#[test]
fn what_the_hub_refuses_together_is_tried_apart_so_that_the_right_one_fails() {
    let mut bench = Bench::in_step();
    bench.heard();
    bench.command(&Command::Report(json!({"x": 0}))).unwrap();
    let (rid, _) = bench.patch();
    let good = bench.command(&Command::Report(json!({"a": 1}))).unwrap();
    let bad = bench.command(&Command::Report(json!({"b": 1}))).unwrap();
    bench.status(204, &rid);
    bench.done();
    let (rid, _) = bench.patch();
    bench.status(400, &rid);
    assert_eq!(bench.done(), []);
    let (rid, patch) = bench.patch();
    assert_eq!(patch, json!({"a": 1}));
    bench.status(204, &rid);
    let (rid, patch) = bench.patch();
    assert_eq!(patch, json!({"b": 1}));
    bench.status(400, &rid);
    assert_eq!(bench.done(), [(good, Ok(Answer::Reported { version: None })), (bad, Err(Failure::Refused(400)))]);
}

#[test]
fn r_74_a_busy_hub_is_asked_again_later_and_later_and_in_the_end_not_at_all() {
    for status in [429, 500, 503] {
        let mut bench = Bench::in_step();
        bench.heard();
        let tag = bench.command(&Command::Report(json!({"a": 1}))).unwrap();
        let mut waits = Vec::new();
        loop {
            let (rid, _) = bench.patch();
            let refused_at = bench.now;
            bench.status(status, &rid);
            if let [(ended, Err(Failure::Refused(code)))] = bench.done()[..] {
                assert_eq!((ended, code), (tag, status));
                break;
            }
            let next = loop {
                bench.wait(100);
                assert!(bench.now.since(refused_at).as_millis() <= 200_000, "never again");
                // A ping every minute is not a report.
                if let Some(at) = bench.peek_patch() {
                    break at;
                }
            };
            waits.push(next.since(refused_at).as_secs());
        }
        assert_eq!(waits.len(), 8, "{waits:?}");
        for (wait, least) in waits.iter().zip([1, 2, 4, 8, 16, 32, 64, 128]) {
            assert!((least..=least + 1).contains(wait), "{waits:?}");
        }
    }
}

#[test]
fn a_refusal_that_waiting_does_not_mend_ends_the_command_at_once() {
    for status in [400, 401, 403, 404, 412, 413] {
        let mut bench = Bench::in_step();
        let get = bench.command(&Command::GetTwin).unwrap();
        let rid = bench.rid_of_get();
        bench.status(status, &rid);
        let report = bench.command(&Command::Report(json!({"a": 1}))).unwrap();
        let (rid, _) = bench.patch();
        bench.status(status, &rid);
        assert_eq!(bench.done(), [(get, Err(Failure::Refused(status))), (report, Err(Failure::Refused(status)))]);
    }
}

#[test]
fn a_hub_that_refuses_the_whole_twin_is_asked_again_a_minute_later_and_no_change_is_lost() {
    let mut bench = Bench::new(device_config());
    let rid = bench.rid_of_get();
    bench.status(403, &rid);
    assert_eq!(bench.events(), [Event::TwinBehind { status: Some(403) }]);
    change(&mut bench, 2, &json!({"a": 1}));
    bench.wait(60_000);
    let rid = bench.rid_of_get();
    bench.twin(&rid, &body(1, &json!({})));
    assert_eq!(desired(&mut bench), [(1, true, json!({})), (2, false, json!({"a": 1}))]);
}

#[test]
fn r_121_a_hostile_document_is_told_and_the_hub_asked_again() {
    let deep = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
    for hostile in ["", "[]", "{", "null", "\u{feff}{}", r#"{"a":"\ud800","$version":2}"#, r#"{"$version":-1}"#, &deep]
    {
        let mut bench = Bench::in_step();
        bench.heard();
        bench.say("$iothub/twin/PATCH/properties/desired/?$version=2", hostile);
        let told = bench.events();
        assert!(matches!(told[..], [Event::TwinUnreadable(_)]), "{hostile}: {told:?}");
        let rid = bench.rid_of_get();
        bench.twin(&rid, hostile);
        assert!(matches!(bench.events()[..], [Event::TwinUnreadable(_)]), "{hostile}");
        bench.wait(30_000);
        let rid = bench.rid_of_get();
        bench.twin(&rid, &body(2, &json!({"a": 1})));
        assert_eq!(desired(&mut bench), [(2, true, json!({"a": 1}))]);
    }
}

#[test]
fn r_75_a_report_that_the_hub_would_refuse_is_rejected_and_changes_nothing() {
    let mut bench = Bench::in_step();
    bench.heard();
    for patch in [json!(1), json!({"a.b": 1}), json!({"a": "x".repeat(5000)}), json!({"a": 1_u64 << 53})] {
        assert!(matches!(bench.command(&Command::Report(patch)), Err(Rejected::Invalid(_))));
    }
    assert!(matches!(
        bench.command(&Command::Acknowledge { component: None, acks: vec![] }),
        Err(Rejected::Invalid(_))
    ));
    assert_eq!(bench.heard(), []);
}

#[test]
fn the_largest_patch_fits_its_lane() {
    let mut bench = Bench::in_step();
    bench.heard();
    let mut patch = json!({});
    for at in 0..8 {
        patch[format!("k{at}")] = json!("x".repeat(4069));
    }
    let len = patch.to_string().len();
    patch["k0"] = json!("x".repeat(4069 + 32 * 1024 - 128 - len));
    assert_eq!(patch.to_string().len(), 32 * 1024 - 128);
    let tag = bench.command(&Command::Report(patch.clone())).unwrap();
    let (rid, sent) = bench.patch();
    assert_eq!(sent, patch);
    bench.status(204, &rid);
    assert_eq!(reported(&bench.done()), [(tag, None)]);
}

#[test]
fn at_a_start_what_the_device_has_not_acknowledged_is_found_in_its_twin() {
    let mut bench = Bench::in_step();
    bench.command(&Command::GetTwin).unwrap();
    let rid = bench.rid_of_get();
    let body = r#"{"desired":{"telemetryInterval":5,"t":{"__t":"c","x":1},"$version":9},
                   "reported":{"telemetryInterval":{"ac":200,"av":7,"value":10},"$version":2}}"#;
    bench.twin(&rid, body);
    let Ok(Answer::Twin(twin)) = bench.done().remove(0).1 else { panic!() };
    let open: Vec<_> = Twin::unanswered(&twin, &[]).iter().map(|p| (p.component, p.name.to_owned())).collect();
    assert_eq!(open, [(Some("t"), "x".to_owned()), (None, "telemetryInterval".to_owned())]);
}

#[test]
fn r_5_all_that_waits_ends_with_the_device() {
    let mut bench = Bench::in_step();
    bench.lose();
    let mut open = vec![
        bench.command(&Command::GetTwin).unwrap(),
        bench.command(&Command::Report(json!({"a": 1}))).unwrap(),
        bench.command(&Command::Report(json!({"b": 1}))).unwrap(),
    ];
    bench.device.close(bench.now);
    bench.wait(10_000);
    for (tag, result) in bench.done() {
        assert_eq!(result, Err(Failure::Closed));
        open.retain(|open| *open != tag);
    }
    assert_eq!(open, []);
    assert!(bench.device.is_closed());
}

#[test]
fn an_answer_to_a_command_that_a_gap_has_overtaken_tells_no_old_version_anew() {
    let mut bench = Bench::in_step();
    bench.command(&Command::GetTwin).unwrap();
    let early = bench.rid_of_get();
    change(&mut bench, 2, &json!({"a": 2}));
    change(&mut bench, 4, &json!({"a": 4}));
    let rid = bench.rid_of_get();
    assert_eq!(desired(&mut bench), [(2, false, json!({"a": 2}))]);
    bench.twin(&early, &body(1, &json!({})));
    assert_eq!((bench.done().len(), desired(&mut bench)), (1, vec![]));
    bench.twin(&rid, &body(4, &json!({"a": 4, "b": 3})));
    assert_eq!(desired(&mut bench), [(4, true, json!({"a": 4, "b": 3}))]);
}

#[test]
fn r_74_a_busy_hub_is_sent_telemetry_more_slowly() {
    let mut bench = Bench::in_step();
    bench.heard();
    bench.command(&Command::Report(json!({"a": 1}))).unwrap();
    let (rid, _) = bench.patch();
    let burst = |bench: &mut Bench| {
        for _ in 0..200 {
            let message = Telemetry::bytes(&b"x"[..]).qos(QoS::AtMostOnce);
            bench.command(&Command::Telemetry(message)).unwrap();
        }
        bench.heard().len()
    };
    assert_eq!(burst(&mut bench), 200);
    bench.status(429, &rid);
    assert!(burst(&mut bench) < 200);
    bench.wait(10_000);
    assert!(bench.heard().len() > 100, "later, not never");
}

#[test]
fn a_twin_that_was_made_anew_counts_from_the_beginning() {
    let mut bench = Bench::new(device_config());
    let rid = bench.rid_of_get();
    bench.twin(&rid, &body(9, &json!({"a": 9})));
    bench.reconnect();
    let rid = bench.rid_of_get();
    bench.twin(&rid, &body(2, &json!({"a": 2})));
    change(&mut bench, 3, &json!({"a": 3}));
    assert_eq!(
        desired(&mut bench),
        [(9, true, json!({"a": 9})), (2, true, json!({"a": 2})), (3, false, json!({"a": 3}))]
    );
}
