//! What does a source file say to the compiler? Blanks comments, literals and test code, and reads paths from the rest.

use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// One Rust file of the project.
pub(crate) struct Source {
    /// Relative to the project's folder.
    pub(crate) path: PathBuf,
    /// As it stands in the file.
    pub(crate) text: String,
    /// The same, each byte of a comment or literal replaced by a space; line breaks stand.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: PathBuf, text: String) -> Self {
        let code = blank_words(&text);
        Self { path, text, code }
    }

    /// All Rust files below `root` but those of other workspaces and of build results.
    pub(crate) fn all(root: &Path) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if path.is_dir() {
                    if !name.starts_with('.') && name != "target" {
                        folders.push(path);
                    }
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                    found.push(Self::new(path.strip_prefix(root).unwrap_or(&path).to_owned(), text));
                }
            }
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(found)
    }

    /// The code without what only tests compile.
    pub(crate) fn shipped_code(&self) -> String {
        if self.is_test() { String::new() } else { blank_test_items(&self.code) }
    }

    /// Whether the whole file is test code, by its name or folder.
    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs")
            || self.path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
    }
}

/// The line, counted from 1, that holds byte `at` of `text`.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

/// Where `word` stands in `code` as a word of its own.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let after = code.get(at + word.len()..).and_then(|text| text.chars().next());
        let ends_open = word.ends_with(|last: char| !is_name(last));
        !before.is_some_and(is_name) && (ends_open || !after.is_some_and(is_name))
    })
}

/// The paths that begin with `root::`, groups written out: `root::{a, b::{c, d}}` gives `a`, `b::c`, `b::d`.
pub(crate) fn paths(code: &str, root: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for at in words(code, root) {
        let rest = code.get(at + root.len()..).unwrap_or_default();
        let mut cursor = Cursor { rest };
        if cursor.take("::") {
            cursor.tree(&mut Vec::new(), &mut |path| found.push((at, path.to_vec())));
        }
    }
    found
}

/// Reads a use tree, or the path of an expression, from the front of a text.
struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn name(&mut self) -> Option<String> {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at_checked(end)?;
        self.rest = rest;
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn tree(&mut self, prefix: &mut Vec<String>, found: &mut impl FnMut(&[String])) {
        if self.take("{") {
            while !self.take("}") && !self.rest.trim().is_empty() {
                let depth = prefix.len();
                self.tree(prefix, found);
                prefix.truncate(depth);
                if self.take("as") {
                    self.name();
                }
                if !self.take(",") && !self.rest.trim_start().starts_with('}') {
                    return;
                }
            }
        } else if let Some(name) = self.name() {
            prefix.push(name);
            if self.take("::") {
                self.tree(prefix, found);
            } else {
                found(prefix);
            }
        } else {
            // `*`, or the generic arguments of an expression: what stands before is the path.
            self.take("*");
            found(prefix);
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Replaces comments, strings and characters by spaces.
fn blank_words(text: &str) -> String {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let mut code = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let end = match at(index) {
            b'/' if at(index + 1) == b'/' => find_from(bytes, index, b"\n"),
            b'/' if at(index + 1) == b'*' => end_of_block_comment(bytes, index),
            b'"' => end_of_string(bytes, index),
            b'r' if !is_word_byte(at(index.wrapping_sub(1))) || at(index.wrapping_sub(1)) == b'b' => {
                let hashes = bytes.iter().skip(index + 1).take_while(|&&byte| byte == b'#').count();
                if at(index + 1 + hashes) == b'"' {
                    let mut close = vec![b'"'];
                    close.resize(1 + hashes, b'#');
                    find_from(bytes, index + 2 + hashes, &close) + close.len()
                } else {
                    index
                }
            }
            // A lifetime has no closing quote where a character would have it.
            b'\'' if at(index + 1) == b'\\' => find_from(bytes, index + 3, b"'") + 1,
            b'\'' => {
                let width = text.get(index + 1..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
                if at(index + 1 + width) == b'\'' { index + 2 + width } else { index }
            }
            _ => index,
        };
        if end > index {
            let end = end.min(bytes.len());
            code.extend(bytes.get(index..end).unwrap_or_default().iter().map(|&b| if b == b'\n' { b } else { b' ' }));
            index = end;
        } else {
            code.push(at(index));
            index += 1;
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn find_from(bytes: &[u8], from: usize, wanted: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(wanted.len()).position(|window| window == wanted).map_or(bytes.len(), |at| from + at)
}

fn end_of_string(bytes: &[u8], open: usize) -> usize {
    let mut index = open + 1;
    while let Some(&byte) = bytes.get(index) {
        match byte {
            b'\\' => index += 2,
            b'"' => return index + 1,
            _ => index += 1,
        }
    }
    bytes.len()
}

fn end_of_block_comment(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0_u32;
    let mut index = open;
    while index < bytes.len() {
        let pair = bytes.get(index..index + 2).unwrap_or_default();
        if pair == b"/*" {
            depth += 1;
            index += 2;
        } else if pair == b"*/" {
            depth -= 1;
            index += 2;
            if depth == 0 {
                return index;
            }
        } else {
            index += 1;
        }
    }
    bytes.len()
}

/// Replaces each item under `#[cfg(test)]` by spaces: up to its closing brace or its semicolon.
fn blank_test_items(code: &str) -> String {
    let mut kept = code.to_owned();
    while let Some(open) = kept.find("#[cfg(test)]") {
        let mut depth = 0_u32;
        let mut end = kept.len();
        for (at, c) in kept.char_indices().skip_while(|&(at, _)| at < open) {
            match c {
                '{' => depth += 1,
                '}' if depth == 1 => depth = 0,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && (c == '}' || c == ';') {
                end = at + 1;
                break;
            }
        }
        let blank: String =
            kept.get(open..end).unwrap_or_default().chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        kept.replace_range(open..end, &blank);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{Source, line_of, paths, words};

    fn source(text: &str) -> Source {
        Source::new("core/src/x.rs".into(), text.to_owned())
    }

    #[test]
    fn comments_and_literals_are_blank_and_lines_stand() {
        let seen =
            source("a // HashMap\n/* HashMap /* x */ */ \"Hash\\\"Map\" r#\"Hash\"Map\"# 'H' b'\\'' &'a HashMap").code;
        assert_eq!(seen.matches("HashMap").count(), 1);
        assert_eq!(line_of(&seen, words(&seen, "HashMap").next().unwrap()), 2);
    }

    #[test]
    fn test_items_are_not_shipped() {
        let seen = source(
            "use a::b;\n#[cfg(test)]\nextern crate std;\nfn x() {}\n#[cfg(test)]\nmod tests { fn y() { {} } }\nfn z() {}",
        );
        let shipped = seen.shipped_code();
        assert!(shipped.contains("fn x") && shipped.contains("fn z") && !shipped.contains("fn y"));
        assert!(!shipped.contains("std"));
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(words("std::x my_std::y std", "std::").collect::<Vec<_>>(), [0]);
        assert_eq!(words("crates crate", "crate").collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn grouped_paths_are_written_out() {
        let code = "use crate::{io::{Action, Cause as Why}, link, mqtt::codec::*};\nlet x = crate::time::Instant::<u8>::now();";
        let seen: Vec<String> = paths(code, "crate").into_iter().map(|(_, path)| path.join("::")).collect();
        assert_eq!(seen, ["io::Action", "io::Cause", "link", "mqtt::codec", "time::Instant"]);
    }
}
