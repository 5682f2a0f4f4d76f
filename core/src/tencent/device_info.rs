//! What a `device_info.json` says: the file that the platform's own SDKs are configured with (§1.1).
//!
//! ```
//! use skytether_core::tencent::device_info::{Auth, DeviceInfo};
//!
//! let file = br#"{"auth_mode":"KEY","productId":"DOORPRD9A1","deviceName":"door1",
//!                 "key_deviceinfo":{"deviceSecret":"JTTi3h3sJP7atMACZrVbqQ=="}}"#;
//! let device = DeviceInfo::parse(file)?;
//! assert_eq!(device.product.as_str(), "DOORPRD9A1");
//! assert!(matches!(device.auth, Auth::Key(_)));
//! # Ok::<(), skytether_core::tencent::device_info::DeviceInfoError>(())
//! ```

use super::{
    endpoint::Region,
    identity::{DeviceName, DeviceSecret, IdentityError, ProductId},
};
pub use crate::json::JsonError;
use crate::{json, secret::Secret};
use alloc::{boxed::Box, string::String};
use core::{fmt, mem};
use serde_json::{Map, Value};
use zeroize::Zeroize as _;

/// Largest file that is read, in bytes.
pub const MAX_FILE: usize = 64 * 1024;

/// One device, as its file describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// `productId`
    pub product: ProductId,
    /// `deviceName`
    pub device: DeviceName,
    /// `productSecret`, if there is one: only dynamic registration needs it.
    pub product_secret: Option<Secret>,
    /// `auth_mode` and the object that it chooses.
    pub auth: Auth,
    /// `region`; China where the file names none.
    pub region: Region,
}

/// How the device proves itself.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Auth {
    /// `"KEY"`: by the secret in `key_deviceinfo`.
    Key(DeviceSecret),
    /// `"CERT"`: by the files that `cert_deviceinfo` names.
    Certificate(CertificateFiles),
}

/// The file names of `cert_deviceinfo`, as they stand there. Relative ones are meant against the directory of the JSON
/// file; [`CertificateFiles::resolve`] applies that.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CertificateFiles {
    /// `devCertFile`: the device certificate, PEM.
    pub certificate: String,
    /// `devPrivateKeyFile`: its private key, PEM.
    pub private_key: String,
    /// `devCaFile`: the CA that the server's certificate is checked against.
    pub ca: Option<String>,
}

impl CertificateFiles {
    /// Passes each name through `join`, which puts the directory of the JSON file before relative ones.
    #[must_use]
    pub fn resolve(&self, join: impl Fn(&str) -> String) -> Self {
        Self {
            certificate: join(&self.certificate),
            private_key: join(&self.private_key),
            ca: self.ca.as_deref().map(join),
        }
    }
}

/// A device whose file still holds the SDK's placeholder: it has to be registered first.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Unregistered {
    /// `productId`
    pub product: ProductId,
    /// `deviceName`
    pub device: DeviceName,
    /// `productSecret`, which registration signs with; `None` where it is absent or a placeholder too.
    pub product_secret: Option<Secret>,
    /// `region`
    pub region: Region,
    /// The field that holds the placeholder.
    pub field: &'static str,
}

/// Why a file describes no device that can connect. `Display` names the field and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DeviceInfoError {
    /// The file is larger than 64 KiB.
    TooLarge {
        /// Its bytes.
        len: usize,
    },
    /// It is no JSON that we take.
    Json(JsonError),
    /// It is JSON, but no object.
    NotAnObject,
    /// A field is absent that has to be there.
    Missing(Field),
    /// A field holds another type than it should.
    Mistyped(Field),
    /// A field's text is not of its form.
    Invalid(Field, IdentityError),
    /// `productId` or `deviceName` still holds the SDK's placeholder.
    Placeholder(Field),
    /// `auth_mode` or `region` holds none of the words it may.
    UnknownWord(Field),
    /// The secret or certificate still holds the SDK's placeholder: register the device.
    NotRegistered(Box<Unregistered>),
}

