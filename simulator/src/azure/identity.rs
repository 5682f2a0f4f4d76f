//! Who is meant? A device or a module of one hub.

use core::fmt;

/// Names a device, or a module of one, of one hub.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identity {
    hub: Box<str>,
    device: Box<str>,
    module: Option<Box<str>>,
}

impl Identity {
    /// The device of this id, known or not.
    pub fn device(hub: &str, device: &str) -> Self {
        Self { hub: hub.into(), device: device.into(), module: None }
    }

    /// The module of a device, known or not.
    pub fn module(hub: &str, device: &str, module: &str) -> Self {
        Self { module: Some(module.into()), ..Self::device(hub, device) }
    }

    /// The hub's host name.
    pub fn hub(&self) -> &str {
        &self.hub
    }

    /// The device id.
    pub fn device_id(&self) -> &str {
        &self.device
    }

    /// The module id, if it is a module.
    pub fn module_id(&self) -> Option<&str> {
        self.module.as_deref()
    }

    /// The client id under which it connects: `{device}` or `{device}/{module}`.
    pub fn client_id(&self) -> String {
        match &self.module {
            None => self.device.to_string(),
            Some(module) => format!("{}/{module}", self.device),
        }
    }

    /// The name of its session in the broker: `{hub}/{device}` or `{hub}/{device}/{module}`.
    pub fn session(&self) -> String {
        format!("{}/{}", self.hub, self.client_id())
    }

    /// What its tokens are for: `{hub}/devices/{device}` or `{hub}/devices/{device}/modules/{module}`.
    pub(super) fn resource(&self) -> String {
        format!("{}/{}", self.hub, self.root())
    }

    /// How its own topics begin: `devices/{device}` or `devices/{device}/modules/{module}`.
    pub(super) fn root(&self) -> String {
        match &self.module {
            None => format!("devices/{}", self.device),
            Some(module) => format!("devices/{}/modules/{module}", self.device),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.session())
    }
}

/// Whether an id has 1 to 128 characters of those that the platform allows. `+ # /` are left out though the first two
/// are allowed in an identity: no topic could name it.
pub(super) fn is_id(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-.%_*?!(),:=@$'".contains(c);
    (1..=128).contains(&id.len()) && id.chars().all(allowed)
}
