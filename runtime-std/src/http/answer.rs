//! What does the head of an answer say that decides over its body?

use skytether_core::io::Head;
use ureq_proto::http::{HeaderMap, Response, header};

/// The head of an answer, owned; the same fields as [`Head`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Answer {
    /// The status, 200 to 599; interim answers were left out.
    pub status: u16,
    /// `Content-Length`.
    pub length: Option<u64>,
    /// `Content-Range`: the place of the first byte.
    pub first: Option<u64>,
    /// `Content-Range`: the length of the whole.
    pub total: Option<u64>,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u32>,
}

impl Answer {
    pub(super) fn of(response: &Response<()>) -> Self {
        let headers = response.headers();
        let (first, total) = text(headers, &header::CONTENT_RANGE).map(content_range).unwrap_or_default();
        Self {
            status: response.status().as_u16(),
            length: number(text(headers, &header::CONTENT_LENGTH)),
            first,
            total,
            etag: text(headers, &header::ETAG).map(str::to_owned),
            location: text(headers, &header::LOCATION).map(str::to_owned),
            retry_after: number(text(headers, &header::RETRY_AFTER)).and_then(|seconds| u32::try_from(seconds).ok()),
        }
    }

    /// The same, borrowed, as machines take it.
    pub fn head(&self) -> Head<'_> {
        Head {
            status: self.status,
            length: self.length,
            first: self.first,
            total: self.total,
            etag: self.etag.as_deref(),
            location: self.location.as_deref(),
            retry_after: self.retry_after,
        }
    }
}

/// The first value of a header, where it is text.
fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| core::str::from_utf8(value.as_bytes()).ok()).map(str::trim)
}

/// Digits and nothing else: `parse` alone would take a sign.
fn number(text: Option<&str>) -> Option<u64> {
    text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).and_then(|text| text.parse().ok())
}

/// `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10` (RFC 9110, 14.4).
fn content_range(value: &str) -> (Option<u64>, Option<u64>) {
    let Some((range, total)) = value.strip_prefix("bytes ").and_then(|value| value.trim().split_once('/')) else {
        return (None, None);
    };
    (number(range.split_once('-').map(|(first, _)| first)), number(Some(total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_of_every_form_are_read_and_others_say_nothing() {
        assert_eq!(content_range("bytes 5-9/10"), (Some(5), Some(10)));
        assert_eq!(content_range("bytes 0-0/*"), (Some(0), None));
        assert_eq!(content_range("bytes */10"), (None, Some(10)));
        for other in ["", "bytes", "bytes 5-9", "lines 5-9/10", "bytes +5-9/-10", "bytes 99999999999999999999-9/1e3"] {
            assert_eq!(content_range(other), (None, None), "{other}");
        }
    }
}
