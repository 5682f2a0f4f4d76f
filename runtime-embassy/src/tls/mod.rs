//! TLS by rustls over any connector: the caller's cryptography, roots, certificate and clock.

mod fault;
mod filter;

use crate::{
    connector::{Connector, Conversation},
    wall::Wall,
};
use alloc::sync::Arc;
use core::{
    cell::RefCell,
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use embassy_sync::{blocking_mutex::raw::NoopRawMutex, mutex::Mutex};
use embedded_io_async::{ErrorType, Read, Write};
use filter::{Filter, HANDSHAKE_FAILURE, Say, Turn};
use rustls::{
    ClientConfig, SignatureScheme,
    client::ResolvesClientCert,
    pki_types::{ServerName, UnixTime},
    sign::CertifiedKey,
    time_provider::TimeProvider,
};
use skytether_core::{
    io::{Cause, Pipe, TlsFault},
    link::{Endpoint, TlsIdentity},
};

/// Speaks TLS 1.2 and 1.3 over the pipes of another connector where an endpoint asks for it; else passes through.
///
/// The configuration is the caller's: made by `ClientConfig::builder_with_details` with the provider of its choice and
/// a `&'static` [`Wall`] as the clock, since certificates cannot be judged without the time. Set its resumption to
/// `Resumption::disabled()` where memory is short.
///
/// `incoming` holds one whole TLS record: 18 KiB take the longest there are; less is enough for servers that keep to
/// shorter ones, and [`Cause::TooLarge`] says when it was not. `outgoing` holds our handshake messages, certificates
/// included: 4 KiB is a good size. rustls itself takes some 10 KiB of heap for a connection, and what a record held until
/// it was read.
pub struct Tls<'b, K> {
    inner: K,
    config: Arc<ClientConfig>,
    with_client: Option<Arc<ClientConfig>>,
    /// Whether the server of the last handshake wanted a client certificate.
    asked: Arc<AtomicBool>,
    incoming: &'b mut [u8],
    outgoing: &'b mut [u8],
}

impl<'b, K: Connector> Tls<'b, K> {
    /// TLS over `inner` without a client certificate.
    pub fn new(inner: K, config: ClientConfig, incoming: &'b mut [u8], outgoing: &'b mut [u8]) -> Self {
        let asked = Arc::default();
        Self { inner, config: heeding(config, &asked), with_client: None, asked, incoming, outgoing }
    }

    /// Uses `config`, which has a client certificate, where the endpoint's identity is [`TlsIdentity::Client`].
    #[must_use]
    pub fn with_client(self, config: ClientConfig) -> Self {
        Self { with_client: Some(heeding(config, &self.asked)), ..self }
    }

    fn config(&self, tls: &TlsIdentity) -> Result<Arc<ClientConfig>, Cause> {
        match tls {
            TlsIdentity::Plain | TlsIdentity::Ca => Ok(Arc::clone(&self.config)),
            TlsIdentity::Client => self
                .with_client
                .clone()
                .ok_or(Cause::Tls(TlsFault::Unusable("the endpoint wants a client certificate, and none was given"))),
            TlsIdentity::Named(_) => Err(Cause::Unsupported("a certificate by name, which only modems hold")),
        }
    }
}

impl<K: Connector> Connector for Tls<'_, K> {
    async fn open<T: Conversation>(&mut self, pipe: &Pipe, talk: T) -> Cause {
        let endpoint = match pipe {
            Pipe::Net(endpoint) if endpoint.tls != TlsIdentity::Plain => endpoint,
            Pipe::Net(_) | Pipe::Serial => return self.inner.open(pipe, talk).await,
        };
        let config = match self.config(&endpoint.tls) {
            Ok(config) => config,
            Err(cause) => return cause,
        };
        let Ok(name) = ServerName::try_from(endpoint.host.as_str()) else {
            return Cause::Tls(TlsFault::Unusable(
                "the host is no name that a certificate could be for (DNS name or IP address)",
            ));
        };
        let filter = match Filter::new(config, name.to_owned(), self.incoming) {
            Ok(filter) => filter,
            Err(cause) => return cause,
        };
        let beneath = Pipe::Net(Endpoint { tls: TlsIdentity::Plain, ..endpoint.clone() });
        self.asked.store(false, Ordering::Relaxed);
        let mut fault = None;
        let encrypted = Encrypted {
            talk,
            filter,
            outgoing: &mut *self.outgoing,
            shown: endpoint.tls == TlsIdentity::Client,
            asked: &self.asked,
            fault: &mut fault,
        };
        let cause = self.inner.open(&beneath, encrypted).await;
        fault.unwrap_or(cause)
    }
}

