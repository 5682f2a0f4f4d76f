//! What does each stage check? One function a stage, in the order in which they run.

use crate::{
    firmware, nostd, peers,
    report::Outcome,
    rules,
    run::{Project, answer, find, must, must_line_by_line},
};
use anyhow::{Result, bail};
use clap::ValueEnum;
use std::{fmt, process::Command};

/// One part of the checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Stage {
    /// What the tests use beside cargo is there, or gets installed.
    Tools,
    /// House rules that no lint knows: layers, purity, file sizes.
    Rules,
    /// rustfmt has nothing to change.
    Format,
    /// Clippy has nothing to say, tests included.
    Clippy,
    /// Documentation builds without warnings.
    Docs,
    /// The core builds for microcontrollers.
    Nostd,
    /// Licences, sources and advisories of what we depend on.
    Deny,
    /// Vector and transcript files hold.
    Conformance,
    /// All tests and documentation examples of all crates.
    Tests,
    /// The vendor's own Python SDK, unmodified, works against the simulator.
    VendorSdk,
    /// Microsoft's own Python SDK, unmodified, works against the simulator.
    AzureSdk,
    /// The drivers get on with rumqttd, a broker of other habits than mosquitto's.
    Rumqttd,
    /// The firmware examples run in an emulated board.
    Firmware,
}

impl Stage {
    /// What `cargo xtask test` runs: cheap stages first, the tests and what stands on their build last.
    pub(crate) const TEST: [Self; 12] = [
        Self::Tools,
        Self::Rules,
        Self::Format,
        Self::Clippy,
        Self::Docs,
        Self::Nostd,
        Self::Conformance,
        Self::Tests,
        Self::VendorSdk,
        Self::AzureSdk,
        Self::Rumqttd,
        Self::Firmware,
    ];

    /// What `cargo xtask ci` runs.
    pub(crate) const CI: [Self; 13] = [
        Self::Tools,
        Self::Rules,
        Self::Format,
        Self::Clippy,
        Self::Docs,
        Self::Nostd,
        Self::Deny,
        Self::Conformance,
        Self::Tests,
        Self::VendorSdk,
        Self::AzureSdk,
        Self::Rumqttd,
        Self::Firmware,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tools => "tools",
            Self::Rules => "rules",
            Self::Format => "format",
            Self::Clippy => "clippy",
            Self::Docs => "docs",
            Self::Nostd => "nostd",
            Self::Deny => "deny",
            Self::Conformance => "conformance",
            Self::Tests => "tests",
            Self::VendorSdk => "vendor-sdk",
            Self::AzureSdk => "azure-sdk",
            Self::Rumqttd => "rumqttd",
            Self::Firmware => "firmware",
        })
    }
}

/// Runs one stage.
pub(crate) fn run(project: &Project, stage: Stage) -> Result<Outcome> {
    match stage {
        Stage::Tools => tools(project),
        Stage::Rules => rules::check(project.root()),
        Stage::Format => format(project),
        Stage::Clippy => clippy(project),
        Stage::Docs => docs(project),
        Stage::Nostd => nostd::build(project, &[]),
        Stage::Deny => deny(project),
        Stage::Conformance => conformance(project),
        Stage::Tests => tests(project),
        Stage::VendorSdk => peers::vendor_sdk(project),
        Stage::AzureSdk => peers::azure_sdk(project),
        Stage::Rumqttd => peers::rumqttd(project),
        Stage::Firmware => firmware::run(project),
    }
}

/// Programs that tests run against; a test without its program says so and passes.
const TOOLS: [&str; 2] = ["mosquitto", "mosquitto_sub"];

fn tools(project: &Project) -> Result<Outcome> {
    let missing = || TOOLS.iter().filter(|tool| find(tool).is_none()).copied().collect::<Vec<_>>();
    if !missing().is_empty() {
        // Its own words say what is missing and why it could not be installed; the second look decides.
        if let Err(error) = must(&mut project.program(project.root().join("ci/install-debian"))) {
            println!("{error:#}");
        }
    }
    let missing = missing();
    if missing.is_empty() {
        return Ok(Outcome::Passed(TOOLS.join(", ")));
    }
    project.skip(format!("not installed: {}; tests that need them are skipped", missing.join(", ")), Outcome::Skipped)
}

/// A part of the toolchain that minimal installations leave out.
fn has_component(project: &Project, subcommand: &str) -> bool {
    answer(project.cargo().args([subcommand, "--version"])).is_some()
}

