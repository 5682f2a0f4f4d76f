//! Clients as thin as can be, on every transport, and a cloud for them.

use core::{future::Future, time::Duration};
use futures_util::{SinkExt as _, StreamExt as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use serde_json::Value;
use skytether_core::{link::Connect, mqtt::codec, secret::Secret};
use skytether_simulator::{
    broker::{
        policy::Transport,
        trace::{Happening, Trace},
    },
    local::{LocalCloud, Options},
    server::Traces,
};
use std::{fs, path::Path, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        client::IntoClientRequest as _,
        handshake::client::{Request, Response},
    },
};

use crate::support::{connect_packet, words};

/// Nothing here takes longer.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what).await.expect("in time")
}

/// TLS on TCP, by its client.
pub(crate) type Secure = Box<TlsStream<TcpStream>>;

/// A cloud in a folder of its own.
pub(crate) struct Stage {
    pub(crate) cloud: LocalCloud,
    pub(crate) traces: Traces,
    _folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path().join("cloud"));
        change(&mut options);
        let cloud = soon(LocalCloud::start(options)).await.unwrap();
        let traces = cloud.handle().trace();
        Self { cloud, traces, _folder: folder }
    }

    /// The trace up to the first entry that `is_it`.
    pub(crate) async fn until(&mut self, is_it: impl Fn(&Happening) -> bool) -> Trace {
        loop {
            let trace = soon(self.traces.next()).await.expect("the server runs");
            if is_it(&trace.what) {
                return trace;
            }
        }
    }

    /// Why the next connection is turned away.
    pub(crate) async fn turned_away(&mut self) -> String {
        let trace = self.until(|what| matches!(what, Happening::TurnedAway { .. })).await;
        let Happening::TurnedAway { why, .. } = trace.what else { panic!() };
        why
    }

    pub(crate) async fn tcp(&self, transport: Transport) -> TcpStream {
        let addr = self.cloud.addr(transport).unwrap();
        soon(TcpStream::connect(addr)).await.unwrap()
    }

    /// TLS to a port, trusting the cloud's CA, with the certificate of the device of this label.
    pub(crate) async fn tls(&self, transport: Transport, device: Option<&str>) -> std::io::Result<Secure> {
        let files = self.cloud.files();
        let device = device.map(|label| files.devices.iter().find(|device| device.label == label).unwrap());
        let keys = device.map(|device| {
            (device.certificate.as_deref().unwrap().to_owned(), device.private_key.as_deref().unwrap().to_owned())
        });
        let config = client_config(&files.ca, keys.as_ref().map(|(cert, key)| (cert.as_path(), key.as_path())));
        let name = ServerName::try_from("localhost").unwrap();
        let stream = self.tcp(transport).await;
        soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.map(Box::new)
    }

    /// The identity in a device's file.
    pub(crate) fn device(&self, label: &str) -> Identity {
        let files = self.cloud.files().devices.iter().find(|device| device.label == label).unwrap();
        let info: Value = serde_json::from_slice(&fs::read(&files.device_info).unwrap()).unwrap();
        Identity {
            client_id: format!("{}{}", info["productId"].as_str().unwrap(), info["deviceName"].as_str().unwrap()),
            secret: info["key_deviceinfo"]["deviceSecret"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) async fn stop(self) {
        soon(self.cloud.stop()).await;
    }
}

pub(crate) fn client_config(ca: &Path, device: Option<(&Path, &Path)>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match device {
        Some((cert, key)) => {
            let cert = CertificateDer::from_pem_file(cert).unwrap();
            builder.with_client_auth_cert(vec![cert], PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
        }
        None => builder.with_no_client_auth(),
    }
}

/// Who a device is.
pub(crate) struct Identity {
    pub(crate) client_id: String,
    secret: String,
}

impl Identity {
    /// A CONNECT without password, as a certificate device sends it.
    pub(crate) fn bare(&self) -> Connect {
        let user_name = Some(format!("{};12010126;abcde;2147483647", self.client_id));
        Connect {
            client_id: self.client_id.clone(),
            user_name,
            clean_session: true,
            keep_alive: 60,
            ..Connect::default()
        }
    }

    /// A CONNECT with a signature.
    pub(crate) fn signed(&self) -> Connect {
        use base64ct::Encoding as _;
        let key = base64ct::Base64::decode_vec(&self.secret).unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        let connect = self.bare();
        mac.update(connect.user_name.as_ref().unwrap().as_bytes());
        let hex = base16ct::lower::encode_string(&mac.finalize().into_bytes());
        Connect { password: Some(Secret::new(format!("{hex};hmacsha256"))), ..connect }
    }
}

/// MQTT on any stream of bytes.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    bytes: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, bytes: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes)).await.unwrap();
        soon(self.stream.flush()).await.unwrap();
    }

    pub(crate) async fn hello(&mut self, connect: &Connect) -> String {
        self.send(&connect_packet(connect)).await;
        self.next().await.expect("CONNACK")
    }

    /// The next packet; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(packet) = cut(&mut self.bytes) {
                return Some(packet);
            }
            if soon(self.stream.read_buf(&mut self.bytes)).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

/// MQTT in a WebSocket.
pub(crate) struct WebClient<S> {
    pub(crate) socket: WebSocketStream<S>,
    bytes: Vec<u8>,
}

/// A request for a WebSocket with these sub-protocols.
pub(crate) fn request(path: &str, protocols: &str) -> Request {
    let mut request = format!("ws://localhost{path}").into_client_request().unwrap();
    if !protocols.is_empty() {
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocols.parse().unwrap());
    }
    request
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebClient<S> {
    pub(crate) async fn open(stream: S) -> Self {
        let (client, response) = Self::ask(stream, request("/mqtt", "mqtt")).await.unwrap();
        assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "mqtt");
        client
    }

    pub(crate) async fn ask(stream: S, request: Request) -> tungstenite::Result<(Self, Response)> {
        let (socket, response) = soon(tokio_tungstenite::client_async(request, stream)).await?;
        Ok((Self { socket, bytes: Vec::new() }, response))
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        soon(self.socket.send(Message::Binary(bytes.to_vec().into()))).await.unwrap();
    }

    pub(crate) async fn hello(&mut self, connect: &Connect) -> String {
        self.send(&connect_packet(connect)).await;
        self.next().await.expect("CONNACK")
    }

    /// The next packet; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(packet) = cut(&mut self.bytes) {
                return Some(packet);
            }
            match soon(self.socket.next()).await {
                Some(Ok(Message::Binary(bytes))) => self.bytes.extend(bytes),
                Some(Ok(Message::Text(text))) => panic!("a text frame: {text}"),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

/// The first packet, in words, if it is whole.
fn cut(bytes: &mut Vec<u8>) -> Option<String> {
    let len = codec::frame_len(bytes, usize::MAX).unwrap().filter(|len| *len <= bytes.len())?;
    let packet: Vec<_> = bytes.drain(..len).collect();
    words(&packet).pop()
}
