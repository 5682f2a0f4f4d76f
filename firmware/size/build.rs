//! Hands the linker the board's memory, and cortex-m-rt's script with it.

use std::{env, fs, path::PathBuf};

/// The mps2-an386: 4 MiB of code, 4 MiB of RAM. The lengths here are the budget that the examples keep.
const MEMORY: &str = "MEMORY\n{\n  FLASH : ORIGIN = 0x00000000, LENGTH = 1M\n  RAM : ORIGIN = 0x20000000, LENGTH = 256K\n}\n";

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names it"));
    fs::write(out.join("memory.x"), MEMORY).expect("the folder is there");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rerun-if-changed=build.rs");
}
