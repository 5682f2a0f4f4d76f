//! What only modems have: a past of their own, slips of their firmware, and a serial line.

use crate::{
    links::{ANYCLOUD, ByModem, Kind, RNWF, options},
    stage::Stage,
    tester::Tester,
};
use core::time::Duration;
use skytether_core::{
    at,
    device::{self, Device},
    limits::Limits,
    link::QoS,
};
use skytether_simulator::modem::{self, Quirks, Standing, StationForm, Times};
use skytether_world::{
    fault::Fault,
    pipe::{Direction, Noise},
    world::{Birth, World},
};

/// A stage whose modem is another than usual.
fn stage(kind: &'static ByModem, change: impl FnOnce(&mut modem::Config)) -> Stage<ByModem> {
    let mut config = kind.config();
    change(&mut config);
    Stage::with(kind, |world| world.attach(0, config))
}

fn both() -> [&'static ByModem; 2] {
    [&ANYCLOUD, &RNWF]
}

/// Traffic goes both ways.
fn works(stage: &mut Stage<ByModem>) {
    let before = stage.heard("up").len();
    let tag = stage.publish("up", b"{\"still\":\"here\"}", QoS::AtLeastOnce);
    assert_eq!(stage.end_of(tag), Ok("delivered"));
    assert!(stage.heard("up").len() > before);
    let before = stage.heard("answer").len();
    stage.world.publish("ask/x", b"?", QoS::AtLeastOnce);
    stage.until("an answer", |stage| stage.heard("answer").len() > before);
}

#[test]
fn a_modem_that_has_joined_already_is_used_as_it_is() {
    for kind in both() {
        let mut stage = stage(kind, |config| config.standing = Standing::Joined);
        stage.until_ready();
        assert!(stage.world.now().0 < 1500, "it did not join again");
        works(&mut stage);
    }
}

#[test]
fn a_modem_that_still_holds_a_connection_is_taken_over_in_order() {
    for kind in both() {
        let standing = Standing::Connected {
            host: "old.invalid".to_owned(),
            port: 1883,
            tls: false,
            client_id: "old".to_owned(),
            user_name: String::new(),
        };
        let mut stage = Stage::with(kind, |world| {
            // Its own client is connected before the device looks for it.
            world.attach(0, modem::Config { standing, ..kind.config() });
            world.harm(Fault::PowerCut { device: 0, down: Duration::ZERO, told: false });
        });
        stage.until_ready();
        works(&mut stage);
        let came: Vec<_> = stage.rules().came.iter().map(|connect| connect.client_id.clone()).collect();
        assert_eq!(came.last().map(String::as_str), Some("dev-7"));
        assert!(stage.world.broker().clients().eq(["dev-7"]), "the old connection is gone");
    }
}

#[test]
fn a_device_that_restarts_finds_its_modem_connected_and_goes_on() {
    for kind in both() {
        let mut stage = stage(kind, |_| ());
        stage.until_ready();
        stage.world.harm(Fault::PowerCut { device: 0, down: Duration::from_secs(1), told: false });
        stage.until("the second life", |stage| stage.told("Ready") == 2);
        works(&mut stage);
    }
}

#[test]
fn a_modem_that_is_starting_is_waited_for() {
    for kind in both() {
        for boot in [200, 1000, 2500] {
            let mut stage = stage(kind, |config| config.times.boot = Duration::from_millis(boot));
            stage.until_ready();
            works(&mut stage);
        }
    }
}

#[test]
fn a_wrong_passphrase_is_told_and_tried_again() {
    for kind in both() {
        let mut stage = stage(kind, |config| config.networks = vec![modem::Network::protected("lab", *b"changed!")]);
        stage.until("a failure", |stage| stage.told("Down") >= 2);
        assert_eq!(stage.told("Up"), 0);
    }
}

#[test]
fn each_form_of_the_stations_state_is_understood() {
    for station in [StationForm::Firmware, StationForm::Manual, StationForm::Short] {
        for standing in [Standing::Off, Standing::Joined] {
            let mut stage = stage(&ANYCLOUD, |config| (config.station, config.standing) = (station, standing));
            stage.until_ready();
            works(&mut stage);
            assert_eq!(stage.told("Down"), 0, "{station:?}");
        }
    }
}

#[test]
fn quirks_of_builds_are_lived_with() {
    let reconnects = Some(Duration::from_secs(2));
    for quirks in [
        Quirks { published_at_qos_0: true, ..Quirks::default() },
        Quirks { silent_failures: true, ..Quirks::default() },
        Quirks { no_publish_line: true, ..Quirks::default() },
        Quirks { reconnects, ..Quirks::default() },
        Quirks { faithful: true, ..Quirks::default() },
    ] {
        for kind in both() {
            let mut stage = stage(kind, |config| config.quirks = quirks);
            stage.until_ready();
            for _ in 0..3 {
                let tag = stage.publish("up", b"0", QoS::AtMostOnce);
                assert_eq!(stage.end_of(tag), Ok("delivered"));
                works(&mut stage);
            }
            stage.world.harm(Fault::Modem { device: 0, fault: modem::Fault::NoMqtt });
            stage.until("the next connection", |stage| stage.told("Ready") == 2);
            works(&mut stage);
        }
    }
}

