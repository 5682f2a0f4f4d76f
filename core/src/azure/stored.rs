//! How an assignment is kept over a restart: one record that is written whole, versioned, checked, and bound to the
//! registration that it answers.
//!
//! ```text
//! "SKYH" version:u8 length:u32 crc32:u32 | service:str scope:str registration:str hub:str device:str
//! (numbers big endian, str = u16 length + bytes)
//! ```

use super::{
    config::Provisioning,
    identity::{DeviceId, HostName},
};
use alloc::vec::Vec;

/// A hub and the device's id there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Home {
    pub(super) hub: HostName,
    pub(super) device: DeviceId,
}

/// Why a record cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unusable {
    /// In words.
    pub(super) why: &'static str,
    /// Whether it is worth nothing to anyone, so that another may take its place.
    pub(super) worthless: bool,
}

const MAGIC: &[u8; 4] = b"SKYH";
const VERSION: u8 = 1;

/// Writes the record.
pub(super) fn seal(whose: &Provisioning, home: &Home) -> Vec<u8> {
    let fields = [
        whose.host.as_str(),
        whose.scope.as_str(),
        whose.registration.as_str(),
        home.hub.as_str(),
        home.device.as_str(),
    ];
    let mut body = Vec::new();
    for field in fields {
        // Every name is checked to have 253 characters at most.
        body.extend_from_slice(&u16::try_from(field.len()).unwrap_or(u16::MAX).to_be_bytes());
        body.extend_from_slice(field.as_bytes());
    }
    let mut record = Vec::with_capacity(body.len().saturating_add(13));
    record.extend_from_slice(MAGIC);
    record.push(VERSION);
    record.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    record.extend_from_slice(&crate::checksum::crc32(&body).to_be_bytes());
    record.extend_from_slice(&body);
    record
}

/// Reads a record.
pub(super) fn open(record: &[u8], whose: &Provisioning) -> Result<Home, Unusable> {
    let mut read = Reader(record);
    if read.take(4) != Some(MAGIC) {
        return Err(worthless("the record is no assignment of ours"));
    }
    match read.take(1) {
        Some([VERSION]) => {}
        Some(_) => {
            return Err(kept("the record is of another version of this software: delete it, or use that version"));
        }
        None => return Err(worthless("the record is cut off")),
    }
    let (len, crc) = (read.u32(), read.u32());
    if len.and_then(|len| usize::try_from(len).ok()) != Some(read.0.len()) {
        return Err(worthless("the record is cut off"));
    }
    if crc != Some(crate::checksum::crc32(read.0)) {
        return Err(worthless("the record is damaged"));
    }
    let damaged = worthless("the record is damaged");
    let mut text = || read.text().ok_or(damaged);
    let (service, scope, registration, hub, device) = (text()?, text()?, text()?, text()?, text()?);
    if [service, scope, registration] != [whose.host.as_str(), whose.scope.as_str(), whose.registration.as_str()] {
        return Err(kept("the record belongs to another registration: delete it, or give each device its own store"));
    }
    if !read.0.is_empty() {
        return Err(damaged);
    }
    let (hub, device) = (HostName::new(hub), DeviceId::new(device));
    Ok(Home { hub: hub.map_err(|_| damaged)?, device: device.map_err(|_| damaged)? })
}

fn worthless(why: &'static str) -> Unusable {
    Unusable { why, worthless: true }
}

fn kept(why: &'static str) -> Unusable {
    Unusable { why, worthless: false }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*taken))
    }

    fn text(&mut self) -> Option<&'a str> {
        let (len, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        core::str::from_utf8(self.take(u16::from_be_bytes(*len).into())?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::identity::{IdScope, RegistrationId};
    use proptest::prelude::*;

    fn whose(registration: &str) -> Provisioning {
        Provisioning::new(IdScope::new("0ne00000001").unwrap(), RegistrationId::new(registration).unwrap())
    }

    fn home() -> Home {
        Home { hub: HostName::new("h.azure-devices.net").unwrap(), device: DeviceId::new("A-1").unwrap() }
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(open(&seal(&whose("a-1"), &home()), &whose("a-1")), Ok(home()));
    }

    #[test]
    fn r_91_r_95_a_record_cut_off_or_changed_anywhere_is_refused_as_worthless() {
        let record = seal(&whose("a-1"), &home());
        for len in 0..record.len() {
            assert!(open(&record[..len], &whose("a-1")).is_err_and(|unusable| unusable.worthless), "{len}");
        }
        for at in (0..record.len()).filter(|at| *at != 4) {
            let mut spoilt = record.clone();
            spoilt[at] ^= 0x10;
            assert!(open(&spoilt, &whose("a-1")).is_err_and(|unusable| unusable.worthless), "{at}");
        }
    }

    #[test]
    fn r_93_a_record_of_another_version_is_refused_and_kept() {
        let mut record = seal(&whose("a-1"), &home());
        record[4] = 2;
        assert!(open(&record, &whose("a-1")).is_err_and(|unusable| !unusable.worthless));
    }

    #[test]
    fn r_94_a_record_of_another_device_scope_or_service_is_refused_and_kept() {
        let record = seal(&whose("a-1"), &home());
        let mut others = [whose("a-2"), whose("a-1"), whose("a-1")];
        others[1].scope = IdScope::new("0ne00000002").unwrap();
        others[2].host = HostName::new("other.net").unwrap();
        for other in others {
            assert!(open(&record, &other).is_err_and(|unusable| !unusable.worthless), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn r_1_no_record_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut record = b"SKYH\x01".to_vec();
            record.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
            record.extend_from_slice(&crate::checksum::crc32(&body).to_be_bytes());
            record.extend_from_slice(&body);
            let _ = open(&record, &whose("a-1"));
            let _ = open(&body, &whose("a-1"));
        }
    }
}
