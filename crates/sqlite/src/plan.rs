//! What a capture would make, found out without touching the file: the same code makes it in an empty copy of the schema, in memory.

use crate::names::LAYOUT;
use crate::{capture, error};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeSet;
use tidelock_endpoint::Result;
use tidelock_model::TableName;

/// What somebody made by a statement; SQLite makes its own things by itself.
const SOMEBODYS: &str = r"sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\'";

/// See `Source::plan`.
pub fn statements(db: &Connection, tables: &[TableName]) -> Result<Vec<String>> {
    let what = || error::sql("planning the capture");
    let copy = Connection::open_in_memory().map_err(what())?;
    copy_schema(db, &copy).map_err(what())?;
    let before = schema(&copy).map_err(what())?;
    capture::set_up(&copy, tables)?;
    let after = schema(&copy).map_err(what())?;
    let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(what())?;
    let mut statements = Vec::new();
    if mode != "wal" {
        statements.push("PRAGMA journal_mode = WAL".to_owned());
    }
    let known: BTreeSet<&String> = before.iter().collect();
    statements.extend(after.iter().filter(|sql| !known.contains(sql)).cloned());
    Ok(statements)
}

/// Tables before what stands on them; and what the capture knows of its tables.
fn copy_schema(db: &Connection, copy: &Connection) -> rusqlite::Result<()> {
    let order = "CASE type WHEN 'table' THEN 1 WHEN 'view' THEN 2 WHEN 'index' THEN 3 ELSE 4 END";
    let sql = format!("SELECT sql FROM sqlite_schema WHERE {SOMEBODYS} ORDER BY {order}, rowid");
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        copy.execute_batch(&row.get::<_, String>(0)?)?;
    }
    let there = format!("SELECT 1 FROM sqlite_schema WHERE name = '{LAYOUT}'");
    if db.query_row(&there, [], |_| Ok(())).optional()?.is_some() {
        let mut layouts = db.prepare(&format!("SELECT id, name, current, layout FROM {LAYOUT}"))?;
        let mut rows = layouts.query([])?;
        while let Some(row) = rows.next()? {
            let values: [rusqlite::types::Value; 4] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
            copy.execute(&format!("INSERT INTO {LAYOUT} VALUES (?1, ?2, ?3, ?4)"), values)?;
        }
    }
    Ok(())
}

fn schema(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = format!("SELECT sql FROM sqlite_schema WHERE {SOMEBODYS} ORDER BY rowid");
    db.prepare(&sql)?.query_map([], |row| row.get(0))?.collect()
}
