//! TLS: which servers a device talks to, what it says of the others, and whom it shows its certificate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and wait for the real world"
)]

mod support;

use skytether_blocking::{ClientIdentity, Options, Roots, Tls};
use skytether_core::{
    device::{self, Event},
    io::{Cause, TlsFault},
    link::{Endpoint, QoS, TlsIdentity},
};
use skytether_testing::{
    negatives::{self, Negative},
    pki::{Pair, Pki},
    server::{Server, accept_mqtt, wait_for_end},
};
use std::time::{Duration, Instant};
use support::{Client, fleeting};

/// What is trusted in these tests.
fn trusting(pki: &Pki) -> Tls {
    Tls::from_ca_file(pki.ca()).unwrap()
}

fn showing(pki: &Pki, pair: &Pair) -> Tls {
    trusting(pki).with_client(ClientIdentity::from_files(&pair.certificate, &pair.key).unwrap())
}

fn client(endpoint: Endpoint, tls: Tls) -> Client {
    Client::at(endpoint, fleeting("tls"), Options { tls: Some(tls), ..Options::default() })
}

/// Dials once, and says how that ended: `None` if the connection came up.
fn dial(endpoint: Endpoint, tls: Tls) -> Option<Cause> {
    let mut client = client(endpoint, tls);
    let outcome = loop {
        match client.next() {
            Event::Ready => break None,
            Event::Down { cause, .. } => break Some(cause),
            _ => {}
        }
    };
    client.close();
    outcome
}

fn good(stream: &mut skytether_testing::server::Tls) -> std::io::Result<()> {
    accept_mqtt(stream).and_then(|()| wait_for_end(stream))
}

#[test]
fn r_147_every_server_that_must_not_be_talked_to_is_named_and_tried_again_later() {
    let pki = Pki::new();
    for Negative { name, endpoint, cause, server } in negatives::tls_servers(&pki) {
        let mut client = client(endpoint, trusting(&pki));
        let (found, retry) = client.down();
        assert_eq!(found, cause, "{name}");
        assert!(retry >= Some(Duration::from_millis(250)), "{name}: tried again in {retry:?}");
        assert_eq!(server.connections(), 1, "{name}");
        client.close();
    }
}

#[test]
fn a_good_server_is_talked_to_by_name_and_by_address_with_tls_1_2_and_1_3() {
    let pki = Pki::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = Server::tls_of(&[version], &pki.server, None, good);
        for host in ["localhost", "127.0.0.1"] {
            let endpoint = Endpoint { host: host.into(), ..negatives::tls(server.port) };
            assert_eq!(dial(endpoint, trusting(&pki)), None, "{host} {version:?}");
        }
    }
}

#[test]
fn a_given_ca_replaces_the_systems_and_without_one_the_systems_count() {
    let pki = Pki::new();
    let server = Server::tls(&pki.server, None, good);
    let unknown = Some(Cause::Tls(TlsFault::UnknownIssuer));
    let other = Tls::from_ca_file(pki.other_ca()).unwrap();
    assert_eq!(dial(negatives::tls(server.port), other), unknown);
    let outcome = dial(negatives::tls(server.port), Tls::new(Roots::System));
    let none = TlsFault::Unusable("this system names no CA to trust: give one");
    assert!(outcome == unknown || outcome == Some(Cause::Tls(none)), "{outcome:?}");
}

#[test]
fn a_client_certificate_is_shown_where_the_endpoint_says_so_and_judged_by_the_server() {
    let pki = Pki::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = Server::tls_of(&[version], &pki.server, Some(&pki.ca()), good);
        let shown = Endpoint { tls: TlsIdentity::Client, ..negatives::tls(server.port) };
        assert_eq!(dial(shown.clone(), showing(&pki, &pki.client)), None, "{version:?}");
        assert_eq!(
            dial(shown.clone(), showing(&pki, &pki.strange_client)),
            Some(Cause::Tls(TlsFault::ClientCertificateRefused)),
            "{version:?}"
        );
        let hidden = negatives::tls(server.port);
        assert_eq!(
            dial(hidden, showing(&pki, &pki.client)),
            Some(Cause::Tls(TlsFault::ClientCertificateRequired)),
            "{version:?}"
        );
        let none = Some(Cause::Tls(TlsFault::Unusable("the endpoint wants a client certificate, and none was given")));
        assert_eq!(dial(shown, trusting(&pki)), none);
    }
}

#[test]
fn r_23_a_server_that_says_nothing_is_left_in_time() {
    let pki = Pki::new();
    let server = negatives::silent();
    let config = device::Config { open_timeout: Duration::from_millis(300), ..device::Config::default() };
    for endpoint in [negatives::tls(server.port), negatives::websocket(server.port)] {
        let options = Options { tls: Some(trusting(&pki)), ..Options::default() };
        let mut client = Client::of(endpoint, fleeting("silent"), config, options);
        assert_eq!(client.down().0, Cause::OpenTimeout);
        client.close();
    }
}

#[test]
fn r_145_a_close_takes_back_a_handshake_that_goes_nowhere() {
    let pki = Pki::new();
    for place in [negatives::tls, negatives::websocket] {
        let server = negatives::silent();
        let client = client(place(server.port), trusting(&pki));
        support::until("it does not dial", || server.connections() > 0);
        let begin = Instant::now();
        client.close();
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    }
}

#[test]
fn an_orderly_end_of_tls_is_no_truncation() {
    let pki = Pki::new();
    let server = Server::tls(&pki.server, None, |stream| {
        accept_mqtt(stream)?;
        stream.conn.send_close_notify();
        stream.conn.complete_io(&mut stream.sock)?;
        wait_for_end(&mut stream.sock)
    });
    let mut client = client(negatives::tls(server.port), trusting(&pki));
    assert_eq!(client.down().0, Cause::Lost);
    client.close();
}

#[test]
fn the_farewell_of_mqtt_and_of_tls_reach_the_server() {
    let pki = Pki::new();
    let (tell, told) = std::sync::mpsc::channel();
    let server = Server::tls(&pki.server, None, move |stream| {
        use std::io::Read as _;
        accept_mqtt(stream)?;
        let mut rest = Vec::new();
        // An end without a close_notify would be an error here.
        let ended = stream.read_to_end(&mut rest);
        let _ = tell.send((rest, ended.is_ok()));
        Ok(())
    });
    let mut client = client(negatives::tls(server.port), trusting(&pki));
    client.ready();
    client.publish("a", "b", QoS::AtMostOnce);
    client.close();
    assert_eq!(told.recv_timeout(support::PATIENCE), Ok((b"\x30\x04\x00\x01ab\xe0\x00".to_vec(), true)));
}
