//! What a rule's SQL says once it is read: the statement, its expressions, and every way in which it can be wrong.

use super::functions::Function;
use super::topic::TopicFilter;
use core::fmt;

/// The most characters of a whole statement. The platform names no figure; this bounds the work per message.
pub(super) const SQL_CHARS: usize = 4096;
/// The most characters between SELECT and FROM (the platform's figure).
pub(super) const FIELDS_CHARS: usize = 300;
/// The most parentheses, function calls and signs inside one another.
pub(super) const DEPTH: u8 = 24;

/// `SELECT fields FROM topic [WHERE condition]`.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) selection: Selection,
    pub(super) topic: TopicFilter,
    pub(super) condition: Option<Expr>,
}

/// What stands between SELECT and FROM.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    /// `*`: the payload as it came.
    Everything,
    /// A list, in the order written.
    Fields(Vec<Field>),
}

/// One selected field: its key in the result, and where the value comes from.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) key: Box<str>,
    pub(super) value: Expr,
}

/// An expression. Chains of equal precedence are lists, so that only nesting makes the tree deep.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Literal(Literal),
    Path(Vec<Box<str>>),
    Call(Function, Vec<Self>),
    Negate(Box<Self>),
    /// `+ - * / %` of one level of precedence, from left to right.
    Arithmetic(Box<Self>, Vec<(Operator, Self)>),
    Compare(Box<Self>, Comparison, Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Expr {
    /// Whether `holds` is true of this expression or of one inside it.
    pub(super) fn any(&self, holds: &dyn Fn(&Self) -> bool) -> bool {
        holds(self)
            || match self {
                Self::Literal(_) | Self::Path(_) => false,
                Self::Call(_, parts) | Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.any(holds)),
                Self::Negate(inner) => inner.any(holds),
                Self::Arithmetic(first, rest) => first.any(holds) || rest.iter().any(|(_, part)| part.any(holds)),
                Self::Compare(left, _, right) => left.any(holds) || right.any(holds),
            }
    }
}

/// A value written in the statement.
#[derive(Clone, Debug)]
pub(super) enum Literal {
    Text(Box<str>),
    Number(Box<str>),
    Bool(bool),
    Null,
}

/// What an arithmetic chain does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// How two values are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is wrong with a statement; its `Display` names the fix.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SqlFault {
    /// The statement is longer than 4096 characters.
    TooLong,
    /// The text between SELECT and FROM is longer than 300 characters.
    FieldsTooLong,
    /// Parentheses, calls or signs stand too deep inside one another.
    TooDeep,
    /// The keyword named must stand here.
    ExpectedKeyword(&'static str),
    /// A topic must stand here.
    ExpectedTopic,
    /// A field, number, quoted text, function or `(` must stand here.
    ExpectedOperand,
    /// A name must stand here: an alias after AS, or a member after `.`.
    ExpectedName,
    /// A `(` stays open.
    ExpectedClose,
    /// There is text after the end of the statement.
    TrailingText,
    /// A keyword stands where a field was expected.
    ReservedWord(Box<str>),
    /// A quoted text does not end.
    UnclosedQuote,
    /// This character has no meaning here.
    UnexpectedCharacter(char),
    /// These characters are no number.
    NumberInvalid,
    /// No function has this name.
    UnknownFunction(Box<str>),
    /// The function takes another number of arguments.
    WrongArguments {
        /// How the function is written.
        usage: &'static str,
    },
    /// `crypto` knows no digest of this name.
    UnknownDigest(Box<str>),
    /// `*` stands together with other fields.
    StarNotAlone,
    /// Two fields have the same name.
    DuplicateName(Box<str>),
    /// Comparisons are chained.
    ChainedComparison,
    /// The topic breaks the rule named.
    TopicInvalid(&'static str),
}

impl fmt::Display for SqlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the statement is over {SQL_CHARS} characters: shorten it"),
            Self::FieldsTooLong => write!(f, "the fields are over {FIELDS_CHARS} characters: select fewer or use *"),
            Self::TooDeep => write!(f, "more than {DEPTH} levels of parentheses or calls: flatten the expression"),
            Self::ExpectedKeyword(word) => write!(f, "expected the keyword {word}"),
            Self::ExpectedTopic => f.write_str("expected a topic filter, bare or in quotes"),
            Self::ExpectedOperand => f.write_str("expected a field, a number, a text in quotes, a function or ("),
            Self::ExpectedName => f.write_str("expected a name of letters, digits and _"),
            Self::ExpectedClose => f.write_str("a ( stays open: add the )"),
            Self::TrailingText => f.write_str("the statement should end here: join conditions by AND or OR"),
            Self::ReservedWord(word) => write!(f, "{word} is a keyword: it cannot be a field or alias"),
            Self::UnclosedQuote => f.write_str("the quoted text does not end: add the closing quote"),
            Self::UnexpectedCharacter('[' | ']') => f.write_str("arrays cannot be indexed: select the whole array"),
            Self::UnexpectedCharacter('!') => f.write_str("unexpected !: unequal is written <>"),
            Self::UnexpectedCharacter(c) => write!(f, "unexpected character {c:?}"),
            Self::NumberInvalid => f.write_str("not a number: put a text in quotes, start a field with a letter or _"),
            Self::UnknownFunction(name) => {
                write!(f, "there is no function {name}; known are ")?;
                Function::names().enumerate().try_for_each(|(at, known)| {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{known}")
                })
            }
            Self::WrongArguments { usage } => write!(f, "wrong arguments: write {usage}"),
            Self::UnknownDigest(name) => write!(f, "no digest {name}: write MD5, SHA1, SHA256, SHA384 or SHA512"),
            Self::StarNotAlone => f.write_str("* stands alone: select * or a list of fields"),
            Self::DuplicateName(name) => write!(f, "two fields are called {name}: rename one by AS"),
            Self::ChainedComparison => f.write_str("comparisons cannot be chained: join two by AND"),
            Self::TopicInvalid(why) => write!(f, "the topic filter is invalid: {why}"),
        }
    }
}

/// A fault and the byte at which it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) at: usize,
    pub(super) fault: SqlFault,
}
