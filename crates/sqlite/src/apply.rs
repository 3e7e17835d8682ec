//! Deltas → statements.
//!
//! Deletes, updates, upserts, inserts, each by one prepared statement that is bound anew for every row. A unique value that wanders between rows of one delta (a swap) is in the
//! way of itself when rows are written one by one; then the delta is taken back to its savepoint and done the thorough way: all its rows are taken out, and put back with what was
//! written, so that columns which are not the job's stay as they were.
//!
//! Keys are the same only letter for letter. Where the key's index has a collation that takes others for the same (NOCASE), `ON CONFLICT` would write over **another** row in silence; there
//! a row is updated under exactly its key or else inserted, and what the index does not take is an error.

use crate::catalogue::Found;
use crate::encode::Bound;
use crate::error;
use crate::names::{ident, parameters, same_key};
use crate::real::{self, bind, bind_key};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, Statement, params_from_iter};
use std::ops::Range;
use std::sync::Arc;
use tidelock_endpoint::{Applied, Delta, EndpointError, Result};
use tidelock_model::{Image, Slot, Table};

/// A delta that may travel to the session's thread: its images stand in one buffer of its own.
pub struct OwnedDelta {
    table: Arc<Table>,
    truncate: bool,
    buffer: Vec<u8>,
    deletes: Vec<Range<usize>>,
    updates: Vec<(Range<usize>, Range<usize>)>,
    upserts: Vec<Range<usize>>,
    inserts: Vec<Range<usize>>,
}

impl OwnedDelta {
    /// Copies the images, once.
    pub fn of(delta: &Delta<'_>) -> OwnedDelta {
        let mut buffer = Vec::new();
        let mut put = |image: &Image<'_>| {
            let start = buffer.len();
            buffer.extend_from_slice(image.as_bytes());
            start..buffer.len()
        };
        OwnedDelta {
            table: delta.table.clone(),
            truncate: delta.truncate,
            deletes: delta.deletes.iter().map(&mut put).collect(),
            updates: delta.updates.iter().map(|u| (put(&u.key), put(&u.set))).collect(),
            upserts: delta.upserts.iter().map(&mut put).collect(),
            inserts: delta.inserts.iter().map(&mut put).collect(),
            buffer,
        }
    }

    fn image(&self, range: &Range<usize>) -> Image<'_> {
        Image::from_bytes(&self.buffer[range.clone()])
    }
}

/// Applies deltas within the open transaction.
pub fn apply(db: &Connection, deltas: &[OwnedDelta]) -> Result<Applied> {
    let mut applied = Applied::default();
    for delta in deltas {
        let writer = Writer::new(db, &delta.table)?;
        let simple = |sql: &str| db.execute_batch(sql).map_err(error::sql("applying changes"));
        simple("SAVEPOINT delta")?;
        let done = match writer.quickly(delta) {
            Err(Failed::Unique(_)) => {
                simple("ROLLBACK TO delta")?;
                writer.thoroughly(delta)
            }
            other => other,
        };
        let of_delta = done.map_err(Failed::into_error)?;
        applied.missing += of_delta.missing;
        applied.present += of_delta.present;
        simple("RELEASE delta")?;
    }
    Ok(applied)
}

/// Why a row was not written.
pub enum Failed {
    /// Its key or a unique value is another row's.
    Unique(EndpointError),
    /// All else.
    Other(EndpointError),
}

impl Failed {
    /// The error itself.
    pub fn into_error(self) -> EndpointError {
        match self {
            Failed::Unique(error) | Failed::Other(error) => error,
        }
    }
}

impl From<EndpointError> for Failed {
    fn from(error: EndpointError) -> Self {
        Failed::Other(error)
    }
}

type Written<T> = std::result::Result<T, Failed>;

/// A row as it was stored, by the names of its columns.
type Stashed = Vec<(String, Stored)>;

/// What an insert does when its key is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnKey {
    /// Replaces the row.
    Update,
    /// Leaves it.
    Nothing,
    /// Fails.
    Fail,
}

