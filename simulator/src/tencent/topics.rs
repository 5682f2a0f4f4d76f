//! What a device may publish to and subscribe to.

use super::config::{Access, ClassConfig};
use super::registry::DeviceId;

/// Longest topic, in bytes.
const TOPIC_BYTES: usize = 255;
/// Most `/` in a topic.
const TOPIC_SLASHES: usize = 10;
/// Most classes of user topics of one product.
const CLASSES: usize = 100;

/// The beginnings of system topics that a device publishes to; `/{product id}/{device name}` follows.
const UP: [&str; 13] = [
    "$sys/operation",
    "$shadow/operation",
    "$ota/report",
    "$gateway/operation",
    "$config/operation",
    "$log/operation",
    "$resource/up/service",
    "$thing/up/property",
    "$thing/up/event",
    "$thing/up/action",
    "$thing/up/service",
    "$thing/up/raw",
    "$template/operation",
];

/// The same for those that a device subscribes to.
const DOWN: [&str; 14] = [
    "$sys/operation/result",
    "$shadow/operation/result",
    "$ota/update",
    "$broadcast/rxd",
    "$gateway/operation/result",
    "$config/operation/result",
    "$log/operation/result",
    "$resource/down/service",
    "$thing/down/property",
    "$thing/down/event",
    "$thing/down/action",
    "$thing/down/service",
    "$thing/down/raw",
    "$template/operation/result",
];

/// The one pair of system topics with a level behind the device: the process id, for which `+` may stand.
const RRPC_UP: &str = "$rrpc/txd";
const RRPC_DOWN: &str = "$rrpc/rxd";

/// The classes of user topics of one product: the three that each has, and its own.
#[derive(Clone, Debug)]
pub(super) struct Classes(Vec<ClassConfig>);

impl Default for Classes {
    fn default() -> Self {
        let class = |name: &str, access| ClassConfig { name: name.to_owned(), access };
        Self(vec![class("event", Access::Publish), class("control", Access::Subscribe), class("data", Access::Both)])
    }
}

impl Classes {
    /// The default classes and these; the error names the class and the rule it breaks.
    pub(super) fn new(own: &[ClassConfig]) -> Result<Self, (Box<str>, &'static str)> {
        let mut classes = Self::default();
        for class in own {
            let wrong = |why| Err((class.name.as_str().into(), why));
            if class.name.split('/').any(|level| level != "+" && level.contains(['+', '#'])) {
                return wrong("+ must be a whole level, and # is not allowed");
            }
            if class.name.split('/').any(str::is_empty) {
                return wrong("a level is empty");
            }
            classes.0.retain(|known| known.name != class.name);
            classes.0.push(class.clone());
            if classes.0.len() > CLASSES {
                return wrong("a product has at most 100 classes");
            }
        }
        Ok(classes)
    }

    /// The access to the topic whose levels behind the device are these: what any of the classes gives.
    fn allows(&self, rest: &str, wanted: Access) -> bool {
        let covers = |class: &ClassConfig| {
            let (mut pattern, mut levels) = (class.name.split('/'), rest.split('/'));
            loop {
                match (pattern.next(), levels.next()) {
                    (None, None) => return true,
                    (Some("+"), Some(_)) => {}
                    (Some(name), Some(level)) if name == level => {}
                    _ => return false,
                }
            }
        };
        self.0.iter().any(|class| (class.access == Access::Both || class.access == wanted) && covers(class))
    }
}

/// What becomes of a message that a device publishes to a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Route {
    /// To the cloud only.
    Cloud,
    /// To the cloud, and to the device itself if it has subscribed.
    CloudAndSelf,
}

/// Whether the device may publish there, and who gets the message.
pub(super) fn publish(device: &DeviceId, classes: &Classes, topic: &str) -> Result<Route, &'static str> {
    within_limits(topic)?;
    if topic.starts_with('$') {
        let plain = UP.iter().any(|prefix| behind(device, prefix, topic) == Some(""));
        let process = behind(device, RRPC_UP, topic).is_some_and(is_process_id);
        return if plain || process { Ok(Route::Cloud) } else { Err(NOT_ITS_OWN_UP) };
    }
    let rest = device.strip(topic).and_then(|rest| rest.strip_prefix('/')).ok_or(NOT_ITS_OWN_UP)?;
    if !classes.allows(rest, Access::Publish) {
        return Err("no class of topics lets the device publish here");
    }
    Ok(if classes.allows(rest, Access::Subscribe) { Route::CloudAndSelf } else { Route::Cloud })
}

/// Whether the device may subscribe to the filter. Below the device any wildcard is allowed, even one that matches
/// nothing; system topics have none but the process id of `$rrpc`.
pub(super) fn subscribe(device: &DeviceId, classes: &Classes, filter: &str) -> Result<(), &'static str> {
    within_limits(filter)?;
    if filter.starts_with('$') {
        let plain = DOWN.iter().any(|prefix| behind(device, prefix, filter) == Some(""));
        let process = behind(device, RRPC_DOWN, filter).is_some_and(|rest| rest == "/+" || is_process_id(rest));
        return if plain || process { Ok(()) } else { Err("not a system topic that the device receives on") };
    }
    let rest = device.strip(filter).and_then(|rest| rest.strip_prefix('/')).ok_or("not a topic of the device's own")?;
    let wild = rest.split('/').any(|level| level == "+" || level == "#");
    if wild || classes.allows(rest, Access::Subscribe) {
        Ok(())
    } else {
        Err("no class of topics lets the device subscribe here")
    }
}

/// Whether a message of the cloud may go to this user topic of the device: one to which it could subscribe.
pub(super) fn reaches(device: &DeviceId, classes: &Classes, topic: &str) -> bool {
    device
        .strip(topic)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|rest| classes.allows(rest, Access::Subscribe))
}

