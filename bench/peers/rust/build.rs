//! Tells the program which compiler makes it.

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var("RUSTC").expect("cargo sets RUSTC");
    let output = Command::new(rustc).arg("--version").output().expect("rustc tells its version");
    let version = String::from_utf8(output.stdout).expect("a version is text");
    let short: Vec<&str> = version.split_whitespace().take(2).collect();
    println!("cargo:rustc-env=BENCH_RUSTC={}", short.join(" "));
    println!("cargo:rerun-if-changed=build.rs");
}
