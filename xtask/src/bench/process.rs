//! Programs that are measured: how long they took, how much processor time, and how much memory at most.
//!
//! Whatever ends the bench ends them: dropping the future kills the child, and the kernel does when this process is killed.

use std::fs;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Pid;
use tokio::process::{Child, Command};

/// How often a running program's memory is looked at. The kernel keeps the peak, so only what grows in the last moment is missed.
const LOOK: Duration = Duration::from_millis(10);
/// The kernel counts processor time in hundredths on every Linux there is.
const TICKS: f64 = 100.0;

/// What a program took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// From its start to its end.
    pub wall: Duration,
    /// Processor time, in seconds.
    pub cpu: f64,
    /// The most memory it had resident, in octets.
    pub peak: u64,
}

impl Spent {
    /// For the terminal.
    pub fn text(&self) -> String {
        let (wall, peak) = (self.wall.as_secs_f64(), self.peak as f64 / 1e6);
        format!("{wall:.1} s ({:.1} s of processor time, {peak:.0} MB)", self.cpu)
    }
}

/// A program that ends with us.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A running program.
pub struct Running {
    child: Child,
    what: String,
    begun: Instant,
    spent: Spent,
}

impl Running {
    /// Starts it. `what` is for messages.
    pub fn start(what: &str, command: &mut Command) -> Result<Running> {
        let child = command.spawn().with_context(|| format!("starting {what}"))?;
        Ok(Running { child, what: what.to_owned(), begun: Instant::now(), spent: Spent::default() })
    }

    /// Its process.
    pub fn pid(&self) -> Result<Pid> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        pid.with_context(|| format!("{} has ended already", self.what))
    }

    /// Waits for its end, whichever.
    pub async fn end(mut self) -> Result<(ExitStatus, Spent)> {
        loop {
            self.look();
            match tokio::time::timeout(LOOK, self.child.wait()).await {
                Ok(status) => {
                    self.spent.wall = self.begun.elapsed();
                    return Ok((status.with_context(|| format!("waiting for {}", self.what))?, self.spent));
                }
                Err(_) => continue,
            }
        }
    }

    fn look(&mut self) {
        let Some(id) = self.child.id() else { return };
        if let Some(peak) = peak_of(id) {
            self.spent.peak = self.spent.peak.max(peak);
        }
        if let Some(cpu) = cpu_of(id) {
            self.spent.cpu = cpu;
        }
    }
}

fn peak_of(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn cpu_of(id: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // pid (name) state …: user and system time are the fields 14 and 15, the name may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / TICKS)
}

/// Runs a program whose output nobody wants to its end; gives how long it took.
pub async fn time(what: &str, command: &mut Command) -> Result<Duration> {
    let (status, spent) = Running::start(what, command.stdout(Stdio::null()))?.end().await?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(spent.wall)
}

/// Runs `from | into` to the end of both; gives how long it took.
pub async fn pipe(what: &str, from: &mut Command, into: &mut Command) -> Result<Duration> {
    let begun = Instant::now();
    let doing = || format!("starting {what}");
    let mut from = from.stdout(Stdio::piped()).spawn().with_context(doing)?;
    let output = from.stdout.take().with_context(doing)?;
    let output: Stdio = output.try_into().with_context(doing)?;
    into.stdin(output).stdout(Stdio::null());
    let mut into = into.spawn().with_context(doing)?;
    let (from, into) =
        tokio::try_join!(from.wait(), into.wait()).with_context(|| format!("waiting for {what}"))?;
    if !from.success() || !into.success() {
        bail!("{what} failed ({from}, {into})");
    }
    Ok(begun.elapsed())
}

/// How many octets a program writes.
pub async fn output(what: &str, command: &mut Command) -> Result<u64> {
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("starting {what}"))?;
    let mut written = child.stdout.take().with_context(|| format!("starting {what}"))?;
    let octets = tokio::io::copy(&mut written, &mut tokio::io::sink()).await.context("counting octets")?;
    let status = child.wait().await?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(octets)
}
