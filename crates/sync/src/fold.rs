//! A run of changes folded by key: what is left to do at the target when only the end counts.
//!
//! Whole source transactions go in, in order; out come deltas in which every key stands once. The images are mapped to the target's columns
//! and copied once into one arena, so that a batch may outlive the segments it was read from. Nothing is allocated per value.
//!
//! Invariant: applying the deltas to a target that holds the state before the run gives the state after it; applying them to any later state of
//! the same history, followed by the rest of that history, ends in the same state.
//!
//! What cannot be folded exactly (a key that changes while other columns are not sent, and whose row is not in the run) asks for a **barrier**: the caller
//! applies what there is and adds the change again to an empty fold. A fold for a two-way job takes each key once: what is decided about a change must not
//! depend on which others came with it. Tables with a filter, masks or computed columns go their own way: see [`ruled`].

mod ruled;

use crate::mapping::TableMap;
use crate::order::by_foreign_keys;
use crate::{Result, SyncError};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use tidelock_endpoint::{Delta, Update};
use tidelock_model::{Change, Image, ImageWriter, Operation, Slot, Table, canonical_value};
use xxhash_rust::xxh3::xxh3_128;

type Span = Range<usize>;

/// Whether a change was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is folded in.
    Taken,
    /// Apply what there is first, then add it again.
    Barrier,
}

/// What a key's row was before the run, as far as the source told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// The source did not say.
    Unknown,
    /// There was none: the run begins with its insert.
    Absent,
    /// This image, perhaps only its key.
    Was(Span),
}

/// What a key's row shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// Gone.
    Gone,
    /// This whole row.
    Whole(Span),
    /// These columns.
    Some(Span),
    /// Whatever the source has under the key, if it belongs to the target: to be asked for before anything is applied. Only for tables with rules.
    Ask,
}

/// One key of a fold. Spans are read with [`Fold::image`].
#[derive(Clone, Debug)]
pub struct Entry {
    /// An image that holds the key under which the target knows the row.
    pub key: Span,
    /// Before the run.
    pub before: Before,
    /// After it.
    pub after: After,
}

#[derive(Debug)]
struct TableFold {
    map: Arc<TableMap>,
    truncate: bool,
    entries: Vec<Entry>,
    index: HashMap<u128, usize>,
}

/// A run of changes, folded.
#[derive(Debug, Default)]
pub struct Fold {
    tables: Vec<TableFold>,
    arena: Vec<u8>,
    scratch: Vec<u8>,
    last: usize,
    rows: usize,
    changes: u64,
    /// A key moved with its row unknown: nothing more may be folded in.
    sealed: bool,
    /// Each key once.
    single: bool,
}

impl Fold {
    /// One that takes each key once.
    pub fn single() -> Fold {
        Fold { single: true, ..Fold::default() }
    }

    /// Number of keys touched.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of changes folded in.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Nothing to apply.
    pub fn is_empty(&self) -> bool {
        self.rows == 0 && !self.tables.iter().any(|t| t.truncate)
    }

    /// Begins anew and keeps the buffers.
    pub fn clear(&mut self) {
        self.tables.clear();
        self.arena.clear();
        (self.last, self.rows, self.changes, self.sealed) = (0, 0, 0, false);
    }

