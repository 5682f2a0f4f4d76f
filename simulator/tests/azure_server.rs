//! Azure on real sockets: certificates shown in the handshake, the WebSocket's path, HTTP, and the files for devices.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    reason = "tests fail by panicking"
)]

mod support;

use core::{future::Future, net::SocketAddr, time::Duration};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use skytether_core::{
    azure::Route,
    link::Connect,
    portable::profile::{Profile, Source},
};
use skytether_simulator::{
    azure::FileFault,
    broker::policy::Transport,
    local::azure::{DeviceFiles, HUB, LocalAzure, Options, WEBSOCKET},
    server::tls::Authority,
};
use std::{fs, path::Path, sync::Arc};
use support::{connect_packet, words};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

const SCOPE: &str = "0ne00000000";

struct Stage {
    cloud: LocalAzure,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cloud = soon(LocalAzure::start(Options::new(folder.path().join("cloud")))).await.unwrap();
        Self { cloud, _folder: folder }
    }

    fn board(&self) -> &DeviceFiles {
        &self.cloud.files().devices[0]
    }

    /// TLS to a port, under a name, with a certificate or none.
    async fn secure(
        &self,
        addr: SocketAddr,
        name: &str,
        shows: Option<(&[u8], &[u8])>,
    ) -> impl AsyncRead + AsyncWrite + Unpin {
        let mut roots = RootCertStore::empty();
        let ca = fs::read(&self.cloud.files().ca).unwrap();
        roots.add(CertificateDer::from_pem_slice(&ca).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shows {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate).unwrap()];
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key).unwrap()).unwrap()
            }
        };
        let stream = TcpStream::connect(addr).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap()
    }

    fn addr(&self, transport: Transport) -> SocketAddr {
        self.cloud.addr(transport).unwrap()
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what).await.expect("in time")
}

/// What a registration with a certificate says.
fn hello(id: &str) -> Connect {
    let user_name = Some(format!("{SCOPE}/registrations/{id}/api-version=2019-03-31"));
    Connect { user_name, ..support::hello(id, true) }
}

/// The first packet that comes back.
async fn connack(mut stream: impl AsyncRead + AsyncWrite + Unpin, connect: &Connect) -> String {
    stream.write_all(&connect_packet(connect)).await.unwrap();
    let mut bytes = [0; 4];
    soon(stream.read_exact(&mut bytes)).await.unwrap();
    words(&bytes).remove(0)
}

/// Sends a request and reads status line with headers, and body, to the end.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str, body: &[u8]) -> (String, Vec<u8>) {
    let request = format!("{request}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is broken on purpose ends without a farewell.
    let _ = soon(stream.read_to_end(&mut answer)).await;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    (String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase(), answer[end + 4..].to_vec())
}

fn read(path: Option<&Path>) -> Vec<u8> {
    fs::read(path.unwrap()).unwrap()
}

#[tokio::test]
async fn a_certificate_of_the_devices_authority_is_let_in_and_others_are_told_no_by_mqtt() {
    let stage = Stage::set().await;
    let board = stage.board();
    let (certificate, key) = (read(board.certificate.as_deref()), read(board.private_key.as_deref()));
    let id = board.registration_id.clone();
    let tls = stage.addr(Transport::Tls);
    let own = stage.secure(tls, HUB, Some((&certificate, &key))).await;
    assert_eq!(connack(own, &hello(&id)).await, "CONNACK 0 code 0");
    let none = stage.secure(tls, "localhost", None).await;
    assert_eq!(connack(none, &hello(&id)).await, "CONNACK 0 code 5");
    let stranger = Authority::new("a stranger").unwrap().device(&id).unwrap();
    let other = stage.secure(tls, HUB, Some((stranger.certificate().as_bytes(), stranger.private_key()))).await;
    assert_eq!(connack(other, &hello(&id)).await, "CONNACK 0 code 5");
    stage.cloud.stop().await;
}

#[tokio::test]
async fn the_websocket_is_at_the_platforms_path() {
    let stage = Stage::set().await;
    for (path, status) in
        [(WEBSOCKET, "101"), ("/$iothub/websocket?iothub-no-client-cert=true", "101"), ("/mqtt", "404")]
    {
        let addr = stage.addr(Transport::SecureWebSocket);
        let mut stream = stage.secure(addr, "localhost", None).await;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        soon(stream.read_exact(&mut line)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&line), format!("HTTP/1.1 {status}"), "{path}");
    }
    stage.cloud.stop().await;
}

