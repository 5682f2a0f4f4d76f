//! Which topics there are, and what stands in them: the only place that knows topic strings.
//!
//! [`Topic::parse`] and `Display` are inverse of each other: what is written is read back the same. Reading is strict in
//! the shape and tolerant in the query: keys with or without `$`, in any order, empty values, unknown keys.

use super::{
    limits,
    percent::{Encoded, decode},
    properties::Properties,
};
use alloc::borrow::Cow;
use core::fmt;

/// The device, or the module on it, that a topic names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub struct Whose<'a> {
    /// Device id.
    pub device: &'a str,
    /// Module id, where it is a module.
    pub module: Option<&'a str>,
}

impl<'a> Whose<'a> {
    /// A device.
    pub const fn device(device: &'a str) -> Self {
        Self { device, module: None }
    }

    /// A module on a device.
    pub const fn module(device: &'a str, module: &'a str) -> Self {
        Self { device, module: Some(module) }
    }

    /// The topic `devices/{device}[/modules/{module}]/messages/events/` in pieces; a property bag follows.
    pub(super) fn events(self) -> [&'a str; 5] {
        let [devices, device, modules, module] = self.pieces();
        [devices, device, modules, module, "/messages/events/"]
    }

    fn pieces(self) -> [&'a str; 4] {
        let modules = if self.module.is_some() { "/modules/" } else { "" };
        ["devices/", self.device, modules, self.module.unwrap_or_default()]
    }

    /// The identity at the front of a topic, and what follows its slash.
    fn parse(topic: &'a str) -> Option<(Self, &'a str)> {
        let (device, rest) = level(topic.strip_prefix("devices/")?)?;
        match rest.strip_prefix("modules/") {
            Some(rest) => {
                let (module, rest) = level(rest)?;
                Some((Self::module(device, module), rest))
            }
            None => Some((Self::device(device), rest)),
        }
    }
}

impl fmt::Display for Whose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces().into_iter().try_for_each(|piece| f.write_str(piece))
    }
}

/// The id of a direct method's request, as it stands in the topic: opaque, and echoed byte for byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Rid<'a>(&'a str);

impl<'a> Rid<'a> {
    /// An id as it stands in a topic: percent-encoded where it needs to be, 1 to 128 bytes.
    pub fn new(text: &'a str) -> Option<Self> {
        let sound = !text.is_empty() && text.len() <= limits::NAME && !text.contains(['&', '+', '#', '\0']);
        (sound && decode(text).is_some()).then_some(Self(text))
    }

    /// The id as it stands in the topic.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The id with its escapes undone.
    pub fn decoded(self) -> Cow<'a, str> {
        decode(self.0).unwrap_or(Cow::Borrowed(self.0))
    }
}

