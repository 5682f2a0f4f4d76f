//! How a device introduces itself: client id, user name and signed password (§3.1 to 3.3).

use super::identity::{DeviceName, DeviceSecret, ProductId};
use crate::{
    auth::{hex, hmac},
    rng::Rng,
    secret::Secret,
};
use alloc::{format, string::String};
use core::fmt;

/// The `sdkappid` of the documentation, and ours.
pub const SDK_APP_ID: u32 = 12_010_126;

/// The expiry that never comes, for devices without a trusted clock: seconds since 1970, 2^31 − 1.
pub const NEVER: u64 = 2_147_483_647;

/// The digest that a password is made with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum SignMethod {
    /// `hmacsha1`, as the C and Python SDKs.
    HmacSha1,
    /// `hmacsha256`, as the Java SDK, and ours by default.
    #[default]
    HmacSha256,
}

impl SignMethod {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmacsha1",
            Self::HmacSha256 => "hmacsha256",
        }
    }

    /// The method with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "hmacsha1" => Some(Self::HmacSha1),
            "hmacsha256" => Some(Self::HmacSha256),
            _ => None,
        }
    }
}

/// The `connid` of a user name: 5 letters or digits that tell one attempt from the next in the platform's logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnId([u8; 5]);

impl ConnId {
    /// A fresh one, for one attempt.
    pub fn random(rng: &mut Rng) -> Self {
        Self(rng.alphanumeric())
    }

    /// A given one; `None` unless it is 5 ASCII letters or digits.
    pub fn new(text: &str) -> Option<Self> {
        let bytes = <[u8; 5]>::try_from(text.as_bytes()).ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(Self(bytes))
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

/// The client id: `{product id}{device name}`. It is the identity of TLS-PSK too.
pub fn client_id(product: &ProductId, device: &DeviceName) -> String {
    format!("{product}{device}")
}

/// What goes into a user name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the parts of the text on the wire; a user builds it")]
pub struct UserName<'a> {
    /// Product id.
    pub product: &'a ProductId,
    /// Device name.
    pub device: &'a DeviceName,
    /// `sdkappid`; [`SDK_APP_ID`] unless there is a reason.
    pub sdk_app_id: u32,
    /// `connid`, fresh for each attempt.
    pub conn_id: ConnId,
    /// Seconds since 1970 after which the signature is invalid; [`NEVER`] without a trusted clock.
    pub expiry: u64,
}

impl fmt::Display for UserName<'_> {
    /// `{product id}{device name};{sdkappid};{connid};{expiry}`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{};{};{};{}", self.product, self.device, self.sdk_app_id, self.conn_id, self.expiry)
    }
}

/// What CONNECT carries.
///
/// ```
/// use skytether_core::tencent::credentials::{ConnId, Credentials, SDK_APP_ID, SignMethod, UserName};
/// use skytether_core::tencent::identity::{DeviceName, DeviceSecret, ProductId};
///
/// let user_name = UserName {
///     product: &ProductId::new("DOORPRD9A1")?,
///     device: &DeviceName::new("door1")?,
///     sdk_app_id: SDK_APP_ID,
///     conn_id: ConnId::new("ABCDE").expect("5 letters"),
///     expiry: 1_700_003_600,
/// };
/// let secret = DeviceSecret::from_base64("JTTi3h3sJP7atMACZrVbqQ==")?;
/// let credentials = Credentials::new(&user_name, &secret, SignMethod::HmacSha1);
/// assert_eq!(credentials.client_id, "DOORPRD9A1door1");
/// assert_eq!(credentials.user_name, "DOORPRD9A1door1;12010126;ABCDE;1700003600");
/// let password = credentials.password.expect("key devices have one");
/// assert_eq!(password.expose(), b"d1a671e2cbb2164a0a2f1be9a9ba532f93d9000b;hmacsha1");
/// # Ok::<(), skytether_core::tencent::identity::IdentityError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Credentials {
    /// Client id.
    pub client_id: String,
    /// User name.
    pub user_name: String,
    /// `{lower-case hex of the HMAC over the user name};{method}`. `None` for certificate devices, whose password is
    /// not looked at (and must not be empty text).
    pub password: Option<Secret>,
}

impl Credentials {
    /// Signs for a key device.
    pub fn new(user_name: &UserName<'_>, secret: &DeviceSecret, method: SignMethod) -> Self {
        let unsigned = Self::certificate(user_name);
        let (key, message) = (secret.key().expose(), unsigned.user_name.as_bytes());
        let mac = match method {
            SignMethod::HmacSha1 => hex::lower(&hmac::sha1(key, message)),
            SignMethod::HmacSha256 => hex::lower(&hmac::sha256(key, message)),
        };
        let mac = Secret::new(mac);
        let password = Secret::new([mac.expose(), b";", method.name().as_bytes()].concat());
        Self { password: Some(password), ..unsigned }
    }

