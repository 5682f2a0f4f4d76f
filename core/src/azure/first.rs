//! What does a device say first, before it remembers anything? For tools that show it or try it out.

use super::{
    config::{Config, Proof, Route},
    credentials::{self, REGISTRATION},
    endpoint::{self, Introduction},
};
use crate::{
    io::UnixMillis,
    link::{Connect, Endpoint},
    secret::Secret,
};

impl Config {
    /// Where a device connects that remembers no assignment: the provisioning service, or the hub that it was told.
    pub fn first_endpoint(&self) -> Endpoint {
        let (host, websocket) = match &self.route {
            Route::Hub { host, .. } => (self.gateway.as_ref().unwrap_or(host), endpoint::hub_websocket(&self.proof)),
            Route::Provisioning(provisioning) => (&provisioning.host, endpoint::WEBSOCKET),
        };
        endpoint::endpoint(self, host, websocket)
    }

    /// What it says there in CONNECT at the time `wall`. Without a password where it shows a certificate, or where the
    /// time is before 2020, so that nothing can be signed.
    pub fn first_connect(&self, wall: UnixMillis) -> Connect {
        let info = self.product_info.as_deref();
        let (hello, scope, policy, clean_session) = match &self.route {
            Route::Hub { host, whom } => {
                let hello = endpoint::at_hub(host, whom, endpoint::HUB_API, info, self.model.as_ref());
                (hello, whom.scope(host), None, false)
            }
            Route::Provisioning(provisioning) => {
                let (scope, id) = (&provisioning.scope, &provisioning.registration);
                let hello = endpoint::at_provisioning(scope, id, info);
                (hello, credentials::registration_scope(scope, id), Some(REGISTRATION), true)
            }
        };
        let Introduction { client_id, user_name } = hello;
        Connect {
            client_id,
            user_name: Some(user_name),
            password: self.first_password(wall, &scope, policy),
            keep_alive: self.keep_alive,
            clean_session,
            ..Connect::default()
        }
    }

    fn first_password(&self, wall: UnixMillis, scope: &str, policy: Option<&str>) -> Option<Secret> {
        match &self.proof {
            Proof::Certificate => None,
            Proof::Token(token) => Some(token.text().clone()),
            Proof::Key(key) => {
                let expiry = credentials::expiry(wall, self.token_life).ok()?;
                Some(credentials::sign(key, scope, expiry, policy))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::{
        Provisioning,
        connection_string::ConnectionString,
        identity::{DeviceKey, IdScope, RegistrationId},
    };

    #[test]
    fn a_device_that_is_told_its_hub_begins_there() {
        let text = "HostName=contoso-hub.azure-devices.net;DeviceId=dev-7;\
                    SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let config = Config::from(text.parse::<ConnectionString>().unwrap());
        assert_eq!(config.first_endpoint().host, "contoso-hub.azure-devices.net");
        let connect = config.first_connect(UnixMillis(1_699_996_400_000));
        let expected = b"SharedAccessSignature sr=contoso-hub.azure-devices.net%2Fdevices%2Fdev-7\
            &sig=2Axa4lm19GPmzCEe%2FP0bTrxyIq8Awxip1lwePYJMnKg%3D&se=1700000000";
        assert_eq!(connect.password.unwrap().expose(), expected);
        assert!(!connect.clean_session);
        assert_eq!(config.first_connect(UnixMillis(0)).password, None);
    }

    #[test]
    fn any_other_begins_at_the_provisioning_service() {
        let scope = IdScope::new("0ne00000001").unwrap();
        let route = Route::Provisioning(Provisioning::new(scope, RegistrationId::new("dev-7").unwrap()));
        let config = Config::new(route, Proof::Key(DeviceKey::from_bytes([7; 32])));
        assert_eq!(config.first_endpoint().host, endpoint::PROVISIONING);
        let connect = config.first_connect(UnixMillis(1_700_000_000_000));
        let user_name = "0ne00000001/registrations/dev-7/api-version=2019-03-31";
        assert_eq!(connect.user_name.as_deref(), Some(user_name));
        assert!(connect.password.unwrap().expose().ends_with(b"&skn=registration"));
    }
}
