//! The workloads of raftcy's benchmark on raft-rs: one run per process, one line of JSON.

mod codec;
mod group;
mod measure;
mod options;
mod workloads;

use std::process::exit;

use measure::{Failure, Measured};
use options::Options;

/// The crate's version, from the manifest that pins it.
fn version() -> &'static str {
    let manifest = include_str!("../Cargo.toml");
    let pin = manifest.lines().find(|line| line.starts_with("raft = "));
    pin.and_then(|line| line.split('"').nth(1)).map_or("unknown", |pin| pin.trim_start_matches('='))
}

fn run(o: &Options) -> Result<Measured, Failure> {
    match o.workload.as_str() {
        "replicate1" | "batch" | "big" | "single" | "five" => workloads::replicate(o),
        "readindex" => workloads::read_index(o),
        "ticks" => workloads::ticks(o),
        "election" => workloads::election(o),
        "transfer" => workloads::transfer(o),
        "codec_encode" => codec::encode(o, codec::append_message(o)),
        "codec_decode" => codec::decode(o, codec::append_message(o)),
        "codec_encode_hb" => codec::encode(o, codec::heartbeat_message()),
        "codec_decode_hb" => codec::decode(o, codec::heartbeat_message()),
        "quorum" => workloads::quorum(o),
        other => Err(format!("{other} has no program").into()),
    }
}

fn main() {
    let o = match Options::parse(std::env::args().skip(1)) {
        Ok(o) => o,
        Err(wrong) => {
            eprintln!("{wrong}");
            exit(2);
        }
    };
    match run(&o) {
        Ok(out) => {
            let build = format!("{}, {}", env!("BENCH_RUSTC"), codec::NAME);
            println!("{}", out.line(version(), &build, &o.workload));
        }
        Err(failure) => {
            eprintln!("{failure}");
            exit(1);
        }
    }
}
