//! What can go wrong, and how a seed chooses what goes wrong when.

use crate::{
    pipe::{Direction, Noise, Seen, Shape},
    store::Crash,
};
use core::time::Duration;
use skytether_core::{io::Cause, rng::Rng, time::Instant};
use skytether_simulator::modem;

/// One thing that goes wrong, or is made right again.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "tests build it, the world matches it")]
pub enum Fault {
    /// The device's pipe, the one it has or else its next, breaks once so many more bytes were delivered in one
    /// direction. What is on its way is lost.
    Cut {
        /// Device.
        device: usize,
        /// The direction whose bytes are counted.
        direction: Direction,
        /// Bytes that still arrive.
        after: u64,
        /// Who sees it when.
        seen: Seen,
    },
    /// Nothing arrives in this direction for so long; then all of it does.
    Stall {
        /// Device.
        device: usize,
        /// Direction.
        direction: Direction,
        /// How long.
        time: Duration,
    },
    /// The pipes of the device have this shape from now on.
    Reshape {
        /// Device.
        device: usize,
        /// The shape.
        shape: Shape,
    },
    /// Opening a pipe fails with this cause for so long.
    Refuse {
        /// Device.
        device: usize,
        /// What the driver tells.
        cause: Cause,
        /// How long.
        time: Duration,
    },
    /// The device's modem misbehaves.
    Modem {
        /// Device.
        device: usize,
        /// How.
        fault: modem::Fault,
    },
    /// The next bytes on the device's serial line are spoilt.
    Noise {
        /// Device.
        device: usize,
        /// In this direction: `Up` is what the device says.
        direction: Direction,
        /// How many.
        bytes: u16,
        /// How.
        noise: Noise,
    },
    /// The broker forgets the device's session, and the connection with it.
    Wipe {
        /// Device.
        device: usize,
    },
    /// The broker stops, accepts nothing for a time, and starts again.
    Restart {
        /// Until it accepts again.
        down: Duration,
        /// Whether it has its sessions still.
        keep: bool,
        /// When devices notice that it went; `None`: not by themselves.
        seen: Option<Duration>,
    },
    /// Somebody else connects with the device's own CONNECT and stays for a time.
    Takeover {
        /// Device.
        device: usize,
        /// How long.
        stay: Duration,
    },
    /// The device loses its power, and starts anew from its store.
    PowerCut {
        /// Device.
        device: usize,
        /// Until it runs again.
        down: Duration,
        /// Whether the broker is told by the transport; else the connection is half open.
        told: bool,
    },
    /// The power goes in the `nth` write from now (0: the next); the device is back after `down`.
    CrashInWrite {
        /// Device.
        device: usize,
        /// Which.
        nth: u64,
        /// Before or after it is safe.
        crash: Crash,
        /// Until it runs again.
        down: Duration,
    },
    /// The next writes fail.
    StoreFails {
        /// Device.
        device: usize,
        /// How many.
        writes: u32,
    },
    /// Writes and loads take so long from now on.
    StoreSlow {
        /// Device.
        device: usize,
        /// How long.
        delay: Duration,
    },
}

/// Which kinds of faults a schedule has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, clippy::struct_excessive_bools, reason = "independent choices of a test")]
pub struct Mix {
    /// Cuts, stalls, refusals, half open connections, changing shapes.
    pub network: bool,
    /// The broker restarts with its sessions.
    pub restarts: bool,
    /// The broker loses sessions: of one device, or all in a restart.
    pub wipes: bool,
    /// Strangers take the client id over.
    pub takeovers: bool,
    /// Slow stores and failing writes.
    pub store: bool,
    /// Devices lose their power, in the middle of writes too.
    pub power: bool,
    /// Modems misbehave.
    pub modem: bool,
}

impl Mix {
    /// All that can happen to a device without a modem.
    pub const ALL: Self =
        Self { network: true, restarts: true, wipes: true, takeovers: true, store: true, power: true, modem: false };
    /// The network alone.
    pub const NETWORK: Self = Self {
        network: true,
        restarts: false,
        wipes: false,
        takeovers: false,
        store: false,
        power: false,
        modem: false,
    };

    fn kinds(self) -> Vec<Kind> {
        let mut kinds = Vec::new();
        let mut also = |wanted: bool, more: &[Kind]| kinds.extend(more.iter().copied().filter(|_| wanted));
        also(self.network, &[Kind::Cut, Kind::Cut, Kind::Cut, Kind::Stall, Kind::Reshape, Kind::Refuse]);
        also(self.restarts, &[Kind::RestartKept]);
        also(self.wipes, &[Kind::Wipe, Kind::RestartWiped]);
        also(self.takeovers, &[Kind::Takeover]);
        also(self.store, &[Kind::StoreFails, Kind::StoreSlow, Kind::StoreSlow]);
        also(self.power, &[Kind::PowerCut, Kind::CrashInWrite, Kind::CrashInWrite]);
        also(self.modem, &[Kind::Modem, Kind::Modem, Kind::Modem]);
        kinds
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Cut,
    Stall,
    Reshape,
    Refuse,
    RestartKept,
    Wipe,
    RestartWiped,
    Takeover,
    StoreFails,
    StoreSlow,
    PowerCut,
    CrashInWrite,
    Modem,
}

/// Draws `count` faults over `span`, in the order of time. Bad pipes and slow stores are good again within five minutes.
pub fn schedule(rng: &mut Rng, mix: Mix, devices: usize, count: usize, span: Duration) -> Vec<(Instant, Fault)> {
    let kinds = mix.kinds();
    let mut faults: Vec<_> = (0..count)
        .filter_map(|_| {
            let at = Instant(rng.up_to(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)));
            let kind = *pick(rng, &kinds)?;
            let device = below(rng, devices);
            let fault = draw(rng, kind, device);
            let passed = passing(fault).map(|end| (at.after(ms(rng, 300_000)), end));
            Some([Some((at, fault)), passed].into_iter().flatten())
        })
        .flatten()
        .collect();
    faults.sort_by_key(|(at, _)| *at);
    faults
}