/// A field of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Field {
    /// Its path in the file, such as `key_deviceinfo.deviceSecret`.
    pub path: &'static str,
    /// What it has to hold, and where that is found.
    pub fix: &'static str,
    key: &'static str,
}

macro_rules! field {
    ($name:ident, $key:literal, $fix:literal) => {
        const $name: Field = Field { path: $key, fix: $fix, key: $key };
    };
    ($name:ident, $object:literal, $key:literal, $fix:literal) => {
        const $name: Field = Field { path: concat!($object, ".", $key), fix: $fix, key: $key };
    };
}

field!(AUTH_MODE, "auth_mode", "write \"KEY\" or \"CERT\"");
field!(PRODUCT_ID, "productId", "copy the product id from the console");
field!(DEVICE_NAME, "deviceName", "copy the device name from the console");
field!(PRODUCT_SECRET, "productSecret", "copy the product secret from the console, or leave it out");
field!(REGION, "region", "write \"china\", \"us-east\", \"europe\" or \"ap-bangkok\", or leave it out");
field!(KEY_OBJECT, "key_deviceinfo", "write {\"deviceSecret\": \"…\"}");
field!(SECRET, "key_deviceinfo", "deviceSecret", "copy the device secret (base64) from the console");
field!(CERT_OBJECT, "cert_deviceinfo", "write {\"devCertFile\": \"…\", \"devPrivateKeyFile\": \"…\"}");
field!(CERTIFICATE, "cert_deviceinfo", "devCertFile", "name the device certificate's PEM file");
field!(PRIVATE_KEY, "cert_deviceinfo", "devPrivateKeyFile", "name the private key's PEM file");
field!(CA, "cert_deviceinfo", "devCaFile", "name the CA's PEM file, or leave it out");

impl fmt::Display for DeviceInfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { len } => write!(f, "the file has {len} bytes; {MAX_FILE} are the most"),
            Self::Json(error) => write!(f, "the file cannot be read: {error}"),
            Self::NotAnObject => f.write_str("the file is no JSON object: write {\"auth_mode\": …}"),
            Self::Missing(field) => write!(f, "`{}` is missing: {}", field.path, field.fix),
            Self::Mistyped(field) => write!(f, "`{}` is of the wrong type: {}", field.path, field.fix),
            Self::Invalid(field, why) => write!(f, "`{}` cannot be used, {why}: {}", field.path, field.fix),
            Self::Placeholder(field) => write!(f, "`{}` still holds the placeholder: {}", field.path, field.fix),
            Self::UnknownWord(field) => write!(f, "`{}` holds an unknown word: {}", field.path, field.fix),
            Self::NotRegistered(device) => write!(
                f,
                "the device is not registered yet, `{}` still holds the placeholder: register it, or copy the value \
                 from the console",
                device.field
            ),
        }
    }
}

impl core::error::Error for DeviceInfoError {}

impl DeviceInfo {
    /// Reads a file's content. Only `auth_mode`, `productId`, `deviceName` and the object of the chosen mode have to
    /// be there; unknown keys are ignored; of duplicate keys the last counts.
    ///
    /// # Errors
    /// [`DeviceInfoError`] names the field and what to do.
    pub fn parse(file: &[u8]) -> Result<Self, DeviceInfoError> {
        if file.len() > MAX_FILE {
            return Err(DeviceInfoError::TooLarge { len: file.len() });
        }
        let mut whole = Wiped(json::parse(file).map_err(DeviceInfoError::Json)?);
        let Value::Object(whole) = &mut whole.0 else { return Err(DeviceInfoError::NotAnObject) };
        let certificate = match need(take(whole, AUTH_MODE)?, AUTH_MODE)?.as_str() {
            "KEY" => false,
            "CERT" => true,
            _ => return Err(DeviceInfoError::UnknownWord(AUTH_MODE)),
        };
        let product = named(whole, PRODUCT_ID, ProductId::new)?;
        let device = named(whole, DEVICE_NAME, DeviceName::new)?;
        let product_secret =
            take(whole, PRODUCT_SECRET)?.filter(|text| !text.is_empty() && !is_placeholder(text)).map(Secret::new);
        let region = match take(whole, REGION)? {
            Some(name) => Region::from_name(&name).ok_or(DeviceInfoError::UnknownWord(REGION))?,
            None => Region::default(),
        };
        let auth = if certificate { files(object(whole, CERT_OBJECT)?)? } else { key(object(whole, KEY_OBJECT)?)? };
        match auth {
            Ok(auth) => Ok(Self { product, device, product_secret, auth, region }),
            Err(field) => {
                let device = Unregistered { product, device, product_secret, region, field: field.path };
                Err(DeviceInfoError::NotRegistered(Box::new(device)))
            }
        }
    }
}

