//! What the cloud tells a device: messages with properties, messages that Edge routes to a module, and the commands that
//! IoT Central sends while a device is offline (§3.2).

use super::{
    properties::{Properties, System},
    topic::component_and_name,
};
use alloc::{borrow::Cow, boxed::Box, string::String};
use core::fmt;

/// A message from the cloud, or from another module by way of Edge. It was acknowledged when it came in, and the hub has
/// forgotten it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct C2d {
    /// Its content.
    pub payload: Box<[u8]>,
    /// Its properties, the system's among them.
    pub properties: Properties,
    /// The input of a module that it came by; `None` for a message to a device.
    pub input: Option<String>,
}

impl C2d {
    pub(super) fn new(payload: &[u8], properties: Properties, input: Option<Cow<'_, str>>) -> Self {
        Self { payload: payload.into(), properties, input: input.map(Cow::into_owned) }
    }

    /// `$.mid`, where it has one.
    pub fn message_id(&self) -> Option<&str> {
        self.properties.system(System::MessageId)
    }

    /// `$.cid`, where it has one.
    pub fn correlation_id(&self) -> Option<&str> {
        self.properties.system(System::CorrelationId)
    }

    /// `$.ct`, where it has one.
    pub fn content_type(&self) -> Option<&str> {
        self.properties.system(System::ContentType)
    }

    /// The value of a property of the application's: `None` where it is absent, `Some(None)` where it has none.
    pub fn property(&self, name: &str) -> Option<Option<&str>> {
        self.properties.get(name)
    }

    /// The command that it carries, where IoT Central sent it as an offline command: the component, if one is addressed,
    /// and the name, from the property `method-name`. No answer is expected; the payload is the request's.
    pub fn command(&self) -> Option<(Option<Cow<'_, str>>, Cow<'_, str>)> {
        let name = self.property("method-name").flatten().filter(|name| !name.is_empty())?;
        Some(component_and_name(Cow::Borrowed(name)))
    }
}

impl fmt::Debug for C2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("C2d")
            .field("payload_len", &self.payload.len())
            .field("properties", &self.properties)
            .field("input", &self.input)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bag: &str) -> C2d {
        C2d::new(b"{}", Properties::parse(bag).unwrap(), None)
    }

    #[test]
    fn an_offline_command_names_its_component_and_its_method() {
        assert_eq!(message("method-name=blink").command(), Some((None, "blink".into())));
        assert_eq!(message("method-name=led*blink").command(), Some((Some("led".into()), "blink".into())));
        for bag in ["", "method-name", "method-name=", "name=blink"] {
            assert_eq!(message(bag).command(), None, "{bag}");
        }
    }

    #[test]
    fn system_properties_have_names() {
        let message = message("%24.mid=1&%24.cid=2&%24.ct=text%2Fplain&x");
        assert_eq!(
            (message.message_id(), message.correlation_id(), message.content_type(), message.property("x")),
            (Some("1"), Some("2"), Some("text/plain"), Some(None))
        );
    }
}
