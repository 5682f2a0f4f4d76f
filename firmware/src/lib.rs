//! What the examples share: the board, and the parameters that the host hands in.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

pub mod board;
pub mod memory_flash;
pub mod parameters;
