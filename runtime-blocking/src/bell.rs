//! Where does the driver's thread wait? At one bell, which everything that has news for it rings.

use core::time::Duration;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Wakes the driver's thread. A ring that no one waits for is kept for the next wait; more than one count as one.
#[derive(Clone, Default)]
pub(crate) struct Bell(Arc<(Mutex<bool>, Condvar)>);

impl Bell {
    pub(crate) fn ring(&self) {
        let (rung, waiting) = &*self.0;
        *rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        waiting.notify_one();
    }

    /// Waits for the next ring, `longest` at most where it is given.
    pub(crate) fn wait(&self, longest: Option<Duration>) {
        let (rung, waiting) = &*self.0;
        let mut rung = rung.lock().unwrap_or_else(PoisonError::into_inner);
        if !*rung {
            rung = match longest {
                // A wake-up for nothing costs one look around.
                Some(longest) => waiting.wait_timeout(rung, longest).unwrap_or_else(PoisonError::into_inner).0,
                None => waiting.wait(rung).unwrap_or_else(PoisonError::into_inner),
            };
        }
        *rung = false;
    }
}
