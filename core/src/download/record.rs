//! How a download is kept over a restart: one record that is written whole, versioned, checked, and bound to its device.
//!
//! ```text
//! "SKYD" version:u8 length:u32 crc32:u32 | identity:str stage:u8 …
//! stage 0 (no download):  note:str
//! stage 1, 2, 3 (under way, verified, ready):
//!     job:str digest kind:u8 digest:str total:opt offset:u64 restarts:u8 spent:u64 etag:str work:str note:str
//! (numbers big endian; str = u16 length + bytes; opt = u8 0, or u8 1 and a u64)
//! ```

use alloc::{string::String, vec::Vec};

const MAGIC: &[u8; 4] = b"SKYD";
const VERSION: u8 = 1;

/// How far a download has come, as the record tells it (R-100).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Bytes are missing.
    UnderWay,
    /// All bytes are there and are the right ones.
    Verified,
    /// The application accepted them too.
    Ready,
}

/// What is kept of a download.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Kept {
    pub(super) stage: Stage,
    pub(super) job: String,
    pub(super) digest_kind: u8,
    pub(super) digest: Vec<u8>,
    /// Length of the whole, once it is known.
    pub(super) total: Option<u64>,
    /// Bytes that the slot holds safely.
    pub(super) offset: u64,
    /// How often it began anew because the content was wrong.
    pub(super) restarts: u8,
    /// Milliseconds that it has taken so far.
    pub(super) spent: u64,
    pub(super) etag: Option<String>,
    /// The digest under way.
    pub(super) work: Vec<u8>,
}

/// What a record says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Record {
    pub(super) kept: Option<Kept>,
    /// What the cloud keeps beside it.
    pub(super) note: Vec<u8>,
}

impl Record {
    /// Writes it.
    pub(super) fn seal(&self, identity: &str) -> Vec<u8> {
        let mut body = Vec::new();
        text(&mut body, identity.as_bytes());
        match &self.kept {
            None => body.push(0),
            Some(kept) => {
                body.push(match kept.stage {
                    Stage::UnderWay => 1,
                    Stage::Verified => 2,
                    Stage::Ready => 3,
                });
                text(&mut body, kept.job.as_bytes());
                body.push(kept.digest_kind);
                text(&mut body, &kept.digest);
                body.push(u8::from(kept.total.is_some()));
                body.extend(kept.total.into_iter().flat_map(u64::to_be_bytes));
                body.extend(kept.offset.to_be_bytes());
                body.push(kept.restarts);
                body.extend(kept.spent.to_be_bytes());
                text(&mut body, kept.etag.as_deref().unwrap_or_default().as_bytes());
                text(&mut body, &kept.work);
            }
        }
        text(&mut body, &self.note);
        let mut record = Vec::with_capacity(body.len() + 13);
        record.extend_from_slice(MAGIC);
        record.push(VERSION);
        record.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        record.extend(crate::checksum::crc32(&body).to_be_bytes());
        record.extend_from_slice(&body);
        record
    }

    /// Reads one.
    pub(super) fn open(record: &[u8], identity: &str) -> Result<Self, &'static str> {
        let mut read = Reader(unwrap(record)?);
        let damaged = "the record of the download is damaged";
        if read.text().ok_or(damaged)? != identity.as_bytes() {
            return Err("the record of the download belongs to another device");
        }
        let parsed = (|| {
            let kept = match read.u8()? {
                0 => None,
                1 => Some(kept(&mut read, Stage::UnderWay)?),
                2 => Some(kept(&mut read, Stage::Verified)?),
                3 => Some(kept(&mut read, Stage::Ready)?),
                _ => return None,
            };
            let note = read.text()?.to_vec();
            read.0.is_empty().then_some(Self { kept, note })
        })();
        parsed.ok_or(damaged)
    }
}

