//! Changes of a table of which the target holds only some rows, or rows with computed columns.
//!
//! ```text
//!   before │ after        │ what is folded in
//!   ───────┼──────────────┼─────────────────────────────────────────────────────────────
//!   any    │ out          │ the key goes; nothing where the row was out before, too
//!   any    │ in, whole    │ the whole row
//!   in, ?  │ in, partial  │ the columns sent; a row that is not there is read at the source
//!   out    │ in, partial  │ the key is asked for: the row is read at the source
//!   any    │ not known    │ the same
//! ```
//!
//! What the change did not send, but its old row did, has not changed, and is taken from there. A row that is read at the source is a later state of the same history, which the rest of
//! the history brings to the same end.

use super::{Added, After, Before, Fold, Span};
use crate::mapping::TableMap;
use crate::rules::Rules;
use crate::{Result, SyncError};
use tidelock_model::{Change, Image, Operation, Rows, RowsWriter, Slot};

/// A key that is asked for at the source.
struct Asked {
    table: usize,
    entry: usize,
}

impl Fold {
    /// Folds in a change of a table with rules; not a truncation.
    pub(super) fn add_ruled(
        &mut self,
        table: usize,
        map: &TableMap,
        rules: &Rules,
        change: &Change<'_>,
    ) -> Result<Added> {
        let before = change.before.map(|image| map.slots(image)).transpose()?;
        let after = change.after.map(|image| map.slots(image)).transpose()?;
        let was = before.as_deref().map(|slots| rules.keeps(&map.source, slots)).transpose()?.flatten();
        match (change.operation, before, after) {
            (Operation::Insert, _, Some(after)) => self.comes(table, map, rules, None, &after)?,
            (Operation::Delete, Some(before), _) => self.goes(table, map, &before, was)?,
            (Operation::Update, Some(before), Some(mut after)) => {
                for (new, old) in after.iter_mut().zip(&before) {
                    if *new == Slot::NotSent {
                        *new = *old;
                    }
                }
                if self.hash_of(table, map, &before)?.1 != self.hash_of(table, map, &after)?.1 {
                    self.goes(table, map, &before, was)?;
                }
                self.comes(table, map, rules, was, &after)?;
            }
            (Operation::Update, None, Some(after)) => self.comes(table, map, rules, None, &after)?,
            (operation, ..) => {
                let message =
                    format!("a change of {} ({operation:?}) came without its images", map.source.name);
                return Err(SyncError::stopped("TL-SYNC-IMAGE-MISSING", message));
            }
        }
        Ok(Added::Taken)
    }

    /// The row under this key is no more at the source, or does not belong to the target any more.
    fn goes(&mut self, table: usize, map: &TableMap, slots: &[Slot<'_>], was: Option<bool>) -> Result<()> {
        let (key, hash) = self.hash_of(table, map, slots)?;
        if was != Some(false) {
            self.put(table, hash, key.clone(), Before::Was(key), After::Gone);
        }
        Ok(())
    }

    /// The row is this now, as far as it is known.
    fn comes(
        &mut self,
        table: usize,
        map: &TableMap,
        rules: &Rules,
        was: Option<bool>,
        slots: &[Slot<'_>],
    ) -> Result<()> {
        let keeps = rules.keeps(&map.source, slots)?;
        if keeps == Some(false) {
            return self.goes(table, map, slots, was);
        }
        let (key, hash) = self.hash_of(table, map, slots)?;
        if keeps.is_none() || rules.leaves_open(slots) {
            self.put(table, hash, key, Before::Unknown, After::Ask);
            return Ok(());
        }
        let start = self.arena.len();
        map.map_slots(slots, &mut self.arena)?;
        let row = start..self.arena.len();
        let state = if self.image(&row).is_complete()? {
            After::Whole(row)
        } else {
            let fold = &self.tables[table];
            match fold.index.get(&hash).map(|at| &fold.entries[*at].after) {
                Some(After::Gone | After::Ask) => After::Ask,
                None if was == Some(false) => After::Ask,
                _ => self.merged(table, hash, &row)?,
            }
        };
        self.put(table, hash, key, Before::Unknown, state);
        Ok(())
    }

    /// The target's key for a source row, and its hash.
    fn hash_of(&mut self, table: usize, map: &TableMap, slots: &[Slot<'_>]) -> Result<(Span, u128)> {
        let start = self.arena.len();
        map.key_slots(slots, &mut self.arena);
        let key = start..self.arena.len();
        let hash = self.key_hash(table, &key)?;
        Ok((key, hash))
    }

    fn asked(&self) -> Vec<Asked> {
        let mut asked = Vec::new();
        for (table, fold) in self.tables.iter().enumerate().filter(|(_, f)| f.map.rules().is_some()) {
            let of_table = fold.entries.iter().enumerate().filter(|(_, e)| e.after == After::Ask);
            asked.extend(of_table.map(|(entry, _)| Asked { table, entry }));
        }
        asked
    }

    /// The source's keys that are asked for, by table; none where nothing is.
    pub fn questions(&self) -> Result<Vec<(usize, Rows)>> {
        let mut questions: Vec<(usize, RowsWriter)> = Vec::new();
        for Asked { table, entry } in self.asked() {
            let fold = &self.tables[table];
            if questions.last().is_none_or(|(t, _)| *t != table) {
                questions.push((table, RowsWriter::new(fold.map.source.clone())));
            }
            let key = fold.map.source_key(self.image(&fold.entries[entry].key))?;
            questions.last_mut().expect("pushed above").1.image(Image::from_bytes(&key));
        }
        Ok(questions.into_iter().map(|(table, mut keys)| (table, keys.take())).collect())
    }

    /// Takes what the source has under the keys asked for; a row that it has not, or that does not belong to the target, is gone.
    pub fn answer(&mut self, table: usize, found: Rows) -> Result<()> {
        let rows = self.tables[table].map.rows(found)?;
        for image in rows.images() {
            let start = self.arena.len();
            self.arena.extend_from_slice(image?.as_bytes());
            let row = start..self.arena.len();
            let hash = self.key_hash(table, &row)?;
            let fold = &mut self.tables[table];
            if let Some(entry) = fold.index.get(&hash).map(|at| &mut fold.entries[*at])
                && entry.after == After::Ask
            {
                entry.after = After::Whole(row);
            }
        }
        for entry in self.tables[table].entries.iter_mut().filter(|e| e.after == After::Ask) {
            entry.after = After::Gone;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
