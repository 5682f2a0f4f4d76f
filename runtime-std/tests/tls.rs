//! What is said of certificates and keys that cannot be used: which file, why, and what would help.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    reason = "tests fail by panicking"
)]

use skytether_core::{
    io::{Cause, TlsFault},
    link::{Endpoint, TlsIdentity},
};
use skytether_std::tls::{ClientIdentity, Roots, Tls, Unusable, Wrong};
use skytether_testing::pki::Pki;
use std::{fs, path::Path};

/// The text names the file and what to do, and the core's words are of the same fault.
fn assert_says(unusable: &Unusable, file: &Path, words: &[&str]) {
    let text = unusable.to_string();
    assert_eq!(unusable.file(), Some(file));
    assert!(text.starts_with(&file.display().to_string()), "{text}");
    for word in words {
        assert!(text.contains(word), "{text}");
    }
    assert!(matches!(unusable.fault(), TlsFault::Unusable(why) if !why.is_empty()));
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named_with_what_would_help() {
    let pki = Pki::new();
    let absent = pki.ca().with_file_name("absent.crt");
    assert_says(&Roots::from_file(&absent).unwrap_err(), &absent, &["cannot be read"]);
    let key = &pki.server.key;
    assert_says(&Roots::from_file(key).unwrap_err(), key, &["no certificate", "BEGIN CERTIFICATE"]);
    let empty = pki.file("empty.crt", b"");
    assert_says(&Roots::from_file(&empty).unwrap_err(), &empty, &["no certificate"]);
    let torn = pki.file("torn.crt", b"-----BEGIN CERTIFICATE-----\nMIIB\n");
    assert_says(&Roots::from_file(&torn).unwrap_err(), &torn, &["cannot be used"]);
    let garbage = pki.file("garbage.der", &[0x30, 0x03, 1, 2, 3]);
    assert_says(&Roots::from_file(&garbage).unwrap_err(), &garbage, &["cannot be used"]);
}

#[test]
fn roots_come_in_pem_one_or_more_and_in_der() {
    let pki = Pki::new();
    let mut both = fs::read(pki.ca()).unwrap();
    both.extend(fs::read(pki.other_ca()).unwrap());
    let Roots::Given(two) = Roots::from_bytes(&both).unwrap() else { panic!("not given") };
    assert_eq!(two.len(), 2);
    let der = pki.file("ca.der", &two[0]);
    assert_eq!(Roots::from_file(der).unwrap(), Roots::from_file(pki.ca()).unwrap());
}

#[test]
fn a_client_identity_that_cannot_be_used_is_named_with_what_would_help() {
    let pki = Pki::new();
    let (pair, other) = (&pki.client, &pki.server);
    let swapped = ClientIdentity::from_files(&pair.key, &pair.certificate).unwrap_err();
    assert_says(&swapped, &pair.key, &["no certificate"]);
    let no_key = ClientIdentity::from_files(&pair.certificate, &pair.certificate).unwrap_err();
    assert_says(&no_key, &pair.certificate, &["no private key", "BEGIN PRIVATE KEY"]);
    let mixed = ClientIdentity::from_files(&pair.certificate, &other.key).unwrap_err();
    assert_says(&mixed, &other.key, &["not that of the certificate"]);
    assert!(matches!(mixed.wrong(), Wrong::KeyMismatch));
    let encrypted =
        pki.file("enc.key", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let encrypted_said = ClientIdentity::from_files(&pair.certificate, &encrypted).unwrap_err();
    assert_says(&encrypted_said, &encrypted, &["encrypted", "openssl pkey"]);
    let bad = pki.file("bad.key", b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n");
    let bad_said = ClientIdentity::from_files(&pair.certificate, &bad).unwrap_err();
    assert_says(&bad_said, &bad, &["private key cannot be used"]);
}

#[test]
fn a_client_identity_comes_in_pem_and_der_and_in_one_file() {
    let pki = Pki::new();
    let (chain, key) = pki.client.parts();
    ClientIdentity::from_bytes(&chain[0], key.secret_der()).unwrap();
    let mut both = fs::read(&pki.client.certificate).unwrap();
    both.extend(fs::read(&pki.client.key).unwrap());
    let identity = ClientIdentity::from_bytes(&both, &both).unwrap();
    assert_eq!(format!("{identity:?}"), "ClientIdentity(1 certificates, key ***)");
}

#[test]
fn what_an_endpoint_asks_for_and_was_not_given_is_said() {
    let pki = Pki::new();
    let tls = Tls::from_ca_file(pki.ca()).unwrap();
    let at = |host: &str, tls| Endpoint { tls, ..Endpoint::tcp(host, 8883) };
    let said = |endpoint| tls.handshake(&endpoint).map(|_| ()).unwrap_err();
    assert!(matches!(said(at("localhost", TlsIdentity::Client)), Cause::Tls(TlsFault::Unusable(_))));
    assert!(matches!(said(at("local host", TlsIdentity::Ca)), Cause::Tls(TlsFault::Unusable(_))));
    assert!(matches!(said(at("localhost", TlsIdentity::Named("a".into()))), Cause::Unsupported(_)));
    for host in ["localhost", "127.0.0.1", "::1", "[::1]", "pid.iotcloud.tencentdevices.com"] {
        tls.handshake(&at(host, TlsIdentity::Ca)).unwrap();
    }
    // No CA at all trusts no one, rather than anyone.
    let none = Tls::new(Roots::Given(Vec::new())).handshake(&at("localhost", TlsIdentity::Ca));
    assert!(matches!(none, Err(Cause::Tls(TlsFault::Unusable(_)))));
}

#[test]
fn settings_are_worked_out_once_and_early_data_is_never_sent() {
    let pki = Pki::new();
    let tls = Tls::from_ca_file(pki.ca()).unwrap();
    let (first, again) = (tls.config(false).unwrap(), tls.clone().config(false).unwrap());
    assert!(std::sync::Arc::ptr_eq(&first, &again));
    assert!(!first.enable_early_data);
    assert!(first.enable_sni);
    assert!(first.alpn_protocols.is_empty());
}
