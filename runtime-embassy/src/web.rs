//! How HTTP exchanges are made, as the driver needs it.
#![allow(
    async_fn_in_trait,
    reason = "an executor of a microcontroller runs all of it in one place: nothing needs Send"
)]

use skytether_core::io::{Cause, Exchange, Head};

/// Makes HTTP requests, one at a time. [`Http`](crate::Http) does, by reqwless.
pub trait Web {
    /// Makes one request, follows no redirect, and tells of the answer: its head once, then its body in chunks. The call
    /// is dropped where the answer is not wanted any more.
    ///
    /// # Errors
    /// Why it broke off. What `replies` fails with is passed on.
    async fn exchange<T: Replies>(&mut self, exchange: &Exchange, replies: &mut T) -> Result<(), Cause>;
}

/// Takes the parts of an answer.
pub trait Replies {
    /// The head: first, and once. Says whether the body is wanted; where it is not, the exchange is over.
    ///
    /// # Errors
    /// Where the body cannot be what was asked for.
    fn head(&mut self, head: Head<'_>) -> Result<bool, Cause>;

    /// A part of the body. Waits while the application is behind, and until a slot holds it safely.
    ///
    /// # Errors
    /// Where the body is longer than was wanted, or could not be kept.
    async fn chunk(&mut self, chunk: &[u8]) -> Result<(), Cause>;
}

impl<B: Web> Web for &mut B {
    async fn exchange<T: Replies>(&mut self, exchange: &Exchange, replies: &mut T) -> Result<(), Cause> {
        (**self).exchange(exchange, replies).await
    }
}

/// No HTTP: every exchange is answered with `Cause::Unsupported`.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "there is nothing in it, and there never will be")]
pub struct NoWeb;

impl Web for NoWeb {
    async fn exchange<T: Replies>(&mut self, _: &Exchange, _: &mut T) -> Result<(), Cause> {
        Err(Cause::Unsupported("HTTP exchanges"))
    }
}