/// A topic of Device Provisioning or of IoT Hub.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Topic<'a> {
    /// `$dps/registrations/PUT/iotdps-register/?$rid={rid}`, up: asks to be registered.
    DpsRegister {
        /// Request id.
        rid: u32,
    },
    /// `$dps/registrations/GET/iotdps-get-operationstatus/?$rid={rid}&operationId={id}`, up: asks how it goes.
    DpsQuery {
        /// Request id.
        rid: u32,
        /// What the registration is called.
        operation: Cow<'a, str>,
    },
    /// `$dps/registrations/res/{status}/?$rid={rid}[&retry-after={seconds}]`, down.
    DpsAnswer {
        /// As in HTTP.
        status: u16,
        /// The request's id; empty where the request had none that the service understood.
        rid: Option<Cow<'a, str>>,
        /// Seconds to wait before asking again; `None` where absent or no number.
        retry_after: Option<u32>,
    },
    /// `devices/{d}[/modules/{m}]/messages/events/{bag}`, up: telemetry.
    Events(Whose<'a>, Properties),
    /// `devices/{d}/messages/devicebound/{bag}`, down: a message to the device.
    DeviceBound(Whose<'a>, Properties),
    /// `devices/{d}/modules/{m}/inputs/{input}/{bag}`, down: a message that Edge routes to a module.
    Input(Whose<'a>, Cow<'a, str>, Properties),
    /// `$iothub/methods/POST/{name}/?$rid={rid}`, down: a direct method. A name `{component}*{method}` addresses a
    /// component, unless the asterisk comes first.
    Method {
        /// The component, where one is addressed.
        component: Option<Cow<'a, str>>,
        /// The method; empty where the topic has none.
        name: Cow<'a, str>,
        /// Request id.
        rid: Rid<'a>,
    },
    /// `$iothub/methods/res/{status}/?$rid={rid}`, up: its answer.
    MethodAnswer {
        /// Chosen by the device; 200 done, 202 going on, 400 bad payload, 404 unknown, 500 failed.
        status: i32,
        /// The request's id.
        rid: Rid<'a>,
    },
    /// `$iothub/twin/GET/?$rid={rid}`, up: asks for the whole twin.
    TwinGet {
        /// Request id.
        rid: u32,
    },
    /// `$iothub/twin/PATCH/properties/reported/?$rid={rid}`, up: changes reported properties.
    TwinReported {
        /// Request id.
        rid: u32,
    },
    /// `$iothub/twin/res/{status}/?$rid={rid}[&$version={n}]`, down: answers both.
    TwinAnswer {
        /// As in HTTP.
        status: u16,
        /// The request's id.
        rid: Option<Cow<'a, str>>,
        /// The new version of the reported properties, at 204.
        version: Option<u64>,
    },
    /// `$iothub/twin/PATCH/properties/desired/?$version={n}`, down: desired properties have changed.
    TwinDesired {
        /// Their new version.
        version: Option<u64>,
    },
    /// `$iothub/credentials/res/{status}/?$rid={rid}`, down: answers a request for a certificate.
    CredentialAnswer {
        /// As in HTTP.
        status: u16,
        /// The request's id.
        rid: Option<Cow<'a, str>>,
    },
}

/// The filter for answers of Device Provisioning.
pub const DPS_ANSWERS: &str = "$dps/registrations/res/#";
/// The filter for direct methods.
pub const METHODS: &str = "$iothub/methods/POST/#";
/// The filter for answers about the twin.
pub const TWIN_ANSWERS: &str = "$iothub/twin/res/#";
/// The filter for changes of desired properties.
pub const DESIRED_CHANGES: &str = "$iothub/twin/PATCH/properties/desired/#";

const DPS_REGISTER: &str = "$dps/registrations/PUT/iotdps-register/";
const DPS_QUERY: &str = "$dps/registrations/GET/iotdps-get-operationstatus/";
const DPS_ANSWER: &str = "$dps/registrations/res/";
const METHOD: &str = "$iothub/methods/POST/";
const METHOD_ANSWER: &str = "$iothub/methods/res/";
const TWIN_GET: &str = "$iothub/twin/GET/";
const TWIN_REPORTED: &str = "$iothub/twin/PATCH/properties/reported/";
const TWIN_ANSWER: &str = "$iothub/twin/res/";
const TWIN_DESIRED: &str = "$iothub/twin/PATCH/properties/desired/";
const CREDENTIAL_ANSWER: &str = "$iothub/credentials/res/";
const EVENTS: &str = "messages/events/";
const DEVICE_BOUND: &str = "messages/devicebound/";
const INPUTS: &str = "inputs/";

/// The filter for messages to this device, in pieces; a module has the inputs of Edge instead.
pub(super) fn messages(whose: Whose<'_>) -> [&str; 5] {
    let [devices, device, modules, module] = whose.pieces();
    let tail = if whose.module.is_some() { "/inputs/#" } else { "/messages/devicebound/#" };
    [devices, device, modules, module, tail]
}

impl<'a> Topic<'a> {
    /// Reads a topic. `None` where it is none of these: another shape, a status that is no number, an empty level where a
    /// device stands, a method without a request id, a broken escape; longer than 1024 bytes, more than 64 pairs.
    pub fn parse(topic: &'a str) -> Option<Self> {
        if topic.len() > limits::TOPIC {
            return None;
        }
        if topic.starts_with('$') {
            return Self::parse_service(topic);
        }
        let (whose, rest) = Whose::parse(topic)?;
        if let Some(bag) = rest.strip_prefix(EVENTS) {
            return Some(Self::Events(whose, Properties::parse(bag)?));
        }
        if whose.module.is_none() {
            return Some(Self::DeviceBound(whose, Properties::parse(rest.strip_prefix(DEVICE_BOUND)?)?));
        }
        let (input, bag) = level(rest.strip_prefix(INPUTS)?)?;
        Some(Self::Input(whose, name(input).filter(|input| !input.is_empty())?, Properties::parse(bag)?))
    }

    fn parse_service(topic: &'a str) -> Option<Self> {
        if let Some(rest) = topic.strip_prefix(TWIN_ANSWER) {
            let (status, query) = answer(rest)?;
            return Some(Self::TwinAnswer { status, rid: query.rid().ok()?, version: query.number("version") });
        }
        if let Some(rest) = topic.strip_prefix(TWIN_DESIRED) {
            return Some(Self::TwinDesired { version: Query::parse(rest)?.number("version") });
        }
        if let Some(rest) = topic.strip_prefix(METHOD) {
            return Self::parse_method(rest);
        }
        if let Some(rest) = topic.strip_prefix(DPS_ANSWER) {
            let (status, query) = answer(rest)?;
            return Some(Self::DpsAnswer { status, rid: query.rid().ok()?, retry_after: query.number("retry-after") });
        }
        if let Some(rest) = topic.strip_prefix(CREDENTIAL_ANSWER) {
            let (status, query) = answer(rest)?;
            return Some(Self::CredentialAnswer { status, rid: query.rid().ok()? });
        }
        Self::parse_request(topic)
    }

    /// What a device sends: the way back for simulators, tests and logs.
    fn parse_request(topic: &'a str) -> Option<Self> {
        if let Some(rest) = topic.strip_prefix(DPS_REGISTER) {
            return Some(Self::DpsRegister { rid: Query::parse(rest)?.number("rid")? });
        }
        if let Some(rest) = topic.strip_prefix(DPS_QUERY) {
            let query = Query::parse(rest)?;
            let operation = decode(query.get("operationId")?)?;
            return Some(Self::DpsQuery { rid: query.number("rid")?, operation });
        }
        if let Some(rest) = topic.strip_prefix(TWIN_GET) {
            return Some(Self::TwinGet { rid: Query::parse(rest)?.number("rid")? });
        }
        if let Some(rest) = topic.strip_prefix(TWIN_REPORTED) {
            return Some(Self::TwinReported { rid: Query::parse(rest)?.number("rid")? });
        }
        let (status, query) = topic.strip_prefix(METHOD_ANSWER)?.split_once('/')?;
        let rid = Rid::new(Query::parse(query)?.get("rid")?)?;
        let digits = status.strip_prefix('-').unwrap_or(status);
        let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self::MethodAnswer { status: status.parse().ok().filter(|_| decimal)?, rid })
    }

    fn parse_method(rest: &'a str) -> Option<Self> {
        let (whole, query) = rest.split_once('/')?;
        let rid = Rid::new(Query::parse(query)?.get("rid")?)?;
        let (component, name) = component_and_name(name(whole)?);
        Some(Self::Method { component, name, rid })
    }
}

impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DpsRegister { rid } => write!(f, "{DPS_REGISTER}?$rid={rid}"),
            Self::DpsQuery { rid, operation } => {
                write!(f, "{DPS_QUERY}?$rid={rid}&operationId={}", Encoded(operation))
            }
            Self::DpsAnswer { status, rid, retry_after } => {
                write!(f, "{DPS_ANSWER}{status}/")?;
                query(f, rid.as_deref(), "retry-after", retry_after.map(u64::from))
            }
            Self::Events(whose, bag) => write!(f, "{whose}/{EVENTS}{bag}"),
            Self::DeviceBound(whose, bag) => write!(f, "{whose}/{DEVICE_BOUND}{bag}"),
            Self::Input(whose, input, bag) => write!(f, "{whose}/{INPUTS}{}/{bag}", Encoded(input)),
            Self::Method { component, name, rid } => {
                f.write_str(METHOD)?;
                if let Some(component) = component {
                    write!(f, "{}*", Encoded(component))?;
                }
                write!(f, "{}/?$rid={}", Encoded(name), rid.as_str())
            }
            Self::MethodAnswer { status, rid } => write!(f, "{METHOD_ANSWER}{status}/?$rid={}", rid.as_str()),
            Self::TwinGet { rid } => write!(f, "{TWIN_GET}?$rid={rid}"),
            Self::TwinReported { rid } => write!(f, "{TWIN_REPORTED}?$rid={rid}"),
            Self::TwinAnswer { status, rid, version } => {
                write!(f, "{TWIN_ANSWER}{status}/")?;
                query(f, rid.as_deref(), "$version", *version)
            }
            Self::TwinDesired { version } => {
                f.write_str(TWIN_DESIRED)?;
                query(f, None, "$version", *version)
            }
            Self::CredentialAnswer { status, rid } => {
                write!(f, "{CREDENTIAL_ANSWER}{status}/")?;
                query(f, rid.as_deref(), "", None)
            }
        }
    }
}

