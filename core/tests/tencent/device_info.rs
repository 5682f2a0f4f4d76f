//! What a `device_info.json` has to hold, and what is said of one that does not.

use proptest::prelude::*;
use skytether_core::tencent::{
    Config, Proof,
    device_info::{Auth, DeviceInfo, DeviceInfoError, JsonError, MAX_FILE},
    endpoint::Region,
    identity::IdentityError,
};

const KEY: &str = r#"{"auth_mode":"KEY","productId":"DOORPRD9A1","deviceName":"door1","key_deviceinfo":{"deviceSecret":"JTTi3h3sJP7atMACZrVbqQ=="}}"#;

const CERT: &str = r#"{
  "auth_mode": "CERT", "productId": "DOORPRD9A1", "productSecret": "abcdefghijklmnopqrstuvwx", "deviceName": "door1",
  "key_deviceinfo": {"deviceSecret": "YOUR_DEVICE_SECRET"},
  "cert_deviceinfo": {"devCertFile": "certs/door1_cert.crt", "devPrivateKeyFile": "/keys/door1.key", "devCaFile": "ca.pem"},
  "subDev": {"subdev_num": 1, "subdev_list": [{"sub_productId": "A", "sub_devName": "b"}]},
  "region": "us-east", "later": null
}"#;

fn parse(text: &str) -> Result<DeviceInfo, DeviceInfoError> {
    DeviceInfo::parse(text.as_bytes())
}

fn without(key: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(KEY).unwrap();
    value.as_object_mut().unwrap().remove(key);
    value.to_string()
}

fn with(text: &str, key: &str, new: serde_json::Value) -> String {
    let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
    *value.pointer_mut(key).unwrap() = new;
    value.to_string()
}

#[test]
fn the_short_form_of_the_samples_is_enough() {
    for placeholder in ["", "YOUR_PRODUCT_SECRET"] {
        let device = parse(&with(CERT, "/productSecret", placeholder.into())).unwrap();
        assert_eq!(device.product_secret, None, "registration has nothing to sign with");
    }
    let device = parse(KEY).unwrap();
    assert_eq!((device.product.as_str(), device.device.as_str()), ("DOORPRD9A1", "door1"));
    assert_eq!((device.product_secret, device.region), (None, Region::China));
    let Auth::Key(secret) = device.auth else { panic!("a key device") };
    assert_eq!(secret.key().expose().len(), 16);
    assert_eq!(secret.text().expose(), b"JTTi3h3sJP7atMACZrVbqQ==");
}

#[test]
fn the_full_form_of_a_certificate_device_is_read_and_the_other_modes_placeholder_does_no_harm() {
    let device = parse(CERT).unwrap();
    assert_eq!(device.product_secret.as_ref().unwrap().expose(), b"abcdefghijklmnopqrstuvwx");
    assert_eq!(device.region, Region::UsEast);
    let config = Config::from(&device);
    assert_eq!((config.proof, config.server.region), (Proof::Certificate, Region::UsEast));
    let Auth::Certificate(files) = device.auth else { panic!("a certificate device") };
    assert_eq!(files.certificate, "certs/door1_cert.crt");
    let resolved = files.resolve(|name| if name.starts_with('/') { name.into() } else { format!("/etc/door/{name}") });
    assert_eq!(resolved.certificate, "/etc/door/certs/door1_cert.crt");
    assert_eq!(resolved.private_key, "/keys/door1.key");
    assert_eq!(resolved.ca.as_deref(), Some("/etc/door/ca.pem"));
}

#[test]
fn a_missing_field_is_named_with_what_to_do() {
    for (key, fix) in [
        ("auth_mode", "\"KEY\" or \"CERT\""),
        ("productId", "console"),
        ("deviceName", "console"),
        ("key_deviceinfo", "deviceSecret"),
    ] {
        let error = parse(&without(key)).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, DeviceInfoError::Missing(field) if field.path == key), "{said}");
        assert!(said.starts_with(&format!("`{key}` is missing: ")) && said.contains(fix), "{said}");
    }
    let said = parse(&with(KEY, "/key_deviceinfo", serde_json::json!({}))).unwrap_err().to_string();
    assert!(said.starts_with("`key_deviceinfo.deviceSecret` is missing: "), "{said}");
    let said = parse(&with(CERT, "/cert_deviceinfo", serde_json::json!({"devCertFile": "a"}))).unwrap_err().to_string();
    assert!(said.starts_with("`cert_deviceinfo.devPrivateKeyFile` is missing: "), "{said}");
}

#[test]
fn a_field_of_another_type_is_named() {
    for (pointer, path) in [
        ("/auth_mode", "auth_mode"),
        ("/productId", "productId"),
        ("/deviceName", "deviceName"),
        ("/key_deviceinfo", "key_deviceinfo"),
        ("/key_deviceinfo/deviceSecret", "key_deviceinfo.deviceSecret"),
    ] {
        for wrong in [serde_json::json!(7), serde_json::json!(null), serde_json::json!(["x"])] {
            let error = parse(&with(KEY, pointer, wrong)).unwrap_err();
            assert!(matches!(error, DeviceInfoError::Mistyped(field) if field.path == path), "{error}");
        }
    }
}

