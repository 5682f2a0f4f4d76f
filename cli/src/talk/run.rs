//! How does a device run from the command line? Commands come in as JSON lines, events and outcomes go out as such.

use super::{
    command::{self, Asked, Wrong},
    event,
};
use crate::{
    cloud::{Answer, Command, Dialect, Event},
    connection::Connection,
    exit::Failure,
    interrupt::Interrupt,
    lines::{LONGEST, Line, Lines},
    log::Log,
    output::Output,
    target::Target,
};
use serde_json::Value;
use skytether_core::{azure::MethodCall, device, io::Cause};
use skytether_tokio::{Handle, SendError, Store};
use std::collections::BTreeMap;
use tokio::{
    select,
    sync::{mpsc, watch},
};

/// Commands that may wait for the device; more are left on stdin.
const WAITING: usize = 16;
/// Method calls whose answers may be outstanding.
const CALLS: usize = 64;
/// Outcomes that may wait to be written.
const OUTCOMES: usize = 64;

type Id = Option<Value>;
type Outcome = (Id, Result<Answer, SendError>);

/// Runs a device until its commands end (unless it is to `stay`), until it is told to close, until Ctrl-C, or until
/// nobody reads what it tells. All of these are its ordinary end.
///
/// # Errors
/// [`Failure`] where it cannot start, or gave up.
pub async fn run(
    target: Target,
    stay: bool,
    store: Option<Store>,
    mut lines: Lines,
    out: Output,
    log: &Log,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut connection = Connection::remembering(target, store, log)?;
    let (outcome, mut outcomes) = mpsc::channel(OUTCOMES);
    let (up, ready) = watch::channel(false);
    let feeder = feed(connection.handle().clone(), outcome, ready);
    let mut run = Run {
        dialect: connection.dialect().clone(),
        out,
        interrupt,
        feeder: Some(feeder),
        up,
        outstanding: 0,
        line: 0,
        failure: None,
        refused: None,
        calls: BTreeMap::new(),
        called: 0,
    };
    let mut closing = false;
    loop {
        if !closing && run.feeder.is_none() && run.outstanding == 0 {
            closing = true;
            connection.handle().close();
        }
        select! {
            event = connection.next() => match event {
                Some(event) => closing |= run.hear(&connection, &event).await,
                None => break,
            },
            Some((id, outcome)) = outcomes.recv() => run.done(id, &outcome).await,
            line = next_line(run.feeder.as_ref(), &mut lines), if !closing => {
                match line {
                    Some(line) => match run.obey(line).await {
                        Then::Nothing => {}
                        Then::Reconnect => connection.handle().reconnect_now(),
                        Then::Close => run.feeder = None,
                    },
                    None if stay => lines = Lines::endless(),
                    None => run.feeder = None,
                }
            }
            () = run.interrupt.first(), if !closing => closing = true,
            () = run.out.unread(), if !closing => closing = true,
        }
        if closing {
            run.feeder = None;
            connection.handle().close();
        }
    }
    connection.close().await;
    // Whatever still waits for a connection waits no more.
    drop(core::mem::replace(&mut run.up, watch::channel(false).0));
    // The device has ended every command; what is left is on its way here.
    while run.outstanding > 0 {
        let Some((id, outcome)) = outcomes.recv().await else { break };
        run.done(id, &outcome).await;
    }
    run.out.finish().await;
    run.failure.map_or(Ok(()), Err)
}

/// The next line, once there is room for what it may ask; never, when no more are wanted.
async fn next_line(feeder: Option<&mpsc::Sender<(Id, Command)>>, lines: &mut Lines) -> Option<Line> {
    match feeder {
        // An error says that the device takes nothing any more; the answers to further lines say so.
        Some(feeder) => drop(feeder.reserve().await),
        None => core::future::pending().await,
    }
    lines.next().await
}

/// Hands commands to the device in their order, however long that takes, and collects their outcomes.
fn feed(
    handle: Handle<Command, Answer>,
    outcome: mpsc::Sender<Outcome>,
    ready: watch::Receiver<bool>,
) -> mpsc::Sender<(Id, Command)> {
    let (feeder, mut commands) = mpsc::channel::<(Id, Command)>(WAITING);
    tokio::spawn(async move {
        while let Some((id, command)) = commands.recv().await {
            let outcome = outcome.clone();
            if command.needs_connection() {
                // It holds up no other, and waits for a connection rather than fail for want of one.
                let (handle, mut ready) = (handle.clone(), ready.clone());
                tokio::spawn(async move {
                    let connected = ready.wait_for(|up| *up).await.is_ok();
                    let answer = if connected { handle.send(command).await } else { Err(SendError::Gone) };
                    let _ = outcome.send((id, answer)).await;
                });
                continue;
            }
            match handle.submit(command).await {
                Ok(pending) => {
                    tokio::spawn(async move {
                        // An error says that nobody wants to know.
                        let _ = outcome.send((id, pending.await)).await;
                    });
                }
                Err(error) => {
                    let _ = outcome.send((id, Err(error))).await;
                }
            }
        }
    });
    feeder
}