    /// An image of the arena.
    pub fn image(&self, span: &Span) -> Image<'_> {
        Image::from_bytes(&self.arena[span.clone()])
    }

    /// The tables touched, with their entries.
    pub fn tables(&self) -> impl Iterator<Item = (&Arc<TableMap>, &[Entry])> {
        self.tables.iter().map(|t| (&t.map, &t.entries[..]))
    }

    /// Folds one change in. `map` maps the change's own version of its table.
    pub fn add(&mut self, map: &Arc<TableMap>, change: &Change<'_>) -> Result<Added> {
        if self.sealed {
            return Ok(Added::Barrier);
        }
        let table = self.table(map);
        if let Some(rules) = map.rules().filter(|_| change.operation != Operation::Truncate) {
            let added = self.add_ruled(table, map, rules, change)?;
            self.changes += 1;
            return Ok(added);
        }
        let start = self.arena.len();
        let before = change.before.map(|image| self.copy(map, image)).transpose()?;
        let after = change.after.map(|image| self.copy(map, image)).transpose()?;
        let added = match (change.operation, before, after) {
            (Operation::Truncate, ..) => {
                let fold = &mut self.tables[table];
                self.rows -= fold.entries.len();
                fold.entries.clear();
                fold.index.clear();
                fold.truncate = true;
                Added::Taken
            }
            (Operation::Insert, _, Some(after)) => {
                let hash = self.key_hash(table, &after)?;
                match self.is_taken(table, hash) {
                    true => Added::Barrier,
                    false => self.put(table, hash, after.clone(), Before::Absent, After::Whole(after)),
                }
            }
            (Operation::Delete, Some(before), _) => {
                let hash = self.key_hash(table, &before)?;
                match self.is_taken(table, hash) {
                    true => Added::Barrier,
                    false => self.put(table, hash, before.clone(), Before::Was(before), After::Gone),
                }
            }
            (Operation::Update, before, Some(after)) => self.update(table, before, after)?,
            (operation, ..) => {
                let message =
                    format!("a change of {} ({operation:?}) came without its images", map.source.name);
                return Err(SyncError::stopped("TL-SYNC-IMAGE-MISSING", message));
            }
        };
        match added {
            Added::Taken => self.changes += 1,
            Added::Barrier => self.arena.truncate(start),
        }
        Ok(added)
    }

    fn update(&mut self, table: usize, before: Option<Span>, after: Span) -> Result<Added> {
        let new_hash = self.key_hash(table, &after)?;
        let old = before.clone().unwrap_or_else(|| after.clone());
        let old_hash = self.key_hash(table, &old)?;
        if self.is_taken(table, old_hash) || self.is_taken(table, new_hash) {
            return Ok(Added::Barrier);
        }
        let whole = self.image(&after).is_complete()?;
        let was = before.map_or(Before::Unknown, Before::Was);
        if old_hash == new_hash {
            let state =
                if whole { After::Whole(after.clone()) } else { self.merged(table, old_hash, &after)? };
            return Ok(self.put(table, new_hash, old, was, state));
        }
        let state = if whole { After::Whole(after.clone()) } else { self.merged(table, old_hash, &after)? };
        match state {
            After::Whole(row) => {
                self.put(table, old_hash, old, was, After::Gone);
                Ok(self.put(table, new_hash, row.clone(), Before::Absent, After::Whole(row)))
            }
            // The rest of the row is only at the target, under the old key: the update itself must go there, alone.
            _ if self.rows > 0 || self.tables.iter().any(|t| t.truncate) => Ok(Added::Barrier),
            state => {
                self.put(table, old_hash, old, was, state);
                self.sealed = true;
                Ok(Added::Taken)
            }
        }
    }

    /// The row that `after`, which lacks columns, makes of what the run already holds under `hash`.
    fn merged(&mut self, table: usize, hash: u128, after: &Span) -> Result<After> {
        let fold = &self.tables[table];
        let held = fold.index.get(&hash).map(|i| fold.entries[*i].after.clone());
        let (base, whole) = match held {
            Some(After::Whole(base)) => (base, true),
            Some(After::Some(base)) => (base, false),
            Some(After::Gone | After::Ask) | None => return Ok(After::Some(after.clone())),
        };
        let mut merged = Vec::with_capacity(base.len().max(after.len()));
        let mut writer = ImageWriter::new(&mut merged);
        for (old, new) in self.image(&base).slots().zip(self.image(after).slots()) {
            match new? {
                Slot::NotSent => writer.slot(&old?),
                sent => writer.slot(&sent),
            }
        }
        let start = self.arena.len();
        self.arena.extend_from_slice(&merged);
        let span = start..self.arena.len();
        Ok(if whole { After::Whole(span) } else { After::Some(span) })
    }

    fn put(&mut self, table: usize, hash: u128, key: Span, before: Before, after: After) -> Added {
        let fold = &mut self.tables[table];
        match fold.index.get(&hash) {
            Some(at) => fold.entries[*at].after = after,
            None => {
                fold.index.insert(hash, fold.entries.len());
                fold.entries.push(Entry { key, before, after });
                self.rows += 1;
            }
        }
        Added::Taken
    }

    /// A key that may not come again.
    fn is_taken(&self, table: usize, hash: u128) -> bool {
        self.single && self.tables[table].index.contains_key(&hash)
    }

    fn table(&mut self, map: &Arc<TableMap>) -> usize {
        let same = |t: &TableFold| Arc::ptr_eq(&t.map.target, &map.target);
        if !self.tables.get(self.last).is_some_and(same) {
            self.last = self.tables.iter().position(same).unwrap_or_else(|| {
                let (entries, index) = (Vec::new(), HashMap::new());
                self.tables.push(TableFold { map: map.clone(), truncate: false, entries, index });
                self.tables.len() - 1
            });
        }
        self.last
    }

    fn copy(&mut self, map: &TableMap, image: Image<'_>) -> Result<Span> {
        let start = self.arena.len();
        map.map(image, &mut self.arena)?;
        Ok(start..self.arena.len())
    }

    fn key_hash(&mut self, table: usize, span: &Span) -> Result<u128> {
        let image = Image::from_bytes(&self.arena[span.clone()]);
        key_hash(&self.tables[table].map.target, image, &mut self.scratch)
    }

    /// A table of the target all of whose rows shall go.
    pub fn truncated(&self) -> Option<&tidelock_model::TableName> {
        self.tables.iter().find(|t| t.truncate).map(|t| &t.map.target.name)
    }

    /// The deltas, in an order that foreign keys allow: what goes from children to parents, what comes from parents to children.
    /// `choose(t, e)` may drop the e-th entry of the t-th table (as [`Fold::tables`] counts them) or turn it into an insert, for two-way jobs.
    pub fn deltas(&self, choose: impl Fn(usize, usize) -> Choice) -> Vec<Delta<'_>> {
        let targets: Vec<&Table> = self.tables.iter().map(|t| &*t.map.target).collect();
        let order = by_foreign_keys(&targets);
        let mut going = Vec::new();
        let mut coming = Vec::new();
        for at in &order {
            let fold = &self.tables[*at];
            let (mut gone, mut come) = (Delta::new(&fold.map.target), Delta::new(&fold.map.target));
            gone.truncate = fold.truncate;
            let mut fresh = Vec::new();
            for (number, entry) in fold.entries.iter().enumerate() {
                match (&entry.after, choose(*at, number)) {
                    (_, Choice::Drop) => {}
                    (After::Ask, _) => unreachable!("what is asked for is answered before it is applied"),
                    (After::Gone, _) => gone.deletes.push(self.image(&entry.key)),
                    (After::Whole(row), Choice::Insert) => come.inserts.push(self.image(row)),
                    (After::Whole(row), Choice::Write) if entry.before == Before::Absent && !self.single => {
                        fresh.push(self.image(row));
                    }
                    (After::Whole(row), Choice::Write) => come.upserts.push(self.image(row)),
                    (After::Some(set), _) => {
                        come.updates.push(Update { key: self.image(&entry.key), set: self.image(set) });
                    }
                }
            }
            come.fresh = fresh.len();
            come.upserts.append(&mut fresh);
            if gone.truncate || gone.rows() > 0 {
                going.push(gone);
            }
            if come.rows() > 0 {
                coming.push(come);
            }
        }
        going.reverse();
        going.append(&mut coming);
        going
    }
}

/// What [`Fold::deltas`] shall do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// As it is.
    Write,
    /// The row must not be there yet.
    Insert,
    /// Not at all: the target's row stays.
    Drop,
}

/// The hash of an image's key, over canonical forms. `scratch` is only a buffer to use again.
pub fn key_hash(table: &Table, image: Image<'_>, scratch: &mut Vec<u8>) -> Result<u128> {
    scratch.clear();
    for column in &table.key {
        match image.slot(*column)? {
            Slot::Value(value) => canonical_value(&value, scratch),
            Slot::NotSent => {
                let (table, column) = (&table.name, &table.columns[*column].name);
                let message = format!("a change of {table} came without its key column {column}");
                return Err(SyncError::stopped("TL-SYNC-KEY-MISSING", message));
            }
        }
    }
    Ok(xxh3_128(scratch))
}

#[cfg(test)]
mod tests;
