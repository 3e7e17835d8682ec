//! Following the change table.
//!
//! A thread with a connection of its own looks whether anybody committed (`PRAGMA data_version`, a look into shared memory), reads what is new and puts it as batches
//! into a bounded channel: `next` only takes from the channel, so dropping it loses nothing, and a slow consumer holds the thread back, not the writers of the file.
//!
//! SQLite tells no transaction's bounds to triggers. But commits are atomic and the numbers follow their order, so what one look finds, from the last number seen to the highest there is,
//! is a run of whole transactions. It is split where the write-ahead log still knows that a commit ended (see `wal`), and where the origin changes, because what tidelock
//! brought here came in a transaction of its own; what cannot be told apart is handed out as one. The highest number is fixed when the run begins: what is
//! committed later belongs to the next run, however long handing out this one takes.

use crate::capture::{self, DELETE, INSERT, TRUNCATE, UPDATE};
use crate::error;
use crate::identity::Opened;
use crate::names::CHANGE;
use crate::position::{Place, span};
use crate::rows::image;
use crate::session::{Open, connect};
use crate::source::{head, reading};
use crate::wal::Log;
use async_trait::async_trait;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tidelock_endpoint::{ChangeStream, EndpointError, ErrorKind, Result};
use tidelock_model::{Batch, BatchWriter, Position, Table, TableName};
use tokio::sync::mpsc;

/// Bytes of one batch, about.
const BATCH_BYTES: usize = 1 << 20;
/// Changes of one batch, at most.
const BATCH_CHANGES: usize = 10_000;
/// Changes forgotten in one write transaction, at most: writers of the file wait no longer than that takes.
const TRIM_ROWS: i64 = 5_000;
/// Between two rounds of forgetting.
const TRIM_EVERY: Duration = Duration::from_millis(500);

/// Between two looks whether the file is still at its path.
const SAME_FILE_EVERY: Duration = Duration::from_secs(1);

/// See [`ChangeStream`].
pub struct FileStream {
    batches: mpsc::Receiver<Result<Batch>>,
    durable: Arc<AtomicI64>,
}

impl FileStream {
    /// Starts the thread, behind `after`, which has been checked in this file.
    pub async fn open(path: &Path, file: Opened, tables: &[TableName], after: Place) -> Result<FileStream> {
        let (send, batches) = mpsc::channel(4);
        let durable = Arc::new(AtomicI64::new(after.seq));
        let follower = Follower {
            file,
            tables: tables.to_vec(),
            layouts: BTreeMap::new(),
            schema: -1,
            last: after,
            durable: durable.clone(),
            forgotten: 0,
            log: Log::of(path),
            root: 0,
        };
        let open = Open::Existing(path.to_owned());
        let thread = move || {
            if let Err(error) = connect(&open).and_then(|db| follower.follow(&db, &send)) {
                // The consumer may be gone; then nobody is there to be told.
                drop(send.blocking_send(Err(error)));
            }
        };
        std::thread::Builder::new().name("tidelock-sqlite-stream".into()).spawn(thread).map_err(|e| {
            EndpointError::new(ErrorKind::Unavailable, "TL-SQLITE-THREAD", format!("starting a thread: {e}"))
        })?;
        Ok(FileStream { batches, durable })
    }
}

#[async_trait]
impl ChangeStream for FileStream {
    async fn next(&mut self) -> Result<Batch> {
        self.batches.recv().await.unwrap_or_else(|| Err(error::ended()))
    }

    async fn acknowledge(&mut self, durable: &Position) -> Result<()> {
        self.durable.fetch_max(Place::parse(durable.as_str())?.seq, Ordering::Relaxed);
        Ok(())
    }
}

struct Follower {
    file: Opened,
    tables: Vec<TableName>,
    /// Layout → its table, `None` for tables that nobody asked for.
    layouts: BTreeMap<i64, Option<Arc<Table>>>,
    /// `PRAGMA schema_version` when the triggers were last found right.
    schema: i64,
    /// Behind this place reading goes on.
    last: Place,
    durable: Arc<AtomicI64>,
    forgotten: i64,
    log: Log,
    /// The page of `sqlite_sequence`.
    root: u32,
}

type Sender = mpsc::Sender<Result<Batch>>;

impl Follower {
    /// Until the consumer is gone.
    fn follow(mut self, db: &Connection, send: &Sender) -> Result<()> {
        let (mut version, mut changed, mut trimmed) = (-1, Instant::now(), Instant::now());
        let mut found: Option<Instant> = None;
        while !send.is_closed() {
            if found.is_none_or(|at| at.elapsed() > SAME_FILE_EVERY) {
                found = Some(Instant::now());
                self.same_file()?;
            }
            let now = pragma(db, "data_version")?;
            if now != version {
                (version, changed) = (now, Instant::now());
                self.look(db, send)?;
            }
            if trimmed.elapsed() > TRIM_EVERY {
                trimmed = Instant::now();
                self.forget(db)?;
            }
            std::thread::sleep(pause(changed.elapsed()));
        }
        Ok(())
    }

