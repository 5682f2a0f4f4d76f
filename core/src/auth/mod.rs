//! How clouds let a device prove itself: signatures and their text forms, thin over the digest crates.

#[cfg(feature = "tencent")]
pub(crate) mod hex;
pub(crate) mod hmac;
