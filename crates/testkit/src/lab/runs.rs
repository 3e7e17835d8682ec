//! Run folders: `run/PORT/` holds one running server's data, log and certificate, and goes with it.
//!
//! `process.json` in it says which process launched the server, which process the server is, and its [`Fate`]. That is enough
//! for the next command to clear away what a crash left, and nothing else:
//!
//! ```text
//! launcher lives                      in use: a test may have stopped its server to start it again
//! server lives, guarded               about to end: the kernel has told it to
//! server lives, kept, not in state    `lab up` was killed before it could note it: stopped
//! neither lives                       removed
//! ```

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::folders::{Folders, is_old};
use super::launch::Fate;
use super::process::Identity;
use super::state::State;

/// A server process: enough to find it again and to stop it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub identity: Identity,
    pub run: PathBuf,
    /// The number of the signal that ends it cleanly.
    stop: i32,
}

impl Running {
    pub fn new(identity: Identity, run: &Path, stop: Signal) -> Running {
        Running { identity, run: run.to_path_buf(), stop: stop.as_raw() }
    }

    /// Stops it cleanly, if it still runs.
    pub fn shut_down(&self) {
        self.identity.stop(Signal::from_named_raw(self.stop).unwrap_or(Signal::TERM));
    }

    /// Stops it, if it still runs, and removes its data.
    pub fn stop(&self) {
        self.shut_down();
        fs::remove_dir_all(&self.run).ok();
    }
}

/// A run folder and the port that goes with it.
pub(crate) struct Place {
    pub run: PathBuf,
    pub port: u16,
}

impl Place {
    /// Makes a run folder for a port that nothing listens on. Ports above 32768 are the system's own: a client polling one
    /// can connect to itself.
    pub fn claim(folders: &Folders, fate: Fate) -> Result<Place> {
        let begin = u32::from(std::process::id() as u16) + std::time::UNIX_EPOCH.elapsed()?.subsec_micros();
        for n in 0..12_000 {
            let port = 20_000 + ((begin + n) % 12_000) as u16;
            // The folder is the claim: two servers that start side by side never take one port, whatever their kinds.
            let run = folders.run().join(port.to_string());
            if TcpListener::bind(("127.0.0.1", port)).is_ok() && fs::create_dir(&run).is_ok() {
                fs::set_permissions(&run, fs::Permissions::from_mode(0o755))?;
                let place = Place { run, port };
                place.note(None, fate)?;
                folders.hand_over(&place.run)?;
                return Ok(place);
            }
        }
        bail!("no port between 20000 and 32000 is free, or {} cannot be written to", folders.run().display());
    }

    /// Writes down whose folder this is.
    pub fn note(&self, server: Option<&Running>, fate: Fate) -> Result<()> {
        let launcher = Identity::of(std::process::id()).context("reading /proc of this process")?;
        let note = Note { launcher, server: server.cloned(), fate };
        let path = self.run.join("process.json");
        fs::write(&path, serde_json::to_vec(&note)?).with_context(|| format!("writing {}", path.display()))
    }
}

#[derive(Serialize, Deserialize)]
struct Note {
    launcher: Identity,
    server: Option<Running>,
    fate: Fate,
}

/// Clears away what crashes left. The caller holds the lock, so no kept server is between its start and its noting.
pub(crate) fn sweep(folders: &Folders, state: &State) -> Result<()> {
    for entry in fs::read_dir(folders.run()).context("looking for what crashes left")? {
        let run = entry?.path();
        let text = fs::read(run.join("process.json")).unwrap_or_default();
        let Ok(note) = serde_json::from_slice::<Note>(&text) else {
            // Of one that was killed between making it and noting it, which is the matter of a moment.
            if is_old(&run, Duration::from_secs(3600)) {
                fs::remove_dir_all(&run).ok();
            }
            continue;
        };
        if note.launcher.lives() {
            continue;
        }
        match note.server.filter(|server| server.identity.lives()) {
            Some(server) if note.fate == Fate::Kept && !state.has(&server) => server.stop(),
            Some(_) => {}
            None => drop(fs::remove_dir_all(&run)),
        }
    }
    Ok(())
}
