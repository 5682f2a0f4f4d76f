//! How do peers that are not ours get into the tests? Installs or builds them under `target/`, and runs their tests.

use crate::{
    report::Outcome,
    run::{Project, answer, must, must_line_by_line},
    stages::TestCount,
};
use anyhow::{Context as _, Result, bail};
use std::{fs, path::Path};

/// What is installed, from the project's folder.
const REQUIREMENTS: &str = "interop/vendor-sdk/requirements.txt";

/// Where the broker of other habits is built.
const RUMQTTD: &str = "interop/rumqttd/Cargo.toml";

/// Runs the tests with the vendor's Python SDK.
pub(crate) fn vendor_sdk(project: &Project) -> Result<Outcome> {
    let home = project.target_dir().join("vendor-sdk");
    if let Err(error) = install(project, &home) {
        return project.skip(format!("no vendor SDK: {error:#}"), Outcome::Skipped);
    }
    tests(project, "vendor_python", "SKYTETHER_VENDOR_PYTHON", &home.join("bin/python"))
}

/// Runs the drivers' tests with rumqttd.
pub(crate) fn rumqttd(project: &Project) -> Result<Outcome> {
    let target = project.target_dir().join("rumqttd");
    must(
        project.cargo().args(["build", "--quiet", "--locked", "--manifest-path", RUMQTTD, "--target-dir"]).arg(&target),
    )?;
    let program = target.join("debug/skytether-interop-rumqttd");
    tests(project, "rumqttd", "SKYTETHER_RUMQTTD", &program)
}

/// Runs the ignored tests of the test programs of this name, which find the peer by a variable.
fn tests(project: &Project, name: &str, variable: &str, peer: &Path) -> Result<Outcome> {
    let mut cargo = project.cargo();
    // The whole workspace's features, so that what the tests stage has built is not built again.
    cargo.args(["test", "--workspace", "--all-features", "--no-fail-fast", "--test", name, "--", "--ignored"]);
    cargo.env(variable, peer);
    let mut count = TestCount::default();
    let ran = must_line_by_line(&mut cargo, |line| count.read(line));
    ran.with_context(|| count.to_string())?;
    if !count.any_passed() {
        bail!("no test has run");
    }
    Ok(Outcome::Passed(count.to_string()))
}

/// Makes a virtual environment with the packages, unless it is there already.
fn install(project: &Project, home: &Path) -> Result<()> {
    let wanted = fs::read_to_string(project.root().join(REQUIREMENTS)).context(REQUIREMENTS)?;
    let stamp = home.join("installed.txt");
    let own = home.join("bin/python");
    let works = || answer(project.program(&own).args(["-c", "import hub.hub"])).is_some();
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && works() {
        return Ok(());
    }
    let can_make = || answer(project.program("python3").args(["-c", "import ensurepip, venv"])).is_some();
    if !can_make() {
        must(&mut project.program(project.root().join("ci/install-debian")))?;
    }
    must(project.program("python3").args(["-m", "venv", "--clear"]).arg(home))?;
    must(
        project
            .program(&own)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"])
            .args(["--retries", "2", "--timeout", "20", "--requirement", REQUIREMENTS]),
    )?;
    if !works() {
        bail!("the SDK is installed and cannot be imported");
    }
    fs::write(stamp, wanted)?;
    Ok(())
}
