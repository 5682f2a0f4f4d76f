//! HTTP exchanges, slots, kept values and serial lines: the lists that every driver is held to, on this one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "tests fail by panicking"
)]

mod running;

mod exchanges {
    skytether_testing::exchange_tests!(super::running::Here);
}

mod slots {
    skytether_testing::slot_tests!(super::running::Here);
}

mod stores {
    skytether_testing::store_tests!(super::running::Here);
}

#[cfg(unix)]
mod lines {
    skytether_testing::line_tests!(super::running::Here);
}
