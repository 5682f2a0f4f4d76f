//! Which topics there are, and whose: the only place that knows topic strings.
//!
//! [`Topic::parse`] and `Display` are inverse of each other. [`Topic::pieces`] gives the same text in pieces, for a
//! link that joins them while it encodes.

use super::identity::{DeviceName, ProductId};
use core::fmt;

/// The device that a topic names: `{product id}/{device name}`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub struct Whose<'a> {
    /// Product id.
    pub product: &'a str,
    /// Device name.
    pub device: &'a str,
}

impl<'a> Whose<'a> {
    /// The device with this identity.
    pub fn new(product: &'a ProductId, device: &'a DeviceName) -> Self {
        Self { product: product.as_str(), device: device.as_str() }
    }

    /// Whether that is this device.
    pub fn is(&self, product: &ProductId, device: &DeviceName) -> bool {
        self.product == product.as_str() && self.device == device.as_str()
    }
}

/// Longest process id of an RRPC topic, in bytes.
pub const MAX_PROCESS: usize = 128;

/// A topic of the platform, or the one filter with a wildcard among its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Topic<'a> {
    /// `{p}/{class}`: a user topic, such as `event`, `control` or `data`; a class may have several levels.
    User(Whose<'a>, &'a str),
    /// `{prefix}/{p}`: a topic of one of the platform's services.
    Service(Service, Whose<'a>),
    /// `$rrpc/rxd/{p}/{process id}`, down: a request that wants its answer within 4 s.
    RrpcRequest(Whose<'a>, &'a str),
    /// `$rrpc/rxd/{p}/+`: the filter for all of them.
    RrpcRequests(Whose<'a>),
    /// `$rrpc/txd/{p}/{process id}`, up: the answer.
    RrpcAnswer(Whose<'a>, &'a str),
}

const RRPC_REQUEST: &str = "$rrpc/rxd/";
const RRPC_ANSWER: &str = "$rrpc/txd/";

macro_rules! services {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $prefix:literal,)+) => {
        /// A service's topic without its device: what stands before `{product id}/{device name}`.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum Service {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Service {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// A short name for logs and tests: `time_up`, `shadow_down`, …
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What stands before the device, with its last slash.
            pub fn prefix(self) -> &'static str {
                match self { $(Self::$variant => $prefix,)+ }
            }
        }
    };
}

services! {
    /// `$sys/operation/{p}`, up: asks for the time (§7).
    TimeUp "time_up" "$sys/operation/",
    /// `$sys/operation/result/{p}`, down: the time.
    TimeDown "time_down" "$sys/operation/result/",
    /// `$shadow/operation/{p}`, up: device shadow (§8).
    ShadowUp "shadow_up" "$shadow/operation/",
    /// `$shadow/operation/result/{p}`, down.
    ShadowDown "shadow_down" "$shadow/operation/result/",
    /// `$ota/report/{p}`, up: firmware (§11).
    OtaUp "ota_up" "$ota/report/",
    /// `$ota/update/{p}`, down.
    OtaDown "ota_down" "$ota/update/",
    /// `$broadcast/rxd/{p}`, down: messages to all devices of a product (§10).
    BroadcastDown "broadcast_down" "$broadcast/rxd/",
    /// `$gateway/operation/{p}`, up: sub-devices (§12).
    GatewayUp "gateway_up" "$gateway/operation/",
    /// `$gateway/operation/result/{p}`, down.
    GatewayDown "gateway_down" "$gateway/operation/result/",
    /// `$config/operation/{p}`, up: remote configuration (§13).
    ConfigUp "config_up" "$config/operation/",
    /// `$config/operation/result/{p}`, down.
    ConfigDown "config_down" "$config/operation/result/",
    /// `$config/report/{p}`, up: the older form of `ConfigUp`.
    OldConfigUp "old_config_up" "$config/report/",
    /// `$config/update/{p}`, down: the older form of `ConfigDown`.
    OldConfigDown "old_config_down" "$config/update/",
    /// `$log/operation/{p}`, up: device log level (§14).
    LogUp "log_up" "$log/operation/",
    /// `$log/operation/result/{p}`, down.
    LogDown "log_down" "$log/operation/result/",
    /// `$resource/up/service/{p}`, up: resource files (§15).
    ResourceUp "resource_up" "$resource/up/service/",
    /// `$resource/down/service/{p}`, down.
    ResourceDown "resource_down" "$resource/down/service/",
    /// `$thing/up/property/{p}`, up: thing model (§16).
    ThingPropertyUp "thing_property_up" "$thing/up/property/",
    /// `$thing/down/property/{p}`, down.
    ThingPropertyDown "thing_property_down" "$thing/down/property/",
    /// `$thing/up/event/{p}`, up.
    ThingEventUp "thing_event_up" "$thing/up/event/",
    /// `$thing/down/event/{p}`, down.
    ThingEventDown "thing_event_down" "$thing/down/event/",
    /// `$thing/up/action/{p}`, up.
    ThingActionUp "thing_action_up" "$thing/up/action/",
    /// `$thing/down/action/{p}`, down.
    ThingActionDown "thing_action_down" "$thing/down/action/",
    /// `$thing/up/service/{p}`, up (§17).
    ThingServiceUp "thing_service_up" "$thing/up/service/",
    /// `$thing/down/service/{p}`, down.
    ThingServiceDown "thing_service_down" "$thing/down/service/",
    /// `$thing/up/raw/{p}`, up.
    ThingRawUp "thing_raw_up" "$thing/up/raw/",
    /// `$thing/down/raw/{p}`, down.
    ThingRawDown "thing_raw_down" "$thing/down/raw/",
    /// `$template/operation/{p}`, up: the old data template, superseded by the thing model.
    TemplateUp "template_up" "$template/operation/",
    /// `$template/operation/result/{p}`, down.
    TemplateDown "template_down" "$template/operation/result/",
}

