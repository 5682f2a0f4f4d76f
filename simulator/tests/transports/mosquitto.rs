//! Clients that are not ours: mosquitto's command-line tools over TLS, with a password and with a certificate.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use crate::rig::{Stage, soon};
use skytether_simulator::broker::{
    policy::Transport,
    trace::{Happening, Summary, Way},
};
use std::process::Stdio;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

/// A cloud, if the tools are here. Without them a test says so and is over; where CI runs, it fails.
async fn set() -> Option<Stage> {
    let here = Command::new("mosquitto_sub").arg("--help").stdout(Stdio::null()).status().await.is_ok();
    if !here {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "mosquitto_sub and mosquitto_pub are not installed");
        eprintln!("skipped: mosquitto_sub and mosquitto_pub are not installed (Debian: mosquitto-clients)");
        return None;
    }
    Some(Stage::set().await)
}

/// A tool as the device of this label, with what proves it.
fn tool(stage: &Stage, name: &str, label: &str, arguments: &[&str]) -> Command {
    let identity = stage.device(label);
    let files = stage.cloud.files();
    let device = files.devices.iter().find(|device| device.label == label).unwrap();
    let port = stage.cloud.addr(Transport::Tls).unwrap().port().to_string();
    let mut command = Command::new(name);
    command.args(["-h", "localhost", "-p", &port, "-V", "mqttv311", "-i", &identity.client_id, "--cafile"]);
    command.arg(&files.ca);
    let connect = if device.certificate.is_some() { identity.bare() } else { identity.signed() };
    command.args(["-u", connect.user_name.as_deref().unwrap()]);
    if let Some(password) = &connect.password {
        command.args(["-P", core::str::from_utf8(password.expose()).unwrap()]);
    }
    if let (Some(certificate), Some(key)) = (&device.certificate, &device.private_key) {
        command.arg("--cert").arg(certificate).arg("--key").arg(key);
    }
    command.args(arguments).kill_on_drop(true);
    command
}

#[tokio::test]
async fn a_message_goes_from_a_certificate_device_to_a_key_device() {
    let Some(mut stage) = set().await else { return };
    let control = "AIRCPRD7B2/AirConditioner1/control";
    let mut air = tool(&stage, "mosquitto_sub", "aircond", &["-t", control, "-q", "1", "-F", "%t %q %p"]);
    let mut air = air.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(air.stdout.take().unwrap()).lines();
    stage.until(|what| matches!(what, Happening::Packet(Way::Out, Summary::SubAck { .. }))).await;
    let event = ["-t", "DOORPRD9A1/door2/event", "-m", "{}", "-q", "1"];
    let status = soon(tool(&stage, "mosquitto_pub", "door_cert", &event).status()).await.unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(soon(lines.next_line()).await.unwrap().unwrap(), format!("{control} 1 {{}}"));
    air.kill().await.unwrap();
    stage.stop().await;
}

#[tokio::test]
async fn a_tool_that_trusts_another_authority_does_not_connect() {
    let Some(stage) = set().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.pem");
    std::fs::write(&other, skytether_simulator::server::tls::Authority::new("other").unwrap().pem()).unwrap();
    let event = ["-t", "DOORPRD9A1/door1/event", "-m", "{}", "--cafile", other.to_str().unwrap()];
    let output = soon(tool(&stage, "mosquitto_pub", "door", &event).output()).await.unwrap();
    assert!(!output.status.success());
    stage.stop().await;
}
