//! One module for each command; each is a call into the engine and the words about what came of it.

mod check;
mod cleanup;
mod copy;
mod init;
mod plan;
mod run;
mod status;
mod sync;
mod verify;

use crate::cli::{Cli, Command};
use crate::config::published_schema;
use crate::ui::{Ui, print};
use anyhow::Result;
use clap::CommandFactory;
use tidelock_sync::SyncError;
use tokio_util::sync::CancellationToken;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was asked is done: exit code 0.
    Done,
    /// It ran, and its answer is no: not ready, not equal. Exit code 1.
    Unmet,
}

/// Runs the command.
pub async fn run(cli: Cli, ui: Ui, cancel: &CancellationToken) -> Result<Outcome> {
    let global = cli.global;
    match cli.command {
        Command::Demo(args) => crate::demo::run(&args, ui, cancel).await,
        Command::Copy(args) => copy::run(&args, ui, cancel).await,
        Command::Init(args) => or_stopped(init::run(&global, &args, ui), cancel).await,
        Command::Check(args) => or_stopped(check::run(&global, &args, ui), cancel).await,
        Command::Plan(args) => or_stopped(plan::run(&global, args.job.as_deref(), ui), cancel).await,
        Command::Sync(args) => sync::run(&global, &args, ui, cancel).await,
        Command::Run => run::run(&global, ui, cancel).await,
        Command::Status => status::run(&global, ui),
        Command::Verify(args) => verify::run(&global, &args.job, ui, cancel).await,
        Command::Cleanup(args) => or_stopped(cleanup::run(&global, &args, ui), cancel).await,
        Command::Schema => schema(ui),
        Command::Completions(args) => completions(args.shell),
    }
}

/// Work that may be dropped wherever it is: each of its statements is whole by itself.
async fn or_stopped<T>(work: impl Future<Output = Result<T>>, cancel: &CancellationToken) -> Result<T> {
    tokio::select! {
        done = work => done,
        () = cancel.cancelled() => {
            Err(SyncError::stopped("TL-SYNC-STOPPED", "stopped before it was done; what was done stays, and the command may be given again").into())
        }
    }
}

fn schema(ui: Ui) -> Result<Outcome> {
    let schema = published_schema();
    print(&if ui.json { serde_json::to_string(&schema)? } else { serde_json::to_string_pretty(&schema)? })?;
    Ok(Outcome::Done)
}

fn completions(shell: clap_complete::Shell) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tidelock", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