/// What a mode's object holds, or the field that has a placeholder.
type Proof = Result<Auth, Field>;

fn key(object: &mut Map<String, Value>) -> Result<Proof, DeviceInfoError> {
    let text = need(take(object, SECRET)?, SECRET)?;
    if is_placeholder(&text) {
        return Ok(Err(SECRET));
    }
    let secret = DeviceSecret::from_base64(text).map_err(|why| DeviceInfoError::Invalid(SECRET, why))?;
    Ok(Ok(Auth::Key(secret)))
}

fn files(object: &mut Map<String, Value>) -> Result<Proof, DeviceInfoError> {
    let certificate = need(take(object, CERTIFICATE)?, CERTIFICATE)?;
    let private_key = need(take(object, PRIVATE_KEY)?, PRIVATE_KEY)?;
    for (name, field) in [(&certificate, CERTIFICATE), (&private_key, PRIVATE_KEY)] {
        if name.is_empty() {
            return Err(DeviceInfoError::Invalid(field, IdentityError::Empty));
        }
        if is_placeholder(name) {
            return Ok(Err(field));
        }
    }
    let ca = take(object, CA)?.filter(|name| !name.is_empty() && !is_placeholder(name));
    Ok(Ok(Auth::Certificate(CertificateFiles { certificate, private_key, ca })))
}

/// The SDKs' sample files hold `YOUR_DEVICE_SECRET`, `YOUR_IOT_PSK`, `YOUR_PRODUCT_ID` and the like.
fn is_placeholder(text: &str) -> bool {
    text.starts_with("YOUR_")
}

fn object(whole: &mut Map<String, Value>, field: Field) -> Result<&mut Map<String, Value>, DeviceInfoError> {
    match whole.get_mut(field.key) {
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(DeviceInfoError::Mistyped(field)),
        None => Err(DeviceInfoError::Missing(field)),
    }
}

/// Moves a text out of its object, so that no copy of a secret stays behind.
fn take(object: &mut Map<String, Value>, field: Field) -> Result<Option<String>, DeviceInfoError> {
    match object.get_mut(field.key) {
        Some(Value::String(text)) => Ok(Some(mem::take(text))),
        Some(_) => Err(DeviceInfoError::Mistyped(field)),
        None => Ok(None),
    }
}

fn need(text: Option<String>, field: Field) -> Result<String, DeviceInfoError> {
    text.ok_or(DeviceInfoError::Missing(field))
}

fn named<T>(
    whole: &mut Map<String, Value>,
    field: Field,
    new: fn(&str) -> Result<T, IdentityError>,
) -> Result<T, DeviceInfoError> {
    let text = need(take(whole, field)?, field)?;
    if is_placeholder(&text) {
        return Err(DeviceInfoError::Placeholder(field));
    }
    new(&text).map_err(|why| DeviceInfoError::Invalid(field, why))
}

/// Parsed JSON that may hold secrets: whatever was not moved out is wiped.
struct Wiped(Value);

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Recursion ends: the parser has refused what nests deeper than [`json::MAX_DEPTH`].
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
