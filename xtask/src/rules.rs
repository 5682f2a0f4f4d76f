//! Which house rules does no lint know? File sizes, opening sentences, the core's purity, reasons for allowances.

use crate::{
    layers,
    report::Outcome,
    source::{Source, line_of, words},
};
use anyhow::{Context as _, Result, bail};
use std::{fmt, fs, path::Path};

/// More than this is more than one concern.
const LONGEST_FILE: usize = 600;

/// What the core may not know, in code that ships: time, threads, locks, stdout, hashing with a random seed, futures.
const IMPURE: [&str; 12] = [
    "std::",
    "Instant::now",
    "SystemTime",
    "thread_local",
    "Mutex",
    "RwLock",
    "HashMap",
    "HashSet",
    "println!",
    "print!",
    "eprintln!",
    "async fn",
];

/// Marks of work that is not finished.
const UNFINISHED: [&str; 2] = ["todo!", "unimplemented!"];

/// One place that breaks a rule.
pub(crate) struct Finding {
    file: String,
    line: usize,
    what: String,
}

impl Finding {
    pub(crate) fn new(source: &Source, line: usize, what: String) -> Self {
        Self { file: source.path.display().to_string(), line, what }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Checks every Rust file, and every crate's manifest.
pub(crate) fn check(root: &Path) -> Result<Outcome> {
    let sources = Source::all(root)?;
    let mut found = Vec::new();
    for source in &sources {
        found.extend(check_file(source));
        found.extend(layers::check(source));
    }
    let members = members(root)?;
    for member in &members {
        let manifest = fs::read_to_string(root.join(member).join("Cargo.toml"))
            .with_context(|| format!("cannot read {member}/Cargo.toml"))?;
        if !manifest.contains("[lints]\nworkspace = true") {
            println!("{member}/Cargo.toml: does not take the workspace's lints");
            bail!("{member} goes without the workspace's lints");
        }
    }
    for finding in &found {
        println!("{finding}");
    }
    if !found.is_empty() {
        bail!("{} findings", found.len());
    }
    Ok(Outcome::Passed(format!("{} files, {} crates", sources.len(), members.len())))
}

/// The folders of the workspace's crates, read from the list in the root manifest.
fn members(root: &Path) -> Result<Vec<String>> {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).context("cannot read Cargo.toml")?;
    let list = manifest.split_once("\nmembers = [").and_then(|(_, rest)| rest.split_once(']'));
    let (list, _) = list.context("Cargo.toml lists no members")?;
    Ok(list.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

fn check_file(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if lines > LONGEST_FILE {
        found.push(Finding::new(source, LONGEST_FILE + 1, format!("{lines} lines: split the file by concern")));
    }
    if !source.text.starts_with("//! ") {
        found.push(Finding::new(
            source,
            1,
            "opens with no sentence that says which question the file answers".to_owned(),
        ));
    }
    for mark in UNFINISHED {
        found.extend(words(&source.code, mark).map(|at| {
            Finding::new(source, line_of(&source.code, at), format!("{mark} marks work that is not finished"))
        }));
    }
    for (at, _) in source.code.match_indices("pub use ") {
        let statement = source.code.get(at..).and_then(|rest| rest.split(';').next()).unwrap_or_default();
        if statement.contains('*') {
            found.push(Finding::new(source, line_of(&source.code, at), "exports by glob: name each item".to_owned()));
        }
    }
    found.extend(allowances_without_reason(source));
    if source.path.starts_with("core/src") {
        let code = source.shipped_code();
        for word in IMPURE {
            found.extend(
                words(&code, word)
                    .map(|at| Finding::new(source, line_of(&code, at), format!("the core may not know {word}"))),
            );
        }
    }
    found
}

/// `#[allow(…)]` and `#[expect(…)]` that say no reason.
fn allowances_without_reason(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for start in ["[allow(", "[expect(", " allow(", " expect("] {
        for (at, _) in source.code.match_indices(start) {
            // A call is no attribute: inside one, an attribute's bracket is still open.
            let before = source.code.get(..at).unwrap_or_default();
            let attribute = start.starts_with('[') || opens_attribute(before);
            let close = closing(&source.code, at + start.len());
            if attribute && !source.code.get(at..close).unwrap_or_default().contains("reason") {
                found.push(Finding::new(source, line_of(&source.code, at), "an allowance without a reason".to_owned()));
            }
        }
    }
    found
}

/// Whether the text ends inside `#[…` or `#![…`.
fn opens_attribute(before: &str) -> bool {
    let Some(open) = before.rfind("#[").max(before.rfind("#![")) else { return false };
    let inside = before.get(open..).unwrap_or_default();
    inside.matches('[').count() > inside.matches(']').count()
}

/// Where the bracket opened just before `from` closes.
fn closing(code: &str, from: usize) -> usize {
    let mut depth = 1_u32;
    for (at, c) in code.char_indices().skip_while(|&(at, _)| at < from) {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::check_file;
    use crate::source::Source;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check_file(&Source::new(path.into(), text.to_owned())).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_clean_file_has_no_findings() {
        assert!(
            findings(
                "core/src/x.rs",
                "//! What is x?\nuse core::fmt;\n#[allow(dead_code, reason = \"y\")]\nfn x() {}\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn a_file_opens_with_its_question() {
        assert_eq!(findings("cli/src/x.rs", "fn x() {}\n").len(), 1);
    }

    #[test]
    fn a_long_file_is_found() {
        let text = format!("//! X?\n{}", "\n".repeat(600));
        assert_eq!(findings("core/src/x.rs", &text), ["core/src/x.rs:601: 601 lines: split the file by concern"]);
    }

    #[test]
    fn the_core_knows_no_clock_and_other_crates_may() {
        let text = "//! X?\nfn x() { std::time::Instant::now(); }\n";
        assert_eq!(findings("core/src/x.rs", text).len(), 2);
        assert!(findings("cli/src/x.rs", text).is_empty());
        assert!(findings("core/src/x.rs", "//! X?\n#[cfg(test)]\nmod tests { use std::vec; }\n").is_empty());
    }

    #[test]
    fn an_allowance_says_why() {
        assert_eq!(findings("cli/src/x.rs", "//! X?\n#![allow(\n    dead_code,\n)]\n").len(), 1);
        assert_eq!(findings("cli/src/x.rs", "//! X?\n#![cfg_attr(test, allow(dead_code))]\n").len(), 1);
        assert!(findings("cli/src/x.rs", "//! X?\nfn x() { let y = [1]; y.first(). expect(\"z\"); }\n").is_empty());
    }

    #[test]
    fn unfinished_work_and_glob_exports_are_found() {
        let todo = concat!("//! X?\nfn x() { to", "do!() }\npub use y::*;\n");
        assert_eq!(findings("cli/src/x.rs", todo).len(), 2);
    }
}
