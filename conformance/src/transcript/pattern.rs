//! What do packets with unknown packet ids look like? Hexadecimal text with names such as `<a>` for two bytes each.

use crate::bytes_of;
use std::collections::BTreeMap;

/// The packet ids that the client chose, by the names that the case gives them.
pub(super) type Bindings = BTreeMap<String, [u8; 2]>;

/// Packets of a case, concatenated.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Id(String),
}

impl Pattern {
    /// Reads the packets of one step.
    pub(super) fn new(packets: &[String]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        for packet in packets {
            let mut rest = packet.as_str();
            while let Some((hex, behind)) = rest.split_once('<') {
                let (name, after) = behind.split_once('>').ok_or_else(|| format!("{packet}: < without >"))?;
                pieces.push(Piece::Bytes(bytes_of(hex)?));
                pieces.push(Piece::Id(name.to_owned()));
                rest = after;
            }
            pieces.push(Piece::Bytes(bytes_of(rest)?));
        }
        Ok(Self(pieces))
    }

    /// The bytes, every name being bound.
    pub(super) fn bytes(&self, bindings: &Bindings) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Bytes(plain) => bytes.extend_from_slice(plain),
                Piece::Id(name) => {
                    let id =
                        bindings.get(name).ok_or_else(|| format!("<{name}> has not been sent by the client yet"))?;
                    bytes.extend_from_slice(id);
                }
            }
        }
        Ok(bytes)
    }

    /// Compares with what was sent; names that are new are bound.
    ///
    /// # Errors
    /// Says where the bytes differ first.
    pub(super) fn matches(&self, sent: &[u8], bindings: &mut Bindings) -> Result<(), String> {
        let mut rest = sent;
        let at = |rest: &[u8]| sent.len() - rest.len();
        for piece in &self.0 {
            match piece {
                Piece::Bytes(plain) => {
                    let same = plain.iter().zip(rest).take_while(|(one, other)| one == other).count();
                    if same < plain.len() {
                        return Err(format!("differs at byte {}", at(rest) + same));
                    }
                    rest = rest.get(plain.len()..).unwrap_or_default();
                }
                Piece::Id(name) => {
                    let Some((&id, behind)) = rest.split_first_chunk::<2>() else {
                        return Err(format!("ends before <{name}>"));
                    };
                    match bindings.get(name) {
                        None if id == [0, 0] => return Err(format!("<{name}> is 0, which is no packet id")),
                        None => _ = bindings.insert(name.clone(), id),
                        Some(bound) if *bound == id => {}
                        Some(bound) => {
                            return Err(format!(
                                "<{name}> is {} here and was {}",
                                u16::from_be_bytes(id),
                                u16::from_be_bytes(*bound)
                            ));
                        }
                    }
                    rest = behind;
                }
            }
        }
        if rest.is_empty() { Ok(()) } else { Err(format!("{} bytes more than expected", rest.len())) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bindings, Pattern};

    fn pattern(packets: &[&str]) -> Pattern {
        Pattern::new(&packets.iter().map(|&packet| packet.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn names_are_bound_once_and_then_the_same() {
        let mut bindings = Bindings::new();
        assert!(pattern(&["32<a>", "ff<b>"]).matches(&[0x32, 0, 7, 0xff, 0, 8], &mut bindings).is_ok());
        assert_eq!(pattern(&["4002<a>"]).bytes(&bindings).unwrap(), [0x40, 2, 0, 7]);
        assert!(pattern(&["3a<a>"]).matches(&[0x3a, 0, 7], &mut bindings).is_ok());
        let why = pattern(&["3a<a>"]).matches(&[0x3a, 0, 8], &mut bindings).unwrap_err();
        assert_eq!(why, "<a> is 8 here and was 7");
    }

    #[test]
    fn differences_are_named() {
        let mut bindings = Bindings::new();
        assert_eq!(pattern(&["0102"]).matches(&[1, 3], &mut bindings).unwrap_err(), "differs at byte 1");
        assert_eq!(pattern(&["0102"]).matches(&[1], &mut bindings).unwrap_err(), "differs at byte 1");
        assert_eq!(pattern(&[]).matches(&[1], &mut bindings).unwrap_err(), "1 bytes more than expected");
        assert!(pattern(&["<a>"]).matches(&[0, 0], &mut bindings).is_err());
        assert!(pattern(&["<x>"]).bytes(&bindings).is_err());
    }
}