impl<K> fmt::Debug for Tls<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("with_client", &self.with_client.is_some()).finish_non_exhaustive()
    }
}

/// The wall time as rustls wants it: unknown, no handshake succeeds.
impl TimeProvider for &'static Wall {
    fn current_time(&self) -> Option<UnixTime> {
        self.now().map(|now| UnixTime::since_unix_epoch(Duration::from_millis(now.0)))
    }
}

/// The same configuration, which notes whether a server asks for a client certificate.
fn heeding(mut config: ClientConfig, asked: &Arc<AtomicBool>) -> Arc<ClientConfig> {
    let resolver = Arc::clone(&config.client_auth_cert_resolver);
    config.client_auth_cert_resolver = Arc::new(Heeding { resolver, asked: Arc::clone(asked) });
    Arc::new(config)
}

/// Answers as another one does, and notes that it was asked.
#[derive(Debug)]
struct Heeding {
    resolver: Arc<dyn ResolvesClientCert>,
    asked: Arc<AtomicBool>,
}

impl ResolvesClientCert for Heeding {
    fn resolve(&self, root_hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.resolver.resolve(root_hints, schemes)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.resolver.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.resolver.has_certs()
    }
}

/// A conversation, and the TLS in which it is held.
struct Encrypted<'c, 'b, T> {
    talk: T,
    filter: Filter<'b>,
    outgoing: &'c mut [u8],
    /// A client certificate was there to be shown.
    shown: bool,
    /// The server wanted one.
    asked: &'c AtomicBool,
    /// What TLS knows better than the pipe beneath.
    fault: &'c mut Option<Cause>,
}

impl<T: Conversation> Conversation for Encrypted<'_, '_, T> {
    async fn hold<R: Read, W: Write>(self, mut reader: R, mut writer: W) -> Cause {
        let Self { talk, mut filter, outgoing, shown, asked, fault } = self;
        if let Err(cause) = shake_hands(&mut filter, &mut reader, &mut writer, outgoing).await {
            // TLS 1.2 servers say this where they want a certificate, too; OpenSSL says nothing else.
            let cause = if cause == Cause::Tls(TlsFault::Alert(HANDSHAKE_FAILURE)) {
                Cause::Tls(match (asked.load(Ordering::Relaxed), shown) {
                    (false, _) => TlsFault::NothingInCommon,
                    (true, false) => TlsFault::ClientCertificateRequired,
                    (true, true) => TlsFault::ClientCertificateRefused,
                })
            } else {
                cause
            };
            *fault = Some(cause);
            return cause;
        }
        let out = Mutex::new(Out { writer, buffer: outgoing });
        let shared = Shared { filter: RefCell::new(filter), owed: RefCell::default(), out };
        let cause = talk.hold(Heard { shared: &shared, reader }, Said { shared: &shared }).await;
        if cause == Cause::Asked {
            // The peer learns that nothing is missing; who does not hear it has lost nothing.
            if shared.say(&Say::GoodBye).await.is_ok() {
                let _ = shared.out.lock().await.writer.flush().await;
            }
        } else if cause == Cause::Lost {
            let filter = shared.filter.borrow();
            // An end without good-bye may have been made by anyone.
            *fault = filter.fault().or_else(|| (!filter.has_ended()).then_some(Cause::Truncated));
        }
        fault.unwrap_or(cause)
    }
}

async fn shake_hands<R: Read, W: Write>(
    filter: &mut Filter<'_>,
    reader: &mut R,
    writer: &mut W,
    out: &mut [u8],
) -> Result<(), Cause> {
    loop {
        match filter.turn(out, &Say::Nothing)? {
            Turn::Ready => return Ok(()),
            Turn::Send(len) => {
                let bytes = out.get(..len).unwrap_or_default();
                writer.write_all(bytes).await.map_err(|_| Cause::Lost)?;
                writer.flush().await.map_err(|_| Cause::Lost)?;
            }
            Turn::Blocked => receive(filter, reader).await?,
            // An end within the handshake cuts off nothing that was under way.
            Turn::Ended | Turn::Said { .. } => return Err(Cause::Lost),
        }
    }
}

async fn receive<R: Read>(filter: &mut Filter<'_>, reader: &mut R) -> Result<(), Cause> {
    let room = filter.room()?;
    let len = reader.read(room).await.ok().filter(|len| *len > 0).ok_or(Cause::Lost)?;
    filter.received(len);
    Ok(())
}

