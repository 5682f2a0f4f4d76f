//! Does `check` name the step that fails, what is wrong and what to look at, with the step's exit code?

use crate::support::{Run, Sim, run};
use skytether_core::link::{Endpoint, TlsIdentity};
use skytether_testing::{
    negatives::{Negative, no_connack, silent, tls_servers, upgrading, websocket_servers},
    pki::Pki,
    server::Server,
};
use std::io::{Read as _, Write as _};
use tokio::net::TcpSocket;

const STEPS: [(&str, i32); 5] = [("DNS", 10), ("TCP", 11), ("TLS", 12), ("WebSocket", 13), ("CONNACK", 14)];

async fn check(endpoint: &Endpoint, more: &[&str]) -> Run {
    let transport = match (endpoint.tls == TlsIdentity::Plain, endpoint.path.is_some()) {
        (true, false) => "tcp",
        (true, true) => "ws",
        (false, false) => "tls",
        (false, true) => "wss",
    };
    let port = endpoint.port.to_string();
    let arguments = ["check", "--host", &endpoint.host, "--port", &port, "--transport", transport];
    run(&[&arguments[..], more].concat()).await
}

/// It failed at this step, after those before were well.
fn assert_fails(run: &Run, step: &str, name: &str) {
    let code = STEPS.iter().find(|(known, _)| *known == step).unwrap().1;
    assert_eq!(run.code, Some(code), "{name}: {}{}", run.out, run.err);
    let lines: Vec<&str> = run.out.lines().skip(1).collect();
    let (last, before) = lines.split_last().unwrap();
    assert!(last.starts_with(step) && last.contains(" failed ") && last.contains(" ms "), "{name}: {last}");
    assert!(before.iter().all(|line| line.contains(" ok ")), "{name}: {}", run.out);
    assert!(run.err.contains(&format!("the check failed at {step}: ")), "{name}: {}", run.err);
}

#[tokio::test]
async fn a_name_that_is_none_fails_at_dns_and_a_deaf_port_at_tcp() {
    let unknown = check(&Endpoint::tcp("no-such-host.invalid", 1883), &[]).await;
    assert_fails(&unknown, "DNS", "unknown name");
    // Bound, so that nobody else gets the port, and not listening.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = deaf.local_addr().unwrap().port();
    let refused = check(&Endpoint::tcp("127.0.0.1", port), &[]).await;
    assert_fails(&refused, "TCP", "deaf port");
    assert!(refused.err.contains(&format!("127.0.0.1:{port}")), "{}", refused.err);
}

#[tokio::test]
async fn every_bad_certificate_fails_at_tls_in_its_own_words() {
    let pki = Pki::new();
    let ca = pki.ca();
    for Negative { name, endpoint, cause, server } in tls_servers(&pki) {
        let run = check(&endpoint, &["--ca", ca.to_str().unwrap()]).await;
        match name {
            // It goes wrong only after CONNACK.
            "truncated" => assert_eq!(run.code, Some(0), "{name}: {}", run.out),
            // TLS 1.3 servers judge us when the handshake is over for us.
            "TLS 1.3, no client certificate" => {
                assert_fails(&run, "CONNACK", name);
                assert!(run.err.contains("--cert"), "{}", run.err);
            }
            _ => {
                assert_fails(&run, "TLS", name);
                assert!(run.err.contains(&cause.to_string()), "{name}: {}", run.err);
            }
        }
        drop(server);
    }
}

#[tokio::test]
async fn a_wrong_ca_is_said_with_the_option_that_mends_it_and_a_file_that_is_none_at_once() {
    let sim = Sim::start(&[]).await;
    let pki = Pki::new();
    let other = pki.other_ca();
    let profile = sim.file("door_tls.json");
    let wrong = run(&["check", "--profile", &profile, "--ca", other.to_str().unwrap()]).await;
    assert_fails(&wrong, "TLS", "wrong CA");
    assert!(wrong.err.contains("--ca"), "{}", wrong.err);
    let none = run(&["check", "--profile", &profile, "--ca", &profile]).await;
    assert_eq!(none.code, Some(3));
    assert!(none.err.contains("door_tls.json"), "{}", none.err);
    sim.stop().await;
}

