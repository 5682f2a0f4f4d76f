//! Does the command keep what its help promises? Each file asks it of one command or situation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, say what they skip, and wait for the real world"
)]
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "a program of the host")]

mod central;
// The tests of commands that run until they are told to end tell them by signals.
#[cfg(unix)]
mod check;
mod failing;
#[cfg(unix)]
mod halves;
mod home;
#[cfg(unix)]
mod keys;
#[cfg(unix)]
mod lines;
#[cfg(unix)]
mod look;
mod observer;
#[cfg(unix)]
mod pubsub;
#[cfg(unix)]
mod sim;
mod support;
mod time;
