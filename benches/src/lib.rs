//! What is measured, of ours and of the peers: the same work for all, in one process.
//!
//! A [`Group`] is one piece of work, its rows are those who do it. Who measures brings a [`Meter`]: a clock, a counter
//! of allocations, or nothing at all for callgrind, which watches [`watched`].
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::disallowed_methods,
    reason = "a benchmark whose work fails must stop"
)]

mod codec;
pub mod machine;
mod packets;
mod session;
pub mod wire;

use std::time::{Duration, Instant};

/// Measures one run of a piece of work, set-up left out.
pub trait Meter {
    /// Runs the work once.
    fn measure(&mut self, work: &mut dyn FnMut());
}

/// One run: sets up, has the meter run the work, checks what came of it.
pub type Work = Box<dyn FnMut(&mut dyn Meter)>;

/// Someone who does the work of a group.
pub struct Row {
    /// Crate and, where it has several, the part of it.
    pub peer: &'static str,
    /// The work.
    pub work: Work,
}

/// One piece of work and all who do it; ours is the first row.
pub struct Group {
    /// What is done.
    pub name: String,
    /// Packets or messages in one run.
    pub units: u32,
    /// Who does it.
    pub rows: Vec<Row>,
}

/// Every group, in the order of the table.
pub fn groups() -> Vec<Group> {
    let mut all = codec::groups();
    all.extend(session::groups());
    all
}

fn row(peer: &'static str, work: impl FnMut(&mut dyn Meter) + 'static) -> Row {
    Row { peer, work: Box::new(work) }
}

/// Adds up time.
#[derive(Debug, Default)]
pub struct Clock(pub Duration);

impl Meter for Clock {
    fn measure(&mut self, work: &mut dyn FnMut()) {
        let start = Instant::now();
        work();
        self.0 += start.elapsed();
    }
}

/// Runs the work inside [`watched`], for callgrind's `--toggle-collect`.
#[derive(Debug)]
pub struct Watched;

impl Meter for Watched {
    fn measure(&mut self, work: &mut dyn FnMut()) {
        watched(work);
    }
}

/// Runs the work; its name is what callgrind looks for.
#[inline(never)]
pub fn watched(work: &mut dyn FnMut()) {
    work();
}