#[tokio::test]
async fn files_are_given_out_whole_in_ranges_and_wrongly_on_order() {
    let stage = Stage::set().await;
    let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let given = content.clone();
    let order = |fault: FileFault| {
        let handle = stage.cloud.handle().clone();
        async move { handle.with_broker(move |broker, _| broker.policy_mut().spoil_files(fault)).await.unwrap() }
    };
    stage
        .cloud
        .handle()
        .with_broker(move |broker, _| broker.policy_mut().add_file("du/image.swu", given))
        .await
        .unwrap();
    let ask = |more: &str| {
        let request = format!("GET /du/image.swu HTTP/1.1\r\nHost: localhost{more}");
        let addr = stage.cloud.http();
        async move { exchange(TcpStream::connect(addr).await.unwrap(), &request, b"").await }
    };
    let (head, body) = ask("").await;
    assert!(head.starts_with("http/1.1 200") && head.contains("content-length: 100000"), "{head}");
    assert_eq!(body, content);
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    let range = "\r\nRange: bytes=99990-";
    let (head, body) = ask(range).await;
    assert!(head.starts_with("http/1.1 206") && head.contains("content-range: bytes 99990-99999/100000"), "{head}");
    assert_eq!(body, content[99_990..]);
    let (head, _) = ask("\r\nRange: bytes=100000-").await;
    assert!(head.starts_with("http/1.1 416") && head.contains("content-range: bytes */100000"), "{head}");
    assert!(ask(&format!("{range}\r\nIf-Range: \"old\"")).await.0.starts_with("http/1.1 200"));
    assert!(ask(&format!("{range}\r\nIf-Range: {tag}")).await.0.starts_with("http/1.1 206"));
    for (fault, expected) in [
        (FileFault::Status(503, Some(7)), ["http/1.1 503", "retry-after: 7"]),
        (FileFault::IgnoreRange, ["http/1.1 200", "content-length: 100000"]),
        (FileFault::OtherTag, ["http/1.1 206", "etag: \"another\""]),
        (FileFault::Redirect("http://elsewhere/".to_owned()), ["http/1.1 302", "location: http://elsewhere/"]),
        (FileFault::Spoil, ["http/1.1 206", "content-length: 10"]),
    ] {
        order(fault.clone()).await;
        let (head, body) = ask(range).await;
        assert!(expected.iter().all(|part| head.contains(part)), "{fault:?}: {head}");
        assert!(fault != FileFault::Spoil || (body.len() == 10 && body != content[99_990..]));
    }
    order(FileFault::Cut(1000)).await;
    let (head, body) = ask("").await;
    assert!(head.contains("content-length: 100000"), "{head}");
    assert_eq!(body, content[..1000], "and then the connection breaks");
    assert!(ask("").await.0.starts_with("http/1.1 200"), "orders are used up");
    let missing =
        exchange(TcpStream::connect(stage.cloud.http()).await.unwrap(), "GET /no HTTP/1.1\r\nHost: a", b"").await;
    assert!(missing.0.starts_with("http/1.1 404"));
    stage.cloud.stop().await;
}

#[tokio::test]
async fn the_files_are_profiles_that_the_core_reads() {
    let stage = Stage::set().await;
    let files = stage.cloud.files();
    assert_eq!(files.devices.len(), 2);
    for device in &files.devices {
        let transports: Vec<_> = device.profiles.iter().map(|(transport, _)| *transport).collect();
        let secure = [Transport::Tls, Transport::SecureWebSocket];
        let expected =
            if device.certificate.is_some() { secure.to_vec() } else { [&[Transport::Tcp][..], &secure].concat() };
        assert_eq!(transports, expected);
        for (transport, path) in &device.profiles {
            let Source::Profile(Profile::Azure(profile)) = Source::parse(&fs::read(path).unwrap()).unwrap() else {
                panic!("no profile of Azure")
            };
            assert_eq!(profile.port, stage.cloud.addr(*transport).map(|addr| addr.port()));
            assert_eq!(profile.host.as_ref().map(ToString::to_string).as_deref(), Some("127.0.0.1"));
            let Route::Provisioning(provisioning) = &profile.route else { panic!("no provisioning") };
            assert_eq!(provisioning.host.to_string(), "127.0.0.1", "the gateway is the hub's alone");
            assert_eq!(profile.ca.as_deref(), (*transport != Transport::Tcp).then_some("azure_ca.pem"));
        }
    }
    let said = stage.cloud.to_string();
    assert!(said.contains("azure_sn0123fe0cf960432d01_tls.json") && said.contains(WEBSOCKET), "{said}");
    stage.cloud.stop().await;
}
