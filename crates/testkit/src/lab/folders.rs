//! Where the lab keeps things, and as whom its servers run.
//!
//! ```text
//! target/lab/            env, state.json, lock: always here, so that tests find a running lab
//!   servers/KIND/        a fetched server           templates/KIND/   its initialised data folder
//!   run/PORT/            one running server's data  tls/              one authority for all of them
//! ```
//!
//! PostgreSQL and MariaDB refuse to run as root, so root's lab runs them as `nobody`, who must be able to walk to their
//! folders. Where the checkout cannot be walked through (say, below /root), everything but env and state.json moves to the
//! temporary folder.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::kind::Kind;

/// The user that servers run as when the lab itself is run by root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nobody {
    pub uid: u32,
    pub gid: u32,
}

/// The folders of one lab.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// Holds env, state.json and the lock.
    pub front: PathBuf,
    /// Holds everything that servers touch.
    root: PathBuf,
    /// Who runs the servers, when it cannot be the caller.
    pub nobody: Option<Nobody>,
}

impl Folders {
    /// Finds this workspace's lab folders and makes them.
    pub fn open() -> Result<Folders> {
        let front = front();
        make(&front, 0o755)?;
        let nobody = if rustix::process::geteuid().is_root() { Some(find_nobody()?) } else { None };
        let root = match &nobody {
            Some(_) if !walkable(&front) => moved(&front)?,
            _ => front.clone(),
        };
        for folder in ["servers", "templates", "run"] {
            make(&root.join(folder), 0o755)?;
        }
        Ok(Folders { front, root, nobody })
    }

    /// Where a fetched server is, or is to be.
    pub fn server(&self, kind: Kind) -> PathBuf {
        self.root.join("servers").join(kind.name())
    }

    /// A folder beside the fetched servers, for what is not finished.
    pub fn servers(&self) -> PathBuf {
        self.root.join("servers")
    }

    /// Where the initialised data folders are.
    pub fn templates(&self) -> PathBuf {
        self.root.join("templates")
    }

    /// Where running servers have their data.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Where the certificates are.
    pub fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    /// Hands a file or folder to the user that servers run as.
    pub fn hand_over(&self, path: &Path) -> Result<()> {
        if let Some(nobody) = self.nobody {
            chown(path, Some(nobody.uid), Some(nobody.gid))
                .with_context(|| format!("giving {} to the user nobody", path.display()))?;
        }
        Ok(())
    }
}

/// `target/lab` of this workspace, or what `TIDELOCK_LAB_DIR` says. Not below `CARGO_TARGET_DIR`: whoever builds into another
/// folder still finds the lab that is running.
pub(crate) fn front() -> PathBuf {
    match std::env::var_os("TIDELOCK_LAB_DIR") {
        Some(folder) => PathBuf::from(folder),
        // This package is crates/testkit.
        None => Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap_or(Path::new("."))
            .join("target/lab"),
    }
}

/// Makes a folder with exactly these permissions, whatever the umask is.
pub(crate) fn make(folder: &Path, mode: u32) -> Result<()> {
    let doing = || format!("making the folder {}", folder.display());
    if !folder.is_dir() {
        fs::DirBuilder::new().recursive(true).mode(mode).create(folder).with_context(doing)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(mode)).with_context(doing)?;
    }
    Ok(())
}

/// Writes a file that only its owner may read.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = open.with_context(doing)?;
    // One that was there keeps its permissions otherwise.
    file.set_permissions(fs::Permissions::from_mode(0o600)).with_context(doing)?;
    file.write_all(text.as_bytes()).with_context(doing)
}

/// Whether a file or folder was last changed longer ago.
pub(crate) fn is_old(path: &Path, age: Duration) -> bool {
    let changed = fs::metadata(path).and_then(|found| found.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|passed| passed > age))
}

/// Whether every folder down to `folder` lets others through.
fn walkable(folder: &Path) -> bool {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    real.ancestors().all(|part| fs::metadata(part).is_ok_and(|found| found.mode() & 0o001 != 0))
}

/// The place for servers and data of a checkout that the user nobody cannot reach; the same one each time.
fn moved(front: &Path) -> Result<PathBuf> {
    let name: String =
        front.to_string_lossy().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let root = std::env::temp_dir().join(format!("tidelock-lab{name}"));
    make(&root, 0o755)?;
    if fs::symlink_metadata(&root)?.uid() != rustix::process::geteuid().as_raw() {
        bail!(
            "{} belongs to another user: remove it, or set TIDELOCK_LAB_DIR to a folder of yours",
            root.display()
        );
    }
    eprintln!(
        "lab: {} lies below a folder that other users cannot enter, and database servers do not run as root; \
         servers and data go to {}",
        front.display(),
        root.display()
    );
    Ok(root)
}

fn find_nobody() -> Result<Nobody> {
    let users = fs::read_to_string("/etc/passwd").context("looking for the user nobody in /etc/passwd")?;
    for line in users.lines() {
        let mut fields = line.split(':');
        if fields.next() == Some("nobody")
            && let (Some(uid), Some(gid)) = (fields.nth(1), fields.next())
        {
            return Ok(Nobody { uid: uid.parse()?, gid: gid.parse()? });
        }
    }
    bail!(
        "there is no user nobody in /etc/passwd, and database servers do not run as root: run this as another user"
    );
}
