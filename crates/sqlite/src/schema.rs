//! Statements that make tables and indexes, and which of them are still to be run.
//!
//! SQLite cannot add a foreign key to a table that is there, so foreign keys stand in CREATE TABLE already; nobody enforces them unless a connection
//! asks for it (`PRAGMA foreign_keys`), and ours never do, so loads and changes may come in any order.

use crate::catalogue;
use crate::names::{self, CHECKPOINT, ORIGIN, ident, literal};
use crate::types::declared;
use rusqlite::{Connection, OptionalExtension};
use std::sync::Arc;
use tidelock_endpoint::{EndpointError, ErrorKind, Result};
use tidelock_model::{Column, ColumnDefault, ForeignKey, Table, Type};

/// How the present moment is written into a column that holds instants.
pub const NOW_WITH_ZONE: &str = "strftime('%Y-%m-%d %H:%M:%f+00:00', 'now')";

/// Tables of ours that a target needs.
pub fn own_tables() -> [String; 2] {
    [
        format!(
            "CREATE TABLE IF NOT EXISTS {CHECKPOINT} (job TEXT NOT NULL, lane TEXT NOT NULL, state TEXT NOT NULL, updated_at TEXT NOT NULL, PRIMARY KEY (job, lane))"
        ),
        origin_table(),
    ]
}

/// Where the origin of the running transaction stands.
pub fn origin_table() -> String {
    format!("CREATE TABLE IF NOT EXISTS {ORIGIN} (id INTEGER PRIMARY KEY CHECK (id = 1), origin TEXT)")
}

/// CREATE TABLE for those that are absent, and for ours.
pub fn tables(db: &Connection, from: &str, wanted: &[Arc<Table>]) -> Result<Vec<String>> {
    let mut statements = Vec::new();
    for (name, sql) in [CHECKPOINT, ORIGIN].iter().zip(own_tables()) {
        if !exists(db, name)? {
            statements.push(sql);
        }
    }
    for table in wanted {
        no_schema(table)?;
        if !exists(db, &table.name.name)? {
            statements.push(create_table(db, from, table, wanted)?);
        }
    }
    Ok(statements)
}

/// CREATE INDEX for those that are absent.
pub fn indexes(db: &Connection, wanted: &[Arc<Table>]) -> Result<Vec<String>> {
    let failed = |e| crate::error::sql("reading indexes")(e);
    let mut statements: Vec<String> = Vec::new();
    let mut taken: Vec<String> = Vec::new();
    for table in wanted {
        let found = catalogue::find(db, &table.name.name).map_err(failed)?;
        let there = found.map(|f| f.table);
        let columns = |t: &Table, places: &[usize]| {
            places.iter().map(|i| t.columns[*i].name.to_lowercase()).collect::<Vec<_>>()
        };
        for index in &table.indexes {
            let wanted = columns(table, &index.columns);
            let same = |t: &Table| {
                t.indexes.iter().any(|i| (i.unique || !index.unique) && columns(t, &i.columns) == wanted)
                    || columns(t, &t.key) == wanted
            };
            if there.as_ref().is_some_and(same) {
                continue;
            }
            let mut name = index.name.clone();
            if taken.contains(&name.to_lowercase()) || exists(db, &name)? || name.starts_with("sqlite_") {
                name = format!("{}_{name}", table.name.name);
            }
            taken.push(name.to_lowercase());
            statements.push(format!(
                "CREATE {}INDEX {} ON {} ({})",
                if index.unique { "UNIQUE " } else { "" },
                ident(&name),
                ident(&table.name.name),
                names::list(index.columns.iter().map(|i| table.columns[*i].name.as_str()))
            ));
        }
    }
    Ok(statements)
}

/// A table, index, view or trigger of this name is there.
pub fn exists(db: &Connection, name: &str) -> Result<bool> {
    db.query_row("SELECT 1 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE", [name], |_| Ok(()))
        .optional()
        .map(|found| found.is_some())
        .map_err(crate::error::sql("reading the schema"))
}

fn no_schema(table: &Table) -> Result<()> {
    let Some(schema) = &table.name.schema else { return Ok(()) };
    let message = format!("making table {}: a SQLite file has no schema '{schema}'", table.name);
    Err(EndpointError::new(ErrorKind::Configuration, "TL-SQLITE-SCHEMA", message)
        .hint("give the table a name without a schema with `to:`"))
}

