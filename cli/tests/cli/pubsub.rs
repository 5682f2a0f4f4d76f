//! Do `pub` and `sub` work with an ordinary broker (mosquitto) and with a cloud, as people use them?

use crate::support::{Sim, Talk, json_lines, run, run_with};
use rustix::process::Signal;
use skytether_testing::{
    broker::{Broker, WEBSOCKET},
    pki::Pki,
};
use std::fs;

#[tokio::test]
async fn payloads_come_from_the_argument_a_file_stdin_and_its_lines_at_every_quality_of_service() {
    let Some(broker) = Broker::start("").await else { return };
    let port = broker.port.to_string();
    let place = ["--host", "127.0.0.1", "--port", &port];
    let sub = Talk::start(&[&["sub", "-t", "a/#", "-q", "2", "-C", "9", "-T", "-v"], &place[..]].concat());
    let heard = sub_is_up(&broker).await;
    assert!(heard.contains("SUBACK"), "{heard}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payload");
    fs::write(&file, "from a file").unwrap();
    for (more, input) in [
        (&["-t", "a/arg", "-m", "argument", "-q", "0"][..], ""),
        (&["-t", "a/file", "-f", file.to_str().unwrap(), "-q", "1"], ""),
        (&["-t", "a/stdin", "-s", "-q", "2"], "all of stdin"),
        (&["-t", "a/lines", "-l", "-q", "1"], "one\ntwo\nthree"),
        (&["-t", "a/null", "-n", "-q", "1"], ""),
        (&["-t", "a/twice", "-m", "again", "-q", "2", "--repeat", "2", "--repeat-delay", "0.1"], ""),
    ] {
        let run = run_with(&[&["pub"], more, &place[..]].concat(), input.as_bytes()).await;
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(0), "", ""), "{more:?}");
    }
    let run = sub.end().await;
    assert_eq!(run.code, Some(0), "{}", run.err);
    let lines: Vec<&str> = run.out.lines().collect();
    let expected = [
        "a/arg argument",
        "a/file from a file",
        "a/stdin all of stdin",
        "a/lines one",
        "a/lines two",
        "a/lines three",
        "a/null ",
        "a/twice again",
        "a/twice again",
    ];
    assert_eq!(lines, expected);
    assert!(run.err.contains("Sending DISCONNECT"), "{}", run.err);
    drop(sub_is_up(&broker).await);
}

/// Waits until mosquitto has granted a subscription; its log.
async fn sub_is_up(broker: &Broker) -> String {
    for _ in 0..600 {
        let log = fs::read_to_string(broker.log()).unwrap();
        if log.contains("Sending SUBACK") {
            return log;
        }
        tokio::time::sleep(core::time::Duration::from_millis(50)).await;
    }
    panic!("no SUBACK");
}

#[tokio::test]
async fn retained_messages_are_kept_heard_and_left_out_as_asked() {
    let Some(broker) = Broker::start("").await else { return };
    let port = broker.port.to_string();
    let place = ["--host", "127.0.0.1", "--port", &port, "-t", "kept"];
    let kept = run(&[&["pub", "-m", "old", "-r", "-q", "1"], &place[..]].concat()).await;
    assert_eq!(kept.code, Some(0), "{}", kept.err);
    let heard = run(&[&["sub", "-C", "1", "--json"], &place[..]].concat()).await;
    assert_eq!(heard.code, Some(0), "{}", heard.err);
    let line = &json_lines(&heard.out)[0];
    assert_eq!((&line["text"], &line["retain"]), (&"old".into(), &true.into()));
    let heard = run(&[&["sub", "-C", "1", "-R", "-W", "1"], &place[..]].concat()).await;
    assert_eq!((heard.code, heard.out.as_str()), (Some(8), ""), "{}", heard.err);
    assert!(heard.err.contains("--timeout"), "{}", heard.err);
}

#[tokio::test]
async fn a_client_certificate_a_password_and_a_websocket_open_mosquittos_doors() {
    let pki = Pki::new();
    let Some(broker) = Broker::start(&pki.mosquitto(true)).await else { return };
    let (ca, cert, key) = (pki.ca(), &pki.client.certificate, &pki.client.key);
    let port = broker.port.to_string();
    let trusting = ["-t", "t", "-m", "x", "-q", "1", "--host", "localhost", "--port", &port];
    let ca = ca.to_str().unwrap();
    let shown = ["--ca", ca, "--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let good = run(&[&["pub"], &trusting[..], &shown].concat()).await;
    assert_eq!(good.code, Some(0), "{}", good.err);
    let without = run(&[&["pub"], &trusting[..], &["--ca", ca]].concat()).await;
    assert_eq!(without.code, Some(4));
    assert!(without.err.contains("wants a client certificate"), "{}", without.err);
    let wrong = pki.other_ca();
    let wrong = run(&[&["pub"], &trusting[..], &["--ca", wrong.to_str().unwrap()]].concat()).await;
    assert_eq!(wrong.code, Some(4));
    assert!(wrong.err.contains("not signed by a CA that is trusted here"), "{}", wrong.err);

    let Some(broker) = Broker::start(WEBSOCKET).await else { return };
    let port = broker.websocket.to_string();
    let run =
        run(&["pub", "-t", "t", "-m", "x", "-q", "2", "--transport", "ws", "--host", "127.0.0.1", "-p", &port]).await;
    assert_eq!(run.code, Some(0), "{}", run.err);
}

#[tokio::test]
async fn a_user_with_a_password_is_let_in_and_a_password_is_never_shown() {
    use skytether_core::secret::Secret;
    use skytether_simulator::{
        broker::policy::Open,
        server::{self, Server},
    };
    let policy = Open::anonymous().with_user("me", Secret::new(*b"hunter2"));
    let server = Server::start(policy, server::Config::default()).await.unwrap();
    let port = server.addr().port().to_string();
    let place = ["-t", "t", "-m", "x", "-q", "1", "--host", "127.0.0.1", "--port", &port, "-u", "me", "-vv"];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "hunter2\n").unwrap();
    for more in [["-P", "hunter2"], ["--password-file", file.to_str().unwrap()]] {
        let run = run(&[&["pub"], &place[..], &more].concat()).await;
        assert_eq!(run.code, Some(0), "{}", run.err);
        assert!(run.err.contains("CONNECT (u1, p1") && !run.err.contains("hunter2"), "{}", run.err);
    }
    let run = run(&[&["pub"], &place[..], &["-P", "swordfish"]].concat()).await;
    assert_eq!(run.code, Some(5));
    assert!(run.err.contains("CONNACK 4") && run.err.contains("--password"), "{}", run.err);
    assert!(!run.err.contains("swordfish"), "{}", run.err);
    server.stop().await;
}

