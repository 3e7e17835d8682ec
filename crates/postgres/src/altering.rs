//! Tables that are there, brought to what they shall be.

use crate::ENGINE;
use crate::Result;
use crate::catalog::Layout;
use crate::connect::Session;
use crate::error::precondition;
use crate::names::{literal, quoted, sql_name};
use crate::schema::{column_sql, default, enumerations};
use crate::verdict::made;
use std::collections::HashMap;
use tidelock_endpoint::{Alteration, ColumnChange, EndpointError, ErrorKind};
use tidelock_model::{ColumnDefault, Table, TableName};

/// The statements for what is not so yet. `there` are the target's tables by name.
pub(crate) async fn altering(
    session: &Session,
    from: &str,
    alterations: &[Alteration],
    there: &HashMap<TableName, Layout>,
) -> Result<Vec<String>> {
    let mut statements = labels(session, from, alterations).await?;
    for alteration in alterations {
        let Some(layout) = there.get(&alteration.table.name) else { continue };
        for change in &alteration.changes {
            statements.extend(altered(from, &alteration.table, change, &layout.table)?);
        }
    }
    Ok(statements)
}

fn altered(from: &str, table: &Table, change: &ColumnChange, there: &Table) -> Result<Option<String>> {
    let existing = |name: &str| there.column(name).map(|place| &there.columns[place]);
    let native = |place: &usize| {
        let column = &table.columns[*place];
        made(from, column).map_err(|reason| {
            precondition("TL-PG-TYPE-REFUSED", format!("altering {}.{}: {reason}", table.name, column.name))
        })
    };
    let change = match change {
        ColumnChange::Add(place) if existing(&table.columns[*place].name).is_none() => {
            let mut wanted = table.clone();
            let column = &mut wanted.columns[*place];
            if !matches!(column.default, Some(ColumnDefault::Literal(_))) {
                (column.nullable, column.default) = (true, None);
            }
            format!("ADD COLUMN {}", column_sql(from, &wanted, *place, &native(place)?))
        }
        ColumnChange::Retype(place) => {
            let (column, native) = (&table.columns[*place], native(place)?);
            let name = quoted(&column.name);
            match existing(&column.name) {
                Some(existing) if existing.native != native => {
                    let retype = format!("ALTER COLUMN {name} TYPE {native} USING {name}::{native}");
                    let numbers = existing.default == Some(ColumnDefault::AutoIncrement);
                    match (&existing.default, default(from, column, &native)) {
                        (Some(_), new) if !numbers => {
                            let set = match new.is_empty() {
                                true => String::new(),
                                false => format!(", ALTER COLUMN {name} SET{new}"),
                            };
                            format!("ALTER COLUMN {name} DROP DEFAULT, {retype}{set}")
                        }
                        _ => retype,
                    }
                }
                _ => return Ok(None),
            }
        }
        ColumnChange::Rename { from, to } if existing(from).is_some() && existing(to).is_none() => {
            format!("RENAME COLUMN {} TO {}", quoted(from), quoted(to))
        }
        ColumnChange::Relax(name) if existing(name).is_some_and(|c| !c.nullable) => {
            format!("ALTER COLUMN {} DROP NOT NULL", quoted(name))
        }
        ColumnChange::Drop(name) if existing(name).is_some() => format!("DROP COLUMN {}", quoted(name)),
        ColumnChange::Add(_)
        | ColumnChange::Rename { .. }
        | ColumnChange::Relax(_)
        | ColumnChange::Drop(_) => {
            return Ok(None);
        }
    };
    Ok(Some(format!("ALTER TABLE {} {change}", sql_name(&table.name))))
}

/// Enumerations of another PostgreSQL that the columns need: made where they are absent, with more labels where some are.
async fn labels(session: &Session, from: &str, alterations: &[Alteration]) -> Result<Vec<String>> {
    let tables: Vec<&Table> = alterations.iter().map(|a| &*a.table).collect();
    let mut statements = Vec::new();
    if from != ENGINE {
        return Ok(statements);
    }
    for (name, wanted) in enumerations(from, &tables) {
        let sql = format!(
            "SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = to_regtype({}) ORDER BY e.enumsortorder",
            literal(name)
        );
        let rows = session.query("reading the labels of an enumeration", &sql).await?;
        let there: Vec<&str> = rows.iter().map(|r| r.text(0)).collect();
        if there.is_empty() {
            let list = wanted.iter().map(|l| literal(l)).collect::<Vec<_>>().join(", ");
            statements.push(format!("CREATE TYPE {name} AS ENUM ({list})"));
            continue;
        }
        for (place, label) in wanted.iter().enumerate().filter(|(_, l)| !there.contains(&l.as_str())) {
            let before = wanted[place..].iter().find(|l| there.contains(&l.as_str()));
            let at = before.map(|l| format!(" BEFORE {}", literal(l))).unwrap_or_default();
            statements.push(format!("ALTER TYPE {name} ADD VALUE IF NOT EXISTS {}{at}", literal(label)));
        }
    }
    Ok(statements)
}

/// The target's rows hold what is no value of the new type, or no value of the old type ever is one. They are copied again behind the statement, so that it does not matter what
/// becomes of them.
pub(crate) fn of_old_rows(error: EndpointError) -> EndpointError {
    let no_cast = error.message.contains("(SQLSTATE 42846)");
    if error.kind != ErrorKind::Row && !no_cast {
        return error;
    }
    let ran = error.hint.clone().unwrap_or_default();
    error.hint(format!(
        "rows at the target hold what cannot become the new type, and are copied again anyway: run the statement there with `USING NULL`, then start again; {ran}"
    ))
}
