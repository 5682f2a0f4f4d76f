//! Which cases are run? A choice of kinds, as the command line gives it.

/// A choice of kinds; empty means every kind.
///
/// An entry is a kind (`rule`, `payload`, `varint`), a kind with its sub-kind (`payload:door`, `parse:aircond_command`),
/// or for transcripts the protocol (`3.1.1`, `5`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kinds(Vec<String>);

impl Kinds {
    /// The choice of these entries.
    pub fn new(entries: Vec<String>) -> Self {
        Self(entries)
    }

    /// Whether a case of `kind`, with its sub-kind after a colon, is chosen.
    pub fn choose(&self, kind: &str) -> bool {
        let parent = kind.split_once(':').map_or(kind, |(parent, _)| parent);
        self.0.is_empty() || self.0.iter().any(|entry| entry == kind || entry == parent)
    }

    /// The entries that choose none of `seen`: a misspelt kind must not pass as a success.
    pub fn unused<'a>(&'a self, seen: &[&str]) -> Vec<&'a str> {
        let used = |entry: &str| {
            let one = Self(vec![entry.to_owned()]);
            seen.iter().any(|kind| one.choose(kind))
        };
        self.0.iter().map(String::as_str).filter(|entry| !used(entry)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Kinds;

    #[test]
    fn a_kind_chooses_its_sub_kinds_and_a_sub_kind_only_itself() {
        let kinds = Kinds::new(vec!["rule".to_owned(), "payload:door".to_owned()]);
        assert!(kinds.choose("rule") && kinds.choose("payload:door"));
        assert!(!kinds.choose("payload:time_request") && !kinds.choose("payload"));
        assert!(Kinds::new(vec!["payload".to_owned()]).choose("payload:door"));
        assert!(Kinds::default().choose("anything"));
    }

    #[test]
    fn an_entry_that_chooses_nothing_is_told() {
        let kinds = Kinds::new(vec!["rule".to_owned(), "rules".to_owned()]);
        assert_eq!(kinds.unused(&["rule", "topics"]), ["rules"]);
    }
}
