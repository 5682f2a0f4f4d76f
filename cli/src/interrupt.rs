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
        tokio::spawn(async move {
            signalled().await;
            // Whoever was told may be gone: then the process is about to end anyway.
            let _ = tell.send(true);
            signalled().await;
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

#[cfg(unix)]
async fn signalled() {
    use signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => pending().await,
        }
    };
    tokio::select! {
        () = ctrl_c() => {}
        _ = terminated => {}
    }
}

#[cfg(not(unix))]
async fn signalled() {
    ctrl_c().await;
}

async fn ctrl_c() {
    if signal::ctrl_c().await.is_err() {
        // There is no way to hear of Ctrl-C: it ends the process, as it does by default.
        pending::<()>().await;
    }
}
