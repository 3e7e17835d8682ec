//! The lab: real database servers for tests, measurements and trying things out.
//!
//! Where a server comes from, the first that applies:
//!
//! ```text
//! TIDELOCK_TEST_KIND_URL is set ──► yours: used as it is, never started or stopped here
//! a container engine answers    ──► docker compose (lab/compose.*.yaml)
//! otherwise                     ──► packages, unpacked below target/lab (lab/fetch.sh); nothing is installed
//! ```
//!
//! `TIDELOCK_LAB_WAY=docker|packages` decides between the last two. Two kinds of life: *kept* servers ([`up`]) go on until
//! [`down`]; *borrowed* and *private* ones ([`borrow`], [`start`]) end with the value that holds them, and with the process,
//! however it ends (but for containers, which a killed process leaves behind until `docker compose down`).

mod docker;
mod fetch;
mod folders;
mod launch;
mod private;
mod process;
mod program;
mod runs;
mod state;
mod template;
mod tls;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};

use crate::kind::Kind;
use crate::leftovers;
use crate::server::{Server, version_of};
pub(crate) use folders::{Folders, make, write_secret};
use launch::Fate;
use state::{Entry, Origin, State};

pub use private::{Private, start};
pub use process::spawn_guarded;
pub use program::Options;
pub(crate) use program::{Launch, as_server_user, run};
pub(crate) use state::read_env;
pub use state::{CA_VARIABLE, env_file, variables};

/// Servers that are there, and those of them that this process started and ends.
pub struct Borrowed {
    /// All servers asked for.
    pub servers: Vec<Server>,
    folders: Folders,
    started: Vec<Entry>,
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Err(error) = stop(&self.folders, &self.started) {
            eprintln!("lab: {error:#}");
        }
    }
}

/// Makes sure that servers of these kinds run, and keeps them running. Gives all of them, those named by the environment included.
pub fn up(kinds: &[Kind]) -> Result<Vec<Server>> {
    let folders = Folders::open()?;
    let _lock = state::lock(&folders)?;
    let mut state = State::load(&folders)?;
    runs::sweep(&folders, &state)?;
    let (servers, started) = provide(&folders, &state, kinds, Fate::Kept)?;
    state.entries.extend(started);
    state.save(&folders)?;
    Ok(servers)
}

/// As [`up`], but what has to be started ends with the returned value.
pub fn borrow(kinds: &[Kind]) -> Result<Borrowed> {
    let folders = Folders::open()?;
    let lock = state::lock(&folders)?;
    let state = State::load(&folders)?;
    runs::sweep(&folders, &state)?;
    let (servers, started) = provide(&folders, &state, kinds, Fate::Guarded)?;
    drop(lock);
    Ok(Borrowed { servers, folders, started })
}

/// Stops the kept servers and removes their data; gives their kinds. What was fetched stays.
pub fn down() -> Result<Vec<Kind>> {
    let folders = Folders::open()?;
    let _lock = state::lock(&folders)?;
    let mut state = State::load(&folders)?;
    let entries = std::mem::take(&mut state.entries);
    stop(&folders, &entries)?;
    state.save(&folders)?;
    runs::sweep(&folders, &state)?;
    Ok(entries.into_iter().map(|entry| entry.server.kind).collect())
}

/// The kept servers, each with whether it answers.
pub fn status() -> Result<Vec<(Server, bool)>> {
    let folders = Folders::open()?;
    let servers = State::load(&folders)?.entries.into_iter().map(|entry| entry.server);
    Ok(servers
        .map(|server| (version_of(&server.url).is_ok(), server))
        .map(|(ok, server)| (server, ok))
        .collect())
}

/// A client program that came with a fetched server, such as `(Kind::Postgres18, "pg_recvlogical")`.
pub fn tool(kind: Kind, name: &str) -> Result<PathBuf> {
    let path = Folders::open()?.server(kind).join("bin").join(name);
    if !path.is_file() {
        bail!(
            "{} is not there; `TIDELOCK_LAB_WAY=packages cargo x lab up --only {kind}` fetches it",
            path.display()
        );
    }
    Ok(path)
}

/// Where SQLite databases of tests are made.
pub(crate) fn sqlite_folder() -> Result<PathBuf> {
    let folder = folders::front().join("sqlite");
    folders::make(&folder, 0o755)?;
    Ok(folder)
}