/// Writes rows of one table.
pub struct Writer<'db> {
    pub(crate) db: &'db Connection,
    pub(crate) table: Arc<Table>,
    pub(crate) real: Found,
    pub(crate) bound: Vec<Bound>,
    /// Columns that are written: those that the file does not compute.
    written: Vec<usize>,
}

impl<'db> Writer<'db> {
    /// Looks up the columns that are really there.
    pub fn new(db: &'db Connection, table: &Arc<Table>) -> Result<Writer<'db>> {
        let real = real::find(db, table)?;
        let (_, bound) = real::bound(&real.table, table)?;
        let written = (0..bound.len()).filter(|i| !bound[*i].column.generated).collect();
        Ok(Writer { db, table: table.clone(), real, bound, written })
    }

    fn name(&self, place: usize) -> String {
        ident(&self.table.columns[place].name)
    }

    pub(crate) fn own(&self) -> String {
        ident(&self.table.name.name)
    }

    fn failed(&self, e: rusqlite::Error) -> Failed {
        self.failed_at(format!("writing table {}", self.table.name), e)
    }

    fn failed_at(&self, doing: String, e: rusqlite::Error) -> Failed {
        let unique = error::is_unique_violation(&e);
        let error = error::sql(doing)(e);
        if unique { Failed::Unique(error) } else { Failed::Other(error) }
    }

    fn prepare(&self, sql: &str) -> Written<rusqlite::CachedStatement<'db>> {
        self.db.prepare_cached(sql).map_err(|e| self.failed(e))
    }

    fn run(&self, statement: &mut Statement<'_>, row: Image<'_>) -> Written<usize> {
        statement.raw_execute().map_err(|e| {
            let key = self.key_text(row);
            if error::is_unique_violation(&e)
                && let Some(other) = self.beside(row, &key)
            {
                return Failed::Unique(self.taken_for_one(&key, &other));
            }
            self.failed_at(format!("writing the row {key} of table {}", self.table.name), e)
        })
    }

    /// `k1 = ?n AND …`
    fn where_key(&self, first: usize) -> String {
        real::where_key(&self.real, &self.table, first)
    }

    /// The key's index takes other keys for the same.
    fn has_loose_key(&self) -> bool {
        let key: Vec<&str> = self.table.key_columns().map(|c| c.name.as_str()).collect();
        self.real.collations(&key).iter().any(Option::is_some)
    }

    fn quickly(&self, delta: &OwnedDelta) -> Written<Applied> {
        self.truncate(delta)?;
        self.delete(delta.deletes.iter().map(|r| delta.image(r)))?;
        let mut applied = Applied::default();
        for (key, set) in &delta.updates {
            if self.update(delta.image(key), delta.image(set))? == 0 {
                applied.missing += 1;
            }
        }
        self.upsert(delta.upserts.iter().map(|r| delta.image(r)))?;
        let count = delta.inserts.len() as u64;
        applied.present =
            count - self.insert(OnKey::Nothing, delta.inserts.iter().map(|r| delta.image(r)))?;
        Ok(applied)
    }

    fn thoroughly(&self, delta: &OwnedDelta) -> Written<Applied> {
        self.truncate(delta)?;
        self.delete(delta.deletes.iter().map(|r| delta.image(r)))?;
        let mut applied = Applied::default();
        let upserts: Vec<_> = delta.upserts.iter().map(|r| delta.image(r)).collect();
        let updated = self.take_out(delta.updates.iter().map(|(key, _)| delta.image(key)))?;
        let replaced = self.take_out(upserts.iter().copied())?;
        for ((_, set), row) in delta.updates.iter().zip(updated) {
            match row {
                Some(row) => self.restore(row, delta.image(set))?,
                None => applied.missing += 1,
            }
        }
        self.put_back(replaced, &upserts)?;
        let count = delta.inserts.len() as u64;
        applied.present =
            count - self.insert(OnKey::Nothing, delta.inserts.iter().map(|r| delta.image(r)))?;
        Ok(applied)
    }