    /// What is committed at the path is not told by a file that was moved away from there.
    fn same_file(&self) -> Result<()> {
        let hint = "changes made there are not known; copy anew with `tidelock sync --full`";
        let still = self.file.still_there("reading changes", ErrorKind::PositionLost);
        still.map_err(|e| if e.kind == ErrorKind::PositionLost { e.hint(hint) } else { e })
    }

    /// Reads everything committed so far and hands it out.
    fn look(&mut self, db: &Connection, send: &Sender) -> Result<()> {
        // Nothing up to `end` was written under a layout that came after the look at the schema.
        let end = loop {
            self.mind_schema(db)?;
            let end = head(db)?;
            if pragma(db, "schema_version")? == self.schema {
                break end;
            }
        };
        if end.seq < self.last.seq {
            let message = format!("reading changes: the change table ends at {end}, before {}", self.last);
            return Err(EndpointError::new(ErrorKind::PositionLost, "TL-SQLITE-POSITION-LOST", message)
                .hint("the file was replaced or cleaned up; copy anew with `tidelock sync --full`"));
        }
        self.log.read(self.root, CHANGE);
        let ends = self.log.ends(self.last.seq, end.seq);
        let mut run =
            Run { writer: BatchWriter::new(), origin: None, ends: ends.into(), end, scratch: String::new() };
        while self.last.seq < end.seq {
            reading(db, |db| self.piece(db, &mut run))?;
            if self.last.seq == end.seq {
                run.end(self.last);
                if run.writer.is_empty() {
                    run.writer.reached(end.position());
                }
            }
            if !run.writer.is_empty() && send.blocking_send(Ok(run.writer.take())).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A changed schema may have taken columns or triggers from under us, since the capture was prepared too.
    fn mind_schema(&mut self, db: &Connection) -> Result<()> {
        let version = pragma(db, "schema_version")?;
        if version == self.schema {
            return Ok(());
        }
        let tables = self.tables.clone();
        let missing = crate::session::writing(db, |db| {
            if !capture::is_set_up(db)? {
                let message = "reading changes: the change table is not there any more";
                return Err(EndpointError::new(ErrorKind::PositionLost, "TL-SQLITE-POSITION-LOST", message)
                    .hint("the capture was cleaned up; copy anew with `tidelock sync --full`"));
            }
            let missing = capture::ensure(db, &tables)?;
            self.schema = pragma(db, "schema_version")?;
            Ok(missing)
        })?;
        for table in missing {
            tracing::warn!(%table, "a table that is captured was dropped; its rows stay where they were copied to");
        }
        let wanted = |table: &Arc<Table>| self.tables.contains(&table.name);
        self.layouts =
            capture::layouts(db)?.into_iter().map(|(id, t)| (id, Some(t).filter(wanted))).collect();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_sequence'";
        self.root = db.query_row(sql, [], |row| row.get(0)).map_err(error::sql("reading the schema"))?;
        Ok(())
    }

    /// Reads on within the run, as much as a batch may hold.
    fn piece(&mut self, db: &Connection, run: &mut Run) -> Result<()> {
        let what = || error::sql("reading changes");
        self.nothing_trimmed(db)?;
        let sql = format!("SELECT * FROM {CHANGE} WHERE seq > ?1 AND seq <= ?2 ORDER BY seq");
        let mut statement = db.prepare_cached(&sql).map_err(what())?;
        let mut rows = statement.query((self.last.seq, run.end.seq)).map_err(what())?;
        while let Some(row) = rows.next().map_err(what())? {
            let place = Place { seq: row.get(0).map_err(what())?, time: row.get(4).map_err(what())? };
            run.passed(self.last);
            let layout: i64 = row.get(1).map_err(what())?;
            let table = self.layouts.get(&layout).ok_or_else(|| unknown(place, "layout", layout))?;
            if let Some(table) = table {
                run.change(table, row, self.last, place)?;
            }
            self.last = place;
            if run.writer.bytes() >= BATCH_BYTES || run.writer.changes() >= BATCH_CHANGES {
                return Ok(());
            }
        }
        // Numbers may be missing at the end when rows were removed by hand.
        self.last = run.end;
        Ok(())
    }

    /// Another capture of this file forgets what is durable at its own end; the numbers alone do not tell whether there was anything before the next one.
    fn nothing_trimmed(&self, db: &Connection) -> Result<()> {
        let trimmed = capture::trimmed(db)?;
        if trimmed <= self.last.seq {
            return Ok(());
        }
        let message = format!(
            "reading changes: those up to {trimmed} were forgotten before they were read behind {}; another tidelock follows this file too",
            self.last
        );
        Err(EndpointError::new(ErrorKind::PositionLost, "TL-SQLITE-POSITION-LOST", message)
            .hint("let one configuration follow the file, with all of its jobs; then copy anew with `tidelock sync --full`"))
    }

    /// Forgets what is durable elsewhere. A busy file is no reason to wait, and no error: later is early enough.
    fn forget(&mut self, db: &Connection) -> Result<()> {
        let durable = self.durable.load(Ordering::Relaxed);
        if durable <= self.forgotten {
            return Ok(());
        }
        db.busy_timeout(Duration::ZERO).map_err(error::sql("forgetting changes"))?;
        let done = loop {
            match capture::trim(db, durable, TRIM_ROWS) {
                Ok(true) => {}
                Ok(false) => {
                    self.forgotten = durable;
                    break Ok(());
                }
                Err(e) => {
                    let error = error::sql("forgetting changes that are durable elsewhere")(e);
                    break if error.kind == ErrorKind::Contention { Ok(()) } else { Err(error) };
                }
            }
        };
        let patience = Duration::from_secs(error::BUSY_SECONDS);
        db.busy_timeout(patience).map_err(error::sql("forgetting changes"))?;
        done
    }
}

/// A run of changes being handed out.
struct Run {
    writer: BatchWriter,
    origin: Option<String>,
    /// Numbers at which a commit ended.
    ends: VecDeque<i64>,
    end: Place,
    scratch: String,
}

impl Run {
    fn change(&mut self, table: &Arc<Table>, row: &Row<'_>, before: Place, place: Place) -> Result<()> {
        let what = || error::sql("reading changes");
        let origin = row.get_ref(3).map_err(what())?.as_str_or_null().map_err(|e| {
            let message = format!("reading change {}: its origin is no text: {e}", place.seq);
            EndpointError::new(ErrorKind::Protocol, "TL-SQLITE-CHANGE", message)
        })?;
        if self.writer.in_transaction() && self.origin.as_deref() != origin {
            self.end(before);
        }
        if !self.writer.in_transaction() {
            let name = origin.map(|o| o.split_once(' ').map_or(o, |(_, name)| name));
            self.writer.begin(&span(place.seq, self.last()), name, place.time);
            self.origin = origin.map(str::to_owned);
        }
        let op: i64 = row.get(2).map_err(what())?;
        const VALUES: usize = 5;
        let (scratch, n) = (std::cell::RefCell::new(&mut self.scratch), table.columns.len());
        let image = |first: usize| {
            let scratch = &scratch;
            move |out: &mut tidelock_model::ImageWriter<'_>| {
                image(table, row, first, &mut scratch.borrow_mut(), out)
            }
        };
        match op {
            INSERT => self.writer.insert(table, image(VALUES)),
            UPDATE => self.writer.update(table, image(VALUES), image(VALUES + n)),
            DELETE => self.writer.delete(table, image(VALUES)),
            TRUNCATE => {
                self.writer.truncate(table);
                Ok(())
            }
            other => Err(unknown(place, "operation", other)),
        }
    }

    /// Everything up to `place` was read: a commit may have ended there.
    fn passed(&mut self, place: Place) {
        let mut ended = false;
        while self.ends.front().is_some_and(|end| *end <= place.seq) {
            self.ends.pop_front();
            ended = true;
        }
        if ended {
            self.end(place);
        }
    }

    /// The last number that a transaction beginning here may have.
    fn last(&self) -> i64 {
        self.ends.front().copied().unwrap_or(self.end.seq)
    }

    fn end(&mut self, place: Place) {
        if self.writer.in_transaction() {
            self.writer.commit(&place.position());
        }
    }
}

fn unknown(place: Place, what: &str, found: i64) -> EndpointError {
    let message = format!("reading change {}: {what} {found} is unknown", place.seq);
    EndpointError::new(ErrorKind::Protocol, "TL-SQLITE-CHANGE", message)
}

fn pragma(db: &Connection, name: &str) -> Result<i64> {
    let mut statement =
        db.prepare_cached(&format!("PRAGMA {name}")).map_err(error::sql("looking for changes"))?;
    statement.query_row([], |row| row.get(0)).map_err(error::sql("looking for changes"))
}

/// Until the next look, by how long nothing happened.
fn pause(quiet: Duration) -> Duration {
    Duration::from_millis(match quiet.as_secs() {
        0..2 => 4,
        2..60 => 15,
        _ => 50,
    })
}
