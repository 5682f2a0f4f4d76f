//! MQTT on its own: topics, the codec, and the client session that is a link.

pub mod codec;
pub mod session;
pub mod topic;