    fn truncate(&self, delta: &OwnedDelta) -> Written<()> {
        if delta.truncate {
            let sql = format!("DELETE FROM {}", self.own());
            self.db.execute(&sql, []).map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    fn delete<'i>(&self, keys: impl Iterator<Item = Image<'i>>) -> Written<()> {
        let mut statement =
            self.prepare(&format!("DELETE FROM {} WHERE {}", self.own(), self.where_key(1)))?;
        let mut scratch = String::new();
        for key in keys {
            bind_key(&mut statement, &self.table, &self.bound, key, 1, &mut scratch)?;
            self.run(&mut statement, key)?;
        }
        Ok(())
    }

    fn update(&self, key: Image<'_>, set: Image<'_>) -> Written<usize> {
        let mut sent = Vec::with_capacity(self.written.len());
        for (place, slot) in set.slots().enumerate() {
            let slot = slot.map_err(error::damaged)?;
            if slot != Slot::NotSent && self.written.contains(&place) {
                sent.push((place, slot));
            }
        }
        if sent.is_empty() {
            let sql = format!("SELECT count(*) FROM {} WHERE {}", self.own(), self.where_key(1));
            let mut statement = self.prepare(&sql)?;
            bind_key(&mut statement, &self.table, &self.bound, key, 1, &mut String::new())?;
            let mut rows = statement.raw_query();
            let row = rows.next().map_err(|e| self.failed(e))?;
            let count: i64 = row.map_or(Ok(0), |r| r.get(0)).map_err(|e| self.failed(e))?;
            return Ok(usize::from(count > 0));
        }
        let sets =
            sent.iter().enumerate().map(|(i, (place, _))| format!("{} = ?{}", self.name(*place), i + 1));
        let sets = sets.collect::<Vec<_>>().join(", ");
        let sql = format!("UPDATE {} SET {sets} WHERE {}", self.own(), self.where_key(sent.len() + 1));
        let mut statement = self.prepare(&sql)?;
        let mut scratch = String::new();
        for (i, (place, slot)) in sent.iter().enumerate() {
            bind(&mut statement, &self.table, &self.bound[*place], i + 1, slot, &mut scratch)?;
        }
        bind_key(&mut statement, &self.table, &self.bound, key, sent.len() + 1, &mut scratch)?;
        self.run(&mut statement, key)
    }

    /// Writes whole rows over those of their keys, or adds them.
    pub fn upsert<'i>(&self, images: impl Iterator<Item = Image<'i>>) -> Written<()> {
        if !self.has_loose_key() {
            return self.insert(OnKey::Update, images).map(drop);
        }
        for image in images {
            if self.update(image, image)? == 0 {
                self.insert(OnKey::Fail, std::iter::once(image))?;
            }
        }
        Ok(())
    }