/// A topic in pieces, some of them empty: joined, they are the topic.
pub type Pieces<'a> = [&'a str; 6];

impl<'a> Topic<'a> {
    /// Reads a topic. `None` where it is none of the platform's: another shape, another service, an empty level where
    /// the product, device or process stands, a process id over 128 bytes, or a wildcard.
    pub fn parse(topic: &'a str) -> Option<Self> {
        if let Some(rest) = topic.strip_prefix(RRPC_REQUEST) {
            let (whose, process) = device_and_rest(rest)?;
            return Some(match process {
                "+" => Self::RrpcRequests(whose),
                _ => Self::RrpcRequest(whose, process_id(process)?),
            });
        }
        if let Some(rest) = topic.strip_prefix(RRPC_ANSWER) {
            let (whose, process) = device_and_rest(rest)?;
            return Some(Self::RrpcAnswer(whose, process_id(process)?));
        }
        if topic.starts_with('$') {
            return Service::ALL
                .iter()
                .find_map(|service| Some(Self::Service(*service, device(topic.strip_prefix(service.prefix())?)?)));
        }
        let (whose, class) = device_and_rest(topic)?;
        is_class(class).then_some(Self::User(whose, class))
    }

    /// The device that the topic names.
    pub fn whose(&self) -> Whose<'a> {
        match self {
            Self::User(whose, _)
            | Self::Service(_, whose)
            | Self::RrpcRequest(whose, _)
            | Self::RrpcRequests(whose)
            | Self::RrpcAnswer(whose, _) => *whose,
        }
    }

    /// The topic in pieces, for a publish or subscription that does not allocate.
    pub fn pieces(&self) -> Pieces<'a> {
        let (prefix, tail) = match self {
            Self::User(_, class) => ("", *class),
            Self::Service(service, _) => (service.prefix(), ""),
            Self::RrpcRequest(_, process) => (RRPC_REQUEST, *process),
            Self::RrpcRequests(_) => (RRPC_REQUEST, "+"),
            Self::RrpcAnswer(_, process) => (RRPC_ANSWER, *process),
        };
        let Whose { product, device } = self.whose();
        [prefix, product, "/", device, if tail.is_empty() { "" } else { "/" }, tail]
    }
}

impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces().into_iter().try_for_each(|piece| f.write_str(piece))
    }
}

/// Whether a text can stand after `{p}/` in a topic name.
fn is_class(class: &str) -> bool {
    !class.is_empty() && !class.contains(['+', '#', '\0'])
}

/// Whether a text can stand after `{p}/` in a filter: `+` alone in its level, `#` alone in the last.
pub(super) fn is_filter_tail(tail: &str) -> bool {
    let (before, last) = tail.rsplit_once('/').map_or((None, tail), |(before, last)| (Some(before), last));
    let plain = |level: &str| level == "+" || !level.contains(['+', '#', '\0']);
    !tail.is_empty() && (last == "#" || plain(last)) && before.is_none_or(|before| before.split('/').all(plain))
}

/// One level that names something: not empty, no wildcard.
fn level(text: &str) -> Option<&str> {
    (!text.is_empty() && !text.contains(['/', '+', '#', '\0'])).then_some(text)
}

fn device(text: &str) -> Option<Whose<'_>> {
    let (product, device) = text.split_once('/')?;
    Some(Whose { product: level(product)?, device: level(device)? })
}

fn device_and_rest(text: &str) -> Option<(Whose<'_>, &str)> {
    let (product, rest) = text.split_once('/')?;
    let (device, rest) = rest.split_once('/')?;
    Some((Whose { product: level(product)?, device: level(device)? }, rest))
}

