//! A server's program: what to run, with which options, as whom. What each family makes of it is in [`crate::kind`].

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::folders::Folders;
use super::process::if_we_live;

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Wait for the disk at each commit, as a real server does. For measurements.
    pub durable: bool,
    /// More settings, such as `("wal_level", "replica")` or `("log_bin_compress", "ON")`; the last one of a name counts. An
    /// empty value gives the bare flag (`("skip-log-bin", "")`).
    pub settings: Vec<(String, String)>,
}

impl Options {
    /// These options and one more setting.
    pub fn with(mut self, name: &str, value: &str) -> Options {
        self.settings.push((name.to_string(), value.to_string()));
        self
    }
}

/// What to run as a server in the foreground.
pub(crate) struct Launch {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// The signal that ends it cleanly without waiting for its clients.
    pub stop: Signal,
}

/// A command that runs as the servers' user, with nothing of the caller's environment that a server would heed.
///
/// With `on_death`, the kernel sends it that signal when its parent dies.
pub(crate) fn as_server_user(folders: &Folders, program: &Path, on_death: Option<Signal>) -> Command {
    let mut wrapper = vec![];
    if let Some(nobody) = folders.nobody {
        wrapper.extend([format!("--reuid={}", nobody.uid), format!("--regid={}", nobody.gid)]);
        wrapper.push("--clear-groups".to_string());
    }
    if let Some(signal) = on_death {
        wrapper.push(format!("--pdeathsig={}", if signal == Signal::INT { "INT" } else { "TERM" }));
    }
    let mut command = if wrapper.is_empty() {
        Command::new(program)
    } else {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(wrapper).arg("--");
        if on_death.is_some() {
            setpriv.args(if_we_live());
        }
        setpriv.arg(program);
        setpriv
    };
    // The caller's folder may be one that the servers' user cannot enter.
    command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end; an error holds what it printed.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let output = command.output().with_context(|| {
        format!("starting {program:?} (setpriv is of the package util-linux, which every Debian has)")
    })?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}
