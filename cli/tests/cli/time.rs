//! Does `demo time` exchange the packets of document 004, on every transport and with a profile?

use crate::support::{Run, Sim, lines_of, packets, run};

const TRANSPORTS: [&str; 4] = ["tcp", "tls", "ws", "wss"];

/// The packets in the order of the document, with its topics and lengths.
fn assert_exchange(run: &Run, product: &str, device: &str) {
    assert_eq!(run.code, Some(0), "{}\n{}", run.out, run.err);
    let lines = lines_of(&run.out, device);
    let down = format!("$sys/operation/result/{product}/{device}");
    let expected = [
        format!("Sending CONNECT (u1, p1, wr0, wq0, wf0, c1, k60) client_id='{product}{device}'"),
        "Received CONNACK (0, 0)".to_owned(),
        format!("Sending SUBSCRIBE (d0, m1) [('{down}', 0)]"),
        format!("Sending PUBLISH (d0, q0, r0, m0), '$sys/operation/{product}/{device}', ... (37 bytes)"),
        "Received SUBACK (Mid: 1) [0]".to_owned(),
        format!("Received PUBLISH (d0, q0, r0, m0), '{down}', ... (82 bytes)"),
        format!("Sending UNSUBSCRIBE (d0, m2) ['{down}']"),
        "Received UNSUBACK (Mid: 2)".to_owned(),
        "Sending DISCONNECT".to_owned(),
    ];
    assert_eq!(packets(&lines), expected);

    let told = lines.iter().find_map(|line| line.strip_prefix("current time:")).expect("it tells the time");
    let told: jiff::civil::DateTime = told.parse().expect("YYYY-MM-DD HH:MM:SS");
    assert_eq!(told.to_string().len(), "2021-07-16T15:13:42".len(), "whole seconds");
    let apart = (jiff::Zoned::now().datetime() - told).total(jiff::Unit::Second).unwrap();
    assert!((0.0..60.0).contains(&apart), "the time is now: {told}");
    let at = |text: &str| lines.iter().position(|line| line.starts_with(text)).unwrap();
    assert!(at("current time:") < at("disconnect"));
}

#[tokio::test]
async fn the_packets_are_those_of_the_document_on_every_transport() {
    for transport in TRANSPORTS {
        let run = run(&["demo", "time", "--transport", transport, "-v"]).await;
        assert!(run.out.contains(&format!("listens on {transport}://127.0.0.1:")), "{}", run.out);
        assert_exchange(&run, "UJDZES2SR2", "test1");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn with_a_profile_it_asks_that_devices_cloud() {
    let sim = Sim::start(&[]).await;
    let run = run(&["demo", "time", "--profile", &sim.file("door_wss.json"), "-v"]).await;
    assert_exchange(&run, "DOORPRD9A1", "door1");
    assert_eq!(sim.stop().await.code, Some(0));
}
