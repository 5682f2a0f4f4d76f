//! Does `sim` tell where it is, write what a device needs, misbehave on order, and end politely?

use crate::support::{Sim, Talk, run};
use std::{fs, os::unix::fs::PermissionsExt as _};

#[tokio::test]
async fn it_tells_every_endpoint_and_writes_files_that_only_their_owner_reads() {
    let sim = Sim::start(&[]).await;
    let said = sim.talk.said();
    for url in ["tcp://127.0.0.1:", "tls://127.0.0.1:", "ws://127.0.0.1:", "wss://127.0.0.1:"] {
        assert!(said.contains(url), "{said}");
    }
    assert!(said.contains(&format!("files in {}", sim.path().display())), "{said}");
    let mode = fs::metadata(sim.file("door_device_info.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the secret is its owner's");
    for name in ["ca.pem", "aircond_device_info.json", "door_cert_tls.json", "door_tcp.json", "door_wss.json"] {
        sim.file(name);
    }
    let run = sim.stop().await;
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "Ctrl-C is its ordinary end");
    assert!(run.out.ends_with("The clouds close their connections and end.\n"), "{}", run.out);
}

#[tokio::test]
async fn a_certificate_device_is_let_in_by_tls_and_wss() {
    let sim = Sim::start(&[]).await;
    for profile in ["door_cert_tls.json", "door_cert_wss.json"] {
        let run = run(&["check", "--profile", &sim.file(profile)]).await;
        assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    }
    sim.stop().await;
}

#[tokio::test]
async fn orders_on_stdin_are_obeyed_and_wrong_ones_answered_with_what_to_write() {
    let mut sim = Sim::start(&[]).await;
    let profile = sim.file("aircond_tcp.json");
    let mut sub = Talk::start(&["sub", "--profile", &profile, "-t", "./control", "-q", "1", "-C", "2", "-v"]);
    sim.talk.says("SUBACK").await;

    sim.talk.type_line("clients").await;
    sim.talk.says("connected: AIRCPRD7B2AirConditioner1").await;
    sim.talk.type_line("send AIRCPRD7B2/AirConditioner1/control hello there").await;
    sub.says("hello there\n").await;
    sim.talk.type_line("dance").await;
    sim.talk.says("\"dance\" is no misbehaviour: write refuse").await;
    sim.talk.type_line("refuse=9").await;
    sim.talk.says("refuse: write refuse=5").await;
    sim.talk.type_line("drop=nobody").await;
    sim.talk.says("that client is not connected").await;

    sim.talk.type_line("take-over=AIRCPRD7B2AirConditioner1").await;
    sim.talk.says("taken over by").await;
    sim.talk.says_times("-> SUBACK", 2).await;
    sim.talk.type_line("send AIRCPRD7B2/AirConditioner1/control again").await;
    sub.says("again\n").await;
    let sub = sub.end().await;
    assert_eq!(sub.code, Some(0), "{}", sub.err);
    assert!(sub.err.contains("trying again"), "{}", sub.err);

    sim.talk.type_line("refuse=3").await;
    sim.talk.says("told to misbehave: refuse=3").await;
    let refused = run(&["check", "--profile", &profile]).await;
    assert_eq!(refused.code, Some(5), "{}", refused.out);
    assert!(refused.err.contains("CONNACK 3"), "{}", refused.err);
    sim.talk.type_line("behave").await;
    sim.talk.says("told to misbehave: behave").await;
    assert_eq!(run(&["check", "--profile", &profile]).await.code, Some(0));

    sim.talk.type_line("quit").await;
    let run = sim.talk.end().await;
    assert_eq!(run.code, Some(0), "{}", run.err);
}

