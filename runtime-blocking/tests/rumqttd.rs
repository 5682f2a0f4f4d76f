//! Does a device of ours get on with rumqttd, whose habits are not mosquitto's?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and wait for the real world"
)]

mod support;

use skytether_core::link::QoS;
use skytether_testing::rumqttd::Rumqttd;
use support::{Client, fleeting, lasting};

const EACH: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

#[test]
#[ignore = "needs rumqttd: cargo xtask test --only rumqttd"]
fn messages_of_each_quality_go_out_and_come_back_whole() {
    let broker = Rumqttd::start();
    let large = vec![0xa5; 100_000];
    for granted in EACH {
        let mut listener = Client::new(broker.port, fleeting("listener"));
        listener.subscribe("each/#", granted);
        let mut speaker = Client::new(broker.port, fleeting("speaker"));
        speaker.ready();
        for qos in EACH {
            for payload in [&b"small"[..], &large] {
                speaker.publish("each/one", payload, qos);
                let message = listener.message();
                assert_eq!((message.topic(), message.retain()), ("each/one", false));
                assert!(message.payload() == payload, "{} bytes", message.payload().len());
                // Its habit: the QoS of the subscription, whatever that of the message was.
                assert_eq!(message.qos(), granted);
            }
        }
        speaker.close();
        listener.close();
    }
}

#[test]
#[ignore = "needs rumqttd: cargo xtask test --only rumqttd"]
fn a_session_waits_for_its_device() {
    let broker = Rumqttd::start();
    let device = Client::new(broker.port, lasting("device"));
    device.subscribe("waits", QoS::AtLeastOnce);
    device.close();
    let mut speaker = Client::new(broker.port, fleeting("speaker"));
    speaker.ready();
    for text in ["one", "two", "three"] {
        speaker.publish("waits", text, QoS::AtLeastOnce);
    }
    let mut device = Client::new(broker.port, lasting("device"));
    for text in ["one", "two", "three"] {
        assert_eq!(device.message().payload(), text.as_bytes());
    }
    device.close();
    speaker.close();
}

#[test]
#[ignore = "needs rumqttd: cargo xtask test --only rumqttd"]
fn a_broker_that_was_killed_and_knows_nothing_is_told_again() {
    let mut broker = Rumqttd::start();
    let mut client = Client::new(broker.port, lasting("again"));
    client.subscribe("again", QoS::ExactlyOnce);
    client.publish("again", "before", QoS::ExactlyOnce);
    assert_eq!(client.message().payload(), b"before");
    broker.restart();
    // Nobody calls `reconnect_now`, and nobody subscribes anew.
    client.ready();
    client.publish("again", "after", QoS::ExactlyOnce);
    assert_eq!(client.message().payload(), b"after");
    client.close();
}
