//! A small HTTP server whose answers a test writes by hand, so that it can be as odd as servers are.

use crate::{
    pki::Pair,
    server::{Server, wait_for_end},
};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What a server answers on: TCP, or TLS on it.
pub trait Pipe: Read + Write {}

impl<T: Read + Write> Pipe for T {}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// Request line and headers.
    pub head: String,
    /// As many bytes as the head announces.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The first byte that is asked for.
    pub fn first(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// A server, and what it has seen.
pub struct Files {
    /// Ends when it is dropped.
    pub server: Server,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    written: AtomicUsize,
    ended: AtomicUsize,
}

impl Files {
    /// Answers each request with what `answer` gives, in one piece, and then waits for the client to end the connection.
    pub fn saying(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(move |request, pipe| pipe.write_all(&answer(request)))
    }

    /// The same, and ends the connection itself at once.
    pub fn hanging_up(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Seen::default());
        let ours = Arc::clone(&seen);
        let server = Server::start(move |mut stream| {
            let request = read(&mut stream)?;
            let answer = answer(&request);
            ours.requests.lock().unwrap().push(request);
            stream.write_all(&answer)?;
            stream.shutdown(std::net::Shutdown::Write)?;
            wait_for_end(&mut stream)
        });
        Self { server, seen }
    }

    /// Gives each request, and what to answer it on, to `serve`.
    pub fn start(serve: impl Fn(&Request, &mut dyn Pipe) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Seen::default());
        let ours = Arc::clone(&seen);
        let server = Server::start(move |mut stream: TcpStream| ours.serve(&mut stream, &serve));
        Self { server, seen }
    }

    /// The same by TLS, as [`Server::tls`].
    pub fn tls(
        pair: &Pair,
        clients: Option<&Path>,
        serve: impl Fn(&Request, &mut dyn Pipe) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Seen::default());
        let ours = Arc::clone(&seen);
        let server = Server::tls(pair, clients, move |stream| ours.serve(stream, &serve));
        Self { server, seen }
    }

    /// Where it is: `http://127.0.0.1:port/file`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/file", self.server.port)
    }

    /// Where it is by TLS.
    pub fn https(&self) -> String {
        format!("https://localhost:{}/file", self.server.port)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Bytes that the operating system has taken of answers.
    pub fn written(&self) -> usize {
        self.seen.written.load(Ordering::SeqCst)
    }

    /// Connections whose client has gone.
    pub fn ended(&self) -> usize {
        self.seen.ended.load(Ordering::SeqCst)
    }
}

impl Seen {
    fn serve(&self, pipe: &mut dyn Pipe, serve: &impl Fn(&Request, &mut dyn Pipe) -> io::Result<()>) -> io::Result<()> {
        let request = read(pipe)?;
        self.requests.lock().unwrap().push(request.clone());
        let done = serve(&request, &mut Counted { pipe, seen: self });
        // An answer that could not be written says that the client has gone, too.
        let _ = done.and_then(|()| wait_for_end(&mut Box::new(pipe)));
        self.ended.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Counts what is written.
struct Counted<'a> {
    pipe: &'a mut dyn Pipe,
    seen: &'a Seen,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.pipe.read(into)
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.pipe.write(bytes)?;
        self.seen.written.fetch_add(len, Ordering::SeqCst);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

fn read(pipe: &mut dyn Pipe) -> io::Result<Request> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        pipe.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let mut request = Request { head: String::from_utf8(head).map_err(io::Error::other)?, body: Vec::new() };
    // A path that says so is answered before its body is read.
    if !request.head.contains("/unread") {
        let len = request.header("content-length").map_or(0, |len| len.parse().unwrap());
        request.body = vec![0; len];
        pipe.read_exact(&mut request.body)?;
    }
    Ok(request)
}

/// An answer: status line, `headers` (each with its end of line), length and body.
pub fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// What a good server of files answers: the whole, or the range that is asked for unless `If-Range` names another
/// version.
pub fn good(file: &[u8], etag: &str) -> impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static {
    let (file, etag) = (file.to_vec(), etag.to_owned());
    move |request| {
        let same = request.header("if-range").is_none_or(|given| given == etag);
        match request.first().filter(|_| same) {
            Some(first) if first >= file.len() => {
                answer("416 Range Not Satisfiable", &format!("Content-Range: bytes */{}\r\n", file.len()), b"")
            }
            Some(first) => {
                let (last, len) = (file.len() - 1, file.len());
                let range = format!("ETag: {etag}\r\nContent-Range: bytes {first}-{last}/{len}\r\n");
                answer("206 Partial Content", &range, &file[first..])
            }
            None => answer("200 OK", &format!("ETag: {etag}\r\n"), &file),
        }
    }
}

/// The content of a file of this length: the same each time, and different at each place.
pub fn image(len: usize) -> Vec<u8> {
    (0_u32..).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes()).take(len).collect()
}
