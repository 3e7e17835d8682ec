//! The text of the triggers. See `capture` for what they are for.

use crate::capture::{DELETE, INSERT, UPDATE};
use crate::names::{CHANGE, ORIGIN, REPLACED, ident};
use rusqlite::Connection;
use std::collections::BTreeMap;
use tidelock_model::Table;

/// The parts that a table's triggers play; they are in the triggers' names.
pub const KINDS: [&str; 5] = ["insert", "update", "delete", "before_insert", "before_update"];
/// Those that write changes.
pub const RECORDING: [&str; 3] = ["insert", "update", "delete"];

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

/// The triggers that a table needs: name → text.
pub fn statements(layout: i64, table: &Table, uniques: &[Vec<String>]) -> BTreeMap<String, String> {
    let writer = Writer { layout, table, uniques };
    let text =
        [writer.insert(), writer.update(), writer.delete(), writer.before_insert(), writer.before_update()];
    KINDS.iter().zip(text).map(|(kind, text)| (name(layout, kind), text)).collect()
}

struct Writer<'a> {
    layout: i64,
    table: &'a Table,
    uniques: &'a [Vec<String>],
}

impl Writer<'_> {
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
        let same = self.table.key.iter().map(|k| format!("{} IS {}", left(*k), right(*k)));
        same.collect::<Vec<_>>().join(" AND ")
    }

    fn of(&self, row: &'static str) -> impl Fn(usize) -> String {
        move |place| format!("{row}.{}", ident(&self.table.columns[place].name))
    }

    fn record(&self, op: i64, width: usize, values: &str) -> String {
        format!(
            "INSERT INTO {CHANGE} (layout, op, origin, time, {}) {values_head}{}, {op}, (SELECT origin FROM {ORIGIN} WHERE id = 1), {STAMP}, {values}",
            places(1, width),
            self.layout,
            values_head = "SELECT ",
        )
    }

    /// Records noted rows as deleted that are gone: not there any more, or only their key is, under the new row.
    fn replaced(&self, and: &str) -> String {
        let noted = |place: usize| format!("r.v{}", place + 1);
        let gone = format!(
            "NOT EXISTS (SELECT 1 FROM {} t WHERE {})",
            ident(&self.table.name.name),
            self.key(self.of("t"), noted)
        );
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
            "{} BEGIN {}; {}; END",
            self.head("insert", "AFTER INSERT"),
            self.replaced(""),
            self.record(INSERT, n, &self.columns("NEW"))
        )
    }

    fn update(&self) -> String {
        let noted = |place: usize| format!("r.v{}", place + 1);
        let other = format!(" AND NOT ({})", self.key(noted, self.of("OLD")));
        let both = format!("{}, {}", self.columns("OLD"), self.columns("NEW"));
        format!(
            "{} BEGIN {}; {}; END",
            self.head("update", "AFTER UPDATE"),
            self.replaced(&other),
            self.record(UPDATE, 2 * self.table.columns.len(), &both)
        )
    }

    fn delete(&self) -> String {
        let noted = |place: usize| format!("v{}", place + 1);
        format!(
            "{} BEGIN DELETE FROM {REPLACED} WHERE layout = {} AND {}; {}; END",
            self.head("delete", "AFTER DELETE"),
            self.layout,
            self.key(noted, self.of("OLD")),
            self.record(DELETE, self.table.columns.len(), &self.columns("OLD"))
        )
    }

    /// `(t.a = NEW.a AND t.b = NEW.b) OR (…)`: the rows of which a unique index says that they stand in the way.
    fn in_the_way(&self) -> String {
        let one = |columns: &Vec<String>| {
            let same = columns.iter().map(|c| format!("t.{0} = NEW.{0}", ident(c)));
            format!("({})", same.collect::<Vec<_>>().join(" AND "))
        };
        self.uniques.iter().map(one).collect::<Vec<_>>().join(" OR ")
    }

    fn note(&self, kind: &str, when: &str, condition: &str) -> String {
        let own = ident(&self.table.name.name);
        let n = self.table.columns.len();
        format!(
            "{} WHEN EXISTS (SELECT 1 FROM {own} t WHERE {condition}) BEGIN DELETE FROM {REPLACED} WHERE layout = {}; \
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
        let mut watched: Vec<String> = self.uniques.iter().flatten().map(|c| ident(c)).collect();
        watched.sort();
        watched.dedup();
        let condition =
            format!("({}) AND NOT ({})", self.in_the_way(), self.key(self.of("t"), self.of("OLD")));
        self.note("before_update", &format!("BEFORE UPDATE OF {}", watched.join(", ")), &condition)
    }
}
