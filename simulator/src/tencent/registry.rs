//! Which products and devices the account has, and by which client id a device is known.

use super::config::{DeviceConfig, ProductConfig};
use super::topics::Classes;
use base64ct::{Base64, Encoding as _};
use core::fmt;
use skytether_core::secret::Secret;
use skytether_core::time::Instant;
use std::collections::BTreeMap;

/// Longest device name. The console says 48; devices with longer names have been seen.
const NAME_CHARS: usize = 64;

/// Names a device.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceId {
    product: Box<str>,
    name: Box<str>,
}

impl DeviceId {
    /// The device `name` of `product`, known or not.
    pub fn new(product: &str, name: &str) -> Self {
        Self { product: product.into(), name: name.into() }
    }

    /// The product id.
    pub fn product(&self) -> &str {
        &self.product
    }

    /// The device name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client id under which it connects: product id and device name, joined.
    pub fn client_id(&self) -> String {
        format!("{}{}", self.product, self.name)
    }

    /// The part of `text` behind `{product id}/{device name}`: empty, or a `/` and what follows.
    pub(super) fn strip<'t>(&self, text: &'t str) -> Option<&'t str> {
        let rest = text.strip_prefix(&*self.product)?.strip_prefix('/')?.strip_prefix(&*self.name)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

impl fmt::Display for DeviceId {
    /// `{product id}/{device name}`, as topics have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.product, self.name)
    }
}

/// By what a device proves that it is itself.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Credential {
    /// The device secret, decoded: the key of its signatures.
    Key(Secret),
    /// Its certificate (DER).
    Certificate(Vec<u8>),
}

/// One device as the account knows it.
#[derive(Clone, Debug)]
pub struct Device {
    id: DeviceId,
    credential: Credential,
    pub(super) disabled: bool,
    pub(super) first_packet_id: u16,
    pub(super) rate: Rate,
}

impl Device {
    /// Its product and name.
    pub fn id(&self) -> &DeviceId {
        &self.id
    }

    /// By what it proves that it is itself.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Whether it is switched off.
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }
}

/// How many messages a device has sent in the second that runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    began: Instant,
    count: u32,
}

impl Rate {
    /// Counts one message; whether it is within the limit. Zero is no limit.
    pub(super) fn admits(&mut self, now: Instant, per_second: u32) -> bool {
        if now.since(self.began).as_millis() >= 1000 || now < self.began {
            *self = Self { began: now, count: 0 };
        }
        if per_second > 0 && self.count >= per_second {
            return false;
        }
        self.count = self.count.saturating_add(1);
        true
    }
}

/// Why a product or device cannot be in the account. The text names it and the fix.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RegistryError {
    /// A product id is not 10 upper-case letters and digits.
    ProductId(Box<str>),
    /// Two products have this id.
    DuplicateProduct(Box<str>),
    /// There is no such product.
    UnknownProduct(Box<str>),
    /// A device name is not 1 to 64 characters without `/ + # ;`.
    DeviceName(Box<str>),
    /// Two devices have this name in one product.
    DuplicateDevice(DeviceId),
    /// A device has neither secret nor certificate, or both.
    Credential(DeviceId),
    /// A secret is not base64 text, or empty.
    Secret(DeviceId),
    /// A certificate is not PEM text of a certificate.
    Certificate(DeviceId),
    /// A class of topics is wrong, for the reason named.
    Class {
        /// The product.
        product: Box<str>,
        /// The class.
        class: Box<str>,
        /// The rule it breaks.
        why: &'static str,
    },
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProductId(id) => write!(f, "product id {id:?}: write 10 upper-case letters and digits"),
            Self::DuplicateProduct(id) => write!(f, "product {id} is there twice: give each its own id"),
            Self::UnknownProduct(id) => write!(f, "there is no product {id}: add it first"),
            Self::DeviceName(name) => write!(f, "device name {name:?}: write 1 to 64 characters, none of / + # ;"),
            Self::DuplicateDevice(id) => write!(f, "device {id} is there twice: give each its own name"),
            Self::Credential(id) => write!(f, "device {id}: give it a secret or a certificate, one of the two"),
            Self::Secret(id) => write!(f, "device {id}: the secret is not base64 text: copy it whole, with its ="),
            Self::Certificate(id) => {
                write!(f, "device {id}: the certificate is not PEM text that begins with -----BEGIN CERTIFICATE-----")
            }
            Self::Class { product, class, why } => write!(f, "product {product}, topic class {class:?}: {why}"),
        }
    }
}

