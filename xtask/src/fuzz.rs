//! `cargo x fuzz`: one target of the crate `fuzz` under libFuzzer, with a stable compiler.
//!
//! What is to be covered is compiled with LLVM's own pass; so neither a nightly compiler nor `cargo fuzz` is needed. Its objects are of no use to other builds and
//! lie in a folder of their own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::deny::host;
use crate::run::{cargo, root, step};

/// Coverage for libFuzzer: counters for edges, a table of their places, and what is compared with what.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// What to fuzz, and for how long.
#[derive(Args)]
pub struct Arguments {
    /// The target, one of the folders of `fuzz/corpus`
    target: String,
    /// How long
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Flags of libFuzzer, or a file to be read once
    #[arg(last = true)]
    more: Vec<String>,
}

/// Builds and runs; what breaks it is written to `fuzz/found/TARGET`, what covers something new to a folder below `target`.
pub fn run(arguments: &Arguments) -> Result<()> {
    let folder = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("fuzz");
    let platform = host()?;
    let mut build = cargo();
    build.args(["build", "--locked", "--package", "tidelock-fuzz", "--features", "libfuzzer"]);
    // A platform is named so that what runs while building (macros, scripts) is compiled without.
    build.args(["--profile", "fuzz", "--target", &platform, "--target-dir"]).arg(&folder);
    step("build", build.env("RUSTFLAGS", COVERAGE))?;
    let target = &arguments.target;
    let (seeds, found) = (root().join("fuzz/corpus").join(target), root().join("fuzz/found").join(target));
    let grown = folder.join("corpus").join(target);
    std::fs::create_dir_all(&found)?;
    std::fs::create_dir_all(&grown)?;
    let mut fuzz = Command::new(folder.join(platform).join("fuzz/tidelock-fuzz"));
    fuzz.env("TIDELOCK_FUZZ", target).current_dir(root());
    fuzz.args(["-rss_limit_mb=512", "-timeout=10", "-max_len=4096", "-print_final_stats=1"]);
    fuzz.arg(format!("-max_total_time={}", arguments.seconds));
    fuzz.arg(format!("-artifact_prefix={}/", found.display())).args(&arguments.more);
    if arguments.more.iter().all(|flag| flag.starts_with('-')) {
        fuzz.args([&grown, &seeds, &found]);
    }
    step(&format!("{target} for {} s", arguments.seconds), &mut fuzz)
}
