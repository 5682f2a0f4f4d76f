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
pub mod check;
pub mod cloud;
pub mod connection;
pub mod credentials;
pub mod demo;
pub mod exit;
pub mod interrupt;
pub mod lines;
pub mod log;
pub mod meaning;
pub mod output;
pub mod packets;
pub mod sim;
pub mod talk;
pub mod target;

use args::{Arguments, Command, demo::Demo};
use clap::CommandFactory as _;
use demo::{alone, cloud::Listen, home};
use exit::Failure;
use interrupt::Interrupt;
use lines::Lines;
use log::{Log, Verbosity};
use output::Output;
use skytether_core::portable::profile::Transport;
use skytether_tokio::Store;
use std::io::{self, Write as _};
use target::{Target, TencentDevice};

/// Does what the command line asks for, until it is done or Ctrl-C asks it to end.
///
/// # Errors
/// [`Failure`] says what went wrong, and with which code to exit.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Start(format!("the runtime could not start: {error}")))?;
    let verbosity = Verbosity::from_count(arguments.verbose);
    runtime.block_on(async {
        let interrupt = Interrupt::listen(restore_terminal);
        match &arguments.command {
            Command::Demo(demo) => tell(demo, &Log::new(io::stdout(), verbosity), &interrupt).await,
            Command::Sim(options) => sim::run(options, console(), &Log::new(io::stdout(), verbosity), &interrupt).await,
            // Their stdout is data: what else there is to say goes to stderr.
            Command::Run(_) | Command::Pub(_) | Command::Sub(_) => {
                talk(&arguments.command, &Log::new(io::stderr(), verbosity), &interrupt).await
            }
            Command::Check(options) => {
                let log = Log::new(io::stdout(), verbosity);
                let target = Target::new(&options.whom)?;
                tokio::select! {
                    checked = check::check(&target, options.timeout, &log) => checked,
                    () = interrupt.first() => Err(Failure::Interrupted),
                }
            }
            Command::Credentials(options) => {
                let shown = credentials::Shown { secrets: options.show_secrets, json: options.json };
                print(credentials::text(&Target::new(&options.whom)?, shown)?.as_bytes());
                Ok(())
            }
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut Arguments::command(), "skytether", &mut script);
                print(&script);
                Ok(())
            }
        }
    })
}

async fn tell(demo: &Demo, log: &Log, interrupt: &Interrupt) -> Result<(), Failure> {
    match demo {
        Demo::Home(options) => home::tell(&options.into(), log, interrupt).await,
        Demo::Central(options) => demo::central::tell(&options.into(), log, interrupt).await,
        Demo::Time(options) => {
            if let Some(profile) = &options.profile {
                let device = TencentDevice::read(profile, &options.way)?;
                return demo::time::ask(&device, log, interrupt).await;
            }
            let transport = options.way.transport.unwrap_or(Transport::Tcp);
            let listen = Listen { transport, port: options.way.port.unwrap_or(0) };
            demo::time::tell(listen, log, interrupt).await
        }
        Demo::Door(options) => {
            let device = TencentDevice::read(&options.device.profile, &options.device.way)?;
            let door = demo::door::Door { device, target: options.target.clone(), python_wire: options.python_wire };
            alone::door(&door, options.action.into(), log, interrupt).await
        }
        Demo::Aircond(options) => {
            let device = TencentDevice::read(&options.device.profile, &options.device.way)?;
            let ticks = options.ticks.map(|ticks| usize::try_from(ticks).unwrap_or(usize::MAX));
            let air_conditioner = demo::aircond::AirConditioner { device, ticks, cues: Vec::new() };
            alone::air_conditioner(&air_conditioner, options.speed, log, interrupt).await
        }
    }
}

async fn talk(command: &Command, log: &Log, interrupt: &Interrupt) -> Result<(), Failure> {
    match command {
        Command::Run(options) => {
            let target = Target::new(&options.whom)?;
            let (lines, out) = (Lines::new(io::stdin()), Output::stdout());
            let store = options.store.as_ref().map(Store::directory).transpose();
            let store = store.map_err(|error| Failure::Start(format!("--store cannot be used: {error}")))?;
            talk::run::run(target, options.stay, store, lines, out, log, interrupt).await
        }
        Command::Pub(options) => {
            let target = Target::new(&options.whom)?;
            let payloads = tokio::select! {
                payloads = options.payloads() => payloads?,
                () = interrupt.first() => return Err(Failure::Interrupted),
            };
            talk::publish::publish(target, &options.publish(), payloads, log, interrupt).await
        }
        Command::Sub(options) => {
            let target = Target::new(&options.whom)?;
            let out = Output::stdout();
            talk::subscribe::subscribe(target, &options.subscribe(), out, log, interrupt).await
        }
        Command::Demo(_)
        | Command::Sim(_)
        | Command::Check(_)
        | Command::Credentials(_)
        | Command::Completions { .. } => Ok(()),
    }
}

/// Writes to stdout at once. A reader that has gone away wants no more of it.
fn print(text: &[u8]) {
    let mut out = io::stdout();
    let _ = out.write_all(text).and_then(|()| out.flush());
}

/// What the user types while a cloud runs: keys where stdin is a terminal, else lines.
fn console() -> sim::Console {
    #[cfg(unix)]
    if let Some(keys) = sim::keys::Keys::new() {
        return sim::Console::Keys(keys);
    }
    sim::Console::Lines(Lines::new(io::stdin()))
}

/// What has to happen before the process ends without destructors.
fn restore_terminal() {
    #[cfg(unix)]
    sim::keys::restore();
}
