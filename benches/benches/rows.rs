//! The same rows for criterion: `cargo bench`, with its history and its graphs.
#![forbid(unsafe_code)]

use criterion::{Criterion, Throughput};
use skytether_benches::{Clock, groups};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for group in groups() {
        let mut shown = criterion.benchmark_group(&group.name);
        shown.throughput(Throughput::Elements(group.units.into()));
        for mut row in group.rows {
            shown.bench_function(row.peer, |bencher| {
                bencher.iter_custom(|times| {
                    let mut clock = Clock::default();
                    for _ in 0..times {
                        (row.work)(&mut clock);
                    }
                    clock.0
                });
            });
        }
        shown.finish();
    }
    criterion.final_summary();
}