fn process_id(text: &str) -> Option<&str> {
    level(text).filter(|process| process.len() <= MAX_PROCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString as _};
    use proptest::prelude::*;

    const DOOR: Whose<'_> = Whose { product: "DOORPRD9A1", device: "door1" };

    #[test]
    fn each_service_topic_is_its_prefix_and_the_device_and_is_read_back() {
        for service in Service::ALL {
            let topic = Topic::Service(*service, DOOR);
            let text = format!("{}DOORPRD9A1/door1", service.prefix());
            assert_eq!(topic.to_string(), text);
            assert_eq!(Topic::parse(&text), Some(topic), "{}", service.name());
        }
        assert_eq!(Service::ALL.len(), 29);
    }

    #[test]
    fn rrpc_and_user_topics_are_written_as_the_platform_does() {
        for (topic, text) in [
            (Topic::User(DOOR, "event"), "DOORPRD9A1/door1/event"),
            (Topic::User(DOOR, "data/room/1"), "DOORPRD9A1/door1/data/room/1"),
            (Topic::RrpcRequest(DOOR, "42"), "$rrpc/rxd/DOORPRD9A1/door1/42"),
            (Topic::RrpcRequests(DOOR), "$rrpc/rxd/DOORPRD9A1/door1/+"),
            (Topic::RrpcAnswer(DOOR, "42"), "$rrpc/txd/DOORPRD9A1/door1/42"),
        ] {
            assert_eq!(topic.to_string(), text);
            assert_eq!(Topic::parse(text), Some(topic));
        }
    }

    #[test]
    fn r_122_a_topic_of_another_shape_is_no_topic() {
        for text in [
            "",
            "/",
            "//",
            "a",
            "a/b",
            "a/b/",
            "/a/b",
            "a//b",
            "a/b/#",
            "+/b/c",
            "$sys/operation",
            "$sys/operation/",
            "$sys/operation/a",
            "$sys/operation/a/b/c/d",
            "$sys/operation/result/a/",
            "$sys/operation//b",
            "$sys/operations/a/b",
            "$unknown/a/b",
            "$rrpc/rxd/a/b",
            "$rrpc/rxd/a/b/",
            "$rrpc/rxd/a/b/c/d",
            "$rrpc/txd/a/b/+",
        ] {
            assert_eq!(Topic::parse(text), None, "{text}");
        }
    }

    #[test]
    fn r_122_a_process_id_has_at_most_128_bytes() {
        assert!(Topic::parse(&format!("$rrpc/rxd/a/b/{}", "1".repeat(128))).is_some());
        assert_eq!(Topic::parse(&format!("$rrpc/rxd/a/b/{}", "1".repeat(129))), None);
    }

    /// A result topic of `a/b` has the shape of a request topic of the device `b` of product `result/a`.
    #[test]
    fn a_result_topic_is_never_taken_for_a_request_topic() {
        assert_eq!(
            Topic::parse("$sys/operation/result/a/b"),
            Some(Topic::Service(Service::TimeDown, Whose { product: "a", device: "b" }))
        );
        assert_eq!(
            Topic::parse("$sys/operation/result/b"),
            Some(Topic::Service(Service::TimeUp, Whose { product: "result", device: "b" }))
        );
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_back_the_same(text in "(\\$(sys|shadow|ota|rrpc|thing)/)?[a-z/+#$]{0,12}(operation/|result/|rxd/)?[a-z0-9/+]{0,20}") {
            if let Some(topic) = Topic::parse(&text) {
                prop_assert_eq!(topic.to_string(), text.clone());
                prop_assert_eq!(topic.pieces().concat(), text);
            }
        }

        #[test]
        fn what_is_written_is_read_back_the_same(
            which in 0..Service::ALL.len() + 4,
            product in "[A-Z0-9]{10}",
            device in "[A-Za-z0-9:_.-]{1,48}",
            class in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,3}",
        ) {
            let whose = Whose { product: &product, device: &device };
            let process = class.split('/').next().unwrap();
            let topic = match Service::ALL.get(which) {
                Some(service) => Topic::Service(*service, whose),
                None => [
                    Topic::User(whose, &class),
                    Topic::RrpcRequest(whose, process),
                    Topic::RrpcRequests(whose),
                    Topic::RrpcAnswer(whose, process),
                ][which - Service::ALL.len()],
            };
            let text = topic.to_string();
            prop_assert_eq!(Topic::parse(&text), Some(topic));
        }

        #[test]
        fn r_1_no_text_makes_the_reader_panic(text in any::<alloc::string::String>()) {
            let _ = Topic::parse(&text);
        }
    }
}
