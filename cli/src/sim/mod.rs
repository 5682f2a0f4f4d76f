//! How does a cloud run on this machine until Ctrl-C, and how is it told to misbehave meanwhile?

#[cfg(unix)]
pub mod keys;
pub mod orders;
pub mod portal;

use crate::{
    args::sim::SimArguments,
    demo::observer::{News, Watched},
    exit::Failure,
    interrupt::Interrupt,
    log::{Log, Verbosity},
};
use orders::{Order, Said};
use skytether_core::link::QoS;
use skytether_simulator::{
    azure::AzureCloud,
    broker::policy::Policy,
    broker::trace::{Happening, Summary, Trace, Way},
    local::{
        Account, LocalCloud, Options, Ports,
        azure::{self as local_azure, LocalAzure},
    },
    server::{Handle, Traces},
};
use std::fs;
use tokio::{select, sync::mpsc};

/// Pieces of news that may wait for the log.
const NEWS: usize = 1024;

/// What the user types while the cloud runs.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "the command line builds it")]
pub enum Console {
    /// Orders, one a line.
    Lines(crate::lines::Lines),
    /// Single keys of a terminal.
    #[cfg(unix)]
    Keys(keys::Keys),
}

impl Console {
    /// The next order; `None` at the end of the input. Safe to drop before it is ready.
    async fn next(&mut self) -> Option<Said> {
        match self {
            Self::Lines(lines) => loop {
                if let Some(said) = orders::of_line(lines.next().await?) {
                    return Some(said);
                }
            },
            #[cfg(unix)]
            Self::Keys(keys) => keys.next().await,
        }
    }
}

/// Runs the cloud until Ctrl-C or `quit`.
///
/// # Errors
/// [`Failure::Start`] says what cannot be used: a port, a folder, an account.
pub async fn run(
    arguments: &SimArguments,
    mut console: Console,
    log: &Log,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let (tell, news) = mpsc::channel(NEWS);
    let options = Options {
        account: account(arguments)?,
        ip: arguments.listen,
        ports: Ports {
            tcp: arguments.port,
            tls: arguments.tls_port,
            websocket: arguments.ws_port,
            secure_websocket: arguments.wss_port,
        },
        ..Options::new(&arguments.dir)
    };
    let cloud = LocalCloud::wrapped(options, |cloud| Watched::new(cloud, tell)).await;
    let cloud = cloud.map_err(|error| Failure::Start(format!("the cloud cannot start: {error}")))?;
    let azure = LocalAzure::start(of_azure(arguments)).await;
    let azure = azure.map_err(|error| Failure::Start(format!("the local Azure cannot start: {error}")))?;
    let traces = tokio::spawn(narrate("cloud", cloud.handle().trace(), log.clone()));
    let azure_traces = tokio::spawn(narrate("azure", azure.handle().trace(), log.clone()));
    let rules = tokio::spawn(tell_rules(news, log.clone()));
    introduce(&cloud, log);
    introduce_azure(&azure, log);
    for fault in &arguments.misbehave {
        obey(cloud.handle(), azure.handle(), Order::Misbehave(fault.clone()), log).await;
    }
    log.say("Ready. Ctrl-C ends it.");

    let mut listening = true;
    loop {
        select! {
            () = interrupt.first() => break,
            said = console.next(), if listening => match said {
                Some(Ok(Order::Quit)) => break,
                Some(Ok(order)) => obey(cloud.handle(), azure.handle(), order, log).await,
                Some(Err(wrong)) => log.say(wrong),
                None => listening = false,
            },
        }
    }
    // What the terminal was before is what the last lines want.
    drop(console);
    log.say("The clouds close their connections and end.");
    tokio::join!(cloud.stop(), azure.stop());
    // All of them end with the clouds.
    let _ = tokio::join!(traces, azure_traces, rules);
    Ok(())
}

fn account(arguments: &SimArguments) -> Result<Account, Failure> {
    let Some(path) = &arguments.account else { return Ok(Account::home()) };
    let broken =
        |why: &dyn core::fmt::Display| Failure::Configuration { who: path.display().to_string(), why: why.to_string() };
    let file = zeroize::Zeroizing::new(
        fs::read(path).map_err(|error| broken(&format_args!("the file cannot be read: {error}")))?,
    );
    Account::parse(&file).map_err(|error| broken(&error))
}

fn introduce(cloud: &LocalCloud<Watched>, log: &Log) {
    for line in cloud.to_string().lines() {
        log.say(line);
    }
    let profile = cloud.files().devices.first().and_then(|device| device.profiles.last());
    if let Some((_, profile)) = profile {
        log.say(format_args!("Try: skytether check --profile {}", profile.display()));
    }
}

fn of_azure(arguments: &SimArguments) -> local_azure::Options {
    local_azure::Options {
        ip: arguments.listen,
        ports: local_azure::Ports {
            tls: arguments.azure_port,
            https: arguments.azure_https_port,
            ..local_azure::Ports::default()
        },
        ..local_azure::Options::new(&arguments.dir)
    }
}

fn introduce_azure(azure: &LocalAzure, log: &Log) {
    for line in azure.to_string().lines() {
        log.say(line);
    }
    let profile = azure.files().devices.first().and_then(|device| device.profiles.first());
    if let Some((_, profile)) = profile {
        log.say(format_args!("Try: skytether run --stay --profile {}", profile.display()));
    }
}

async fn obey(handle: &Handle<Watched>, azure: &Handle<AzureCloud>, order: Order, log: &Log) {
    match order {
        Order::Portal(order) => portal::obey(azure, order, log).await,
        Order::Misbehave(fault) => {
            // That they were told, the traces say.
            let told = (handle.misbehave(fault.clone()).await, azure.misbehave(fault.clone()).await);
            if told == (Ok(false), Ok(false)) {
                log.say(format_args!("{fault}: that client is not connected; `clients` lists who is"));
            }
        }
        Order::Send(topic, text) => {
            if let Ok(Err(rejected)) = handle.publish(&topic, text.as_bytes(), QoS::AtLeastOnce).await {
                log.say(format_args!("nothing was sent: {rejected}"));
            }
        }
        Order::Clients => {
            let mut clients = clients(handle).await;
            clients.extend(self::clients(azure).await);
            match &clients[..] {
                [] => log.say("nobody is connected"),
                clients => log.say(format_args!("connected: {}", clients.join(", "))),
            }
        }
        Order::Say(text) => text.lines().for_each(|line| log.say(line)),
        Order::Quit => {}
    }
}

/// Who is connected; nobody, where the cloud has stopped.
async fn clients<P: Policy>(handle: &Handle<P>) -> Vec<String> {
    handle.with_broker(|broker, _| broker.clients().map(str::to_owned).collect()).await.unwrap_or_default()
}

async fn tell_rules(mut news: mpsc::Receiver<News>, log: Log) {
    while let Some(news) = news.recv().await {
        if let News::Rule(entry) = news {
            log.line("cloud", entry);
        }
    }
}

/// Tells what the cloud sees: who comes and goes always, each packet at -v.
async fn narrate(who: &'static str, mut traces: Traces, log: Log) {
    while let Some(trace) = traces.next().await {
        if log.shows(Verbosity::Packets) || is_news(&trace) {
            log.line(who, trace);
        }
    }
}

fn is_news(trace: &Trace) -> bool {
    matches!(trace.what, Happening::Packet(Way::Out, Summary::ConnAck { .. }))
        || !matches!(trace.what, Happening::Packet(..) | Happening::Opened(_))
}
