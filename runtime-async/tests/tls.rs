//! TLS: which servers a device talks to, what it says of the others, and whom it shows its certificate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking"
)]

#[macro_use]
mod support;

use skytether_core::{
    device::{self, Event},
    io::{Cause, TlsFault},
    link::{Endpoint, TlsIdentity},
};
use skytether_std::{
    options::Options,
    tls::{ClientIdentity, Roots, Tls},
};
use skytether_testing::{
    negatives::{self, Negative},
    pki::{Pair, Pki},
    server::{Server, accept_mqtt, wait_for_end},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{
    device::{Client, fleeting},
    runtime::Runtime,
};

/// What is trusted in these tests.
fn trusting(pki: &Pki) -> Tls {
    Tls::from_ca_file(pki.ca()).unwrap()
}

fn showing(pki: &Pki, pair: &Pair) -> Tls {
    trusting(pki).with_client(ClientIdentity::from_files(&pair.certificate, &pair.key).unwrap())
}

fn client(runtime: Runtime, endpoint: Endpoint, tls: Tls) -> Client {
    Client::at(runtime, endpoint, fleeting("tls"), Options { tls: Some(tls), ..Options::default() })
}

/// Dials once, and says how that ended: `None` if the connection came up.
async fn dial(runtime: Runtime, endpoint: Endpoint, tls: Tls) -> Option<Cause> {
    let mut client = client(runtime, endpoint, tls);
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

async fn r_147_every_server_that_must_not_be_talked_to_is_named_and_tried_again_later(runtime: Runtime) {
    let pki = Pki::new();
    for Negative { name, endpoint, cause, server } in negatives::tls_servers(&pki) {
        let mut client = client(runtime, endpoint, trusting(&pki));
        let retry = loop {
            if let Event::Down { cause: found, retry } = client.next().await {
                assert_eq!(found, cause, "{name}");
                break retry;
            }
        };
        assert!(retry >= Some(Duration::from_millis(250)), "{name}: tried again in {retry:?}");
        assert_eq!(server.connections(), 1, "{name}");
        client.close().await;
    }
}

async fn a_good_server_is_talked_to_by_name_and_by_address_with_tls_1_2_and_1_3(runtime: Runtime) {
    let pki = Pki::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = Server::tls_of(&[version], &pki.server, None, good);
        for host in ["localhost", "127.0.0.1"] {
            let endpoint = Endpoint { host: host.into(), ..negatives::tls(server.port) };
            assert_eq!(dial(runtime, endpoint, trusting(&pki)).await, None, "{host} {version:?}");
        }
    }
}

async fn the_server_is_told_which_name_was_meant(runtime: Runtime) {
    let pki = Pki::new();
    let names = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&names);
    let server = Server::tls(&pki.server, None, move |stream| {
        told.lock().unwrap().push(stream.conn.server_name().map(str::to_owned));
        good(stream)
    });
    assert_eq!(dial(runtime, negatives::tls(server.port), trusting(&pki)).await, None);
    let by_address = Endpoint { host: "127.0.0.1".into(), ..negatives::tls(server.port) };
    assert_eq!(dial(runtime, by_address, trusting(&pki)).await, None);
    assert_eq!(*names.lock().unwrap(), [Some("localhost".to_owned()), None]);
}

async fn a_given_ca_replaces_the_systems_and_without_one_the_systems_count(runtime: Runtime) {
    let pki = Pki::new();
    let server = Server::tls(&pki.server, None, good);
    let unknown = Some(Cause::Tls(TlsFault::UnknownIssuer));
    let other = Tls::from_ca_file(pki.other_ca()).unwrap();
    assert_eq!(dial(runtime, negatives::tls(server.port), other).await, unknown);
    let outcome = dial(runtime, negatives::tls(server.port), Tls::new(Roots::System)).await;
    let none = TlsFault::Unusable("this system names no CA to trust: give one");
    assert!(outcome == unknown || outcome == Some(Cause::Tls(none)), "{outcome:?}");
}

