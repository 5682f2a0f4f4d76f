//! Does the command keep what its help promises? Each file asks it of one command or situation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking, and say what they skip"
)]
#![allow(clippy::std_instead_of_alloc, reason = "a program of the host")]

mod failing;
mod home;
mod observer;
mod support;
