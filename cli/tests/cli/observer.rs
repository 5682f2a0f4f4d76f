//! Does another MQTT client beside the demo see its traffic? The client is mosquitto's own.

use crate::support::{finish, start};
use core::time::Duration;
use std::{env, path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

const SUBSCRIBER: &str = "/usr/bin/mosquitto_sub";

#[tokio::test]
async fn mosquitto_sub_beside_the_demo_sees_both_events_and_both_commands() {
    if !Path::new(SUBSCRIBER).exists() {
        assert_ne!(env::var("CI").as_deref(), Ok("true"), "CI has to have {SUBSCRIBER}");
        println!("skipped: there is no {SUBSCRIBER} (Debian: apt install mosquitto-clients)");
        return;
    }
    let mut child = start(&["demo", "home", "--speed", "100", "--wait-for-observer"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let hint = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(hint) = line.strip_prefix("Look on with: mosquitto_sub ") {
                return hint.replace('\'', "");
            }
        }
        panic!("it ended without a hint");
    };
    let hint = timeout(Duration::from_secs(30), hint).await.expect("it says how in time");

    // As printed: what the user types.
    let observer = Command::new(SUBSCRIBER).args(hint.split(' ')).stdout(Stdio::piped()).kill_on_drop(true).spawn();
    let seen =
        timeout(Duration::from_secs(30), observer.unwrap().wait_with_output()).await.expect("it sees four").unwrap();
    assert_eq!(
        String::from_utf8(seen.stdout).unwrap().lines().collect::<Vec<_>>(),
        [
            r#"DOORPRD9A1/door1/event {"action": "come_home", "targetDevice": "AirConditioner1"}"#,
            r#"AIRCPRD7B2/AirConditioner1/control {"action":"come_home","targetDevice":"AirConditioner1"}"#,
            r#"DOORPRD9A1/door1/event {"action": "leave_home", "targetDevice": "AirConditioner1"}"#,
            r#"AIRCPRD7B2/AirConditioner1/control {"action":"leave_home","targetDevice":"AirConditioner1"}"#,
        ]
    );

    while timeout(Duration::from_secs(30), lines.next_line()).await.expect("it goes on").unwrap().is_some() {}
    assert_eq!(finish(child).await.code, Some(0));
}