#[test]
fn a_text_of_the_wrong_form_is_named_with_the_reason() {
    for (pointer, value, said) in [
        ("/productId", "DOOR/1", "`productId` cannot be used, it holds the character '/'"),
        ("/productId", "", "`productId` cannot be used, it is empty"),
        ("/deviceName", "door#1", "`deviceName` cannot be used, it holds the character '#'"),
        ("/deviceName", "do\u{0}r", "`deviceName` cannot be used, it holds the character '\\0'"),
        ("/key_deviceinfo/deviceSecret", "not base64", "`key_deviceinfo.deviceSecret` cannot be used, it is no base64"),
        ("/auth_mode", "key", "`auth_mode` holds an unknown word: write \"KEY\" or \"CERT\""),
    ] {
        let error = parse(&with(KEY, pointer, value.into())).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
    let error = parse(&with(CERT, "/region", "mars".into())).unwrap_err().to_string();
    assert!(error.starts_with("`region` holds an unknown word"), "{error}");
    let error = parse(&with(CERT, "/cert_deviceinfo/devCertFile", "".into())).unwrap_err();
    assert!(matches!(error, DeviceInfoError::Invalid(_, IdentityError::Empty)), "{error}");
}

#[test]
fn a_placeholder_secret_means_that_the_device_is_not_registered_yet() {
    for placeholder in ["YOUR_DEVICE_SECRET", "YOUR_IOT_PSK"] {
        let text = with(KEY, "/key_deviceinfo/deviceSecret", placeholder.into());
        let Err(DeviceInfoError::NotRegistered(device)) = parse(&text) else { panic!("{placeholder}") };
        assert_eq!((device.product.as_str(), device.device.as_str()), ("DOORPRD9A1", "door1"));
        assert_eq!((device.field, device.product_secret.is_none()), ("key_deviceinfo.deviceSecret", true));
    }
    let text = with(CERT, "/cert_deviceinfo/devPrivateKeyFile", "YOUR_PRIVATE_KEY_FILE_NAME".into());
    let error = parse(&text).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("not registered yet") && said.contains("devPrivateKeyFile"), "{said}");
    let DeviceInfoError::NotRegistered(device) = error else { panic!("{said}") };
    assert!(device.product_secret.is_some() && device.region == Region::UsEast);
}

#[test]
fn a_placeholder_name_is_told_apart_from_a_wrong_one() {
    let error = parse(&with(KEY, "/productId", "YOUR_PRODUCT_ID".into())).unwrap_err();
    assert!(matches!(error, DeviceInfoError::Placeholder(field) if field.path == "productId"), "{error}");
}

#[test]
fn r_10_no_error_and_no_debug_text_shows_a_secret() {
    let secret = "JTTi3h3sJP7atMACZrVbqQ";
    assert!(!format!("{:?}", parse(KEY).unwrap()).contains(secret));
    assert!(!format!("{:?}", Config::from(&parse(KEY).unwrap())).contains(secret));
    // Without its padding the secret does not decode: the error must not quote it.
    let error = parse(&with(KEY, "/key_deviceinfo/deviceSecret", secret.into())).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(secret));
    let placeholder = with(CERT, "/cert_deviceinfo/devCertFile", "YOUR_DEVICE_CERT_FILE_NAME".into());
    assert!(!format!("{:?}", parse(&placeholder)).contains("abcdefghijklmnopqrstuvwx"));
}

#[test]
fn r_121_of_a_key_that_is_there_twice_the_last_counts() {
    let twice = KEY.replacen(r#""deviceName":"door1""#, r#""deviceName":7,"deviceName":"door2""#, 1);
    assert_eq!(parse(&twice).unwrap().device.as_str(), "door2");
}

#[test]
fn r_121_what_is_no_json_is_refused_and_placed() {
    for (text, expected) in [
        (&b""[..], JsonError::Syntax { line: 1, column: 0 }),
        (b"{\"auth_mode\":\n'KEY'}", JsonError::Syntax { line: 2, column: 1 }),
        (b"\xEF\xBB\xBF{}", JsonError::ByteOrderMark),
    ] {
        assert_eq!(DeviceInfo::parse(text), Err(DeviceInfoError::Json(expected)));
    }
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(40), "]".repeat(40));
    assert_eq!(parse(&deep), Err(DeviceInfoError::Json(JsonError::TooDeep)));
    assert_eq!(parse("[]"), Err(DeviceInfoError::NotAnObject));
    let large = vec![b' '; MAX_FILE + 1];
    assert_eq!(DeviceInfo::parse(&large), Err(DeviceInfoError::TooLarge { len: MAX_FILE + 1 }));
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    for text in [KEY, CERT] {
        for len in 0..text.len() {
            assert!(DeviceInfo::parse(&text.as_bytes()[..len]).is_err(), "{len} bytes");
        }
    }
}

proptest! {
    #[test]
    fn r_1_no_file_makes_the_reader_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        at in 0..CERT.len(),
        byte in any::<u8>(),
    ) {
        let _ = DeviceInfo::parse(&bytes);
        for text in [KEY, CERT] {
            let mut damaged = text.as_bytes().to_vec();
            let at = at % damaged.len();
            damaged[at] = byte;
            if let Err(error) = DeviceInfo::parse(&damaged) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
