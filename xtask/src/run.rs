//! How are other programs called? The project's folder, how strict we are, and child processes that must succeed.

use anyhow::{Context as _, Result, bail};
use std::{
    env,
    ffi::OsString,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The checkout that the commands work on.
pub(crate) struct Project {
    root: PathBuf,
    strict: bool,
}

impl Project {
    /// `strict`: what cannot be checked for want of a tool is an error, not a skip.
    pub(crate) fn new(root: &Path, strict: bool) -> Self {
        Self { root: root.to_owned(), strict }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where build results go.
    pub(crate) fn target_dir(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// The cargo that runs us, at work in the project's folder.
    pub(crate) fn cargo(&self) -> Command {
        self.program(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
    }

    /// Any program, at work in the project's folder, without stdin.
    pub(crate) fn program(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command.current_dir(&self.root).stdin(Stdio::null());
        command
    }

    /// What is skipped for want of a tool: an error where we are strict.
    pub(crate) fn skip<T>(&self, why: impl Into<String>, skipped: impl FnOnce(String) -> T) -> Result<T> {
        let why = why.into();
        if self.strict {
            bail!("{why} (an error because of CI=true)");
        }
        Ok(skipped(why))
    }
}

/// Runs a program to its end; it must succeed.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    println!("$ {}", show(command));
    let status = command.status().with_context(|| format!("cannot start {}", show(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", show(command));
    }
    Ok(())
}

/// As [`must`]; each line of stdout is shown as it comes and given to `line`.
pub(crate) fn must_line_by_line(command: &mut Command, mut line: impl FnMut(&str)) -> Result<()> {
    println!("$ {}", show(command));
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {}", show(command)))?;
    if let Some(stdout) = child.stdout.take() {
        for text in BufReader::new(stdout).split(b'\n') {
            let text = text?;
            let text = String::from_utf8_lossy(&text);
            println!("{text}");
            line(&text);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` ended with {status}", show(command));
    }
    Ok(())
}

/// What a program prints, if it can be started and succeeds.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where a program is, looked for as the shell does, and in the folders for daemons.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