impl core::error::Error for RegistryError {}

/// The products and devices of an account.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    products: BTreeMap<Box<str>, Classes>,
    /// By client id.
    devices: BTreeMap<String, Device>,
}

impl Registry {
    /// Reads products and their devices.
    ///
    /// # Errors
    /// [`RegistryError`] names the first that is wrong.
    pub fn new(products: &[ProductConfig]) -> Result<Self, RegistryError> {
        let mut registry = Self::default();
        for product in products {
            registry.add_product(product)?;
        }
        Ok(registry)
    }

    /// Adds a product with its devices. After an error some of its devices may be there.
    ///
    /// # Errors
    /// [`RegistryError`] names what is wrong.
    pub fn add_product(&mut self, product: &ProductConfig) -> Result<(), RegistryError> {
        let id = product.id.as_str();
        if id.len() != 10 || !id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
            return Err(RegistryError::ProductId(id.into()));
        }
        if self.products.contains_key(id) {
            return Err(RegistryError::DuplicateProduct(id.into()));
        }
        let classes = Classes::new(&product.classes).map_err(|(class, why)| RegistryError::Class {
            product: id.into(),
            class,
            why,
        })?;
        self.products.insert(id.into(), classes);
        product.devices.iter().try_for_each(|device| self.add_device(id, device))
    }

    /// Adds a device to a product.
    ///
    /// # Errors
    /// [`RegistryError`] names what is wrong; nothing has changed then.
    pub fn add_device(&mut self, product: &str, device: &DeviceConfig) -> Result<(), RegistryError> {
        if !self.products.contains_key(product) {
            return Err(RegistryError::UnknownProduct(product.into()));
        }
        let name = device.name.as_str();
        let bad = |c: char| matches!(c, '/' | '+' | '#' | ';') || c.is_control();
        if name.is_empty() || name.chars().count() > NAME_CHARS || name.contains(bad) {
            return Err(RegistryError::DeviceName(name.into()));
        }
        let id = DeviceId::new(product, name);
        let credential = match (&device.secret, &device.certificate) {
            (Some(secret), None) => match Base64::decode_vec(secret.expose()) {
                Ok(key) if !key.is_empty() => Credential::Key(Secret::new(key)),
                Ok(_) | Err(_) => return Err(RegistryError::Secret(id)),
            },
            (None, Some(pem)) => match pem_rfc7468::decode_vec(pem.trim().as_bytes()) {
                Ok(("CERTIFICATE", der)) => Credential::Certificate(der),
                Ok(_) | Err(_) => return Err(RegistryError::Certificate(id)),
            },
            (None, None) | (Some(_), Some(_)) => return Err(RegistryError::Credential(id)),
        };
        let client_id = id.client_id();
        if self.devices.contains_key(&client_id) {
            return Err(RegistryError::DuplicateDevice(id));
        }
        let rate = Rate::default();
        let (disabled, first_packet_id) = (device.disabled, device.first_packet_id);
        self.devices.insert(client_id, Device { id, credential, disabled, first_packet_id, rate });
        Ok(())
    }

    /// Every device, in the order of client ids.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// The device of a client id.
    pub fn by_client_id(&self, client_id: &str) -> Option<&Device> {
        self.devices.get(client_id)
    }

    /// The device, if the account has it.
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.get(&id.client_id())
    }

    pub(super) fn device_mut(&mut self, id: &DeviceId) -> Option<&mut Device> {
        self.devices.get_mut(&id.client_id())
    }

    /// The classes of user topics of a product.
    pub(super) fn classes(&self, product: &str) -> Option<&Classes> {
        self.products.get(product)
    }
}
