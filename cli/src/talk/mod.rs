//! Talking to a cloud from the command line: as JSON lines, as one message, as a subscriber.

pub mod command;
pub mod event;
pub mod publish;
pub mod run;
pub mod subscribe;
