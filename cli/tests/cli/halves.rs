//! Do the halves of the home work alone, with the documents' own files, by every way to a cloud?

use crate::support::{Sim, Talk, lines_of, run};

/// An air conditioner that has subscribed, and the door's two runs beside it.
async fn come_and_go(sim: &Sim, air: &[&str], door: &[&str], more: &[&str]) -> String {
    let mut air = Talk::start(&[&["demo", "aircond", "--speed", "10"], air].concat());
    air.says("on_subscribe:granted_qos:1").await;
    for (action, state) in [("come_home", "open"), ("leave_home", "close")] {
        let run = run(&[&["demo", "door", action], door, more].concat()).await;
        assert_eq!(run.code, Some(0), "{}\n{}\n{}", run.out, run.err, sim.talk.said());
        assert!(lines_of(&run.out, "door1").contains(&"on_publish:acknowledged"), "{}", run.out);
        air.says(action).await;
        let told = air.said().matches("[air is ").count();
        air.says_times("[air is ", told + 1).await;
        let lines = air.said();
        let last = lines.lines().rfind(|line| line.contains("[air is ")).unwrap();
        assert!(last.contains(&format!("[air is {state}]")), "{last}");
    }
    air.signal(rustix::process::Signal::INT);
    let air = air.end().await;
    assert_eq!(air.code, Some(0), "Ctrl-C is its ordinary end: {}", air.err);
    air.out
}

#[tokio::test]
async fn door_and_air_conditioner_meet_by_every_transport() {
    let sim = Sim::start(&[]).await;
    for (air, door) in [("tcp", "tls"), ("tls", "ws"), ("ws", "wss"), ("wss", "tcp")] {
        let (air, door) = (sim.file(&format!("aircond_{air}.json")), sim.file(&format!("door_{door}.json")));
        come_and_go(&sim, &["--profile", &air], &["--profile", &door], &[]).await;
    }
    let run = sim.stop().await;
    assert!(run.out.contains("AIRCPRD7B2AirConditioner1: <- DISCONNECT"), "{}", run.out);
}

#[tokio::test]
async fn the_vendors_own_files_serve_as_profiles_with_the_way_there_as_options() {
    let sim = Sim::start(&[]).await;
    let (air, door) = (sim.file("aircond_device_info.json"), sim.file("door_device_info.json"));
    let (tls, ws, ca) = (sim.port("tls"), sim.port("ws"), sim.file("ca.pem"));
    let air = ["--profile", &air, "--host", "localhost", "--port", &tls, "--ca", &ca];
    let door = ["--profile", &door, "--host", "127.0.0.1", "--port", &ws, "--transport", "ws"];
    let told = come_and_go(&sim, &air, &door, &["--python-wire"]).await;
    assert!(told.contains(r#"on_aircond_cb:payload:{"action": "come_home""#), "{told}");
    sim.stop().await;
}

#[tokio::test]
async fn a_vendors_file_alone_means_the_platforms_own_host_and_port() {
    let sim = Sim::start(&[]).await;
    let file = sim.file("door_device_info.json");
    for (transport, place) in [
        ("tls", ["DOORPRD9A1.iotcloud.tencentdevices.com", "8883"]),
        ("wss", ["DOORPRD9A1.ap-guangzhou.iothub.tencentdevices.com", "443"]),
    ] {
        let run = run(&["credentials", "--profile", &file, "--transport", transport]).await;
        assert_eq!(run.code, Some(0), "{}", run.err);
        for word in place {
            assert!(run.out.contains(word), "{}", run.out);
        }
    }
    sim.stop().await;
}

#[tokio::test]
async fn the_air_conditioner_outlasts_a_connection_that_is_cut() {
    let mut sim = Sim::start(&[]).await;
    let mut air = Talk::start(&["demo", "aircond", "--profile", &sim.file("aircond_tls.json")]);
    air.says("on_subscribe:granted_qos:1").await;
    sim.talk.type_line("drop").await;
    air.says("trying again").await;
    air.says_times("on_connect:flags:0,rc:0", 2).await;
    let run = run(&["demo", "door", "come_home", "--profile", &sim.file("door_tcp.json")]).await;
    assert_eq!(run.code, Some(0), "{}", run.err);
    air.says("on_aircond_cb:payload:").await;
    air.signal(rustix::process::Signal::INT);
    assert_eq!(air.end().await.code, Some(0));
    sim.stop().await;
}

#[tokio::test]
async fn a_profile_that_cannot_be_used_is_said_with_its_file_and_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("profile.json");
    let cases = [
        ("{}", "`cloud` is missing: write \"tencent\""),
        (r#"{"cloud":"tencent","device_info":"no-such.json"}"#, "no-such.json: the file cannot be read"),
        (r#"{"auth_mode":"KEY"}"#, "`productId` is missing"),
        ("", "the file cannot be read"),
    ];
    for (content, told) in cases {
        std::fs::write(&path, content).unwrap();
        let run = run(&["demo", "door", "come_home", "--profile", path.to_str().unwrap()]).await;
        assert_eq!(run.code, Some(3), "{}", run.err);
        assert!(run.err.contains(told), "{content}: {}", run.err);
    }
    let run = run(&["demo", "door", "sing", "--profile", "x"]).await;
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("come_home, leave_home"), "{}", run.err);
}
