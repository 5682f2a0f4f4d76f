//! TLS by rustls: which servers a device talks to, what it says of the others, and whom it shows its certificate.
#![cfg(feature = "rustls")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests fail by panicking, and wait for the real world"
)]

#[path = "support/real.rs"]
mod real;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/wires.rs"]
mod wires;

use real::{Client, Tcp, device, fleeting, real, wall};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use skytether_core::{
    device::{Config, Event},
    io::{Cause, TlsFault},
    link::{Endpoint, QoS, TlsIdentity},
};
use skytether_embassy::{Tls, Wall};
use skytether_testing::{
    negatives::{self, Negative},
    pki::{Pair, Pki},
    server::{Server, accept_mqtt, wait_for_end},
};
use std::{
    io::{Read as _, Write as _},
    sync::Arc,
    time::Duration,
};
use wires::leak;

fn config(pki: &Pki, wall: &'static Wall, client: Option<&Pair>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pki.ca()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_details(Arc::new(ring::default_provider()), Arc::new(wall))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match client {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let (chain, key) = pair.parts();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    }
}

fn client(pki: &Pki, endpoint: Endpoint, pair: Option<&Pair>, wall: &'static Wall) -> Client {
    let mut tls = Tls::new(Tcp, config(pki, wall, None), leak(18 * 1024), leak(4096));
    if let Some(pair) = pair {
        tls = tls.with_client(config(pki, wall, Some(pair)));
    }
    Client::over(device(endpoint, fleeting("tls"), Config::default()), tls, wall)
}

/// Dials once, and says how that ended: `None` if the connection came up.
async fn dial(pki: &Pki, endpoint: Endpoint, pair: Option<&Pair>) -> Option<Cause> {
    let mut client = client(pki, endpoint, pair, wall());
    let outcome = loop {
        match client.next().await {
            Event::Ready => break None,
            Event::Down { cause, .. } => break Some(cause),
            _ => {}
        }
    };
    client.close().await;
    outcome
}

fn good(stream: &mut skytether_testing::server::Tls) -> std::io::Result<()> {
    accept_mqtt(stream).and_then(|()| wait_for_end(stream))
}

#[test]
fn r_147_every_server_that_must_not_be_talked_to_is_named_and_tried_again_later() {
    real(async {
        let pki = Pki::new();
        for Negative { name, endpoint, cause, server } in negatives::tls_servers(&pki) {
            let mut client = client(&pki, endpoint, None, wall());
            let retry = loop {
                if let Event::Down { cause: found, retry } = client.next().await {
                    // The words for a server that signed for itself are those of a verifier of our own, which only the
                    // runtimes on std bring; rustls' own says that nobody known has signed.
                    let expected = match cause {
                        Cause::Tls(TlsFault::BadCertificate(_)) if name.starts_with("self-signed") => {
                            assert!(matches!(found, Cause::Tls(TlsFault::UnknownIssuer | TlsFault::BadCertificate(_))));
                            found
                        }
                        cause => cause,
                    };
                    assert_eq!(found, expected, "{name}");
                    break retry;
                }
            };
            assert!(retry >= Some(Duration::from_millis(250)), "{name}: tried again in {retry:?}");
            assert_eq!(server.connections(), 1, "{name}");
            client.close().await;
        }
    });
}

#[test]
fn a_good_server_is_talked_to_by_each_version() {
    real(async {
        let pki = Pki::new();
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let server = Server::tls_of(&[version], &pki.server, None, good);
            for host in ["localhost", "127.0.0.1"] {
                let endpoint = Endpoint { host: host.into(), ..negatives::tls(server.port) };
                assert_eq!(dial(&pki, endpoint, None).await, None, "{host} {version:?}");
            }
        }
    });
}

