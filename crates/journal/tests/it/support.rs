use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tidelock_journal::{Journal, JournalError, JournalOptions, Reader, Segment};
use tidelock_model::{Batch, BatchWriter, Column, Position, Record, Table, TableName, Type, Value};

/// No test waits longer than this for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A directory of its own for each test, and the journal's path in it.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("shop.journal")
    }

    pub fn open(&self) -> Journal {
        self.open_with(JournalOptions::default())
    }

    pub fn open_with(&self, options: JournalOptions) -> Journal {
        Journal::open(&self.path(), options).unwrap()
    }

    /// What a crash at this moment would leave: the files as they are, without the journal's knowing. The log is copied
    /// after the database, as neither is older than the other needs.
    pub fn crashed(&self) -> Place {
        let copy = Place::new();
        for suffix in ["", "-wal"] {
            let name = format!("{}{suffix}", self.path().display());
            if Path::new(&name).exists() {
                std::fs::copy(&name, format!("{}{suffix}", copy.path().display())).unwrap();
            }
        }
        copy
    }

    pub fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

pub fn table(name: &str) -> Arc<Table> {
    let mut id = Column::new("id", Type::int(64), "bigint");
    id.nullable = false;
    Arc::new(Table {
        name: TableName::new(name),
        columns: vec![id, Column::new("note", Type::text(), "text")],
        key: vec![0],
        primary: true,
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
    })
}

/// Capture in small: makes transactions whose rows are numbered through, in pieces as asked for.
pub struct Maker {
    pub table: Arc<Table>,
    writer: BatchWriter,
    transactions: u64,
    row: i64,
    filler: String,
}

impl Maker {
    pub fn new() -> Maker {
        Maker::behind(0)
    }

    /// Goes on behind so many transactions.
    pub fn behind(transactions: u64) -> Maker {
        Maker {
            table: table("orders"),
            writer: BatchWriter::new(),
            transactions,
            row: 0,
            filler: "x".repeat(100),
        }
    }

    pub fn filler(mut self, bytes: usize) -> Maker {
        self.filler = "x".repeat(bytes);
        self
    }

    pub fn begin(&mut self) -> &mut Maker {
        self.row = 0;
        self.writer.begin(&format!("at-{}", self.transactions + 1), None, 0);
        self
    }

    pub fn rows(&mut self, n: usize) -> &mut Maker {
        for _ in 0..n {
            self.row += 1;
            let (row, filler) = (self.row, &self.filler);
            self.writer
                .insert(&self.table, |image| {
                    image.value(&Value::Int(row));
                    image.value(&Value::Text(filler));
                    Ok::<(), Infallible>(())
                })
                .unwrap();
        }
        self
    }

    pub fn commit(&mut self) -> &mut Maker {
        self.transactions += 1;
        self.writer.commit(&position(self.transactions));
        self
    }

    /// A whole transaction.
    pub fn transaction(&mut self, rows: usize) -> &mut Maker {
        self.begin().rows(rows).commit()
    }

    pub fn take(&mut self) -> Arc<Batch> {
        Arc::new(self.writer.take())
    }

    /// The source broke off: what was not taken is gone, and the transaction will come again.
    pub fn break_off(&mut self) {
        self.writer = BatchWriter::new();
    }
}

pub fn position(transaction: u64) -> Position {
    Position::new(format!("p-{transaction}"))
}

/// Holds every segment to the journal's promises: sequences without a gap, no transaction twice or half, rows in order.
#[derive(Default)]
pub struct Checker {
    pub last: u64,
    pub rows: i64,
    open: bool,
    pub segments: usize,
}

impl Checker {
    pub fn after(sequence: u64) -> Checker {
        Checker { last: sequence, ..Checker::default() }
    }

    pub fn take(&mut self, segment: &Segment) {
        self.segments += 1;
        assert_eq!(segment.first, self.last + 1, "no gap and nothing twice");
        assert_eq!(segment.continues, self.open);
        for record in segment.batch.records() {
            match record.unwrap() {
                Record::Begin { at, .. } => {
                    assert!(!std::mem::replace(&mut self.open, true));
                    assert_eq!(at, format!("at-{}", self.last + 1));
                    self.rows = 0;
                }
                Record::Change(change) => {
                    assert!(self.open);
                    self.rows += 1;
                    let id = change.after.unwrap().slot(0).unwrap().value().unwrap();
                    assert_eq!(id, Value::Int(self.rows), "rows of a transaction are numbered from 1");
                }
                Record::Commit { position } => {
                    assert!(std::mem::replace(&mut self.open, false));
                    self.last += 1;
                    assert_eq!(position, format!("p-{}", self.last));
                }
            }
        }
        assert_eq!((segment.last, segment.open), (self.last, self.open));
    }

    /// Reads until `sequence` was seen whole.
    pub async fn read_to(&mut self, reader: &mut Reader, sequence: u64) {
        while self.last < sequence || self.open {
            let segment = next(reader).await.unwrap();
            self.take(&segment);
        }
        assert_eq!(self.last, sequence);
    }

    /// The transaction in hand was abandoned.
    pub fn abandoned(&mut self) {
        assert!(std::mem::replace(&mut self.open, false), "only who was handed pieces is told");
        self.rows = 0;
    }
}

/// `Reader::next`, but a test that would wait for ever fails instead.
pub async fn next(reader: &mut Reader) -> Result<Segment, JournalError> {
    tokio::time::timeout(PATIENCE, reader.next()).await.expect("a segment comes")
}

/// Nothing is there to be read, however often one asks.
pub async fn nothing_from(reader: &mut Reader) {
    for _ in 0..20 {
        let answer = tokio::time::timeout(Duration::from_millis(5), reader.next()).await;
        assert!(answer.is_err(), "nothing to read, but: {:?}", answer.unwrap());
    }
}

pub async fn durable(journal: &Journal, sequence: u64) {
    let mut durable = journal.durable();
    let wait = durable.wait_for(|d| d.sequence >= sequence);
    tokio::time::timeout(PATIENCE, wait).await.expect("it becomes durable").unwrap();
}

pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
