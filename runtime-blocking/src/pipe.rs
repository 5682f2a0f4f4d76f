//! What is a pipe to this driver, and how is one opened? A stream that blocks; name look-up, the addresses in turn.

use crate::serial::{Held, Holder, Tty};
use core::{fmt, net::SocketAddr, time::Duration};
use skytether_core::io::{Cause, Pipe};
use skytether_std::{
    address::{EACH_ADDRESS, bare, in_turn},
    filter::Filter,
    options::Options,
    serial::{Place, Serial, of_open},
    tls::Tls,
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::{
    io,
    net::{Shutdown, TcpStream, ToSocketAddrs as _},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
};

/// How long the last one may take. The machine's own limit is shorter, as a rule.
const LAST_ADDRESS: Duration = Duration::from_mins(2);

/// How often a serial line is asked for that an older pipe still has.
const AGAIN: Duration = Duration::from_millis(5);

/// Bytes in both directions, read by one thread and written by another at the same time.
pub trait Stream: Send + Sync + 'static {
    /// Waits for bytes; 0 is the end of the stream.
    ///
    /// # Errors
    /// Any but `Interrupted` and `WouldBlock` ends the pipe.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes a part of `bytes`, at least one, waiting for the peer where it must.
    ///
    /// # Errors
    /// As [`Stream::read`].
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Ends our direction: once the peer has read what was written, it reads the end of the stream.
    fn finish(&self);

    /// Ends both directions at once. Calls of `read` and `write` that wait in other threads return: without that, no
    /// thread of the driver could ever end.
    fn cut(&self);

    /// As [`Stream::cut`], where nothing that was sent matters any more and the peer may still be sending: it is to hear
    /// of the end at once, and not when it next has room.
    fn abort(&self) {
        self.cut();
    }
}

impl Stream for TcpStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        io::Read::read(&mut &*self, buffer)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut &*self, bytes)
    }

    fn finish(&self) {
        // Fails only where there is no connection any more.
        let _ = self.shutdown(Shutdown::Write);
    }

    fn cut(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }

    fn abort(&self) {
        // Closing it then resets the connection. An ordinary end would leave a peer that has filled our buffer waiting:
        // after a shutdown no one tells it that there is room again.
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
        self.cut();
    }
}

/// Opens the pipes that a machine asks for. [`Net`] is the ordinary one; others (a tunnel, a test) plug in by
/// [`spawn_with`](crate::spawn_with).
pub trait Connector: Send + 'static {
    /// What it opens.
    type Stream: Stream;

    /// Opens a pipe, in a thread that is there for nothing else. One that takes long looks now and then whether the
    /// `attempt` is still wanted; what it returns when it is not is thrown away.
    ///
    /// # Errors
    /// The causes of the driver's block of [`Cause`]: `Resolve`, `Unreachable`, `Lost`, `Unsupported`.
    fn open(&self, pipe: &Pipe, attempt: &Attempt) -> Result<Self::Stream, Cause>;

    /// What stands between the stream's bytes and the machine's; asked before [`Connector::open`]. Nothing, if it is not
    /// written: then the stream must be all that the endpoint asks for.
    ///
    /// # Errors
    /// As [`Filter::new`].
    fn filter(&self, pipe: &Pipe) -> Result<Option<Filter>, Cause> {
        let _ = pipe;
        Ok(None)
    }
}

/// Whether a pipe that is being opened is still wanted: its time may be over, or the device closed.
#[derive(Clone, Debug, Default)]
pub struct Attempt(Arc<(Mutex<Progress>, Condvar)>);

#[derive(Debug, Default)]
struct Progress {
    abandoned: bool,
    /// The socket that is being connected.
    socket: Option<Socket>,
}

impl Attempt {
    /// Whether anyone still waits for the pipe.
    pub fn is_wanted(&self) -> bool {
        !self.lock().abandoned
    }

    /// Waits until no one wants the pipe any more, `longest` at most; true if someone still does.
    pub fn wait(&self, longest: Duration) -> bool {
        let waited = self.0.1.wait_timeout_while(self.lock(), longest, |progress| !progress.abandoned);
        !waited.unwrap_or_else(PoisonError::into_inner).0.abandoned
    }

