//! What every transaction of the target is made of: its beginning with the origin's mark, scripts of statements, its end with the checkpoint.
//!
//! The first row change is a row of `tidelock_checkpoint` that names the origin (and goes again before the commit): the one mark that every version of both
//! products logs, whatever privileges the user has. It is always an INSERT, so the origin is in the log even where row images are minimal.
//! MySQL's GTID tags and MariaDB's session `server_id` would do the same on some servers only, and are not used.

use crate::CHECKPOINT_TABLE;
use crate::Result;
use crate::catalog::describe_one;
use crate::connect::{PATIENCE, Session, WRITING, literal, quoted};
use crate::error::from_driver;
use crate::read::Reading;
use mysql_async::prelude::Queryable;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidelock_endpoint::{Checkpoint, EndpointError, ErrorKind};

use tidelock_model::{Table, TableName};

/// Statements are kept below this, and below half of what the server takes.
const SCRIPT_BYTES: usize = 1 << 20;

/// Statements of [`Marker::begin`].
pub(crate) const BEGINNING: usize = 3;

/// How long a table that is written may be altered unnoticed, where there are not more of them than this.
const FRESH: Duration = Duration::from_secs(10);
const FEW: usize = 100;

/// Tables as they are, looked up once in a session, and again when they were altered.
pub(crate) struct Known {
    readings: Vec<Arc<Reading>>,
    /// Their columns and unique indexes as the catalogue told them before each was looked up.
    shapes: BTreeSet<String>,
    looked: Instant,
}

impl Default for Known {
    fn default() -> Known {
        Known { readings: Vec::new(), shapes: BTreeSet::new(), looked: Instant::now() }
    }
}

impl Known {
    pub async fn reading(
        &mut self,
        session: &mut Session,
        database: &str,
        table: &Arc<Table>,
    ) -> Result<Arc<Reading>> {
        if let Some(reading) = self.readings.iter().find(|r| Arc::ptr_eq(&r.table, table)) {
            return Ok(reading.clone());
        }
        self.shapes.extend(shapes(session, database, &[&table.name]).await?);
        let layout = Arc::new(describe_one(session, database, &table.name).await?);
        let reading = Arc::new(Reading::for_writing(table, &layout)?);
        self.readings.push(reading.clone());
        Ok(reading)
    }

    /// Forgets all when one of the tables has other columns or unique indexes now: the server rounds what a column that was made narrower does not hold, and an
    /// upsert meets rows by every unique index that there is.
    pub async fn look_again(&mut self, session: &mut Session, database: &str) -> Result<()> {
        let patience = FRESH * (1 + self.readings.len() / FEW) as u32;
        if self.readings.is_empty() || self.looked.elapsed() < patience {
            return Ok(());
        }
        let names: Vec<&TableName> = self.readings.iter().map(|r| &r.table.name).collect();
        let now = shapes(session, database, &names).await?;
        if let Some(other) = now.symmetric_difference(&self.shapes).next() {
            tracing::warn!("a table that is written was altered: {other}");
            self.forget();
        }
        self.looked = Instant::now();
        Ok(())
    }

    pub fn forget(&mut self) {
        self.readings.clear();
        self.shapes.clear();
    }
}

/// A line for each column and each column of a unique index of these tables. MariaDB finds a table in its catalogue at once only when it is asked for that one
/// alone; and a statement that asks for very many takes much of the server's memory.
async fn shapes(session: &mut Session, database: &str, tables: &[&TableName]) -> Result<BTreeSet<String>> {
    const AT_A_TIME: usize = 25;
    let one = |name: &&TableName| {
        let schema = literal(name.schema.as_deref().unwrap_or(database));
        let of = format!("WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {}", literal(&name.name));
        format!(
            "SELECT CONCAT_WS(' ', TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION, COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, EXTRA, \
             GENERATION_EXPRESSION, COLUMN_COMMENT) FROM information_schema.COLUMNS {of} UNION ALL \
             SELECT CONCAT_WS(' ', TABLE_SCHEMA, TABLE_NAME, 'index', INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, SUB_PART) \
             FROM information_schema.STATISTICS {of} AND NON_UNIQUE = 0"
        )
    };
    let mut found = BTreeSet::new();
    for part in tables.chunks(AT_A_TIME) {
        let sql = part.iter().map(one).collect::<Vec<_>>().join(" UNION ALL ");
        let rows = session.query("looking whether tables were altered", &sql).await?;
        found.extend(rows.iter().map(|row| row.string(0)));
    }
    Ok(found)
}

/// How large a statement may be.
pub(crate) fn statement_limit(session: &Session) -> usize {
    SCRIPT_BYTES.min(session.server.max_allowed_packet / 2)
}

/// The row that names the origin, in a lane of this session's own.
pub(crate) struct Marker {
    job: String,
    lane: String,
}

impl Marker {
    pub fn new(job: &str) -> Marker {
        Marker {
            job: job.to_owned(),
            lane: format!("origin/{:016x}", RandomState::new().build_hasher().finish()),
        }
    }

    /// Begins a transaction.
    pub fn begin(&self, origin: &str) -> String {
        format!(
            "SET wait_timeout={WRITING}; START TRANSACTION; INSERT INTO {} (job, lane, state, origin) VALUES ({}, {}, '', {})",
            quoted(CHECKPOINT_TABLE),
            literal(&self.job),
            literal(&self.lane),
            literal(origin)
        )
    }

    /// Ends it, with the checkpoint.
    pub fn commit(&self, checkpoint: &Checkpoint, remove: &[String]) -> String {
        let table = quoted(CHECKPOINT_TABLE);
        let mut gone: Vec<String> = remove.iter().map(|l| literal(l)).collect();
        gone.push(literal(&self.lane));
        format!(
            "INSERT INTO {table} (job, lane, state) VALUES ({}, {}, {}) ON DUPLICATE KEY UPDATE state=VALUES(state); \
             DELETE FROM {table} WHERE job={} AND lane IN ({}); COMMIT; SET wait_timeout={PATIENCE}",
            literal(&checkpoint.job),
            literal(&checkpoint.lane),
            literal(&checkpoint.state),
            literal(&self.job),
            gone.join(",")
        )
    }
}

/// Runs a script of several statements in one round trip; the affected rows of each.
pub(crate) async fn run(session: &mut Session, doing: &str, sql: Vec<u8>) -> Result<Vec<u64>> {
    // The server would close the connection instead of saying so.
    if sql.len() >= session.server.max_allowed_packet {
        let message = format!("{doing}: a row of about {} octets is larger than the server takes", sql.len());
        return Err(EndpointError::new(ErrorKind::Row, "TL-MY-ROW-SIZE", message)
            .hint("raise max_allowed_packet at the server"));
    }
    let mut affected = Vec::new();
    let mut answer = session.conn.query_iter(sql).await.map_err(|e| from_driver(doing, e))?;
    loop {
        affected.push(answer.affected_rows());
        if answer.is_empty() {
            // The driver keeps the error of a later statement until it is asked for more.
            answer.drop_result().await.map_err(|e| from_driver(doing, e))?;
            return Ok(affected);
        }
        while answer.next().await.map_err(|e| from_driver(doing, e))?.is_some() {}
    }
}
