//! How properties ride in a topic: the bag of keys and values after the last slash, and the keys that the hub itself
//! reads.

use super::{
    limits,
    percent::{Encoded, decode},
};
use alloc::{borrow::ToOwned as _, string::String, vec::Vec};
use core::fmt;

/// A property bag: `k=v` pairs joined by `&`, keys and values percent-encoded, in the order of the topic.
///
/// A key alone has no value; `k=` has an empty one. System properties have keys that begin with `$.`
/// ([`System`] has names for them).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Properties {
    pairs: Vec<(String, Option<String>)>,
}

impl Properties {
    /// A bag with nothing in it.
    pub const fn new() -> Self {
        Self { pairs: Vec::new() }
    }

    /// Reads a bag; a leading `?` is passed over, and each pair is split at its first `=`. `None` where there are more
    /// than 64 pairs, a key is empty, or an escape is broken.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('?').unwrap_or(text);
        let mut bag = Self::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if bag.pairs.len() == limits::PAIRS {
                return None;
            }
            let (key, value) = pair.split_once('=').map_or((pair, None), |(key, value)| (key, Some(value)));
            let key = text_of(key).filter(|key| !key.is_empty())?;
            let value = match value {
                Some(value) => Some(text_of(value)?),
                None => None,
            };
            bag.pairs.push((key, value));
        }
        Some(bag)
    }

    /// Adds a pair at the end.
    pub fn push(&mut self, key: impl Into<String>, value: Option<String>) {
        self.pairs.push((key.into(), value));
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The pairs, in the order of the topic.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_deref()))
    }

    /// The value of a key: `None` where it is absent, `Some(None)` where it has none. Of equal keys the last counts.
    pub fn get(&self, key: &str) -> Option<Option<&str>> {
        self.pairs.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_deref())
    }

    /// The text of a system property, where it is there and has one.
    pub fn system(&self, key: System) -> Option<&str> {
        self.get(key.key()).flatten()
    }

    /// The application's own pairs: those whose key is none of the system's.
    pub fn application(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.iter().filter(|(key, _)| !key.starts_with(System::PREFIX))
    }

    /// Bytes of names and values, as the hub counts them into the size of a message.
    pub(super) fn size(&self) -> usize {
        self.iter().map(|(key, value)| key.len().saturating_add(value.map_or(0, str::len))).sum()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self { pairs: pairs.into_iter().map(|(key, value)| (key.into(), Some(value.into()))).collect() }
    }
}

impl fmt::Display for Properties {
    /// The bag as it stands in a topic; [`Properties::parse`] reads it back the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("&")?;
            }
            write!(f, "{}", Encoded(key))?;
            if let Some(value) = value {
                write!(f, "={}", Encoded(value))?;
            }
        }
        Ok(())
    }
}

/// A text with its escapes undone; U+0000 is no part of one.
fn text_of(text: &str) -> Option<String> {
    decode(text).filter(|text| !text.contains('\0')).map(alloc::borrow::Cow::into_owned)
}

macro_rules! system {
    ($($(#[doc = $doc:literal])+ $variant:ident $key:literal,)+) => {
        /// A property that the hub or its services read. The order of the variants is that in which they are written.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum System {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl System {
            /// All of them, in the order in which they are written.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The key as it is decoded; in a topic its `$` is written `%24`.
            pub fn key(self) -> &'static str {
                match self { $(Self::$variant => concat!("$.", $key),)+ }
            }
        }
    };
}

system! {
    /// `$.on`: the output of an Edge module.
    Output "on",
    /// `$.mid`: message id, at most 128 bytes.
    MessageId "mid",
    /// `$.cid`: correlation id.
    CorrelationId "cid",
    /// `$.uid`: user id.
    UserId "uid",
    /// `$.ct`: content type, such as `application/json`.
    ContentType "ct",
    /// `$.ce`: content encoding, such as `utf-8`.
    ContentEncoding "ce",
    /// `$.sub`: the component of a Plug and Play model.
    Component "sub",
    /// `$.ifid`: interface id.
    InterfaceId "ifid",
    /// `$.exp`: absolute time of expiry, ISO 8601.
    Expiry "exp",
    /// `$.ctime`: time of creation in UTC, ISO 8601 ending in `Z`.
    CreationTime "ctime",
    /// `$.to`: destination of a message to the device.
    To "to",
    /// `$.cdid`: the device that an Edge message came from.
    FromDevice "cdid",
    /// `$.cmid`: the module that an Edge message came from.
    FromModule "cmid",
}

