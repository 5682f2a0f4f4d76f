//! How does a file get from a device into a hub's storage? Asked for, put whole or in blocks, told to be there.

use super::{
    answer::{ARGUMENT_INVALID, NOT_FOUND, ServiceError, TOO_MANY_UPLOADS},
    identity::Identity,
    text,
};
use crate::http::{Request, Response};
use serde_json::{Value, json};
use skytether_core::rng::Rng;
use std::collections::{BTreeMap, VecDeque};

/// Uploads of one device at once.
const AT_ONCE: usize = 10;
/// Longest name of a blob, in characters.
const NAME: usize = 1024;
/// Uploads that are over and kept until someone takes them; older ones are dropped.
const KEPT: usize = 100;
/// Bytes of blocks and blobs of one upload.
const BYTES: usize = 64 * 1024 * 1024;

/// A file that a device has sent, and what it said about it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a record that tests compare")]
pub struct Upload {
    /// Who sent it.
    pub identity: Identity,
    /// The blob's name: `{device}/{name}`.
    pub blob: String,
    /// Its content; `None` if it was never put whole.
    pub content: Option<Vec<u8>>,
    /// Whether the device says that it succeeded.
    pub success: bool,
    /// Its status code.
    pub status: i64,
    /// Its words about it.
    pub description: String,
}

#[derive(Debug)]
struct Open {
    identity: Identity,
    blob: String,
    token: String,
    blocks: BTreeMap<String, Vec<u8>>,
    content: Option<Vec<u8>>,
}

/// The uploads of all hubs, by their correlation ids.
#[derive(Debug)]
pub(super) struct Uploads {
    open: BTreeMap<String, Open>,
    over: VecDeque<Upload>,
    /// What devices are told as the storage's host name.
    pub(super) host: String,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { open: BTreeMap::new(), over: VecDeque::new(), host: "storage.blob.core.windows.net".to_owned() }
    }
}

impl Uploads {
    /// A device asks where to put a file.
    pub(super) fn begin(&mut self, identity: &Identity, body: &[u8], rng: &mut Rng) -> Result<Response, ServiceError> {
        let body: Value = serde_json::from_slice(body).map_err(|_| ARGUMENT_INVALID)?;
        let name = body.get("blobName").and_then(Value::as_str).ok_or(ARGUMENT_INVALID)?;
        if name.is_empty() || name.chars().nth(NAME).is_some() {
            return Err(ARGUMENT_INVALID);
        }
        if self.open.values().filter(|open| open.identity == *identity).count() >= AT_ONCE {
            return Err(TOO_MANY_UPLOADS);
        }
        let correlation = format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64());
        let token = format!("sv=2021-12-02&sr=b&sp=rw&sig={:016x}%3D", rng.next_u64());
        let blob = format!("{}/{name}", identity.device_id());
        let answer = json!({
            "correlationId": correlation,
            "hostName": self.host,
            "containerName": "uploads",
            "blobName": blob,
            "sasToken": format!("?{token}"),
        });
        let open = Open { identity: identity.clone(), blob, token, blocks: BTreeMap::new(), content: None };
        self.open.insert(correlation, open);
        Ok(Response::new(200).json(answer.to_string()))
    }

    /// The storage gets a blob, a block, or the list of blocks. `raw` is the query as sent.
    pub(super) fn put(&mut self, blob: &str, (raw, query): (&str, &text::Pairs), request: &Request) -> Response {
        let signed = |open: &&mut Open| {
            let rest = raw.strip_prefix(open.token.as_str());
            open.blob == blob && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('&'))
        };
        let Some(open) = self.open.values_mut().find(signed) else { return Response::new(403) };
        let held: usize = open.blocks.values().map(Vec::len).sum();
        if held.saturating_add(request.body.len()) > BYTES {
            return Response::new(413);
        }
        match text::value(query, "comp") {
            None if request.header("x-ms-blob-type") != Some("BlockBlob") => return Response::new(400),
            None => open.content = Some(request.body.clone()),
            Some("block") => {
                let Some(id) = text::value(query, "blockid").filter(|id| !id.is_empty()) else {
                    return Response::new(400);
                };
                open.blocks.insert(id.to_owned(), request.body.clone());
            }
            Some("blocklist") => {
                let ids = listed(&request.body);
                let Some(blocks) = ids.iter().map(|id| open.blocks.get(id)).collect::<Option<Vec<_>>>() else {
                    return Response::new(400);
                };
                open.content = Some(blocks.into_iter().flatten().copied().collect());
            }
            Some(_) => return Response::new(400),
        }
        Response::new(201)
    }

    /// A device says that an upload is over.
    pub(super) fn notify(&mut self, identity: &Identity, body: &[u8]) -> Result<Response, ServiceError> {
        let body: Value = serde_json::from_slice(body).map_err(|_| ARGUMENT_INVALID)?;
        let correlation = body.get("correlationId").and_then(Value::as_str).ok_or(ARGUMENT_INVALID)?;
        let success = body.get("isSuccess").and_then(Value::as_bool).ok_or(ARGUMENT_INVALID)?;
        let status = body.get("statusCode").and_then(Value::as_i64).unwrap_or_default();
        let description = body.get("statusDescription").and_then(Value::as_str).unwrap_or_default().to_owned();
        if self.open.get(correlation).is_none_or(|open| open.identity != *identity) {
            return Err(NOT_FOUND);
        }
        let Open { identity, blob, content, .. } = self.open.remove(correlation).ok_or(NOT_FOUND)?;
        if self.over.len() >= KEPT {
            self.over.pop_front();
        }
        self.over.push_back(Upload { identity, blob, content, success, status, description });
        Ok(Response::new(204))
    }

    pub(super) fn take(&mut self) -> Option<Upload> {
        self.over.pop_front()
    }
}

/// The ids in a `<BlockList>`: the text of each `<Latest>`, `<Uncommitted>` or `<Committed>`.
fn listed(xml: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(xml);
    let element = |part: &str| {
        let (name, content) = part.split_once('>')?;
        matches!(name, "Latest" | "Uncommitted" | "Committed").then(|| content.trim().to_owned())
    };
    text.split('<').filter_map(element).collect()
}