#[test]
fn a_slow_modem_whose_events_come_in_the_midst_of_commands_is_followed() {
    for kind in both() {
        let slow = Times { command: Duration::from_millis(150), boot: Duration::ZERO, ..Times::default() };
        let mut stage = stage(kind, |config| config.times = slow);
        stage.until_ready();
        stage.subscribe("down/#", QoS::AtLeastOnce);
        for number in 0..20_u8 {
            let tag = stage.publish("up", &[number], QoS::AtLeastOnce);
            stage.run(u64::from(number) * 13);
            stage.world.publish("down/x", &[number], QoS::AtLeastOnce);
            assert_eq!(stage.end_of(tag), Ok("delivered"));
        }
        stage.run(2000);
        assert_eq!(stage.came_in.len(), 20);
        assert_eq!(stage.told("Down"), 0);
    }
}

/// Each misbehaviour, in the midst of traffic: afterwards everything works, and every message has its one end.
#[test]
fn r_5_every_misbehaviour_of_a_modem_is_overcome() {
    let second = Duration::from_secs(1);
    let faults = [
        modem::Fault::Garbage(200),
        modem::Fault::Garble(40),
        modem::Fault::Lose(40),
        modem::Fault::Twice(20),
        modem::Fault::Deaf(3),
        modem::Fault::Silence(second * 30),
        modem::Fault::Interleave(5),
        modem::Fault::Length(3),
        modem::Fault::Reset,
        modem::Fault::NoWifi(second * 20),
        modem::Fault::NoMqtt,
    ];
    for kind in both() {
        for fault in faults {
            let mut stage = stage(kind, |_| ());
            stage.until_ready();
            let mut tags = Vec::new();
            for number in 0..10_u8 {
                tags.push(stage.publish("up", &[b'a' + number], QoS::AtLeastOnce));
                if number == 3 {
                    stage.world.harm(Fault::Modem { device: 0, fault });
                }
                stage.run(17);
            }
            for tag in tags {
                stage.until("the end of a command", |stage| stage.ended.contains_key(&tag));
                assert_eq!(stage.ended[&tag].len(), 1, "{fault}");
            }
            stage.world.harm(Fault::Modem { device: 0, fault: modem::Fault::Behave });
            stage.run(120_000);
            works(&mut stage);
        }
    }
}

#[test]
fn r_5_bytes_that_the_serial_line_spoils_are_overcome() {
    for kind in both() {
        for direction in [Direction::Up, Direction::Down] {
            for noise in [Noise::Lost, Noise::Garbled] {
                for bytes in [1, 2, 5, 20, 60] {
                    let mut stage = stage(kind, |_| ());
                    stage.until_ready();
                    let mut tags = Vec::new();
                    for number in 0..6_u8 {
                        tags.push(stage.publish("up", &[b'a' + number], QoS::AtLeastOnce));
                        if number == 2 {
                            stage.world.harm(Fault::Noise { device: 0, direction, bytes, noise });
                        }
                        stage.run(23);
                    }
                    for tag in tags {
                        stage.until("the end of a command", |stage| stage.ended.contains_key(&tag));
                        assert_eq!(stage.ended[&tag].len(), 1, "{direction:?} {noise:?} {bytes}");
                    }
                    stage.run(120_000);
                    works(&mut stage);
                }
            }
        }
    }
}

/// The dialect need not be found out.
#[test]
fn a_dialect_may_be_named() {
    for (kind, named) in [(&ANYCLOUD, at::Dialect::AnyCloud), (&RNWF, at::Dialect::Rnwf)] {
        let mut world = World::new(1, skytether_world::diary::Keep::Tail, crate::stage::Rules::default);
        world.add(kind.bound(), move |birth: Birth| {
            let options = at::Options { dialect: named, ..options() };
            let cloud = Tester::new("dev-7", &["one.invalid"]);
            let link = at::Modem::new(options, Limits::default());
            Device::new(link, cloud, device::Config::default(), birth.seed, birth.now)
        });
        kind.attach(&mut world, 0);
        world.run(Duration::from_secs(10));
        assert_eq!(world.breach_found(), None);
        assert!(world.modem(0).unwrap().is_connected());
    }
}

/// Without a modem there is no serial line, and the device says so.
#[test]
fn a_device_without_its_modem_says_what_is_missing() {
    let mut world = World::new(1, skytether_world::diary::Keep::Tail, crate::stage::Rules::default);
    world.add(ANYCLOUD.bound(), |birth| ANYCLOUD.device(birth));
    world.run(Duration::from_secs(5));
    let told = format!("{:?}", world.take_told(0));
    assert!(told.contains("no modem is attached"), "{told}");
}
