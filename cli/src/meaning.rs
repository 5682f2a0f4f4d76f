//! What does a CONNACK code mean on this cloud, and what should the user look at?

use skytether_core::io::Refusal;

/// Whose codes they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "one for each cloud that the tool knows")]
pub enum Platform {
    /// Tencent Cloud IoT Hub.
    Tencent,
    /// An ordinary MQTT broker.
    Plain,
}

/// The meaning of a refusal, and what to check.
pub fn explain(platform: Platform, refusal: Refusal) -> (&'static str, &'static str) {
    match platform {
        Platform::Tencent => tencent(refusal),
        Platform::Plain => plain(refusal),
    }
}

fn tencent(refusal: Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::ProtocolVersion => {
            ("the protocol version is refused", "host and port: something else may listen there")
        }
        Refusal::IdentifierRejected => (
            "the client id is refused",
            "productId and deviceName: the client id is one behind the other, and the cloud has to know that device",
        ),
        Refusal::ServerUnavailable => ("the cloud is not available for now", "that it runs, and try again in a while"),
        Refusal::BadCredentials => (
            "user name or password is wrong",
            "deviceSecret first: the password is a signature made with it; then productId and deviceName",
        ),
        Refusal::NotAuthorized => ("the device is not authorised", "the console: the device may be disabled"),
        _ => ("the cloud refuses", "the cloud's documentation of the code"),
    }
}

fn plain(refusal: Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::ProtocolVersion => ("the broker speaks no MQTT 3.1.1", "host and port, and the broker's version"),
        Refusal::IdentifierRejected => ("the client id is refused", "--id: its length and characters"),
        Refusal::ServerUnavailable => ("the broker is not available for now", "that it runs, and try again in a while"),
        Refusal::BadCredentials => ("user name or password is wrong", "--username and --password"),
        Refusal::NotAuthorized => (
            "this client is not authorised",
            "--username and --password: some brokers answer so where none, or wrong ones, are given",
        ),
        _ => ("the broker refuses", "the broker's documentation of the code"),
    }
}
