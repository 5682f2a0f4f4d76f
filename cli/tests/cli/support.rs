//! What do the tests of the command share? Running it, bounded in time, and reading its log.

use std::process::Stdio;
use tokio::{
    process::{Child, Command},
    time::{Duration, timeout},
};

/// No run of the command may take longer.
const BOUND: Duration = Duration::from_mins(1);

/// What a run of the command left behind.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Starts the command; it is killed when it is dropped.
pub(crate) fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_skytether"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Waits for its end.
pub(crate) async fn finish(child: Child) -> Run {
    let output = timeout(BOUND, child.wait_with_output()).await.expect("the command ends in time").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs the command to its end.
pub(crate) async fn run(arguments: &[&str]) -> Run {
    finish(start(arguments)).await
}

/// What one device says, line by line: the text behind the time stamp and the name.
pub(crate) fn lines_of<'o>(out: &'o str, who: &str) -> Vec<&'o str> {
    out.lines()
        .filter_map(|line| {
            let mut words = line.splitn(4, ' ');
            let (_date, _time, name) = (words.next()?, words.next()?, words.next()?);
            (name == who).then(|| words.next().unwrap_or_default().trim_start())
        })
        .collect()
}

/// Those of the lines that are packets.
pub(crate) fn packets<'o>(lines: &[&'o str]) -> Vec<&'o str> {
    lines.iter().filter(|line| line.starts_with("Sending ") || line.starts_with("Received ")).copied().collect()
}
