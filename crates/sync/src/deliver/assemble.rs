//! What decides during delivery: which transactions to pass over, what to fold, when to apply and when to commit. Pure.
//!
//! The caller offers records one by one and does what the answer says; it never decides anything itself.
//!
//! Invariants: a commit is only asked for between source transactions; a batch holds transactions of one origin; what lies between two commits
//! is applied in one target transaction, in as many pieces as `limit` rows make it; `sequence` counts every commit of the journal, also of
//! transactions that are passed over.
//!
//! A commit waits for the disk, at some targets longer than a batch takes to apply. So a delivery that is behind commits a few batches
//! together; one that keeps up is told to commit whenever there is nothing more to read.

use crate::checkpoint::TableMark;
use crate::error::Reshaped;
use crate::fold::{Added, Fold};
use crate::mapping::TableMap;
use crate::plan;
use crate::{Result, SyncError};
use std::cmp::Ordering;
use std::sync::Arc;
use tidelock_endpoint::Coverage;
use tidelock_model::{Change, Image, Operation, Position, Record, Table, TableName};

/// What the caller must do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The record was taken; offer the next one.
    Taken,
    /// The record was taken; apply the fold and clear it, the target transaction stays open.
    TakenApply,
    /// The record was taken; apply what is left and commit.
    TakenCommit,
    /// The record was **not** taken: apply the fold and clear it, then offer the record again.
    Apply,
    /// The record was **not** taken: apply what is left, commit, then offer the record again.
    Commit,
}

/// Answers whether a snapshot holds a transaction, see `Endpoint::covers`.
pub type Covers<'a> = dyn Fn(&Position, &str) -> Result<Coverage> + Send + Sync + 'a;

/// The state of one flow's delivery between two commits.
#[derive(Debug)]
pub struct Assembler {
    target_mark: String,
    maps: Vec<Arc<TableMap>>,
    versions: Vec<(Arc<Table>, Option<Arc<TableMap>>)>,
    marks: Vec<TableMark>,
    /// The tables of which a view holds the open transaction, and whether rows at the target may be older than the view.
    held: Vec<(TableName, bool)>,
    /// Keys of rows that went, or got another key, before the view that their table was copied from again; as the source's columns have them. Those that the source
    /// does not have go at the target.
    doubtful: Vec<(Arc<TableMap>, Vec<u8>)>,
    limit_rows: usize,
    limit_bytes: usize,
    /// Rows that one transaction of the target should not exceed while there is more to read …
    limit_commit: usize,
    /// … and bytes.
    limit_commit_bytes: usize,
    /// What is to be applied next.
    pub fold: Fold,
    /// Commits seen so far, by the journal's count.
    pub sequence: u64,
    /// Where the last commit seen ended, at the source.
    pub position: Option<Position>,
    /// Commit time of the last transaction taken, microseconds since 1970; 0 before the first.
    pub time: i64,
    /// Transactions taken since the last commit at the target.
    pub transactions: u64,
    origin: Option<String>,
    inside: bool,
    passing: bool,
    /// Rows applied since the last commit at the target, their bytes, and the changes that they came of.
    applied: usize,
    bytes: usize,
    changes: u64,
    skip_to: Option<Skip>,
    two_way: bool,
}

/// How a position stands to a place.
pub type Compare = dyn Fn(&Position) -> Result<Ordering> + Send + Sync;

/// The journal begins before the place where the job stands.
pub struct Skip {
    /// The place.
    pub to: Position,
    /// How a commit stands to it.
    pub compare: Box<Compare>,
}

impl std::fmt::Debug for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Skip").field(&self.to).finish()
    }
}

impl Assembler {
    /// For a flow to the endpoint that marks its changes `target_mark`, that stands at `sequence`. Batches of `limit_rows` are applied together, `batches` of them may be committed together.
    pub fn new(
        target_mark: &str,
        maps: Vec<Arc<TableMap>>,
        sequence: u64,
        limit_rows: usize,
        batches: usize,
    ) -> Assembler {
        Assembler {
            target_mark: target_mark.to_owned(),
            maps,
            versions: Vec::new(),
            marks: Vec::new(),
            held: Vec::new(),
            doubtful: Vec::new(),
            limit_rows,
            limit_bytes: 16 << 20,
            limit_commit: limit_rows.saturating_mul(batches),
            limit_commit_bytes: 64 << 20,
            fold: Fold::default(),
            sequence,
            position: None,
            time: 0,
            transactions: 0,
            origin: None,
            inside: false,
            passing: false,
            applied: 0,
            bytes: 0,
            changes: 0,
            skip_to: None,
            two_way: false,
        }
    }

