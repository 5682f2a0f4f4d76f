//! Are topic names, filters and their matching what MQTT 4.7 says, as a slow and plain reading of it does them?
//!
//! Bytes: a filter, a zero byte, a topic name.

use skytether_core::mqtt::topic::{check_filter, check_name, matches};

pub(crate) fn run(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (filter, name) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    let (Ok(filter), Ok(name)) = (str::from_utf8(filter), str::from_utf8(name)) else { return };
    for text in [filter, name] {
        assert_eq!(check_name(text).is_ok(), is_name(text), "name {text:?}: {:?}", check_name(text));
        assert_eq!(check_filter(text).is_ok(), is_filter(text), "filter {text:?}: {:?}", check_filter(text));
    }
    // Neither may panic on what is neither.
    let found = matches(filter, name);
    if is_filter(filter) && is_name(name) {
        assert_eq!(found, oracle(filter, name), "{filter:?} and {name:?}");
        assert!(matches("#", name) != name.starts_with('$'), "{name:?} [4.7.2-1]");
        assert!(name.starts_with("$share/") || matches(name, name), "{name:?} is a filter too, and matches itself");
    }
}

/// 4.7.3: at least one character, at most 65,535 bytes, no U+0000; 4.7.1-1: no wildcards.
fn is_name(text: &str) -> bool {
    (1..=65_535).contains(&text.len()) && !text.contains(['\0', '+', '#'])
}

/// 4.7.3, and 4.7.1-2, 4.7.1-3: a wildcard fills its level, `#` the last.
fn is_filter(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    let sound = levels.iter().enumerate().all(|(at, level)| match *level {
        "#" => at + 1 == levels.len(),
        "+" => true,
        other => !other.contains(['+', '#']),
    });
    (1..=65_535).contains(&text.len()) && !text.contains('\0') && sound
}

/// 4.7.1 and 4.7.2, level by level; of a shared subscription, `$share/{name}/{filter}`, the filter.
fn oracle(filter: &str, name: &str) -> bool {
    fn levels(filter: &[&str], name: &[&str]) -> bool {
        match (filter, name) {
            (["#"], _) | ([], []) => true,
            (["+", filter @ ..], [_, name @ ..]) => levels(filter, name),
            ([one, filter @ ..], [other, name @ ..]) => one == other && levels(filter, name),
            _ => false,
        }
    }
    let shared = filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
    let filter =
        shared.filter(|(group, inner)| !group.is_empty() && !inner.is_empty()).map_or(filter, |(_, inner)| inner);
    let hidden = name.starts_with('$') && filter.starts_with(['+', '#']);
    let filter: Vec<&str> = filter.split('/').collect();
    let name: Vec<&str> = name.split('/').collect();
    !hidden && levels(&filter, &name)
}