    /// Introduces a certificate device: there is no password.
    pub fn certificate(user_name: &UserName<'_>) -> Self {
        Self {
            client_id: client_id(user_name.product, user_name.device),
            user_name: format!("{user_name}"),
            password: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    struct Case {
        product: &'static str,
        device: &'static str,
        secret: &'static str,
        method: SignMethod,
        rest: (u32, &'static str, u64),
        user_name: &'static str,
        password: &'static str,
    }

    fn check(case: &Case) {
        let (sdk_app_id, conn_id, expiry) = case.rest;
        let credentials = Credentials::new(
            &UserName {
                product: &ProductId::new(case.product).unwrap(),
                device: &DeviceName::new(case.device).unwrap(),
                sdk_app_id,
                conn_id: ConnId::new(conn_id).unwrap(),
                expiry,
            },
            &DeviceSecret::from_base64(case.secret).unwrap(),
            case.method,
        );
        assert_eq!(credentials.client_id, case.user_name.split(';').next().unwrap());
        assert_eq!(credentials.user_name, case.user_name);
        let password = credentials.password.unwrap();
        assert_eq!(core::str::from_utf8(password.expose()).unwrap(), case.password);
    }

    #[test]
    fn the_c_sdks_password_comes_out() {
        check(&Case {
            product: "DOORPRD9A1",
            device: "door1",
            secret: "JTTi3h3sJP7atMACZrVbqQ==",
            method: SignMethod::HmacSha1,
            rest: (21_010_406, "9AEwi", 9_223_372_036_854_775_807),
            user_name: "DOORPRD9A1door1;21010406;9AEwi;9223372036854775807",
            password: "b29edbbd4aa8c09ab555af9b0454f3b93049a659;hmacsha1",
        });
    }

    #[test]
    fn the_java_sdks_password_comes_out_for_a_name_outside_the_documented_rule_too() {
        check(&Case {
            product: "AIRCPRD7B2",
            device: "AirConditioner1",
            secret: "y5Jlwt6f9FJzywEHmeyiuABLQmntJtT4",
            method: SignMethod::HmacSha256,
            rest: (SDK_APP_ID, "Q7w2E", NEVER),
            user_name: "AIRCPRD7B2AirConditioner1;12010126;Q7w2E;2147483647",
            password: "c541165d6df3dd2e915a6d8b9dd57409ceeb2e7550c2f54f41acc081aca00f57;hmacsha256",
        });
        check(&Case {
            product: "GATEPRD5C3",
            device: "a_b-c:D.9",
            secret: "lxZTb2LIH+E+fCHIgHr5b9k/Z36QXlOBeg0rcqlbzSs=",
            method: SignMethod::HmacSha256,
            rest: (SDK_APP_ID, "00000", 1),
            user_name: "GATEPRD5C3a_b-c:D.9;12010126;00000;1",
            password: "66c04199aadbaaf605f04c9ff6aace234ba3debeabe459e7482500237d198b54;hmacsha256",
        });
    }

    #[test]
    fn a_connid_is_5_letters_or_digits() {
        assert_eq!(ConnId::new("aB3dE").unwrap().to_string(), "aB3dE");
        for text in ["", "abcd", "abcdef", "ab;de", "ab-de", "äbcd"] {
            assert_eq!(ConnId::new(text), None, "{text}");
        }
        let mut rng = Rng::new([3; 32]);
        let (one, other) = (ConnId::random(&mut rng), ConnId::random(&mut rng));
        assert_ne!(one, other);
        assert_eq!(ConnId::new(&one.to_string()), Some(one));
    }

    #[test]
    fn r_10_credentials_print_without_their_password() {
        let (product, device) = (ProductId::new("P").unwrap(), DeviceName::new("d").unwrap());
        let user_name = UserName {
            product: &product,
            device: &device,
            sdk_app_id: SDK_APP_ID,
            conn_id: ConnId::new("AAAAA").unwrap(),
            expiry: NEVER,
        };
        let signed = Credentials::new(&user_name, &DeviceSecret::from_base64("AA==").unwrap(), SignMethod::HmacSha1);
        let password = core::str::from_utf8(signed.password.as_ref().unwrap().expose()).unwrap();
        assert!(!format!("{signed:?}").contains(password));
        assert_eq!(Credentials::certificate(&user_name).password, None);
    }
}
