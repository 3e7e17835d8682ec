//! Which file answers: its number in the file system, which a rename keeps and a replacement changes. It can be told before we have put anything
//! into the file, and without doing so. A number may be given again after a file was removed, and an older copy may be written over a file in place; what is
//! resumed is therefore also held against the change at its position (see `source::resumable`).
//!
//! An open connection stays with its file wherever that goes: what it reads and writes after the file was moved away concerns nobody. So those that live long look at
//! the path again ([`Opened`]).

use std::path::{Path, PathBuf};
use tidelock_endpoint::{EndpointError, ErrorKind, Result, ServerIdentity};

/// A file as it was when it was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    path: PathBuf,
    id: String,
}

impl Opened {
    /// The one that is at the path now.
    pub fn at(path: &Path) -> Opened {
        Opened::as_known(path, of(path).id)
    }

    /// The one that had this identity.
    pub fn as_known(path: &Path, id: String) -> Opened {
        Opened { path: path.to_owned(), id }
    }

    /// An error unless its path still leads to it: of kind `replaced` where it leads to another one.
    pub fn still_there(&self, doing: &str, replaced: ErrorKind) -> Result<()> {
        let now = of(&self.path).id;
        if now == self.id {
            return Ok(());
        }
        let path = self.path.display();
        if !self.path.exists() {
            let message = format!("{doing}: the file {path} is not there any more");
            return Err(EndpointError::new(ErrorKind::Unavailable, "TL-SQLITE-FILE-GONE", message)
                .hint("bring it back; nothing is lost when it is the same file"));
        }
        let message = format!(
            "{doing}: another file was put in the place of {path} ({} was there, now {now})",
            self.id
        );
        Err(EndpointError::new(replaced, "TL-SQLITE-FILE-REPLACED", message))
    }
}

/// The identity of a file; of its path where it is not there.
pub fn of(path: &Path) -> ServerIdentity {
    let by_path = || {
        let whole = path.canonicalize().or_else(|_| std::path::absolute(path));
        format!("file {}", whole.as_deref().unwrap_or(path).display())
    };
    ServerIdentity {
        product: "SQLite".into(),
        version: rusqlite::version().into(),
        id: number(path).map_or_else(by_path, |n| format!("inode {n}")),
    }
}

#[cfg(unix)]
fn number(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|m| m.ino())
}

#[cfg(not(unix))]
fn number(_path: &Path) -> Option<u64> {
    None
}
