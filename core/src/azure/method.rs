//! How a direct method is answered: the handler runs once, the answer leaves once, and a request that comes again gets
//! the same answer (§3.3, R-77, R-78).

use super::{
    command::Command,
    limits,
    topic::{Rid, Topic},
};
use crate::{
    cloud::Cx,
    io::{Instant, Rejected, Tag},
    json,
    link::{Lane, Publish, QoS},
};
use alloc::{
    borrow::Cow,
    boxed::Box,
    collections::VecDeque,
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use serde_json::{Value, json};

/// A direct method that the cloud calls, or a command of a Plug and Play model. It is answered by the command that
/// [`MethodCall::answer`] makes of it, within 30 s; later the caller has gone.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct MethodCall {
    /// The component that is addressed, where one is.
    pub component: Option<String>,
    /// Its name, as the model writes it.
    pub name: String,
    /// The request's payload; `None` where there is none.
    pub payload: Option<Value>,
    id: u32,
}

/// The answer to a call, ready to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MethodAnswer {
    id: u32,
    status: i32,
    payload: Option<Value>,
}

impl MethodCall {
    /// Makes the answer. `status` is the device's to choose: 200 done, 202 accepted and going on, 400 bad payload, 404
    /// unknown method, 500 failed. `payload` is any JSON value, or `None` for an empty body; 128 KiB at most at the hub, 32
    /// KiB by default at the link, which holds answers in a reserve
    /// ([`Limits::reserve_bytes`](crate::limits::Limits::reserve_bytes)).
    ///
    /// The command ends in [`Answer::Sent`](super::Answer::Sent). It is rejected as
    /// [`Rejected::Invalid`] where the call was answered before or its 30 s are over.
    pub fn answer(self, status: i32, payload: impl Into<Option<Value>>) -> Command {
        Command::Answer(MethodAnswer { id: self.id, status, payload: payload.into() })
    }

    /// The answer to a method that the device does not know: 404.
    pub fn unknown(self) -> Command {
        let message = format!("unknown method {}", self.name);
        self.answer(404, json!({ "message": message }))
    }
}

/// The calls that wait for their answer, and the answers that may be asked for again.
#[derive(Debug, Default)]
pub(super) struct Methods {
    open: Vec<Open>,
    kept: VecDeque<Kept>,
    last_id: u32,
}

/// What makes two deliveries one request: the id alone does not, since the hub counts anew.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Request {
    rid: Box<str>,
    name: Box<str>,
    len: usize,
    sum: u32,
}

#[derive(Debug)]
struct Open {
    id: u32,
    request: Request,
    until: Instant,
}

#[derive(Debug)]
struct Kept {
    request: Request,
    status: i32,
    /// `None`: too large to be kept; a request that comes again gets no answer, and runs no handler.
    body: Option<Vec<u8>>,
    until: Instant,
}

impl Methods {
    /// A request came in. What cannot be handed on is answered here: no name or a payload that is no JSON by 400, one too
    /// many at once by 429.
    pub(super) fn called(
        &mut self,
        cx: &mut Cx<'_>,
        component: Option<Cow<'_, str>>,
        name: Cow<'_, str>,
        rid: Rid<'_>,
        payload: &[u8],
    ) -> Option<MethodCall> {
        self.expire(cx.now);
        let request = Request::new(component.as_deref(), &name, rid, payload);
        if let Some(kept) = self.kept.iter().find(|kept| kept.request == request) {
            if let Some(body) = &kept.body {
                send_unasked(cx, kept.status, rid, body);
            }
            return None;
        }
        if self.open.iter().any(|open| open.request == request) {
            return None;
        }
        let parsed = match payload {
            _ if name.is_empty() => Err((400, "the request names no method")),
            [] => Ok(None),
            _ => json::parse(payload).map(Some).map_err(|_| (400, "the payload is no JSON that is taken")),
        };
        let full = if self.open.len() < limits::OPEN_METHODS { Ok(()) } else { Err((429, "too many calls at once")) };
        match parsed.and_then(|payload| full.map(|()| payload)) {
            Ok(payload) => {
                self.last_id = self.last_id.wrapping_add(1);
                let id = self.last_id;
                self.open.push(Open { id, request, until: cx.now.after(limits::METHOD_ANSWER) });
                let component = component.map(Cow::into_owned);
                Some(MethodCall { component, name: name.into_owned(), payload, id })
            }
            Err((status, message)) => {
                let body = json!({ "message": message }).to_string().into_bytes();
                send_unasked(cx, status, rid, &body);
                self.keep(cx.now, request, status, body);
                None
            }
        }
    }

    /// Sends the application's answer.
    ///
    /// # Errors
    /// [`Rejected::Invalid`] over 128 KiB, or where the call is over; what the link says, such as `Offline`.
    pub(super) fn answer(&mut self, cx: &mut Cx<'_>, tag: Tag, answer: &MethodAnswer) -> Result<(), Rejected> {
        let open = |open: &Open| open.id == answer.id && open.until > cx.now;
        let Some(at) = self.open.iter().position(open) else {
            return Err(Rejected::Invalid("the call is over: it was answered before, or its 30 s have passed"));
        };
        let body = answer.payload.as_ref().map_or_else(Vec::new, |payload| payload.to_string().into_bytes());
        if body.len() > limits::METHOD {
            return Err(Rejected::Invalid("the answer to a method has at most 128 KiB"));
        }
        let request = self.open.get(at).map(|open| open.request.clone());
        let Some((request, rid)) = request.as_ref().and_then(|request| Some((request, Rid::new(&request.rid)?))) else {
            return Err(Rejected::Invalid("the call is over"));
        };
        send(cx, tag, answer.status, rid, &body)?;
        self.open.swap_remove(at);
        self.keep(cx.now, request.clone(), answer.status, body);
        Ok(())
    }

    /// Frees what has had its time.
    fn expire(&mut self, now: Instant) {
        self.open.retain(|open| open.until > now);
        self.kept.retain(|kept| kept.until > now);
    }

    fn keep(&mut self, now: Instant, request: Request, status: i32, body: Vec<u8>) {
        let held: usize = self.kept.iter().filter_map(|kept| kept.body.as_ref()).map(Vec::len).sum();
        let body = Some(body).filter(|body| held.saturating_add(body.len()) <= limits::KEPT_BYTES);
        if self.kept.len() >= limits::KEPT_ANSWERS {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept { request, status, body, until: now.after(limits::KEPT_FOR) });
    }
}

impl Request {
    fn new(component: Option<&str>, name: &str, rid: Rid<'_>, payload: &[u8]) -> Self {
        // No component of a name has an asterisk; the first one parts it from the method.
        let name = format!("{}*{name}", component.unwrap_or_default());
        let (len, sum) = (payload.len(), crate::checksum::crc32(payload));
        Self { rid: rid.as_str().into(), name: name.into(), len, sum }
    }
}

/// An answer of the client's own. Where the link has no room, the caller's time runs out, as at a device that is away.
fn send_unasked(cx: &mut Cx<'_>, status: i32, rid: Rid<'_>, body: &[u8]) {
    let tag = cx.tag();
    let _ = send(cx, tag, status, rid, body);
}

fn send(cx: &mut Cx<'_>, tag: Tag, status: i32, rid: Rid<'_>, body: &[u8]) -> Result<(), Rejected> {
    let topic = Topic::MethodAnswer { status, rid }.to_string();
    let qos = QoS::AtLeastOnce.min(cx.link.abilities().qos);
    let publish = Publish { tag, lane: Lane::Reply, topic: &[&topic], payload: body, qos, retain: false, ttl: None };
    cx.link.publish(cx.now, publish)
}