    /// For a two-way job: what is to be applied next takes each key once, and of what a view holds the rows that went are told all the same. The other direction's
    /// copy may have been at such a row before it went, and nothing else tells the target of it.
    pub fn each_key_once(&mut self) {
        self.fold = Fold::single();
        self.two_way = true;
    }

    /// The views that first copies were read from.
    pub fn set_marks(&mut self, marks: Vec<TableMark>) {
        self.marks = marks;
    }

    /// The views that still matter.
    pub fn marks(&self) -> &[TableMark] {
        &self.marks
    }

    /// Passes over every transaction up to and with the one that ends at the place.
    pub fn skip_to(&mut self, skip: Option<Skip>) {
        self.skip_to = skip;
    }

    /// The place up to which everything is still passed over.
    pub fn skips_to(&self) -> Option<&Position> {
        self.skip_to.as_ref().map(|s| &s.to)
    }

    /// Where the batch was first made; none for the source itself.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Something waits to be applied or committed.
    pub fn is_pending(&self) -> bool {
        self.applied > 0 || !self.fold.is_empty() || !self.doubtful.is_empty()
    }

    /// Changes taken since the last commit at the target.
    pub fn changes(&self) -> u64 {
        self.changes + self.fold.changes()
    }

    /// Between `Begin` and `Commit`.
    pub fn is_inside(&self) -> bool {
        self.inside
    }

    /// The rows to be looked for at the source, taken: they go at the target before the fold is applied.
    pub fn take_doubtful(&mut self) -> Vec<(Arc<TableMap>, Vec<u8>)> {
        std::mem::take(&mut self.doubtful)
    }

    /// The caller has applied a piece.
    pub fn applied(&mut self) {
        // A truncation without rows is something, too.
        self.applied += self.fold.rows().max(1);
        self.bytes += self.fold.bytes();
        self.changes += self.fold.changes();
        self.fold.clear();
    }

    /// The caller has committed.
    pub fn committed(&mut self) {
        self.fold.clear();
        (self.applied, self.bytes, self.changes, self.transactions) = (0, 0, 0, 0);
    }

    /// Nothing more is to be read at the moment: whether to commit what is there.
    pub fn wants_commit_when_idle(&self) -> bool {
        !self.inside && self.is_pending()
    }

    /// Takes one record, or says what must happen first.
    pub fn offer(&mut self, record: &Record<'_>, covers: &Covers<'_>) -> Result<Step> {
        match record {
            Record::Begin { at, origin, time } => self.begin(at, *origin, *time, covers),
            Record::Change(change) => self.change(change),
            Record::Commit { position } => self.commit(position),
        }
    }

    fn begin(&mut self, at: &str, origin: Option<&str>, time: i64, covers: &Covers<'_>) -> Result<Step> {
        if self.is_pending() && self.origin.as_deref() != origin {
            return Ok(Step::Commit);
        }
        self.inside = true;
        self.passing = self.skip_to.is_some() || origin.is_some_and(|o| plan::passed(o, &self.target_mark));
        self.held.clear();
        if self.passing {
            return Ok(Step::Taken);
        }
        self.origin = origin.map(str::to_owned);
        self.time = time;
        self.transactions += 1;
        let mut keep = Vec::with_capacity(self.marks.len());
        for table in std::mem::take(&mut self.marks) {
            let mut all = [true, true];
            for mark in &table.marks {
                let coverage = match covers(mark, at)? {
                    Coverage::Unknown if table.told.is_some_and(|told| self.sequence <= told) => {
                        Coverage::Held
                    }
                    coverage => coverage,
                };
                all = [all[0] && coverage == Coverage::Held, all[1] && coverage == Coverage::Past];
            }
            if all[0] {
                self.held.push((table.table.clone(), table.kept));
            }
            if !all[1] {
                keep.push(table);
            }
        }
        self.marks = keep;
        Ok(Step::Taken)
    }

