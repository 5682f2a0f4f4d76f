//! placeholder
#![no_std]
#![no_main]
use cortex_m as _;