/// Finds or starts a server of each kind; gives all, and what was started.
fn provide(
    folders: &Folders,
    state: &State,
    kinds: &[Kind],
    fate: Fate,
) -> Result<(Vec<Server>, Vec<Entry>)> {
    let mut servers = Vec::new();
    let mut missing = Vec::new();
    for kind in kinds.iter().copied().filter(|kind| kind.language().servers().is_some()) {
        let kept = state.entries.iter().find(|entry| entry.server.kind == kind);
        if let Ok(url) = std::env::var(kind.url_variable()) {
            let version = version_of(&url)
                .with_context(|| format!("asking the server that {} names", kind.url_variable()))?;
            eprintln!("lab: {kind}: {version}, by {}", kind.url_variable());
            let ca_file = std::env::var_os(CA_VARIABLE).map(PathBuf::from);
            servers.push(Server { kind, url, version, ca_file });
        } else if let Some(entry) = kept {
            eprintln!("lab: {kind}: {}, running", entry.server.version);
            tidy(entry);
            servers.push(entry.server.clone());
        } else {
            missing.push(kind);
        }
    }
    if missing.is_empty() {
        return Ok((servers, Vec::new()));
    }
    let started = if by_docker()? {
        let entry = |server| Entry { server, origin: Origin::Docker };
        docker::up(folders, &missing)?.into_iter().map(entry).collect()
    } else {
        by_packages(folders, &missing, fate)?
    };
    servers.extend(started.iter().map(|entry| entry.server.clone()));
    servers.sort_by_key(|server| server.kind);
    Ok((servers, started))
}

fn by_docker() -> Result<bool> {
    match std::env::var("TIDELOCK_LAB_WAY").as_deref() {
        Ok("docker") => Ok(true),
        Ok("packages") => Ok(false),
        Ok(other) => bail!("TIDELOCK_LAB_WAY is '{other}'; it may be 'docker' or 'packages'"),
        Err(_) => Ok(docker::engine_answers()),
    }
}

/// Fetches what is missing, then starts all at once. When one fails, the others are stopped again.
fn by_packages(folders: &Folders, kinds: &[Kind], fate: Fate) -> Result<Vec<Entry>> {
    fetch::fetch(folders, kinds)?;
    let results: Vec<Result<Entry>> = std::thread::scope(|scope| {
        let start = |kind: Kind| {
            let begun = Instant::now();
            let (server, running) = launch::start(folders, kind, &Options::default(), fate)?;
            eprintln!("lab: {kind}: {}, started in {:.1} s", server.version, begun.elapsed().as_secs_f32());
            Ok(Entry { server, origin: Origin::Package(running) })
        };
        let works: Vec<_> = kinds.iter().map(|kind| scope.spawn(move || start(*kind))).collect();
        works
            .into_iter()
            .map(|work| work.join().unwrap_or_else(|_| Err(anyhow!("starting panicked"))))
            .collect()
    });
    let (good, bad): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let good: Vec<Entry> = good.into_iter().flatten().collect();
    match bad.into_iter().find_map(Result::err) {
        None => Ok(good),
        Some(error) => {
            stop(folders, &good)?;
            Err(error)
        }
    }
}

fn stop(folders: &Folders, entries: &[Entry]) -> Result<()> {
    std::thread::scope(|scope| {
        for entry in entries {
            if let Origin::Package(running) = &entry.origin {
                scope.spawn(|| running.stop());
            }
        }
    });
    let containers: Vec<_> = entries
        .iter()
        .filter(|entry| matches!(entry.origin, Origin::Docker))
        .map(|entry| entry.server.kind)
        .collect();
    if containers.is_empty() { Ok(()) } else { docker::down(folders, &containers) }
}

/// Drops the databases that killed tests left on a kept server.
fn tidy(entry: &Entry) {
    if let Origin::Package(_) = entry.origin {
        match leftovers::sweep(&entry.server) {
            Ok(0) => {}
            Ok(n) => eprintln!("lab: {}: dropped {n} databases of tests that were killed", entry.server.kind),
            Err(error) => eprintln!("lab: {}: looking for leftover databases: {error:#}", entry.server.kind),
        }
    }
}
