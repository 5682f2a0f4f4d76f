//! What do codec and session cost: time, allocations, instructions?

use crate::{Ratio, beside, output};
use std::{
    collections::HashMap,
    io,
    process::{Command, Stdio},
};

/// Rows that callgrind counts.
const COUNTED: [(&str, &[&str]); 4] = [
    ("decode PUBLISH QoS 1, 256 B", &["skytether", "mqttrs", "mqttbytes"]),
    ("encode PUBLISH QoS 1, 256 B", &["skytether", "mqttrs", "mqttbytes"]),
    ("session in, QoS 1, 256 B", &["skytether", "rumqttc MqttState"]),
    ("session out, QoS 1, 256 B", &["skytether", "rumqttc MqttState"]),
];
/// Runs that callgrind watches.
const RUNS: u32 = 100;

type Key = (String, String);

pub(crate) fn report(quick: bool) -> io::Result<Vec<Ratio>> {
    let mut timing = Command::new(beside("rows"));
    timing.arg("time").args(quick.then_some("--quick"));
    let times = output(&mut timing).ok_or_else(|| io::Error::other("rows has failed"))?;
    let allocations = output(&mut Command::new(beside("allocations"))).unwrap_or_default();
    let counts: HashMap<Key, String> = allocations.lines().filter_map(three).collect();
    let instructions = instructions();
    println!("## Codec and session\n");
    println!("Nanoseconds, allocations and instructions are for one packet or message; the share is ours ÷ theirs.");
    let mut ratios = Vec::new();
    let mut last = String::new();
    for line in times.lines() {
        let [group, peer, time, ratio] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
        if last != group {
            println!("\n| {group} | ns | ours ÷ it | allocations | instructions |\n|---|---:|---:|---:|---:|");
            group.clone_into(&mut last);
        }
        let key = (group.to_owned(), peer.to_owned());
        let count = counts.get(&key).map_or("", String::as_str);
        let instructions = instructions.get(&key).map(u64::to_string).unwrap_or_default();
        println!("| {peer} | {time} | {ratio} | {count} | {instructions} |");
        let (group, peer) = key;
        ratios.push(Ratio { group, peer, share: ratio.parse().unwrap() });
    }
    let of = |group: &str| instructions.get(&(group.to_owned(), "skytether".to_owned()));
    if let (Some(decode), Some(encode)) = (of(COUNTED[0].0), of(COUNTED[1].0)) {
        println!("\nInstructions, decode + encode of PUBLISH QoS 1, 256 B: {} (bar < 600, aim ≤ 415)", decode + encode);
    }
    println!("\n| what our client holds | bytes | of them buffered packets |\n|---|---:|---:|");
    for line in allocations.lines() {
        if let [group, "skytether", bytes, buffered] = line.split('\t').collect::<Vec<_>>()[..]
            && (group.starts_with("heap") || group.starts_with("size"))
        {
            println!("| {group} | {bytes} | {buffered} |");
        }
    }
    Ok(ratios)
}

fn three(line: &str) -> Option<(Key, String)> {
    let [group, peer, count, ..] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
    Some(((group.to_owned(), peer.to_owned()), count.to_owned()))
}

/// Instructions a unit, where valgrind is there.
fn instructions() -> HashMap<Key, u64> {
    let mut counted = HashMap::new();
    for (group, peers) in COUNTED {
        let units = skytether_benches::groups().into_iter().find(|found| found.name == group).unwrap().units;
        for peer in peers {
            if let Some(count) = callgrind(group, peer) {
                counted.insert((group.to_owned(), (*peer).to_owned()), count / u64::from(RUNS * units));
            }
        }
    }
    if counted.is_empty() {
        println!("(no instruction counts: valgrind is not there)\n");
    }
    counted
}

fn callgrind(group: &str, peer: &str) -> Option<u64> {
    let said = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*watched*"])
        .arg(beside("rows"))
        .args(["run", group, peer, &RUNS.to_string()])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    let count = said.lines().find_map(|line| line.split_once("Collected :"))?.1.trim();
    count.parse().ok()
}