#[tokio::test]
async fn misbehaviour_from_the_start_and_an_end_of_stdin_that_is_no_end() {
    let mut sim = Sim::start(&["--misbehave", "refuse=4x1", "--misbehave", "delay=300ms"]).await;
    sim.talk.end_input();
    let profile = sim.file("door_tls.json");
    assert_eq!(run(&["check", "--profile", &profile]).await.code, Some(5));
    let late = run(&["check", "--profile", &profile]).await;
    assert_eq!(late.code, Some(0), "{}", late.out);
    let connack = late.out.lines().find(|line| line.starts_with("CONNACK")).unwrap();
    let ms: u64 = connack.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!(ms >= 300, "{connack}");
    assert_eq!(sim.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_port_that_is_taken_and_an_account_that_is_none_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("cloud");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let failed = run(&["sim", "--dir", directory.to_str().unwrap(), "--wss-port", &port]).await;
    assert_eq!(failed.code, Some(3));
    assert!(failed.err.contains(&format!("127.0.0.1:{port}")), "{}", failed.err);

    let account = folder.path().join("account.json");
    fs::write(&account, r#"{"products": [{"name": "x"}]}"#).unwrap();
    let failed = run(&["sim", "--dir", directory.to_str().unwrap(), "--account", account.to_str().unwrap()]).await;
    assert_eq!(failed.code, Some(3));
    assert!(failed.err.contains("account.json: the account cannot be read"), "{}", failed.err);

    let failed = run(&["sim", "--misbehave", "dance"]).await;
    assert_eq!(failed.code, Some(2));
    assert!(failed.err.contains("write refuse"), "{}", failed.err);
}

#[tokio::test]
async fn a_device_of_the_local_azure_is_run_by_json_lines_and_led_from_its_portal() {
    let mut sim = Sim::start(&[]).await;
    let profile = sim.file("azure_curiosity-key_tls.json");
    let checked = run(&["check", "--profile", &profile]).await;
    assert_eq!(checked.code, Some(0), "{}{}", checked.out, checked.err);

    let mut device = Talk::start(&["run", "--stay", "--profile", &profile]);
    device.says("\"event\":\"assigned\"").await;
    device.says("\"event\":\"ready\"").await;
    device.says("\"full\":true").await;

    sim.talk.type_line("write curiosity-key {\"telemetryInterval\": 5}").await;
    sim.talk.says("curiosity-key: written, version 2").await;
    device.says("\"json\":{\"telemetryInterval\":5},\"version\":2").await;
    let ack = r#"{"do":"acknowledge","name":"telemetryInterval","version":2,"json":5,"description":"set","id":"a"}"#;
    device.type_line(ack).await;
    device.says("\"id\":\"a\",\"result\":\"reported\"").await;

    sim.talk.type_line("call curiosity-key reboot {\"delay\": \"PT5S\"}").await;
    device.says("\"call\":1,\"event\":\"method\",\"json\":{\"delay\":\"PT5S\"},\"name\":\"reboot\"").await;
    device.type_line(r#"{"do":"answer","call":2,"json":1}"#).await;
    device.says("no call 2 that waits for an answer").await;
    device.type_line(r#"{"do":"answer","call":1,"json":{"status":"Success"}}"#).await;
    sim.talk.says("reboot is answered: 200 {\"status\":\"Success\"}").await;

    sim.talk.type_line("message curiosity-key hello there").await;
    device.says("\"text\":\"hello there\"").await;
    device
        .type_line(r#"{"do":"publish","topic":"./telemetry?room=7","json":{"temperature":21.5},"qos":1,"id":"t"}"#)
        .await;
    device.says("\"id\":\"t\",\"result\":\"published\"").await;
    device.type_line(r#"{"do":"twin","id":"w"}"#).await;
    device.says("\"id\":\"w\"").await;
    sim.talk.type_line("twin curiosity-key").await;
    sim.talk.says("\"telemetryInterval\":{\"ac\":200,\"ad\":\"set\",\"av\":2,\"value\":5}").await;
    sim.talk.type_line("call nobody reboot").await;
    sim.talk.says("nobody: no hub knows this device").await;

    device.type_line(r#"{"do":"close"}"#).await;
    let device = device.end().await;
    assert_eq!(device.code, Some(0), "{}", device.err);
    sim.stop().await;
}
