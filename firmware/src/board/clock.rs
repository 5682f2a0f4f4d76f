//! embassy's clock from SysTick: a counter of milliseconds, and a queue of who wants to be woken when.

use core::{cell::RefCell, task::Waker};
use cortex_m::peripheral::{SYST, syst::SystClkSource};
use cortex_m_rt::exception;
use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

/// Cycles of a millisecond at 25 MHz.
const CYCLES: u32 = 25_000;

struct State {
    now: u64,
    next: u64,
    queue: Queue,
}

struct Clock(Mutex<RefCell<State>>);

embassy_time_driver::time_driver_impl!(
    static CLOCK: Clock = Clock(Mutex::new(RefCell::new(State { now: 0, next: u64::MAX, queue: Queue::new() })))
);

impl Clock {
    fn with<T>(&self, cs: CriticalSection<'_>, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.borrow(cs).borrow_mut())
    }
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        critical_section::with(|cs| self.with(cs, |state| state.now))
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            self.with(cs, |state| {
                if state.queue.schedule_wake(at, waker) {
                    state.next = state.queue.next_expiration(state.now);
                }
            });
        });
    }
}

#[exception]
fn SysTick() {
    critical_section::with(|cs| {
        CLOCK.with(cs, |state| {
            state.now += 1;
            if state.now >= state.next {
                state.next = state.queue.next_expiration(state.now);
            }
        });
    });
}

pub(super) fn start(timer: &mut SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(CYCLES - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
}
