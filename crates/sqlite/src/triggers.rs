//! The text of the triggers. See `capture` for what they are for.

use crate::capture::{DELETE, INSERT, UPDATE};
use crate::catalogue::Found;
use crate::names::{CHANGE, ORIGIN, REPLACED, ident, same_key};
use rusqlite::Connection;
use std::collections::BTreeMap;
use tidelock_model::Table;

/// The parts that a table's triggers play; they are in the triggers' names.
pub const KINDS: [&str; 6] = ["insert", "update", "rekeyed", "delete", "before_insert", "before_update"];
/// Those without which changes are missed.
const RECORDING: [&str; 3] = ["insert", "update", "delete"];
/// Those that note which rows stand in the way of a new one.
const NOTING: [&str; 2] = ["before_insert", "before_update"];

/// The moment, in microseconds since 1970 UTC, as every version can tell it: to the millisecond.
pub const STAMP: &str = "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000";

/// A trigger's name.
pub fn name(layout: i64, kind: &str) -> String {
    format!("tidelock_{layout}_{kind}")
}

/// `v3, v4, v5`: so many value columns from one on.
pub fn places(first: usize, count: usize) -> String {
    (first..first + count).map(|i| format!("v{i}")).collect::<Vec<_>>().join(", ")
}

/// The triggers of this layout that are there on this table: name → text.
pub fn present(db: &Connection, layout: i64, table: &str) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut statement = db.prepare_cached(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE",
    )?;
    let rows = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let all = rows.collect::<rusqlite::Result<BTreeMap<String, String>>>()?;
    let own = |n: &String| KINDS.iter().any(|kind| *n == name(layout, kind));
    Ok(all.into_iter().filter(|(n, _)| own(n)).collect())
}

/// The text of other people's triggers on this table that were made after those of this layout, and fire before them.
pub fn overtaking(db: &Connection, layout: i64, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare_cached(
        "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND name NOT GLOB 'tidelock_[0-9]*' \
         AND rowid > (SELECT min(rowid) FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'tidelock_' || ?2 || '_*')",
    )?;
    statement.query_map((table, layout), |row| row.get(0))?.collect()
}

/// Whether a trigger of this text may keep those behind it from firing at all.
pub fn may_silence(text: &str) -> bool {
    let letters: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    letters.to_ascii_lowercase().contains("raise(ignore)")
}

/// Whether the triggers that are there record every change of the table as it is now, if only of the columns it had when they were made.
pub fn miss_nothing(there: &BTreeMap<String, String>, layout: i64, table: &Table, found: &Found) -> bool {
    let ways = Writer::new(layout, table, found).ways();
    let watches =
        |kind| there.get(&name(layout, kind)).is_some_and(|text| ways.iter().all(|w| text.contains(w)));
    RECORDING.iter().all(|kind| there.contains_key(&name(layout, kind))) && NOTING.into_iter().all(watches)
}

/// The triggers that a table needs, `table` being what is captured of it: name → text.
pub fn statements(layout: i64, table: &Table, found: &Found) -> BTreeMap<String, String> {
    let writer = Writer::new(layout, table, found);
    let text = [
        writer.insert(),
        writer.update(),
        writer.rekeyed(),
        writer.delete(),
        writer.before_insert(),
        writer.before_update(),
    ];
    KINDS.iter().zip(text).map(|(kind, text)| (name(layout, kind), text)).collect()
}

struct Writer<'a> {
    layout: i64,
    table: &'a Table,
    found: &'a Found,
    collations: Vec<Option<&'a str>>,
}

