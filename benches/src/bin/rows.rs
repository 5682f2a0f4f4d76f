//! How fast is each row beside the others? Rows take turns, so that a busy machine disturbs all alike.
//!
//! `rows time [--quick] [WORDS]` prints, a line each and tab-separated: group, row, nanoseconds a unit, and the time of
//! the first row (ours) as a share of this row's. `rows run GROUP ROW TIMES` runs one row alone, for callgrind.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark whose work fails must stop")]

use skytether_benches::{Clock, Group, Watched, groups};
use std::{io, time::Duration};

/// Time that one row takes in one turn.
const TURN: Duration = Duration::from_micros(150);

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["time", "--quick", ref words @ ..] => time(31, words),
        ["time", ref words @ ..] => time(301, words),
        ["run", group, row, times] => {
            run(group, row, times.parse().unwrap());
            Ok(())
        }
        _ => panic!("rows time [--quick] [WORDS] | rows run GROUP ROW TIMES"),
    }
}

fn run(group: &str, row: &str, times: u32) {
    let mut group = groups().into_iter().find(|found| found.name == group).unwrap();
    let row = group.rows.iter_mut().find(|found| found.peer == row).unwrap();
    for _ in 0..times {
        (row.work)(&mut Watched);
    }
}

fn time(turns: usize, words: &[&str]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for mut group in groups() {
        if !words.iter().all(|word| group.name.contains(word)) {
            continue;
        }
        let batches: Vec<u32> = group.rows.iter_mut().map(|row| batches(&mut row.work)).collect();
        let mut times: Vec<Vec<f64>> = vec![Vec::with_capacity(turns); group.rows.len()];
        for _ in 0..turns {
            for ((row, count), times) in group.rows.iter_mut().zip(&batches).zip(&mut times) {
                let mut clock = Clock::default();
                for _ in 0..*count {
                    (row.work)(&mut clock);
                }
                times.push(clock.0.as_secs_f64() * 1e9 / f64::from(count * group.units));
            }
        }
        print(&mut out, &group, &times)?;
    }
    Ok(())
}

fn print(out: &mut impl io::Write, group: &Group, times: &[Vec<f64>]) -> io::Result<()> {
    let Some(ours) = times.first() else { return Ok(()) };
    for (row, times) in group.rows.iter().zip(times) {
        let ratio = median(ours.iter().zip(times).map(|(ours, theirs)| ours / theirs));
        writeln!(out, "{}\t{}\t{:.1}\t{ratio:.3}", group.name, row.peer, median(times.iter().copied()))?;
    }
    out.flush()
}

/// How many runs fill a turn, after a first one that warms up.
fn batches(work: &mut skytether_benches::Work) -> u32 {
    work(&mut Clock::default());
    let mut clock = Clock::default();
    (0..5).for_each(|_| work(&mut clock));
    let each = clock.0 / 5;
    u32::try_from(TURN.as_nanos() / each.as_nanos().max(1)).unwrap().clamp(1, 1000)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
