//! Which bounds the platform sets, and which of them are checked before anything is queued.

use crate::{io::Rejected, link::QoS};
use core::time::Duration;

/// Largest MQTT packet the platform takes, in bytes; a published message is one packet.
pub const PACKET: usize = 16 * 1024;
/// Longest topic, in bytes.
pub const TOPIC: usize = 255;
/// Slashes a topic may have at most.
pub const SLASHES: usize = 10;
/// Longest keep-alive, in seconds.
pub const KEEP_ALIVE: u16 = 900;
/// Messages a second that a device may send.
pub const MESSAGES_UP_PER_SECOND: u32 = 30;
/// Messages a second that a device is sent at most.
pub const MESSAGES_DOWN_PER_SECOND: u32 = 50;
/// The platform takes one connection request of a device in this time.
pub const CONNECT_GAP: Duration = Duration::from_secs(5);
/// Connections lost sooner than this, three in a row, look like another client with the same id.
pub const SHORT_LIFE: Duration = Duration::from_secs(10);
/// How long a subscription may take to come into effect, and how long we wait for any answer.
pub const ANSWER: Duration = Duration::from_secs(5);

/// The type and length bytes of a PUBLISH of this size, the length of its topic, its packet id.
const PUBLISH_OVERHEAD: usize = 1 + 3 + 2 + 2;

/// Checks a topic or filter as a whole.
///
/// # Errors
/// [`Rejected::Invalid`] over 255 bytes or 10 slashes.
pub(crate) fn check_topic(pieces: &[&str]) -> Result<(), Rejected> {
    if pieces.iter().map(|piece| piece.len()).sum::<usize>() > TOPIC {
        return Err(Rejected::Invalid("the topic is longer than the platform's 255 bytes"));
    }
    if pieces.iter().flat_map(|piece| piece.bytes()).filter(|byte| *byte == b'/').count() > SLASHES {
        return Err(Rejected::Invalid("the topic has more than the platform's 10 slashes"));
    }
    Ok(())
}

/// Checks a whole message.
///
/// # Errors
/// As [`check_topic`]; [`Rejected::Invalid`] over 16 KiB with its topic, [`Rejected::Unsupported`] at QoS 2.
pub(crate) fn check_message(topic: &[&str], payload: &[u8], qos: QoS) -> Result<(), Rejected> {
    check_topic(topic)?;
    check_qos(qos)?;
    let topic: usize = topic.iter().map(|piece| piece.len()).sum();
    if payload.len().saturating_add(topic).saturating_add(PUBLISH_OVERHEAD) > PACKET {
        return Err(Rejected::Invalid("the message is larger than the platform's 16 KiB, topic included"));
    }
    Ok(())
}

/// Checks a quality of service.
///
/// # Errors
/// [`Rejected::Unsupported`] at 2.
pub(crate) fn check_qos(qos: QoS) -> Result<(), Rejected> {
    match qos {
        QoS::AtMostOnce | QoS::AtLeastOnce => Ok(()),
        QoS::ExactlyOnce => Err(Rejected::Unsupported("QoS 2; the platform takes 0 and 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, vec};

    #[test]
    fn r_75_a_topic_may_have_255_bytes_and_10_slashes() {
        assert_eq!(check_topic(&[&"t".repeat(200), &"u".repeat(55)]), Ok(()));
        assert!(check_topic(&[&"t".repeat(200), &"u".repeat(56)]).is_err());
        assert_eq!(check_topic(&["a/", &"/".repeat(9)]), Ok(()));
        assert!(check_topic(&["a/", &"/".repeat(10)]).is_err());
    }

    #[test]
    fn r_75_a_message_may_fill_a_packet_of_16_kib_and_no_more() {
        let topic = "t".repeat(20);
        let most = PACKET - 20 - 8;
        assert_eq!(check_message(&[&topic], &vec![0; most], QoS::AtLeastOnce), Ok(()));
        assert!(matches!(
            check_message(&[&topic], &vec![0; most + 1], QoS::AtLeastOnce),
            Err(Rejected::Invalid(why)) if why.contains("16 KiB")
        ));
    }

    #[test]
    fn qos_2_is_refused_by_name() {
        assert!(matches!(
            check_message(&[&String::from("t")], b"", QoS::ExactlyOnce),
            Err(Rejected::Unsupported(what)) if what.contains("QoS 2")
        ));
    }
}
