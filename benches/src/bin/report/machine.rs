//! On what, and beside what else, was it measured?

use crate::output;
use std::{fs, process::Command};

/// Processor, kernel, compiler, load.
pub(crate) fn describe() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let rustc = output(Command::new("rustc").arg("--version")).unwrap_or_default();
    format!(
        "{count} × {}, Linux {}, {}. Load at the start: {}",
        model.trim_start_matches(['\t', ' ', ':']),
        kernel.trim(),
        rustc.trim(),
        load()
    )
}

/// Load averages over 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().take(3).collect::<Vec<_>>().join(", ")
}