#[test]
fn a_client_certificate_is_shown_where_the_endpoint_says_so_and_judged_by_the_server() {
    real(async {
        let pki = Pki::new();
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let server = Server::tls_of(&[version], &pki.server, Some(&pki.ca()), good);
            let shown = Endpoint { tls: TlsIdentity::Client, ..negatives::tls(server.port) };
            assert_eq!(dial(&pki, shown.clone(), Some(&pki.client)).await, None, "{version:?}");
            let refused = Some(Cause::Tls(TlsFault::ClientCertificateRefused));
            assert_eq!(dial(&pki, shown.clone(), Some(&pki.strange_client)).await, refused, "{version:?}");
            let required = Some(Cause::Tls(TlsFault::ClientCertificateRequired));
            assert_eq!(dial(&pki, negatives::tls(server.port), Some(&pki.client)).await, required, "{version:?}");
            let outcome = dial(&pki, shown, None).await;
            assert!(matches!(outcome, Some(Cause::Tls(TlsFault::Unusable(_)))), "{outcome:?}");
        }
    });
}

#[test]
fn without_the_wall_time_no_server_is_trusted() {
    real(async {
        let pki = Pki::new();
        let server = Server::tls(&pki.server, None, good);
        let clock: &'static Wall = Box::leak(Box::default());
        let mut client = client(&pki, negatives::tls(server.port), None, clock);
        let cause = client.down().await;
        assert!(matches!(cause, Cause::Tls(TlsFault::Unusable(why)) if why.contains("wall time")), "{cause:?}");
        client.close().await;
    });
}

#[test]
fn an_orderly_end_of_tls_is_no_truncation_and_ours_is_orderly() {
    real(async {
        let pki = Pki::new();
        let server = Server::tls(&pki.server, None, |stream| {
            accept_mqtt(stream)?;
            stream.conn.send_close_notify();
            stream.conn.complete_io(&mut stream.sock)?;
            wait_for_end(&mut stream.sock)
        });
        let mut lost = client(&pki, negatives::tls(server.port), None, wall());
        assert_eq!(lost.down().await, Cause::Lost);
        lost.close().await;

        let (tell, told) = std::sync::mpsc::channel();
        let server = Server::tls(&pki.server, None, move |stream| {
            accept_mqtt(stream)?;
            let mut rest = Vec::new();
            // Without our good-bye this would be an error.
            let ended = stream.read_to_end(&mut rest).map(|_| rest);
            tell.send(ended.map_err(|error| error.kind())).unwrap();
            Ok(())
        });
        let mut ours = client(&pki, negatives::tls(server.port), None, wall());
        ours.ready().await;
        ours.close().await;
        let heard = tokio::task::spawn_blocking(move || told.recv().unwrap()).await.unwrap();
        assert_eq!(heard, Ok(vec![0xe0, 0]), "DISCONNECT, then close_notify");
    });
}

#[test]
fn long_messages_pass_both_ways_at_once_and_new_keys_are_taken() {
    real(async {
        let pki = Pki::new();
        let server = Server::tls_of(&[&rustls::version::TLS13], &pki.server, None, |stream| {
            accept_mqtt(stream)?;
            // PUBLISH to `m` with 99,000 bytes.
            let mut message = b"\x30\xbb\x85\x06\x00\x01m".to_vec();
            message.resize(message.len() + 99_000, 7);
            stream.conn.refresh_traffic_keys().map_err(std::io::Error::other)?;
            stream.write_all(&message)?;
            stream.flush()?;
            let mut heard = vec![0; 50_000];
            stream.read_exact(&mut heard)?;
            wait_for_end(stream)
        });
        let mut client = client(&pki, negatives::tls(server.port), None, wall());
        client.ready().await;
        client.publish("up", vec![1; 60_000], QoS::AtMostOnce).await;
        let message = client.message().await;
        assert!(message.payload().len() == 99_000 && message.payload().iter().all(|byte| *byte == 7));
        client.close().await;
    });
}

#[test]
fn a_record_that_is_longer_than_the_buffer_is_named() {
    real(async {
        let pki = Pki::new();
        let server = Server::tls(&pki.server, None, good);
        let clock = wall();
        let tls = Tls::new(Tcp, config(&pki, clock, None), leak(300), leak(4096));
        let machine = device(negatives::tls(server.port), fleeting("tls"), Config::default());
        let mut client = Client::over(machine, tls, clock);
        assert_eq!(client.down().await, Cause::TooLarge { len: 301, max: 300 });
        client.close().await;
    });
}
