//! Loading chunks: COPY, straight into an empty table, or into a staging table whose rows then replace what is there.

use crate::Result;
use crate::config::Config;
use crate::connect::{Purpose, Session};
use crate::copy;
use crate::error::{self, codec, from_driver, protocol};
use crate::names::quoted;
use crate::reading::{Known, Reading};
use crate::transaction::{begin, commit};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::SinkExt;
use std::pin::Pin;
use std::sync::Arc;
use tidelock_endpoint::{Checkpoint, Loader, WriteMode};
use tidelock_model::{Rows, Table};
use tokio_postgres::CopyInSink;

const STAGE: &str = "pg_temp.tidelock_stage";
/// Octets of one message of COPY.
const PIECE: usize = 256 << 10;

/// Loads one chunk at a time.
pub(crate) struct PgLoader {
    session: Session,
    known: Known,
    open: Option<Open>,
}

struct Open {
    reading: Arc<Reading>,
    mode: WriteMode,
    /// The COPY, once there is a row.
    copy: Option<Pin<Box<CopyInSink<Bytes>>>>,
    rows: u64,
}

impl PgLoader {
    pub async fn open(config: &Config) -> Result<PgLoader> {
        let session = Session::connect(config, Purpose::Write).await?;
        Ok(PgLoader { session, known: Known::default(), open: None })
    }
}

impl Open {
    fn doing(&self) -> String {
        format!("loading {}", self.reading.table.name)
    }

    fn destination(&self) -> String {
        match self.mode {
            WriteMode::Insert => crate::names::sql_name(&self.reading.table.name),
            WriteMode::Upsert => STAGE.to_owned(),
        }
    }

    fn name(&self, column: usize) -> String {
        quoted(&self.reading.table.columns[column].name)
    }

    fn insert(&self) -> String {
        let (into, columns) =
            (crate::names::sql_name(&self.reading.table.name), copy::columns(&self.reading));
        format!("INSERT INTO {into} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {STAGE}")
    }

    /// The staging table's rows over those that are there.
    fn merge(&self) -> String {
        let (reading, key) = (&self.reading, &self.reading.table.key);
        let set: Vec<String> = (0..reading.places.len())
            .filter(|i| !key.contains(i) && !reading.generated(*i))
            .map(|i| format!("{0} = EXCLUDED.{0}", self.name(i)))
            .collect();
        let action =
            if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", set.join(", ")) };
        let key = key.iter().map(|i| self.name(*i)).collect::<Vec<_>>().join(", ");
        format!("{} ON CONFLICT ({key}) DO {action}", self.insert())
    }

    /// The staging table's rows, once those that are there under their keys have gone.
    fn replace(&self) -> String {
        let key = self.reading.table.key.iter();
        let equal: Vec<String> = key.map(|i| format!("t.{0} = s.{0}", self.name(*i))).collect();
        let (from, equal) = (self.reading.from(), equal.join(" AND "));
        format!("DELETE FROM {from} AS t USING {STAGE} AS s WHERE {equal};\n{}", self.insert())
    }

    /// Merges rows that may pass unique values to each other: where one meets a value that another still holds, all of them go first, if that does no harm.
    async fn exchange(&self, session: &Session) -> Result<()> {
        let merged = session.client.batch_execute(&format!("SAVEPOINT tidelock;\n{}", self.merge())).await;
        let Err(error) = merged else { return Ok(()) };
        let twice = error::state(&error) == Some("23505");
        let failed = from_driver(&self.doing(), error);
        if !twice {
            return Err(failed);
        }
        match self.reading.stays(session.replica) {
            Some(why) => Err(failed.hint(why)),
            None => {
                let sql = format!("ROLLBACK TO SAVEPOINT tidelock;\n{}", self.replace());
                session.run(&self.doing(), &sql).await
            }
        }
    }

    async fn finish(&mut self) -> Result<()> {
        let Some(mut copy) = self.copy.take() else { return Ok(()) };
        let arrived = copy.as_mut().finish().await.map_err(|e| from_driver(&self.doing(), e))?;
        if arrived != self.rows {
            return Err(protocol(format!(
                "{}: {} rows were sent and {arrived} arrived",
                self.doing(),
                self.rows
            )));
        }
        Ok(())
    }
}

#[async_trait]
impl Loader for PgLoader {
    async fn begin(&mut self, table: &Arc<Table>, mode: WriteMode, origin: &str) -> Result<()> {
        // What a chunk before left open goes: dropping its COPY makes the server give it up.
        if self.open.take().is_some() {
            self.session.run("giving a chunk up", "ROLLBACK").await?;
        }
        self.known.look_again(&self.session).await?;
        let reading = self.known.reading(&self.session, table).await?;
        if mode == WriteMode::Upsert {
            reading.key()?;
        }
        let mut sql = begin(origin);
        let open = Open { reading, mode, copy: None, rows: 0 };
        if mode == WriteMode::Upsert {
            // Of the columns that are written, and without what binds the others.
            let (columns, like) = (copy::columns(&open.reading), crate::names::sql_name(&table.name));
            sql += &format!(
                "CREATE TEMPORARY TABLE tidelock_stage ON COMMIT DROP AS SELECT {columns} FROM {like} WITH NO DATA"
            );
        }
        self.session.run("beginning a chunk", &sql).await?;
        self.open = Some(open);
        Ok(())
    }

    async fn load(&mut self, rows: &Rows) -> Result<()> {
        let Some(open) = &mut self.open else { return Err(protocol("rows before their chunk was begun")) };
        let doing = open.doing();
        let failed = |e| from_driver(&doing, e);
        if open.copy.is_none() && !rows.is_empty() {
            let sql = format!("COPY {} ({}) FROM STDIN", open.destination(), copy::columns(&open.reading));
            open.copy = Some(Box::pin(self.session.client.copy_in(&sql).await.map_err(failed)?));
        }
        let mut lines = Vec::with_capacity(PIECE + PIECE / 8);
        for image in rows.images() {
            copy::line(&open.reading, image.map_err(codec)?, &mut lines)?;
            open.rows += 1;
            if lines.len() >= PIECE
                && let Some(copy) = &mut open.copy
            {
                let full = std::mem::replace(&mut lines, Vec::with_capacity(PIECE + PIECE / 8));
                copy.send(Bytes::from(full)).await.map_err(failed)?;
            }
        }
        if let Some(copy) = &mut open.copy
            && !lines.is_empty()
        {
            copy.send(Bytes::from(lines)).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn commit(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let Some(open) = &mut self.open else {
            return Err(protocol("a commit before its chunk was begun"));
        };
        open.finish().await?;
        let mut sql = String::new();
        match (open.mode, open.reading.layout.more_unique) {
            (WriteMode::Insert, _) => {}
            (WriteMode::Upsert, true) => open.exchange(&self.session).await?,
            (WriteMode::Upsert, false) => sql = open.merge() + ";\n",
        }
        sql += &commit(checkpoint, &[]);
        self.session.run(&format!("committing a chunk of {}", open.reading.table.name), &sql).await?;
        // Only now: what failed before is given up by the next chunk's beginning.
        self.open = None;
        Ok(())
    }
}
