//! How does a check hold its one connection: plain, encrypted, in a WebSocket?

use skytether_core::{
    io::Cause,
    link::Endpoint,
    mqtt::codec::{self, ConnAck, Packet},
};
use skytether_std::{fault::of_io, tls::Tls, websocket::WebSocket};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// Largest packet taken: a CONNACK has four bytes.
const PACKET: usize = 1024;
/// Largest WebSocket message taken.
const MESSAGE: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The connection as far as it has come.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    websocket: Option<WebSocket>,
    about: String,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, about: String) -> Self {
        Self { stream: Box::new(stream), websocket: None, about }
    }

    /// What is to be said of the latest step.
    pub(super) fn about(&self) -> &str {
        &self.about
    }

    pub(super) async fn encrypt(self, tls: &Tls, endpoint: &Endpoint) -> Result<Self, Cause> {
        let handshake = tls.handshake(endpoint)?;
        let connector = TlsConnector::from(handshake.config.clone());
        let stream = connector.connect(handshake.name.clone(), self.stream).await;
        let stream = stream.map_err(|error| handshake.cause(&error))?;
        let (_, session) = stream.get_ref();
        let version = match session.protocol_version() {
            Some(tokio_rustls::rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(tokio_rustls::rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        };
        let about = format!("{version}, the certificate is good for {}", endpoint.host);
        Ok(Self { stream: Box::new(stream), websocket: None, about })
    }

    pub(super) async fn upgrade(mut self, endpoint: &Endpoint) -> Result<Self, Cause> {
        let mut websocket = WebSocket::new(endpoint, MESSAGE)?;
        self.drain(&mut websocket).await?;
        while !websocket.is_open() {
            let mut bytes = [0; PACKET];
            match self.stream.read(&mut bytes).await.map_err(|error| of_io(&error))? {
                0 => return Err(websocket.end()),
                len => websocket.receive(bytes.get(..len).unwrap_or_default())?,
            }
        }
        self.about = format!("{}, sub-protocol mqtt", endpoint.path.as_deref().unwrap_or_default());
        Ok(Self { websocket: Some(websocket), ..self })
    }

    pub(super) async fn send(&mut self, mqtt: &[u8]) -> Result<(), Cause> {
        match self.websocket.take() {
            None => {
                self.stream.write_all(mqtt).await.map_err(|error| of_io(&error))?;
                self.stream.flush().await.map_err(|error| of_io(&error))
            }
            Some(mut websocket) => {
                websocket.send(mqtt)?;
                self.drain(&mut websocket).await?;
                self.websocket = Some(websocket);
                Ok(())
            }
        }
    }

    /// The answer to CONNECT.
    pub(super) async fn connack(&mut self) -> Result<ConnAck, Cause> {
        let mut heard = Vec::new();
        loop {
            match codec::decode(&heard, PACKET)? {
                Some((Packet::ConnAck(answer), _)) => return Ok(answer),
                Some(_) => return Err(Cause::Protocol("the first packet is no CONNACK")),
                None => {}
            }
            let mut bytes = [0; PACKET];
            let len = self.read(&mut bytes).await?;
            heard.extend_from_slice(bytes.get(..len).unwrap_or_default());
        }
    }

    /// DISCONNECT, and the end of everything below.
    pub(super) async fn farewell(&mut self) -> Result<(), Cause> {
        self.send(&codec::DISCONNECT).await?;
        if let Some(mut websocket) = self.websocket.take() {
            websocket.close();
            self.drain(&mut websocket).await?;
        }
        self.stream.shutdown().await.map_err(|error| of_io(&error))
    }

    /// The next bytes of MQTT, one at least.
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, Cause> {
        loop {
            if let Some(mut websocket) = self.websocket.take() {
                let read = websocket.read(into);
                self.drain(&mut websocket).await?;
                self.websocket = Some(websocket);
                match read? {
                    0 => {}
                    len => return Ok(len),
                }
            }
            let mut bytes = [0; PACKET];
            let len = self.stream.read(&mut bytes).await.map_err(|error| of_io(&error))?;
            let bytes = bytes.get(..len).unwrap_or_default();
            match &mut self.websocket {
                None if len == 0 => return Err(Cause::Lost),
                Some(websocket) if len == 0 => return Err(websocket.end()),
                Some(websocket) => websocket.receive(bytes)?,
                None => {
                    for (place, byte) in into.iter_mut().zip(bytes) {
                        *place = *byte;
                    }
                    return Ok(len.min(into.len()));
                }
            }
        }
    }

    /// Sends what the WebSocket has to say.
    async fn drain(&mut self, websocket: &mut WebSocket) -> Result<(), Cause> {
        while !websocket.transmit().is_empty() {
            let len = websocket.transmit().len();
            self.stream.write_all(websocket.transmit()).await.map_err(|error| of_io(&error))?;
            websocket.sent(len);
        }
        self.stream.flush().await.map_err(|error| of_io(&error))
    }
}