/// What both halves share. Neither borrows the filter while it waits.
struct Shared<'c, 'b, W> {
    filter: RefCell<Filter<'b>>,
    /// What TLS has to say of itself (an alert, new keys), not sent yet.
    owed: RefCell<heapless::Vec<u8, OWED>>,
    out: Mutex<NoopRawMutex, Out<'c, W>>,
}

struct Out<'c, W> {
    writer: W,
    buffer: &'c mut [u8],
}

/// Room for what TLS has to say of itself after the handshake: some 30 bytes at a time.
const OWED: usize = 128;
/// Bytes read from the pipe beneath at once.
const READ: usize = 512;

impl<W: Write> Shared<'_, '_, W> {
    /// Says something, once all that was to be said before is out; how much of it was taken.
    async fn say(&self, say: &Say<'_>) -> Result<usize, Broken> {
        let mut out = self.out.lock().await;
        self.pay(&mut out.writer).await?;
        loop {
            let turn = self.filter.borrow_mut().turn(out.buffer, say).map_err(|_| Broken)?;
            let (said, len) = match turn {
                Turn::Said { taken, len } => (Some(taken), len),
                Turn::Send(len) => (None, len),
                Turn::Ended => continue,
                Turn::Blocked | Turn::Ready => return Err(Broken),
            };
            let Out { writer, buffer } = &mut *out;
            writer.write_all(buffer.get(..len).unwrap_or_default()).await.map_err(|_| Broken)?;
            if let Some(taken) = said {
                self.pay(writer).await?;
                return Ok(taken);
            }
        }
    }

    /// Sends what is owed.
    async fn pay(&self, writer: &mut W) -> Result<(), Broken> {
        loop {
            let owed = self.owed.take();
            if owed.is_empty() {
                return Ok(());
            }
            writer.write_all(&owed).await.map_err(|_| Broken)?;
            writer.flush().await.map_err(|_| Broken)?;
        }
    }
}

/// What is heard.
struct Heard<'s, 'c, 'b, R, W> {
    shared: &'s Shared<'c, 'b, W>,
    reader: R,
}

impl<R, W> ErrorType for Heard<'_, '_, '_, R, W> {
    type Error = Broken;
}

impl<R: Read, W: Write> Read for Heard<'_, '_, '_, R, W> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        loop {
            let len = self.shared.filter.borrow_mut().take(buffer);
            if len > 0 || buffer.is_empty() || self.shared.filter.borrow().has_ended() {
                return Ok(len);
            }
            let mut own = [0; OWED];
            let turn = self.shared.filter.borrow_mut().turn(&mut own, &Say::Nothing).map_err(|_| Broken)?;
            if let Turn::Send(len) = turn {
                let own = own.get(..len).unwrap_or_default();
                self.shared.owed.borrow_mut().extend_from_slice(own).map_err(|_| Broken)?;
                // Whoever writes at this moment pays when he is done.
                if let Ok(mut out) = self.shared.out.try_lock() {
                    self.shared.pay(&mut out.writer).await?;
                }
            } else if turn != Turn::Ended && !self.shared.filter.borrow().has_plain() {
                // Not into the filter's own memory: who writes meanwhile needs it.
                let mut bytes = [0; READ];
                let room = self.shared.filter.borrow_mut().room().map_err(|_| Broken)?.len().min(READ);
                let place = bytes.get_mut(..room).unwrap_or_default();
                let len = self.reader.read(place).await.map_err(|_| Broken)?;
                if len == 0 {
                    return Ok(0);
                }
                self.shared.filter.borrow_mut().receive(bytes.get(..len).unwrap_or_default());
            }
        }
    }
}

/// What is said.
struct Said<'s, 'c, 'b, W> {
    shared: &'s Shared<'c, 'b, W>,
}

impl<W> ErrorType for Said<'_, '_, '_, W> {
    type Error = Broken;
}

impl<W: Write> Write for Said<'_, '_, '_, W> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        if bytes.is_empty() { Ok(0) } else { self.shared.say(&Say::Bytes(bytes)).await }
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        self.shared.out.lock().await.writer.flush().await.map_err(|_| Broken)
    }
}

/// The connection broke, or TLS did; which is in the filter.
#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the encrypted connection broke")
    }
}

impl core::error::Error for Broken {}

impl embedded_io_async::Error for Broken {
    fn kind(&self) -> embedded_io_async::ErrorKind {
        embedded_io_async::ErrorKind::ConnectionAborted
    }
}