impl System {
    /// What begins the key of every system property.
    pub const PREFIX: &'static str = "$.";

    /// The property with this short name (`mid`, `ct`), without its `$.`.
    pub fn from_short(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|system| system.key().strip_prefix(Self::PREFIX) == Some(name))
    }
}

/// The bag of an outgoing message: system properties in the order of [`System`], then the application's own by key.
pub(super) fn outgoing(system: &[(System, &str)], application: &[(&str, Option<&str>)]) -> Properties {
    let mut system = system.to_vec();
    system.sort_by_key(|(key, _)| *key);
    let mut application = application.to_vec();
    application.sort_by_key(|(key, _)| *key);
    let system = system.iter().map(|(key, value)| (key.key().to_owned(), Some((*value).to_owned())));
    let application = application.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)));
    Properties { pairs: system.chain(application).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString as _, vec};
    use proptest::prelude::*;

    #[test]
    fn a_key_alone_has_no_value_and_an_empty_value_is_one() {
        let bag = Properties::parse("%24.mid=a%20b&iothub-ack=full&none&empty=&eq=a=b%3Dc").unwrap();
        assert_eq!(bag.system(System::MessageId), Some("a b"));
        assert_eq!(bag.get("none"), Some(None));
        assert_eq!(bag.get("empty"), Some(Some("")));
        assert_eq!(bag.get("eq"), Some(Some("a=b=c")));
        assert_eq!(bag.get("absent"), None);
        assert_eq!(bag.application().count(), 4);
    }

    #[test]
    fn a_leading_question_mark_and_empty_pairs_say_nothing() {
        assert_eq!(Properties::parse(""), Some(Properties::new()));
        assert_eq!(Properties::parse("?").unwrap().iter().count(), 0);
        assert_eq!(Properties::parse("?a=1&&b=2&").unwrap().iter().count(), 2);
    }

    #[test]
    fn of_equal_keys_the_last_counts_and_both_spellings_of_a_system_key_are_one() {
        let bag = Properties::parse("$.ct=a&%24.ct=b&x=1&x").unwrap();
        assert_eq!(bag.system(System::ContentType), Some("b"));
        assert_eq!(bag.get("x"), Some(None));
    }

    #[test]
    fn r_122_a_broken_escape_an_empty_key_or_a_65th_pair_is_refused() {
        for text in ["=v", "a=%2", "%zz=1", "a=%00", "a=%ff"] {
            assert_eq!(Properties::parse(text), None, "{text}");
        }
        let bag = |pairs: usize| vec!["k=v"; pairs].join("&");
        assert!(Properties::parse(&bag(64)).is_some());
        assert_eq!(Properties::parse(&bag(65)), None);
    }

    #[test]
    fn system_properties_go_first_in_their_order_then_the_applications_by_key() {
        let system = [
            (System::Component, "thermostat1"),
            (System::ContentEncoding, "utf-8"),
            (System::Output, "out"),
            (System::ContentType, "application/json"),
        ];
        let bag = outgoing(&system, &[("zeta", Some("1")), ("flag", None), ("alpha", Some(""))]);
        assert_eq!(
            bag.to_string(),
            "%24.on=out&%24.ct=application%2Fjson&%24.ce=utf-8&%24.sub=thermostat1&alpha=&flag&zeta=1"
        );
    }

    #[test]
    fn each_system_property_is_found_by_its_short_name() {
        for system in System::ALL {
            assert_eq!(System::from_short(&system.key()[2..]), Some(*system));
            assert_eq!(format!("{}", Encoded(system.key())), format!("%24{}", &system.key()[1..]));
        }
        assert_eq!(System::from_short("nope"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_the_same(
            pairs in proptest::collection::vec(("[^\0]{1,8}", proptest::option::of("[^\0]{0,8}")), 0..8),
        ) {
            let bag = Properties { pairs };
            prop_assert_eq!(Properties::parse(&bag.to_string()), Some(bag));
        }

        #[test]
        fn r_1_no_text_makes_the_reader_panic(text in any::<String>()) {
            if let Some(bag) = Properties::parse(&text) {
                prop_assert_eq!(Properties::parse(&bag.to_string()), Some(bag));
            }
        }
    }
}
