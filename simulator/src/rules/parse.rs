//! How a rule's SQL is read: recursive descent with bounded depth, from tokens to a [`Statement`].
#![allow(clippy::wildcard_enum_match_arm, reason = "a grammar names the tokens it takes here and refuses all others")]

use super::functions::Function;
use super::lex::{Lexer, Token};
use super::sql::{Comparison, DEPTH, Expr, FIELDS_CHARS, Field, Found, Literal, Operator, SQL_CHARS};
use super::sql::{Selection, SqlFault, Statement};
use super::topic::TopicFilter;

const KEYWORDS: [&str; 6] = ["SELECT", "FROM", "WHERE", "AS", "AND", "OR"];

/// Reads a whole statement.
pub(super) fn statement(sql: &str) -> Result<Statement, Found> {
    if let Some((at, _)) = sql.char_indices().nth(SQL_CHARS) {
        return Err(Found { at, fault: SqlFault::TooLong });
    }
    let mut parser = Parser { lexer: Lexer::new(sql)?, depth: 0 };
    parser.lexer.keyword("SELECT")?;
    let selection = parser.selection()?;
    if !parser.lexer.peek().is("FROM") {
        return Err(parser.lexer.found(SqlFault::ExpectedKeyword("FROM")));
    }
    let (text, at) = parser.lexer.topic()?;
    let topic = TopicFilter::new(&text).map_err(|why| Found { at, fault: SqlFault::TopicInvalid(why) })?;
    let condition = if *parser.lexer.peek() == Token::End {
        None
    } else {
        parser.lexer.keyword("WHERE")?;
        Some(parser.any()?)
    };
    parser.end()?;
    Ok(Statement { selection, topic, condition })
}

/// Reads one expression that is the whole text: what stands in a `${…}`.
pub(super) fn expression(text: &str) -> Result<Expr, Found> {
    let mut parser = Parser { lexer: Lexer::new(text)?, depth: 0 };
    let expr = parser.any()?;
    parser.end()?;
    Ok(expr)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    depth: u8,
}

