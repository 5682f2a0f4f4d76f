//! Does the transcript runner do what each kind of step says, and does it fail what must fail?
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
#![allow(clippy::needless_pass_by_value, reason = "cases are written down as literals")]

use serde_json::{Value, json};
use skytether_conformance::{Kinds, run};

/// CONNECT of client `c` with keep alive 30, clean session or not.
const CLEAN: &str = "100d00044d5154540402001e000163";
const KEPT: &str = "100d00044d5154540400001e000163";
/// PUBLISH `t` with payload `01`, without its packet id.
const PUBLISH_1: &str = "32060001 74";

fn publish(qos: u8, tag: &str) -> Value {
    json!({"api": "publish", "topic": "t", "payload_hex": "01", "qos": qos, "tag": tag})
}

/// A message of the server: QoS 1 to `t`, with this packet id.
fn incoming(id: u8) -> String {
    format!("3206000174{id:04x}01")
}

/// PUBLISH QoS 1 to `t` as the client sends it, its packet id named.
fn sent(name: &str) -> String {
    format!("{}<{name}>01", PUBLISH_1.replace(' ', ""))
}

fn again(name: &str) -> String {
    sent(name).replacen("32", "3a", 1)
}

/// Opens, and lets the server accept; `present` is the session that it says it has.
fn up(clean: bool, present: bool) -> Vec<Value> {
    vec![
        json!({"open": true}),
        json!({"expect_tx": [if clean { CLEAN } else { KEPT }]}),
        json!({"rx": [if present { "20020100" } else { "20020000" }]}),
        json!({"expect_events": [{"connected": {"session_present": present}}]}),
    ]
}

fn outcome(config: Value, steps: Vec<Value>) -> Result<(), String> {
    let mut whole = json!({"client_id": "c", "keep_alive_s": 30, "clean_session": true});
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let case = json!({"id": "x", "protocol": "3.1.1", "strictness": "must", "config": whole, "steps": steps});
    let file = json!({"format": "mqtt-client-transcripts/1", "cases": [case]});
    let mut verdicts = run(&file.to_string(), &Kinds::default()).unwrap();
    assert_eq!(verdicts.len(), 1);
    verdicts.remove(0).outcome
}

/// Steps after the connection is up.
fn connected(config: Value, steps: Vec<Value>) -> Result<(), String> {
    let clean = config.get("clean_session") != Some(&json!(false));
    outcome(config, [up(clean, false), steps].concat())
}

#[track_caller]
fn fails(outcome: Result<(), String>, why: &str) {
    let seen = outcome.unwrap_err();
    assert!(seen.contains(why), "{seen:?} does not say {why:?}");
}

#[test]
fn manual_acknowledgements_leave_in_the_order_of_arrival() {
    let steps = vec![
        json!({"rx": [incoming(1), incoming(2)]}),
        json!({"expect_tx": []}),
        json!({"api": "ack", "packet_id": 2}),
        json!({"expect_tx": []}),
        json!({"api": "ack", "packet_id": 1}),
        json!({"expect_tx": ["40020001", "40020002"]}),
    ];
    assert_eq!(connected(json!({"manual_ack": true}), steps.clone()), Ok(()));
    fails(connected(json!({}), steps), "expected []");
}

#[test]
fn a_full_queue_lets_its_oldest_go_where_the_case_says_so() {
    let config = json!({"queue_limit": 1, "queue_policy": "drop_oldest"});
    let failed = json!({"expect_events": [{"publish_failed": {"tag": "p1"}}]});
    assert_eq!(outcome(config, vec![publish(1, "p1"), publish(1, "p2"), failed]), Ok(()));
    let refused = json!({"api": "publish", "topic": "t", "qos": 1, "expect_err": "queue_full"});
    assert_eq!(outcome(json!({"queue_limit": 1}), vec![publish(1, "p1"), refused.clone()]), Ok(()));
    fails(outcome(json!({}), vec![publish(1, "p1"), refused]), "was accepted, expected queue_full");
}

