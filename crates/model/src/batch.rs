//! A run of a source's history: transactions, or pieces of one, with the tables they speak of.
//!
//! ```text
//!   Begin  at, origin, commit time      ┐
//!   Change table, operation, images     │ repeated; a batch may begin and end inside a transaction,
//!   Commit position                     ┘ which is how a large one streams through with bounded memory
//! ```
//!
//! Invariant: records of one source follow each other in commit order and transactions never interleave. `Begin` comes
//! once for each transaction and `Commit` ends it; what lies between may be spread over any number of batches.
//! A batch is self-contained but for that: every table it speaks of stands in [`Batch::tables`].

use crate::codec::{self, get_byte, get_signed, get_text, get_unsigned};
use crate::rows::{read_length, write_length};
use crate::{CodecError, Image, ImageWriter, Position, Table};
use std::sync::Arc;

const BEGIN: u8 = 1;
const COMMIT: u8 = 2;
const INSERT: u8 = 3;
const UPDATE: u8 = 4;
const DELETE: u8 = 5;
const TRUNCATE: u8 = 6;
const REWRITE: u8 = 7;
const REPLACE: u8 = 8;

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new row: `after` is whole.
    Insert,
    /// A changed row: `after` tells the new values (a column may be not sent: it did not change), `before` the old ones,
    /// at least the key's, where the source sent them. Without `before` the key did not change.
    Update,
    /// A row gone: `before` tells at least its key.
    Delete,
    /// All rows of the table gone; no images.
    Truncate,
    /// Rows were changed in a way that the source cannot tell: a column of another type, a layout that is not known any more. No images: what the rows
    /// are has to be read. The rows that were there are still there, under their keys.
    Rewrite,
    /// Another table has the name now, or other rows are in it. No images: what the rows are has to be read. Those that were there are gone.
    Replace,
}

/// One change of one row (or, for truncate, rewrite and replace, of one table).
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The table as it was when the change was made.
    pub table: &'a Arc<Table>,
    /// What happened.
    pub operation: Operation,
    /// The row before the change, as far as it was sent.
    pub before: Option<Image<'a>>,
    /// The row after the change, as far as it was sent.
    pub after: Option<Image<'a>>,
}

/// One record of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// A transaction begins.
    Begin {
        /// What the engine needs to tell whether a snapshot already holds this transaction (`Endpoint::covers`).
        at: &'a str,
        /// The endpoint where it was first made, when tidelock brought it here; none for everybody else's work.
        origin: Option<&'a str>,
        /// Commit time by the source's clock, microseconds since 1970 UTC; 0 where unknown.
        time: i64,
    },
    /// A row changed.
    Change(Change<'a>),
    /// The transaction is committed; reading may resume behind `position`.
    Commit {
        /// Where the next transaction begins.
        position: &'a str,
    },
}

/// A run of records, see the module. Shared as `Arc<Batch>`; never changed once finished.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    tables: Vec<Arc<Table>>,
    buffer: Vec<u8>,
    changes: usize,
    commits: usize,
    resume: Option<Position>,
}

impl Batch {
    /// Takes a batch apart from storage: `buffer` as [`Batch::bytes`] gave it. Reads it through once, so that damage is found
    /// here and not in the middle of an apply.
    pub fn from_parts(
        tables: Vec<Arc<Table>>,
        buffer: Vec<u8>,
        resume: Option<Position>,
    ) -> Result<Batch, CodecError> {
        let mut batch = Batch { tables, buffer, changes: 0, commits: 0, resume };
        let (mut changes, mut commits) = (0, 0);
        for record in batch.records() {
            match record? {
                Record::Change(change) => {
                    changes += 1;
                    for image in change.before.iter().chain(&change.after) {
                        image.slots().try_for_each(|slot| slot.map(drop))?;
                    }
                }
                Record::Commit { .. } => commits += 1,
                Record::Begin { .. } => {}
            }
        }
        (batch.changes, batch.commits) = (changes, commits);
        Ok(batch)
    }

