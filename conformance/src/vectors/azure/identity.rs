//! Who a device is: tokens, derived keys, user names, connection strings.

use crate::vectors::{Vector, expect};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use skytether_core::azure::{
    connection_string::{ConnectionString, Secrets},
    credentials::{SasToken, derive as derive_key, sign, string_to_sign},
    endpoint::{at_hub, at_provisioning},
    identity::{DeviceId, DeviceKey, HostName, IdScope, ModelId, ModuleId, RegistrationId, Whom},
};
use std::fmt::Display;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sas {
    scope: String,
    key_b64: String,
    expiry: u64,
    skn: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SasOut {
    string_to_sign: String,
    token: String,
}

pub(in crate::vectors) fn sas(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Sas, SasOut) = (vector.input()?, vector.output()?);
    let key = DeviceKey::from_base64(&input.key_b64).map_err(said)?;
    expect("string_to_sign", &string_to_sign(&input.scope, input.expiry), &wanted.string_to_sign)?;
    let token = sign(&key, &input.scope, input.expiry, input.skn.as_deref());
    expect("token", &*String::from_utf8_lossy(token.expose()), wanted.token.as_str())?;
    let read = SasToken::parse(&wanted.token).map_err(said)?;
    expect("scope read", read.scope(), input.scope.as_str())?;
    expect("expiry read", &read.expiry(), &input.expiry)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Derive {
    group_key_b64: String,
    registration_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Derived {
    device_key_b64: String,
}

pub(in crate::vectors) fn derive(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Derive, Derived) = (vector.input()?, vector.output()?);
    let group = DeviceKey::from_base64(&input.group_key_b64).map_err(said)?;
    let key = derive_key(&group, &RegistrationId::new(&input.registration_id).map_err(said)?);
    expect("device_key_b64", &*String::from_utf8_lossy(key.to_base64().expose()), wanted.device_key_b64.as_str())
}

#[derive(Deserialize)]
#[serde(tag = "service", rename_all = "snake_case", deny_unknown_fields)]
enum UserName {
    Dps {
        id_scope: String,
        registration_id: String,
        client_version: Option<String>,
    },
    Hub {
        hub: String,
        device_id: String,
        module_id: Option<String>,
        api_version: String,
        user_agent: Option<String>,
        model_id: Option<String>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserNameOut {
    username: String,
    client_id: String,
}

pub(in crate::vectors) fn username(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (UserName, UserNameOut) = (vector.input()?, vector.output()?);
    let hello = match input {
        UserName::Dps { id_scope, registration_id, client_version } => {
            let scope = IdScope::new(&id_scope).map_err(said)?;
            let id = RegistrationId::new(&registration_id).map_err(said)?;
            at_provisioning(&scope, &id, client_version.as_deref())
        }
        UserName::Hub { hub, device_id, module_id, api_version, user_agent, model_id } => {
            let hub = HostName::new(&hub).map_err(said)?;
            let device = DeviceId::new(&device_id).map_err(said)?;
            let module = module_id.as_deref().map(ModuleId::new).transpose().map_err(said)?;
            let model = model_id.as_deref().map(ModelId::new).transpose().map_err(said)?;
            at_hub(&hub, &Whom { device, module }, &api_version, user_agent.as_deref(), model.as_ref())
        }
    };
    expect("username", &hello.user_name, &wanted.username)?;
    expect("client_id", &hello.client_id, &wanted.client_id)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextOut {
    fields: Option<Map<String, Value>>,
    #[serde(default)]
    error: bool,
}

pub(in crate::vectors) fn connection_string(vector: &Vector) -> Result<(), String> {
    let (input, wanted): (Text, TextOut) = (vector.input()?, vector.output()?);
    let read = match (input.text.parse::<ConnectionString>(), wanted.error) {
        (Ok(read), false) => read,
        (Err(_), true) => return Ok(()),
        (Ok(read), true) => return Err(format!("read as {read:?}, expected an error")),
        (Err(error), false) => return Err(error.to_string()),
    };
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), json!(value));
        }
    };
    put("HostName", Some(read.host.to_string()));
    put("DeviceId", Some(read.whom.device.to_string()));
    put("ModuleId", read.whom.module.map(|module| module.to_string()));
    put("GatewayHostName", read.gateway.map(|gateway| gateway.to_string()));
    put("SharedAccessKeyName", read.policy.map(String::from));
    match read.secrets {
        Secrets::Certificate => put("x509", Some("true".to_owned())),
        Secrets::Key(key) => {
            put("SharedAccessKey", Some(String::from_utf8_lossy(key.to_base64().expose()).into_owned()));
        }
    }
    expect("fields", &Some(fields), &wanted.fields)
}

fn said(error: impl Display) -> String {
    error.to_string()
}