    /// Writes whole rows; returns how many were written.
    pub fn insert<'i>(&self, on_key: OnKey, images: impl Iterator<Item = Image<'i>>) -> Written<u64> {
        let mut statement = self.prepare(&self.insert_text(on_key))?;
        let mut scratch = String::new();
        let mut count = 0;
        for image in images {
            let mut place = 0;
            for (slot, bound) in image.slots().zip(&self.bound) {
                let slot = slot.map_err(error::damaged)?;
                if !bound.column.generated {
                    place += 1;
                    bind(&mut statement, &self.table, bound, place, &slot, &mut scratch)?;
                }
            }
            count += self.run(&mut statement, image)? as u64;
        }
        Ok(count)
    }

    /// Takes all their rows out and puts them back as these: for unique values that wander among them.
    pub fn replace(&self, images: &[Image<'_>]) -> Written<()> {
        self.put_back(self.take_out(images.iter().copied())?, images)
    }

    /// What stood under these keys, which stands there no more.
    fn take_out<'i>(&self, keys: impl Iterator<Item = Image<'i>> + Clone) -> Written<Vec<Option<Stashed>>> {
        let stashed = keys.clone().map(|key| self.stash(key)).collect::<Written<_>>()?;
        self.delete(keys)?;
        Ok(stashed)
    }

    fn put_back(&self, stashed: Vec<Option<Stashed>>, images: &[Image<'_>]) -> Written<()> {
        for (row, image) in stashed.into_iter().zip(images) {
            match row {
                Some(row) => self.restore(row, *image)?,
                None => self.insert(OnKey::Fail, std::iter::once(*image)).map(drop)?,
            }
        }
        Ok(())
    }

    fn insert_text(&self, on_key: OnKey) -> String {
        let columns = self.written.iter().map(|i| self.name(*i)).collect::<Vec<_>>().join(", ");
        let values = parameters(1, self.written.len());
        let key = self.table.key.iter().map(|k| self.name(*k)).collect::<Vec<_>>().join(", ");
        let others = self.written.iter().filter(|i| !self.table.key.contains(i));
        let sets =
            others.map(|i| format!("{0} = excluded.{0}", self.name(*i))).collect::<Vec<_>>().join(", ");
        let conflict = match on_key {
            OnKey::Fail => String::new(),
            OnKey::Nothing if self.has_loose_key() => return self.insert_absent_text(&columns, &values),
            OnKey::Update if !sets.is_empty() => format!(" ON CONFLICT ({key}) DO UPDATE SET {sets}"),
            OnKey::Update | OnKey::Nothing => format!(" ON CONFLICT ({key}) DO NOTHING"),
        };
        format!("INSERT INTO {} ({columns}) VALUES ({values}){conflict}", self.own())
    }

    /// Inserts a row unless one is there under exactly its key.
    fn insert_absent_text(&self, columns: &str, values: &str) -> String {
        let own = self.own();
        // The key's parameters stand among the row's own.
        let place = |k: &usize| self.written.iter().position(|w| w == k).map_or(0, |at| at + 1);
        let key: Vec<&str> = self.table.key_columns().map(|c| c.name.as_str()).collect();
        let same = self.table.key.iter().zip(self.real.collations(&key));
        let same = same.map(|(k, how)| same_key(&self.name(*k), "=", &format!("?{}", place(k)), how));
        let same = same.collect::<Vec<_>>().join(" AND ");
        format!(
            "INSERT INTO {own} ({columns}) SELECT {values} WHERE NOT EXISTS (SELECT 1 FROM {own} WHERE {same})"
        )
    }

    /// All columns of a row as they are stored, those of no interest to the job too.
    fn stash(&self, key: Image<'_>) -> Written<Option<Stashed>> {
        let mut statement =
            self.prepare(&format!("SELECT * FROM {} WHERE {}", self.own(), self.where_key(1)))?;
        bind_key(&mut statement, &self.table, &self.bound, key, 1, &mut String::new())?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.raw_query();
        let Some(row) = rows.next().map_err(|e| self.failed(e))? else { return Ok(None) };
        let values = names.into_iter().enumerate().map(|(i, name)| Ok((name, row.get::<_, Stored>(i)?)));
        values.collect::<rusqlite::Result<Vec<_>>>().map(Some).map_err(|e| self.failed(e))
    }

    /// Puts a stashed row back, with what was set.
    fn restore(&self, row: Stashed, set: Image<'_>) -> Written<()> {
        let real = &self.real.table;
        let is_written = |name: &str| real.column(name).is_some_and(|c| !real.columns[c].generated);
        let mut row: Stashed = row.into_iter().filter(|(name, _)| is_written(name)).collect();
        for ((slot, bound), column) in set.slots().zip(&self.bound).zip(&self.table.columns) {
            if let Slot::Value(value) = slot.map_err(error::damaged)?
                && let Some(place) = row.iter().position(|(name, _)| name.eq_ignore_ascii_case(&column.name))
            {
                row[place].1 = bound.owned(&value).map_err(|why| real::refused(&self.table, bound, why))?;
            }
        }
        let columns = row.iter().map(|(name, _)| ident(name)).collect::<Vec<_>>().join(", ");
        let sql = format!("INSERT INTO {} ({columns}) VALUES ({})", self.own(), parameters(1, row.len()));
        let mut statement = self.prepare(&sql)?;
        statement.execute(params_from_iter(row.into_iter().map(|(_, v)| v))).map_err(|e| self.failed(e))?;
        Ok(())
    }
}
