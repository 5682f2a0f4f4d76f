//! Azure IoT: one file for each part of the platform.

pub(super) mod hub;
pub(super) mod identity;
pub(super) mod provisioning;
pub(super) mod update;
