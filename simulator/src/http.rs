//! What is an HTTP exchange, to a cloud that serves some beside MQTT? A request with who sent it, and an answer; pure.

use crate::broker::policy::Peer;

/// A request, whole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "servers and tests write `Request { target, ..Request::default() }`")]
pub struct Request {
    /// `GET`, `POST`, `PUT`, `HEAD`.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Who sent it.
    pub peer: Peer,
}

impl Request {
    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Path and query apart; no query is an empty one.
    pub fn split(&self) -> (&str, &str) {
        self.target.split_once('?').unwrap_or((&self.target, ""))
    }
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "clouds write `Response { status, ..Response::default() }`")]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Headers; `Content-Length` is added where there is none.
    pub headers: Vec<(&'static str, String)>,
    /// The body; shorter than a `Content-Length` among the headers, the connection breaks behind it.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer without a body.
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with this body, which is JSON.
    #[must_use]
    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self.with("content-type", "application/json; charset=utf-8") }
    }

    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}
