//! What if a case panics or never ends? It fails like any other, and the others go on.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::{Once, mpsc},
    thread,
    time::Duration,
};

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// How long one case may take in all its ways of running; they take milliseconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs a case on a thread of its own: a panic and an endless loop come back as failures.
pub(crate) fn run(case: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    quiet_panics();
    let (tell, told) = mpsc::channel();
    let thread = thread::Builder::new().name("case".to_owned()).spawn(move || {
        let outcome = panic::catch_unwind(AssertUnwindSafe(case)).unwrap_or_else(|_| {
            let what = LAST_PANIC.with_borrow_mut(Option::take);
            Err(format!("panicked: {}", what.unwrap_or_default()))
        });
        // Nobody listens any more after the patience has ended.
        tell.send(outcome).ok();
    });
    if let Err(error) = thread {
        return Err(format!("no thread to run in: {error}"));
    }
    // A thread that never ends is left behind; the process ends with the last verdict.
    told.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(format!("does not end within {} s", PATIENCE.as_secs())))
}

/// Keeps what a panic says for the verdict, in place of printing it among the output.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if thread::current().name() == Some("case") {
                LAST_PANIC.with_borrow_mut(|last| *last = Some(panic.to_string().replace('\n', " ")));
            } else {
                usual(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn a_panic_is_a_failure_that_says_where() {
        let outcome = run(|| panic!("by hand"));
        let why = outcome.unwrap_err();
        assert!(why.contains("by hand") && why.contains("guard.rs"), "{why}");
        assert_eq!(run(|| Ok(())), Ok(()));
    }
}
