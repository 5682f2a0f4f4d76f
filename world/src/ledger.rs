//! Which messages were given away and which arrived, how often and in which order: what counts as loss and as doubling.
//!
//! Every message has a number, and its payload says it. The rules, for each message that was accepted:
//!
//! | | QoS 0 | QoS 1 | QoS 2 |
//! |---|---|---|---|
//! | arrives | at most once | at least once | once |
//! | from a device, when told as done | handed to the pipe | has arrived | has arrived |
//! | where the broker lost the session meanwhile | | to the device: may be lost | may be lost (to the device) or doubled (from it) |
//!
//! A link that keeps no session (a modem) promises less: a QoS 2 message is repeated like one of QoS 1 where its
//! acknowledgement was lost, what fails is told as failed, and what comes to the device may be lost between the two.
//! [`Ledger::without_sessions`] is for that.
//!
//! First arrivals come in the order of sending, for each device, direction and quality of service.
//!
//! **Power cuts.** A message that waits in the device's store when the power goes has to arrive still; one that does not
//! may be lost. What a device's application was shown at QoS 2 is taken as kept once the write that follows it is safe;
//! before that the application has lost it with the power, and it has to be shown again.
//!
//! **What MQTT 3.1.1 cannot tell.** A device that loses its power between the word that the broker has a new session
//! and the write that forgets the old one comes back with the old one's ids, to a session that says it was kept. A QoS 2
//! message to it may then be taken for a repeat: it is excused.

use crate::{pipe::Direction, told::Told, watched::Heard};
use skytether_core::{
    io::{Failure, Tag},
    link::QoS,
    message::Received,
};
use std::collections::{BTreeMap, BTreeSet};

/// What one line of the ledger says.
#[derive(Debug)]
struct Mail {
    direction: Direction,
    device: usize,
    qos: QoS,
    tag: Option<Tag>,
    end: End,
    arrivals: u32,
    /// It may be lost, or arrive twice, by a fault that no client can make good.
    may_be_lost: bool,
    may_be_doubled: bool,
    /// It may fail, as long as that is told.
    may_fail: bool,
}

/// How a message ended for its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// Not yet.
    Open,
    Done(Result<(), Failure>),
    /// It was never accepted.
    Refused,
    /// Its sender lost its power, but kept it.
    Kept,
    /// Its sender lost its power, and it.
    Gone,
}

/// What a device's application was shown since its last safe write.
#[derive(Debug, Default)]
struct Shown {
    /// Message, and the latest first arrival before it.
    messages: Vec<(usize, Option<usize>)>,
    /// How many of them a write covers.
    writes: BTreeMap<u64, usize>,
}

/// The messages of one run.
#[derive(Debug, Default)]
pub struct Ledger {
    mails: Vec<Mail>,
    tags: BTreeMap<(usize, Tag), usize>,
    latest: BTreeMap<(usize, bool, QoS), usize>,
    shown: BTreeMap<usize, Shown>,
    /// Devices whose store may hold the ids of a session that is gone, up to the end of the write named.
    stale: BTreeMap<usize, Option<u64>>,
    /// Devices that have lost their power so.
    deceived: BTreeSet<usize>,
    faults: Vec<String>,
    /// No session outlives its connection.
    memoryless: bool,
    /// A device is not told the quality of service of what comes to it.
    without_qos: bool,
}

/// A message as it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Letter {
    /// Its number.
    pub number: usize,
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: QoS,
}

impl Ledger {
    /// For devices whose link keeps no session.
    #[must_use]
    pub fn without_sessions(self) -> Self {
        Self { memoryless: true, ..self }
    }

    /// For devices whose link does not say at which quality of service a message came.
    #[must_use]
    pub fn without_qos(self) -> Self {
        Self { without_qos: true, ..self }
    }

    /// Writes a new message of about `size` bytes.
    pub fn write(&mut self, direction: Direction, device: usize, qos: QoS, size: usize) -> Letter {
        let number = self.mails.len();
        let down = direction == Direction::Down;
        let deceived = qos == QoS::ExactlyOnce && self.deceived.contains(&device);
        self.mails.push(Mail {
            direction,
            device,
            qos,
            tag: None,
            end: End::Open,
            arrivals: 0,
            may_be_lost: down && (deceived || self.memoryless),
            may_be_doubled: self.memoryless && (down || qos == QoS::ExactlyOnce),
            may_fail: self.memoryless,
        });
        let mut payload = marker(number).into_bytes();
        payload.resize(payload.len().max(size), b'.');
        Letter { number, topic: topic(direction, device, qos), payload, qos }
    }