/// Splits the name of a command at its first asterisk; one that begins with it names no component.
pub(super) fn component_and_name(whole: Cow<'_, str>) -> (Option<Cow<'_, str>>, Cow<'_, str>) {
    match whole.find('*') {
        None | Some(0) => (None, whole),
        Some(at) => match whole {
            Cow::Borrowed(whole) => {
                let (component, name) = (whole.get(..at), whole.get(at.saturating_add(1)..));
                (component.map(Cow::Borrowed), Cow::Borrowed(name.unwrap_or_default()))
            }
            Cow::Owned(mut whole) => {
                let name = whole.split_off(at).split_off(1);
                (Some(Cow::Owned(whole)), Cow::Owned(name))
            }
        },
    }
}

/// Writes `?$rid=…&key=…` as far as there is something to write.
fn query(f: &mut fmt::Formatter<'_>, rid: Option<&str>, key: &str, number: Option<u64>) -> fmt::Result {
    if let Some(rid) = rid {
        write!(f, "?$rid={}", Encoded(rid))?;
    }
    if let Some(number) = number {
        write!(f, "{}{key}={number}", if rid.is_some() { '&' } else { '?' })?;
    }
    Ok(())
}

/// One level that names something, and what follows its slash.
fn level(text: &str) -> Option<(&str, &str)> {
    let (level, rest) = text.split_once('/')?;
    (!level.is_empty() && level.len() <= limits::NAME && !level.contains(['+', '#', '\0'])).then_some((level, rest))
}

/// A name with its escapes undone, at most 128 bytes.
fn name(text: &str) -> Option<Cow<'_, str>> {
    decode(text).filter(|name| name.len() <= limits::NAME && !name.contains('\0'))
}

/// `{status}[/[?{query}]]`
fn answer(rest: &str) -> Option<(u16, Query<'_>)> {
    let (status, query) = rest.split_once('/').unwrap_or((rest, ""));
    Some((number(status)?, Query::parse(query)?))
}

/// Digits only, within the type.
fn number<N: core::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// What stands behind the question mark: nothing, or pairs. Of equal keys the last counts.
#[derive(Clone, Copy)]
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let pairs = if text.is_empty() { text } else { text.strip_prefix('?')? };
        (pairs.split('&').count() <= limits::PAIRS).then_some(Self(pairs))
    }

    /// The value of a key, still encoded, whether the key is written with its `$` or without.
    fn get(self, key: &str) -> Option<&'a str> {
        self.0.rsplit('&').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name.strip_prefix('$').unwrap_or(name) == key).then_some(value)
        })
    }

    /// A number; absent where it is none.
    fn number<N: core::str::FromStr>(self, key: &str) -> Option<N> {
        self.get(key).and_then(number)
    }

    /// The request id, decoded, where there is one.
    fn rid(self) -> Result<Option<Cow<'a, str>>, Unsound> {
        self.get("rid").map(|rid| name(rid).ok_or(Unsound)).transpose()
    }
}

