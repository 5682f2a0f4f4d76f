//! Does `run` keep its JSON lines: every command its outcome, every wrong line its fix, every end polite?

use crate::support::{Sim, Talk, json_lines, run_with};
use core::time::Duration;
use rustix::process::Signal;
use serde_json::{Value, json};
use skytether_simulator::{
    broker::policy::Open,
    server::{self, Server},
};
use tokio::time::Instant;

async fn broker() -> Server<Open> {
    Server::start(Open::anonymous(), server::Config::default()).await.unwrap()
}

/// The outcome of the command with this id.
fn outcome<'l>(lines: &'l [Value], id: &Value) -> &'l Value {
    let mut of_id = lines.iter().filter(|line| line["event"] == "done" && line["id"] == *id);
    let first = of_id.next().unwrap_or_else(|| panic!("no outcome of {id}: {lines:?}"));
    assert_eq!(of_id.next(), None, "each command has one outcome");
    first
}

#[tokio::test]
async fn every_command_has_one_outcome_with_its_id_and_messages_come_back_as_they_were() {
    let broker = broker().await;
    let port = broker.addr().port().to_string();
    let input = [
        json!({"id": 1, "do": "subscribe", "filter": "home/#", "qos": 2}),
        json!({"id": "two", "do": "publish", "topic": "home/text", "text": "grüß \"dich\"\n", "qos": 1}),
        json!({"id": 3, "do": "publish", "topic": "home/bytes", "base64": "/wAB", "qos": 2}),
        json!({"id": 4, "do": "publish", "topic": "home/json", "json": {"a": [1, null]}, "qos": 1}),
        json!({"id": 5, "do": "unsubscribe", "filter": "home/#"}),
        json!({"id": 6, "do": "publish", "topic": "bad/+", "text": ""}),
        json!({"do": "close"}),
    ];
    let mut talk = Talk::start(&["run", "--host", "127.0.0.1", "--port", &port]);
    for line in &input[..4] {
        talk.type_line(&line.to_string()).await;
    }
    talk.says_times("\"event\":\"message\"", 3).await;
    for line in &input[4..] {
        talk.type_line(&line.to_string()).await;
    }
    let run = talk.end().await;
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    let lines = json_lines(&run.out);

    let expected = |more: Value| {
        let mut line = json!({"event": "done"});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line
    };
    assert_eq!(*outcome(&lines, &json!(1)), expected(json!({"id": 1, "result": "subscribed", "qos": 2})));
    for id in [json!("two"), json!(3), json!(4)] {
        assert_eq!(*outcome(&lines, &id), expected(json!({"id": id, "result": "published"})));
    }
    assert_eq!(*outcome(&lines, &json!(5)), expected(json!({"id": 5, "result": "unsubscribed"})));
    let refused = outcome(&lines, &json!(6));
    assert_eq!((&refused["result"], &refused["reason"]), (&json!("failed"), &json!("invalid")), "{refused}");

    let messages: Vec<&Value> = lines.iter().filter(|line| line["event"] == "message").collect();
    let message = |topic: &str| *messages.iter().find(|message| message["topic"] == topic).unwrap();
    assert_eq!(message("home/text")["text"], "grüß \"dich\"\n");
    assert_eq!(message("home/bytes")["base64"], "/wAB");
    assert_eq!(message("home/bytes")["qos"], 2);
    assert_eq!(message("home/json")["text"], r#"{"a":[1,null]}"#);
    let events: Vec<&str> =
        lines.iter().map(|line| line["event"].as_str().unwrap()).filter(|event| *event != "done").collect();
    assert_eq!(events, ["dialling", "up", "ready", "message", "message", "message", "down"]);
    broker.stop().await;
}

#[tokio::test]
async fn wrong_lines_are_answered_with_their_number_and_fix_and_harm_no_other() {
    let broker = broker().await;
    let port = broker.addr().port().to_string();
    let mut input = b"nonsense\n\n{\"do\": \"publish\", \"id\": 7}\n\xff\xfe\n[1]\n".to_vec();
    input.extend(vec![b'x'; 1024 * 1024 + 1]);
    input.extend(b"\n{\"id\": \"ok\", \"do\": \"publish\", \"topic\": \"t\", \"text\": \"x\", \"qos\": 1}");
    let run = run_with(&["run", "--host", "127.0.0.1", "--port", &port], &input).await;
    assert_eq!(run.code, Some(0), "{}", run.err);
    let lines = json_lines(&run.out);
    let errors: Vec<(&Value, &Value)> =
        lines.iter().filter(|line| line["event"] == "error").map(|line| (&line["line"], &line["id"])).collect();
    let (none, seven) = (Value::Null, json!(7));
    let numbers: Vec<Value> = [1, 3, 4, 5, 6].map(Value::from).into();
    let ids = [&none, &seven, &none, &none, &none];
    assert_eq!(errors, numbers.iter().zip(ids).collect::<Vec<_>>());
    for error in lines.iter().filter(|line| line["event"] == "error") {
        assert!(!error["fix"].as_str().unwrap().is_empty() && !error["error"].as_str().unwrap().is_empty());
    }
    assert_eq!(outcome(&lines, &json!("ok"))["result"], "published");
    broker.stop().await;
}

#[tokio::test]
async fn on_a_cloud_it_knows_its_own_topics_and_the_time() {
    let sim = Sim::start(&[]).await;
    for profile in ["door_tcp.json", "door_tls.json", "door_ws.json", "door_wss.json"] {
        let input = b"{\"id\":1,\"do\":\"time\"}\n{\"id\":2,\"do\":\"publish\",\"topic\":\"./event\",\"text\":\"x\",\"qos\":1}\n\
            {\"id\":3,\"do\":\"subscribe\",\"filter\":\"./control\",\"qos\":1}\n\
            {\"id\":4,\"do\":\"publish\",\"topic\":\"OTHERPRD00/x/event\",\"text\":\"\"}\n";
        let run = run_with(&["run", "--profile", &sim.file(profile)], input).await;
        assert_eq!(run.code, Some(0), "{}", run.err);
        let lines = json_lines(&run.out);
        assert!(outcome(&lines, &json!(1))["unix_ms"].as_u64().unwrap() > 1_700_000_000_000);
        assert_eq!(outcome(&lines, &json!(2))["result"], "published");
        assert_eq!(outcome(&lines, &json!(3))["qos"], 1);
        assert_eq!(outcome(&lines, &json!(4))["reason"], "invalid");
    }
    let run = sim.stop().await;
    assert_eq!(run.out.matches("DOORPRD9A1door1: <- DISCONNECT").count(), 4, "{}", run.out);
}

#[tokio::test]
async fn a_connection_that_is_cut_is_told_and_comes_back_and_loses_no_message() {
    let mut sim = Sim::start(&[]).await;
    let mut talk = Talk::start(&["run", "--profile", &sim.file("door_tls.json"), "--stay"]);
    talk.says("\"event\":\"ready\"").await;
    sim.talk.type_line("drop").await;
    talk.says("\"event\":\"down\"").await;
    talk.type_line(r#"{"id":1,"do":"publish","topic":"./event","text":"late","qos":1}"#).await;
    talk.type_line(r#"{"do":"reconnect"}"#).await;
    talk.says("\"result\":\"published\"").await;
    talk.end_input();
    talk.signal(Signal::INT);
    let run = talk.end().await;
    assert_eq!(run.code, Some(0), "Ctrl-C is its ordinary end: {}", run.err);
    let lines = json_lines(&run.out);
    let down = lines.iter().find(|line| line["event"] == "down").unwrap();
    assert!(down["retry_ms"].is_u64() && down["cause"].is_string(), "{down}");
    assert_eq!(lines.last().unwrap(), &json!({"event": "down", "cause": "closed on request"}));
    let sim = sim.stop().await;
    assert!(sim.out.contains("DOORPRD9A1door1: <- DISCONNECT"), "{}", sim.out);
}

#[tokio::test]
async fn a_device_that_the_cloud_refuses_says_the_code_and_ends_where_trying_is_useless() {
    let mut sim = Sim::start(&["--misbehave", "refuse=4"]).await;
    let profile = sim.file("door_tcp.json");
    let mut talk = Talk::start(&["run", "--profile", &profile]);
    talk.says("\"code\":4").await;
    talk.signal(Signal::TERM);
    assert_eq!(talk.end().await.code, Some(0), "asked to terminate while it waits to dial again");

    sim.talk.type_line("refuse=2").await;
    sim.talk.says("told to misbehave: refuse=2").await;
    let talk = Talk::start(&["run", "--profile", &profile]);
    let run = talk.end().await;
    assert_eq!(run.code, Some(5), "{}", run.err);
    assert!(run.err.contains("CONNACK 2") && run.err.contains("productId"), "{}", run.err);
    assert!(run.out.contains("\"event\":\"gave_up\""), "{}", run.out);
    sim.stop().await;
}

#[tokio::test]
async fn a_stdout_that_nobody_reads_ends_it_politely() {
    let mut sim = Sim::start(&[]).await;
    let script = format!(
        "({} run --stay --profile {} </dev/null; echo code $? >&2) | head -n 3",
        env!("CARGO_BIN_EXE_skytether"),
        sim.file("aircond_tls.json")
    );
    let mut shell = tokio::process::Command::new("sh");
    let pipe = std::process::Stdio::piped;
    shell.args(["-c", &script]).stdout(pipe()).stderr(pipe()).kill_on_drop(true);
    let shell = shell.spawn().unwrap();
    sim.talk.says("-> CONNACK").await;
    let ended = tokio::time::timeout(crate::support::BOUND, shell.wait_with_output()).await.expect("it ends").unwrap();
    assert_eq!(String::from_utf8(ended.stdout).unwrap().lines().count(), 3, "up to `ready`, and then it is idle");
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "code 0\n");
    sim.talk.says("AIRCPRD7B2AirConditioner1: <- DISCONNECT").await;
    sim.stop().await;
}

#[tokio::test]
async fn the_first_ctrl_c_waits_for_what_is_in_flight_and_a_second_one_does_not() {
    let mut sim = Sim::start(&[]).await;
    for second in [false, true] {
        let mut talk = Talk::start(&["run", "--profile", &sim.file("door_tcp.json")]);
        talk.says("\"event\":\"ready\"").await;
        // From now on nothing is acknowledged.
        sim.talk.type_line("silence").await;
        sim.talk.says_times("told to misbehave: silence", usize::from(second) + 1).await;
        talk.type_line(r#"{"id":1,"do":"publish","topic":"./event","text":"x","qos":1}"#).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        talk.signal(Signal::INT);
        let begun = Instant::now();
        if second {
            tokio::time::sleep(Duration::from_millis(300)).await;
            talk.signal(Signal::INT);
        }
        let run = talk.end().await;
        if second {
            assert_eq!(run.code, Some(130), "{}", run.out);
            assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        } else {
            assert_eq!(run.code, Some(0), "{}", run.err);
            assert_eq!(outcome(&json_lines(&run.out), &json!(1))["reason"], "closed");
            assert!(begun.elapsed() > Duration::from_secs(2), "{:?}", begun.elapsed());
        }
        sim.talk.type_line("speak").await;
        sim.talk.says_times("told to misbehave: speak", usize::from(second) + 1).await;
    }
    sim.stop().await;
}
