//! Does each step of a case hold? Acts on the client, and compares what it sends and tells.

use super::{
    event::{self, reason},
    feed::Feed,
    pattern::{Bindings, Pattern},
    rig::Rig,
    schema::{Act, Call, Config, Wanted},
};
use crate::hex_of;
use skytether_core::{
    io::Rejected,
    mqtt::codec::{DISCONNECT, frame_len},
};
use std::collections::BTreeSet;

/// Runs the steps of a case in one way; what the client told, for comparison between ways.
pub(super) fn run(config: &Config, acts: &[Act], feed: Feed) -> Result<Vec<String>, String> {
    let persist = acts.iter().any(|act| matches!(act, Act::Restart));
    let refused = matches!(acts, [Act::ConfigError, ..]);
    let rig = config.connect().and_then(|connect| {
        Rig::new(config.options(persist), connect, feed).map_err(|why| format!("the configuration is refused: {why}"))
    });
    let rig = match (rig, refused) {
        (Ok(rig), false) => rig,
        (Err(_), true) => return Ok(Vec::new()),
        (Ok(_), true) => return Err("the configuration is accepted, and must be refused".to_owned()),
        (Err(why), false) => return Err(why),
    };
    let mut judge = Judge {
        config,
        rig,
        bindings: Bindings::new(),
        starts: BTreeSet::from([0]),
        allowed: Vec::new(),
        collected: Vec::new(),
    };
    for (index, act) in acts.iter().enumerate() {
        let may_send = !is_held(acts, index);
        judge.step(act, may_send).map_err(|why| format!("step {}, {}: {why}", index + 1, name(act)))?;
    }
    Ok(judge.rig.trace)
}

/// Whether the pipe takes nothing by itself at a step: between two looks at what was sent, the case takes it in parts.
fn is_held(acts: &[Act], index: usize) -> bool {
    let ends = |act: &Act| {
        matches!(act, Act::ExpectTx(_) | Act::ExpectTxStart(..) | Act::CollectTx | Act::Open | Act::Drop | Act::Restart)
    };
    let begin = acts.iter().take(index).rposition(ends).map_or(0, |at| at + 1);
    acts.iter().skip(begin).take_while(|act| !ends(act)).any(|act| matches!(act, Act::TakeTx(_)))
}

struct Judge<'a> {
    config: &'a Config,
    rig: Rig,
    bindings: Bindings,
    /// Where in the bytes sent a comparison may begin: at the last look, or since then where the connection began or
    /// the case took a part.
    starts: BTreeSet<usize>,
    /// Packets that the next look tolerates.
    allowed: Vec<Vec<u8>>,
    collected: Vec<u8>,
}

