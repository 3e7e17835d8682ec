//! `cargo x`: what a developer and CI do with this workspace.
//!
//! One subcommand, one module. Each is a thin order of other programs; what the lab does is in `testkit::lab`.

mod bench;
mod check;
mod deny;
mod fuzz;
mod lab;
mod run;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a developer and CI do with this workspace.
#[derive(Parser)]
#[command(name = "cargo x", bin_name = "cargo x")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Format, lints, documentation, licences: everything that needs no server
    Check,
    /// All tests, against real servers: those of a running lab, else ones started for this run
    Test(test::Arguments),
    /// Real database servers for tests and for trying things
    #[command(subcommand)]
    Lab(lab::Command),
    /// Our speed and the raw limit of this machine, in one run
    Bench(bench::Arguments),
    /// Feeds what reads from outside with anything, by libFuzzer
    Fuzz(fuzz::Arguments),
    /// Licences and sources of all dependencies
    Deny,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Check => check::run(),
        Command::Test(arguments) => return test::run(&arguments),
        Command::Bench(arguments) => return bench::run(&arguments),
        Command::Lab(command) => lab::run(&command),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Deny => deny::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