#[tokio::test]
async fn with_a_profile_both_speak_to_the_cloud_by_every_transport() {
    let sim = Sim::start(&[]).await;
    for transport in ["tcp", "tls", "ws", "wss"] {
        let (air, door) = (sim.file(&format!("aircond_{transport}.json")), sim.file(&format!("door_{transport}.json")));
        let sub = Talk::start(&["sub", "--profile", &air, "-t", "./control", "-q", "1", "-C", "1", "-T", "-v"]);
        sub.says_nothing_but_is_granted(&sim, transport).await;
        let sent = run(&["pub", "--profile", &door, "-t", "./event", "-m", "to the rule", "-q", "1"]).await;
        assert_eq!(sent.code, Some(0), "{}", sent.err);
        let run = sub.end().await;
        assert_eq!(run.code, Some(0), "{}", run.err);
        assert_eq!(run.out, "AIRCPRD7B2/AirConditioner1/control to the rule\n");
    }
    sim.stop().await;
}

impl Talk {
    /// Waits until the cloud has granted this transport's subscription.
    async fn says_nothing_but_is_granted(&self, sim: &Sim, transport: &str) {
        let nth = ["tcp", "tls", "ws", "wss"].iter().position(|name| *name == transport).unwrap() + 1;
        while sim.talk.said().matches("AIRCPRD7B2AirConditioner1: -> SUBACK").count() < nth {
            tokio::time::sleep(core::time::Duration::from_millis(20)).await;
            assert!(self.said().is_empty());
        }
    }
}

#[tokio::test]
async fn what_the_cloud_forbids_is_said_with_its_topic_and_code() {
    let sim = Sim::start(&[]).await;
    let profile = sim.file("door_tcp.json");
    let retained = run(&["pub", "--profile", &profile, "-t", "./event", "-m", "x", "-r"]).await;
    assert_eq!(retained.code, Some(3));
    assert!(retained.err.contains("this cloud retains no messages"), "{}", retained.err);
    let foreign = run(&["sub", "--profile", &profile, "-t", "OTHERPRD00/x/control"]).await;
    assert_eq!(foreign.code, Some(6));
    assert!(foreign.err.contains("OTHERPRD00/x/control") && foreign.err.contains("another device"), "{}", foreign.err);
    // The cloud drops it without an acknowledgement.
    let denied = run(&["pub", "--profile", &profile, "-t", "./control", "-m", "x", "-q", "1", "-W", "1"]).await;
    assert_eq!(denied.code, Some(7));
    assert!(
        denied.err.contains("DOORPRD9A1/door1/control") && denied.err.contains("no answer in time"),
        "{}",
        denied.err
    );
    sim.stop().await;
}

#[tokio::test]
async fn ctrl_c_says_good_bye_and_tells_whether_the_count_was_reached() {
    let sim = Sim::start(&[]).await;
    let profile = sim.file("door_wss.json");
    for (more, code) in [(&[][..], 0), (&["-C", "3"], 130)] {
        let sub = Talk::start(&[&["sub", "--profile", &profile, "-t", "./control"], more].concat());
        while sim.talk.said().matches("-> SUBACK").count() <= usize::from(code > 0) {
            tokio::time::sleep(core::time::Duration::from_millis(20)).await;
        }
        sub.signal(Signal::INT);
        let run = sub.end().await;
        assert_eq!(run.code, Some(code), "{}", run.err);
    }
    let run = sim.stop().await;
    assert_eq!(run.out.matches("DOORPRD9A1door1: <- DISCONNECT").count(), 2, "{}", run.out);
}

#[tokio::test]
async fn ctrl_c_ends_a_pub_that_waits_for_its_payload() {
    let publish = Talk::start(&["pub", "-t", "a", "-s"]);
    publish.catches_signals().await;
    publish.signal(Signal::INT);
    assert_eq!(publish.end().await.code, Some(130));
}
