//! Our own program: built for release, run as a user runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Signal, kill_process};
use tokio::process::Command;

use super::process::{Running, Spent, command};
use super::table::TABLE;
use super::world::Base;
use crate::run::cargo;

/// The program, and a folder for what its runs leave.
pub struct Product {
    program: PathBuf,
    folder: PathBuf,
}

/// Builds it; gives the path of the binary.
pub fn build() -> Result<PathBuf> {
    eprintln!("── cargo build --release --package tidelock");
    let mut cargo = cargo();
    cargo.args(["build", "--release", "--locked", "--package", "tidelock", "--bin", "tidelock"]);
    cargo.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped()).stderr(Stdio::inherit());
    let built = cargo.output().context("starting cargo")?;
    if !built.status.success() {
        bail!("building tidelock failed ({})", built.status);
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    };
    messages.lines().filter_map(executable).next_back().context("cargo named no binary")
}

impl Product {
    /// `program`, which leaves what it leaves in `folder`.
    pub fn new(program: PathBuf, folder: &Path) -> Product {
        Product { program, folder: folder.to_path_buf() }
    }

    /// `tidelock copy` of one database into another.
    pub async fn copy(&self, from: &Base, into: &Base) -> Result<Spent> {
        let place = self.place()?;
        let mut program = command(&self.program);
        program.args(["copy", from.url(), into.url(), "--tables", TABLE]).current_dir(&place);
        finished("tidelock copy", program, &place).await
    }

    /// A job from one database to another, in a folder of its own.
    pub fn job(&self, from: &Base, into: &Base) -> Result<Job> {
        let place = self.place()?;
        let config = format!(
            "state: ./state\nendpoints:\n  from: {}\n  into: {}\njobs:\n  bench:\n    source: from\n    target: into\n    tables: [{TABLE}]\n",
            from.url(),
            into.url()
        );
        fs::write(place.join("tidelock.yaml"), config).context("writing the job")?;
        Ok(Job { program: self.program.clone(), place })
    }

    fn place(&self) -> Result<PathBuf> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let place = self.folder.join(format!("run-{}", MADE.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
        Ok(place)
    }
}

/// One job and its state.
pub struct Job {
    program: PathBuf,
    place: PathBuf,
}

impl Job {
    /// `tidelock sync`, to its end.
    pub async fn sync(&self) -> Result<Spent> {
        let mut program = command(&self.program);
        program.arg("sync").current_dir(&self.place);
        finished("tidelock sync", program, &self.place).await
    }

    /// `tidelock run` for as long as `work` takes, then stopped as by Ctrl-C.
    pub async fn run_during<T>(&self, work: impl Future<Output = Result<T>>) -> Result<(T, Spent)> {
        let mut program = command(&self.program);
        program.arg("run").current_dir(&self.place);
        let running = started("tidelock run", &mut program, &self.place)?;
        let pid = running.pid()?;
        let mut end = std::pin::pin!(running.end());
        let done = tokio::select! {
            ended = &mut end => bail!("tidelock run ended by itself ({}): {}", ended?.0, last_words(&self.place)),
            done = work => done,
        };
        kill_process(pid, Signal::INT).context("interrupting tidelock run")?;
        let (status, spent) = end.await?;
        ensure!(status.success(), "tidelock run failed ({status}): {}", last_words(&self.place));
        Ok((done?, spent))
    }

    /// Octets of its journal's files.
    pub fn journal(&self) -> u64 {
        let files = fs::read_dir(self.place.join("state/journal")).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|found| found.len()).sum()
    }
}

fn started(what: &str, program: &mut Command, place: &Path) -> Result<Running> {
    let log = fs::File::create(place.join("log")).context("making a log")?;
    Running::start(what, program.stdout(log.try_clone()?).stderr(log))
}

async fn finished(what: &str, mut program: Command, place: &Path) -> Result<Spent> {
    let (status, spent) = started(what, &mut program, place)?.end().await?;
    ensure!(status.success(), "{what} failed ({status}): {}", last_words(place));
    Ok(spent)
}

/// The end of what it said.
fn last_words(place: &Path) -> String {
    let log = fs::read_to_string(place.join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines.len() {
        0 => "it said nothing".to_owned(),
        count => lines[count.saturating_sub(4)..].join(" / "),
    }
}
