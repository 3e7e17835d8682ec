//! Tables that are there, brought to what they shall be, as far as SQLite alters tables.

use crate::names::ident;
use crate::{catalogue, error, schema};
use rusqlite::Connection;
use tidelock_endpoint::{Alteration, ColumnChange, EndpointError, ErrorKind, Result};
use tidelock_model::{ColumnDefault, Table};

/// The statements for what is not so yet.
pub fn altering(db: &Connection, from: &str, alterations: &[Alteration]) -> Result<Vec<String>> {
    let mut statements = Vec::new();
    for alteration in alterations {
        let table = &alteration.table;
        let found = catalogue::find(db, &table.name.name).map_err(error::sql("looking at a table"))?;
        let Some(found) = found else { continue };
        for change in &alteration.changes {
            let altered = altered(from, table, change, &found.table)?;
            statements
                .extend(altered.map(|change| format!("ALTER TABLE {} {change}", ident(&table.name.name))));
        }
    }
    Ok(statements)
}

fn altered(from: &str, table: &Table, change: &ColumnChange, there: &Table) -> Result<Option<String>> {
    let existing = |name: &str| there.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
    Ok(match change {
        ColumnChange::Add(place) if existing(&table.columns[*place].name).is_none() => {
            let mut column = table.columns[*place].clone();
            if !matches!(column.default, Some(ColumnDefault::Literal(_))) {
                (column.nullable, column.default) = (true, None);
            }
            Some(format!("ADD COLUMN {}", schema::column_text(from, table, &column, false)?))
        }
        ColumnChange::Rename { from, to } if existing(from).is_some() && existing(to).is_none() => {
            Some(format!("RENAME COLUMN {} TO {}", ident(from), ident(to)))
        }
        ColumnChange::Drop(name) if existing(name).is_some() => Some(format!("DROP COLUMN {}", ident(name))),
        ColumnChange::Retype(place) => {
            return Err(unable(table, &table.columns[*place].name, "gets another type"));
        }
        ColumnChange::Relax(name) if existing(name).is_some_and(|c| !c.nullable) => {
            return Err(unable(table, name, "must allow NULL now"));
        }
        ColumnChange::Add(_)
        | ColumnChange::Rename { .. }
        | ColumnChange::Relax(_)
        | ColumnChange::Drop(_) => None,
    })
}

fn unable(table: &Table, column: &str, what: &str) -> EndpointError {
    let message = format!(
        "altering {}: its column {column} {what}, and SQLite cannot change that of a table that is there",
        table.name
    );
    EndpointError::new(ErrorKind::Unsupported, "TL-SQLITE-ALTER", message).hint(format!(
        "DROP TABLE {}; then copy it anew: tidelock makes it as it shall be",
        ident(&table.name.name)
    ))
}
