//! Tables that are there, brought to what they shall be.

use crate::Result;
use crate::catalog::{Layout, sql_name};
use crate::connect::quoted;
use crate::created::Created;
use crate::error::{precondition, protocol};
use crate::schema::column_sql;
use crate::server::Flavor;
use crate::verdict::{Made, made};
use std::collections::HashMap;
use std::sync::Arc;
use tidelock_endpoint::{Alteration, ColumnChange, EndpointError, ErrorKind};
use tidelock_model::{ColumnDefault, Table, TableName};

/// A table that is there, and how it was made where a column of it is altered.
pub(crate) struct There {
    pub layout: Arc<Layout>,
    pub created: Option<Created>,
}

/// Whether an alteration repeats a column's definition.
pub(crate) fn repeats(alteration: &Alteration) -> bool {
    alteration.changes.iter().any(|c| matches!(c, ColumnChange::Retype(_) | ColumnChange::Relax(_)))
}

/// The statements for what is not so yet. `there` are the target's tables by name.
pub(crate) fn altering(
    from: &str,
    alterations: &[Alteration],
    there: &HashMap<TableName, There>,
    flavor: Flavor,
    database: &str,
) -> Result<Vec<String>> {
    let mut statements = Vec::new();
    for alteration in alterations {
        let table = &alteration.table;
        let Some(there) = there.get(&table.name) else { continue };
        let name = sql_name(table.name.schema.as_deref().unwrap_or(database), &table.name.name);
        for change in &alteration.changes {
            let altered = altered(from, table, change, there, flavor)?;
            statements.extend(altered.map(|change| format!("ALTER TABLE {name} {change}")));
        }
    }
    Ok(statements)
}

fn altered(
    from: &str,
    table: &Table,
    change: &ColumnChange,
    there: &There,
    flavor: Flavor,
) -> Result<Option<String>> {
    let columns = &there.layout.table;
    let existing = |name: &str| columns.column(name).map(|place| &columns.columns[place]);
    Ok(match change {
        ColumnChange::Add(place) if existing(&table.columns[*place].name).is_none() => {
            let mut wanted = table.clone();
            let column = &mut wanted.columns[*place];
            if !matches!(column.default, Some(ColumnDefault::Literal(_))) {
                (column.nullable, column.default) = (true, None);
            }
            Some(format!(
                "ADD COLUMN {}",
                column_sql(&wanted, *place, &native(from, &wanted, *place, flavor)?, flavor)
            ))
        }
        ColumnChange::Retype(place) => {
            let made = native(from, table, *place, flavor)?;
            let name = &table.columns[*place].name;
            let known = existing(name).is_some_and(|c| !same(&c.native, &made.native));
            known.then(|| retyped(table, *place, &made, there.created.as_ref(), flavor))
        }
        ColumnChange::Rename { from, to } if existing(from).is_some() && existing(to).is_none() => {
            Some(format!("RENAME COLUMN {} TO {}", quoted(from), quoted(to)))
        }
        ColumnChange::Relax(name) if existing(name).is_some_and(|c| !c.nullable) => {
            let relaxed = there.created.as_ref().and_then(|created| created.relaxed(name));
            let unknown = || protocol(format!("the server does not tell how {}.{name} was made", table.name));
            Some(format!("MODIFY COLUMN {}", relaxed.ok_or_else(unknown)?))
        }
        ColumnChange::Drop(name) if existing(name).is_some() => Some(format!("DROP COLUMN {}", quoted(name))),
        ColumnChange::Add(_)
        | ColumnChange::Rename { .. }
        | ColumnChange::Relax(_)
        | ColumnChange::Drop(_) => None,
    })
}

/// The column as it would be made, with the comment that somebody gave it.
fn retyped(table: &Table, place: usize, made: &Made, created: Option<&Created>, flavor: Flavor) -> String {
    let comment = created.and_then(|created| created.comment(&table.columns[place].name));
    let kept = comment.filter(|_| made.comment.is_none());
    let kept = kept.map_or(String::new(), |comment| format!(" COMMENT {comment}"));
    format!("MODIFY COLUMN {}{kept}", column_sql(table, place, made, flavor))
}

/// MySQL prints no width for integers, MariaDB does.
fn same(there: &str, wanted: &str) -> bool {
    let plain = |native: &str| native.to_lowercase().replace("integer", "int");
    plain(there) == plain(wanted)
}

fn native(from: &str, table: &Table, place: usize, flavor: Flavor) -> Result<Made> {
    let indexed = table.key.contains(&place) || table.indexes.iter().any(|x| x.columns.contains(&place));
    let column = &table.columns[place];
    made(from, column, indexed, flavor).map_err(|reason| {
        precondition("TL-MY-TYPE-REFUSED", format!("altering {}.{}: {reason}", table.name, column.name))
    })
}

/// The target's rows hold what is no value of the new type. They are copied again behind the statement, so that it does not matter what becomes of them.
pub(crate) fn of_old_rows(error: EndpointError) -> EndpointError {
    if error.kind != ErrorKind::Row {
        return error;
    }
    let ran = error.hint.clone().unwrap_or_default();
    error.hint(format!(
        "rows at the target hold what cannot become the new type, and are copied again anyway: UPDATE … SET the column to NULL there, then start again; {ran}"
    ))
}