/// What ends a fault that would last.
fn passing(fault: Fault) -> Option<Fault> {
    match fault {
        Fault::Reshape { device, .. } => Some(Fault::Reshape { device, shape: Shape::default() }),
        Fault::StoreSlow { device, .. } => Some(Fault::StoreSlow { device, delay: Duration::ZERO }),
        Fault::Cut { .. }
        | Fault::Stall { .. }
        | Fault::Refuse { .. }
        | Fault::Modem { .. }
        | Fault::Noise { .. }
        | Fault::Wipe { .. }
        | Fault::Restart { .. }
        | Fault::Takeover { .. }
        | Fault::PowerCut { .. }
        | Fault::CrashInWrite { .. }
        | Fault::StoreFails { .. } => None,
    }
}

fn draw(rng: &mut Rng, kind: Kind, device: usize) -> Fault {
    match kind {
        Kind::Cut => {
            let end = |rng: &mut Rng| match rng.up_to(3) {
                0 => None,
                1 => Some(ms(rng, 3000)),
                _ => Some(Duration::ZERO),
            };
            let seen = Seen { device: end(rng), broker: end(rng) };
            Fault::Cut { device, direction: direction(rng), after: rng.up_to(200), seen }
        }
        Kind::Stall => Fault::Stall { device, direction: direction(rng), time: ms(rng, 90_000) },
        Kind::Reshape => Fault::Reshape { device, shape: shape(rng) },
        Kind::Refuse => {
            let causes = [Cause::Unreachable, Cause::Resolve, Cause::Lost];
            let cause = pick(rng, &causes).copied().unwrap_or(Cause::Lost);
            Fault::Refuse { device, cause, time: ms(rng, 20_000) }
        }
        Kind::RestartKept | Kind::RestartWiped => {
            let seen = if rng.up_to(3) == 0 { None } else { Some(ms(rng, 2000)) };
            Fault::Restart { down: ms(rng, 20_000), keep: matches!(kind, Kind::RestartKept), seen }
        }
        Kind::Wipe => Fault::Wipe { device },
        Kind::Takeover => Fault::Takeover { device, stay: ms(rng, 5000) },
        Kind::StoreFails => Fault::StoreFails { device, writes: 1 + u32::try_from(rng.up_to(2)).unwrap_or(0) },
        Kind::StoreSlow => Fault::StoreSlow { device, delay: ms(rng, 2000) },
        Kind::PowerCut => Fault::PowerCut { device, down: ms(rng, 5000), told: rng.up_to(1) == 0 },
        Kind::CrashInWrite => {
            let crash = if rng.up_to(1) == 0 { Crash::Before } else { Crash::After };
            Fault::CrashInWrite { device, nth: rng.up_to(8), crash, down: ms(rng, 5000) }
        }
        Kind::Modem => Fault::Modem { device, fault: misbehaviour(rng) },
    }
}

/// Nothing that makes a message another one: a serial line has no checksum, and who reads it cannot know.
fn misbehaviour(rng: &mut Rng) -> modem::Fault {
    match rng.up_to(7) {
        0 => modem::Fault::Garbage(few(rng, 60)),
        1 => modem::Fault::Twice(few(rng, 4)),
        2 => modem::Fault::Deaf(few(rng, 4)),
        3 => modem::Fault::Silence(ms(rng, 20_000)),
        4 => modem::Fault::Interleave(few(rng, 4)),
        5 => modem::Fault::Reset,
        6 => modem::Fault::NoWifi(ms(rng, 30_000)),
        _ => modem::Fault::NoMqtt,
    }
}

/// At least one.
fn few(rng: &mut Rng, most: u64) -> u16 {
    u16::try_from(1 + rng.up_to(most - 1)).unwrap_or(1)
}

/// A shape that makes trouble: slow, tiny pieces, little room, slow to open.
fn shape(rng: &mut Rng) -> Shape {
    let pieces = [1, 2, 3, 7, 40, usize::MAX];
    let rooms = [1, 16, 300, 64 * 1024];
    let openings = [1, 30, 30, 30, 2000, 35_000];
    Shape {
        latency: ms(rng, 400),
        piece: pick(rng, &pieces).copied().unwrap_or(1),
        room: pick(rng, &rooms).copied().unwrap_or(1),
        opening: Duration::from_millis(pick(rng, &openings).copied().unwrap_or(30)),
    }
}

fn direction(rng: &mut Rng) -> Direction {
    if rng.up_to(1) == 0 { Direction::Up } else { Direction::Down }
}

fn ms(rng: &mut Rng, most: u64) -> Duration {
    Duration::from_millis(rng.up_to(most))
}

/// A number from 0 to `count` exclusive; 0 where there is none.
pub(crate) fn below(rng: &mut Rng, count: usize) -> usize {
    let most = u64::try_from(count.saturating_sub(1)).unwrap_or(0);
    usize::try_from(rng.up_to(most)).unwrap_or(0)
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> Option<&'a T> {
    from.get(below(rng, from.len()))
}
