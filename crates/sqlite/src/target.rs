//! A session that writes changes on behalf of a job.
//!
//! One transaction of the file for each of the target's, begun with the write lock (`BEGIN IMMEDIATE`), so that it never fails in the middle for another writer. Its first write
//! names the origin, its last removes the name again and puts the checkpoint: a trigger in between finds the name, and nobody else ever sees it.

use crate::altering::altering;
use crate::apply::{self, OwnedDelta};
use crate::identity::Opened;
use crate::load::FileLoader;
use crate::names::{CHECKPOINT, ORIGIN, ident};
use crate::real;
use crate::session::{Open, Session, set_wal, writing};
use crate::{error, rows, schema, trial};
use async_trait::async_trait;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidelock_endpoint::{
    Alteration, Applied, Checkpoint, Delta, EndpointError, ErrorKind, Loader, Result, Target,
};
use tidelock_model::{Rows, Table};

/// See [`Target`].
pub struct FileTarget {
    path: PathBuf,
    job: String,
    /// None while the file is not there: it is made by the first thing that is written, and not by a look.
    session: Option<(Session, Opened)>,
    trial: Option<Arc<Table>>,
}

impl FileTarget {
    /// Opens the file if it is there.
    pub async fn open(path: &Path, job: &str) -> Result<FileTarget> {
        let session = match path.exists() {
            true => Some((Session::open(Open::Existing(path.to_owned())).await?, Opened::at(path))),
            false => None,
        };
        Ok(FileTarget { path: path.to_owned(), job: job.to_owned(), session, trial: None })
    }

    /// For looking: where there is no file, at an empty database in its place.
    async fn look(&self) -> Result<Session> {
        match &self.session {
            Some((session, _)) => Ok(session.clone()),
            None => Session::open(Open::Nothing).await,
        }
    }

    /// For writing.
    async fn session(&mut self) -> Result<Session> {
        Ok(self.opened().await?.0.clone())
    }

    async fn opened(&mut self) -> Result<&(Session, Opened)> {
        let opened = match self.session.take() {
            Some(opened) => opened,
            None => (Session::open(Open::Create(self.path.clone())).await?, Opened::at(&self.path)),
        };
        Ok(self.session.insert(opened))
    }
}

