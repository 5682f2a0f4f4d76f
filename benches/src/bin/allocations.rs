//! How often does each row ask for memory, and what does a connected client hold?
//!
//! Prints, tab-separated: group, row, allocations a unit, bytes a unit. Then the heap of our device, connected, with
//! nothing in flight and with 100 messages in flight, in bytes, the buffers of the pipe apart.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a benchmark whose work fails must stop")]

use core::hint::black_box;
use skytether_benches::{
    Meter, groups,
    machine::{NOW, connected, sent},
};
use skytether_core::{io::Machine as _, link::QoS, plain::Command};
use std::io::{self, Write as _};

/// Runs before counting: buffers have grown by then.
const WARM: usize = 20;
const RUNS: u32 = 20;

#[derive(Default)]
struct Counter {
    count: u64,
    bytes: u64,
}

impl Meter for Counter {
    fn measure(&mut self, work: &mut dyn FnMut()) {
        let counted = allocation_counter::measure(work);
        self.count += counted.count_total;
        self.bytes += counted.bytes_total;
    }
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for mut group in groups() {
        for row in &mut group.rows {
            for _ in 0..WARM {
                (row.work)(&mut Counter::default());
            }
            let mut counter = Counter::default();
            for _ in 0..RUNS {
                (row.work)(&mut counter);
            }
            let units = f64::from(RUNS * group.units);
            #[allow(clippy::cast_precision_loss, reason = "small counts")]
            let (count, bytes) = (counter.count as f64 / units, counter.bytes as f64 / units);
            writeln!(out, "{}\t{}\t{count:.2}\t{bytes:.0}", group.name, row.peer)?;
        }
    }
    for in_flight in [0, 1, 100] {
        let mut held = None;
        let heap = allocation_counter::measure(|| {
            let mut device = connected();
            for _ in 0..in_flight {
                let command = Command::Publish {
                    topic: "site/plant-07/line-3/cell-12/temperature".into(),
                    payload: vec![7; 256].into(),
                    qos: QoS::AtLeastOnce,
                    retain: false,
                    ttl: None,
                };
                device.command(NOW, &command).unwrap();
                drop(command);
                sent(&mut device);
            }
            held = Some(black_box(device));
        });
        let buffered = held.as_ref().map_or(0, |device| device.link().buffered());
        writeln!(
            out,
            "heap of a connected client, {in_flight} in flight\tskytether\t{}\t{buffered}",
            heap.bytes_current
        )?;
        drop(held);
    }
    for (name, size) in [
        ("Session", size_of::<skytether_core::mqtt::session::Session>()),
        ("Device", size_of::<skytether_benches::machine::Panel>()),
    ] {
        writeln!(out, "size of {name}\tskytether\t{size}\t0")?;
    }
    Ok(())
}
