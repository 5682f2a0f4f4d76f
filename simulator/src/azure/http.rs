//! Which HTTP requests does the cloud take? Uploads of a hub, the blobs of its storage, files to download.

use super::{
    AzureCloud, Identity,
    answer::{ARGUMENT_INVALID, ServiceError, UNAUTHORIZED},
    credentials, text,
};
use crate::{
    broker::policy::At,
    http::{Request, Response},
};

impl AzureCloud {
    /// Answers a request. On loopback all hosts are one: the path says which is meant.
    ///
    /// - `POST /devices/{device}/files` and `…/files/notifications`, of the hub in `Host`, or else of the hub for which
    ///   the device proves itself;
    /// - `PUT /uploads/{blob}`, of the storage that the first of these names;
    /// - `GET` and `HEAD` of the files that [`AzureCloud::add_file`] has added, with ranges.
    pub fn http(&mut self, at: At, request: &Request) -> Response {
        let (path, query) = request.split();
        let Some(query) = text::pairs(query) else { return self.http_error(at, ARGUMENT_INVALID) };
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["devices", device, "files", rest @ ..]) if rest.is_empty() || rest == ["notifications"] => {
                let Some(device) = text::decode(device) else { return self.http_error(at, ARGUMENT_INVALID) };
                if text::value(&query, "api-version").is_none_or(str::is_empty) {
                    return self.http_error(at, ARGUMENT_INVALID);
                }
                let Some(identity) = self.authorise(at, &device, request) else {
                    return self.http_error(at, UNAUTHORIZED);
                };
                let answer = if rest.is_empty() {
                    self.uploads.begin(&identity, &request.body, &mut self.rng)
                } else {
                    self.uploads.notify(&identity, &request.body)
                };
                answer.unwrap_or_else(|error| self.http_error(at, error))
            }
            ("PUT", ["uploads", blob @ ..]) => {
                let (_, raw) = request.split();
                match text::decode(&blob.join("/")) {
                    Some(blob) => self.uploads.put(&blob, (raw, &query), request),
                    None => Response::new(400),
                }
            }
            ("GET" | "HEAD", _) => self.files.get(path, request),
            _ => Response::new(404),
        }
    }

    fn http_error(&mut self, at: At, error: ServiceError) -> Response {
        Response::new(error.status()).json(error.body(at.wall, &mut self.rng))
    }

    /// The device of this id, of the hub that is asked, if the request proves that it comes from it.
    fn authorise(&self, at: At, device: &str, request: &Request) -> Option<Identity> {
        let host = request.header("host").map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
        let asked = host.filter(|host| self.hubs.has(host));
        let hubs = self.hubs.names().iter().map(String::as_str).filter(|hub| asked.is_none_or(|asked| asked == *hub));
        hubs.map(|hub| Identity::device(hub, device)).find(|identity| {
            let password = request.header("authorization").map(str::as_bytes);
            self.hubs.get(identity).is_some_and(|member| {
                !member.disabled && credentials::http(&member.proof, identity, at.wall, password, &request.peer).is_ok()
            })
        })
    }
}
