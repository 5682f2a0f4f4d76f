//! Does a device of ours get on with rumqttd, whose habits are not mosquitto's?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "tests fail by panicking"
)]

#[macro_use]
mod support;

use skytether_core::link::QoS;
use skytether_testing::rumqttd::Rumqttd;
use support::{
    device::{Client, fleeting, lasting},
    runtime::Runtime,
};

const EACH: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

async fn messages_of_each_quality_go_out_and_come_back_whole(runtime: Runtime) {
    let broker = Rumqttd::start();
    let large = vec![0xa5; 100_000];
    for granted in EACH {
        let mut listener = Client::new(runtime, broker.port, fleeting("listener"));
        listener.subscribe("each/#", granted).await;
        let mut speaker = Client::new(runtime, broker.port, fleeting("speaker"));
        speaker.ready().await;
        for qos in EACH {
            for payload in [&b"small"[..], &large] {
                speaker.publish("each/one", payload, qos).await;
                let message = listener.message().await;
                assert_eq!((message.topic(), message.retain()), ("each/one", false));
                assert!(message.payload() == payload, "{} bytes", message.payload().len());
                // Its habit: the QoS of the subscription, whatever that of the message was.
                assert_eq!(message.qos(), granted);
            }
        }
        speaker.close().await;
        listener.close().await;
    }
}

async fn a_session_waits_for_its_device(runtime: Runtime) {
    let broker = Rumqttd::start();
    let device = Client::new(runtime, broker.port, lasting("device"));
    device.subscribe("waits", QoS::AtLeastOnce).await;
    device.close().await;
    let mut speaker = Client::new(runtime, broker.port, fleeting("speaker"));
    speaker.ready().await;
    for text in ["one", "two", "three"] {
        speaker.publish("waits", text, QoS::AtLeastOnce).await;
    }
    let mut device = Client::new(runtime, broker.port, lasting("device"));
    for text in ["one", "two", "three"] {
        assert_eq!(device.message().await.payload(), text.as_bytes());
    }
    device.close().await;
    speaker.close().await;
}

async fn a_broker_that_was_killed_and_knows_nothing_is_told_again(runtime: Runtime) {
    let mut broker = Rumqttd::start();
    let mut client = Client::new(runtime, broker.port, lasting("again"));
    client.subscribe("again", QoS::ExactlyOnce).await;
    client.publish("again", "before", QoS::ExactlyOnce).await;
    assert_eq!(client.message().await.payload(), b"before");
    broker.restart();
    // Nobody calls `reconnect_now`, and nobody subscribes anew.
    client.ready().await;
    client.publish("again", "after", QoS::ExactlyOnce).await;
    assert_eq!(client.message().await.payload(), b"after");
    client.close().await;
}

on_each_runtime! {
    #[ignore = "needs rumqttd: cargo xtask test --only rumqttd"]
    messages_of_each_quality_go_out_and_come_back_whole,
    a_session_waits_for_its_device,
    a_broker_that_was_killed_and_knows_nothing_is_told_again,
}
