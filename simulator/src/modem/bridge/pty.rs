//! A pseudo-terminal whose other end a program can open like a serial port.

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};
use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStringExt as _},
    path::PathBuf,
};
use tokio::{
    io::{Join, join},
    net::unix::pipe::{Receiver, Sender},
};

/// The end that the modem holds.
pub(super) type Pty = Join<Receiver, Sender>;

/// The other end, held open, so that a host that closes the terminal does not end it for the next one.
#[derive(Debug)]
pub(super) struct Held(#[allow(dead_code, reason = "it is only held")] OwnedFd);

/// A new one in raw mode, and its path.
///
/// # Errors
/// The system has none to give.
pub(super) fn open() -> io::Result<(Pty, Held, PathBuf)> {
    let own = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&own)?;
    unlockpt(&own)?;
    let path = PathBuf::from(OsString::from_vec(ptsname(&own, Vec::new())?.into_bytes()));
    let other = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let mut attributes = tcgetattr(&other)?;
    attributes.make_raw();
    tcsetattr(&other, OptionalActions::Now, &attributes)?;
    rustix::io::ioctl_fionbio(&own, true)?;
    let twin = own.try_clone()?;
    // It is no pipe, but is read, written and waited for as one.
    let both = join(Receiver::from_owned_fd_unchecked(own)?, Sender::from_owned_fd_unchecked(twin)?);
    Ok((both, Held(other), path))
}
