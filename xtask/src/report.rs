//! How do stages show themselves? A line when one begins, one when it ends, and a table at the end.

use crate::{
    run::Project,
    stages::{self, Stage},
};
use std::{
    fmt,
    time::{Duration, Instant},
};

/// How a stage ended that did not fail.
pub(crate) enum Outcome {
    /// With a word on what was seen.
    Passed(String),
    /// With the reason.
    Skipped(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(what) => write!(f, "passed   {what}"),
            Self::Skipped(why) => write!(f, "SKIPPED  {why}"),
        }
    }
}

/// Runs the stages in turn, all of them even if one fails; prints the table; whether none failed.
pub(crate) fn run_all(project: &Project, chosen: &[Stage]) -> bool {
    let begun = now();
    let mut rows = Vec::new();
    for (index, &stage) in chosen.iter().enumerate() {
        println!("\n=== {}/{} {stage} (at {})", index + 1, chosen.len(), seconds(begun.elapsed()));
        let stage_begun = now();
        let outcome = stages::run(project, stage);
        let took = stage_begun.elapsed();
        let text = match &outcome {
            Ok(outcome) => outcome.to_string(),
            Err(error) => format!("FAILED   {error:#}"),
        };
        println!("=== {stage}: {text} [{}]", seconds(took));
        rows.push((stage, outcome.is_ok(), text, took));
    }
    println!("\n--- summary");
    for (stage, _, text, took) in &rows {
        println!("{:<12} {:>7}  {text}", stage.to_string(), seconds(*took));
    }
    let failed = rows.iter().filter(|(_, passed, ..)| !passed).count();
    let verdict = if failed == 0 { "all stages passed".to_owned() } else { format!("{failed} stages FAILED") };
    println!("--- {verdict} in {}", seconds(begun.elapsed()));
    failed == 0
}

#[allow(clippy::disallowed_methods, reason = "stages are timed by the real clock")]
fn now() -> Instant {
    Instant::now()
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
