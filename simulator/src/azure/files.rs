//! Which files does the cloud give out, whole or in ranges, and how does it do that wrong when told to?

use super::proof::Thumbprint;
use crate::http::{Request, Response};
use std::collections::{BTreeMap, VecDeque};

/// What is done wrong with one request for a file.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "orders that tests write")]
pub enum FileFault {
    /// It is answered by this status, with `Retry-After` in seconds where there is one.
    Status(u16, Option<u32>),
    /// The range is not looked at: the whole file comes by 200.
    IgnoreRange,
    /// The `ETag` is another one, from this answer alone.
    OtherTag,
    /// The connection breaks after so many bytes of the body.
    Cut(usize),
    /// It is sent elsewhere by 302.
    Redirect(String),
    /// A byte of the body is another one.
    Spoil,
}

/// The files, by their paths.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: BTreeMap<String, Vec<u8>>,
    pub(super) faults: VecDeque<FileFault>,
}

impl Files {
    pub(super) fn add(&mut self, path: &str, content: Vec<u8>) {
        self.files.insert(format!("/{}", path.trim_start_matches('/')), content);
    }

    pub(super) fn remove(&mut self, path: &str) -> bool {
        self.files.remove(&format!("/{}", path.trim_start_matches('/'))).is_some()
    }

    pub(super) fn get(&mut self, path: &str, request: &Request) -> Response {
        let Some(content) = self.files.get(path) else { return Response::new(404) };
        let fault = self.faults.pop_front();
        match &fault {
            Some(FileFault::Status(status, retry_after)) => {
                let response = Response::new(*status);
                return match retry_after {
                    Some(seconds) => response.with("retry-after", seconds.to_string()),
                    None => response,
                };
            }
            Some(FileFault::Redirect(location)) => return Response::new(302).with("location", location.clone()),
            Some(FileFault::IgnoreRange | FileFault::OtherTag | FileFault::Cut(_) | FileFault::Spoil) | None => {}
        }
        let tag = match &fault {
            Some(FileFault::OtherTag) => "\"another\"".to_owned(),
            _ => format!("\"{}\"", Thumbprint::of(content)),
        };
        // A file that has changed since is sent whole (RFC 9110 section 13.1.5).
        let same = request.header("if-range").is_none_or(|known| known == tag);
        let range = request.header("range").filter(|_| same && fault != Some(FileFault::IgnoreRange));
        let len = content.len();
        let response = match range.map(|range| parse(range, len)) {
            None | Some(Range::None) => Response { body: content.clone(), ..Response::new(200) },
            Some(Range::Outside) => return Response::new(416).with("content-range", format!("bytes */{len}")),
            Some(Range::Inside(first, last)) => {
                let body = content.get(first..=last).unwrap_or_default().to_vec();
                Response { body, ..Response::new(206) }.with("content-range", format!("bytes {first}-{last}/{len}"))
            }
        };
        let mut response = response.with("etag", tag).with("accept-ranges", "bytes");
        response = match fault {
            Some(FileFault::Cut(after)) => {
                let mut response = response.clone().with("content-length", response.body.len().to_string());
                response.body.truncate(after);
                response
            }
            Some(FileFault::Spoil) => {
                if let Some(byte) = response.body.first_mut() {
                    *byte ^= 0x80;
                }
                response
            }
            _ => response,
        };
        if request.method == "HEAD" {
            let len = response.body.len().to_string();
            return Response { body: Vec::new(), ..response }.with("content-length", len);
        }
        response
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Range {
    /// It is none that is understood, and so not looked at.
    None,
    Outside,
    /// First and last byte.
    Inside(usize, usize),
}

/// `bytes=a-b`, `bytes=a-` or `bytes=-n`; several ranges are not served as such.
fn parse(range: &str, len: usize) -> Range {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::None;
    };
    let end = len.saturating_sub(1);
    let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.min(end)),
        (Ok(first), Err(_)) if last.is_empty() => (first, end),
        (Err(_), Ok(tail)) if first.is_empty() && tail > 0 => (len.saturating_sub(tail), end),
        _ => return Range::None,
    };
    if first < len { Range::Inside(first, last) } else { Range::Outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_first_and_last_byte() {
        for (text, range) in [
            ("bytes=0-3", Range::Inside(0, 3)),
            ("bytes=8-99", Range::Inside(8, 9)),
            ("bytes=4-", Range::Inside(4, 9)),
            ("bytes=-3", Range::Inside(7, 9)),
            ("bytes=-30", Range::Inside(0, 9)),
            ("bytes=10-", Range::Outside),
            ("bytes=10-20", Range::Outside),
            ("bytes=3-2", Range::None),
            ("bytes=-0", Range::None),
            ("bytes=0-1,3-4", Range::None),
            ("lines=0-1", Range::None),
        ] {
            assert_eq!(parse(text, 10), range, "{text}");
        }
    }
}
