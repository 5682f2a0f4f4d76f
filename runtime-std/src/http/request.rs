//! What does an exchange say to the server, and which one is that?

use crate::tls::Tls;
use skytether_core::{
    io::{Cause, Exchange, Method},
    link::{Endpoint, TlsIdentity},
};
use ureq_proto::{
    client::{Call, SendRequestResult, state::RecvResponse},
    http::{
        self, HeaderName, Uri,
        header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, RANGE, TRANSFER_ENCODING, USER_AGENT},
    },
};
use zeroize::Zeroizing;

const BAD_URL: Cause =
    Cause::Unsupported("exchanges with this URL: give http:// or https:// with a host and no user name");
const BAD_HEADER: Cause = Cause::Unsupported("exchanges with this header: it holds what HTTP does not allow");

/// The driver's own: how the body travels and what is asked of the connection are not the machine's to say.
const OURS: [HeaderName; 4] = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, EXPECT];

/// A request, ready to be sent.
pub(super) struct Request {
    pub(super) endpoint: Endpoint,
    pub(super) head: Zeroizing<Vec<u8>>,
    pub(super) call: Call<RecvResponse>,
}

impl Request {
    pub(super) fn of(exchange: &Exchange, tls: &Tls) -> Result<Self, Cause> {
        let uri: Uri = exchange.url.parse().map_err(|_| BAD_URL)?;
        let endpoint = endpoint(&uri, exchange.certificate && tls.has_client()).ok_or(BAD_URL)?;
        let (request, len) = request(exchange, uri)?;
        let bad = |_| BAD_HEADER;
        let mut call = Call::new(request).map_err(bad)?.proceed();
        let mut head = Zeroizing::new(vec![0; len]);
        let mut written = 0;
        while !call.can_proceed() {
            let room = head.get_mut(written..).ok_or(BAD_HEADER)?;
            written = written.saturating_add(call.write(room).map_err(bad)?);
        }
        head.truncate(written);
        let call = match call.proceed().map_err(bad)?.ok_or(BAD_HEADER)? {
            SendRequestResult::RecvResponse(call) => call,
            SendRequestResult::SendBody(mut call) => {
                call.consume_direct_write(exchange.body.len()).map_err(bad)?;
                call.proceed().ok_or(BAD_HEADER)?
            }
            // `Expect` was left out.
            SendRequestResult::Await100(_) => return Err(BAD_HEADER),
        };
        Ok(Self { endpoint, head, call })
    }
}

/// The request, and room enough for its head.
fn request(exchange: &Exchange, uri: Uri) -> Result<(http::Request<()>, usize), Cause> {
    let method = match exchange.method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
    };
    // Request line, host and what is added below.
    let mut len = exchange.url.len().saturating_mul(2).saturating_add(1024);
    let has_body = method != http::Method::GET || !exchange.body.is_empty();
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in &exchange.headers {
        let name = HeaderName::try_from(name.as_str()).map_err(|_| BAD_HEADER)?;
        if OURS.contains(&name) || (name == RANGE && exchange.range.is_some()) {
            continue;
        }
        len = len.saturating_add(name.as_str().len()).saturating_add(value.len()).saturating_add(4);
        request = request.header(name, value);
    }
    let mut add = |name: HeaderName, value: &str| {
        let given = request.headers_ref().is_some_and(|headers| headers.contains_key(&name));
        if !given {
            request = core::mem::take(&mut request).header(name, value);
        }
    };
    add(CONNECTION, "close");
    // A range is one of the bytes that are meant, not of some packed form of them.
    add(ACCEPT_ENCODING, "identity");
    add(USER_AGENT, concat!("skytether/", env!("CARGO_PKG_VERSION")));
    if let Some(first) = exchange.range {
        add(RANGE, &format!("bytes={first}-"));
    }
    if has_body {
        add(CONTENT_LENGTH, &exchange.body.len().to_string());
    }
    request.body(()).map(|request| (request, len)).map_err(|_| BAD_HEADER)
}

fn endpoint(uri: &Uri, certificate: bool) -> Option<Endpoint> {
    let (tls, own) = match uri.scheme_str()? {
        "http" => (TlsIdentity::Plain, 80),
        "https" if certificate => (TlsIdentity::Client, 443),
        "https" => (TlsIdentity::Ca, 443),
        _ => return None,
    };
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    let host = Some(authority.host()).filter(|host| !host.is_empty())?;
    let port = uri.port_u16().unwrap_or(own);
    (port > 0).then(|| Endpoint { tls, ..Endpoint::tcp(host, port) })
}
