//! Stored rows → images: what snapshot, stream and reads by key share.

use crate::catalogue::Found;
use crate::decode;
use crate::error;
use crate::names::{ident, literal};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::sync::Arc;
use tidelock_endpoint::{EndpointError, ErrorKind, Result};
use tidelock_model::{Column, ImageWriter, Rows, RowsWriter, Table};

/// Puts the columns of `table` that stand in `row` from place `first` on.
pub fn image(
    table: &Table,
    row: &Row<'_>,
    first: usize,
    scratch: &mut String,
    out: &mut ImageWriter<'_>,
) -> Result<()> {
    for (place, column) in table.columns.iter().enumerate() {
        let stored = row.get_ref(first + place).map_err(error::sql("reading a row"))?;
        decode::slot(column, stored, scratch, out)
            .map_err(|e| not_of_type(table, column, row, first, &e.found))?;
    }
    let null = |k: &&usize| matches!(row.get_ref(first + **k), Ok(ValueRef::Null));
    if let Some(key) = table.key.iter().find(null) {
        return Err(not_of_type(table, &table.columns[*key], row, first, "NULL in the key"));
    }
    for place in &table.key {
        let column = &table.columns[*place];
        if let Ok(ValueRef::Text(text)) = row.get_ref(first + place)
            && let Some(written) = decode::rewritten(column, text, scratch)
        {
            return Err(not_as_written(table, column, &String::from_utf8_lossy(text), &written));
        }
    }
    Ok(())
}

/// Other engines hold the value and not its letters, and would bring it back in ours.
fn not_as_written(table: &Table, column: &Column, text: &str, written: &str) -> EndpointError {
    let message = format!(
        "reading table {}: key column {} is declared '{}' and holds {}, which we write as {}; its row would not be found again",
        table.name,
        column.name,
        column.native,
        literal(text),
        literal(written)
    );
    let (own, name) = (ident(&table.name.name), ident(&column.name));
    EndpointError::new(ErrorKind::Row, "TL-SQLITE-KEY-TEXT", message).hint(format!(
        "UPDATE {own} SET {name} = {} WHERE {name} = {}; or make the table anew with that column as TEXT. What was captured of it before is passed over by `tidelock sync --full`",
        literal(written),
        literal(text)
    ))
}

fn not_of_type(table: &Table, column: &Column, row: &Row<'_>, first: usize, found: &str) -> EndpointError {
    let key: Vec<String> = table
        .key
        .iter()
        .map(|k| {
            let value = row.get_ref(first + k).map(decode::describe);
            format!("{} = {}", table.columns[*k].name, value.unwrap_or_else(|e| e.to_string()))
        })
        .collect();
    let message = format!(
        "reading table {}, row {}: column {} is declared '{}' and holds {found}",
        table.name,
        if key.is_empty() { "(no key)".into() } else { key.join(", ") },
        column.name,
        column.native
    );
    EndpointError::new(ErrorKind::Row, "TL-SQLITE-VALUE", message)
        .hint("correct the value, or declare the column as what it holds")
}

/// Rows by key, each looked up under its index; columns as `keys.table()` has them, decoded and bound by the types that are really there.
pub fn by_key(db: &Connection, real: &Found, keys: &Rows) -> Result<Rows> {
    let asked = keys.table();
    let (table, bound) = crate::real::bound(&real.table, asked)?;
    let columns = asked.columns.iter().map(|c| ident(&c.name)).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT {columns} FROM {} WHERE {}",
        ident(&asked.name.name),
        crate::real::where_key(real, asked, 1)
    );
    let what = || error::sql(format!("reading table {} by key", asked.name));
    let mut statement = db.prepare_cached(&sql).map_err(what())?;
    let mut writer = RowsWriter::new(asked.clone());
    let mut scratch = String::new();
    for key in keys.images() {
        let key = key.map_err(error::damaged)?;
        crate::real::bind_key(&mut statement, asked, &bound, key, 1, &mut scratch)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(what())? {
            writer.row(|out| image(&table, row, 0, &mut scratch, out))?;
        }
    }
    Ok(writer.take())
}

/// An `Arc` of the table without generated columns; the same one where it has none.
pub fn carried(table: &Arc<Table>) -> Arc<Table> {
    if table.columns.iter().any(|c| c.generated) {
        Arc::new(table.without_generated())
    } else {
        table.clone()
    }
}