fn kept(read: &mut Reader<'_>, stage: Stage) -> Option<Kept> {
    let kept = Kept {
        stage,
        job: read.string()?,
        digest_kind: read.u8()?,
        digest: read.text()?.to_vec(),
        total: match read.u8()? {
            0 => None,
            1 => Some(read.u64()?),
            _ => return None,
        },
        offset: read.u64()?,
        restarts: read.u8()?,
        spent: read.u64()?,
        etag: Some(read.string()?).filter(|etag| !etag.is_empty()),
        work: read.text()?.to_vec(),
    };
    // A checksum proves no more than that the record is as somebody wrote it.
    let within = kept.total.is_none_or(|total| kept.offset <= total);
    within.then_some(kept)
}

fn text(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    body.extend_from_slice(bytes);
}

fn unwrap(record: &[u8]) -> Result<&[u8], &'static str> {
    let mut read = Reader(record);
    if read.take(4) != Some(MAGIC) {
        return Err("what is stored is no record of a download");
    }
    match read.u8() {
        Some(VERSION) => {}
        Some(_) => return Err("the record of the download is of another version"),
        None => return Err("the record of the download is cut off"),
    }
    let (len, crc) = (read.u32(), read.u32());
    if len.and_then(|len| usize::try_from(len).ok()) != Some(read.0.len()) {
        return Err("the record of the download is cut off");
    }
    if crc != Some(crate::checksum::crc32(read.0)) {
        return Err("the record of the download is damaged");
    }
    Ok(read.0)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.array().map(u16::from_be_bytes)?;
        self.take(len.into())
    }

    fn string(&mut self) -> Option<String> {
        String::from_utf8(self.text()?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn record() -> Record {
        let kept = Kept {
            stage: Stage::UnderWay,
            job: "d-1/f1".into(),
            digest_kind: 1,
            digest: vec![7; 32],
            total: Some(1000),
            offset: 600,
            restarts: 2,
            spent: 12,
            etag: Some("\"v1\"".into()),
            work: vec![1, 2, 3],
        };
        Record { kept: Some(kept), note: b"note".to_vec() }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let mut other = record();
        if let Some(kept) = &mut other.kept {
            (kept.stage, kept.total, kept.etag) = (Stage::Ready, None, None);
        }
        for record in [record(), other, Record::default(), Record { kept: None, note: vec![1] }] {
            assert_eq!(Record::open(&record.seal("pump-7"), "pump-7"), Ok(record));
        }
    }

    #[test]
    fn r_91_r_95_a_record_that_is_cut_off_or_damaged_anywhere_is_refused() {
        let sealed = record().seal("pump-7");
        for len in 0..sealed.len() {
            assert!(Record::open(&sealed[..len], "pump-7").is_err(), "{len}");
        }
        for at in 0..sealed.len() {
            let mut spoilt = sealed.clone();
            spoilt[at] ^= 0x10;
            assert!(Record::open(&spoilt, "pump-7").is_err(), "{at}");
        }
    }

    #[test]
    fn r_93_r_94_a_record_of_another_version_or_device_is_refused_by_name() {
        let mut sealed = record().seal("pump-7");
        assert_eq!(Record::open(&sealed, "pump-8"), Err("the record of the download belongs to another device"));
        sealed[4] = 2;
        assert_eq!(Record::open(&sealed, "pump-7"), Err("the record of the download is of another version"));
    }

    #[test]
    fn more_bytes_safe_than_there_are_is_refused() {
        let mut wrong = record();
        if let Some(kept) = &mut wrong.kept {
            kept.offset = 1001;
        }
        assert!(Record::open(&wrong.seal("pump-7"), "pump-7").is_err());
    }

    proptest! {
        #[test]
        fn r_1_no_body_behind_a_sound_checksum_makes_the_reader_panic(
            tail in proptest::collection::vec(any::<u8>(), 0..120),
        ) {
            let mut body = Vec::new();
            text(&mut body, b"d");
            body.extend_from_slice(&tail);
            let mut sealed = MAGIC.to_vec();
            sealed.push(VERSION);
            sealed.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
            sealed.extend(crate::checksum::crc32(&body).to_be_bytes());
            sealed.extend_from_slice(&body);
            let _ = Record::open(&sealed, "d");
        }
    }
}
