//! How does Ctrl-C end the tool? The first asks it to end politely, the second ends it at once.

use crate::exit::INTERRUPTED;
use core::future::pending;
use std::process;
use tokio::{signal, sync::watch};

/// Hears Ctrl-C, and on Unix the request to terminate, which service managers send.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on, in a task of its own. `at_once` is called before the process ends at the second signal.
    ///
    /// # Panics
    /// Outside a tokio runtime with its IO driver enabled.
    pub fn listen(at_once: fn()) -> Self {
        let (tell, told) = watch::channel(false);
        // Here and not in the task: from now on no signal ends the process unheard.
        let mut signals = Signals::catch();
        tokio::spawn(async move {
            signals.next().await;
            // Whoever was told may be gone: then the process is about to end anyway.
            let _ = tell.send(true);
            signals.next().await;
            at_once();
            process::exit(i32::from(INTERRUPTED));
        });
        Self(told)
    }

    /// One that never comes.
    pub fn never() -> Self {
        Self(watch::channel(false).1)
    }

    /// Ready at the first signal, and from then on.
    pub async fn first(&self) {
        if self.0.clone().wait_for(|asked| *asked).await.is_err() {
            pending::<()>().await;
        }
    }
}

/// The signals that ask for an end, caught from the moment that this is made.
#[cfg(unix)]
struct Signals {
    interrupt: Option<signal::unix::Signal>,
    terminate: Option<signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn catch() -> Self {
        use signal::unix::{SignalKind, signal};
        // One that cannot be caught ends the process, as it does by default.
        Self { interrupt: signal(SignalKind::interrupt()).ok(), terminate: signal(SignalKind::terminate()).ok() }
    }

    async fn next(&mut self) {
        tokio::select! {
            Some(()) = Self::of(&mut self.interrupt) => {}
            Some(()) = Self::of(&mut self.terminate) => {}
            else => pending().await,
        }
    }

    async fn of(signal: &mut Option<signal::unix::Signal>) -> Option<()> {
        signal.as_mut()?.recv().await
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn catch() -> Self {
        Self
    }

    async fn next(&mut self) {
        if signal::ctrl_c().await.is_err() {
            // There is no way to hear of Ctrl-C: it ends the process, as it does by default.
            pending::<()>().await;
        }
    }
}
