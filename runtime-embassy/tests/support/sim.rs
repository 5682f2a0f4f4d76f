//! A world of its own for one test: tasks on one thread, and time that passes only when all of them wait.
#![allow(dead_code, reason = "each test file uses its own part")]

use embassy_time::{Duration, Instant, MockDriver, Timer, with_timeout};
use std::{
    cell::RefCell,
    future::Future,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// The clock is the process's: one world at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

thread_local! {
    static NEW: RefCell<Vec<Pin<Box<dyn Future<Output = ()>>>>> = const { RefCell::new(Vec::new()) };
}

struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a test. Fails where nothing happens for an hour of its time.
pub fn sim<T>(test: impl Future<Output = T>) -> T {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let bell = Arc::new(Bell(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&bell));
    let mut cx = Context::from_waker(&waker);
    let mut test = pin!(test);
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    let (mut idle, mut busy) = (0, 0);
    while idle < 3_600_000 {
        // A task that asks whether its time has come until it has (embassy-net does) needs time to pass.
        if busy == 64 || !bell.0.swap(false, Ordering::Relaxed) {
            MockDriver::get().advance(Duration::from_millis(1));
            (idle, busy) = (idle + 1, 0);
            continue;
        }
        (idle, busy) = (0, busy + 1);
        if let Poll::Ready(outcome) = test.as_mut().poll(&mut cx) {
            NEW.with(|new| new.borrow_mut().clear());
            return outcome;
        }
        tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
        let new = NEW.with(|new| std::mem::take(&mut *new.borrow_mut()));
        if !new.is_empty() {
            bell.0.store(true, Ordering::Relaxed);
            tasks.extend(new);
        }
    }
    panic!("nothing happens any more");
}

/// A task of [`spawn`].
pub struct Task<T>(Rc<RefCell<(Option<T>, bool)>>);

/// Runs beside the test.
pub fn spawn<T: 'static>(work: impl Future<Output = T> + 'static) -> Task<T> {
    let place = Rc::new(RefCell::new((None, false)));
    let task = Task(Rc::clone(&place));
    let mut work = Box::pin(work);
    let work = std::future::poll_fn(move |cx| {
        if place.borrow().1 {
            return Poll::Ready(());
        }
        work.as_mut().poll(cx).map(|outcome| {
            place.borrow_mut().0 = Some(outcome);
            cx.waker().wake_by_ref();
        })
    });
    NEW.with(|new| new.borrow_mut().push(Box::pin(work)));
    task
}

impl<T> Task<T> {
    pub fn is_finished(&self) -> bool {
        self.0.borrow().0.is_some()
    }

    /// Drops it, in a moment.
    pub fn abort(&self) {
        self.0.borrow_mut().1 = true;
    }

    pub async fn join(self) -> T {
        std::future::poll_fn(|_| self.0.borrow_mut().0.take().map_or(Poll::Pending, Poll::Ready)).await
    }
}

pub async fn sleep(millis: u64) {
    Timer::after(Duration::from_millis(millis)).await;
}

/// Lets everything that can happen now happen.
pub async fn settle() {
    sleep(2).await;
}

/// Fails instead of waiting for ever.
pub async fn soon<T>(work: impl Future<Output = T>) -> T {
    with_timeout(Duration::from_secs(60), work).await.expect("it comes to an end")
}

pub fn now() -> Instant {
    Instant::now()
}
