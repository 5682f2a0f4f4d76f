//! What a device has to be told before it can connect to the platform.

use super::{
    credentials::{SDK_APP_ID, SignMethod},
    device_info::{Auth, DeviceInfo},
    endpoint::Server,
    identity::{DeviceName, DeviceSecret, ProductId},
    limits,
};
use crate::{cloud::Fatal, link::Endpoint};
use core::time::Duration;

/// What the device proves its identity with.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the platform's two ways, of `auth_mode`")]
pub enum Proof {
    /// A password signed with this secret.
    Key(DeviceSecret),
    /// The client certificate of the TLS connection, which the driver was given.
    Certificate,
}

/// One device and how it connects. [`Config::new`] and `From<&DeviceInfo>` give the defaults.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Product id.
    pub product: ProductId,
    /// Device name.
    pub device: DeviceName,
    /// Secret or certificate.
    pub proof: Proof,
    /// Where to connect. Default: China, TLS.
    pub server: Server,
    /// Digest of the password. Default HMAC-SHA-256.
    pub sign_method: SignMethod,
    /// `sdkappid` of the user name. Default 12010126.
    pub sdk_app_id: u32,
    /// How long a signature is valid, in whole seconds from the moment of each dial; dialling waits until the wall
    /// time is known. Default `None`: signatures never expire, and no clock is needed.
    pub lifetime: Option<Duration>,
    /// Keep-alive in seconds, 0 to 900; 0 switches it off. Default 60.
    pub keep_alive: u16,
    /// Whether each connection starts afresh. Default true; `false` keeps subscriptions and QoS 1 messages on the
    /// platform for 24 h.
    pub clean_session: bool,
}

impl Config {
    /// The defaults for one device.
    pub fn new(product: ProductId, device: DeviceName, proof: Proof) -> Self {
        Self {
            product,
            device,
            proof,
            server: Server::default(),
            sign_method: SignMethod::default(),
            sdk_app_id: SDK_APP_ID,
            lifetime: None,
            keep_alive: 60,
            clean_session: true,
        }
    }

    /// Checks what cannot work, and says where to connect.
    pub(super) fn check(&self) -> Result<Endpoint, Fatal> {
        if self.keep_alive > limits::KEEP_ALIVE {
            return Err(Fatal::Invalid("the platform takes a keep-alive of 900 s at most"));
        }
        if self.lifetime.is_some_and(|lifetime| lifetime < Duration::from_secs(1)) {
            return Err(Fatal::Invalid("a signature must be valid for a second at least"));
        }
        let certificate = match self.proof {
            Proof::Key(_) => false,
            Proof::Certificate => true,
        };
        self.server.endpoint(&self.product, certificate).map_err(|error| Fatal::Invalid(error.why()))
    }
}

impl From<&DeviceInfo> for Config {
    /// The defaults for the device of a file, in its region. The driver has to be given the certificate's files.
    fn from(device: &DeviceInfo) -> Self {
        let proof = match &device.auth {
            Auth::Key(secret) => Proof::Key(secret.clone()),
            Auth::Certificate(_) => Proof::Certificate,
        };
        let mut config = Self::new(device.product.clone(), device.device.clone(), proof);
        config.server.region = device.region;
        config
    }
}
