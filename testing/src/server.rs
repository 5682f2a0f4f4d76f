//! Servers of a few lines, one thread a connection: over TCP, and over TLS with any certificate.

use crate::pki::Pair;
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use std::{
    io::{self, Read as _, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Longest that a connection of a server waits for its client.
const PATIENCE: Duration = Duration::from_secs(20);

/// CONNACK: accepted.
pub const CONNACK: [u8; 4] = [0x20, 2, 0, 0];

/// A TLS connection as a server sees it.
pub type Tls = StreamOwned<ServerConnection, TcpStream>;

/// A server on a free port of 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub port: u16,
    connections: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Gives each connection to `serve`, on a thread of its own. An error ends the connection and is no one's business.
    pub fn start(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let open = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (count, all, stopped, serve) =
            (Arc::clone(&connections), Arc::clone(&open), Arc::clone(&stop), Arc::new(serve));
        let thread = std::thread::spawn(move || {
            let mut threads = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                count.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                all.lock().unwrap().push(stream.try_clone().unwrap());
                let serve = Arc::clone(&serve);
                threads.push(std::thread::spawn(move || {
                    let keep = stream.try_clone();
                    let _ = serve(stream);
                    // `open` still holds the connection: it ends here, not when the server does.
                    let _ = keep.and_then(|stream| stream.shutdown(Shutdown::Both));
                }));
            }
            for thread in threads {
                thread.join().unwrap();
            }
        });
        Self { port, connections, open, stop, thread: Some(thread) }
    }

    /// A server that shows `pair` and then gives the connection to `serve`; `clients` is the CA of the certificates that
    /// it wants of clients, if any.
    pub fn tls(
        pair: &Pair,
        clients: Option<&Path>,
        serve: impl Fn(&mut Tls) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::tls_of(rustls::ALL_VERSIONS, pair, clients, serve)
    }

    /// The same with these versions of TLS.
    pub fn tls_of(
        versions: &[&'static SupportedProtocolVersion],
        pair: &Pair,
        clients: Option<&Path>,
        serve: impl Fn(&mut Tls) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let config = server_config(versions, pair, clients);
        Self::start(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            let mut tls = StreamOwned::new(connection, stream);
            while tls.conn.is_handshaking() {
                tls.conn.complete_io(&mut tls.sock)?;
            }
            serve(&mut tls)
        })
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "a thread of the server panicked");
        }
    }
}

/// The configuration of a server that shows `pair`; `clients` is the CA of the certificates that it wants of clients.
pub fn server_config(
    versions: &[&'static SupportedProtocolVersion],
    pair: &Pair,
    clients: Option<&Path>,
) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (chain, key) = pair.parts();
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

/// Reads a first packet (shorter than 130 bytes) and accepts the connection that it asks for.
pub fn accept_mqtt(stream: &mut (impl io::Read + Write)) -> io::Result<()> {
    read_packet(stream)?;
    stream.write_all(&CONNACK)?;
    stream.flush()
}

/// Reads one packet with a remaining length below 128.
pub fn read_packet(stream: &mut impl io::Read) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; 2];
    stream.read_exact(&mut packet)?;
    packet.resize(2 + usize::from(packet[1]), 0);
    stream.read_exact(&mut packet[2..])?;
    Ok(packet)
}

/// Reads the head of an HTTP request.
pub fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

/// Reads until the client ends the connection.
pub fn wait_for_end(stream: &mut impl io::Read) -> io::Result<()> {
    let mut bytes = [0; 1024];
    while stream.read(&mut bytes)? > 0 {}
    Ok(())
}
