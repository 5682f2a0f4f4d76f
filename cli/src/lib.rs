//! The command-line tool of skytether as a library: what its commands do, so that tests can call it too.
#![forbid(unsafe_code)]
#![allow(clippy::std_instead_of_alloc, reason = "a program of the host")]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )
)]

pub mod args;
pub mod demo;
pub mod exit;
pub mod log;
pub mod packets;

use args::{Arguments, Command, Demo};
use demo::home;
use exit::Failure;
use log::{Log, Verbosity};
use std::io;
use tokio::signal;

/// Does what the command line asks for, until it is done or Ctrl-C asks it to end.
///
/// # Errors
/// [`Failure`] says what went wrong, and with which code to exit.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Start(format!("the runtime could not start: {error}")))?;
    let log = Log::new(io::stdout(), Verbosity::from_count(arguments.verbose));
    match &arguments.command {
        Command::Demo(Demo::Home(options)) => runtime.block_on(home::tell(&options.into(), &log, interrupt())),
    }
}

/// Ready at Ctrl-C.
async fn interrupt() {
    if signal::ctrl_c().await.is_err() {
        // There is no way to hear of Ctrl-C: it ends the process, as it does by default.
        core::future::pending::<()>().await;
    }
}
