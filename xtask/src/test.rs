//! `cargo x test`: all tests of the workspace, against real servers.
//!
//! A running lab is used as it is. Otherwise servers are started for this run and end with it: after success, after failure, on
//! Ctrl-C (cargo and the tests get the terminal's signal themselves; this process waits for them and then stops the servers),
//! and by the kernel's hand if this process is killed.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use tidelock_testkit::{Kind, lab};
use tokio::signal::unix::{SignalKind, signal};

use crate::run::cargo;

/// What to test.
#[derive(Args)]
pub struct Arguments {
    /// Only tests whose name contains one of these
    filter: Vec<String>,
    /// Only this package
    #[arg(long, short)]
    package: Vec<String>,
}

/// Runs the tests; the exit code is cargo's.
pub fn run(arguments: &Arguments) -> ExitCode {
    match test(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn test(arguments: &Arguments) -> Result<u8> {
    let lab = lab::borrow(&Kind::SERVERS)?;
    let mut command = cargo();
    command.args(["test", "--locked", "--no-fail-fast"]);
    if arguments.package.is_empty() {
        command.arg("--workspace");
    }
    command.args(arguments.package.iter().flat_map(|package| ["--package", package]));
    command.args((!arguments.filter.is_empty()).then_some("--")).args(&arguments.filter);
    command.envs(lab::variables(&lab.servers));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut child = tokio::process::Command::from(command).spawn().context("starting cargo test")?;
        loop {
            tokio::select! {
                status = child.wait() => return status.context("waiting for cargo test"),
                _ = interrupt.recv() => {} // cargo has got it too, and ends
                _ = terminate.recv() => child.start_kill()?,
            }
        }
    })?;
    drop(lab);
    // Ended by a signal: there is no code.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(130))
}
