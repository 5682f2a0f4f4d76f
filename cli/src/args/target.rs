//! With which options does a user say which device on which cloud, and by which way?

use clap::Args;
use core::convert::Infallible;
use skytether_core::{portable::profile::Transport, secret::Secret};
use std::path::PathBuf;

/// The way to a cloud: what replaces a profile's own words, or an ordinary broker's defaults.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "The way there")]
pub struct Way {
    /// Connects to this host name or address instead.
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Connects to this port instead; else it follows from the transport: 1883 tcp, 8883 tls, 80 ws, 443 wss.
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// How packets travel: tcp, tls, ws (WebSocket) or wss.
    #[arg(long, value_name = "NAME")]
    pub transport: Option<Transport>,
    /// Trusts the CA certificates in this PEM file, and no others: they replace the system's.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Shows the client certificate in this PEM file.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The private key of --cert: a PEM file, not encrypted.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
}

/// A device of a cloud, by its file.
#[derive(Args, Clone, Debug)]
pub struct ProfileArgument {
    /// The device: a profile (`{"cloud": "tencent", "device_info": …}`, as `skytether sim` writes them), or the
    /// vendor's own `device_info.json`, which means the real cloud.
    #[arg(long, value_name = "FILE")]
    pub profile: PathBuf,
    /// The way there.
    #[command(flatten)]
    pub way: Way,
}

/// A device of a cloud, or a client of an ordinary broker.
#[derive(Args, Clone, Debug, Default)]
pub struct Whom {
    /// The device: a profile (as `skytether sim` writes them; `{"cloud": "azure", "connection_string": …}` is one), or
    /// Tencent's own `device_info.json`, which means the real cloud. Without it, an ordinary MQTT broker is meant, on localhost unless --host says otherwise.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// The way there.
    #[command(flatten)]
    pub way: Way,
    /// Who one is at an ordinary broker.
    #[command(flatten)]
    pub broker: Broker,
}

/// Who one is at an ordinary broker.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "At an ordinary broker (without --profile)")]
pub struct Broker {
    /// The client id. Default: one made up for this run.
    #[arg(short, long, value_name = "ID", conflicts_with = "profile")]
    pub id: Option<String>,
    /// The user name.
    #[arg(short, long, value_name = "NAME", conflicts_with = "profile")]
    pub username: Option<String>,
    /// The password. Other users of this machine may see it in the list of processes: --password-file hides it.
    #[arg(short = 'P', long, value_name = "TEXT", value_parser = secret, requires = "username")]
    #[arg(conflicts_with_all = ["profile", "password_file"])]
    pub password: Option<Secret>,
    /// A file whose first line is the password.
    #[arg(long, value_name = "FILE", requires = "username", conflicts_with = "profile")]
    pub password_file: Option<PathBuf>,
    /// Keep alive, in seconds; 0 switches it off. Default 60.
    #[arg(short, long, value_name = "SECONDS", conflicts_with = "profile")]
    pub keepalive: Option<u16>,
    /// Keeps the session at the broker when the connection ends; needs --id.
    #[arg(short = 'c', long, requires = "id", conflicts_with = "profile")]
    pub keep_session: bool,
    /// The path of the WebSocket. Default /mqtt.
    #[arg(long, value_name = "PATH", conflicts_with = "profile")]
    pub path: Option<String>,
}

#[allow(clippy::unnecessary_wraps, reason = "the form that clap wants")]
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}
