//! Do `credentials` let any MQTT client in and hide what is secret, and do `completions` and `--help` teach?

use crate::support::{Sim, run};
use serde_json::Value;
use std::{path::Path, process::Stdio};

#[tokio::test]
async fn a_password_is_stars_until_it_is_asked_for() {
    let sim = Sim::start(&[]).await;
    let profile = sim.file("door_tls.json");
    let secret = std::fs::read_to_string(sim.file("door_device_info.json")).unwrap();
    let secret: Value = serde_json::from_str(&secret).unwrap();
    let secret = secret["key_deviceinfo"]["deviceSecret"].as_str().unwrap().to_owned();
    for more in [&[][..], &["--json"], &["-vv"]] {
        let run = run(&[&["credentials", "--profile", &profile], more].concat()).await;
        assert_eq!(run.code, Some(0), "{}", run.err);
        assert!(run.out.contains("***") && !run.out.contains(";hmacsha256"), "{}", run.out);
        assert!(run.out.contains("DOORPRD9A1door1;12010126;"), "{}", run.out);
        assert!(!run.out.contains(&secret) && !run.err.contains(&secret));
    }
    let run = run(&["credentials", "--profile", &profile, "--show-secrets"]).await;
    assert!(run.out.contains(";hmacsha256") && !run.out.contains("***"), "{}", run.out);
    assert!(!run.out.contains(&secret), "the device secret itself is never shown");
    sim.stop().await;
}

#[tokio::test]
async fn mosquittos_client_connects_with_them_by_tls() {
    const CLIENT: &str = "/usr/bin/mosquitto_pub";
    if !Path::new(CLIENT).exists() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI has to have {CLIENT}");
        println!("SKIPPED: there is no {CLIENT} (Debian: apt install mosquitto-clients)");
        return;
    }
    let sim = Sim::start(&[]).await;
    let run = run(&["credentials", "--profile", &sim.file("door_tls.json"), "--show-secrets", "--json"]).await;
    let told: Value = serde_json::from_str(&run.out).unwrap();
    let text = |key: &str| told[key].as_str().unwrap().to_owned();
    let mut client = tokio::process::Command::new(CLIENT);
    client.args(["-h", &text("host"), "-p", &told["port"].to_string(), "--cafile", &sim.file("ca.pem"), "-q", "1"]);
    client.args(["-i", &text("client_id"), "-u", &text("user_name"), "-P", &text("password")]);
    client.args(["-t", "DOORPRD9A1/door1/event", "-m", "from mosquitto"]).stdin(Stdio::null()).kill_on_drop(true);
    let status = tokio::time::timeout(crate::support::BOUND, client.status()).await.expect("it ends").unwrap();
    assert!(status.success(), "{}", sim.talk.said());
    sim.stop().await;
}

#[tokio::test]
async fn completions_are_offered_for_every_shell_and_name_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = run(&["completions", shell]).await;
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
        for command in ["demo", "sim", "run", "pub", "sub", "credentials", "check", "completions"] {
            assert!(run.out.contains(command), "{shell} has {command}");
        }
    }
}

#[tokio::test]
async fn every_commands_help_has_examples_or_exit_codes() {
    for command in ["sim", "run", "pub", "sub", "credentials", "check", "demo time", "demo door", "demo aircond"] {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let run = run(&arguments).await;
        assert_eq!(run.code, Some(0));
        assert!(run.out.contains("Examples") && run.out.contains("\n  130  "), "{command}: {}", run.out);
    }
}

#[tokio::test]
async fn options_that_do_not_go_together_are_refused_by_the_command_line() {
    for arguments in [
        &["pub", "-t", "a"][..],
        &["pub", "-t", "a", "-m", "x", "-n"],
        &["sub"],
        &["sub", "-t", "a", "-q", "3"],
        &["sub", "-t", "a", "--cert", "x.pem"],
        &["sub", "-t", "a", "-P", "secret"],
        &["sub", "-t", "a", "--transport", "udp"],
        &["run", "--profile", "x.json", "-u", "me"],
        &["check", "--port", "0"],
        &["demo", "aircond"],
    ] {
        let run = run(arguments).await;
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.err);
        assert!(run.err.contains("--help"), "{}", run.err);
    }
}

#[test]
fn the_readme_has_the_exit_codes_and_the_json_lines_as_the_help_does() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for text in [skytether::exit::CODES, skytether::talk::event::SCHEMA, skytether::talk::command::SCHEMA] {
        assert!(readme.contains(text), "this is not in cli/README.md:\n{text}");
    }
}
