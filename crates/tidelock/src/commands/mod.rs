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
        Command::Init(args) => init::run(&global, &args, ui).await,
        Command::Check(args) => check::run(&global, args.job.as_deref(), ui).await,
        Command::Plan(args) => plan::run(&global, args.job.as_deref(), ui).await,
        Command::Sync(args) => sync::run(&global, &args, ui, cancel).await,
        Command::Run => run::run(&global, ui, cancel).await,
        Command::Status => status::run(&global, ui),
        Command::Verify(args) => verify::run(&global, &args.job, ui, cancel).await,
        Command::Cleanup(args) => cleanup::run(&global, &args, ui).await,
        Command::Schema => schema(),
        Command::Completions(args) => completions(args.shell),
    }
}

fn schema() -> Result<Outcome> {
    print(&serde_json::to_string_pretty(&published_schema())?)?;
    Ok(Outcome::Done)
}

fn completions(shell: clap_complete::Shell) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tidelock", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