fn create_table(db: &Connection, from: &str, table: &Table, set: &[Arc<Table>]) -> Result<String> {
    let mut parts = Vec::new();
    let single_key = table.primary && table.key.len() == 1;
    for (place, column) in table.columns.iter().enumerate() {
        let rowid = single_key && table.key[0] == place && is_auto(column);
        parts.push(column_text(from, table, column, rowid)?);
    }
    let key = names::list(table.key_columns().map(|c| c.name.as_str()));
    if !table.key.is_empty() {
        parts.push(format!("{} ({key})", if table.primary { "PRIMARY KEY" } else { "UNIQUE" }));
    }
    for foreign in &table.foreign_keys {
        let in_set = set.iter().any(|t| t.name == foreign.references);
        if in_set || exists(db, &foreign.references.name)? {
            parts.push(foreign_key(table, foreign));
        }
    }
    Ok(format!("CREATE TABLE {} (\n  {}\n)", ident(&table.name.name), parts.join(",\n  ")))
}

fn is_auto(column: &Column) -> bool {
    column.default == Some(ColumnDefault::AutoIncrement) && matches!(column.data_type, Type::Int { .. })
}

/// A column as it stands in CREATE TABLE. `rowid`: it is the table's INTEGER PRIMARY KEY.
pub fn column_text(from: &str, table: &Table, column: &Column, rowid: bool) -> Result<String> {
    if rowid {
        return Ok(format!("{} INTEGER", ident(&column.name)));
    }
    let native = if from == "sqlite" {
        // Our tables are not STRICT: there ANY would turn texts into numbers, and no type at all leaves everything as it is.
        Some(column.native.clone()).filter(|n| !n.eq_ignore_ascii_case("ANY")).unwrap_or_default()
    } else {
        declared(column).map_err(|reason| {
            let message =
                format!("making table {}: column {} cannot be held: {reason}", table.name, column.name);
            EndpointError::new(ErrorKind::Unsupported, "TL-SQLITE-NO-TYPE", message)
        })?
    };
    let mut text = format!("{} {native}", ident(&column.name)).trim_end().to_owned();
    if !column.nullable {
        text.push_str(" NOT NULL");
    }
    if let Some(default) = default_text(from, column) {
        text.push_str(" DEFAULT ");
        text.push_str(&default);
    }
    Ok(text)
}

/// Whether the column's default is one that can stand in a table made here.
pub fn keeps_default(from: &str, table: &Table, place: usize) -> bool {
    let column = &table.columns[place];
    let rowid = table.primary && table.key == [place] && is_auto(column);
    column.default.is_none() || rowid || default_text(from, column).is_some()
}

fn default_text(from: &str, column: &Column) -> Option<String> {
    Some(match column.default.as_ref()? {
        ColumnDefault::AutoIncrement => return None,
        ColumnDefault::Expression { engine, sql } => {
            if engine != "sqlite" {
                return None;
            }
            format!("({sql})")
        }
        ColumnDefault::Now => match column.data_type {
            Type::Date => "CURRENT_DATE".into(),
            Type::Time { .. } => "CURRENT_TIME".into(),
            Type::Timestamp { .. } => format!("({NOW_WITH_ZONE})"),
            _ => "CURRENT_TIMESTAMP".into(),
        },
        // Octets are spelled by each engine in its own way.
        ColumnDefault::Literal(_) if matches!(column.data_type, Type::Bytes { .. }) && from == "postgres" => {
            return None;
        }
        ColumnDefault::Literal(text) => constant(text, &column.data_type),
    })
}

fn constant(text: &str, data_type: &Type) -> String {
    let is_number = || text.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match data_type {
        Type::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => "1".into(),
            "false" | "f" | "0" => "0".into(),
            _ => literal(text),
        },
        Type::Int { bits: 64, unsigned: true } => literal(text),
        Type::Int { .. } | Type::Decimal { .. } | Type::Float32 | Type::Float64 | Type::Year | Type::Any
            if is_number() && text.parse::<f64>().is_ok() =>
        {
            text.to_owned()
        }
        Type::Bytes { .. } => {
            format!("X'{}'", text.bytes().map(|b| format!("{b:02X}")).collect::<String>())
        }
        _ => literal(text),
    }
}

fn foreign_key(table: &Table, foreign: &ForeignKey) -> String {
    let name =
        if foreign.name.is_empty() { String::new() } else { format!("CONSTRAINT {} ", ident(&foreign.name)) };
    format!(
        "{name}FOREIGN KEY ({}) REFERENCES {} ({}) ON DELETE {} ON UPDATE {}",
        names::list(foreign.columns.iter().map(|i| table.columns[*i].name.as_str())),
        ident(&foreign.references.name),
        names::list(foreign.referenced_columns.iter().map(String::as_str)),
        foreign.on_delete.sql(),
        foreign.on_update.sql()
    )
}
