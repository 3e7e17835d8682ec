//! Deltas → statements, packed into as few round trips as they fit.
//!
//! Upserts go by `INSERT … ON DUPLICATE KEY UPDATE` only where nothing but the key's own index can make a row a duplicate, and where two different keys are
//! never the same to the server's collation, nor to an index over the beginning of a column; else that statement would change **another** row in silence. Everywhere else the touched
//! keys are deleted, exactly, and the rows inserted: values may swap between rows, and a true duplicate is an error.

use crate::Result;
use crate::codec::Codec;
use crate::encode::hex;
use crate::error::{self, protocol};
use crate::read::{KEYS, Reading, column_name, keys_condition, put_value, put_written};
use tidelock_endpoint::{Delta, Update};
use tidelock_model::{Image, Slot, Value};

/// What the number of affected rows of a statement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    Nothing,
    /// An update: 0 means that the row is not there.
    Missing,
    /// An insert of a row that must not be there: 0 means that it is.
    Present,
}

/// Statements that are sent together.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub sql: Vec<u8>,
    pub counts: Vec<Counts>,
}

impl Script {
    pub fn add(&mut self, counts: Counts, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let start = self.sql.len();
        if start > 0 {
            self.sql.extend_from_slice(b"; ");
        }
        if let Err(error) = write(&mut self.sql) {
            self.sql.truncate(start);
            return Err(error);
        }
        self.counts.push(counts);
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.sql.is_empty()
    }
}

/// Writes a delta's statements into `scripts`, a new one whenever the last is full.
pub(crate) struct Writer<'w> {
    pub reading: &'w Reading,
    /// A statement and a script are about this large at most.
    pub limit: usize,
    pub scripts: &'w mut Vec<Script>,
}

impl Writer<'_> {
    /// All of a delta, where no update may meet a unique value that another one gives up.
    pub fn delta(&mut self, delta: &Delta<'_>) -> Result<()> {
        self.removals(delta)?;
        delta.updates.iter().try_for_each(|update| self.update(update))?;
        self.arrivals(delta)
    }

    /// What goes first.
    pub fn removals(&mut self, delta: &Delta<'_>) -> Result<()> {
        if delta.truncate {
            // TRUNCATE would commit.
            let name = &self.reading.sql_name;
            self.add(Counts::Nothing, |out| {
                write(out, &["DELETE FROM ", name]);
                Ok(())
            })?;
        }
        self.deletes(&delta.deletes)
    }

    /// What comes last.
    pub fn arrivals(&mut self, delta: &Delta<'_>) -> Result<()> {
        if self.reading.plain_upsert() || self.reading.table.key.is_empty() {
            self.rows("INSERT INTO", &delta.upserts, &self.on_duplicate())?;
        } else {
            self.replace(&delta.upserts, &delta.upserts)?;
        }
        self.inserts(delta)
    }

    /// Rows that must not be there yet.
    pub fn inserts(&mut self, delta: &Delta<'_>) -> Result<()> {
        delta.inserts.iter().try_for_each(|image| self.insert_absent(*image))
    }

    /// With what upserts that delete and insert have to keep, where they would.
    pub fn keeps(&self, upserts: &[Image<'_>]) -> Option<std::sync::Arc<Reading>> {
        let replaced =
            !upserts.is_empty() && !self.reading.plain_upsert() && !self.reading.table.key.is_empty();
        self.reading.wide.clone().filter(|_| replaced)
    }

    /// The rows under these keys go, and others come.
    pub fn replace(&mut self, keys: &[Image<'_>], rows: &[Image<'_>]) -> Result<()> {
        self.deletes(keys)?;
        self.rows("INSERT INTO", rows, "")
    }

    fn on_duplicate(&self) -> String {
        let table = &self.reading.table;
        if table.key.is_empty() {
            return String::new();
        }
        let assign = |i: usize| {
            let name = &self.reading.names[i];
            format!("{name}=VALUES({name})")
        };
        let mut plain = self.written().filter(|i| !table.key.contains(i)).map(assign).collect::<Vec<_>>();
        if plain.is_empty() {
            plain.push(assign(table.key[0]));
        }
        plain.extend(self.reading.unmoved());
        let list = plain.join(",");
        format!(" ON DUPLICATE KEY UPDATE {list}")
    }

    fn add(&mut self, counts: Counts, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        if self.scripts.last().is_none_or(|s| s.sql.len() >= self.limit) {
            self.scripts.push(Script::default());
        }
        match self.scripts.last_mut() {
            Some(script) => script.add(counts, write),
            None => Ok(()),
        }
    }

    /// Columns that are written: not those that the target computes.
    pub fn written(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.reading.places.len()).filter(|i| self.reading.writes(*i))
    }

    /// The names of the columns that are written.
    fn list(&self) -> String {
        let names: Vec<&str> = self.written().map(|i| self.reading.names[i].as_str()).collect();
        names.join(",")
    }

    fn deletes(&mut self, keys: &[Image<'_>]) -> Result<()> {
        let reading = self.reading;
        for part in keys.chunks(KEYS) {
            self.add(Counts::Nothing, |out| {
                write(out, &["DELETE FROM ", &reading.sql_name, " WHERE "]);
                keys_condition(reading, part, out)?;
                exact_condition(reading, part, out)
            })?;
        }
        Ok(())
    }

    pub fn update(&mut self, update: &Update<'_>) -> Result<()> {
        let reading = self.reading;
        let mut set = Vec::new();
        for (i, slot) in update.set.slots().enumerate() {
            let name = reading.names.get(i).ok_or_else(short)?;
            match slot.map_err(error::codec)? {
                Slot::Value(value) if reading.writes(i) => {
                    comma(&mut set);
                    write(&mut set, &[name, "="]);
                    put_written(reading, i, &value, &mut set)?;
                }
                // Else the server would set it to the present moment.
                Slot::NotSent if reading.layout.columns[reading.places[i]].on_update => {
                    comma(&mut set);
                    write(&mut set, &[name, "=", name]);
                }
                _ => {}
            }
        }
        if set.is_empty() {
            return Ok(());
        }
        for column in reading.unmoved() {
            write(&mut set, &[",", &column]);
        }
        self.add(Counts::Missing, |out| {
            write(out, &["UPDATE ", &reading.sql_name, " SET "]);
            out.extend_from_slice(&set);
            write(out, &[" WHERE "]);
            keys_condition(reading, &[update.key], out)?;
            exact_condition(reading, &[update.key], out)
        })
    }

    /// Multi-row statements.
    pub fn rows(&mut self, verb: &str, images: &[Image<'_>], behind: &str) -> Result<()> {
        let reading = self.reading;
        let head = format!("{verb} {} ({}) VALUES ", reading.sql_name, self.list());
        let limit = self.limit;
        let mut rest = images;
        while !rest.is_empty() {
            let mut done = 0;
            self.add(Counts::Nothing, |out| {
                let start = out.len();
                write(out, &[&head]);
                for image in rest {
                    if done > 0 {
                        if out.len() - start >= limit {
                            break;
                        }
                        out.push(b',');
                    }
                    whole_row(reading, *image, out)?;
                    done += 1;
                }
                write(out, &[behind]);
                Ok(())
            })?;
            rest = &rest[done..];
        }
        Ok(())
    }

    /// One row that must not be there yet; affects no row when it is.
    fn insert_absent(&mut self, image: Image<'_>) -> Result<()> {
        let reading = self.reading;
        let (name, list) = (&reading.sql_name, self.list());
        self.add(Counts::Present, |out| {
            write(out, &["INSERT INTO ", name, " (", &list, ") SELECT "]);
            let start = out.len();
            whole_row(reading, image, out)?;
            // Without the brackets of a VALUES row.
            out.remove(start);
            out.pop();
            write(out, &[" FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM ", name, " WHERE "]);
            keys_condition(reading, &[image], out)?;
            exact_condition(reading, &[image], out)?;
            write(out, &[")"]);
            Ok(())
        })
    }
}

fn write(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

fn comma(out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b',');
    }
}

