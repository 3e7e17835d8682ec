//! Which file answers: its number in the file system, which a rename keeps and a replacement changes. It can be told before we have put anything
//! into the file, and without doing so. A number may be given again after a file was removed, and an older copy may be written over a file in place; what is
//! resumed is therefore also held against the change at its position (see `source::resumable`).

use std::path::Path;
use tidelock_endpoint::ServerIdentity;

/// The identity of a file; of its path where it is not there.
pub fn of(path: &Path) -> ServerIdentity {
    let whole = path.canonicalize().or_else(|_| std::path::absolute(path));
    let by_path = || format!("file {}", whole.as_deref().unwrap_or(path).display());
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