impl Judge<'_> {
    fn step(&mut self, act: &Act, may_send: bool) -> Result<(), String> {
        match act {
            Act::Open => {
                self.rig.open()?;
                self.starts.insert(self.rig.sent.len());
            }
            Act::Drop => self.rig.lose()?,
            Act::Rx(packets) | Act::RxAfterClose(packets) => {
                let bytes = Pattern::new(packets)?.bytes(&self.bindings)?;
                self.rig.receive(&bytes, may_send)?;
            }
            Act::ExpectTx(alternatives) => return self.expect_sent(alternatives),
            Act::ExpectTxStart(prefix, len) => return self.expect_sent_start(prefix, *len),
            Act::AllowTx(packet) => {
                let packet = Pattern::new(std::slice::from_ref(packet))?.bytes(&self.bindings)?;
                self.allowed.push(packet);
            }
            Act::AllowDisconnect => self.allowed.push(DISCONNECT.to_vec()),
            Act::CollectTx => {
                self.rig.send_all()?;
                self.collected.append(&mut self.rig.sent);
                self.looked();
            }
            Act::ExpectCollected(packet) => return self.expect_collected(packet),
            Act::TakeTx(count) => {
                self.rig.send_some(*count)?;
                self.starts.insert(self.rig.sent.len());
            }
            Act::ExpectEvents(wanted) => {
                let seen = std::mem::take(&mut self.rig.events);
                return event::compare(&seen, wanted);
            }
            Act::ForbidEvent(kind) => {
                return match self.rig.events.iter().find(|event| event.kind == kind) {
                    Some(event) => Err(format!("came {event}")),
                    None => Ok(()),
                };
            }
            Act::ExpectClose(reasons) => return self.expect_close(reasons),
            Act::ExpectOpen => {
                return match self.rig.close_asked() {
                    None => Ok(()),
                    Some(cause) => Err(format!("the client has closed: {cause}")),
                };
            }
            Act::Either => {}
            Act::Advance(millis) => {
                self.rig.settle()?;
                self.rig.advance(*millis, may_send)?;
            }
            Act::Jump(millis) => {
                self.rig.settle()?;
                self.rig.jump(*millis)?;
            }
            Act::ConfigError => return Err("only as the first step".to_owned()),
            Act::Restart => self.rig.restart(),
            Act::Distinct(names) => return self.distinct(names),
            Act::NextPacketId(id) => self.rig.number_from(*id),
            Act::MaxBuffered(most) => {
                let held = self.rig.buffered();
                return if held <= *most { Ok(()) } else { Err(format!("{held} bytes are held")) };
            }
            Act::Api(call, wanted) => {
                self.rig.settle()?;
                self.call(call, wanted)?;
                self.rig.pump()?;
            }
        }
        if may_send { self.rig.send_all() } else { Ok(()) }
    }

    fn call(&mut self, call: &Call, wanted: &Wanted) -> Result<(), String> {
        let rig = &mut self.rig;
        let outcome = match call {
            Call::Publish { topic, payload, qos, retain, tag } => {
                rig.publish(topic, payload, *qos, *retain, tag.clone())
            }
            Call::Subscribe { filters, tag } => rig.subscribe(filters, tag.clone()),
            Call::Unsubscribe { filters, tag } => rig.unsubscribe(filters, tag.clone()),
            Call::Disconnect { drain } => {
                let drain = drain.then(|| self.config.drain());
                rig.disconnect(drain);
                Ok(())
            }
            Call::Ack { packet_id } => {
                let id = packet_id.as_deref().map(|id| packet_id_of(id, &self.bindings)).transpose()?;
                rig.acknowledge(id)
            }
        };
        match (outcome, wanted) {
            (Ok(()), Wanted::Success | Wanted::Either) | (Err(_), Wanted::Either) => Ok(()),
            (Ok(()), Wanted::Error(class)) => Err(format!("was accepted, expected {class}")),
            (Err(why), Wanted::Success) => Err(format!("was refused: {why}")),
            (Err(why), Wanted::Error(class)) if is_class(why, class) => Ok(()),
            (Err(why), Wanted::Error(class)) => Err(format!("was refused with {why:?}, expected {class}")),
        }
    }

    fn expect_sent(&mut self, alternatives: &[Vec<String>]) -> Result<(), String> {
        self.rig.send_all()?;
        let sent = std::mem::take(&mut self.rig.sent);
        let allowed = std::mem::take(&mut self.allowed);
        let mut why = String::new();
        for packets in alternatives {
            let pattern = Pattern::new(packets)?;
            for &start in &self.starts {
                let plain = sent.get(start..).unwrap_or_default();
                for bytes in std::iter::once(plain.to_vec()).chain(without(plain, &allowed)) {
                    let mut bindings = self.bindings.clone();
                    match pattern.matches(&bytes, &mut bindings) {
                        Ok(()) => {
                            self.bindings = bindings;
                            self.looked();
                            return Ok(());
                        }
                        Err(difference) if why.is_empty() => {
                            why = format!("sent {}, expected {packets:?}: {difference}", shown(&bytes));
                        }
                        Err(_) => {}
                    }
                }
            }
        }
        Err(why)
    }

    fn expect_sent_start(&mut self, prefix: &str, len: usize) -> Result<(), String> {
        self.rig.send_all()?;
        let sent = std::mem::take(&mut self.rig.sent);
        let pattern = Pattern::new(std::slice::from_ref(&prefix.to_owned()))?;
        // A name stands for two bytes; what it is bound to decides nothing about the length.
        let front = prefix.split('<').next().map_or(0, str::len) / 2;
        let names = prefix.matches('<').count();
        let hex: usize =
            prefix.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(_, hex)| hex.len()).sum();
        let start = sent.get(..front + 2 * names + hex / 2).unwrap_or(&sent);
        pattern
            .matches(start, &mut self.bindings)
            .map_err(|difference| format!("sent {}, expected {prefix}…: {difference}", shown(&sent)))?;
        self.looked();
        if sent.len() == len { Ok(()) } else { Err(format!("sent {} bytes, expected {len}", sent.len())) }
    }

    fn looked(&mut self) {
        self.starts = BTreeSet::from([0]);
    }

    fn expect_collected(&self, packet: &str) -> Result<(), String> {
        let pattern = Pattern::new(std::slice::from_ref(&packet.to_owned()))?;
        let packets = packets_of(&self.collected);
        let found = packets.iter().any(|sent| pattern.matches(sent, &mut self.bindings.clone()).is_ok());
        if found { Ok(()) } else { Err(format!("not among {}", shown(&self.collected))) }
    }

    fn expect_close(&self, reasons: &[String]) -> Result<(), String> {
        let Some(seen) = self.rig.close_asked() else {
            return Err(format!("the client has not closed, expected {reasons:?}"));
        };
        if reasons.iter().any(|wanted| wanted == reason(seen)) {
            return Ok(());
        }
        Err(format!("closed as {} ({seen}), expected {reasons:?}", reason(seen)))
    }

    fn distinct(&self, names: &[String]) -> Result<(), String> {
        let mut ids = BTreeSet::new();
        for name in names {
            let id = self.bindings.get(name).ok_or_else(|| format!("<{name}> has not been sent by the client yet"))?;
            if !ids.insert(id) {
                return Err(format!("<{name}> is not the only one with packet id {}", u16::from_be_bytes(*id)));
            }
        }
        Ok(())
    }
}

