//! `cargo x test`: all tests of the workspace, against real servers.
//!
//! A running lab is used as it is. Otherwise servers are started for this run and end with it: after success, after failure, on
//! Ctrl-C or termination (handed on to cargo and the tests; this process waits for them and then stops the servers), and by the kernel's hand if this process
//! is killed.

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process_group};
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
        let mut hangup = signal(SignalKind::hangup())?;
        // A group of its own, so that a signal to this process can be handed on to cargo and to the tests that it runs.
        command.process_group(0);
        let mut child = tokio::process::Command::from(command).spawn().context("starting cargo test")?;
        loop {
            tokio::select! {
                status = child.wait() => return status.context("waiting for cargo test"),
                _ = interrupt.recv() => forward(&child, Signal::INT),
                _ = terminate.recv() => forward(&child, Signal::TERM),
                _ = hangup.recv() => forward(&child, Signal::TERM),
            }
        }
    })?;
    drop(lab);
    // Ended by a signal: there is no code.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(130))
}

/// To the whole group. It may have ended between its last sign of life and this.
fn forward(child: &tokio::process::Child, signal: Signal) {
    if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}
