//! SQLite: a file as an endpoint, read and written while other processes do the same.
//!
//! * **URL**: `sqlite:./till.db`, `sqlite:till.db`, `sqlite:///data/till.db`. A file that is not there is made when it is a target, and only then.
//! * **Versions**: the library is built in. Other processes may use any version from 3.24 on: the triggers that run in them are plain SQL.
//! * **Settings**: the file is switched to write-ahead logging (`PRAGMA journal_mode=WAL`) when it is captured or written to; this stays with the file. A source that is
//!   only copied is left as it is.
//! * **Capture** is by triggers into a change table (see `capture`), the one way there is: SQLite keeps no log that tells rows. `ALTER TABLE … ADD COLUMN` and `RENAME COLUMN` are
//!   followed; SQLite itself refuses `DROP COLUMN` while a trigger names the column (`tidelock cleanup` first). DROP TABLE is not a change of rows and is not followed.
//! * **Types** are those that the columns declare (see `types`). A value that is not of its column's declared type is refused, with its place; so are NaN (SQLite has none),
//!   arrays and geometries.
//! * **Foreign keys** are part of the tables that are made here, and are not enforced for our own writes.
//! * **Waiting**: there is one writer at a time. A lock that another process holds for longer than ten seconds is an error of kind `Contention`.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod altering;
mod apply;
mod capture;
mod catalogue;
mod cleanup;
mod collision;
mod config;
mod decode;
mod encode;
mod error;
mod identity;
mod inspect;
mod keys;
mod load;
mod names;
mod plan;
mod position;
mod real;
mod rows;
mod schema;
mod session;
mod snapshot;
mod source;
mod stream;
mod target;
mod trial;
mod triggers;
mod types;
mod verdict;
mod wal;

use async_trait::async_trait;
use session::{Open, Session};
use std::cmp::Ordering;
use std::path::PathBuf;
use std::sync::Arc;
use tidelock_endpoint::{
    Ask, Capabilities, CaptureKind, Cleanup, Coverage, Endpoint, EndpointConfig, Inspection, Result,
    ServerIdentity, Source, Target, Verdict,
};
use tidelock_model::{Column, Position, Table};

/// A column of each declared type that we know, as it is read: for the page that says what becomes of it elsewhere.
pub fn types() -> Vec<Column> {
    types::samples()
}

/// What SQLite can do.
pub const CAPABILITIES: Capabilities =
    Capabilities { engine: "sqlite", captures: &[CaptureKind::Trigger], target: true, parallel_loads: 1 };

/// Reads the URL; touches nothing yet.
pub fn open(config: EndpointConfig) -> Result<Arc<dyn Endpoint>> {
    let path = config::path(&config)?;
    Ok(Arc::new(File { name: config.name, path }))
}

struct File {
    name: String,
    path: PathBuf,
}

#[async_trait]
impl Endpoint for File {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    async fn inspect(&self, ask: &Ask) -> Result<Inspection> {
        inspect::inspect(&self.path, ask).await
    }

    async fn source(&self, capture: CaptureKind) -> Result<Box<dyn Source>> {
        Ok(Box::new(source::FileSource::open(&self.path, capture).await?))
    }

    async fn target(&self, job: &str) -> Result<Box<dyn Target>> {
        Ok(Box::new(target::FileTarget::open(&self.path, job).await?))
    }

    fn column_verdict(
        &self,
        from: &str,
        _: &ServerIdentity,
        column: &Column,
        existing: Option<&Column>,
    ) -> Verdict {
        verdict::column_verdict(from, column, existing)
    }

    fn keeps_default(&self, from: &str, _: &ServerIdentity, table: &Table, column: usize) -> bool {
        schema::keeps_default(from, table, column)
    }

    fn compare(&self, a: &Position, b: &Position) -> Result<Ordering> {
        position::compare(a, b)
    }

    fn covers(&self, mark: &Position, at: &str) -> Result<Coverage> {
        position::covers(mark, at)
    }

    async fn cleanup(&self, job: Option<&str>, remove: bool) -> Result<Vec<Cleanup>> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        let session = Session::open(Open::Existing(self.path.clone())).await?;
        let job = job.map(str::to_owned);
        session.run(move |db| cleanup::cleanup(db, job.as_deref(), remove)).await
    }
}