const NOT_ITS_OWN_UP: &str = "not a topic of the device's own";

/// What follows `prefix/{product id}/{device name}`.
fn behind<'t>(device: &DeviceId, prefix: &str, topic: &'t str) -> Option<&'t str> {
    device.strip(topic.strip_prefix(prefix)?.strip_prefix('/')?)
}

/// `/` and one level that is no wildcard.
fn is_process_id(rest: &str) -> bool {
    rest.strip_prefix('/').is_some_and(|id| !id.is_empty() && !id.contains(['/', '+', '#']))
}

fn within_limits(topic: &str) -> Result<(), &'static str> {
    if topic.len() > TOPIC_BYTES {
        return Err("the topic is over 255 bytes");
    }
    if topic.matches('/').count() > TOPIC_SLASHES {
        return Err("the topic has more than 10 slashes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> DeviceId {
        DeviceId::new("DOORPRD9A1", "door1")
    }

    #[test]
    fn a_device_publishes_where_a_class_lets_it_and_gets_only_data_back() {
        let classes = Classes::default();
        let route = |topic: &str| publish(&door(), &classes, topic);
        assert_eq!(route("DOORPRD9A1/door1/event"), Ok(Route::Cloud));
        assert_eq!(route("DOORPRD9A1/door1/data"), Ok(Route::CloudAndSelf));
        assert_eq!(route("$sys/operation/DOORPRD9A1/door1"), Ok(Route::Cloud));
        assert_eq!(route("$rrpc/txd/DOORPRD9A1/door1/77"), Ok(Route::Cloud));
        for denied in [
            "DOORPRD9A1/door1/control",
            "DOORPRD9A1/door1",
            "DOORPRD9A1/door1/event/more",
            "DOORPRD9A1/door10/event",
            "DOORPRD9A1/door2/event",
            "AIRCPRD7B2/door1/event",
            "/DOORPRD9A1/door1/event",
            "$sys/operation/result/DOORPRD9A1/door1",
            "$sys/operation/DOORPRD9A1/door2",
            "$sys/operation/DOORPRD9A1/door1/x",
            "$rrpc/txd/DOORPRD9A1/door1",
            "$rrpc/txd/DOORPRD9A1/door1/",
            "$rrpc/txd/DOORPRD9A1/door1/7/8",
            "$nothing/DOORPRD9A1/door1",
        ] {
            assert!(route(denied).is_err(), "{denied}");
        }
    }

    #[test]
    fn a_device_subscribes_to_what_is_its_own_with_wildcards_below_its_name_only() {
        let classes = Classes::default();
        let allowed = |filter: &str| subscribe(&door(), &classes, filter).is_ok();
        for filter in [
            "DOORPRD9A1/door1/control",
            "DOORPRD9A1/door1/data",
            "DOORPRD9A1/door1/#",
            "DOORPRD9A1/door1/+",
            "DOORPRD9A1/door1/event/+",
            "$sys/operation/result/DOORPRD9A1/door1",
            "$rrpc/rxd/DOORPRD9A1/door1/+",
            "$broadcast/rxd/DOORPRD9A1/door1",
        ] {
            assert!(allowed(filter), "{filter}");
        }
        for filter in [
            "DOORPRD9A1/door1/event",
            "DOORPRD9A1/door1",
            "DOORPRD9A1/+/control",
            "+/door1/control",
            "DOORPRD9A1/#",
            "#",
            "AIRCPRD7B2/AirConditioner1/control",
            "$sys/operation/result/DOORPRD9A1/+",
            "$sys/#",
            "$sys/operation/DOORPRD9A1/door1",
            "$rrpc/rxd/DOORPRD9A1/door1/#",
            "$rrpc/rxd/DOORPRD9A1/door1",
        ] {
            assert!(!allowed(filter), "{filter}");
        }
    }

    #[test]
    fn a_product_adds_classes_with_levels_and_wildcards() {
        let class = |name: &str, access| ClassConfig { name: name.to_owned(), access };
        let classes = Classes::new(&[class("room/+/lamp", Access::Both), class("event", Access::Subscribe)]).unwrap();
        assert_eq!(publish(&door(), &classes, "DOORPRD9A1/door1/room/3/lamp"), Ok(Route::CloudAndSelf));
        assert!(publish(&door(), &classes, "DOORPRD9A1/door1/room/lamp").is_err());
        assert!(publish(&door(), &classes, "DOORPRD9A1/door1/event").is_err());
        assert!(subscribe(&door(), &classes, "DOORPRD9A1/door1/event").is_ok());
        for bad in ["", "a//b", "a/+b", "a/#"] {
            assert!(Classes::new(&[class(bad, Access::Both)]).is_err(), "{bad}");
        }
        let many: Vec<_> = (0..98).map(|n| class(&format!("c{n}"), Access::Both)).collect();
        assert!(Classes::new(&many[..97]).is_ok());
        assert!(Classes::new(&many).is_err());
    }

    #[test]
    fn topics_are_bounded_in_bytes_and_slashes() {
        let classes = Classes::default();
        let long = format!("DOORPRD9A1/door1/{}/#", "x".repeat(240));
        assert_eq!(subscribe(&door(), &classes, &long), Err("the topic is over 255 bytes"));
        let deep = format!("DOORPRD9A1/door1{}/#", "/x".repeat(9));
        assert_eq!(subscribe(&door(), &classes, &deep), Err("the topic has more than 10 slashes"));
        let fits = format!("DOORPRD9A1/door1{}/#", "/x".repeat(8));
        assert_eq!(subscribe(&door(), &classes, &fits), Ok(()));
    }
}
