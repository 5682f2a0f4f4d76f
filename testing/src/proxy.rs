//! A network that misbehaves on request, between a client and a broker that may be killed and come back elsewhere.

use crate::broker::{Broker, signal};
use rustix::process::Signal;
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// What happens to one direction of one connection.
#[derive(Clone, Copy, Default)]
pub struct Fault {
    /// Forwards at most so many bytes at once.
    pub piece: Option<usize>,
    /// Waits before each piece.
    pub delay: Duration,
    /// Ends the connection after exactly so many bytes.
    pub cut: Option<(usize, End)>,
    /// Forwards no more after so many bytes, and keeps the connection.
    pub stall: Option<usize>,
}

/// How a connection is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// In order.
    Fin,
    /// By a reset.
    Rst,
}

/// What happens to one connection.
#[derive(Clone, Copy, Default)]
pub struct Plan {
    /// From the client to the broker.
    pub up: Fault,
    /// From the broker to the client.
    pub down: Fault,
    /// Holds what the broker says until its state of that moment is in its file.
    ///
    /// A broker that is killed loses what it acknowledged and had not saved; that loss is its own, and a count that
    /// includes it says nothing of us. Behind this gate a client sees no acknowledgement that a kill could undo,
    /// whenever it comes: as if the broker wrote before it spoke.
    pub durable: bool,
}

/// Where the broker is now; `None` while it is dead.
#[derive(Clone, PartialEq, Eq)]
struct Place {
    port: u16,
    process: u32,
    database: PathBuf,
}

/// The network between clients and one broker; gone when it is dropped.
pub struct Proxy {
    /// Where clients find it.
    pub port: u16,
    /// Connections so far.
    pub connections: Arc<AtomicUsize>,
    /// Bytes that went through: up, down.
    pub bytes: Arc<[AtomicUsize; 2]>,
    place: watch::Sender<Option<Place>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Stands before `broker`, before its WebSocket where it has one; `plan` says what happens to the connection of this number, counted from 0.
    pub async fn new(broker: &Broker, plan: impl Fn(usize) -> Plan + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (place, seen) = watch::channel(Some(Place::of(broker)));
        let connections = Arc::new(AtomicUsize::new(0));
        let bytes = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let (count, total) = (Arc::clone(&connections), Arc::clone(&bytes));
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let plan = plan(count.fetch_add(1, Ordering::Relaxed));
                let place = seen.borrow().clone();
                // Without a broker the connection is dropped: refused, as far as the client can see.
                if let Some(place) = place {
                    tokio::spawn(carry(client, place, seen.clone(), plan, Arc::clone(&total)));
                }
            }
        });
        Self { port, connections, bytes, place, task }
    }

    /// The broker is about to die: from this moment on nothing of it reaches a client, and every connection ends.
    pub fn broker_dies(&self) {
        self.place.send_replace(None);
    }

    /// The broker is back.
    pub fn broker_is_back(&self, broker: &Broker) {
        self.place.send_replace(Some(Place::of(broker)));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Place {
    fn of(broker: &Broker) -> Self {
        Self { port: broker.websocket, process: broker.process(), database: broker.database() }
    }

    /// Makes the broker save, and waits for a file that it began after this call.
    async fn save(&self) {
        // It is single-threaded, so a save is never under way while it speaks; what is in the file's name now is a
        // save from before, and the next one holds all that it knew when it spoke.
        let before = stamp(&self.database);
        for wait in 0_u32.. {
            if wait % 20 == 0 {
                signal(Some(self.process), Signal::USR1);
            }
            sleep(Duration::from_millis(1)).await;
            let now = stamp(&self.database);
            if now.is_some() && now != before {
                return;
            }
        }
    }
}

fn stamp(file: &Path) -> Option<(u64, i64, i64)> {
    fs::metadata(file).ok().map(|found| (found.ino(), found.mtime(), found.mtime_nsec()))
}

async fn carry(
    client: TcpStream,
    place: Place,
    mut seen: watch::Receiver<Option<Place>>,
    plan: Plan,
    total: Arc<[AtomicUsize; 2]>,
) {
    let Ok(broker) = TcpStream::connect(("127.0.0.1", place.port)).await else { return };
    let _ = (client.set_nodelay(true), broker.set_nodelay(true));
    if [plan.up.cut, plan.down.cut].into_iter().flatten().any(|(_, end)| end == End::Rst) {
        let _ = (client.set_zero_linger(), broker.set_zero_linger());
    }
    let (client_in, client_out) = client.into_split();
    let (broker_in, broker_out) = broker.into_split();
    // Whichever ends first ends both, and with them the connection.
    tokio::select! {
        () = pump(client_in, broker_out, plan.up, None, &total[0]) => {}
        () = pump(broker_in, client_out, plan.down, plan.durable.then_some(&place), &total[1]) => {}
        _ = seen.wait_for(|now| now.as_ref() != Some(&place)) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    fault: Fault,
    gate: Option<&Place>,
    total: &AtomicUsize,
) {
    let mut buffer = vec![0; fault.piece.unwrap_or(64 * 1024)];
    let mut passed = 0;
    loop {
        let stop = [fault.cut.map(|(at, _)| at), fault.stall].into_iter().flatten().min();
        let left = stop.map_or(buffer.len(), |at| buffer.len().min(at - passed));
        if left == 0 {
            if fault.stall == Some(passed) {
                std::future::pending::<()>().await;
            }
            return;
        }
        let Ok(len @ 1..) = from.read(&mut buffer[..left]).await else { return };
        if !fault.delay.is_zero() {
            sleep(fault.delay).await;
        }
        if let Some(place) = gate {
            place.save().await;
        }
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
        passed += len;
        total.fetch_add(len, Ordering::Relaxed);
    }
}
