//! How the program is linked.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // At a fixed address, as Go's programs are. One that can be loaded anywhere needs 5 MiB more of memory: the list of all
    // addresses in its tables, and the tables themselves, which are rewritten at each start (docs/performance.md).
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux")
        && env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu")
    {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
