//! What the task does that owns the broker: pipes' reports in, bytes out, time.

use super::{
    Config,
    handle::Handle,
    listener::{Arrival, Bound},
    pipe::{AnyStream, Line, Pipe},
};
use crate::broker::{
    Broker, ConnId,
    fault::{Fault, Whom},
    policy::{Peer, Policy},
    trace::{Happening, Trace},
};
use core::{future::pending, time::Duration};
use skytether_core::time::{Instant, UnixMillis};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::SystemTime,
};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    task::JoinSet,
    time::{Instant as Clock, sleep_until, timeout},
};

/// Most bytes given to a writer at once.
const CHUNK: usize = 64 * 1024;

/// How long a connection that is to be closed may take to write what is left.
const GRACE: Duration = Duration::from_secs(1);

/// What the tasks of a connection tell.
#[derive(Debug)]
pub(super) enum Report {
    Bytes(ConnId, Vec<u8>),
    Wrote(ConnId),
    /// The pipe has ended, or broke.
    Gone(ConnId, Option<io::Error>),
    /// The time for closing it is over.
    Overdue(ConnId),
}

/// A call with the broker and its time.
pub(super) type Act<P> = Box<dyn FnOnce(&mut Broker<P>, Instant) + Send>;

/// What a [`Handle`] asks.
pub(super) enum Command<P: Policy> {
    Act(Act<P>),
    Attach(AnyStream, Peer),
    Misbehave(Fault, oneshot::Sender<bool>),
    Freeze { client_id: String, stop: bool, answer: oneshot::Sender<bool> },
    Stop,
}

/// The owner of the broker.
pub(super) struct Front<P: Policy> {
    broker: Broker<P>,
    arrivals: mpsc::Receiver<Arrival>,
    /// What listens, one task a port.
    listeners: JoinSet<()>,
    started: Clock,
    pipes: BTreeMap<ConnId, Pipe>,
    next: u64,
    commands: mpsc::Receiver<Command<P>>,
    reports: mpsc::Receiver<Report>,
    report: mpsc::Sender<Report>,
    traces: broadcast::Sender<Trace>,
    tasks: JoinSet<()>,
    /// By how much everything is sent late, by order.
    delay: Duration,
    /// When whose late bytes may leave.
    wakes: BTreeSet<(Clock, ConnId)>,
    /// Whether new connections are dead lines, by order.
    mute: bool,
}

