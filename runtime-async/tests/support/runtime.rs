//! The runtimes that the one driver must serve alike.

use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use futures_util::future::{FutureExt as _, abortable};
use skytether_async::Driven;
use skytether_core::io::Machine;
use skytether_std::options::Options;
use tokio::task::JoinHandle;

/// Who polls the driver. The test's own side is always tokio's.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Runtime {
    Tokio,
    Smol,
    AsyncStd,
}

impl Runtime {
    pub fn spawn<M>(self, machine: M, options: Options) -> Driven<M, Task>
    where
        M: Machine + Send + 'static,
        M::Command: Send,
        M::Event: Send,
        M::Answer: Send,
    {
        if self == Self::Tokio {
            let (handle, events, task) = skytether_tokio::spawn(machine, options);
            let abort = task.abort_handle();
            return (handle, events, Task { ended: task, abort: Box::new(move || abort.abort()) });
        }
        let (handle, events, driver): Driven<M, _> = skytether_smol::drive(machine, options);
        let (driver, abort) = abortable(driver);
        // Aborted is an end too; tokio's task only waits.
        let ended = match self {
            Self::Smol => tokio::spawn(smol::spawn(driver).map(|_| ())),
            Self::AsyncStd => tokio::spawn(async_std::task::spawn(driver).map(|_| ())),
            Self::Tokio => panic!("it has gone its own way"),
        };
        (handle, events, Task { ended, abort: Box::new(move || abort.abort()) })
    }
}

/// A driver at work. Dropping it leaves it to itself.
pub struct Task {
    ended: JoinHandle<()>,
    abort: Box<dyn Fn() + Send + Sync>,
}

impl Task {
    pub fn abort(&self) {
        (self.abort)();
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ended = Pin::new(&mut self.ended).poll(cx);
        ended.map(|ended| assert!(!ended.is_err_and(|error| error.is_panic()), "the driver has panicked"))
    }
}

/// One test for each runtime from each scenario named.
macro_rules! on_each_runtime {
    ($(#[$attribute:meta])* $($scenario:ident,)*) => {
        on_each_runtime!(@ on_tokio Tokio; [$(#[$attribute])*] $($scenario,)*);
        on_each_runtime!(@ on_smol Smol; [$(#[$attribute])*] $($scenario,)*);
        on_each_runtime!(@ on_async_std AsyncStd; [$(#[$attribute])*] $($scenario,)*);
    };
    (@ $module:ident $runtime:ident; $attributes:tt $($scenario:ident,)*) => {
        mod $module {
            $(on_each_runtime!(@@ $runtime $attributes $scenario);)*
        }
    };
    (@@ $runtime:ident [$($attribute:tt)*] $scenario:ident) => {
        $($attribute)*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $scenario() {
            super::$scenario(crate::support::runtime::Runtime::$runtime).await;
        }
    };
}
