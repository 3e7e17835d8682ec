//! Deltas as statements: for each one statement over all of its rows, whose columns travel as arrays.
//!
//! ```sql
//! UPDATE ONLY "t" AS t SET "note" = r.c1 FROM unnest('{1,2}'::integer[], '{"a",NULL}'::text[]) AS r(c0, c1) WHERE t."id" = r.c0
//! ```

use crate::Result;
use crate::arrays::Arrays;
use crate::error::codec;
use crate::names::quoted;
use crate::reading::Reading;
use tidelock_endpoint::{Delta, Update};
use tidelock_model::{Image, Slot};

/// Rows and bytes of one statement.
const ROWS: usize = 5_000;
const BYTES: usize = 512 << 10;

/// What the number of rows that a statement touched says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Nothing.
    Any,
    /// So many less rows than these were not there.
    Missing(u64),
    /// So many less rows than these were there already.
    Present(u64),
}

/// Statements that go to the server in one round trip.
#[derive(Default)]
pub(crate) struct Script {
    pub sql: Vec<u8>,
    /// One for each statement.
    pub counts: Vec<Count>,
}

impl Script {
    fn end(&mut self, count: Count) {
        self.sql.extend_from_slice(b";\n");
        self.counts.push(count);
    }

    pub fn statement(&mut self, sql: &str) {
        self.sql.extend_from_slice(sql.as_bytes());
        self.end(Count::Any);
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

/// Turns a delta's rows into statements.
pub(crate) struct Writer<'r> {
    pub reading: &'r Reading,
    pub script: &'r mut Script,
}

impl Writer<'_> {
    /// The whole delta, in the order that the contract asks for.
    pub fn delta(&mut self, delta: &Delta<'_>) -> Result<()> {
        self.removals(delta)?;
        self.updates(&delta.updates)?;
        self.upserts(&delta.upserts)?;
        self.inserts(&delta.inserts)
    }

    /// What goes: all rows, then those of the deletes.
    pub fn removals(&mut self, delta: &Delta<'_>) -> Result<()> {
        if delta.truncate {
            // The server refuses to truncate what foreign keys refer to.
            let layout = &self.reading.layout;
            let sql = match layout.referenced || !layout.rights.truncate {
                true => format!("DELETE FROM {}", self.reading.from()),
                false => format!("TRUNCATE {}", self.reading.from()),
            };
            self.script.statement(&sql);
        }
        self.deletes(&delta.deletes)
    }

