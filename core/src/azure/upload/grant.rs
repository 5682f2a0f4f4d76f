//! Where a file may go: the hub's answer to the first request of an upload, read and turned into the URL of the blob.
//!
//! `{"correlationId":"…","hostName":"….blob.core.windows.net","containerName":"…","blobName":"{device}/…","sasToken":"?…"}`

use crate::{
    azure::percent::Encoded,
    http::{Rules, Url, UrlFault},
    json,
};
use alloc::{
    format,
    string::{String, ToString as _},
};
use serde_json::Value;

/// Longest correlation id, in bytes.
const CORRELATION: usize = 256;
/// Longest name of a blob, in characters, as the storage service has it.
const BLOB: usize = 1024;

/// The right to write one blob. Prints without its token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Grant {
    /// Where the blob goes, token included.
    pub(super) url: Url,
    /// Its name as the hub has it: `{device}/…`.
    pub(super) blob: String,
}

/// Why a grant cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unusable {
    Shape(&'static str),
    Url(UrlFault),
}

/// Reads the hub's answer: its correlation id, with which the end of the upload is told whatever else is wrong, and the
/// grant.
pub(super) fn read(answer: &[u8], rules: &Rules) -> (Option<String>, Result<Grant, Unusable>) {
    let Ok(answer) = json::parse(answer) else {
        return (None, Err(Unusable::Shape("its answer is no JSON that is taken")));
    };
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let correlation = text("correlationId").filter(|id| id.len() <= CORRELATION).map(String::from);
    let grant = (|| {
        let missing = Unusable::Shape("its answer lacks hostName, containerName, blobName or sasToken");
        let fields = (text("hostName"), text("containerName"), text("blobName"), text("sasToken"));
        let (Some(host), Some(container), Some(blob), Some(token)) = fields else { return Err(missing) };
        if host.contains(['/', '?', '@', '\\']) || !is_blob_name(blob) || container.contains(['/', '.']) {
            return Err(Unusable::Shape("its answer names a place that cannot be"));
        }
        let token = token.strip_prefix('?').ok_or(Unusable::Shape("the token in its answer begins with no '?'"))?;
        let path = path(blob);
        let url = format!("https://{host}/{}/{path}?{token}", Encoded(container));
        let url = rules.admit(&url).map_err(Unusable::Url)?;
        Ok(Grant { url, blob: blob.into() })
    })();
    if correlation.is_none() && grant.is_ok() {
        return (None, Err(Unusable::Shape("its answer lacks a correlationId of 256 bytes at most")));
    }
    (correlation, grant)
}

/// Whether a blob may be called so: 1 to 1024 bytes, segments that are neither empty nor dots, nothing that ends in a dot.
pub(super) fn is_blob_name(name: &str) -> bool {
    let segment = |segment: &str| !segment.is_empty() && !segment.ends_with('.');
    name.len() <= BLOB && !name.contains(|c: char| c.is_control() || c == '\\') && name.split('/').all(segment)
}

/// The name as a path: each segment encoded, slashes kept.
fn path(blob: &str) -> String {
    let mut path = String::new();
    for (at, segment) in blob.split('/').enumerate() {
        if at > 0 {
            path.push('/');
        }
        path.push_str(&Encoded(segment).to_string());
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;
    use serde_json::json;

    fn answer() -> Value {
        json!({
            "correlationId": "c-1",
            "hostName": "acme.blob.core.windows.net",
            "containerName": "files",
            "blobName": "dev-7/logs/a b.bin",
            "sasToken": "?sv=2018&sig=a%2Fb%3D",
        })
    }

    fn grant(answer: &Value) -> (Option<String>, Result<Grant, Unusable>) {
        read(answer.to_string().as_bytes(), &Rules::default())
    }

    #[test]
    fn a_grant_becomes_the_url_of_its_blob() {
        let (correlation, grant) = grant(&answer());
        let grant = grant.unwrap();
        assert_eq!(correlation.as_deref(), Some("c-1"));
        assert_eq!(
            grant.url.as_str(),
            "https://acme.blob.core.windows.net/files/dev-7/logs/a%20b.bin?sv=2018&sig=a%2Fb%3D"
        );
        assert_eq!(grant.blob, "dev-7/logs/a b.bin");
    }

    #[test]
    fn r_10_a_grant_prints_without_its_token() {
        assert!(!alloc::format!("{:?}", grant(&answer()).1).contains("sig"));
    }

    #[test]
    fn r_103_r_121_a_hostile_grant_is_refused_and_its_correlation_id_kept() {
        for (field, value) in [
            ("hostName", json!("evil.example/x?")),
            ("hostName", json!("user@evil.example")),
            ("hostName", json!("a b")),
            ("hostName", json!(7)),
            ("hostName", json!("")),
            ("containerName", json!("../x")),
            ("containerName", json!(null)),
            ("blobName", json!("../../secret")),
            ("blobName", json!("a//b")),
            ("blobName", json!("a/./b")),
            ("blobName", json!("a\u{0}")),
            ("blobName", json!("x".repeat(1025))),
            ("sasToken", json!("sv=1")),
            ("sasToken", json!("?a b")),
            ("sasToken", json!("?a#b")),
            ("sasToken", json!("?".repeat(5000))),
        ] {
            let mut answer = answer();
            answer[field] = value.clone();
            let (correlation, grant) = grant(&answer);
            assert!(grant.is_err(), "{field} {value}");
            assert_eq!(correlation.as_deref(), Some("c-1"));
        }
        for id in [json!(null), json!(""), json!("x".repeat(257)), json!(1)] {
            let mut answer = answer();
            answer["correlationId"] = id;
            assert!(matches!(grant(&answer), (None, Err(Unusable::Shape(_)))));
        }
        for text in ["", "[]", "null", "{"] {
            assert!(matches!(read(text.as_bytes(), &Rules::default()), (None, Err(Unusable::Shape(_)))));
        }
    }

    #[test]
    fn r_103_a_blob_goes_to_listed_hosts_only_where_hosts_are_listed() {
        let rules = Rules { hosts: vec![".blob.core.windows.net".into()], ..Rules::default() };
        let mut answer = answer();
        assert!(read(answer.to_string().as_bytes(), &rules).1.is_ok());
        answer["hostName"] = json!("blob.core.windows.net.evil.example");
        assert_eq!(read(answer.to_string().as_bytes(), &rules).1, Err(Unusable::Url(UrlFault::NotAllowed)));
    }

    proptest! {
        #[test]
        fn r_1_no_answer_makes_the_reader_panic(text in "\\PC{0,80}", host: String, blob: String, token: String) {
            let _ = read(text.as_bytes(), &Rules::default());
            let mut answer = answer();
            answer["hostName"] = json!(host);
            answer["blobName"] = json!(blob);
            answer["sasToken"] = json!(token);
            let _ = grant(&answer);
        }
    }
}
