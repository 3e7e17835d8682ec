//! What the lab remembers between commands: `state.json` for itself, `env` for everybody else, and a lock, so that two
//! commands at once do not fetch the same thing or lose each other's servers.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::folders::{Folders, front};
use super::runs::Running;
use crate::server::Server;

/// The variable with the certificate authority of the lab's servers.
pub const CA_VARIABLE: &str = "TIDELOCK_TEST_CA_FILE";

/// How a server of the lab came about.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    Package(Running),
    Docker,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub server: Server,
    pub origin: Origin,
}

/// The kept servers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub entries: Vec<Entry>,
}

impl State {
    /// Reads the state; servers that have ended since are left out.
    pub fn load(folders: &Folders) -> Result<State> {
        let path = folders.front.join("state.json");
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(State::default()),
            read => read.with_context(|| format!("reading {}", path.display()))?,
        };
        let mut state: State = serde_json::from_slice(&text)
            .with_context(|| format!("reading {}; remove it when no lab runs", path.display()))?;
        state.entries.retain(|entry| match &entry.origin {
            Origin::Package(running) => running.identity.lives(),
            Origin::Docker => true,
        });
        Ok(state)
    }

    /// Whether this server process is one of the kept ones.
    pub fn has(&self, running: &Running) -> bool {
        self.entries.iter().any(|entry| matches!(&entry.origin, Origin::Package(known) if known == running))
    }

    /// Writes the state and the environment file that goes with it, or removes both when nothing runs.
    pub fn save(&mut self, folders: &Folders) -> Result<()> {
        self.entries.sort_by_key(|entry| entry.server.kind);
        let (json, env) = (folders.front.join("state.json"), env_file());
        if self.entries.is_empty() {
            fs::remove_file(json).ok();
            fs::remove_file(env).ok();
            return Ok(());
        }
        replace(&json, &serde_json::to_string_pretty(self)?)?;
        let servers: Vec<_> = self.entries.iter().map(|entry| entry.server.clone()).collect();
        let lines: String =
            variables(&servers).into_iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        replace(&env, &lines)
    }
}

/// The environment that tells tests about these servers.
pub fn variables(servers: &[Server]) -> Vec<(String, String)> {
    let urls = servers.iter().map(|server| (server.kind.url_variable(), server.url.clone()));
    let authority = servers.iter().find_map(|server| server.ca_file.as_ref());
    urls.chain(authority.map(|file| (CA_VARIABLE.to_string(), file.display().to_string()))).collect()
}

/// The file in which a running lab names its servers: `target/lab/env`.
pub fn env_file() -> PathBuf {
    front().join("env")
}

/// One variable of such a file.
pub(crate) fn read_env(file: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_string))
}

/// Holds the lab's lock until dropped.
pub(crate) fn lock(folders: &Folders) -> Result<File> {
    let path = folders.front.join("lock");
    let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("lab: another command is at it; waiting");
        file.lock().with_context(|| format!("locking {}", path.display()))?;
    }
    Ok(file)
}

/// Writes a file in one step, for its owner only: it holds passwords.
fn replace(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file has a folder")?;
    let write = || -> Result<()> {
        let mut part = tempfile::NamedTempFile::new_in(folder)?;
        part.write_all(text.as_bytes())?;
        part.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
        part.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("writing {}", path.display()))
}
