//! How often does a piece of code ask for memory? The counts are this thread's own, so tests may run side by side.

use core::{cell::Cell, hint::black_box};

/// How many allocations `run` makes, growth of what exists included; and what it gives.
pub(crate) fn allocations<T>(run: impl FnOnce() -> T) -> (u64, T) {
    // The result is kept in place: nothing here allocates.
    let result = Cell::new(None);
    let counted = allocation_counter::measure(|| result.set(Some(black_box(run()))));
    let Some(result) = result.into_inner() else { panic!("the code was not run") };
    (counted.count_total, result)
}

/// Runs the code and demands that it asks for no memory.
#[track_caller]
pub(crate) fn none<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (count, result) = allocations(run);
    assert_eq!(count, 0, "allocations of {what}");
    result
}
