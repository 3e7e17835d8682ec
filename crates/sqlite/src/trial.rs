//! Holding keys against each other as this file's index compares them: in a temporary table with the key's own columns.

use crate::names::{ident, list, parameters};
use crate::{error, real, rows};
use rusqlite::Connection;
use tidelock_endpoint::Result;
use tidelock_model::{Rows, RowsWriter, Table};

const TRIAL: &str = "temp.tidelock_trial";

/// The condition under which the index takes a row for the key in the parameters; `None` where it takes only equal values for equal.
fn same(db: &Connection, table: &Table) -> Result<Option<String>> {
    let found = real::find(db, table)?;
    let names: Vec<&str> = table.key_columns().map(|c| c.name.as_str()).collect();
    let collations = found.collations(&names);
    if collations.iter().all(Option::is_none) {
        return Ok(None);
    }
    let same = names.iter().zip(collations).enumerate();
    let same = same.map(|(i, (name, how))| {
        format!("{} = ?{} COLLATE {}", ident(name), i + 1, ident(how.unwrap_or("BINARY")))
    });
    Ok(Some(same.collect::<Vec<_>>().join(" AND ")))
}

/// `table` has the key's columns alone. False where there is nothing to be tried.
pub fn begin(db: &Connection, table: &Table) -> Result<bool> {
    if same(db, table)?.is_none() {
        return Ok(false);
    }
    let found = real::find(db, table)?;
    let (there, _) = real::bound(&found.table, table)?;
    let columns: Vec<String> =
        there.columns.iter().map(|c| format!("{} {}", ident(&c.name), c.native)).collect();
    let sql = format!("DROP TABLE IF EXISTS {TRIAL}; CREATE TABLE {TRIAL} ({})", columns.join(", "));
    db.execute_batch(&sql).map_err(error::sql("holding keys against each other"))?;
    let names: Vec<&str> = table.key_columns().map(|c| c.name.as_str()).collect();
    let collations = found.collations(&names);
    let terms = names
        .iter()
        .zip(collations)
        .map(|(name, how)| format!("{} COLLATE {}", ident(name), ident(how.unwrap_or("BINARY"))));
    let sql = format!(
        "CREATE UNIQUE INDEX temp.tidelock_trial_key ON tidelock_trial ({})",
        terms.collect::<Vec<_>>().join(", ")
    );
    db.execute_batch(&sql).map_err(error::sql("holding keys against each other"))?;
    Ok(true)
}

/// Adds the keys that are equal to none that is there, and answers what they are equal to now.
pub fn add(db: &Connection, table: &Table, keys: &Rows) -> Result<Rows> {
    let what = || error::sql("holding keys against each other");
    let Some(same) = same(db, table)? else { return Ok(keys.clone()) };
    let found = real::find(db, table)?;
    let (there, bound) = real::bound(&found.table, table)?;
    let there = std::sync::Arc::new(there);
    let columns = list(table.columns.iter().map(|c| c.name.as_str()));
    let insert =
        format!("INSERT OR IGNORE INTO {TRIAL} ({columns}) VALUES ({})", parameters(1, table.columns.len()));
    let mut insert = db.prepare(&insert).map_err(what())?;
    let mut select = db.prepare(&format!("SELECT {columns} FROM {TRIAL} WHERE {same}")).map_err(what())?;
    let (mut met, mut scratch) = (RowsWriter::new(there.clone()), String::new());
    for key in keys.images() {
        let key = key.map_err(error::damaged)?;
        real::bind_key(&mut insert, table, &bound, key, 1, &mut scratch)?;
        insert.raw_execute().map_err(what())?;
        real::bind_key(&mut select, table, &bound, key, 1, &mut scratch)?;
        let mut rows = select.raw_query();
        while let Some(row) = rows.next().map_err(what())? {
            met.row(|out| rows::image(&there, row, 0, &mut scratch, out))?;
        }
    }
    Ok(met.take())
}
