//! What does a CONNACK code mean on this cloud, and what should the user look at?

use skytether_core::io::Refusal;

/// Whose codes they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "one for each cloud that the tool knows")]
pub enum Platform {
    /// Azure IoT.
    Azure,
    /// Tencent Cloud IoT Hub.
    Tencent,
    /// An ordinary MQTT broker.
    Plain,
}

/// The meaning of a refusal, and what to check.
pub fn explain(platform: Platform, refusal: Refusal) -> (&'static str, &'static str) {
    match platform {
        Platform::Azure => azure(refusal),
        Platform::Tencent => tencent(refusal),
        Platform::Plain => plain(refusal),
    }
}

fn azure(refusal: Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::ProtocolVersion => {
            ("the protocol version is refused", "host and port: something else may listen there")
        }
        Refusal::IdentifierRejected => {
            ("the client id is refused", "registration_id or device_id: the client id is that, or device/module")
        }
        Refusal::ServerUnavailable => (
            "the service is not available for now",
            "that the hub is the device's own, and try again in a while: it may be throttling",
        ),
        Refusal::BadCredentials => (
            "user name or token is wrong",
            "id_scope, registration_id and key; that the enrolment exists; and this machine's clock",
        ),
        Refusal::NotAuthorized => (
            "the device is not authorised",
            "the key or certificate, that the device is enabled, and this machine's clock: tokens are dated",
        ),
        Refusal::Unspecified => (
            "the service refuses, and the modem does not say why",
            "the log of the service, and what the device says of itself",
        ),
        _ => ("the service refuses", "the platform's documentation of the code"),
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
        Refusal::Unspecified => (
            "the cloud refuses, and the modem does not say why",
            "the log of the cloud, and what the device says of itself",
        ),
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
        Refusal::Unspecified => ("the broker refuses, and the modem does not say why", "the log of the broker"),
        _ => ("the broker refuses", "the broker's documentation of the code"),
    }
}
