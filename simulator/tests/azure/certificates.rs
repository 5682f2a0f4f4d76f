//! Devices that prove themselves by certificates: by whom these are signed, whose name they carry, and no password.

use crate::{
    rig::{CONFIG, HUB, SCOPE, connect},
    support::Bench,
};
use skytether_core::{link::Connect, secret::Secret};
use skytether_simulator::{
    azure::{
        AzureCloud, Config, DeviceConfig, EnrollmentConfig, GroupConfig, Issuer, Object, Proof, Terms, Thumbprint,
    },
    broker::{
        Config as BrokerConfig,
        policy::{Certificate, Peer},
    },
    server::tls::Authority,
};

struct Pki {
    authority: Authority,
    issuer: Issuer,
}

fn pki(name: &str) -> Pki {
    let authority = Authority::new(name).unwrap();
    let issuer = Issuer::parse(&authority.pem()).unwrap();
    Pki { authority, issuer }
}

impl Pki {
    fn certificate(&self, name: &str) -> Vec<u8> {
        let issued = self.authority.device(name).unwrap();
        pem_rfc7468::decode_vec(issued.certificate().as_bytes()).unwrap().1
    }

    /// What the transport knows of a client with this certificate.
    fn shows(&self, der: &[u8]) -> Peer {
        let authority = Some(self.issuer.der().to_vec());
        Peer { certificate: Some(Certificate::X509(der.to_vec())), authority, ..Peer::default() }
    }
}

fn signed_by_itself(der: &[u8]) -> Peer {
    Peer { certificate: Some(Certificate::X509(der.to_vec())), ..Peer::default() }
}

fn hub(device: &str) -> Connect {
    connect(device, &format!("{HUB}/{device}/?api-version=2021-04-12"), None)
}

fn dps(id: &str) -> Connect {
    connect(id, &format!("{SCOPE}/registrations/{id}/api-version=2019-03-31"), None)
}

#[test]
fn a_hub_takes_the_certificate_of_the_device_and_no_other() {
    let (ours, theirs) = (pki("ours"), pki("theirs"));
    let pinned = theirs.certificate("whatever");
    let mut config: Config = serde_json::from_str(CONFIG).unwrap();
    let device = |id: &str, proof| DeviceConfig { id: id.to_owned(), proof, modules: vec![], desired: Object::new() };
    config.hubs[0].devices.push(device("by-authority", Proof::Authority(ours.issuer.clone())));
    config.hubs[0].devices.push(device("by-thumbprint", Proof::Thumbprint(Thumbprint::of(&pinned))));
    let mut bench = Bench::new(AzureCloud::new(&config, [7; 32]).unwrap(), BrokerConfig::default());
    let own = ours.certificate("by-authority");
    let with = |device: &str, password: &str| Connect { password: Some(Secret::new(password)), ..hub(device) };
    for (what, connect, peer, code) in [
        ("its own", hub("by-authority"), ours.shows(&own), 0),
        ("a password of no length", with("by-authority", ""), ours.shows(&own), 0),
        ("another's name", hub("by-authority"), ours.shows(&ours.certificate("by-thumbprint")), 5),
        ("another authority", hub("by-authority"), theirs.shows(&theirs.certificate("by-authority")), 5),
        ("no authority", hub("by-authority"), signed_by_itself(&own), 5),
        ("no certificate", hub("by-authority"), Peer::default(), 5),
        ("a password", with("by-authority", "x"), ours.shows(&own), 5),
        ("a byte of zero", with("by-authority", "\0"), ours.shows(&own), 5),
        ("the pinned one", hub("by-thumbprint"), signed_by_itself(&pinned), 0),
        ("one like the pinned one", hub("by-thumbprint"), signed_by_itself(&theirs.certificate("whatever")), 5),
        ("a certificate for a key device", hub("dev-7"), ours.shows(&ours.certificate("dev-7")), 4),
        ("the same with an empty password", with("dev-7", ""), ours.shows(&ours.certificate("dev-7")), 4),
        ("no DER", hub("by-authority"), ours.shows(b"nonsense"), 5),
    ] {
        assert_eq!(bench.code(&connect, peer), Some(code), "{what}");
    }
}

#[test]
fn the_provisioning_service_takes_the_common_name_for_the_registration_id() {
    let (ours, theirs) = (pki("ours"), pki("theirs"));
    let pinned = theirs.certificate("solo-1");
    let misnamed = theirs.certificate("solo-2");
    let mut config: Config = serde_json::from_str(CONFIG).unwrap();
    let enrollment = |id: &str, der: &[u8]| EnrollmentConfig {
        registration_id: id.to_owned(),
        device_id: None,
        proof: Proof::Thumbprint(Thumbprint::of(der)),
        terms: Terms::default(),
    };
    config.provisioning.enrollments.extend([enrollment("solo-1", &pinned), enrollment("solo-3", &misnamed)]);
    let group =
        GroupConfig { name: "chain".to_owned(), proof: Proof::Authority(ours.issuer.clone()), terms: Terms::default() };
    config.provisioning.groups.push(group);
    let mut bench = Bench::new(AzureCloud::new(&config, [7; 32]).unwrap(), BrokerConfig::default());
    for (what, connect, peer, code) in [
        ("the pinned one", dps("solo-1"), signed_by_itself(&pinned), 0),
        ("the pinned one, of another name", dps("solo-3"), signed_by_itself(&misnamed), 5),
        ("a member of the group", dps("Fleet-9"), ours.shows(&ours.certificate("fleet-9")), 0),
        ("a member by another name", dps("fleet-8"), ours.shows(&ours.certificate("fleet-9")), 5),
        ("another authority", dps("fleet-9"), theirs.shows(&theirs.certificate("fleet-9")), 5),
        (
            "a password",
            Connect { password: Some(Secret::new("x")), ..dps("fleet-9") },
            ours.shows(&ours.certificate("fleet-9")),
            5,
        ),
    ] {
        assert_eq!(bench.code(&connect, peer), Some(code), "{what}");
    }
}