    /// Makes it unwanted, and ends a connect that is under way (where the system lets us: Linux does).
    pub(crate) fn abandon(&self) {
        let socket = {
            let mut progress = self.lock();
            progress.abandoned = true;
            progress.socket.take()
        };
        self.0.1.notify_all();
        if let Some(socket) = socket {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Connects `socket`, unless and until it is not wanted.
    fn connect(&self, socket: &Socket, address: SocketAddr, longest: Duration) -> io::Result<()> {
        let ours = socket.try_clone()?;
        {
            let mut progress = self.lock();
            if progress.abandoned {
                return Err(io::ErrorKind::Interrupted.into());
            }
            progress.socket = Some(ours);
        }
        let done = socket.connect_timeout(&address.into(), longest);
        let _ours = self.lock().socket.take();
        done
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens TCP, TLS and WebSocket connections, as endpoints ask for them, and the serial line that it was given.
///
/// TCP goes with `TCP_NODELAY`. The name is looked up anew for each attempt; IPv6 and IPv4 addresses take turns.
#[derive(Clone, Debug)]
pub struct Net {
    tls: Tls,
    websocket_message: usize,
    serial: Option<Serial>,
    held: Held,
}

impl Net {
    /// Uses `tls` where an endpoint asks for TLS, and takes WebSocket messages of up to `websocket_message` bytes. There is
    /// no serial line.
    pub fn new(tls: Tls, websocket_message: usize) -> Self {
        Self { tls, websocket_message, serial: None, held: Held::default() }
    }

    /// As `options` say: TLS, WebSocket and the serial line.
    pub fn of(options: &Options) -> Self {
        let net = Self::new(options.tls.clone().unwrap_or_default(), options.websocket_message);
        Self { serial: options.serial.clone(), ..net }
    }

    fn serial(&self, attempt: &Attempt) -> Result<NetStream, Cause> {
        const NONE: Cause = Cause::Unsupported("a serial line where none was given in the options");
        let serial = self.serial.as_ref().ok_or(NONE)?;
        let holder = loop {
            match self.held.take() {
                Some(holder) => break holder,
                None if attempt.wait(AGAIN) => {}
                None => return Err(Cause::Asked),
            }
        };
        let kind = match &serial.place {
            Place::Tcp { host, port } => Kind::Tcp(tcp(host, *port, attempt)?),
            Place::Device(path) => Kind::Tty(Tty::open(path, serial).map_err(|error| {
                let cause = of_open(&error);
                tracing::warn!(place = %serial.place, step = "serial", %error, %cause, "no serial line");
                cause
            })?),
        };
        Ok(NetStream { kind, _holder: Some(holder) })
    }
}

impl Connector for Net {
    type Stream = NetStream;

    fn open(&self, pipe: &Pipe, attempt: &Attempt) -> Result<NetStream, Cause> {
        match pipe {
            Pipe::Net(endpoint) => {
                let kind = Kind::Tcp(tcp(&endpoint.host, endpoint.port, attempt)?);
                Ok(NetStream { kind, _holder: None })
            }
            Pipe::Serial => self.serial(attempt),
        }
    }

    fn filter(&self, pipe: &Pipe) -> Result<Option<Filter>, Cause> {
        Filter::new(pipe, &self.tls, self.websocket_message)
    }
}

/// An open connection of [`Net`].
pub struct NetStream {
    kind: Kind,
    /// Let go once the line is closed: fields are dropped in their order.
    _holder: Option<Holder>,
}

enum Kind {
    Tcp(TcpStream),
    Tty(Tty),
}

impl Stream for NetStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.kind {
            Kind::Tcp(stream) => Stream::read(stream, buffer),
            Kind::Tty(line) => line.read(buffer),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.kind {
            Kind::Tcp(stream) => Stream::write(stream, bytes),
            Kind::Tty(line) => line.write(bytes),
        }
    }

    fn finish(&self) {
        match &self.kind {
            Kind::Tcp(stream) => stream.finish(),
            // It has no end that could be waited for.
            Kind::Tty(line) => line.cut(),
        }
    }

    fn cut(&self) {
        match &self.kind {
            Kind::Tcp(stream) => stream.cut(),
            Kind::Tty(line) => line.cut(),
        }
    }

    fn abort(&self) {
        match &self.kind {
            Kind::Tcp(stream) => stream.abort(),
            Kind::Tty(line) => line.cut(),
        }
    }
}

impl fmt::Debug for NetStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetStream").finish_non_exhaustive()
    }
}

/// A thread in which something ends; `None`, with `end` dropped, where the system gives none.
pub(crate) fn bye(end: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    Builder::new().name("skytether-bye".into()).spawn(end).ok()
}

/// Opens a TCP connection to the first address of `host` that answers.
fn tcp(host: &str, port: u16, attempt: &Attempt) -> Result<TcpStream, Cause> {
    let found = (bare(host), port).to_socket_addrs().map_err(|error| {
        tracing::warn!(host, port, step = "resolve", %error, "the host name could not be resolved");
        Cause::Resolve
    })?;
    let addresses = in_turn(found);
    if addresses.is_empty() {
        tracing::warn!(host, port, step = "resolve", "the host name has no address");
        return Err(Cause::Resolve);
    }
    let last = addresses.len().saturating_sub(1);
    for (index, address) in addresses.into_iter().enumerate() {
        if !attempt.is_wanted() {
            return Err(Cause::Asked);
        }
        match connect(address, attempt, if index == last { LAST_ADDRESS } else { EACH_ADDRESS }) {
            Ok(stream) => {
                tracing::debug!(host, port, %address, "connected");
                return Ok(stream);
            }
            Err(error) => tracing::warn!(host, port, %address, step = "connect", %error, "no connection"),
        }
    }
    Err(Cause::Unreachable)
}

fn connect(address: SocketAddr, attempt: &Attempt, longest: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    attempt.connect(&socket, address, longest)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use skytether_core::link::{Endpoint, TlsIdentity};

    #[test]
    fn a_closed_port_is_unreachable_and_a_bad_name_does_not_resolve() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert_eq!(tcp("127.0.0.1", port, &Attempt::default()).unwrap_err(), Cause::Unreachable);
        assert_eq!(tcp("no such host.invalid", 1, &Attempt::default()).unwrap_err(), Cause::Resolve);
    }

