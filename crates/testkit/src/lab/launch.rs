//! Starts one server: copies its template, runs it in the foreground, waits until it answers.
//!
//! Where it runs, and what becomes of that place after a crash, is in [`super::runs`].

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::folders::Folders;
use super::process::{self, Identity};
use super::program::{self, Options};
use super::runs::{Place, Running};
use super::{template, tls};
use crate::kind::Kind;
use crate::server::{Server, version_of};

const PATIENCE: Duration = Duration::from_secs(90);

/// Whether a server ends with the process that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fate {
    /// It goes on until `lab down`.
    Kept,
    /// The kernel ends it with this process, however that ends.
    Guarded,
}

/// Starts a server of a kind that has been fetched.
pub(crate) fn start(
    folders: &Folders,
    kind: Kind,
    options: &Options,
    fate: Fate,
) -> Result<(Server, Running)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let place = Place::claim(folders, fate)?;
        let started = fill(folders, kind, &place).and_then(|()| run(folders, kind, options, fate, &place));
        let error = match started {
            Ok(started) => return Ok(started),
            Err(error) => error.context(format!("starting {kind} on port {}", place.port)),
        };
        let log = fs::read_to_string(place.run.join("log")).unwrap_or_default();
        fs::remove_dir_all(&place.run).ok();
        // Somebody else may have taken the port between our look and the server's.
        if tries == 3 || !log.contains("ddress already in use") {
            return Err(match end_of(&log) {
                Some(end) => anyhow!("{error:#}\nthe server's log ends with:\n{end}"),
                None => error,
            });
        }
    }
}

fn end_of(log: &str) -> Option<String> {
    let lines: Vec<_> = log.lines().collect();
    (!lines.is_empty()).then(|| lines[lines.len().saturating_sub(15)..].join("\n"))
}

/// Starts a stopped server again on its own data and port.
pub(crate) fn restart(
    folders: &Folders,
    server: &Server,
    running: &Running,
    options: &Options,
) -> Result<(Server, Running)> {
    let port = url::Url::parse(&server.url)?.port().context("a server's url has a port")?;
    let place = Place { run: running.run.clone(), port };
    run(folders, server.kind, options, Fate::Guarded, &place)
        .with_context(|| format!("restarting {}", server.kind))
}

/// Fills a run folder with a fresh server's data.
fn fill(folders: &Folders, kind: Kind, place: &Place) -> Result<()> {
    tls::prepare(&folders.tls())?;
    let password = template::password(folders)?;
    let template = template::prepare(folders, kind, &password)?;
    let copied = Command::new("cp").arg("-a").arg(&template).arg(place.run.join("data")).status();
    if !copied.context("copying the template")?.success() {
        bail!("copying {} into {} failed", template.display(), place.run.display());
    }
    tls::copy_into(folders, &place.run)?;
    kind.servers()?.prepare(folders, kind, &place.run, &password)
}

/// Runs the server of a filled run folder and waits until it answers.
fn run(
    folders: &Folders,
    kind: Kind,
    options: &Options,
    fate: Fate,
    place: &Place,
) -> Result<(Server, Running)> {
    let servers = kind.servers()?;
    let launch = servers.launch(kind, &folders.server(kind), &place.run, place.port, options);
    let guard = (fate == Fate::Guarded).then_some(launch.stop);
    let mut command = program::as_server_user(folders, &launch.program, guard);
    let log = fs::File::create(place.run.join("log")).context("making the server's log")?;
    command.args(launch.arguments).stdout(log.try_clone()?).stderr(log);
    let mut child =
        process::spawn(command).with_context(|| format!("running {}", launch.program.display()))?;
    let identity = Identity::of(child.id()).ok_or_else(|| anyhow!("the server ended at once"))?;
    let running = Running::new(identity, &place.run, launch.stop);
    place.note(Some(&running), fate)?;
    let url = servers.url(place.port, &template::password(folders)?);
    match wait_for_answer(&mut child, &url) {
        Ok(version) => {
            // Collects the process when it ends.
            std::thread::spawn(move || child.wait());
            Ok((Server { kind, url, version, ca_file: Some(tls::authority_file(folders)) }, running))
        }
        Err(error) => {
            running.identity.stop(launch.stop);
            child.wait().ok();
            Err(error)
        }
    }
}

fn wait_for_answer(child: &mut Child, url: &str) -> Result<String> {
    let begun = Instant::now();
    loop {
        let error = match version_of(url) {
            Ok(version) => return Ok(version),
            Err(error) => error,
        };
        if let Some(status) = child.try_wait()? {
            bail!("the server ended with {status}");
        }
        if begun.elapsed() > PATIENCE {
            return Err(error.context(format!("the server does not answer after {} s", PATIENCE.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}
