//! How is everything measured by hand? The benches' own workspace is built, and its report printed.

use crate::run::{Project, must};
use anyhow::Result;

/// Prints the report: ours beside the peers, in one run.
pub(crate) fn run(project: &Project, quick: bool) -> Result<bool> {
    let folder = project.root().join("benches");
    must(project.cargo().current_dir(&folder).args(["build", "--release", "--bins"]))?;
    must(
        project
            .cargo()
            .current_dir(&folder)
            .args(["run", "--quiet", "--release", "--bin", "report", "--"])
            .args(quick.then_some("--quick")),
    )?;
    Ok(true)
}