impl<'a> Writer<'a> {
    fn new(layout: i64, table: &'a Table, found: &'a Found) -> Writer<'a> {
        let key: Vec<&str> = table.key_columns().map(|c| c.name.as_str()).collect();
        Writer { layout, table, found, collations: found.collations(&key) }
    }

    fn head(&self, kind: &str, when: &str) -> String {
        format!(
            "CREATE TRIGGER {} {when} ON {}",
            ident(&name(self.layout, kind)),
            ident(&self.table.name.name)
        )
    }

    fn columns(&self, row: &str) -> String {
        self.table.columns.iter().map(|c| format!("{row}.{}", ident(&c.name))).collect::<Vec<_>>().join(", ")
    }

    /// `a.k1 IS b.k1 AND a.k2 IS b.k2` over the key.
    fn key(&self, left: impl Fn(usize) -> String, right: impl Fn(usize) -> String) -> String {
        let same = self.table.key.iter().map(|k| same_key(&left(*k), "IS", &right(*k), None));
        same.collect::<Vec<_>>().join(" AND ")
    }

    /// `"table" t WHERE …`: what stands in the table under a key.
    fn under(&self, key: impl Fn(usize) -> String) -> String {
        let (t, places) = (self.of("t"), self.table.key.iter().zip(&self.collations));
        let same = places.map(|(k, collation)| same_key(&t(*k), "IS", &key(*k), *collation));
        format!("{} t WHERE {}", ident(&self.table.name.name), same.collect::<Vec<_>>().join(" AND "))
    }

    /// Nothing stands in the table under a key.
    fn gone(&self, key: impl Fn(usize) -> String) -> String {
        format!("NOT EXISTS (SELECT 1 FROM {})", self.under(key))
    }

    fn of(&self, row: &'static str) -> impl Fn(usize) -> String {
        move |place| format!("{row}.{}", ident(&self.table.columns[place].name))
    }

    fn record(&self, op: i64, width: usize, values: &str) -> String {
        format!(
            "INSERT INTO {CHANGE} (layout, op, origin, time, {}) SELECT {}, {op}, (SELECT origin FROM {ORIGIN} WHERE id = 1), {STAMP}, {values}",
            places(1, width),
            self.layout,
        )
    }

    /// Records noted rows as deleted that are gone: not there any more, or only their key is, under the new row.
    fn replaced(&self, and: &str) -> String {
        let noted = |place: usize| format!("r.v{}", place + 1);
        let gone = self.gone(noted);
        let n = self.table.columns.len();
        let values = (1..=n).map(|i| format!("r.v{i}")).collect::<Vec<_>>().join(", ");
        format!(
            "{} FROM {REPLACED} r WHERE r.layout = {} AND ({} OR {gone}){and}; DELETE FROM {REPLACED} WHERE layout = {}",
            self.record(DELETE, n, &values),
            self.layout,
            self.key(noted, self.of("NEW")),
            self.layout
        )
    }

    fn insert(&self) -> String {
        let n = self.table.columns.len();
        format!(
            "{} BEGIN {}; {} FROM {}; END",
            self.head("insert", "AFTER INSERT"),
            self.replaced(""),
            self.record(INSERT, n, &self.columns("t")),
            self.under(self.of("NEW"))
        )
    }

    fn update(&self) -> String {
        let noted = |place: usize| format!("r.v{}", place + 1);
        let other = format!(" AND NOT ({})", self.key(noted, self.of("OLD")));
        let n = self.table.columns.len();
        let both = format!("{}, {}", self.columns("OLD"), self.columns("t"));
        let same = self.key(self.of("OLD"), self.of("NEW"));
        let (left, there) = (self.gone(self.of("OLD")), self.under(self.of("NEW")));
        format!(
            "{} BEGIN {}; {} FROM {there} AND ({same} OR {left}); END",
            self.head("update", "AFTER UPDATE"),
            self.replaced(&other),
            self.record(UPDATE, 2 * n, &both)
        )
    }

    /// What an update is that gave the row another key, when by now another row has the old key, or none has the new one.
    fn rekeyed(&self) -> String {
        let n = self.table.columns.len();
        let (left, there) = (self.gone(self.of("OLD")), self.under(self.of("NEW")));
        format!(
            "{} WHEN NOT ({}) BEGIN {} FROM {there} AND NOT {left}; {} WHERE {left} AND {}; END",
            self.head("rekeyed", "AFTER UPDATE"),
            self.key(self.of("OLD"), self.of("NEW")),
            self.record(INSERT, n, &self.columns("t")),
            self.record(DELETE, n, &self.columns("OLD")),
            self.gone(self.of("NEW"))
        )
    }

    fn delete(&self) -> String {
        let noted = |place: usize| format!("v{}", place + 1);
        format!(
            "{} BEGIN DELETE FROM {REPLACED} WHERE layout = {} AND {}; {} WHERE {}; END",
            self.head("delete", "AFTER DELETE"),
            self.layout,
            self.key(noted, self.of("OLD")),
            self.record(DELETE, self.table.columns.len(), &self.columns("OLD")),
            self.gone(self.of("OLD"))
        )
    }

    /// `(t.a = NEW.a AND t.b = NEW.b)` for each unique index: the rows of which it says that they stand in the way. The rowid is one more, where it is not the key.
    fn ways(&self) -> Vec<String> {
        // REPLACE puts a column's default in the place of a NULL that it must not hold, after the BEFORE triggers.
        let new = |column: &String| match self.found.filled.get(column) {
            Some(default) => format!("coalesce(NEW.{}, {default})", ident(column)),
            None => format!("NEW.{}", ident(column)),
        };
        let one = |columns: &Vec<String>| {
            let same = columns.iter().map(|c| format!("t.{} = {}", ident(c), new(c)));
            format!("({})", same.collect::<Vec<_>>().join(" AND "))
        };
        let rowid = self.found.rowids.first().filter(|_| !self.found.rowid_key);
        let by_rowid = rowid.map(|name| format!("(t.{name} = NEW.{name})"));
        self.found.uniques.iter().map(one).chain(by_rowid).collect()
    }

    fn in_the_way(&self) -> String {
        self.ways().join(" OR ")
    }

    fn note(&self, kind: &str, when: &str, condition: &str) -> String {
        let own = ident(&self.table.name.name);
        let n = self.table.columns.len();
        // Of notes that are left over, those of rows that are gone are another statement's, in which this one runs.
        let there = self.under(|place| format!("{REPLACED}.v{}", place + 1));
        format!(
            "{} WHEN EXISTS (SELECT 1 FROM {own} t WHERE {condition}) BEGIN DELETE FROM {REPLACED} WHERE layout = {} AND EXISTS (SELECT 1 FROM {there}); \
             INSERT INTO {REPLACED} (layout, {}) SELECT {}, {} FROM {own} t WHERE {condition}; END",
            self.head(kind, when),
            self.layout,
            places(1, n),
            self.layout,
            self.columns("t")
        )
    }

    fn before_insert(&self) -> String {
        self.note("before_insert", "BEFORE INSERT", &self.in_the_way())
    }

    fn before_update(&self) -> String {
        let mut watched: Vec<String> = self.found.uniques.iter().flatten().map(|c| ident(c)).collect();
        watched.sort();
        watched.dedup();
        // A rowid is known by all of its names here, and by the one that the statement has.
        watched.extend(self.found.rowids.iter().map(ToString::to_string));
        let condition =
            format!("({}) AND NOT ({})", self.in_the_way(), self.key(self.of("t"), self.of("OLD")));
        self.note("before_update", &format!("BEFORE UPDATE OF {}", watched.join(", ")), &condition)
    }
}
