//! The driver of skytether's sans-IO machines for async runtimes, over no runtime in particular.
//!
//! Programs use `skytether-tokio` or `skytether-smol`, which bring their runtime as a [`Platform`] and re-export what is
//! needed from here. A third runtime needs that one trait:
//!
//! ```
//! use core::future::Future;
//! use skytether_async::{Driven, drive, net::Net, platform::Platform};
//! use skytether_core::io::Machine;
//! use skytether_std::options::Options;
//!
//! /// Puts `machine` on a runtime; the future is for its executor.
//! fn start<P: Platform, M: Machine>(machine: M, options: Options) -> Driven<M, impl Future<Output = ()>> {
//!     let net = Net::<P>::of(&options);
//!     drive::<P, _, _>(machine, net, options)
//! }
//! ```
#![forbid(unsafe_code)]
#![allow(clippy::std_instead_of_alloc, reason = "this crate stands on std")]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )
)]

pub mod batch;
mod clock;
pub mod connector;
mod driver;
pub mod events;
mod exchange;
mod filtered;
pub mod handle;
mod jobs;
mod line;
pub mod net;
pub mod platform;
mod tags;

use connector::Connector;
use core::future::Future;
use driver::Driver;
use events::Events;
use handle::Handle;
use platform::Platform;
use skytether_core::io::Machine;
use skytether_std::options::Options;

/// What driving a machine gives: the handle to command it, its events, and the future that does the work.
pub type Driven<M, F> = (Handle<<M as Machine>::Command, <M as Machine>::Answer>, Events<<M as Machine>::Event>, F);

/// Drives `machine` over the pipes that `connector` opens, for as long as the future is polled: until the machine is
/// closed. Dropping the future drops the connection without a farewell.
///
/// The machine's clock starts now: give [`Instant::ZERO`](skytether_core::time::Instant::ZERO) to its constructor.
pub fn drive<P: Platform, M: Machine, K: Connector>(
    machine: M,
    connector: K,
    options: Options,
) -> Driven<M, impl Future<Output = ()>> {
    let (handle, events, driver) = Driver::<M, K, P>::new(machine, connector, options);
    (handle, events, driver.run())
}
