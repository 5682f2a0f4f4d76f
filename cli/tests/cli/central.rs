//! Does `demo central` tell the document's story, over MQTT and over a modem in every state?

use crate::support::{Run, run};

const BOARD: &str = "sn0123FE0CF960432D01";

async fn told(more: &[&str]) -> Run {
    let run = run(&[&["demo", "central", "--speed", "50"], more].concat()).await;
    assert_eq!(run.code, Some(0), "{}\n{}", run.out, run.err);
    assert_eq!(run.err, "");
    run
}

/// Holds the lines of one speaker to contain these pieces, in this order.
fn assert_order(run: &Run, speaker: &str, pieces: &[&str]) {
    let mut lines = run.out.lines().filter(|line| line.contains(speaker));
    for piece in pieces {
        assert!(lines.any(|line| line.contains(piece)), "{speaker} does not say {piece:?} in its place:\n{}", run.out);
    }
}

fn assert_story(run: &Run) {
    let board = [
        "registers with the provisioning service",
        "is being assigned a hub; asks again in 3 s",
        "azure-devices.net as sn0123FE0CF960432D01, which is stored",
        "the twin's desired properties, version 1: {}",
        "reports {\"rgb_led_blue\":1}",
        "reports {\"led_user\":3}",
        "telemetry {\"temperature\":20.25}",
        "telemetryInterval is 5 s now",
        "acknowledges ac 200, av 2: telemetryInterval set to: 5",
        "acknowledges ac 200, av 3: led_user set to: 1",
        "command reboot {\"delay\":\"PT5S\"}",
        "answers 200 {\"delay\":5,\"status\":\"Success\"}",
        "the device restarts in 5 s",
        "connects to",
        "telemetry {\"temperature\":20.25}",
    ];
    assert_order(run, BOARD, &board);
    let portal = [
        "hears {\"temperature\":20.25}",
        "writes telemetryInterval 5, version 2",
        "telemetryInterval: pending",
        "telemetryInterval: accepted, 5 (telemetryInterval set to: 5)",
        "writes led_user 1, version 3",
        "led_user: accepted, 1 (led_user set to: 1)",
        "reboot is answered: 200",
        "the board is back, by the assignment that it remembered",
    ];
    assert_order(run, "IoT Central", &portal);
}

#[tokio::test]
async fn over_mqtt_the_board_is_provisioned_obeys_restarts_and_comes_back() {
    let run = told(&["-v"]).await;
    assert_story(&run);
    assert_order(&run, BOARD, &["[('$dps/registrations/res/#', 1)]", "[('$iothub/methods/POST/#', 1)"]);
}

#[cfg(unix)]
#[tokio::test]
async fn over_a_modem_that_was_just_switched_on_the_story_is_the_same_and_no_secret_is_shown() {
    let run = told(&["--link", "at", "-v"]).await;
    assert_story(&run);
    let lines = [
        "▶ ATE0",
        "▶ AT+WSTA",
        "◀ +WSTA:0",
        "▶ AT+WSTAC=1,\"your_SSID\"",
        "▶ AT+WSTAC=3,***",
        "▶ AT+WSTA=1",
        "◀ +WSTAAIP:\"192.0.2.7\"",
        "▶ AT+MQTTC=1,\"global.azure-devices-provisioning.net\"",
        "▶ AT+MQTTC=4,\"0ne00ABCDEF/registrations/sn0123FE0CF960432D01/api-version=2019-03-31\"",
        "◀ +MQTTCONN:1",
        "▶ AT+MQTTSUB=\"$dps/registrations/res/#\",1",
        "▶ AT+MQTTDISCONN",
        "◀ +MQTTCONN:0",
        "▶ AT+MQTTC=1,\"iotc-",
        "/sn0123FE0CF960432D01/?api-version=2021-04-12\"",
        "▶ AT+MQTTSUB=\"$iothub/methods/POST/#\",1",
    ];
    assert_order(&run, BOARD, &lines);
    // The modem told its address, and the board passed it on.
    assert_order(&run, BOARD, &["reports {\"ipAddress\":\"192.0.2.7\"}"]);
    assert!(!run.out.contains("your_PASSPHRASE"), "{}", run.out);
}

#[cfg(unix)]
#[tokio::test]
async fn a_modem_that_has_joined_or_is_connected_already_is_taken_as_it_is() {
    for state in ["joined", "connected"] {
        let run = told(&["--link", "at", "--modem", state, "-v"]).await;
        assert_story(&run);
        // Writing them while the station is up would be refused.
        assert!(!run.out.contains("AT+WSTAC"), "{}", run.out);
        if state == "connected" {
            assert_order(&run, BOARD, &["◀ +MQTTCONN:1", "▶ AT+MQTTDISCONN", "▶ AT+MQTTC=1,\"global."]);
        }
    }
}