    #[test]
    fn what_is_not_offered_is_said_by_name() {
        let net = Net::new(Tls::default(), 1024);
        let mut named = Endpoint::tcp("127.0.0.1", 1);
        named.tls = TlsIdentity::Named("slot 1".into());
        let mut path = Endpoint::tcp("127.0.0.1", 1);
        path.path = Some("/with space".into());
        for (endpoint, what) in [(named, "by name"), (path, "host or path")] {
            let Err(Cause::Unsupported(why)) = net.filter(&Pipe::Net(endpoint)) else {
                panic!("{what} is not offered")
            };
            assert!(why.contains(what), "{why}");
        }
        let serial = net.open(&Pipe::Serial, &Attempt::default());
        assert!(matches!(serial.unwrap_err(), Cause::Unsupported(why) if why.starts_with("a serial line")));
    }

    #[test]
    fn r_144_the_connection_has_nodelay() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = tcp("localhost", listener.local_addr().unwrap().port(), &Attempt::default()).unwrap();
        assert!(stream.nodelay().unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_connect_under_way_ends_when_it_is_abandoned() {
        // A listener whose queue is full answers no SYN.
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let filling: Vec<_> = (0..4)
            .map(|_| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                let done = socket.connect_timeout(&address.into(), Duration::from_millis(100)).is_ok();
                (socket, done)
            })
            .collect();
        assert!(filling.iter().any(|(_, done)| !done), "the queue is not full: the test would hold nothing");
        let attempt = Attempt::default();
        let begin = clock::real();
        std::thread::scope(|scope| {
            let opening = scope.spawn(|| tcp("127.0.0.1", address.port(), &attempt));
            assert!(attempt.wait(Duration::from_millis(200)));
            assert!(!opening.is_finished());
            attempt.abandon();
            assert_eq!(opening.join().unwrap().unwrap_err(), Cause::Unreachable);
        });
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    }
}
