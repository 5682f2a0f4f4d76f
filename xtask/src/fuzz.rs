//! How are the fuzz targets run by hand? All in turn, each for so long, and a table at the end.

use crate::run::{Project, answer, must};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

/// Longest input that libFuzzer makes, in bytes.
const LONGEST: usize = 2048;
/// The most memory that a target may take, in MiB: what it feeds its body with is small, so more is a leak.
const MEMORY: usize = 2048;
/// One input that takes longer, in seconds, is a finding.
const SLOW: usize = 20;

/// What became of one target.
struct Row {
    target: String,
    passed: bool,
    figures: Figures,
    reproducers: Vec<PathBuf>,
}

/// What libFuzzer says of its work.
#[derive(Default)]
struct Figures {
    runs: String,
    per_second: String,
    coverage: String,
    corpus: String,
}

/// Runs the targets, or the one named, for so many seconds each. Whether none found anything.
pub(crate) fn run(project: &Project, seconds: u32, only: Option<&str>) -> Result<bool> {
    let folder = project.root().join("fuzz");
    let targets = targets(&folder, only)?;
    install(project)?;
    // Built once, ahead of all: a broken build is no finding.
    must(project.program("cargo").current_dir(&folder).args(["+nightly", "fuzz", "build"]).args(only))?;
    let mut rows = Vec::new();
    for (index, target) in targets.iter().enumerate() {
        println!("\n=== {}/{} {target}, {seconds} s", index + 1, targets.len());
        let row = one(project, &folder, target, seconds)?;
        for reproducer in &row.reproducers {
            println!("--- FOUND {}", reproducer.display());
        }
        rows.push(row);
    }
    print(&rows);
    Ok(rows.iter().all(|row| row.passed))
}

/// The targets are the files in `fuzz_targets/`.
fn targets(folder: &Path, only: Option<&str>) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(folder.join("fuzz_targets")).context("no folder fuzz/fuzz_targets")? {
        let file = entry?.path();
        targets.extend(file.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    targets.sort();
    match only {
        None => Ok(targets),
        Some(name) if targets.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
        Some(name) => bail!("no fuzz target {name}; there are: {}", targets.join(", ")),
    }
}

/// Installs cargo-fuzz where it is missing; libFuzzer needs a nightly toolchain and a C++ compiler.
fn install(project: &Project) -> Result<()> {
    let nightly = answer(project.program("cargo").args(["+nightly", "--version"]));
    if nightly.is_none() {
        bail!("fuzzing needs a nightly toolchain: `rustup toolchain install nightly --profile minimal`");
    }
    if answer(project.program("cargo").args(["fuzz", "--version"])).is_some() {
        return Ok(());
    }
    println!("cargo-fuzz is missing; installing it");
    must(project.program("cargo").args(["install", "--locked", "cargo-fuzz"])).context(
        "cargo-fuzz could not be installed; by hand: `cargo install cargo-fuzz` (the seeds run without it, in \
         `cargo test -p skytether-fuzz-bodies`)",
    )
}

fn one(project: &Project, folder: &Path, target: &str, seconds: u32) -> Result<Row> {
    let artifacts = folder.join("artifacts").join(target);
    // libFuzzer writes what it learns into the first folder; the committed seeds are only read.
    let learnt = project.target_dir().join("fuzz-corpus").join(target);
    fs::create_dir_all(&learnt).with_context(|| format!("cannot make {}", learnt.display()))?;
    fs::create_dir_all(&artifacts).with_context(|| format!("cannot make {}", artifacts.display()))?;
    let begun = now();
    let mut command = project.program("cargo");
    command.current_dir(folder).args(["+nightly", "fuzz", "run", target]);
    command.arg(&learnt).arg(folder.join("corpus").join(target)).arg("--");
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={LONGEST}"));
    command.arg(format!("-rss_limit_mb={MEMORY}")).arg(format!("-timeout={SLOW}"));
    let dictionary = folder.join("mqtt.dict");
    command.args(["-print_final_stats=1"]).arg(format!("-dict={}", dictionary.display()));
    let (passed, figures) = watch(&mut command)?;
    Ok(Row { target: target.to_owned(), passed, figures, reproducers: newer(&artifacts, begun)? })
}

/// Runs the fuzzer, shows what is worth reading of its output, and keeps its figures.
fn watch(command: &mut Command) -> Result<(bool, Figures)> {
    let mut child = command.stderr(Stdio::piped()).spawn().context("cannot start cargo")?;
    let mut figures = Figures::default();
    let mut failing = false;
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            figures.learn(&line);
            failing |= line.contains("panicked at") || line.contains("ERROR:");
            let pulse = line.starts_with('#') && (line.contains("pulse") || line.contains("DONE"));
            if failing || pulse || line.contains("INFO: seed corpus") {
                println!("{line}");
            }
        }
    }
    Ok((child.wait()?.success(), figures))
}

impl Figures {
    fn learn(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            let place = match word {
                "cov:" => &mut self.coverage,
                "corp:" => &mut self.corpus,
                "stat::number_of_executed_units:" => &mut self.runs,
                "stat::average_exec_per_sec:" => &mut self.per_second,
                _ => continue,
            };
            if let Some(value) = words.next() {
                value.clone_into(place);
            }
        }
    }
}

/// The files that were written since.
fn newer(folder: &Path, since: SystemTime) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.metadata()?.modified()? >= since {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn print(rows: &[Row]) {
    println!("\n{:<12} {:>10} {:>8} {:>9} {:>14}", "target", "runs", "runs/s", "coverage", "corpus");
    for row in rows {
        let Figures { runs, per_second, coverage, corpus } = &row.figures;
        let verdict = if row.passed { "" } else { "  FOUND SOMETHING" };
        println!("{:<12} {runs:>10} {per_second:>8} {coverage:>9} {corpus:>14}{verdict}", row.target);
        for reproducer in &row.reproducers {
            println!("    cd fuzz && cargo +nightly fuzz run {} {}", row.target, reproducer.display());
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "files are dated by the real clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_the_last_line() {
        let mut figures = Figures::default();
        figures.learn("#1024\tpulse  cov: 10 ft: 20 corp: 3/10b lim: 4 exec/s: 512 rss: 40Mb");
        figures.learn("#2048\tDONE   cov: 11 ft: 21 corp: 4/12b lim: 4 exec/s: 512 rss: 40Mb");
        figures.learn("stat::number_of_executed_units: 2048");
        figures.learn("stat::average_exec_per_sec:     512");
        let Figures { runs, per_second, coverage, corpus } = &figures;
        assert_eq!([runs, per_second, coverage, corpus], ["2048", "512", "11", "4/12b"]);
    }
}
