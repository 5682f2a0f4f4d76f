//! Does `demo home` tell the document's story: its packets, its lines, its temperatures, its end?

use crate::support::{Run, lines_of, packets, run};
use serde_json::Value;
use std::{fs, path::Path};

const FAST: &[&str] = &["demo", "home", "--speed", "200", "-v"];

async fn told(more: &[&str]) -> Run {
    let run = run(&[FAST, more].concat()).await;
    assert_eq!(run.code, Some(0), "{}\n{}", run.out, run.err);
    assert_eq!(run.err, "");
    run
}

/// The packets of one run of the door, and of the air conditioner's whole life, in order.
fn assert_packets(run: &Run, sent: [usize; 2], arrived: [usize; 2]) {
    let door: Vec<String> = sent
        .iter()
        .flat_map(|len| {
            [
                "Sending CONNECT (u1, p1, wr0, wq0, wf0, c1, k60) client_id='DOORPRD9A1door1'".to_owned(),
                "Received CONNACK (0, 0)".to_owned(),
                format!("Sending PUBLISH (d0, q1, r0, m1), 'DOORPRD9A1/door1/event', ... ({len} bytes)"),
                "Received PUBACK (Mid: 1)".to_owned(),
                "Sending DISCONNECT".to_owned(),
            ]
        })
        .collect();
    assert_eq!(packets(&lines_of(&run.out, "door1")), door);

    let topic = "AIRCPRD7B2/AirConditioner1/control";
    let aircond = [
        "Sending CONNECT (u1, p1, wr0, wq0, wf0, c1, k60) client_id='AIRCPRD7B2AirConditioner1'".to_owned(),
        "Received CONNACK (0, 0)".to_owned(),
        format!("Sending SUBSCRIBE (d0, m1) [('{topic}', 1)]"),
        "Received SUBACK (Mid: 1) [1]".to_owned(),
        format!("Received PUBLISH (d0, q1, r0, m24), '{topic}', ... ({} bytes)", arrived[0]),
        "Sending PUBACK (Mid: 24)".to_owned(),
        format!("Received PUBLISH (d0, q1, r0, m25), '{topic}', ... ({} bytes)", arrived[1]),
        "Sending PUBACK (Mid: 25)".to_owned(),
        "Sending DISCONNECT".to_owned(),
    ];
    assert_eq!(packets(&lines_of(&run.out, "AirConditioner1")), aircond);
}

#[tokio::test]
async fn with_plain_objects_the_packets_are_those_of_the_document_and_the_rule_rewrites_the_payload() {
    assert_packets(&told(&[]).await, [58, 59], [55, 56]);
}

#[tokio::test]
async fn the_story_is_the_same_on_every_transport() {
    for transport in ["tls", "ws", "wss"] {
        let run = told(&["--transport", transport]).await;
        assert!(run.out.contains(&format!("listens on {transport}://127.0.0.1:")), "{}", run.out);
        assert_packets(&run, [58, 59], [55, 56]);
    }
}

#[tokio::test]
async fn with_the_python_wire_the_packets_have_the_68_and_69_bytes_of_the_document_on_both_sides() {
    assert_packets(&told(&["--python-wire"]).await, [68, 69], [68, 69]);
}

#[tokio::test]
async fn the_temperatures_are_the_24_lines_of_the_vector_at_every_speed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/vectors/tencent.json");
    let vectors: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let seed = vectors["vectors"].as_array().unwrap().iter().find(|vector| vector["id"] == "aircond-seed").unwrap();
    let expected: Vec<&str> =
        seed["out"]["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(expected.len(), 24);

    for speed in ["20", "1000"] {
        let run = run(&["demo", "home", "--speed", speed]).await;
        let lines = lines_of(&run.out, "AirConditioner1");
        let temperatures: Vec<&str> = lines.into_iter().filter(|line| line.starts_with("[air is ")).collect();
        assert_eq!(temperatures, expected, "at speed {speed}");
    }
}

#[tokio::test]
async fn the_door_says_what_the_document_says_in_both_runs() {
    let run = run(&["demo", "home", "--speed", "20"]).await;
    let expected: Vec<String> = ["come_home", "leave_home"]
        .iter()
        .flat_map(|action| {
            [
                "on_connect:flags:0,rc:0".to_owned(),
                format!(r#"publish {{"action": "{action}", "targetDevice": "AirConditioner1"}}"#),
                "publish success".to_owned(),
                "wait reply...".to_owned(),
                "on_publish:acknowledged".to_owned(),
                "disconnect".to_owned(),
            ]
        })
        .collect();
    let mut lines = lines_of(&run.out, "door1");
    // One for each second that the acknowledgement takes.
    lines.dedup_by(|next, line| *next == "wait reply..." && line == next);
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn the_air_conditioner_obeys_between_the_temperatures_of_the_document() {
    for (wire, separators) in [(&[][..], (":", ",")), (&["--python-wire"][..], (": ", ", "))] {
        let run = told(wire).await;
        let lines: Vec<&str> = lines_of(&run.out, "AirConditioner1")
            .into_iter()
            .filter(|line| line.starts_with("[air is ") || line.starts_with("on_aircond_cb"))
            .collect();
        let heard = |action: &str| {
            let (colon, comma) = separators;
            format!(
                r#"on_aircond_cb:payload:{{"action"{colon}"{action}"{comma}"targetDevice"{colon}"AirConditioner1"}}"#
            )
        };
        assert_eq!((lines[6], lines[18]), (heard("come_home").as_str(), heard("leave_home").as_str()));
        assert_eq!(lines.len(), 26);
    }
}

#[tokio::test]
async fn no_password_is_shown_at_any_level() {
    let run = told(&["-v", "-v"]).await;
    assert!(run.out.contains("user name \"DOORPRD9A1door1;"), "the cloud's side is shown");
    assert!(!run.out.contains("hmacsha"), "{}", run.out);
}

#[tokio::test]
async fn help_teaches_with_examples_at_each_level() {
    for (arguments, word) in [
        (&["--help"][..], "demo home"),
        (&["demo", "--help"], "demo home"),
        (&["demo", "home", "--help"], "mosquitto_sub"),
    ] {
        let run = run(arguments).await;
        assert_eq!(run.code, Some(0));
        assert!(run.out.contains("Examples:") && run.out.contains(word), "{}", run.out);
    }
    let run = run(&["demo", "home", "--help"]).await;
    for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "130 "] {
        assert!(run.out.contains(&format!("\n  {code}")), "exit code {code}is explained");
    }
}

#[tokio::test]
async fn a_speed_that_is_none_is_refused_with_what_to_write() {
    let run = run(&["demo", "home", "--speed", "fast"]).await;
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("write a number"), "{}", run.err);
}
