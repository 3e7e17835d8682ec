//! The command line: names, flags and their words. What they do stands in `commands`.

use crate::registry::SCHEMES_IN_WORDS;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Keeps databases in step, one way or both ways, and proves that they are.
#[derive(Parser)]
#[command(
    name = "tidelock",
    version,
    about = "Keeps databases in step, one way or both ways, and proves that they are",
    after_help = format!(
        "Begin with `tidelock demo`, which needs no server, or `tidelock copy FROM_URL TO_URL`, which needs no configuration.\n\
         URLs: {SCHEMES_IN_WORDS}\n\
         Exit codes: 0 done, 1 failed, 2 used wrongly."
    ),
    max_term_width = 110
)]
pub struct Cli {
    /// What every command has.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command has.
#[derive(Args, Clone)]
pub struct Global {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "./tidelock.yaml", global = true)]
    pub config: PathBuf,
    /// Print JSON, one object a line, for machines
    #[arg(long, global = true)]
    pub json: bool,
    /// Log more to standard error: -vv in detail, -vvv everything (RUST_LOG says it exactly)
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Show the product: two SQLite databases, a two-way job, and a writer that changes both
    Demo(DemoArgs),
    /// Copy every table from one database into another; no configuration needed
    Copy(CopyArgs),
    /// Write a commented tidelock.yaml for two databases, from what is really there
    Init(InitArgs),
    /// Connect and list every unmet precondition, each with the statement that mends it
    Check(CheckArgs),
    /// Show what a run would create or change, touching nothing
    Plan(JobArg),
    /// Copy what was never copied, apply everything committed until now, and exit
    Sync(SyncArgs),
    /// Keep all jobs running until stopped
    Run,
    /// Show how the jobs are
    Status,
    /// Compare both sides of a job row by row; exit code 1 when they differ
    Verify(VerifyArgs),
    /// Show, and with --yes remove, all that tidelock put into the databases
    Cleanup(CleanupArgs),
    /// Print the JSON schema of the configuration
    Schema,
    /// Print the completion script for a shell
    Completions(CompletionsArgs),
}

/// Arguments of `demo`.
#[derive(Args)]
pub struct DemoArgs {
    /// How long the writer works
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Keep the databases and their tidelock.yaml in this directory, to go on with them
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// Arguments of `copy`.
#[derive(Args)]
pub struct CopyArgs {
    /// The database to read
    #[arg(value_name = "FROM_URL")]
    pub from: String,
    /// The database to write; absent tables are created
    #[arg(value_name = "TO_URL")]
    pub to: String,
    /// Only these tables, by name or pattern (`*`, `?`), separated by commas
    #[arg(long, value_name = "TABLES", value_delimiter = ',')]
    pub tables: Vec<String>,
}

/// Arguments of `init`.
#[derive(Args)]
pub struct InitArgs {
    /// The database to read
    #[arg(value_name = "FROM_URL")]
    pub from: String,
    /// The database to write
    #[arg(value_name = "TO_URL")]
    pub to: String,
    /// Overwrite a file that is there
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `check`.
#[derive(Args)]
pub struct CheckArgs {
    /// Only this job
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// Read the rows too: are there keys that the target would take for one?
    #[arg(long)]
    pub data: bool,
}

/// Arguments of commands for one job or all.
#[derive(Args)]
pub struct JobArg {
    /// Only this job
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
}

/// Arguments of `sync`.
#[derive(Args)]
pub struct SyncArgs {
    /// Only this job
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// Copy again what was copied
    #[arg(long)]
    pub full: bool,
    /// With --full: only these tables, by name or pattern (`*`, `?`), separated by commas
    #[arg(long, value_name = "TABLES", value_delimiter = ',', requires = "full")]
    pub tables: Vec<String>,
}

/// Arguments of `verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// The job
    #[arg(value_name = "JOB")]
    pub job: String,
}

/// Arguments of `cleanup`.
#[derive(Args)]
pub struct CleanupArgs {
    /// Only this job
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// Remove it; without this it is only shown
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `completions`.
#[derive(Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}