    /// A batch without records that only tells how far the source has been read.
    pub fn progress(resume: Position) -> Batch {
        Batch { resume: Some(resume), ..Batch::default() }
    }

    /// The tables spoken of, each once; the encoding refers to them by their place here.
    pub fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }

    /// The encoded records.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Number of row changes.
    pub fn changes(&self) -> usize {
        self.changes
    }

    /// Number of transactions that end in this batch.
    pub fn commits(&self) -> usize {
        self.commits
    }

    /// No records.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Where reading may resume behind this batch: told when it ends outside a transaction, `None` when inside of one.
    pub fn resume(&self) -> Option<&Position> {
        self.resume.as_ref()
    }

    /// The records in order; ends after the last, or with the first error.
    pub fn records(&self) -> Records<'_> {
        Records { tables: &self.tables, rest: &self.buffer }
    }
}

/// Iterates over the records of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    tables: &'a [Arc<Table>],
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Bytes not read yet: what [`Batch::bytes`] holds behind the records that were handed out.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn read(&mut self) -> Result<Record<'a>, CodecError> {
        let input = &mut self.rest;
        let tag = get_byte(input, "a record")?;
        Ok(match tag {
            BEGIN => {
                let time = get_signed(input)?;
                let at = get_text(input, "a begin record")?;
                let origin = match get_byte(input, "a begin record")? {
                    0 => None,
                    _ => Some(get_text(input, "an origin")?),
                };
                Record::Begin { at, origin, time }
            }
            COMMIT => Record::Commit { position: get_text(input, "a commit record")? },
            INSERT | UPDATE | DELETE | TRUNCATE | REWRITE | REPLACE => Record::Change(self.change(tag)?),
            tag => return Err(CodecError::Tag { what: "a record", tag }),
        })
    }

    fn change(&mut self, tag: u8) -> Result<Change<'a>, CodecError> {
        let input = &mut self.rest;
        let place = get_unsigned(input)?;
        let table = usize::try_from(place).ok().and_then(|i| self.tables.get(i));
        let table = table.ok_or(CodecError::Malformed("table reference"))?;
        let mut image = || {
            let length = read_length(codec::take(input, 4, "an image")?);
            codec::take(input, length, "an image").map(Image::from_bytes)
        };
        let (operation, before, after) = match tag {
            INSERT => (Operation::Insert, None, Some(image()?)),
            DELETE => (Operation::Delete, Some(image()?), None),
            TRUNCATE => (Operation::Truncate, None, None),
            REWRITE => (Operation::Rewrite, None, None),
            REPLACE => (Operation::Replace, None, None),
            _ => {
                let (before, after) = (image()?, image()?);
                (Operation::Update, Some(before).filter(|i| !i.as_bytes().is_empty()), Some(after))
            }
        };
        Ok(Change { table, operation, before, after })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.read();
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

/// Collects records into a [`Batch`]. The order of calls is the order of history: `begin`, changes, `commit`.
#[derive(Debug, Default)]
pub struct BatchWriter {
    batch: Batch,
    last_table: usize,
    inside: bool,
}

impl BatchWriter {
    /// An empty batch, outside any transaction.
    pub fn new() -> Self {
        BatchWriter::default()
    }

    /// A transaction begins; see [`Record::Begin`].
    pub fn begin(&mut self, at: &str, origin: Option<&str>, time: i64) {
        assert!(!self.inside, "transactions do not interleave");
        self.inside = true;
        self.batch.resume = None;
        let out = &mut self.batch.buffer;
        out.push(BEGIN);
        codec::put_signed(out, time);
        codec::put_slice(out, at.as_bytes());
        match origin {
            None => out.push(0),
            Some(origin) => {
                out.push(1);
                codec::put_slice(out, origin.as_bytes());
            }
        }
    }

    /// The transaction ends; reading may resume at `position`.
    pub fn commit(&mut self, position: &Position) {
        assert!(self.inside, "a commit without a begin");
        self.inside = false;
        self.batch.buffer.push(COMMIT);
        codec::put_slice(&mut self.batch.buffer, position.as_str().as_bytes());
        self.batch.commits += 1;
        self.batch.resume = Some(position.clone());
    }

