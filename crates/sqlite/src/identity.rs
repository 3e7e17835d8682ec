//! Which file answers: a random mark inside it, made with the first thing that we put there, so that it survives a move of the file and does not
//! survive its replacement. A file without the mark has never been captured or written by us; it goes by its path.

use crate::names::META;
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;
use tidelock_endpoint::ServerIdentity;

/// Makes the mark where it is absent.
pub fn ensure(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {META} (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
         INSERT OR IGNORE INTO {META} VALUES ('id', lower(hex(randomblob(16))))"
    ))
}

/// The mark, where there is one.
pub fn mark(db: &Connection) -> rusqlite::Result<Option<String>> {
    let there = db.query_row(&format!("SELECT 1 FROM sqlite_schema WHERE name = '{META}'"), [], |_| Ok(()));
    if there.optional()?.is_none() {
        return Ok(None);
    }
    db.query_row(&format!("SELECT value FROM {META} WHERE name = 'id'"), [], |row| row.get(0)).optional()
}

/// The identity of an open file.
pub fn of_file(db: &Connection, path: &Path) -> rusqlite::Result<ServerIdentity> {
    let mut server = of_path(path);
    if let Some(mark) = mark(db)? {
        server.id = mark;
    }
    Ok(server)
}

/// The identity of a file that has no mark, or is not there yet.
pub fn of_path(path: &Path) -> ServerIdentity {
    let whole = path.canonicalize().or_else(|_| std::path::absolute(path));
    ServerIdentity {
        product: "SQLite".into(),
        version: rusqlite::version().into(),
        id: format!("file {}", whole.as_deref().unwrap_or(path).display()),
    }
}