#[test]
fn a_lost_session_fails_its_messages_where_the_case_says_so() {
    let mut steps = vec![publish(1, "p"), json!({"expect_tx": [sent("a")]}), json!({"drop": true})];
    steps.extend(up(false, false).into_iter().take(3));
    steps.push(json!({"expect_tx": []}));
    let failed = json!({"expect_events": [{"disconnected": {"reason": "transport"}}, "connected",
        {"publish_failed": {"tag": "p", "reason": "session_lost"}}]});
    steps.push(failed);
    assert_eq!(connected(json!({"clean_session": false, "on_session_lost": "fail"}), steps.clone()), Ok(()));
    fails(connected(json!({"clean_session": false}), steps), "expect_tx");
}

#[test]
fn an_orderly_end_waits_for_acknowledgements_and_not_for_ever() {
    let begin = vec![
        publish(1, "p"),
        json!({"api": "disconnect", "drain": true}),
        json!({"expect_tx": [sent("a")]}),
        json!({"expect_open": true}),
    ];
    let end = [json!({"expect_tx": ["e000"]}), json!({"expect_close": "normal"})];
    let acknowledged = [begin.clone(), vec![json!({"rx": ["4002<a>"]})], end.to_vec()].concat();
    assert_eq!(connected(json!({}), acknowledged), Ok(()));
    let waited = [begin.clone(), vec![json!({"advance_ms": 2000})], end.to_vec()].concat();
    assert_eq!(connected(json!({"drain_timeout_ms": 2000}), waited.clone()), Ok(()));
    fails(connected(json!({"drain_timeout_ms": 3000}), waited), "sent nothing");
}

#[test]
fn a_restarted_client_goes_on_from_what_was_stored() {
    let mut steps = vec![publish(1, "p"), json!({"expect_tx": [sent("a")]}), json!({"restart": "persisted"})];
    steps.extend(up(false, true));
    steps.push(json!({"expect_tx": [again("a")]}));
    steps.push(json!({"rx": ["4002<a>"]}));
    steps.push(json!({"expect_events": [{"published": {"tag": "p"}}]}));
    steps.push(json!({"expect_tx": []}));
    assert_eq!(connected(json!({"clean_session": false}), steps), Ok(()));
}

#[test]
fn a_half_sent_packet_is_dropped_with_its_connection() {
    let mut steps = vec![publish(1, "p"), json!({"take_tx_bytes": 3}), json!({"drop": true})];
    steps.extend(up(false, true).into_iter().take(3));
    steps.push(json!({"expect_tx_any": [[again("a")], [sent("a")]]}));
    assert_eq!(connected(json!({"clean_session": false}), steps), Ok(()));
    // What was taken counts as sent; the rest follows.
    let steps = vec![publish(1, "p"), json!({"take_tx_bytes": 3}), json!({"expect_tx": [sent("a")]})];
    assert_eq!(connected(json!({}), steps), Ok(()));
    // QoS 0 is done when it is handed over, and not before.
    let not_yet = json!({"forbid_event": "published"});
    let done = json!({"expect_events": [{"published": {"tag": "p"}}]});
    let taken = |count| vec![publish(0, "p"), json!({"take_tx_bytes": count})];
    assert_eq!(connected(json!({}), [taken(3), vec![not_yet.clone()]].concat()), Ok(()));
    assert_eq!(connected(json!({}), [taken(6), vec![done]].concat()), Ok(()));
    fails(connected(json!({}), [taken(6), vec![not_yet]].concat()), "came published");
}

#[test]
fn a_leap_of_the_clock_asks_before_it_gives_up() {
    let steps = vec![
        json!({"jump_ms": 3_600_000}),
        json!({"expect_tx": ["c000"]}),
        json!({"expect_open": true}),
        json!({"advance_ms": 10_000}),
        json!({"expect_close": "ping_timeout"}),
    ];
    assert_eq!(connected(json!({}), steps), Ok(()));
}