/// Whether a refusal is of the class that a case names. Classes that are not known here are any refusal.
fn is_class(why: Rejected, class: &str) -> bool {
    let text = match why {
        Rejected::Invalid(text) => text,
        Rejected::Full => return !matches!(class, "not_connected" | "offline") && !class.starts_with("invalid"),
        Rejected::Offline => return !matches!(class, "queue_full") && !class.starts_with("invalid"),
        Rejected::Unsupported(_) => return !matches!(class, "queue_full" | "not_connected" | "offline"),
    };
    match class {
        "queue_full" | "not_connected" | "offline" => false,
        "invalid_topic" => text.contains("topic"),
        "invalid_filter" => text.contains("filter") || text.contains("topic"),
        "empty_filter_list" => text.contains("filter"),
        "too_large" => text.contains("limit") || text.contains("long"),
        _ => true,
    }
}

/// A packet id as a number, as `<name>`, or as four hexadecimal digits after `0x`.
fn packet_id_of(text: &str, bindings: &Bindings) -> Result<u16, String> {
    if let Some(name) = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
        let id = bindings.get(name).ok_or_else(|| format!("{text} has not been sent by the client yet"))?;
        return Ok(u16::from_be_bytes(*id));
    }
    let number = match text.strip_prefix("0x") {
        Some(hex) => u16::from_str_radix(hex, 16),
        None => text.parse(),
    };
    number.map_err(|_| format!("{text} is no packet id"))
}

/// What was sent without one or more of the packets allowed, wherever they stand.
fn without(sent: &[u8], allowed: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut results = Vec::new();
    let mut packets = packets_of(sent);
    for packet in allowed {
        if let Some(at) = packets.iter().position(|other| other == packet) {
            packets.remove(at);
            results.push(packets.concat());
        }
    }
    results
}

/// Cuts bytes into packets; what is left over is the last.
fn packets_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut rest = bytes;
    while let Ok(Some(len)) = frame_len(rest, usize::MAX)
        && let Some((packet, behind)) = rest.split_at_checked(len)
    {
        packets.push(packet.to_vec());
        rest = behind;
    }
    if !rest.is_empty() {
        packets.push(rest.to_vec());
    }
    packets
}

fn shown(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    packets_of(bytes).iter().map(|packet| hex_of(packet)).collect::<Vec<_>>().join(" ")
}

/// The step in a word or two.
fn name(act: &Act) -> &'static str {
    match act {
        Act::Open => "open",
        Act::Drop => "drop",
        Act::Rx(_) => "rx",
        Act::RxAfterClose(_) => "rx_after_close",
        Act::ExpectTx(_) => "expect_tx",
        Act::ExpectTxStart(..) => "expect_tx_prefix",
        Act::AllowTx(_) | Act::AllowDisconnect => "allow_tx",
        Act::CollectTx => "collect_tx",
        Act::ExpectCollected(_) => "expect_collected_contains",
        Act::TakeTx(_) => "take_tx_bytes",
        Act::ExpectEvents(_) => "expect_events",
        Act::ForbidEvent(_) => "forbid_event",
        Act::ExpectClose(_) => "expect_close",
        Act::ExpectOpen => "expect_open",
        Act::Either => "either",
        Act::Advance(_) => "advance_ms",
        Act::Jump(_) => "jump_ms",
        Act::ConfigError => "config_error",
        Act::Restart => "restart",
        Act::Distinct(_) => "distinct",
        Act::NextPacketId(_) => "set_next_packet_id",
        Act::MaxBuffered(_) => "max_buffered_bytes",
        Act::Api(Call::Publish { .. }, _) => "api:publish",
        Act::Api(Call::Subscribe { .. }, _) => "api:subscribe",
        Act::Api(Call::Unsubscribe { .. }, _) => "api:unsubscribe",
        Act::Api(Call::Disconnect { .. }, _) => "api:disconnect",
        Act::Api(Call::Ack { .. }, _) => "api:ack",
    }
}
