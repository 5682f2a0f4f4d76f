//! Which devices and modules do the hubs have, and what do they remember of each?

use super::{
    answer::{DEVICE_NOT_FOUND, ServiceError},
    c2d::Queue,
    identity::{Identity, is_id},
    proof::Proof,
    topics::Filter,
    twin::{Object, Twin},
};
use skytether_core::time::{Instant, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};

/// One device or module.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) proof: Proof,
    pub(super) disabled: bool,
    pub(super) twin: Twin,
    pub(super) model_id: Option<String>,
    pub(super) line: Line,
    pub(super) queue: Queue,
}

/// Its connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) up: bool,
    pub(super) clean: bool,
    /// When its token ends: on the wall, and when to look.
    pub(super) expiry: Option<(UnixMillis, Instant)>,
    pub(super) filters: BTreeSet<Filter>,
    /// Whether it ever connected without clean session: from then on messages wait for it.
    pub(super) lasting: bool,
}

impl Line {
    /// Whether something sent under this filter reaches the device now.
    pub(super) fn hears(&self, filter: Filter) -> bool {
        self.up && self.filters.contains(&filter)
    }
}

impl Member {
    fn new(proof: Proof, desired: &Object) -> Result<Self, ServiceError> {
        let mut twin = Twin::default();
        if !desired.is_empty() {
            twin.desire(desired)?;
        }
        Ok(Self { proof, disabled: false, twin, model_id: None, line: Line::default(), queue: Queue::default() })
    }
}

/// All hubs, with their devices.
#[derive(Debug, Default)]
pub(super) struct Hubs {
    /// In the order of the configuration.
    names: Vec<String>,
    members: BTreeMap<Identity, Member>,
}

/// Why a configuration makes no cloud.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A hub's name is empty, holds a `/`, or is there twice.
    Hub(Box<str>),
    /// A device's or module's id has characters that no topic can hold, or is there twice.
    Id(Box<str>),
    /// Desired properties that the platform does not allow.
    Desired(Box<str>, ServiceError),
    /// A group's proof is a thumbprint, which fits one certificate alone.
    Group(Box<str>),
    /// There is no hub of this name.
    UnknownHub(Box<str>),
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Hub(name) => write!(f, "hub {name:?}: give each hub a name of its own, without `/`"),
            Self::Id(id) => {
                write!(f, "device {id:?}: an id has 1 to 128 of A-Z a-z 0-9 -.%_*?!(),:=@$' and is there once")
            }
            Self::Desired(id, error) => write!(f, "device {id:?}: the desired properties are not allowed: {error}"),
            Self::Group(name) => write!(f, "group {name:?}: give it a key or an authority"),
            Self::UnknownHub(name) => write!(f, "hub {name:?} is assigned, and there is none: add it to `hubs`"),
        }
    }
}

impl core::error::Error for ConfigError {}

impl Hubs {
    pub(super) fn add_hub(&mut self, name: &str) -> Result<(), ConfigError> {
        if name.is_empty() || name.contains('/') || self.names.iter().any(|known| known == name) {
            return Err(ConfigError::Hub(name.into()));
        }
        self.names.push(name.to_owned());
        Ok(())
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    pub(super) fn add(&mut self, identity: Identity, proof: Proof, desired: &Object) -> Result<(), ConfigError> {
        let ids_are_right = is_id(identity.device_id()) && identity.module_id().is_none_or(is_id);
        if !ids_are_right || self.members.contains_key(&identity) {
            return Err(ConfigError::Id(identity.client_id().into()));
        }
        let member =
            Member::new(proof, desired).map_err(|error| ConfigError::Desired(identity.client_id().into(), error))?;
        self.members.insert(identity, member);
        Ok(())
    }

    /// Puts a device that was assigned on its hub, with what the hub before knew of it.
    pub(super) fn place(&mut self, identity: &Identity, before: Option<&Identity>, proof: &Proof, desired: &Object) {
        if let Some(moved) = before.filter(|before| *before != identity).and_then(|before| self.members.remove(before))
        {
            self.members.insert(identity.clone(), Member { line: Line::default(), ..moved });
        }
        match self.members.get_mut(identity) {
            Some(member) => member.proof = proof.clone(),
            None => {
                // What it is refused for is in the enrolment, which was checked at the start.
                let _ = self.add(identity.clone(), proof.clone(), desired);
            }
        }
    }

    pub(super) fn remove(&mut self, identity: &Identity) -> bool {
        self.members.remove(identity).is_some()
    }

    pub(super) fn get(&self, identity: &Identity) -> Option<&Member> {
        self.members.get(identity)
    }

    pub(super) fn get_mut(&mut self, identity: &Identity) -> Option<&mut Member> {
        self.members.get_mut(identity)
    }

    /// # Errors
    /// 404001.
    pub(super) fn find(&mut self, identity: &Identity) -> Result<&mut Member, ServiceError> {
        self.members.get_mut(identity).ok_or(DEVICE_NOT_FOUND)
    }

    pub(super) fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.members.keys()
    }

    pub(super) fn by_session(&mut self, session: &str) -> Option<(Identity, &mut Member)> {
        let identity = match session.split('/').collect::<Vec<_>>()[..] {
            [hub, device] => Identity::device(hub, device),
            [hub, device, module] => Identity::module(hub, device, module),
            _ => return None,
        };
        let member = self.members.get_mut(&identity)?;
        Some((identity, member))
    }
}