    /// Everything before `position` was read, with nothing in it for us. Only outside a transaction.
    pub fn reached(&mut self, position: Position) {
        assert!(!self.inside, "progress is told between transactions");
        self.batch.resume = Some(position);
    }

    /// A new row; `write` puts one slot for each column. When it fails nothing of the change is kept.
    pub fn insert<E>(
        &mut self,
        table: &Arc<Table>,
        write: impl FnOnce(&mut ImageWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.images(INSERT, table, |out| image(out, write))
    }

    /// A changed row; `before` may write nothing at all where the source sent nothing and the key did not change.
    pub fn update<E>(
        &mut self,
        table: &Arc<Table>,
        before: impl FnOnce(&mut ImageWriter<'_>) -> Result<(), E>,
        after: impl FnOnce(&mut ImageWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.images(UPDATE, table, |out| {
            image(out, before)?;
            image(out, after)
        })
    }

    /// A row gone; `before` puts at least the key's values.
    pub fn delete<E>(
        &mut self,
        table: &Arc<Table>,
        before: impl FnOnce(&mut ImageWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.images(DELETE, table, |out| image(out, before))
    }

    /// All rows of the table gone.
    pub fn truncate(&mut self, table: &Arc<Table>) {
        self.whole(TRUNCATE, table);
    }

    /// See [`Operation::Rewrite`].
    pub fn rewrite(&mut self, table: &Arc<Table>) {
        self.whole(REWRITE, table);
    }

    /// See [`Operation::Replace`].
    pub fn replace(&mut self, table: &Arc<Table>) {
        self.whole(REPLACE, table);
    }

    fn whole(&mut self, tag: u8, table: &Arc<Table>) {
        let done: Result<(), CodecError> = self.images(tag, table, |_| Ok(()));
        debug_assert!(done.is_ok());
    }

    fn images<E>(
        &mut self,
        tag: u8,
        table: &Arc<Table>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        assert!(self.inside, "a change outside a transaction");
        let place = self.place(table);
        let out = &mut self.batch.buffer;
        let start = out.len();
        out.push(tag);
        codec::put_unsigned(out, place as u64);
        if let Err(error) = write(out) {
            out.truncate(start);
            return Err(error);
        }
        self.batch.changes += 1;
        Ok(())
    }

    /// The table's place in this batch; the same `Arc` twice in a row costs one comparison.
    fn place(&mut self, table: &Arc<Table>) -> usize {
        let tables = &mut self.batch.tables;
        if !tables.get(self.last_table).is_some_and(|t| Arc::ptr_eq(t, table)) {
            self.last_table = tables.iter().position(|t| Arc::ptr_eq(t, table)).unwrap_or_else(|| {
                tables.push(table.clone());
                tables.len() - 1
            });
        }
        self.last_table
    }

    /// Bytes collected so far.
    pub fn bytes(&self) -> usize {
        self.batch.buffer.len()
    }

    /// Changes collected so far.
    pub fn changes(&self) -> usize {
        self.batch.changes
    }

    /// Between `begin` and `commit`.
    pub fn in_transaction(&self) -> bool {
        self.inside
    }

    /// Nothing to hand out: neither records nor progress.
    pub fn is_empty(&self) -> bool {
        self.batch.buffer.is_empty() && self.batch.resume.is_none()
    }

    /// Hands out what was collected and goes on, inside the same transaction if there is one.
    pub fn take(&mut self) -> Batch {
        self.last_table = 0;
        let capacity = self.batch.buffer.len().min(1 << 20);
        let next = Batch { buffer: Vec::with_capacity(capacity), ..Batch::default() };
        std::mem::replace(&mut self.batch, next)
    }
}

fn image<E>(out: &mut Vec<u8>, write: impl FnOnce(&mut ImageWriter<'_>) -> Result<(), E>) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(&mut ImageWriter::new(out))?;
    write_length(out, start);
    Ok(())
}
