//! Hands libFuzzer's bytes to the body `azure`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| skytether_fuzz_bodies::run("azure", data));
