//! How do peers that are not ours get into the tests? Installs or builds them under `target/`, and runs their tests.

use crate::{
    report::Outcome,
    run::{Project, answer, must, must_line_by_line},
    stages::TestCount,
};
use anyhow::{Context as _, Result, bail};
use std::{fs, path::Path};

/// A Python SDK that is not ours.
struct Sdk {
    /// The folder of the virtual environment under `target/`, and of the requirements under `interop/`.
    name: &'static str,
    /// A statement that works where it is installed.
    import: &'static str,
    /// The test program, and the variable by which it finds Python.
    tests: [&'static str; 2],
}

const TENCENT: Sdk =
    Sdk { name: "vendor-sdk", import: "import hub.hub", tests: ["vendor_python", "SKYTETHER_VENDOR_PYTHON"] };
const AZURE: Sdk =
    Sdk { name: "azure-sdk", import: "import azure.iot.device", tests: ["azure_python", "SKYTETHER_AZURE_PYTHON"] };

/// Where the broker of other habits is built.
const RUMQTTD: &str = "interop/rumqttd/Cargo.toml";

/// Runs the tests with Tencent's Python SDK.
pub(crate) fn vendor_sdk(project: &Project) -> Result<Outcome> {
    python(project, &TENCENT)
}

/// Runs the tests with Microsoft's Python SDK.
pub(crate) fn azure_sdk(project: &Project) -> Result<Outcome> {
    python(project, &AZURE)
}

fn python(project: &Project, sdk: &Sdk) -> Result<Outcome> {
    let home = project.target_dir().join(sdk.name);
    if let Err(error) = install(project, sdk, &home) {
        return project.skip(format!("no {}: {error:#}", sdk.name), Outcome::Skipped);
    }
    let [name, variable] = sdk.tests;
    tests(project, name, variable, &home.join("bin/python"))
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
fn install(project: &Project, sdk: &Sdk, home: &Path) -> Result<()> {
    let requirements = format!("interop/{}/requirements.txt", sdk.name);
    let wanted = fs::read_to_string(project.root().join(&requirements)).with_context(|| requirements.clone())?;
    let stamp = home.join("installed.txt");
    let own = home.join("bin/python");
    let works = || answer(project.program(&own).args(["-c", sdk.import])).is_some();
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
            .args(["--retries", "2", "--timeout", "20", "--requirement", requirements.as_str()]),
    )?;
    if !works() {
        bail!("the SDK is installed and cannot be imported");
    }
    fs::write(stamp, wanted)?;
    Ok(())
}