    /// The device accepted it under this tag.
    pub fn accepted(&mut self, number: usize, tag: Tag) {
        if let Some(mail) = self.mails.get_mut(number) {
            mail.tag = Some(tag);
            self.tags.insert((mail.device, tag), number);
        }
    }

    /// It was not accepted: it may never arrive.
    pub fn refused(&mut self, number: usize) {
        if let Some(mail) = self.mails.get_mut(number) {
            mail.end = End::Refused;
        }
    }

    /// The broker accepted a message of a device.
    pub fn heard(&mut self, heard: &Heard) {
        self.arrived(Direction::Up, None, &heard.topic, &heard.payload, heard.qos);
    }

    /// A device's application was shown a message.
    pub fn shown(&mut self, device: usize, message: &Received) {
        self.arrived(Direction::Down, Some(device), message.topic(), message.payload(), message.qos());
    }

    /// A device was let in, and told that its session is a new one.
    pub fn begun(&mut self, device: usize) {
        self.stale.insert(device, None);
    }

    /// Something happened to a device, or to a command of it.
    pub fn told<E, A>(&mut self, device: usize, told: &Told<E, A>) {
        match told {
            Told::Event(_) | Told::Born => {}
            Told::Done(tag, outcome) => self.done(device, *tag, outcome.as_ref().map(|_| ()).map_err(|why| *why)),
            Told::Saving(number) => {
                let shown = self.shown.entry(device).or_default();
                shown.writes.insert(*number, shown.messages.len());
                if let Some(write @ None) = self.stale.get_mut(&device) {
                    *write = Some(*number);
                }
            }
            Told::Saved(number) => {
                if self.stale.get(&device).is_some_and(|write| write.is_some_and(|write| write <= *number)) {
                    self.stale.remove(&device);
                }
                self.saved(device, *number);
            }
            Told::NotSaved(number) => {
                self.shown.entry(device).or_default().writes.remove(number);
                // What an earlier life left may fail in silence now.
                for mail in self.of(device, Direction::Up).filter(|mail| mail.end == End::Kept) {
                    mail.may_be_lost = true;
                }
            }
            Told::Died(kept) => self.died(device, kept.as_deref().unwrap_or_default()),
            Told::Wiped => self.wiped(device),
        }
    }

    /// Whether everything that has to arrive and to end has.
    pub fn is_settled(&self) -> bool {
        self.mails.iter().all(|mail| verdict(mail).is_ok())
    }

    /// What is wrong, message by message.
    pub fn faults(&self) -> Vec<String> {
        let open = self.mails.iter().enumerate().filter_map(|(number, mail)| {
            let why = verdict(mail).err()?;
            Some(format!("message {number}: {why}: {mail:?}"))
        });
        self.faults.iter().cloned().chain(open).collect()
    }

    /// What cannot become right any more.
    pub fn broken(&self) -> Option<&str> {
        self.faults.first().map(String::as_str)
    }

    fn of(&mut self, device: usize, direction: Direction) -> impl Iterator<Item = &mut Mail> {
        self.mails.iter_mut().filter(move |mail| mail.device == device && mail.direction == direction)
    }

    fn arrived(&mut self, direction: Direction, device: Option<usize>, on: &str, payload: &[u8], qos: QoS) {
        let Some(number) = read_marker(payload) else {
            return self.faults.push(format!("a message that nobody sent, on {on:?}"));
        };
        let Some(mail) = self.mails.get_mut(number) else {
            return self.faults.push(format!("message {number} arrived, which was never written"));
        };
        let qos = if self.without_qos && direction == Direction::Down { mail.qos } else { qos };
        let right = mail.direction == direction
            && device.is_none_or(|device| device == mail.device)
            && topic(direction, mail.device, mail.qos) == on
            && mail.qos == qos;
        mail.arrivals += 1;
        let (device, first, key) =
            (mail.device, mail.arrivals == 1, (mail.device, direction == Direction::Up, mail.qos));
        let doubled = mail.arrivals > 1 && qos != QoS::AtLeastOnce && !mail.may_be_doubled;
        if !right {
            self.faults.push(format!("message {number} arrived on {on:?} at {qos:?}: not as it was sent"));
        }
        if doubled {
            self.faults.push(format!("R-6: message {number} arrived twice at {qos:?}"));
        }
        let latest = self.latest.get(&key).copied();
        if first {
            if latest.is_some_and(|latest| latest > number) {
                self.faults.push(format!("R-81: message {number} first arrived after {latest:?}"));
            }
            self.latest.insert(key, number);
        }
        if direction == Direction::Down && qos == QoS::ExactlyOnce {
            self.shown.entry(device).or_default().messages.push((number, latest));
        }
    }