fn format(project: &Project) -> Result<Outcome> {
    if !has_component(project, "fmt") {
        return project.skip("no rustfmt: `rustup component add rustfmt`", Outcome::Skipped);
    }
    must(project.cargo().args(["fmt", "--all", "--check"]))?;
    Ok(Outcome::Passed("rustfmt".to_owned()))
}

fn clippy(project: &Project) -> Result<Outcome> {
    if !has_component(project, "clippy") {
        return project.skip("no clippy: `rustup component add clippy`", Outcome::Skipped);
    }
    must(
        project
            .cargo()
            .args(["clippy", "--quiet", "--workspace", "--all-targets", "--all-features"])
            .args(["--", "-D", "warnings"]),
    )?;
    Ok(Outcome::Passed("no warnings, tests included".to_owned()))
}

fn docs(project: &Project) -> Result<Outcome> {
    must(
        project
            .cargo()
            .args(["doc", "--quiet", "--workspace", "--all-features", "--no-deps", "--document-private-items"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    Ok(Outcome::Passed("no warnings, private items included".to_owned()))
}

fn deny(project: &Project) -> Result<Outcome> {
    if answer(Command::new("cargo-deny").arg("--version")).is_none() {
        // Not even CI has it everywhere, and building it takes longer than all of the tests.
        return Ok(Outcome::Skipped("no cargo-deny: `cargo install cargo-deny`".to_owned()));
    }
    must(project.cargo().args(["deny", "--workspace", "--all-features", "check"]))?;
    Ok(Outcome::Passed("licences, sources, advisories".to_owned()))
}

/// The vector files, and of each the kinds that the project offers so far.
const VECTORS: [(&str, &[&str]); 4] = [
    ("anycloud.json", &["parse", "encode", "session"]),
    (
        "azure.json",
        &[
            "sas",
            "derive",
            "username",
            "connection_string",
            "dps_session",
            "build_topic",
            "parse_topic",
            "ack",
            "twin_sync",
            "duration",
            "adu_report",
            "adu_ack",
        ],
    ),
    ("mqtt-client-transcripts.json", &["3.1.1", "varint", "varint_bad", "utf8", "topic_match", "filter_valid"]),
    (
        "tencent.json",
        &[
            "mqtt_auth",
            "topics",
            "time_sync",
            "rule",
            "aircond_sim",
            "payload:door",
            "payload:time_request",
            "parse:aircond_command",
        ],
    ),
];

fn conformance(project: &Project) -> Result<Outcome> {
    for (file, kinds) in VECTORS {
        let mut cargo = project.cargo();
        cargo.args(["run", "--quiet", "--package", "skytether-conformance", "--"]);
        for kind in kinds {
            cargo.args(["--kind", kind]);
        }
        must(cargo.arg(project.root().join("conformance/vectors").join(file)))?;
    }
    Ok(Outcome::Passed(format!("{} vector files", VECTORS.len())))
}

fn tests(project: &Project) -> Result<Outcome> {
    let mut count = TestCount::default();
    let ran =
        must_line_by_line(project.cargo().args(["test", "--workspace", "--all-features", "--no-fail-fast"]), |line| {
            count.read(line);
        });
    match ran {
        Ok(()) => Ok(Outcome::Passed(count.to_string())),
        Err(error) => bail!("{count}: {error:#}"),
    }
}

/// The sum over the closing lines of all test programs.
#[derive(Default, PartialEq, Eq, Debug)]
pub(crate) struct TestCount {
    programs: u32,
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl TestCount {
    /// Adds `test result: ok. 3 passed; 0 failed; 1 ignored; …`; other lines say nothing.
    pub(crate) fn read(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        self.programs += 1;
        for part in result.split(['.', ';']) {
            let Some((number, word)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u32>() else { continue };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// Whether there was anything that could fail.
    pub(crate) fn any_passed(&self) -> bool {
        self.passed > 0
    }
}

impl fmt::Display for TestCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { programs, passed, failed, ignored } = self;
        write!(f, "{passed} passed, {failed} failed, {ignored} ignored in {programs} test programs")
    }
}

#[cfg(test)]
mod tests {
    use super::TestCount;

    #[test]
    fn closing_lines_of_test_programs_are_summed() {
        let mut count = TestCount::default();
        count.read("running 3 tests");
        count.read("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.21s");
        count.read("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s");
        assert_eq!(count, TestCount { programs: 2, passed: 5, failed: 1, ignored: 1 });
    }
}
