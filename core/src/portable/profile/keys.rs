//! How are the keys of a profile read? Each with its name and, where it is wrong, what to write instead.

use super::ProfileError;
use alloc::string::String;
use serde_json::{Map, Value};

/// A key of a profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Field {
    /// Its name in the file.
    pub name: &'static str,
    /// What it has to hold.
    pub fix: &'static str,
}

pub(super) const CLOUD: Field = Field { name: "cloud", fix: "write \"tencent\" or \"azure\"" };
pub(super) const TRANSPORT: Field =
    Field { name: "transport", fix: "write \"tcp\", \"tls\", \"ws\" or \"wss\", or leave it out" };
pub(super) const HOST: Field = Field { name: "host", fix: "write a bare host name or address, or leave it out" };
pub(super) const PORT: Field = Field { name: "port", fix: "write a number from 1 to 65535, or leave it out" };
pub(super) const CA: Field = Field { name: "ca", fix: "name the authority's PEM file, or leave it out" };

/// The keys of one file.
pub(super) struct Keys<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Keys<'a> {
    /// Refuses what is none of `fields`: a misspelt key would be ignored otherwise.
    pub(super) fn only(&self, fields: &'static [Field]) -> Result<(), ProfileError> {
        match self.0.keys().find(|key| fields.iter().all(|field| field.name != key.as_str())) {
            Some(unknown) => Err(ProfileError::UnknownKey { name: unknown.clone(), known: fields }),
            None => Ok(()),
        }
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.0.contains_key(field.name)
    }

    /// A text that is not empty, where the key is there.
    pub(super) fn text(&self, field: Field) -> Result<Option<&'a str>, ProfileError> {
        match self.0.get(field.name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(ProfileError::Invalid(field)),
            None => Ok(None),
        }
    }

    /// A text that has to be there.
    pub(super) fn need(&self, field: Field) -> Result<&'a str, ProfileError> {
        self.text(field)?.ok_or(ProfileError::Missing(field))
    }

    /// A text that `read` makes something of, where the key is there.
    pub(super) fn read<T, E>(
        &self,
        field: Field,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ProfileError> {
        self.text(field)?.map(read).transpose().map_err(|_| ProfileError::Invalid(field))
    }

    pub(super) fn port(&self) -> Result<Option<u16>, ProfileError> {
        let Some(value) = self.0.get(PORT.name) else { return Ok(None) };
        let port = value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
        port.map(Some).ok_or(ProfileError::Invalid(PORT))
    }

    /// An array of texts, where the key is there.
    pub(super) fn texts(&self, field: Field) -> Result<Option<impl Iterator<Item = &'a str>>, ProfileError> {
        let Some(value) = self.0.get(field.name) else { return Ok(None) };
        let texts = value.as_array().ok_or(ProfileError::Invalid(field))?;
        if !texts.iter().all(Value::is_string) {
            return Err(ProfileError::Invalid(field));
        }
        Ok(Some(texts.iter().filter_map(Value::as_str)))
    }
}
