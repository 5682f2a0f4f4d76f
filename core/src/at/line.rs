//! Where does a line of the modem end, and what around it is echo of its terminal: prompts, line ends, noise?

use alloc::vec::Vec;

/// Cuts a stream into lines; the one under way lies in the vector that the owner lends.
///
/// Both CR and LF end a line: neither stands raw inside one, since strings that hold them are printed escaped or as
/// hexadecimal digits. A CR before an event wipes the prompt, or the echo of a command that the event interrupts; what it
/// wipes is a line of its own then. Prompts (`>`), spaces and line ends in front of a line are none of it; a `>` inside
/// is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    longest: usize,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Between lines: the vector holds nothing that is wanted.
    Between,
    /// Inside one, whose front is in the vector.
    Inside,
    /// Inside one that is too long: it is skipped to its end.
    Skipping,
}

/// What was cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// Nothing: the bytes are used up.
    Nothing,
    /// A line; the vector holds it and nothing else, until the next call.
    Line,
    /// `#`: the modem wants raw bytes.
    Binary,
    /// The end of a line that was longer than allowed.
    Overlong,
}

impl Lines {
    /// Lines of at most `longest` bytes.
    pub(crate) fn new(longest: usize) -> Self {
        Self { longest, place: Place::Between }
    }

    /// Forgets the line under way.
    pub(crate) fn restart(&mut self) {
        self.place = Place::Between;
    }

    /// Cuts at most one line from the front of `bytes` and says how many bytes it used.
    pub(crate) fn cut(&mut self, bytes: &[u8], line: &mut Vec<u8>) -> (usize, Cut) {
        let mut used = 0;
        if self.place == Place::Between {
            line.clear();
            used = bytes.iter().position(|byte| !is_between(*byte)).unwrap_or(bytes.len());
            match bytes.get(used) {
                None => return (used, Cut::Nothing),
                Some(b'#') => return (used + 1, Cut::Binary),
                Some(_) => self.place = Place::Inside,
            }
        }
        let rest = bytes.get(used..).unwrap_or_default();
        let end = rest.iter().position(|byte| is_end(*byte));
        let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if self.place == Place::Inside && part.len() > self.longest.saturating_sub(line.len()) {
            self.place = Place::Skipping;
            line.clear();
        }
        if self.place == Place::Inside {
            line.extend_from_slice(part);
        }
        if end.is_none() {
            return (bytes.len(), Cut::Nothing);
        }
        let whole = self.place == Place::Inside;
        self.place = Place::Between;
        (used + part.len() + 1, if whole { Cut::Line } else { Cut::Overlong })
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn is_between(byte: u8) -> bool {
    is_end(byte) || matches!(byte, b'>' | b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String};
    use proptest::prelude::*;

    /// Everything in `bytes`, given in pieces of these lengths in turn.
    fn cut(bytes: &[u8], pieces: &[usize]) -> Vec<String> {
        let (mut lines, mut line, mut found) = (Lines::new(12), Vec::new(), Vec::new());
        let mut pieces = pieces.iter().cycle();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (mut piece, later) = rest.split_at(rest.len().min((*pieces.next().unwrap()).max(1)));
            while !piece.is_empty() {
                let (used, cut) = lines.cut(piece, &mut line);
                piece = &piece[used..];
                match cut {
                    Cut::Nothing => assert!(piece.is_empty()),
                    Cut::Line => found.push(String::from_utf8_lossy(&line).into_owned()),
                    Cut::Binary => found.push("#".into()),
                    Cut::Overlong => found.push("overlong".into()),
                }
                assert!(line.len() <= 12);
            }
            rest = later;
        }
        found
    }

    #[test]
    fn prompts_and_line_ends_around_a_line_are_none_of_it() {
        let stream = b"AT+WSTA\r\n+WSTA:0\r\nOK\r\n>\r+X:\"a>b\"\r\n>> \r\n>";
        assert_eq!(cut(stream, &[99]), ["AT+WSTA", "+WSTA:0", "OK", "+X:\"a>b\""]);
    }

    #[test]
    fn an_event_in_the_middle_of_an_echo_is_a_line_of_its_own() {
        assert_eq!(cut(b"AT+MQT\r+WSTALD\r\n", &[99]), ["AT+MQT", "+WSTALD"]);
    }

    #[test]
    fn the_binary_prompt_needs_no_line_end() {
        assert_eq!(cut(b"OK\r\n>#", &[99]), ["OK", "#"]);
        assert_eq!(cut(b"a#b\r\n", &[99]), ["a#b"], "inside a line it is a byte like any other");
    }

    #[test]
    fn a_line_over_the_limit_is_skipped_and_told_once() {
        assert_eq!(cut(b"0123456789ab\r\n0123456789abc\r\nOK\r\n", &[99]), ["0123456789ab", "overlong", "OK"]);
        assert_eq!(cut(&[b'x'; 400], &[7]), [""; 0], "and held never");
    }

    proptest! {
        #[test]
        fn r_2_pieces_do_not_matter(
            stream in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'>'), Just(b'#'), any::<u8>()], 0..200),
            pieces in proptest::collection::vec(1_usize..9, 1..5),
        ) {
            prop_assert_eq!(cut(&stream, &pieces), cut(&stream, &[1000]), "{}", format!("{stream:?}"));
        }
    }
}
