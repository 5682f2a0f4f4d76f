//! How typed bytes become command lines, with all that a terminal's line editing does to them, and what is echoed.

use super::config::Dialect;
use core::time::Duration;
use skytether_core::time::Instant;

/// What a byte has brought.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Typed {
    /// Nothing yet.
    More,
    /// An empty line.
    Empty,
    /// A line that is too long: it is dropped without a word.
    TooLong,
    /// A command line.
    Line(Vec<u8>),
}

/// The line that is being typed.
#[derive(Debug)]
pub(super) struct Editor {
    dialect: Dialect,
    line: Vec<u8>,
    /// Where the next character goes; behind the last one but after a CR.
    at: usize,
    too_long: bool,
    escape: Escape,
}

/// How far an ANSI sequence has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Escape {
    None,
    /// ESC, at this time.
    Begun(Instant),
    /// ESC `[`.
    Bracket,
}

/// Bytes of a line before its end: `AnyCloud` has 512 with it.
const ANYCLOUD: usize = 510;
const RNWF: usize = 4096;

/// A lone ESC clears the line after this.
const LONE_ESCAPE: Duration = Duration::from_millis(250);

const BACKSPACE: u8 = 8;
const DELETE: u8 = 0x7F;
const ESC: u8 = 0x1B;

impl Editor {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, line: Vec::new(), at: 0, too_long: false, escape: Escape::None }
    }

    /// Takes one byte; what is to be echoed is appended to `echo`.
    pub(super) fn type_byte(&mut self, now: Instant, byte: u8, echo: &mut Vec<u8>) -> Typed {
        match self.escape {
            Escape::None => {}
            Escape::Begun(_) if byte == b'[' => {
                self.escape = Escape::Bracket;
                return Typed::More;
            }
            // Not the beginning of a sequence: the byte counts, and the ESC is forgotten.
            Escape::Begun(_) => self.escape = Escape::None,
            Escape::Bracket => {
                if (0x40..=0x7E).contains(&byte) {
                    self.escape = Escape::None;
                }
                return Typed::More;
            }
        }
        match (byte, self.dialect) {
            (b'\r', Dialect::AnyCloud) => {
                // It does not execute: what follows overwrites the line.
                self.at = 0;
                echo.push(byte);
                Typed::More
            }
            (b'\n', Dialect::AnyCloud) => {
                echo.push(byte);
                self.take()
            }
            (b'\n', Dialect::Rnwf) if self.line.last() == Some(&b'\r') => {
                self.line.pop();
                echo.push(byte);
                self.take()
            }
            (BACKSPACE | DELETE, Dialect::AnyCloud) => {
                if self.at > 0 {
                    self.at -= 1;
                    self.line.remove(self.at);
                    echo.extend_from_slice(b"\x08 \x08");
                }
                Typed::More
            }
            (ESC, Dialect::AnyCloud) => {
                self.escape = Escape::Begun(now);
                Typed::More
            }
            _ => {
                echo.push(byte);
                self.put(byte);
                Typed::More
            }
        }
    }

    fn put(&mut self, byte: u8) {
        let max = match self.dialect {
            Dialect::AnyCloud => ANYCLOUD,
            // Its CR is in the line until the LF comes.
            Dialect::Rnwf => RNWF + 1,
        };
        if let Some(under) = self.line.get_mut(self.at) {
            *under = byte;
        } else if self.line.len() < max {
            self.line.push(byte);
        } else {
            self.too_long = true;
            // The end of a line has to be seen all the same.
            if let Some(last) = self.line.last_mut() {
                *last = byte;
            }
            return;
        }
        self.at += 1;
    }

    fn take(&mut self) -> Typed {
        let line = core::mem::take(&mut self.line);
        self.at = 0;
        match (core::mem::take(&mut self.too_long), line.is_empty()) {
            (true, _) => Typed::TooLong,
            (false, true) => Typed::Empty,
            (false, false) => Typed::Line(line),
        }
    }

    /// When a lone ESC takes effect.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.escape {
            Escape::Begun(at) => Some(at.after(LONE_ESCAPE)),
            Escape::None | Escape::Bracket => None,
        }
    }

    /// Time has passed; whether a lone ESC has cleared the line.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        let cleared = self.deadline().is_some_and(|at| at <= now);
        if cleared {
            self.clear();
        }
        cleared
    }

    /// The line is forgotten.
    pub(super) fn clear(&mut self) {
        self.line.clear();
        (self.at, self.too_long, self.escape) = (0, false, Escape::None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What typing it all ends in, and its echo.
    fn typed(dialect: Dialect, text: &[u8]) -> (Typed, Vec<u8>) {
        let (mut editor, mut echo) = (Editor::new(dialect), Vec::new());
        let mut last = Typed::More;
        for byte in text {
            last = editor.type_byte(Instant::ZERO, *byte, &mut echo);
        }
        (last, echo)
    }

    fn line(text: &[u8]) -> Typed {
        Typed::Line(text.to_vec())
    }

    #[test]
    fn a_line_ends_at_lf_and_is_echoed_as_it_came() {
        assert_eq!(typed(Dialect::AnyCloud, b"AT+WSTA\r\n"), (line(b"AT+WSTA"), b"AT+WSTA\r\n".to_vec()));
        assert_eq!(typed(Dialect::AnyCloud, b"AT\n").0, line(b"AT"));
        assert_eq!(typed(Dialect::AnyCloud, b"\r\n"), (Typed::Empty, b"\r\n".to_vec()));
        assert_eq!(typed(Dialect::AnyCloud, b"AT\r").0, Typed::More);
    }

    #[test]
    fn a_cr_lets_what_follows_overwrite_the_line() {
        assert_eq!(typed(Dialect::AnyCloud, b"ABCD\rXY\r\n").0, line(b"XYCD"));
    }

    #[test]
    fn backspace_takes_the_last_character_away() {
        assert_eq!(typed(Dialect::AnyCloud, b"ATX\x08\x7fT\n"), (line(b"AT"), b"ATX\x08 \x08\x08 \x08T\n".to_vec()));
        assert_eq!(typed(Dialect::AnyCloud, b"\x08AT\n").0, line(b"AT"));
    }

    #[test]
    fn a_line_of_512_bytes_with_its_end_is_the_longest() {
        let mut text = vec![b'A'; 510];
        text.extend_from_slice(b"\r\n");
        assert_eq!(typed(Dialect::AnyCloud, &text).0, line(&[b'A'; 510]));
        text.insert(0, b'A');
        assert_eq!(typed(Dialect::AnyCloud, &text).0, Typed::TooLong);
        text.extend_from_slice(b"AT\r\n");
        assert_eq!(typed(Dialect::AnyCloud, &text).0, line(b"AT"), "the next line is heard again");
    }

    #[test]
    fn rnwf_ends_a_line_at_cr_lf_alone() {
        assert_eq!(typed(Dialect::Rnwf, b"AT\r\n").0, line(b"AT"));
        assert_eq!(typed(Dialect::Rnwf, b"A\nT\rX\r\n").0, line(b"A\nT\rX"));
        let long = [vec![b'A'; 5000], b"\r\n".to_vec()].concat();
        assert_eq!(typed(Dialect::Rnwf, &long).0, Typed::TooLong);
    }

    #[test]
    fn a_lone_escape_clears_the_line_and_a_sequence_does_not() {
        let (mut editor, mut echo) = (Editor::new(Dialect::AnyCloud), Vec::new());
        for byte in b"GARBAGE\x1b" {
            editor.type_byte(Instant(1000), *byte, &mut echo);
        }
        assert_eq!(editor.deadline(), Some(Instant(1250)));
        assert!(!editor.tick(Instant(1249)));
        assert!(editor.tick(Instant(1250)));
        assert_eq!(editor.type_byte(Instant(1300), b'\n', &mut echo), Typed::Empty);
        assert_eq!(typed(Dialect::AnyCloud, b"A\x1b[1;5DT\n").0, line(b"AT"));
    }
}
