//! How clouds let a device prove itself: signatures and their text forms, thin over the digest crates.

pub(crate) mod hex;
pub(crate) mod hmac;