#[tokio::test]
async fn what_is_no_websocket_of_mqtt_fails_there() {
    for Negative { name, endpoint, cause, server } in websocket_servers() {
        let run = check(&endpoint, &[]).await;
        let after_connack =
            name.contains("frame") || name == "reserved bits" || name == "a long ping" || name == "a farewell";
        if after_connack {
            // The CONNACK comes in the same breath: what follows it may or may not be looked at.
            assert!([Some(0), Some(14)].contains(&run.code), "{name}: {}", run.out);
        } else {
            assert_fails(&run, "WebSocket", name);
            assert!(run.err.contains(&cause.to_string()), "{name}: {}", run.err);
        }
        drop(server);
    }
}

#[tokio::test]
async fn a_silent_server_fails_at_the_step_that_it_is_silent_at() {
    let quiet = silent();
    let mut endpoint = Endpoint::tcp("localhost", quiet.port);
    assert_fails(&check(&endpoint, &["-W", "1"]).await, "CONNACK", "silent");
    endpoint.tls = TlsIdentity::Ca;
    let pki = Pki::new();
    let ca = pki.ca();
    assert_fails(&check(&endpoint, &["-W", "1", "--ca", ca.to_str().unwrap()]).await, "TLS", "silent");
    endpoint.tls = TlsIdentity::Plain;
    endpoint.path = Some("/mqtt".into());
    assert_fails(&check(&endpoint, &["-W", "1"]).await, "WebSocket", "silent");
    let deaf = no_connack();
    let run = check(&Endpoint::tcp("localhost", deaf.port), &["-W", "0.5"]).await;
    assert_fails(&run, "CONNACK", "no CONNACK");
    assert!(run.err.contains("no answer within 0.5 s"), "{}", run.err);
    let upgraded = upgrading(|stream| {
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    });
    endpoint.port = upgraded.port;
    assert_fails(&check(&endpoint, &["-W", "1"]).await, "CONNACK", "silent behind a WebSocket");
}

#[tokio::test]
async fn a_server_of_another_protocol_fails_at_connack() {
    let http = Server::start(|mut stream| {
        stream.read_exact(&mut [0; 2])?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    });
    let run = check(&Endpoint::tcp("localhost", http.port), &[]).await;
    assert_fails(&run, "CONNACK", "HTTP");
    assert!(run.err.contains("is it an MQTT broker"), "{}", run.err);
}

#[tokio::test]
async fn each_refusal_is_explained_in_this_clouds_words() {
    let mut sim = Sim::start(&[]).await;
    let profile = sim.file("door_wss.json");
    for (code, words) in [
        (1, "protocol version"),
        (2, "productId and deviceName"),
        (3, "not available"),
        (4, "deviceSecret"),
        (5, "disabled"),
    ] {
        sim.talk.type_line(&format!("refuse={code}x1")).await;
        sim.talk.says(&format!("told to misbehave: refuse={code}x1")).await;
        let run = run(&["check", "--profile", &profile]).await;
        assert_eq!(run.code, Some(5), "{}", run.out);
        assert!(run.err.contains(&format!("CONNACK {code}")) && run.err.contains(words), "{}", run.err);
        assert!(run.out.lines().last().unwrap().starts_with("CONNACK    failed"), "{}", run.out);
    }
    let run = run(&["check", "--profile", &profile]).await;
    assert_eq!(run.code, Some(0), "{}", run.err);
    for (step, _) in STEPS {
        assert!(run.out.contains(&format!("{step:<9}  ok")), "{}", run.out);
    }
    let sim = sim.stop().await;
    assert!(sim.out.contains("DOORPRD9A1door1: <- DISCONNECT"), "it says good-bye: {}", sim.out);
}