/// `(1,'a',NULL)`, without what the target computes.
fn whole_row(reading: &Reading, image: Image<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'(');
    let mut first = true;
    for (i, slot) in image.slots().enumerate() {
        let slot = slot.map_err(error::codec)?;
        if i >= reading.places.len() {
            return Err(short());
        }
        if !reading.writes(i) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        match slot {
            Slot::Value(value) => put_written(reading, i, &value, out)?,
            Slot::NotSent => {
                let name = column_name(reading, i);
                return Err(protocol(format!(
                    "a whole row of {} comes without its column {name}",
                    reading.table.name
                )));
            }
        }
    }
    out.push(b')');
    Ok(())
}

fn short() -> tidelock_endpoint::EndpointError {
    protocol("a row image has more columns than its table")
}

/// Behind a condition on the key: the same letter for letter, where the collation takes other letters for the same.
pub(crate) fn exact_condition(reading: &Reading, keys: &[Image<'_>], out: &mut Vec<u8>) -> Result<()> {
    if !reading.loose_key() {
        return Ok(());
    }
    let table = &reading.table;
    let text_column =
        |i: usize| matches!(reading.layout.columns[reading.places[i]].codec, Codec::Text { .. });
    for (n, column) in table.key.iter().enumerate() {
        let name = reading.names[*column].as_str();
        write(out, &[if n == 0 { " AND (" } else { "," }]);
        match text_column(*column) {
            true => write(out, &["CAST(CONVERT(", name, " USING utf8mb4) AS BINARY)"]),
            false => write(out, &[name]),
        }
    }
    write(out, &[") IN ("]);
    for (n, image) in keys.iter().enumerate() {
        write(out, &[if n == 0 { "(" } else { ",(" }]);
        for (k, column) in table.key.iter().enumerate() {
            write(out, &[if k == 0 { "" } else { "," }]);
            match image.slot(*column).map_err(error::codec)? {
                Slot::Value(Value::Text(text)) if text_column(*column) => {
                    out.extend_from_slice(b"X'");
                    hex(text.as_bytes(), out);
                    out.push(b'\'');
                }
                Slot::Value(value) => put_value(reading, *column, &value, out)?,
                Slot::NotSent => return Err(protocol(format!("a key of {} is not whole", table.name))),
            }
        }
        out.push(b')');
    }
    out.push(b')');
    Ok(())
}