    fn done(&mut self, device: usize, tag: Tag, outcome: Result<(), Failure>) {
        // Not every command is a message.
        let Some(number) = self.tags.remove(&(device, tag)) else { return };
        if let Some(mail) = self.mails.get_mut(number) {
            mail.end = End::Done(outcome);
        }
    }

    fn saved(&mut self, device: usize, number: u64) {
        let shown = self.shown.entry(device).or_default();
        let safe = shown.writes.remove(&number).unwrap_or(0);
        shown.messages.drain(..safe.min(shown.messages.len()));
        for covered in shown.writes.values_mut() {
            *covered = covered.saturating_sub(safe);
        }
    }

    fn died(&mut self, device: usize, kept: &[u8]) {
        for (number, mail) in self.mails.iter_mut().enumerate() {
            if mail.device != device || mail.direction != Direction::Up || mail.end != End::Open {
                continue;
            }
            let marker = marker(number);
            let held = mail.qos != QoS::AtMostOnce && kept.windows(marker.len()).any(|part| part == marker.as_bytes());
            mail.end = if held { End::Kept } else { End::Gone };
        }
        self.tags.retain(|(of, _), _| *of != device);
        if self.stale.remove(&device).is_some() {
            self.deceived.insert(device);
            let unseen = |mail: &&mut Mail| mail.qos == QoS::ExactlyOnce && mail.arrivals == 0;
            self.of(device, Direction::Down).filter(unseen).for_each(|mail| mail.may_be_lost = true);
        }
        let shown = self.shown.remove(&device).unwrap_or_default();
        for (number, latest) in shown.messages.into_iter().rev() {
            let Some(mail) = self.mails.get_mut(number) else { continue };
            mail.arrivals = mail.arrivals.saturating_sub(1);
            let key = (device, false, mail.qos);
            match latest {
                Some(latest) => drop(self.latest.insert(key, latest)),
                None => drop(self.latest.remove(&key)),
            }
        }
    }

    fn wiped(&mut self, device: usize) {
        for mail in self.of(device, Direction::Up) {
            mail.may_be_doubled |= matches!(mail.end, End::Open | End::Kept);
        }
        for mail in self.of(device, Direction::Down).filter(|mail| mail.arrivals == 0) {
            mail.may_be_lost = true;
        }
        // Shown, but not safe: a power cut would make it unseen, and the broker does not have it any more.
        let unsafe_yet = self.shown.get(&device).into_iter().flat_map(|shown| &shown.messages);
        for (number, _) in unsafe_yet {
            if let Some(mail) = self.mails.get_mut(*number) {
                mail.may_be_lost = true;
            }
        }
    }
}

/// What is wrong with one message, as things stand.
fn verdict(mail: &Mail) -> Result<(), &'static str> {
    let arrived = mail.arrivals > 0 || mail.may_be_lost;
    match (mail.direction, mail.end) {
        (_, End::Refused) if mail.arrivals > 0 => Err("R-11: it was refused, and arrived"),
        (_, End::Refused | End::Gone) => Ok(()),
        (Direction::Down, _) if mail.qos == QoS::AtMostOnce || arrived => Ok(()),
        (Direction::Down, _) => Err("it never reached the device"),
        (Direction::Up, End::Open) => Err("R-5: its sender was never told how it ended"),
        (Direction::Up, End::Kept) if !arrived => Err("R-92: it was safe in the store, and never arrived"),
        (Direction::Up, End::Done(Ok(()))) if mail.qos != QoS::AtMostOnce && !arrived => {
            Err("R-5: it was told as published, and never arrived")
        }
        (Direction::Up, End::Done(Err(_))) if mail.may_fail => Ok(()),
        // Arrived before the session was lost: told as lost, so that it is not doubled.
        (Direction::Up, End::Done(Err(Failure::Lost))) if mail.qos == QoS::ExactlyOnce && !mail.may_be_doubled => {
            Err("R-5: it failed as lost though the broker kept the session")
        }
        (Direction::Up, End::Done(Err(Failure::Lost))) if mail.qos == QoS::ExactlyOnce && !arrived => {
            Err("it failed as lost, and had not arrived")
        }
        (Direction::Up, End::Done(Err(Failure::Lost))) if mail.qos == QoS::AtLeastOnce => {
            Err("R-5: a message that would be sent again failed as lost")
        }
        (Direction::Up, End::Done(Err(why))) if !matches!(why, Failure::Lost | Failure::Storage | Failure::Closed) => {
            Err("it failed for no reason that there was")
        }
        (Direction::Up, End::Kept | End::Done(_)) => Ok(()),
    }
}