#[async_trait]
impl Target for FileTarget {
    async fn prepare(&mut self, from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>> {
        let (from, tables) = (from.to_owned(), tables.to_vec());
        self.session()
            .await?
            .run(move |db| {
                set_wal(db)?;
                writing(db, |db| run(db, schema::tables(db, &from, &tables)?))
            })
            .await
    }

    async fn plan(&mut self, from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>> {
        let (from, tables) = (from.to_owned(), tables.to_vec());
        self.look()
            .await?
            .run(move |db| {
                let mut statements = schema::tables(db, &from, &tables)?;
                statements.extend(schema::indexes(db, &tables)?);
                Ok(statements)
            })
            .await
    }

    async fn alter(&mut self, from: &str, alterations: &[Alteration], dry: bool) -> Result<Vec<String>> {
        let (from, alterations) = (from.to_owned(), alterations.to_vec());
        let session = if dry { self.look().await? } else { self.session().await? };
        session
            .run(move |db| {
                let wanted = |db: &Connection| altering(db, &from, &alterations);
                if dry { wanted(db) } else { writing(db, |db| run(db, wanted(db)?)) }
            })
            .await
    }

    async fn finish(&mut self, _from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>> {
        let tables = tables.to_vec();
        self.session().await?.run(move |db| writing(db, |db| run(db, schema::indexes(db, &tables)?))).await
    }

    async fn is_empty(&mut self, table: &Arc<Table>) -> Result<bool> {
        let table = table.clone();
        self.look()
            .await?
            .run(move |db| {
                if !schema::exists(db, &table.name.name)? {
                    return Ok(true);
                }
                let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", ident(&table.name.name));
                let what = error::sql(format!("looking into table {}", table.name));
                db.query_row(&sql, [], |row| row.get(0)).map_err(what)
            })
            .await
    }

    async fn begin_trial(&mut self, key: &Arc<Table>) -> Result<bool> {
        let asked = key.clone();
        let begun = self.look().await?.run(move |db| trial::begin(db, &asked)).await?;
        self.trial = Some(key.clone());
        Ok(begun)
    }

    async fn try_keys(&mut self, keys: &Rows) -> Result<Rows> {
        let Some(key) = self.trial.clone() else {
            let message = "a trial that was not begun";
            return Err(EndpointError::new(ErrorKind::Protocol, "TL-SQLITE-TRIAL", message));
        };
        let keys = keys.clone();
        self.look().await?.run(move |db| trial::add(db, &key, &keys)).await
    }

    async fn loader(&mut self) -> Result<Box<dyn Loader>> {
        let session = Session::open(Open::Existing(self.path.clone())).await?;
        Ok(Box::new(FileLoader::new(session, Opened::at(&self.path))))
    }

    async fn checkpoints(&mut self) -> Result<Vec<Checkpoint>> {
        let job = self.job.clone();
        self.look().await?.run(move |db| checkpoints(db, &job)).await
    }

    async fn begin(&mut self, origin: &str) -> Result<()> {
        let origin = origin.to_owned();
        let (session, file) = self.opened().await?.clone();
        session.run(move |db| begin(db, &file, &origin)).await
    }

    async fn apply(&mut self, deltas: &[Delta<'_>]) -> Result<Applied> {
        let deltas: Vec<OwnedDelta> = deltas.iter().map(OwnedDelta::of).collect();
        self.session().await?.run(move |db| apply::apply(db, &deltas)).await
    }

    async fn read(&mut self, keys: &Rows) -> Result<Rows> {
        let keys = keys.clone();
        self.session().await?.run(move |db| rows::by_key(db, &real::find(db, keys.table())?, &keys)).await
    }

    async fn commit(&mut self, checkpoint: &Checkpoint, remove: &[String]) -> Result<()> {
        let (checkpoint, remove) = (checkpoint.clone(), remove.to_vec());
        self.session().await?.run(move |db| commit(db, &checkpoint, &remove)).await
    }

    async fn rollback(&mut self) -> Result<()> {
        self.session()
            .await?
            .run(|db| {
                if db.is_autocommit() {
                    return Ok(());
                }
                db.execute_batch("ROLLBACK").map_err(error::sql("rolling back"))
            })
            .await
    }
}

fn run(db: &Connection, statements: Vec<String>) -> Result<Vec<String>> {
    for sql in &statements {
        db.execute_batch(sql).map_err(error::sql(format!("running {sql}")))?;
    }
    Ok(statements)
}

fn checkpoints(db: &Connection, job: &str) -> Result<Vec<Checkpoint>> {
    if !schema::exists(db, CHECKPOINT)? {
        return Ok(Vec::new());
    }
    let what = || error::sql("reading the checkpoints");
    let sql = format!("SELECT job, lane, state FROM {CHECKPOINT} WHERE job = ?1 ORDER BY lane");
    let mut statement = db.prepare(&sql).map_err(what())?;
    let rows = statement
        .query_map([job], |row| Ok(Checkpoint { job: row.get(0)?, lane: row.get(1)?, state: row.get(2)? }));
    rows.and_then(|rows| rows.collect()).map_err(what())
}

/// Takes the write lock and names the origin, behind a random word that tells this transaction from the next one of the same origin. Nothing is written into a file
/// that was moved away: a new session finds the one that is in its place.
pub fn begin(db: &Connection, file: &Opened, origin: &str) -> Result<()> {
    file.still_there("beginning a transaction", ErrorKind::Unavailable)?;
    db.execute_batch("BEGIN IMMEDIATE").map_err(error::sql("beginning a transaction"))?;
    let named = db
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO {ORIGIN} (id, origin) VALUES (1, lower(hex(randomblob(4))) || ' ' || ?1)"
        ))
        .and_then(|mut statement| statement.execute([origin]));
    if let Err(e) = named {
        db.execute_batch("ROLLBACK").map_err(error::sql("rolling back"))?;
        return Err(error::sql("naming the origin of a transaction")(e));
    }
    Ok(())
}

/// Puts the checkpoint and makes all durable.
pub fn commit(db: &Connection, checkpoint: &Checkpoint, remove: &[String]) -> Result<()> {
    let write = || {
        let stamp = "strftime('%Y-%m-%d %H:%M:%f', 'now')";
        let sql = format!("INSERT OR REPLACE INTO {CHECKPOINT} VALUES (?1, ?2, ?3, {stamp})");
        db.prepare_cached(&sql)?.execute((&checkpoint.job, &checkpoint.lane, &checkpoint.state))?;
        let mut drop_lane =
            db.prepare_cached(&format!("DELETE FROM {CHECKPOINT} WHERE job = ?1 AND lane = ?2"))?;
        for lane in remove {
            drop_lane.execute((&checkpoint.job, lane))?;
        }
        db.prepare_cached(&format!("DELETE FROM {ORIGIN}"))?.execute([])?;
        db.execute_batch("COMMIT")
    };
    let done = write().map_err(error::sql("committing"));
    if done.is_err() && !db.is_autocommit() {
        db.execute_batch("ROLLBACK").map_err(error::sql("rolling back"))?;
    }
    done
}