    fn change(&mut self, change: &Change<'_>) -> Result<Step> {
        let held = self.held.iter().find(|(table, _)| *table == change.table.name).map(|(_, kept)| *kept);
        if self.passing {
            return Ok(Step::Taken);
        }
        let gone = Change { operation: Operation::Delete, after: None, ..*change };
        let change = match (held, change.operation) {
            (Some(kept), _) if !self.two_way => {
                if kept {
                    self.older(change)?;
                }
                return Ok(if self.is_full() { Step::TakenApply } else { Step::Taken });
            }
            (None, Operation::Rewrite | Operation::Replace) => {
                let kept = change.operation == Operation::Rewrite;
                return match self.planned(&change.table.name) {
                    Some(_) => Err(self.reshaped(change.table, kept, "its rows were rewritten".to_owned())),
                    None => Ok(Step::Taken),
                };
            }
            (None, _) | (Some(_), Operation::Delete) => change,
            (Some(_), Operation::Update) if moved(change)? => &gone,
            (Some(_), _) => return Ok(Step::Taken),
        };
        let key;
        let (map, change) = match self.map(change.table) {
            // The view was read of another version of the table: of a row that went, the key is enough.
            Err(_) if held.is_some() => {
                let Some(map) = self.planned(&change.table.name).cloned() else { return Ok(Step::Taken) };
                let image = change.before.map(|image| map.key_of_version(change.table, image)).transpose()?;
                let Some(image) = image.flatten() else { return Ok(Step::Taken) };
                key = image;
                let before = Some(Image::from_bytes(&key));
                (
                    Some(map),
                    &Change { table: change.table, operation: Operation::Delete, before, after: None },
                )
            }
            map => (map?, change),
        };
        let Some(map) = map else { return Ok(Step::Taken) };
        if self.fold.add(&map, change)? == Added::Barrier {
            return Ok(Step::Apply);
        }
        Ok(if self.is_full() { Step::TakenApply } else { Step::Taken })
    }

    /// A change that the view holds from which its table was copied again: only rows that went are of interest.
    fn older(&mut self, change: &Change<'_>) -> Result<()> {
        let Some(map) = self.planned(&change.table.name).cloned() else { return Ok(()) };
        let key = match change.operation {
            Operation::Insert | Operation::Rewrite => return Ok(()),
            // It may have moved out of the filter.
            Operation::Update if map.filter().is_some() => change.before.or(change.after),
            Operation::Update if !moved(change)? => return Ok(()),
            Operation::Update | Operation::Delete => change.before,
            Operation::Truncate | Operation::Replace => None,
        };
        let image = key.map(|key| map.key_of_version(change.table, key)).transpose()?.flatten();
        match image {
            Some(image) => self.doubtful.push((map, image)),
            None => {
                let what = "all of its rows went, or got other keys".to_owned();
                return Err(self.reshaped(change.table, false, what));
            }
        }
        Ok(())
    }

    fn planned(&self, table: &TableName) -> Option<&Arc<TableMap>> {
        self.maps.iter().find(|m| m.source.name == *table)
    }

    fn reshaped(&self, table: &Table, kept: bool, what: String) -> SyncError {
        let held = self.held.iter().any(|(held, _)| *held == table.name);
        let (table, sequence) = (table.name.clone(), self.sequence);
        SyncError::Reshaped(Reshaped { table, sequence, kept, held, what })
    }

    fn commit(&mut self, position: &str) -> Result<Step> {
        self.sequence += 1;
        self.inside = false;
        let position = Position::new(position);
        if let Some(skip) = &self.skip_to {
            match (skip.compare)(&position)? {
                Ordering::Less => {}
                Ordering::Equal => self.skip_to = None,
                // Some of it may be at the target and some of it not.
                Ordering::Greater => {
                    let message = format!(
                        "the journal was begun anew, and none of its transactions ends at {}, where the job stands: the next one ends at {position}; copy \
                         anew with `tidelock sync --full`",
                        skip.to
                    );
                    return Err(SyncError::stopped("TL-SYNC-POSITION-BETWEEN", message));
                }
            }
        }
        if self.skip_to.is_none() {
            self.position = Some(position);
        }
        let bytes = self.bytes + self.fold.bytes();
        if self.applied + self.fold.rows() >= self.limit_commit || bytes >= self.limit_commit_bytes {
            return Ok(Step::TakenCommit);
        }
        Ok(if self.is_full() { Step::TakenApply } else { Step::Taken })
    }

    fn is_full(&self) -> bool {
        self.fold.rows() + self.doubtful.len() >= self.limit_rows || self.fold.bytes() >= self.limit_bytes
    }

    /// The mapping for this version of a table; `None` for a table that is not this flow's.
    fn map(&mut self, version: &Arc<Table>) -> Result<Option<Arc<TableMap>>> {
        if let Some((_, map)) = self.versions.iter().find(|(t, _)| Arc::ptr_eq(t, version)) {
            return Ok(map.clone());
        }
        let map = self.planned(&version.name).map(|m| m.for_version(version).map(Arc::new)).transpose();
        let map = map.map_err(|what| self.reshaped(version, true, what))?;
        if self.versions.len() >= 64 {
            self.versions.clear();
        }
        self.versions.push((version.clone(), map.clone()));
        Ok(map)
    }
}

/// The row has another key than before.
fn moved(change: &Change<'_>) -> Result<bool> {
    let (Some(before), Some(after)): (Option<Image<'_>>, _) = (change.before, change.after) else {
        return Ok(false);
    };
    for column in &change.table.key {
        if before.slot(*column)? != after.slot(*column)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