impl Parser<'_> {
    fn end(&self) -> Result<(), Found> {
        match self.lexer.peek() {
            Token::End => Ok(()),
            Token::Equal
            | Token::NotEqual
            | Token::Less
            | Token::LessOrEqual
            | Token::Greater
            | Token::GreaterOrEqual => Err(self.lexer.found(SqlFault::ChainedComparison)),
            _ => Err(self.lexer.found(SqlFault::TrailingText)),
        }
    }

    fn selection(&mut self) -> Result<Selection, Found> {
        let begin = self.lexer.at();
        if self.lexer.take_if(&Token::Star)? {
            if *self.lexer.peek() == Token::Comma {
                return Err(self.lexer.found(SqlFault::StarNotAlone));
            }
            return Ok(Selection::Everything);
        }
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let at = self.lexer.at();
            if *self.lexer.peek() == Token::Star {
                return Err(self.lexer.found(SqlFault::StarNotAlone));
            }
            let field = self.field()?;
            if fields.iter().any(|earlier| earlier.key == field.key) {
                return Err(Found { at, fault: SqlFault::DuplicateName(field.key) });
            }
            fields.push(field);
            if !self.lexer.take_if(&Token::Comma)? {
                break;
            }
        }
        if self.lexer.since(begin).chars().count() > FIELDS_CHARS {
            return Err(Found { at: begin, fault: SqlFault::FieldsTooLong });
        }
        Ok(Selection::Fields(fields))
    }

    /// `expr [AS alias]`; without an alias the key is the text as written.
    fn field(&mut self) -> Result<Field, Found> {
        let begin = self.lexer.at();
        let value = self.any()?;
        let written = self.lexer.since(begin);
        if !self.lexer.peek().is("AS") {
            return Ok(Field { key: written.into(), value });
        }
        self.lexer.take()?;
        let key = match self.lexer.peek() {
            Token::Word(word) if is_keyword(word) => {
                return Err(self.lexer.found(SqlFault::ReservedWord((*word).into())));
            }
            Token::Word(word) => Box::from(*word),
            Token::Text(text) if !text.is_empty() => Box::from(text.as_str()),
            _ => return Err(self.lexer.found(SqlFault::ExpectedName)),
        };
        self.lexer.take()?;
        Ok(Field { key, value })
    }

    /// Runs `inner` one level deeper.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Found>) -> Result<T, Found> {
        if self.depth >= DEPTH {
            return Err(self.lexer.found(SqlFault::TooDeep));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn any(&mut self) -> Result<Expr, Found> {
        self.joined("OR", Self::all, Expr::Any)
    }

    fn all(&mut self) -> Result<Expr, Found> {
        self.joined("AND", Self::comparison, Expr::All)
    }

    fn joined(
        &mut self,
        word: &str,
        operand: fn(&mut Self) -> Result<Expr, Found>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Result<Expr, Found> {
        let first = operand(self)?;
        if !self.lexer.peek().is(word) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.lexer.peek().is(word) {
            self.lexer.take()?;
            parts.push(operand(self)?);
        }
        Ok(join(parts))
    }

    fn comparison(&mut self) -> Result<Expr, Found> {
        let left = self.sum()?;
        let Some(how) = comparison_of(self.lexer.peek()) else {
            return Ok(left);
        };
        self.lexer.take()?;
        let right = self.sum()?;
        if comparison_of(self.lexer.peek()).is_some() {
            return Err(self.lexer.found(SqlFault::ChainedComparison));
        }
        Ok(Expr::Compare(Box::new(left), how, Box::new(right)))
    }

    fn sum(&mut self) -> Result<Expr, Found> {
        self.chain(Self::product, |token| match token {
            Token::Plus => Some(Operator::Add),
            Token::Minus => Some(Operator::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Result<Expr, Found> {
        self.chain(Self::signed, |token| match token {
            Token::Star => Some(Operator::Multiply),
            Token::Slash => Some(Operator::Divide),
            Token::Percent => Some(Operator::Remainder),
            _ => None,
        })
    }

    fn chain(
        &mut self,
        operand: fn(&mut Self) -> Result<Expr, Found>,
        operator: fn(&Token<'_>) -> Option<Operator>,
    ) -> Result<Expr, Found> {
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some(next) = operator(self.lexer.peek()) {
            self.lexer.take()?;
            rest.push((next, operand(self)?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Arithmetic(Box::new(first), rest) })
    }

    fn signed(&mut self) -> Result<Expr, Found> {
        if self.lexer.take_if(&Token::Minus)? {
            let inner = self.deeper(Self::signed)?;
            return Ok(Expr::Negate(Box::new(inner)));
        }
        self.operand()
    }

    fn operand(&mut self) -> Result<Expr, Found> {
        match self.lexer.peek().clone() {
            Token::Number(text) => self.literal(Literal::Number(text.into())),
            Token::Text(text) => self.literal(Literal::Text(text.into())),
            Token::Open => {
                self.lexer.take()?;
                let inner = self.deeper(Self::any)?;
                self.close()?;
                Ok(inner)
            }
            Token::Word(word) if is_keyword(word) => Err(self.lexer.found(SqlFault::ReservedWord(word.into()))),
            Token::Word(word) => self.named(word),
            _ => Err(self.lexer.found(SqlFault::ExpectedOperand)),
        }
    }

    fn literal(&mut self, literal: Literal) -> Result<Expr, Found> {
        self.lexer.take()?;
        Ok(Expr::Literal(literal))
    }

    fn close(&mut self) -> Result<(), Found> {
        if self.lexer.take_if(&Token::Close)? {
            return Ok(());
        }
        Err(self.lexer.found(SqlFault::ExpectedClose))
    }

    /// A function call, a word that is a value, or a field.
    fn named(&mut self, word: &str) -> Result<Expr, Found> {
        let at = self.lexer.at();
        self.lexer.take()?;
        match self.lexer.peek() {
            Token::Open => return self.deeper(|parser| parser.call(word, at)),
            Token::Dot => {}
            _ if word.eq_ignore_ascii_case("true") => return Ok(Expr::Literal(Literal::Bool(true))),
            _ if word.eq_ignore_ascii_case("false") => return Ok(Expr::Literal(Literal::Bool(false))),
            _ if word.eq_ignore_ascii_case("null") => return Ok(Expr::Literal(Literal::Null)),
            _ => {}
        }
        let mut path = vec![Box::from(word)];
        while self.lexer.take_if(&Token::Dot)? {
            let Token::Word(member) = *self.lexer.peek() else {
                return Err(self.lexer.found(SqlFault::ExpectedName));
            };
            path.push(Box::from(member));
            self.lexer.take()?;
        }
        Ok(Expr::Path(path))
    }

    fn call(&mut self, name: &str, at: usize) -> Result<Expr, Found> {
        let function =
            Function::named(name).ok_or_else(|| Found { at, fault: SqlFault::UnknownFunction(name.into()) })?;
        self.lexer.take()?;
        let mut arguments = Vec::new();
        if *self.lexer.peek() != Token::Close {
            arguments.push(self.any()?);
            while self.lexer.take_if(&Token::Comma)? {
                arguments.push(self.any()?);
            }
        }
        self.close()?;
        function.check(&arguments).map_err(|fault| Found { at, fault })?;
        Ok(Expr::Call(function, arguments))
    }
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

fn comparison_of(token: &Token<'_>) -> Option<Comparison> {
    Some(match token {
        Token::Equal => Comparison::Equal,
        Token::NotEqual => Comparison::NotEqual,
        Token::Less => Comparison::Less,
        Token::LessOrEqual => Comparison::LessOrEqual,
        Token::Greater => Comparison::Greater,
        Token::GreaterOrEqual => Comparison::GreaterOrEqual,
        _ => return None,
    })
}
