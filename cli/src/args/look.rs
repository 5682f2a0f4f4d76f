//! With which options does a user look at a connection before using it: credentials, check?

use super::target::Whom;
use crate::exit::CODES;
use clap::Args;
use core::time::Duration;

/// The options of `credentials`.
#[derive(Args, Clone, Debug)]
pub struct CredentialsArguments {
    /// Shows the password. Else it is ***.
    #[arg(long)]
    pub show_secrets: bool,
    /// Writes one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Which device, on which cloud.
    #[command(flatten)]
    pub whom: Whom,
}

/// The options of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArguments {
    /// How long each step may take, in seconds.
    #[arg(short = 'W', long, value_name = "SECONDS", default_value = "10", value_parser = super::seconds)]
    pub timeout: Duration,
    /// Which device, on which cloud.
    #[command(flatten)]
    pub whom: Whom,
}

/// What `credentials --help` says at its end.
pub(super) fn credentials_help() -> String {
    format!(
        "\
A cloud's password is a signature over the user name: the two belong together, and are made anew each time.

Examples:
  skytether credentials --profile skytether-sim/door_tcp.json
  skytether credentials --profile door_device_info.json --show-secrets --json

{CODES}"
    )
}

/// What `check --help` says at its end.
pub(super) fn check_help() -> String {
    format!(
        "\
Examples:
  skytether check --profile door_device_info.json
  skytether check --host broker.example --transport wss --ca ca.pem -u me -P secret

A device that is connected with the same identity loses its connection by a check, for a moment.

{CODES}"
    )
}