/// What a line leads to beyond the device's commands.
enum Then {
    Nothing,
    Reconnect,
    Close,
}

struct Run<'i> {
    dialect: Dialect,
    out: Output,
    interrupt: &'i Interrupt,
    /// The way to the device; `None` when it takes no more commands.
    feeder: Option<mpsc::Sender<(Id, Command)>>,
    /// Whether there is a connection.
    up: watch::Sender<bool>,
    /// Commands without outcome.
    outstanding: usize,
    line: u64,
    failure: Option<Failure>,
    /// Why the latest connection did not come about, if it was refused.
    refused: Option<Cause>,
    /// Method calls without answer, by their number.
    calls: BTreeMap<u64, MethodCall>,
    called: u64,
}

impl Run<'_> {
    /// Tells of an event. True: this is the end.
    async fn hear(&mut self, connection: &Connection, event: &device::Event<Event>) -> bool {
        if let device::Event::Cloud(Event::Method(call)) = event {
            self.called = self.called.saturating_add(1);
            if self.calls.len() >= CALLS {
                // The oldest has waited longer than its caller does.
                self.calls.pop_first();
            }
            self.calls.insert(self.called, call.clone());
            self.tell(&event::of_call(self.called, call)).await;
            return false;
        }
        self.tell(&event::of_device(event)).await;
        match event {
            device::Event::Ready => {
                self.up.send_replace(true);
                false
            }
            device::Event::Down { cause, .. } => {
                self.up.send_replace(false);
                self.refused = matches!(cause, Cause::Refused(_)).then_some(*cause);
                false
            }
            device::Event::GaveUp(fatal) => {
                self.failure = Some(match self.refused {
                    Some(cause) => connection.no_connection(cause),
                    None => Failure::Configuration { who: connection.who().to_owned(), why: fatal.to_string() },
                });
                true
            }
            device::Event::Dialling(_)
            | device::Event::Up { .. }
            | device::Event::Note(_)
            | device::Event::Cloud(_) => false,
        }
    }

    async fn done(&mut self, id: Id, outcome: &Result<Answer, SendError>) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.tell(&event::of_outcome(id, outcome)).await;
    }

    async fn obey(&mut self, line: Line) -> Then {
        self.line = self.line.saturating_add(1);
        let (id, asked) = match line {
            Line::Bytes(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => return Then::Nothing,
            Line::Bytes(bytes) => command::read(&bytes, &self.dialect),
            Line::TooLong => {
                let what = format!("the line has more than {LONGEST} bytes");
                (None, Err(Wrong { what, fix: "send less in one message".to_owned() }))
            }
            Line::Broken(why) => {
                let what = format!("stdin cannot be read: {why}");
                (None, Err(Wrong { what, fix: "start again with another input".to_owned() }))
            }
        };
        let asked = asked.and_then(|asked| match asked {
            Asked::Answer { call, status, payload } => match self.calls.remove(&call) {
                Some(call) => Ok(Asked::Say(Command::Azure(call.answer(status, payload)))),
                None => Err(Wrong {
                    what: format!("there is no call {call} that waits for an answer"),
                    fix: "write the number that its event had, once".to_owned(),
                }),
            },
            other @ (Asked::Say(_) | Asked::Reconnect | Asked::Close) => Ok(other),
        });
        match asked {
            // An answer has become a command above.
            Ok(Asked::Answer { .. }) => Then::Nothing,
            Ok(Asked::Say(command)) => {
                self.outstanding = self.outstanding.saturating_add(1);
                let handed_in = match &self.feeder {
                    Some(feeder) => feeder.send((id.clone(), command)).await.is_ok(),
                    None => false,
                };
                if !handed_in {
                    self.done(id, &Err(SendError::Gone)).await;
                }
                Then::Nothing
            }
            Ok(Asked::Reconnect) => Then::Reconnect,
            Ok(Asked::Close) => Then::Close,
            Err(wrong) => {
                self.tell(&event::of_wrong(self.line, id, &wrong)).await;
                Then::Nothing
            }
        }
    }

    /// Writes a line. After Ctrl-C, one that does not fit is left out: a reader that has stopped holds up no end.
    async fn tell(&self, line: &Value) {
        select! {
            biased;
            // That nobody reads is seen by the loop.
            _ = self.out.write(event::bytes(line)) => {}
            () = self.interrupt.first() => {}
        }
    }
}
