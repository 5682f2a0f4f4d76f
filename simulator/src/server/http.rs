//! How does a cloud's HTTP get sockets? One task listens, each connection has a task; the broker's owner answers.

use super::{
    handle::{Handle, Stopped},
    pipe::AnyStream,
    tls::Acceptor,
};
use crate::{
    broker::policy::{At, Peer, Policy, Transport},
    http::{Request, Response},
};
use bytes::Bytes;
use core::{net::SocketAddr, pin::Pin, time::Duration};
use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    header::{CONTENT_LENGTH, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{io, sync::Arc};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

/// Largest body of a request, in bytes.
const BODY: usize = 64 * 1024 * 1024;

/// The time for a TLS handshake, and for the head of a request.
const HEAD: Duration = Duration::from_secs(10);

/// The pause after a connection that could not be accepted.
const REST: Duration = Duration::from_millis(100);

/// How long a body that breaks off waits before it does.
const FLUSH: Duration = Duration::from_millis(50);

/// Connections at once; one more waits.
const AT_ONCE: usize = 128;

/// What answers a request: it is called with the broker's policy, between two inputs.
pub type Answer<P> = fn(&mut P, At, &Request) -> Response;

/// One port that speaks HTTP/1.1. Dropped, it stops at once.
#[derive(Debug)]
pub struct HttpServer {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl HttpServer {
    /// Listens, on TLS if there is an acceptor.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start<P>(
        addr: SocketAddr,
        acceptor: Option<Acceptor>,
        handle: Handle<P>,
        answer: Answer<P>,
    ) -> io::Result<Self>
    where
        P: Policy + Send + 'static,
        P::Identity: Send,
    {
        let socket = TcpListener::bind(addr).await?;
        let addr = socket.local_addr()?;
        let door = Arc::new(Door { acceptor, handle, answer });
        Ok(Self { addr, task: tokio::spawn(listen(socket, door)) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Door<P: Policy> {
    acceptor: Option<Acceptor>,
    handle: Handle<P>,
    answer: Answer<P>,
}

async fn listen<P>(socket: TcpListener, door: Arc<Door<P>>)
where
    P: Policy + Send + 'static,
    P::Identity: Send,
{
    // Dropped with this task, it ends every connection.
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        while tasks.len() >= AT_ONCE {
            tasks.join_next().await;
        }
        let Ok((stream, address)) = socket.accept().await else {
            sleep(REST).await;
            continue;
        };
        let door = Arc::clone(&door);
        tasks.spawn(async move { door.serve(Box::new(stream), address).await });
    }
}

impl<P> Door<P>
where
    P: Policy + Send + 'static,
    P::Identity: Send,
{
    async fn serve(&self, stream: AnyStream, address: SocketAddr) {
        let address = Some(address.to_string());
        let mut peer = Peer { address, ..Peer::default() };
        let mut stream = stream;
        if let Some(acceptor) = &self.acceptor {
            peer.transport = Transport::Tls;
            let Ok(Ok(secure)) = timeout(HEAD, acceptor.accept(stream, &mut peer)).await else { return };
            stream = secure;
        }
        let service = service_fn(|request| self.respond(request, &peer));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(true);
        // However it ends, the client sees it.
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn respond(&self, request: hyper::Request<Incoming>, peer: &Peer) -> Result<hyper::Response<Body>, Stopped> {
        let Some(request) = whole(request, peer).await else { return Ok(written(Response::new(413))) };
        let answer = self.answer;
        let response =
            self.handle.with_broker(move |broker, now| broker.act(now, |policy, at, _| answer(policy, at, &request)));
        response.await.map(written)
    }
}

/// A body in one piece, and behind it the end or a break.
type Body = StreamBody<Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>>;

async fn whole(request: hyper::Request<Incoming>, peer: &Peer) -> Option<Request> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY).collect().await.ok()?.to_bytes().to_vec();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let target = head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    Some(Request { method: head.method.as_str().to_owned(), target, headers, body, peer: peer.clone() })
}

fn written(response: Response) -> hyper::Response<Body> {
    let len = response.body.len();
    let told = response.header("content-length").and_then(|told| told.parse().ok());
    let is_short = told.is_some_and(|told: usize| len > 0 && len < told);
    let piece = stream::iter([Ok(Frame::data(Bytes::from(response.body)))]);
    let end = stream::iter(is_short.then_some(())).then(async |()| {
        // What is there leaves first.
        sleep(FLUSH).await;
        Err(io::Error::from(io::ErrorKind::BrokenPipe))
    });
    let mut written = hyper::Response::new(StreamBody::new(Box::pin(piece.chain(end)) as Pin<Box<_>>));
    *written.status_mut() = hyper::StatusCode::from_u16(response.status).unwrap_or_default();
    for (name, value) in response.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            written.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    written.headers_mut().entry(CONTENT_LENGTH).or_insert(len.into());
    written
}