fn topic(direction: Direction, device: usize, qos: QoS) -> String {
    let way = match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    format!("{way}/{device}/{}", qos.level())
}

/// How a payload begins.
fn marker(number: usize) -> String {
    format!("#{number:08}#")
}

fn read_marker(payload: &[u8]) -> Option<usize> {
    let text = core::str::from_utf8(payload.get(..10)?).ok()?;
    text.strip_prefix('#')?.strip_suffix('#')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use skytether_core::{link::Message, time::Instant};

    type Word = Told<(), ()>;

    fn up(ledger: &mut Ledger, qos: QoS) -> (Letter, Heard) {
        let letter = ledger.write(Direction::Up, 0, qos, 0);
        ledger.accepted(letter.number, Tag(u32::try_from(letter.number).unwrap()));
        let (topic, payload) = (letter.topic.clone(), letter.payload.clone());
        (letter, Heard { at: Instant(0), client: "c".into(), topic, payload, qos })
    }

    fn show(ledger: &mut Ledger, letter: &Letter) {
        let Letter { topic, payload, qos, .. } = letter;
        let message = Message { topic, payload, qos: *qos, retain: false, dup: false };
        ledger.shown(0, &Received::from(message));
    }

    #[test]
    fn a_message_told_as_published_has_to_have_arrived_and_every_message_has_to_end() {
        let mut ledger = Ledger::default();
        let (letter, heard) = up(&mut ledger, QoS::AtLeastOnce);
        assert!(ledger.faults()[0].contains("never told how it ended"));
        ledger.told(0, &Word::Done(Tag(0), Ok(())));
        assert!(ledger.faults()[0].contains("never arrived"), "{letter:?}");
        ledger.heard(&heard);
        ledger.heard(&heard);
        assert_eq!(ledger.faults(), Vec::<String>::new());
    }

    #[test]
    fn qos_2_arrives_once_and_first_arrivals_keep_their_order() {
        let mut ledger = Ledger::default();
        let (_, first) = up(&mut ledger, QoS::ExactlyOnce);
        let (_, second) = up(&mut ledger, QoS::ExactlyOnce);
        ledger.heard(&second);
        ledger.heard(&first);
        assert!(ledger.broken().unwrap().starts_with("R-81"));
        ledger.heard(&first);
        assert!(ledger.faults()[1].starts_with("R-6"));
    }

    #[test]
    fn what_was_safe_at_a_power_cut_has_to_arrive_and_the_rest_need_not() {
        let mut ledger = Ledger::default();
        let (kept, _) = up(&mut ledger, QoS::AtLeastOnce);
        up(&mut ledger, QoS::AtLeastOnce);
        ledger.told(0, &Word::Died(Some(kept.payload)));
        assert_eq!(ledger.faults().len(), 1);
        assert!(ledger.faults()[0].contains("R-92"));
    }

    #[test]
    fn what_was_shown_since_the_last_safe_write_is_shown_again_after_a_power_cut() {
        let mut ledger = Ledger::default();
        let [one, two] = [0; 2].map(|_| ledger.write(Direction::Down, 0, QoS::ExactlyOnce, 0));
        show(&mut ledger, &one);
        ledger.told(0, &Word::Saving(0));
        show(&mut ledger, &two);
        ledger.told(0, &Word::Saved(0));
        ledger.told(0, &Word::Died(None));
        assert!(!ledger.is_settled());
        show(&mut ledger, &two);
        assert_eq!(ledger.faults(), Vec::<String>::new());
        show(&mut ledger, &one);
        assert!(ledger.broken().is_some());
    }

    #[test]
    fn a_lost_session_excuses_what_was_under_way_and_nothing_else() {
        let mut ledger = Ledger::default();
        let (_, heard) = up(&mut ledger, QoS::ExactlyOnce);
        let lost = ledger.write(Direction::Down, 0, QoS::AtLeastOnce, 0);
        ledger.heard(&heard);
        ledger.told(0, &Word::Wiped);
        ledger.heard(&heard);
        ledger.told(0, &Word::Done(Tag(0), Err(Failure::Lost)));
        assert_eq!(ledger.faults(), Vec::<String>::new(), "{lost:?}");
        ledger.write(Direction::Down, 0, QoS::AtLeastOnce, 0);
        assert_eq!(ledger.faults().len(), 1);
    }
}
