//! The modem's numbered parameters: which ids a command has, what each takes, and what it holds.

use super::{config::Dialect, grammar::Value, print, trouble::Trouble};
use std::collections::BTreeMap;

/// What a parameter takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// At most so many bytes.
    Text(usize),
    /// The same, and it is shown as stars.
    Secret(usize),
    /// A number of this range.
    Number(u32, u32),
}

#[derive(Clone, Debug)]
struct Parameter {
    kind: Kind,
    text: Vec<u8>,
    number: u32,
}

/// The parameters of one command.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings(BTreeMap<u32, Parameter>);

impl Settings {
    /// One more id that takes text.
    pub(super) fn text_id(mut self, id: u32, kind: Kind, default: &str) -> Self {
        self.0.insert(id, Parameter { kind, text: default.as_bytes().to_vec(), number: 0 });
        self
    }

    /// One more id that takes a number of this range.
    pub(super) fn number_id(mut self, id: u32, range: (u32, u32), default: u32) -> Self {
        self.0.insert(id, Parameter { kind: Kind::Number(range.0, range.1), text: Vec::new(), number: default });
        self
    }

    /// Sets one.
    ///
    /// # Errors
    /// [`Trouble::AccessFailed`]: no such id, another type, too long, out of range.
    pub(super) fn set(&mut self, id: u32, value: &Value) -> Result<(), Trouble> {
        let parameter = self.0.get_mut(&id).ok_or(Trouble::AccessFailed)?;
        match (parameter.kind, value) {
            (Kind::Text(max) | Kind::Secret(max), Value::Bytes(bytes)) if bytes.len() <= max => {
                parameter.text.clone_from(bytes);
            }
            (Kind::Number(least, most), Value::Number(number)) => {
                let number = u32::try_from(*number).ok().filter(|number| (least..=most).contains(number));
                parameter.number = number.ok_or(Trouble::AccessFailed)?;
            }
            _ => return Err(Trouble::AccessFailed),
        }
        Ok(())
    }

    /// The bytes of a text; empty where there are none.
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        self.0.get(&id).map_or(&[], |parameter| &parameter.text)
    }

    /// The text; what is not UTF-8 in it is replaced.
    pub(super) fn text(&self, id: u32) -> String {
        String::from_utf8_lossy(self.bytes(id)).into_owned()
    }

    /// The number; 0 where there is none.
    pub(super) fn number(&self, id: u32) -> u32 {
        self.0.get(&id).map_or(0, |parameter| parameter.number)
    }

    /// The value as it is printed.
    ///
    /// # Errors
    /// [`Trouble::AccessFailed`]: no such id.
    pub(super) fn show(&self, dialect: Dialect, id: u32) -> Result<String, Trouble> {
        let parameter = self.0.get(&id).ok_or(Trouble::AccessFailed)?;
        Ok(match parameter.kind {
            Kind::Text(_) => print::bytes(dialect, &parameter.text),
            Kind::Secret(_) => "******".to_owned(),
            Kind::Number(..) => parameter.number.to_string(),
        })
    }

    /// All ids, in order.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.0.keys().copied().collect()
    }
}