async fn only_the_name_check_can_be_switched_off(runtime: Runtime) {
    let pki = Pki::new();
    let cases = [
        (&pki.wrong_host, None),
        (&pki.no_san, None),
        (&pki.unknown_ca, Some(TlsFault::UnknownIssuer)),
        (&pki.expired, Some(TlsFault::Expired)),
        (&pki.wrong_usage, Some(TlsFault::WrongUsage)),
    ];
    for (pair, fault) in cases {
        let server = Server::tls(pair, None, good);
        let tls = trusting(&pki).dangerous().accept_any_host_name();
        assert_eq!(
            dial(runtime, negatives::tls(server.port), tls).await,
            fault.map(Cause::Tls),
            "{}",
            pair.certificate.display()
        );
    }
}

async fn a_client_certificate_is_shown_where_the_endpoint_says_so_and_judged_by_the_server(runtime: Runtime) {
    let pki = Pki::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = Server::tls_of(&[version], &pki.server, Some(&pki.ca()), good);
        let shown = Endpoint { tls: TlsIdentity::Client, ..negatives::tls(server.port) };
        assert_eq!(dial(runtime, shown.clone(), showing(&pki, &pki.client)).await, None, "{version:?}");
        assert_eq!(
            dial(runtime, shown.clone(), showing(&pki, &pki.strange_client)).await,
            Some(Cause::Tls(TlsFault::ClientCertificateRefused)),
            "{version:?}"
        );
        let hidden = negatives::tls(server.port);
        assert_eq!(
            dial(runtime, hidden, showing(&pki, &pki.client)).await,
            Some(Cause::Tls(TlsFault::ClientCertificateRequired)),
            "{version:?}"
        );
        let none = Some(Cause::Tls(TlsFault::Unusable("the endpoint wants a client certificate, and none was given")));
        assert_eq!(dial(runtime, shown, trusting(&pki)).await, none);
    }
}

async fn r_23_a_server_that_says_nothing_is_left_in_time(runtime: Runtime) {
    let pki = Pki::new();
    let server = negatives::silent();
    let config = device::Config { open_timeout: Duration::from_millis(300), ..device::Config::default() };
    for endpoint in [negatives::tls(server.port), negatives::websocket(server.port)] {
        let options = Options { tls: Some(trusting(&pki)), ..Options::default() };
        let mut client = Client::of(runtime, endpoint, fleeting("silent"), config, options);
        assert_eq!(client.down().await, Cause::OpenTimeout);
        client.close().await;
    }
}

async fn an_orderly_end_of_tls_is_no_truncation(runtime: Runtime) {
    let pki = Pki::new();
    let server = Server::tls(&pki.server, None, |stream| {
        accept_mqtt(stream)?;
        stream.conn.send_close_notify();
        stream.conn.complete_io(&mut stream.sock)?;
        wait_for_end(&mut stream.sock)
    });
    assert_eq!(dial_until_down(runtime, negatives::tls(server.port), trusting(&pki)).await, Cause::Lost);
}

async fn dial_until_down(runtime: Runtime, endpoint: Endpoint, tls: Tls) -> Cause {
    let mut client = client(runtime, endpoint, tls);
    let cause = client.down().await;
    client.close().await;
    cause
}

on_each_runtime! {
    r_147_every_server_that_must_not_be_talked_to_is_named_and_tried_again_later,
    a_good_server_is_talked_to_by_name_and_by_address_with_tls_1_2_and_1_3,
    the_server_is_told_which_name_was_meant,
    a_given_ca_replaces_the_systems_and_without_one_the_systems_count,
    only_the_name_check_can_be_switched_off,
    a_client_certificate_is_shown_where_the_endpoint_says_so_and_judged_by_the_server,
    r_23_a_server_that_says_nothing_is_left_in_time,
    an_orderly_end_of_tls_is_no_truncation,
}