#[test]
fn packet_ids_count_from_where_the_case_says() {
    let two = [publish(1, "p"), publish(1, "q"), json!({"expect_tx": [sent("a"), sent("b")]})];
    let fixed = json!({"expect_tx": ["3206000174ffff01", "3206000174000101"]});
    let wrap = vec![json!({"set_next_packet_id": 65535}), publish(1, "p"), publish(1, "q"), fixed];
    assert_eq!(connected(json!({}), wrap.clone()), Ok(()));
    assert_eq!(connected(json!({"next_packet_id": 65535}), wrap[1..].to_vec()), Ok(()));
    let distinct = json!({"distinct": ["a", "b"]});
    assert_eq!(connected(json!({}), [two.to_vec(), vec![distinct]].concat()), Ok(()));
    fails(connected(json!({}), [two.to_vec(), vec![json!({"distinct": ["a", "a"]})]].concat()), "not the only one");
}

#[test]
fn tolerated_and_collected_packets_are_looked_at_as_the_case_says() {
    let steps = vec![
        json!({"allow_tx": "40020001"}),
        json!({"rx": [incoming(1), incoming(2)]}),
        json!({"expect_tx": ["40020002"]}),
        json!({"rx": [incoming(3)]}),
        json!({"collect_tx": true}),
        json!({"rx": [incoming(4)]}),
        json!({"expect_tx": ["40020004"]}),
        json!({"expect_collected_contains": "40020003"}),
    ];
    assert_eq!(connected(json!({}), steps.clone()), Ok(()));
    fails(connected(json!({}), steps[1..].to_vec()), "differs");
    let missing = [steps, vec![json!({"expect_collected_contains": "40020004"})]].concat();
    fails(connected(json!({}), missing), "not among 40020003");
}

#[test]
fn a_large_announcement_holds_no_memory() {
    let large = vec![json!({"rx_bytes": "30ffffff7f0001"}), json!({"max_buffered_bytes": 64})];
    let end = vec![json!({"expect_close_any": ["too_large"]}), json!({"rx_after_close": [incoming(1)]})];
    let quiet = vec![json!({"forbid_event": "message"}), json!({"expect_tx": []})];
    assert_eq!(connected(json!({"max_packet_in": 100}), [large, end, quiet].concat()), Ok(()));
    let held = vec![json!({"rx_bytes": format!("30ff01{}", "00".repeat(200))}), json!({"max_buffered_bytes": 64})];
    fails(connected(json!({}), held), "bytes are held");
}

#[test]
fn long_topics_and_payloads_are_written_out() {
    let steps = vec![
        json!({"api": "publish", "topic_repeat": ["ab", 100], "payload_repeat": ["5a", 3], "qos": 0}),
        json!({"expect_tx_prefix": "30cd0100c86162", "expect_tx_len": 208}),
    ];
    assert_eq!(connected(json!({}), steps.clone()), Ok(()));
    let over = json!({"api": "publish", "topic_repeat": ["a", 65536], "qos": 0, "expect_err": "topic_too_long"});
    assert_eq!(connected(json!({}), vec![over, json!({"either": ["open", "closed"]})]), Ok(()));
    let wrong = vec![steps[0].clone(), json!({"expect_tx_prefix": "30cd0100c86162", "expect_tx_len": 209})];
    fails(connected(json!({}), wrong), "sent 208 bytes");
}

#[test]
fn a_configuration_that_must_be_refused_is_and_others_are_not() {
    let refused = || vec![json!({"config_error": "x"})];
    assert_eq!(outcome(json!({"client_id": "", "clean_session": false}), refused()), Ok(()));
    assert_eq!(outcome(json!({"will": {"topic": "a/#"}}), refused()), Ok(()));
    fails(outcome(json!({}), refused()), "must be refused");
    fails(outcome(json!({"password_hex": "00"}), vec![json!({"open": true})]), "the configuration is refused");
}