/// A text that is too long, or whose escapes are broken.
struct Unsound;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString as _, vec};
    use proptest::prelude::*;

    #[test]
    fn answers_are_read_whatever_the_order_the_dollar_signs_and_the_unknown_keys() {
        let answer = |rid: &'static str, version| {
            Some(Topic::TwinAnswer { status: 204, rid: Some(Cow::Borrowed(rid)), version })
        };
        for text in ["?$rid=6&$version=146", "?version=146&rid=6", "?x=1&$version=146&y&$rid=6&"] {
            assert_eq!(Topic::parse(&format!("$iothub/twin/res/204/{text}")), answer("6", Some(146)), "{text}");
        }
        assert_eq!(Topic::parse("$iothub/twin/res/204/?$rid=&$version="), answer("", None));
        assert_eq!(Topic::parse("$iothub/twin/res/204/?$rid=6&$version=-1"), answer("6", None));
        assert_eq!(Topic::parse("$iothub/twin/res/204/?$rid=6&$version=99999999999999999999"), answer("6", None));
    }

    #[test]
    fn an_answer_may_lack_its_query_or_its_request_id() {
        for text in ["$dps/registrations/res/401", "$dps/registrations/res/401/", "$dps/registrations/res/401/?"] {
            assert_eq!(Topic::parse(text), Some(Topic::DpsAnswer { status: 401, rid: None, retry_after: None }));
        }
        let rid = Some(Cow::Borrowed(""));
        assert_eq!(
            Topic::parse("$dps/registrations/res/202/?$rid=&retry-after=3"),
            Some(Topic::DpsAnswer { status: 202, rid, retry_after: Some(3) })
        );
    }

    #[test]
    fn a_method_keeps_its_request_id_as_it_stands() {
        let Some(Topic::Method { component, name, rid }) = Topic::parse("$iothub/methods/POST/a%20b*c*d/?$rid=a%2fB")
        else {
            panic!("a method");
        };
        assert_eq!((component.as_deref(), &*name), (Some("a b"), "c*d"));
        assert_eq!((rid.as_str(), &*rid.decoded()), ("a%2fB", "a/B"));
    }

    #[test]
    fn a_method_without_a_name_is_read_so_that_it_can_be_answered() {
        let Some(Topic::Method { name, rid, .. }) = Topic::parse("$iothub/methods/POST//?$rid=1") else { panic!() };
        assert_eq!((&*name, rid.as_str()), ("", "1"));
    }

    #[test]
    fn r_122_a_topic_of_another_shape_is_no_topic() {
        for text in [
            "",
            "$",
            "$iothub/twin/res",
            "$iothub/twin/res/",
            "$iothub/twin/res/abc/?$rid=1",
            "$iothub/twin/res/+200/?$rid=1",
            "$iothub/twin/res/99999/?$rid=1",
            "$iothub/twin/res/200/$rid=1",
            "$iothub/twin/res/200/?$rid=%zz",
            "$iothub/methods/POST/reboot",
            "$iothub/methods/POST/reboot/",
            "$iothub/methods/POST/reboot/?$rid=",
            "$iothub/methods/POST/re/boot/?$rid=1",
            "$iothub/methods/POST/%2/?$rid=1",
            "$iothub/methods/res/x/?$rid=1",
            "$iothub/twin/GET/?$rid=a",
            "devices//messages/devicebound/",
            "devices/d/messages/devicebound",
            "devices/d/messages/devicebound/%",
            "devices/d/modules/m/messages/devicebound/",
            "devices/d/modules//inputs/i/",
            "devices/d/modules/m/inputs/i",
            "devices/d/modules/m/inputs//",
            "devices/d/inputs/i/",
        ] {
            assert_eq!(Topic::parse(text), None, "{text}");
        }
    }

    #[test]
    fn r_122_ids_names_pairs_and_the_whole_have_bounds() {
        let rid = |len| format!("$iothub/twin/res/200/?$rid={}", "1".repeat(len));
        assert!(Topic::parse(&rid(128)).is_some());
        assert_eq!(Topic::parse(&rid(129)), None);
        let name = |len| format!("$iothub/methods/POST/{}/?$rid=1", "m".repeat(len));
        assert!(Topic::parse(&name(128)).is_some());
        assert_eq!(Topic::parse(&name(129)), None);
        let pairs = |count: usize| format!("$iothub/twin/res/200/?{}", "a&".repeat(count - 1));
        assert!(Topic::parse(&pairs(64)).is_some());
        assert_eq!(Topic::parse(&pairs(65)), None);
        let whole = |len: usize| format!("devices/d/messages/devicebound/{}", "k".repeat(len - 31));
        assert!(Topic::parse(&whole(1024)).is_some());
        assert_eq!(Topic::parse(&whole(1025)), None);
    }

    fn topics() -> impl Strategy<Value = alloc::string::String> {
        let rid = || "[0-9a-f]{1,8}(%2F|%20)?";
        let bag = "([a-z%24.]{1,4}=[a-z]{0,3}&)?[a-z]{1,3}=?";
        prop_oneof![
            (any::<u32>(), "[0-9a-f.-]{1,40}").prop_map(|(rid, operation)| format!(
                "$dps/registrations/GET/iotdps-get-operationstatus/?$rid={rid}&operationId={operation}"
            )),
            any::<u32>().prop_map(|rid| format!("$dps/registrations/PUT/iotdps-register/?$rid={rid}")),
            (any::<u16>(), rid(), any::<u32>()).prop_map(|(status, rid, after)| format!(
                "$dps/registrations/res/{status}/?retry-after={after}&rid={rid}"
            )),
            (any::<u16>(), rid(), any::<u64>())
                .prop_map(|(status, rid, version)| format!("$iothub/twin/res/{status}/?$rid={rid}&$version={version}")),
            (any::<u16>(), rid()).prop_map(|(status, rid)| format!("$iothub/credentials/res/{status}/?$rid={rid}")),
            any::<u64>().prop_map(|version| format!("$iothub/twin/PATCH/properties/desired/?$version={version}")),
            ("[a-z*%20]{0,12}", rid()).prop_map(|(name, rid)| format!("$iothub/methods/POST/{name}/?$rid={rid}")),
            (any::<i32>(), rid()).prop_map(|(status, rid)| format!("$iothub/methods/res/{status}/?$rid={rid}")),
            any::<u32>().prop_map(|rid| format!("$iothub/twin/GET/?$rid={rid}")),
            any::<u32>().prop_map(|rid| format!("$iothub/twin/PATCH/properties/reported/?$rid={rid}")),
            ("[A-Za-z0-9.:_-]{1,9}", bag).prop_map(|(d, bag)| format!("devices/{d}/messages/devicebound/{bag}")),
            ("[a-z]{1,9}", bag).prop_map(|(d, bag)| format!("devices/{d}/modules/m/messages/events/{bag}")),
            ("[a-z]{1,9}", bag).prop_map(|(input, bag)| format!("devices/d/modules/m/inputs/{input}%20x/?{bag}")),
        ]
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_back_the_same(text in topics()) {
            if let Some(topic) = Topic::parse(&text) {
                let written = topic.to_string();
                prop_assert_eq!(Topic::parse(&written), Some(topic.clone()), "{}", written);
            }
        }

        #[test]
        fn what_a_device_writes_is_read_back_as_it_was(rid in any::<u32>(), id in "[0-9a-f.-]{1,60}", status in any::<i32>()) {
            for topic in [
                Topic::DpsRegister { rid },
                Topic::DpsQuery { rid, operation: Cow::Borrowed(&id) },
                Topic::TwinGet { rid },
                Topic::TwinReported { rid },
                Topic::MethodAnswer { status, rid: Rid::new(&id).unwrap() },
            ] {
                let text = topic.to_string();
                prop_assert_eq!(Topic::parse(&text), Some(topic));
            }
        }

        #[test]
        fn r_1_no_text_makes_the_reader_panic(text in any::<alloc::string::String>()) {
            let _ = Topic::parse(&text);
        }
    }
}
