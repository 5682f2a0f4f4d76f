//! Which work of the codec is measured, and who does it?

mod decode;
mod encode;
mod hand;
mod peers;

use crate::{
    Group,
    packets::{Stream, connack, puback, publish, suback},
};
use skytether_core::link::QoS;

/// Packets in one run: many enough that the clock's own cost vanishes.
const BATCH: usize = 64;

/// Largest packet that any peer accepts here.
const MAX: usize = 64 * 1024;

/// All groups of the codec.
pub(crate) fn groups() -> Vec<Group> {
    let sizes = [(16, "16 B"), (256, "256 B"), (4096, "4 KiB")];
    let mut all = Vec::new();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        for (len, size) in sizes {
            let name = format!("decode PUBLISH QoS {}, {size}", qos.level());
            all.push(decode::whole(name, &Stream::of(&publish(qos, len, 7), BATCH)));
        }
    }
    for (name, packet) in [("PUBACK", puback(7)), ("CONNACK", connack()), ("SUBACK", suback(7))] {
        all.push(decode::whole(format!("decode {name}"), &Stream::of(&packet, BATCH)));
    }
    let mixed = Stream::mixed();
    all.push(decode::whole("decode mixed stream, whole".to_owned(), &mixed));
    for size in [1460, 64] {
        all.push(decode::chunked(format!("decode mixed stream, {size} B chunks"), &mixed, size));
    }
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        for (len, size) in sizes {
            all.push(encode::publish(format!("encode PUBLISH QoS {}, {size}", qos.level()), qos, len));
        }
    }
    all.push(encode::puback());
    all
}
