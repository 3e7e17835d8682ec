//! A server for one test or measurement alone: with other settings, or to be stopped, killed and started again under the
//! product's feet.

use anyhow::Result;

use super::folders::Folders;
use super::launch::{self, Fate};
use super::program::Options;
use super::runs::Running;
use super::{fetch, state};
use crate::kind::Kind;
use crate::server::Server;

/// A server that ends with this value. Its url stays the same across [`Private::crash`] and [`Private::restart`].
pub struct Private {
    /// The server.
    pub server: Server,
    running: Running,
    folders: Folders,
    options: Options,
}

/// Starts a private server from packages, fetching them when needed. Blocks; inside a runtime, call it by `spawn_blocking`.
pub fn start(kind: Kind, options: Options) -> Result<Private> {
    let folders = Folders::open()?;
    let lock = state::lock(&folders)?;
    fetch::fetch(&folders, &[kind])?;
    drop(lock);
    let (server, running) = launch::start(&folders, kind, &options, Fate::Guarded)?;
    Ok(Private { server, running, folders, options })
}

impl Private {
    /// Ends it as a crash would: no clean-up, its data as it was on disk.
    pub fn crash(&self) {
        if let Some(servers) = self.server.kind.language().servers() {
            self.running.identity.stop(servers.crash());
        }
    }

    /// Ends it cleanly; its data stays.
    pub fn shut_down(&self) {
        self.running.shut_down();
    }

    /// Starts it again, on the same port and the same data, after [`Private::crash`] or [`Private::shut_down`].
    pub fn restart(&mut self) -> Result<()> {
        let (server, running) = launch::restart(&self.folders, &self.server, &self.running, &self.options)?;
        self.server = server;
        self.running = running;
        Ok(())
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.running.stop();
    }
}
