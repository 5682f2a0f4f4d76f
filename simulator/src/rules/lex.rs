//! Which words a rule's SQL is made of: cuts tokens from the front of the text, with their places.

use super::sql::{Found, SqlFault};

/// One token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token<'a> {
    Word(&'a str),
    Number(&'a str),
    Text(String),
    Comma,
    Dot,
    Open,
    Close,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    End,
}

impl Token<'_> {
    /// Whether this is the keyword, in any case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// A place in the text, and the token that begins there.
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// Where the token in `next` begins.
    at: usize,
    /// Where the token before it ended.
    last_end: usize,
    /// Where the token in `next` ends.
    end: usize,
    next: Token<'a>,
}

impl<'a> Lexer<'a> {
    /// Reads the first token. A single `;` at the end of the text is no part of the statement.
    pub(super) fn new(text: &'a str) -> Result<Self, Found> {
        let trimmed = text.trim_end();
        let text = trimmed.strip_suffix(';').unwrap_or(trimmed);
        let mut lexer = Self { text, at: 0, last_end: 0, end: 0, next: Token::End };
        lexer.advance()?;
        Ok(lexer)
    }

    /// The token at hand.
    pub(super) fn peek(&self) -> &Token<'a> {
        &self.next
    }

    /// The byte at which the token at hand begins.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The text from byte `from` to the end of the token before the one at hand.
    pub(super) fn since(&self, from: usize) -> &'a str {
        self.text.get(from..self.last_end).unwrap_or_default()
    }

    /// The fault, found at the token at hand.
    pub(super) fn found(&self, fault: SqlFault) -> Found {
        Found { at: self.at, fault }
    }

    /// Takes the token at hand and reads the one after it.
    pub(super) fn take(&mut self) -> Result<Token<'a>, Found> {
        let token = core::mem::replace(&mut self.next, Token::End);
        self.last_end = self.end;
        self.advance()?;
        Ok(token)
    }

    /// Takes the token at hand if it is this one.
    pub(super) fn take_if(&mut self, token: &Token<'_>) -> Result<bool, Found> {
        let same = self.next == *token;
        if same {
            self.take()?;
        }
        Ok(same)
    }

    /// Takes the token at hand, which must be the keyword.
    pub(super) fn keyword(&mut self, word: &'static str) -> Result<(), Found> {
        if !self.next.is(word) {
            return Err(self.found(SqlFault::ExpectedKeyword(word)));
        }
        self.take().map(drop)
    }

    /// Called when the keyword FROM is at hand: the topic after it, bare up to the next white space or in quotes,
    /// and the byte at which it begins. The token after the topic is then at hand.
    pub(super) fn topic(&mut self) -> Result<(String, usize), Found> {
        let rest = self.text.get(self.end..).unwrap_or_default();
        let begin = self.end + (rest.len() - rest.trim_start().len());
        let rest = self.text.get(begin..).unwrap_or_default();
        let (topic, end) = match rest.chars().next() {
            None => return Err(Found { at: begin, fault: SqlFault::ExpectedTopic }),
            Some(quote @ ('\'' | '"')) => self.quoted(begin, quote)?,
            Some(_) => {
                let len = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (rest.get(..len).unwrap_or_default().to_owned(), begin + len)
            }
        };
        self.end = end;
        self.last_end = end;
        self.advance()?;
        Ok((topic, begin))
    }

    fn advance(&mut self) -> Result<(), Found> {
        let rest = self.text.get(self.end..).unwrap_or_default();
        let trimmed = rest.trim_start();
        self.at = self.end + (rest.len() - trimmed.len());
        let Some(first) = trimmed.chars().next() else {
            self.end = self.at;
            self.next = Token::End;
            return Ok(());
        };
        let (token, end) = match first {
            '\'' | '"' => {
                let (text, end) = self.quoted(self.at, first)?;
                (Token::Text(text), end)
            }
            c if c.is_alphabetic() || c == '_' => {
                let len = trimmed.find(|c: char| !is_name(c)).unwrap_or(trimmed.len());
                (Token::Word(trimmed.get(..len).unwrap_or_default()), self.at + len)
            }
            c if c.is_ascii_digit() => self.number(trimmed)?,
            _ => self.symbol(trimmed, first)?,
        };
        self.next = token;
        self.end = end;
        Ok(())
    }

    /// A text in quotes that begins at byte `begin`; a doubled quote stands for one.
    fn quoted(&self, begin: usize, quote: char) -> Result<(String, usize), Found> {
        let inside = begin + quote.len_utf8();
        let mut text = String::new();
        let mut chars = self.text.get(inside..).unwrap_or_default().char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c != quote {
                text.push(c);
            } else if chars.next_if(|&(_, next)| next == quote).is_some() {
                text.push(quote);
            } else {
                return Ok((text, inside + at + quote.len_utf8()));
            }
        }
        Err(Found { at: begin, fault: SqlFault::UnclosedQuote })
    }

    /// Digits, then perhaps a fraction, then perhaps an exponent: a number as JSON has it.
    fn number(&self, rest: &'a str) -> Result<(Token<'a>, usize), Found> {
        let signed = |at: usize| {
            let before = at.checked_sub(1).and_then(|before| rest.as_bytes().get(before));
            matches!(before, Some(b'e' | b'E'))
        };
        let ends = |&(at, c): &(usize, char)| !(is_name(c) || c == '.' || (matches!(c, '+' | '-') && signed(at)));
        let len = rest.char_indices().find(ends).map_or(rest.len(), |(at, _)| at);
        let text = rest.get(..len).unwrap_or_default();
        let number = serde_json::from_str::<&serde_json::value::RawValue>(text);
        if number.is_err() {
            return Err(Found { at: self.at, fault: SqlFault::NumberInvalid });
        }
        Ok((Token::Number(text), self.at + len))
    }

    fn symbol(&self, rest: &str, first: char) -> Result<(Token<'a>, usize), Found> {
        let two = rest.get(..2).unwrap_or_default();
        let (token, len) = match (two, first) {
            ("<>", _) => (Token::NotEqual, 2),
            ("<=", _) => (Token::LessOrEqual, 2),
            (">=", _) => (Token::GreaterOrEqual, 2),
            (_, '<') => (Token::Less, 1),
            (_, '>') => (Token::Greater, 1),
            (_, '=') => (Token::Equal, 1),
            (_, ',') => (Token::Comma, 1),
            (_, '.') => (Token::Dot, 1),
            (_, '(') => (Token::Open, 1),
            (_, ')') => (Token::Close, 1),
            (_, '+') => (Token::Plus, 1),
            (_, '-') => (Token::Minus, 1),
            (_, '*') => (Token::Star, 1),
            (_, '/') => (Token::Slash, 1),
            (_, '%') => (Token::Percent, 1),
            _ => return Err(Found { at: self.at, fault: SqlFault::UnexpectedCharacter(first) }),
        };
        Ok((token, self.at + len))
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
