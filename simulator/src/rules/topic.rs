//! Which topics a rule listens to, and which topics a rule may publish to.

/// The longest topic of the platform, in bytes.
pub(super) const TOPIC_BYTES: usize = 255;
/// The most `/` in a topic of the platform.
pub(super) const TOPIC_SLASHES: usize = 10;

/// The topic of FROM: levels split by `/`; `+` is any one level, a last `#` is zero or more levels.
#[derive(Clone, Debug)]
pub(super) struct TopicFilter(Box<str>);

impl TopicFilter {
    pub(super) fn new(text: &str) -> Result<Self, &'static str> {
        within_limits(text)?;
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            match level {
                "#" if levels.peek().is_some() => return Err("# may only be the last level"),
                "#" | "+" => {}
                _ if level.contains('#') => return Err("# must be a whole level, the last one"),
                _ if level.contains('+') => return Err("+ must be a whole level"),
                _ => {}
            }
        }
        Ok(Self(text.into()))
    }

    /// Whether a message on `topic` is for this rule. As in MQTT, a wildcard in front matches no `$` topic.
    pub(super) fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in self.0.split('/') {
            match (wanted, levels.next()) {
                ("#", _) => return true,
                ("+", Some(_)) => {}
                (wanted, Some(level)) if wanted == level => {}
                (_, _) => return false,
            }
        }
        levels.next().is_none()
    }
}

/// Whether a message may be published to this topic.
pub(super) fn check_target(topic: &str) -> Result<(), &'static str> {
    within_limits(topic)?;
    if topic.contains(['+', '#']) {
        return Err("a message cannot be published to a wildcard");
    }
    Ok(())
}

fn within_limits(topic: &str) -> Result<(), &'static str> {
    if topic.is_empty() {
        return Err("it is empty");
    }
    if topic.contains('\0') {
        return Err("it holds a zero character");
    }
    if topic.len() > TOPIC_BYTES {
        return Err("it is over 255 bytes");
    }
    if topic.matches('/').count() > TOPIC_SLASHES {
        return Err("it has more than 10 slashes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_whole_levels_and_a_hash_matches_none_or_more() {
        let matches = |filter: &str, topic: &str| TopicFilter::new(filter).unwrap().matches(topic);
        assert!(matches("+/door/+", "a/door/b"));
        assert!(!matches("+/door/+", "a/door"));
        assert!(!matches("+/door/+", "a/door/b/c"));
        assert!(matches("a/#", "a"));
        assert!(matches("a/#", "a/b/c"));
        assert!(!matches("a/#", "b"));
        assert!(matches("a/+/#", "a/b"));
        assert!(!matches("a/+/#", "a"));
        assert!(matches("#", "a/b"));
        assert!(!matches("#", "$sys/operation/P/d"));
        assert!(!matches("+/operation/P/d", "$sys/operation/P/d"));
        assert!(matches("$sys/#", "$sys/operation/P/d"));
        assert!(matches("a//b", "a//b"));
    }

    #[test]
    fn a_wildcard_inside_a_level_is_refused() {
        for bad in ["a/b+", "a/#/b", "a#", "", "a/\0", "a/b/c/d/e/f/g/h/i/j/k/l"] {
            assert!(TopicFilter::new(bad).is_err(), "{bad}");
        }
        assert!(check_target("a/+").is_err());
        assert!(check_target("a/b").is_ok());
    }
}
