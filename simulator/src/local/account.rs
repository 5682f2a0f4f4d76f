//! Whom does the local cloud know? An account of the user's, or the demo's home; secrets and certificates that it lacks
//! are made.

use super::LocalError;
use crate::{
    rules::Definition,
    server::tls::{Authority, Issued},
    tencent::{Config, DeviceConfig, ProductConfig, SecretText},
};
use base64ct::{Base64, Encoding as _};
use core::fmt;
use skytether_core::secret::Secret;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a device secret.
const SECRET: usize = 16;

/// Largest file that is read, in bytes.
const MAX_FILE: usize = 4 * 1024 * 1024;

/// Products, devices and rules, and by what name each device's files go.
///
/// As JSON: `{"products": [{"id": "DOORPRD9A1", "devices": [{"name": "door1", "secret": "…"}]}], "rules": […]}`. A
/// device without `secret` and `certificate` gets a certificate, signed by the cloud's own authority for devices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    config: Config,
    /// By client id.
    labels: BTreeMap<String, &'static str>,
    /// Whether devices that have neither are given a secret rather than a certificate; by client id.
    secrets: BTreeSet<String>,
}

/// Why a text is no account.
#[derive(Debug)]
#[non_exhaustive]
pub enum AccountError {
    /// It is larger than 4 MiB.
    TooLarge {
        /// Its bytes.
        len: usize,
    },
    /// It is no JSON, or not of this shape; says where and which key.
    Json(serde_json::Error),
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len } => write!(f, "the account has {len} bytes; {MAX_FILE} are the most"),
            Self::Json(error) => write!(f, "the account cannot be read: {error}"),
        }
    }
}

impl core::error::Error for AccountError {}

impl From<Config> for Account {
    fn from(config: Config) -> Self {
        Self { config, labels: BTreeMap::new(), secrets: BTreeSet::new() }
    }
}

impl Account {
    /// The demo's home: the door `DOORPRD9A1/door1` (files `door_…`) and the air conditioner
    /// `AIRCPRD7B2/AirConditioner1` (`aircond_…`) with secrets made at start, a second door `DOORPRD9A1/door2`
    /// (`door_cert_…`) with a certificate, and the rule that carries what a door says to the air conditioner.
    pub fn home() -> Self {
        let device = |name: &str, first_packet_id| {
            let name = name.to_owned();
            DeviceConfig { name, first_packet_id, ..DeviceConfig::default() }
        };
        let product = |id: &str, devices| ProductConfig { id: id.to_owned(), classes: Vec::new(), devices };
        let (door, air) = ("DOORPRD9A1", "AIRCPRD7B2");
        let rule = Definition::republish(
            "home",
            &format!("SELECT * FROM '{door}/+/event'"),
            &format!("{air}/AirConditioner1/control"),
        );
        let config = Config {
            products: vec![
                product(door, vec![device("door1", 1), device("door2", 1)]),
                // The document's first message to the air conditioner has this packet id.
                product(air, vec![device("AirConditioner1", 24)]),
            ],
            rules: vec![rule],
            ..Config::default()
        };
        let labels =
            [("DOORPRD9A1door1", "door"), ("AIRCPRD7B2AirConditioner1", "aircond"), ("DOORPRD9A1door2", "door_cert")];
        let secrets = ["DOORPRD9A1door1", "AIRCPRD7B2AirConditioner1"].map(str::to_owned).into();
        Self { config, labels: labels.map(|(client, label)| (client.to_owned(), label)).into(), secrets }
    }

    /// Reads an account from JSON text.
    ///
    /// # Errors
    /// [`AccountError`] says where the text is wrong.
    pub fn parse(file: &[u8]) -> Result<Self, AccountError> {
        if file.len() > MAX_FILE {
            return Err(AccountError::TooLarge { len: file.len() });
        }
        serde_json::from_slice::<Config>(file).map(Self::from).map_err(AccountError::Json)
    }

    /// Products, devices and rules.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Products, devices and rules, to change; devices that the home did not have go by their names.
    pub fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// Makes what is lacking, and lists the devices.
    pub(super) fn complete(mut self, device_ca: &Authority) -> Result<Complete, LocalError> {
        let mut devices = Vec::new();
        let mut taken = BTreeSet::new();
        for product in &mut self.config.products {
            for device in &mut product.devices {
                let client_id = format!("{}{}", product.id, device.name);
                if device.certificate.is_some() {
                    let device = format!("{}/{}", product.id, device.name).into();
                    return Err(LocalError::ForeignCertificate { device });
                }
                if device.secret.is_none() && self.secrets.contains(&client_id) {
                    device.secret = Some(secret()?);
                }
                let proof = if let Some(secret) = &device.secret {
                    Proof::Key(secret.clone())
                } else {
                    let issued = device_ca.device(&client_id)?;
                    device.certificate = Some(issued.certificate().to_owned());
                    Proof::Certificate(issued)
                };
                let label = self.labels.get(&client_id).map_or_else(|| file_name(&device.name), |l| (*l).to_owned());
                let label = free(label, &product.id, &taken);
                taken.insert(label.clone());
                devices.push(Member { label, product: product.id.clone(), name: device.name.clone(), proof });
            }
        }
        Ok(Complete { config: self.config, devices })
    }
}

/// An account in which every device can prove itself.
pub(super) struct Complete {
    pub(super) config: Config,
    pub(super) devices: Vec<Member>,
}

/// A device, with what its files have to hold.
pub(super) struct Member {
    pub(super) label: String,
    pub(super) product: String,
    pub(super) name: String,
    pub(super) proof: Proof,
}

pub(super) enum Proof {
    Key(SecretText),
    Certificate(Issued),
}

fn secret() -> Result<SecretText, LocalError> {
    let mut bytes = [0; SECRET];
    getrandom::fill(&mut bytes).map_err(LocalError::Random)?;
    let secret = Secret::new(bytes.to_vec());
    Ok(SecretText::new(Base64::encode_string(secret.expose())))
}

/// A device name as the beginning of a file name, on any system.
pub(super) fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).collect()
}

/// The label, or the first of its kind that no other device has.
fn free(label: String, product: &str, taken: &BTreeSet<String>) -> String {
    if !taken.contains(&label) {
        return label;
    }
    let mut longer = format!("{product}_{label}");
    while taken.contains(&longer) {
        longer.push('_');
    }
    longer
}
