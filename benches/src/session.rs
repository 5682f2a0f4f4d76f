//! How much does a session cost beside its codec: ids, tracking, acknowledgements, events?

mod ours;
mod peers;

use crate::{Group, row};

/// Messages in one run; what a read from a busy socket brings at once.
const BATCH: u16 = 16;

/// All groups of the session.
pub(crate) fn groups() -> Vec<Group> {
    let receive = vec![
        row("skytether", ours::session_in()),
        row("rumqttc MqttState", peers::rumqttc_in()),
        row("mqtt-protocol-core", peers::protocol_core_in()),
        row("skytether, as a whole device", ours::device_in()),
    ];
    let publish = vec![
        row("skytether", ours::session_out()),
        row("rumqttc MqttState", peers::rumqttc_out()),
        row("mqtt-protocol-core", peers::protocol_core_out()),
        row("skytether, as a whole device", ours::device_out()),
    ];
    vec![
        Group { name: "session in, QoS 1, 256 B".to_owned(), units: BATCH.into(), rows: receive },
        Group { name: "session out, QoS 1, 256 B".to_owned(), units: BATCH.into(), rows: publish },
    ]
}