impl<P> Front<P>
where
    P: Policy + Send + 'static,
    P::Identity: Send,
{
    pub(super) fn new(policy: P, config: Config, bound: Vec<Bound>) -> (Self, Handle<P>) {
        let (command, commands) = mpsc::channel(64);
        let (report, reports) = mpsc::channel(256);
        let (arrival, arrivals) = mpsc::channel(16);
        let mut listeners = JoinSet::new();
        for port in bound {
            listeners.spawn(port.run(arrival.clone()));
        }
        let (traces, _) = broadcast::channel(config.traces.max(1));
        let handle = Handle::new(command, traces.downgrade());
        let front = Self {
            broker: Broker::new(policy, config.broker, Instant::ZERO, wall()),
            arrivals,
            listeners,
            started: Clock::now(),
            pipes: BTreeMap::new(),
            next: 1,
            commands,
            reports,
            report,
            traces,
            tasks: JoinSet::new(),
            delay: Duration::ZERO,
            wakes: BTreeSet::new(),
            mute: false,
        };
        (front, handle)
    }

    pub(super) async fn run(mut self) {
        while self.turn().await {
            while self.tasks.try_join_next().is_some() {}
            self.flush();
            self.tell();
        }
        self.finish().await;
    }

    /// Waits for one thing to happen and hands it to the broker. False: to stop.
    async fn turn(&mut self) -> bool {
        let deadline = self.broker.deadline().map(|deadline| self.started + Duration::from_millis(deadline.at.0));
        let wake = self.wakes.first().map(|(at, _)| *at);
        let deadline = [deadline, wake].into_iter().flatten().min();
        let time = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            Some(arrival) = self.arrivals.recv() => self.welcome(arrival),
            Some(report) = self.reports.recv() => self.hear(report),
            command = self.commands.recv() => match command {
                None | Some(Command::Stop) => return false,
                Some(command) => self.obey(command),
            },
            () = time => {}
        }
        let now = self.now();
        self.broker.set_wall(now, wall());
        if self.broker.deadline().is_some_and(|deadline| deadline.at <= now) {
            self.broker.tick(now);
        }
        self.wake();
        true
    }

    fn welcome(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Pipe(stream, peer) => self.attach(stream, peer),
            Arrival::TurnedAway { address, transport, why } => {
                self.tell_at(None, Happening::TurnedAway { address, transport, why });
            }
        }
    }

    fn attach(&mut self, stream: AnyStream, peer: Peer) {
        let conn = ConnId(self.next);
        self.next = self.next.wrapping_add(1);
        let tasks = &mut self.tasks;
        let mut pipe = Pipe::new(conn, stream, &self.report, |reader, writer| {
            tasks.spawn(reader.run());
            tasks.spawn(writer.run());
        });
        if self.mute {
            pipe.line = Line::Dead;
        }
        self.pipes.insert(conn, pipe);
        self.broker.connect(self.now(), conn, peer);
    }

    fn hear(&mut self, report: Report) {
        let now = self.now();
        match report {
            Report::Bytes(conn, bytes) => match self.pipes.get_mut(&conn) {
                Some(pipe) if pipe.line != Line::Live => {
                    pipe.line = Line::Missed;
                    pipe.took();
                    pipe.pay();
                }
                Some(pipe) if pipe.frozen => pipe.held.push(bytes),
                Some(_) => self.take(conn, &bytes),
                None => {}
            },
            Report::Wrote(conn) => {
                let Some(pipe) = self.pipes.get_mut(&conn) else { return };
                let len = core::mem::take(&mut pipe.writing);
                pipe.lag.leave(len);
                self.broker.sent(now, conn, len);
                if self.broker.wants_bytes(conn) {
                    pipe.pay();
                }
                self.write(conn);
            }
            Report::Gone(conn, error) => {
                if let Some(error) = error.filter(is_telling)
                    && self.pipes.contains_key(&conn)
                {
                    self.tell_at(Some(conn), Happening::Broken(error.to_string()));
                }
                self.drop_pipe(conn);
            }
            Report::Overdue(conn) => self.drop_pipe(conn),
        }
    }

    /// Hands a chunk to the broker.
    fn take(&mut self, conn: ConnId, bytes: &[u8]) {
        self.broker.receive(self.now(), conn, bytes);
        if let Some(pipe) = self.pipes.get_mut(&conn) {
            pipe.took();
            if self.broker.wants_bytes(conn) {
                pipe.pay();
            }
        }
    }

    /// Reads a client no more, or again. False: it is not connected.
    fn freeze(&mut self, client_id: &str, stop: bool) -> bool {
        let Some(conn) = self.broker.connection_of(client_id) else { return false };
        let Some(pipe) = self.pipes.get_mut(&conn) else { return false };
        pipe.frozen = stop;
        if !stop {
            for chunk in core::mem::take(&mut pipe.held) {
                self.take(conn, &chunk);
            }
        }
        true
    }

    fn obey(&mut self, command: Command<P>) {
        match command {
            Command::Act(act) => {
                let now = self.now();
                act(&mut self.broker, now);
            }
            Command::Attach(stream, peer) => self.attach(stream, peer),
            Command::Freeze { client_id, stop, answer } => {
                // Whoever asked may have lost interest.
                let _ = answer.send(self.freeze(&client_id, stop));
            }
            Command::Misbehave(fault, answer) => {
                // Whoever asked may have lost interest.
                let _ = answer.send(self.misbehave(&fault));
            }
            Command::Stop => {}
        }
    }

    /// Carries out what concerns pipes; the broker does the rest.
    fn misbehave(&mut self, fault: &Fault) -> bool {
        let done = self.broker.misbehave(self.now(), fault);
        match fault {
            Fault::Delay(delay) => self.delay = *delay,
            Fault::Silence(whom) => self.silence(whom, true),
            Fault::Speak(whom) => self.silence(whom, false),
            Fault::Behave => {
                self.delay = Duration::ZERO;
                self.silence(&Whom::Everyone, false);
            }
            Fault::Refuse(..)
            | Fault::Admit
            | Fault::Drop(_)
            | Fault::DropEvery(_)
            | Fault::DropAfter(_)
            | Fault::Throttle(_)
            | Fault::TakeOver(_)
            | Fault::Revoke(_)
            | Fault::Restore(_)
            | Fault::Corrupt(_) => {}
        }
        done
    }

    /// Lets lines die, or live again; where something was missed meanwhile, they end.
    fn silence(&mut self, whom: &Whom, mute: bool) {
        let meant: Vec<ConnId> = match whom {
            Whom::Client(client) => self.broker.connection_of(client).into_iter().collect(),
            Whom::Everyone => {
                self.mute = mute;
                self.pipes.keys().copied().collect()
            }
        };
        for conn in meant {
            let Some(pipe) = self.pipes.get_mut(&conn) else { continue };
            if mute {
                if pipe.line == Line::Live {
                    pipe.line = Line::Dead;
                }
                continue;
            }
            if core::mem::replace(&mut pipe.line, Line::Live) == Line::Missed {
                self.tell_at(Some(conn), Happening::Broken("something was missed in the silence".to_owned()));
                self.drop_pipe(conn);
            } else {
                self.write(conn);
            }
        }
    }

    /// Writes what was late and is due.
    fn wake(&mut self) {
        let now = Clock::now();
        while let Some((at, conn)) = self.wakes.pop_first() {
            if at > now {
                self.wakes.insert((at, conn));
                return;
            }
            self.write(conn);
        }
    }

    /// Writes and closes where the broker has something to write or to close.
    fn flush(&mut self) {
        while let Some(conn) = self.broker.next_ready() {
            self.write(conn);
        }
    }

    fn write(&mut self, conn: ConnId) {
        let Some(pipe) = self.pipes.get_mut(&conn) else { return };
        if pipe.line != Line::Live {
            return;
        }
        let ending = self.broker.wants_close(conn).is_some();
        let waiting = self.broker.transmit(conn);
        let now = Clock::now();
        if let Some(at) = pipe.lag.notice(waiting.len(), now, self.delay) {
            self.wakes.insert((at, conn));
        }
        if pipe.writing == 0 {
            if waiting.is_empty() {
                if ending {
                    self.drop_pipe(conn);
                }
                return;
            }
            let chunk = waiting.get(..pipe.lag.allowed(waiting.len(), now).min(CHUNK)).unwrap_or(waiting);
            if !chunk.is_empty() {
                pipe.writing = chunk.len();
                // An error: the writer has gone, and its report is on the way.
                let _ = pipe.out.try_send(chunk.to_vec());
            }
        }
        if ending && !core::mem::replace(&mut pipe.closing, true) {
            let report = self.report.clone();
            let until = pipe.lag.last().unwrap_or(now) + GRACE;
            self.tasks.spawn(async move {
                sleep_until(until).await;
                // An error says that the server has stopped.
                let _ = report.send(Report::Overdue(conn)).await;
            });
        }
    }

    /// Lets go of a pipe: its tasks finish by themselves.
    fn drop_pipe(&mut self, conn: ConnId) {
        if self.pipes.remove(&conn).is_some() {
            self.broker.closed(self.now(), conn);
        }
    }

    /// Tells what the broker knows nothing of.
    fn tell_at(&mut self, conn: Option<ConnId>, what: Happening) {
        self.tell();
        // An error says that nobody listens.
        let _ = self.traces.send(Trace { at: self.now(), conn, client: None, what });
    }

    /// Passes the trace on.
    fn tell(&mut self) {
        while let Some(trace) = self.broker.next_trace() {
            // An error says that nobody listens.
            let _ = self.traces.send(trace);
        }
    }

    /// Writes what waits, hears nothing more, and ends every task.
    async fn finish(mut self) {
        self.flush();
        let written = async {
            while self.pipes.values().any(|pipe| pipe.writing > 0) {
                match self.reports.recv().await {
                    Some(Report::Bytes(..)) | None => {}
                    Some(report) => self.hear(report),
                }
            }
        };
        // Who does not read in this time loses what is left.
        let _ = timeout(GRACE, written).await;
        self.tell();
        self.pipes.clear();
        self.listeners.shutdown().await;
        drop(self.reports);
        let tasks = &mut self.tasks;
        let _ = timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await;
        self.tasks.shutdown().await;
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// Whether an error says more than that the other side is gone.
fn is_telling(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Other)
}

#[allow(clippy::disallowed_methods, reason = "the server is where the real wall time comes in")]
fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
