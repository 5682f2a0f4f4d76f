//! How does a cloud run on this machine until Ctrl-C, and how is it told to misbehave meanwhile?

#[cfg(unix)]
pub mod keys;
pub mod orders;

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
    broker::trace::{Happening, Summary, Trace, Way},
    local::{Account, LocalCloud, Options, Ports},
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
    let traces = tokio::spawn(narrate(cloud.handle().trace(), log.clone()));
    let rules = tokio::spawn(tell_rules(news, log.clone()));
    introduce(&cloud, log);
    for fault in &arguments.misbehave {
        obey(cloud.handle(), Order::Misbehave(fault.clone()), log).await;
    }
    log.say("Ready. Ctrl-C ends it.");

    let mut listening = true;
    loop {
        select! {
            () = interrupt.first() => break,
            said = console.next(), if listening => match said {
                Some(Ok(Order::Quit)) => break,
                Some(Ok(order)) => obey(cloud.handle(), order, log).await,
                Some(Err(wrong)) => log.say(wrong),
                None => listening = false,
            },
        }
    }
    // What the terminal was before is what the last lines want.
    drop(console);
    log.say("The cloud closes its connections and ends.");
    cloud.stop().await;
    // Both end with the cloud.
    let _ = tokio::join!(traces, rules);
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

async fn obey(handle: &Handle<Watched>, order: Order, log: &Log) {
    match order {
        Order::Misbehave(fault) => {
            // That it was told, the trace says.
            if let Ok(false) = handle.misbehave(fault.clone()).await {
                log.say(format_args!("{fault}: that client is not connected; `clients` lists who is"));
            }
        }
        Order::Send(topic, text) => {
            if let Ok(Err(rejected)) = handle.publish(&topic, text.as_bytes(), QoS::AtLeastOnce).await {
                log.say(format_args!("nothing was sent: {rejected}"));
            }
        }
        Order::Clients => {
            let clients: Result<Vec<String>, _> =
                handle.with_broker(|broker, _| broker.clients().map(str::to_owned).collect()).await;
            match clients {
                Ok(clients) if !clients.is_empty() => log.say(format_args!("connected: {}", clients.join(", "))),
                Ok(_) => log.say("nobody is connected"),
                // The cloud has stopped, which the next line says.
                Err(_) => {}
            }
        }
        Order::Say(text) => text.lines().for_each(|line| log.say(line)),
        Order::Quit => {}
    }
}

async fn tell_rules(mut news: mpsc::Receiver<News>, log: Log) {
    while let Some(news) = news.recv().await {
        if let News::Rule(entry) = news {
            log.line("cloud", entry);
        }
    }
}

/// Tells what the cloud sees: who comes and goes always, each packet at -v.
async fn narrate(mut traces: Traces, log: Log) {
    while let Some(trace) = traces.next().await {
        if log.shows(Verbosity::Packets) || is_news(&trace) {
            log.line("cloud", trace);
        }
    }
}

fn is_news(trace: &Trace) -> bool {
    matches!(trace.what, Happening::Packet(Way::Out, Summary::ConnAck { .. }))
        || !matches!(trace.what, Happening::Packet(..) | Happening::Opened(_))
}