    pub fn deletes(&mut self, keys: &[Image<'_>]) -> Result<()> {
        self.leave(keys, None)
    }

    /// Rows leave the table for another one, which has its columns.
    pub fn moves(&mut self, keys: &[Image<'_>], into: &str) -> Result<()> {
        self.leave(keys, Some(into))
    }

    fn leave(&mut self, keys: &[Image<'_>], into: Option<&str>) -> Result<()> {
        for part in parts(keys, |image| image.as_bytes().len()) {
            let mut arrays = Arrays::new(self.reading, self.reading.key()?.iter().copied());
            for image in part {
                arrays.push(*image)?;
            }
            let sql = &mut self.script.sql;
            if into.is_some() {
                sql.extend_from_slice(b"WITH gone AS (");
            }
            sql.extend_from_slice(format!("DELETE FROM {} AS t USING ", self.reading.from()).as_bytes());
            arrays.unnest("k", sql);
            sql.extend_from_slice(b" WHERE ");
            arrays.matches("k.c", sql);
            let Some(into) = into else {
                self.script.end(Count::Any);
                continue;
            };
            let list = self.reading.list("t.");
            sql.extend_from_slice(
                format!(" RETURNING {list}) INSERT INTO {into} SELECT * FROM gone").as_bytes(),
            );
            self.script.end(Count::Missing(part.len() as u64));
        }
        Ok(())
    }

    /// One statement for each set of columns that rows were sent with.
    pub fn updates(&mut self, updates: &[Update<'_>]) -> Result<()> {
        let mut groups: Vec<(Vec<usize>, Vec<Update<'_>>)> = Vec::new();
        let mut sent = Vec::new();
        for update in updates {
            sent_columns(self.reading, update, &mut sent)?;
            match groups.iter_mut().find(|(columns, _)| *columns == sent) {
                Some((_, group)) => group.push(*update),
                None => groups.push((sent.clone(), vec![*update])),
            }
        }
        for (columns, group) in &groups {
            for part in parts(group, |u| u.set.as_bytes().len()) {
                self.update(columns, part)?;
            }
        }
        Ok(())
    }

    fn update(&mut self, columns: &[usize], updates: &[Update<'_>]) -> Result<()> {
        let mut keys = Arrays::new(self.reading, self.reading.key()?.iter().copied());
        let mut values = Arrays::new(self.reading, columns.iter().copied());
        for update in updates {
            keys.push(update.key)?;
            values.push(update.set)?;
        }
        let set = |n: usize| format!("{} = {}", values.column(n), values.value("r.c", n));
        let set: Vec<String> = (0..columns.len()).map(set).collect();
        let sql = &mut self.script.sql;
        let head = format!("UPDATE {} AS t SET {} FROM unnest(", self.reading.from(), set.join(", "));
        sql.extend_from_slice(head.as_bytes());
        keys.lists(sql);
        sql.extend_from_slice(b", ");
        values.lists(sql);
        sql.extend_from_slice(
            format!(") AS r({}, {}) WHERE ", keys.names('k'), values.names('c')).as_bytes(),
        );
        keys.matches("r.k", sql);
        self.script.end(Count::Missing(updates.len() as u64));
        Ok(())
    }

    /// Whole rows that replace what is there under their key.
    pub fn upserts(&mut self, rows: &[Image<'_>]) -> Result<()> {
        let key = self.reading.table.key.clone();
        let name = |i: usize| quoted(&self.reading.table.columns[i].name);
        let set: Vec<String> = (0..self.reading.places.len())
            .filter(|i| !key.contains(i) && !self.reading.generated(*i))
            .map(|i| format!("{} = EXCLUDED.{}", name(i), name(i)))
            .collect();
        let arbiter = key.iter().map(|i| name(*i)).collect::<Vec<_>>().join(", ");
        let conflict = match (key.is_empty(), set.is_empty()) {
            (true, _) => String::new(),
            (false, true) => format!(" ON CONFLICT ({arbiter}) DO NOTHING"),
            (false, false) => format!(" ON CONFLICT ({arbiter}) DO UPDATE SET {}", set.join(", ")),
        };
        self.rows(rows, &conflict, |_| Count::Any)
    }

    /// Whole rows, of which those that are there already are left alone.
    pub fn inserts(&mut self, rows: &[Image<'_>]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let name = |i: &usize| quoted(&self.reading.table.columns[*i].name);
        let arbiter = self.reading.key()?.iter().map(name).collect::<Vec<_>>().join(", ");
        self.rows(rows, &format!(" ON CONFLICT ({arbiter}) DO NOTHING"), Count::Present)
    }

    fn rows(&mut self, rows: &[Image<'_>], conflict: &str, count: impl Fn(u64) -> Count) -> Result<()> {
        let written = || (0..self.reading.places.len()).filter(|i| !self.reading.generated(*i));
        for part in parts(rows, |image| image.as_bytes().len()) {
            let mut arrays = Arrays::new(self.reading, written());
            for image in part {
                arrays.push(*image)?;
            }
            let sql = &mut self.script.sql;
            let into = crate::names::sql_name(&self.reading.table.name);
            sql.extend_from_slice(
                format!(
                    "INSERT INTO {into} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM ",
                    arrays.columns(),
                    arrays.values("r.c")
                )
                .as_bytes(),
            );
            arrays.unnest("r", sql);
            sql.extend_from_slice(conflict.as_bytes());
            self.script.end(count(part.len() as u64));
        }
        Ok(())
    }
}

/// The columns that an update writes: those that were sent, the key only where it changes or nothing else does.
fn sent_columns(reading: &Reading, update: &Update<'_>, sent: &mut Vec<usize>) -> Result<()> {
    sent.clear();
    let moves = key_moves(reading, update)?;
    for (column, slot) in update.set.slots().enumerate() {
        let here = slot.map_err(codec)? != Slot::NotSent
            && column < reading.places.len()
            && !reading.generated(column);
        if here && (moves || !reading.table.key.contains(&column)) {
            sent.push(column);
        }
    }
    if sent.is_empty() {
        sent.extend_from_slice(reading.key()?);
    }
    Ok(())
}

/// The update gives a new value to the row's key.
pub(crate) fn key_moves(reading: &Reading, update: &Update<'_>) -> Result<bool> {
    let mut old = update.key.slots();
    for (column, slot) in update.set.slots().enumerate() {
        let old = old.next().transpose().map_err(codec)?;
        let slot = slot.map_err(codec)?;
        if reading.table.key.contains(&column) && slot != Slot::NotSent && old.is_some_and(|old| old != slot)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Cuts rows into parts of one statement each.
fn parts<'p, T>(rows: &'p [T], size: impl Fn(&T) -> usize + 'p) -> impl Iterator<Item = &'p [T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (mut bytes, mut end) = (0, 0);
        while end < rest.len() && end < ROWS && (end == 0 || bytes + size(&rest[end]) <= BYTES) {
            bytes += size(&rest[end]);
            end += 1;
        }
        let (part, behind) = rest.split_at(end);
        rest = behind;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_everything_once_and_keep_their_limits() {
        let rows = vec![200 << 10; 7];
        let cut: Vec<usize> = parts(&rows, |n| *n).map(<[usize]>::len).collect();
        assert_eq!(cut, [2, 2, 2, 1]);
        assert_eq!(
            parts(&vec![1; 12_000], |n| *n).map(<[usize]>::len).collect::<Vec<_>>(),
            [5_000, 5_000, 2_000]
        );
        assert_eq!(parts(&[BYTES * 9], |n| *n).count(), 1);
    }
}
