//! What do the null broker and the raw client need of MQTT? The least that works, by hand, so that neither is the limit.

use std::io::{self, Read};

/// Packets that the null broker and the raw client know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the packets of MQTT 3.1.1")]
pub enum Kind {
    Connect,
    Publish,
    PubAck,
    Subscribe,
    PingReq,
    Disconnect,
    Other,
}

impl Kind {
    /// By the first byte of a packet.
    pub fn of(first: u8) -> Self {
        match first >> 4 {
            1 => Self::Connect,
            3 => Self::Publish,
            4 => Self::PubAck,
            8 => Self::Subscribe,
            12 => Self::PingReq,
            14 => Self::Disconnect,
            _ => Self::Other,
        }
    }
}

/// Cuts packets out of a stream.
#[derive(Debug)]
pub struct Reader {
    buffer: Box<[u8]>,
    from: usize,
    to: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// With room for packets up to 256 KiB.
    pub fn new() -> Self {
        Self { buffer: vec![0; 256 * 1024].into_boxed_slice(), from: 0, to: 0 }
    }

    /// Reads once; 0 at the end.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn read(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        self.buffer.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        let len = stream.read(&mut self.buffer[self.to..])?;
        self.to += len;
        Ok(len)
    }

    /// The next packet that is whole: first byte and body.
    #[allow(clippy::should_implement_trait, reason = "it lends")]
    pub fn next(&mut self) -> Option<(u8, &[u8])> {
        let bytes = &self.buffer[self.from..self.to];
        let (mut len, mut at) = (0, 1);
        loop {
            let byte = *bytes.get(at)?;
            len |= usize::from(byte & 0x7f) << (7 * (at - 1));
            at += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let body = bytes.get(at..at + len)?;
        self.from += at + len;
        Some((bytes[0], body))
    }
}

/// Appends a PUBLISH of `len` bytes; with an id at QoS 1.
pub fn publish(out: &mut Vec<u8>, topic: &str, id: Option<u16>, len: usize) {
    let mut remaining = 2 + topic.len() + id.map_or(0, |_| 2) + len;
    out.push(if id.is_some() { 0x32 } else { 0x30 });
    loop {
        let low = u8::try_from(remaining & 0x7f).unwrap();
        remaining >>= 7;
        out.push(if remaining > 0 { low | 0x80 } else { low });
        if remaining == 0 {
            break;
        }
    }
    out.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
    out.extend_from_slice(topic.as_bytes());
    if let Some(id) = id {
        out.extend(id.to_be_bytes());
    }
    out.resize(out.len() + len, 7);
}

/// CONNECT with a clean session.
pub fn connect(client_id: &str) -> Vec<u8> {
    let len = u8::try_from(client_id.len()).unwrap();
    let mut out = vec![0x10, 12 + len, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, len];
    out.extend_from_slice(client_id.as_bytes());
    out
}

/// SUBSCRIBE of one filter with packet id 1.
pub fn subscribe(filter: &str, qos: u8) -> Vec<u8> {
    let len = u8::try_from(filter.len()).unwrap();
    let mut out = vec![0x82, 5 + len, 0, 1, 0, len];
    out.extend_from_slice(filter.as_bytes());
    out.push(qos);
    out
}