#[test]
fn what_differs_is_a_failure_that_says_where() {
    let failures = [
        (vec![json!({"expect_tx": ["c000"]})], "step 5, expect_tx: sent nothing"),
        (vec![publish(0, "p"), json!({"expect_tx": []})], "6 bytes more"),
        (vec![json!({"expect_events": [{"message": {}}]})], "message {} did not come"),
        (vec![json!({"rx": [incoming(1)]}), json!({"expect_events": []})], "came message"),
        (vec![json!({"rx": [incoming(1)]}), json!({"forbid_event": "message"})], "came message"),
        (vec![json!({"expect_close": "normal"})], "has not closed"),
        (vec![json!({"rx": ["f000"]}), json!({"expect_open": true})], "the client has closed: protocol error"),
        (vec![json!({"rx": ["f000"]}), json!({"expect_close": "malformed"})], "closed as protocol"),
        (vec![json!({"rx": ["4002<z>"]})], "<z> has not been sent"),
        (vec![json!({"api": "subscribe", "filters": []})], "was refused"),
        (vec![json!({"api": "auth_continue"})], "not offered"),
        (vec![json!({"sing": true})], "unknown field"),
        (vec![json!({})], "nothing to do"),
    ];
    for (steps, why) in failures {
        fails(connected(json!({}), steps), why);
    }
    fails(connected(json!({"colour": "red"}), vec![]), "unknown field `colour`");
}

#[test]
fn a_case_of_free_choice_fails_by_a_panic_alone() {
    let case = json!({"id": "x", "protocol": "3.1.1", "strictness": "may", "config": {},
        "steps": [{"open": true}, {"expect_tx": ["00"]}]});
    let file = json!({"format": "mqtt-client-transcripts/1", "cases": [case]});
    assert_eq!(run(&file.to_string(), &Kinds::default()).unwrap()[0].outcome, Ok(()));
}

#[test]
fn mqtt_5_counts_as_failed_unless_it_is_left_out() {
    let cases = json!([{"id": "five", "protocol": "5", "config": {}, "steps": []}]);
    let file = json!({"format": "mqtt-client-transcripts/1", "cases": cases}).to_string();
    let verdicts = run(&file, &Kinds::default()).unwrap();
    assert_eq!(verdicts[0].outcome, Err("MQTT 5 is not offered".to_owned()));
    assert!(run(&file, &Kinds::new(vec!["3.1.1".to_owned()])).unwrap().is_empty());
}

#[test]
fn tables_are_checked_row_by_row() {
    let file = json!({"format": "mqtt-client-transcripts/1", "cases": [],
        "varint": [{"value": 128, "hex": "8001"}, {"value": 128, "hex": "8101"}],
        "varint_bad": [{"hex": "ffffffff7f", "why": "five bytes"}, {"hex": "7f", "why": "none"}],
        "utf8": [{"hex": "c3a9", "valid": true}, {"hex": "c3a9", "valid": false}],
        "topic_match": [{"filter": "a/#", "topic": "a", "match": true}, {"filter": "+", "topic": "$a", "match": true}],
        "filter_valid": [{"filter": "a/+", "valid": true}, {"filter": "a+", "valid": true}]});
    let verdicts = run(&file.to_string(), &Kinds::default()).unwrap();
    let passed: Vec<bool> = verdicts.iter().map(|verdict| verdict.outcome.is_ok()).collect();
    assert_eq!(passed, [true, false].repeat(5));
}

#[test]
fn a_file_of_another_format_is_refused_by_name() {
    assert!(run("{}", &Kinds::default()).unwrap_err().contains("format"));
    assert!(run("[", &Kinds::default()).unwrap_err().contains("no JSON"));
    assert!(run(r#"{"format": "other/1"}"#, &Kinds::default()).unwrap_err().contains("other/1"));
}
