//! Tables to be made: first columns, key, NOT NULL and defaults; after the load indexes, foreign keys and the next numbers.

use crate::Result;
use crate::catalog::Layout;
use crate::connect::Session;
use crate::error::precondition;
use crate::names::{DEFAULT_SCHEMA, column_list, literal, quoted, schema_of, short, sql_name};
use crate::verdict::made;
use crate::{CHECKPOINT_TABLE, ENGINE};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tidelock_model::{Column, ColumnDefault, ForeignKey, Index, Table, TableName, Type};

/// What must run so that our own table and the `absent` ones are there.
pub(crate) async fn preparing(session: &Session, from: &str, absent: &[&Table]) -> Result<Vec<String>> {
    let mut statements = Vec::new();
    let mut asked = vec![format!("to_regclass('public.{CHECKPOINT_TABLE}') IS NULL")];
    let schemas: BTreeSet<&str> =
        absent.iter().map(|t| schema_of(&t.name)).filter(|s| *s != DEFAULT_SCHEMA).collect();
    let types = enumerations(from, absent);
    lacking_types(session, from, absent, &types).await?;
    asked.extend(schemas.iter().map(|s| format!("to_regnamespace({}) IS NULL", literal(&quoted(s)))));
    asked.extend(types.keys().map(|t| format!("to_regtype({}) IS NULL", literal(t))));
    asked.push("current_setting('wal_level') = 'logical'".to_owned());
    let answer = session.first("looking what is there", &format!("SELECT {}", asked.join(", "))).await?;
    let is = |n: usize| answer.as_ref().is_some_and(|a| a.flag(n));
    if is(0) {
        statements.push(checkpoint_table());
    }
    let lacking = schemas.iter().enumerate().filter(|(n, _)| is(1 + n));
    statements.extend(lacking.map(|(_, schema)| format!("CREATE SCHEMA {}", quoted(schema))));
    for (n, (name, labels)) in types.iter().enumerate() {
        if is(1 + schemas.len() + n) {
            let labels = labels.iter().map(|l| literal(l)).collect::<Vec<_>>().join(", ");
            statements.push(format!("CREATE TYPE {name} AS ENUM ({labels})"));
        }
    }
    for table in absent {
        statements.push(create_table(from, table)?);
        // A table that is followed later, in a two-way job, must tell whole rows; it costs nothing where nothing is decoded.
        if is(asked.len() - 1) {
            statements.push(format!("ALTER TABLE {} REPLICA IDENTITY FULL", sql_name(&table.name)));
        }
    }
    Ok(statements)
}

/// Refuses types of another PostgreSQL that are not here: of extensions, domains, composites. Enumerations are made.
async fn lacking_types(
    session: &Session,
    from: &str,
    absent: &[&Table],
    made: &BTreeMap<&str, &[String]>,
) -> Result<()> {
    let natives = absent.iter().flat_map(|t| &t.columns).map(|c| c.native.as_str());
    let natives: BTreeSet<&str> = natives.filter(|n| !made.contains_key(n.trim_end_matches("[]"))).collect();
    if from != ENGINE || natives.is_empty() {
        return Ok(());
    }
    let list = natives.iter().map(|n| literal(n)).collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT t FROM unnest(ARRAY[{list}]) AS t WHERE to_regtype(t) IS NULL ORDER BY t");
    let lacking = session.query("looking for the types of the columns", &sql).await?;
    if lacking.is_empty() {
        return Ok(());
    }
    let lacking: Vec<&str> = lacking.iter().map(|row| row.text(0)).collect();
    let message = format!("making tables: there is no type {} here", lacking.join(", "));
    Err(precondition("TL-PG-NO-TYPE", message)
        .hint("make the type, or the extension that has it, in this database first (CREATE EXTENSION …)"))
}

/// The enumerations of another PostgreSQL that the tables need, by name.
pub(crate) fn enumerations<'t>(from: &str, tables: &[&'t Table]) -> BTreeMap<&'t str, &'t [String]> {
    let mut found = BTreeMap::new();
    if from != ENGINE {
        return found;
    }
    for column in tables.iter().flat_map(|t| &t.columns) {
        match &column.data_type {
            Type::Enum { labels } => found.insert(column.native.as_str(), labels.as_slice()),
            Type::Array { element } => match &**element {
                Type::Enum { labels } => {
                    found.insert(column.native.trim_end_matches("[]"), labels.as_slice())
                }
                _ => None,
            },
            _ => None,
        };
    }
    found
}

fn checkpoint_table() -> String {
    format!(
        "CREATE TABLE public.{CHECKPOINT_TABLE} (job text NOT NULL, lane text NOT NULL, state text NOT NULL, \
         updated_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (job, lane))"
    )
}

/// The statement that makes a table, or all that is in the way.
fn create_table(from: &str, table: &Table) -> Result<String> {
    let mut faults = Vec::new();
    let mut parts = Vec::new();
    for (i, column) in table.columns.iter().enumerate() {
        match made(from, column) {
            Ok(native) => parts.push(column_sql(from, table, i, &native)),
            Err(reason) => faults.push(format!("{}: {reason}", column.name)),
        }
    }
    if !faults.is_empty() {
        let message = format!("making table {}: {}", table.name, faults.join("; "));
        return Err(precondition("TL-PG-TYPE-REFUSED", message)
            .hint("leave the columns out with `columns: { exclude: […] }`"));
    }
    if !table.key.is_empty() {
        let list = column_list(table, &table.key);
        parts.push(match table.primary {
            true => format!("PRIMARY KEY ({list})"),
            false => format!("UNIQUE ({list})"),
        });
    }
    Ok(format!("CREATE TABLE {} (\n  {}\n)", sql_name(&table.name), parts.join(",\n  ")))
}

/// A column as it stands in CREATE TABLE.
pub(crate) fn column_sql(from: &str, table: &Table, place: usize, native: &str) -> String {
    let column = &table.columns[place];
    let mut sql = format!("{} {}", quoted(&column.name), native);
    let numbers = column.default == Some(ColumnDefault::AutoIncrement);
    if numbers && matches!(native, "smallint" | "integer" | "bigint") {
        sql += " GENERATED BY DEFAULT AS IDENTITY";
    } else {
        sql += &default(from, column, native);
    }
    if !column.nullable || table.key.contains(&place) {
        sql += " NOT NULL";
    }
    sql
}

/// The DEFAULT clause, with a blank before it; empty where there is none that is sure to mean the same.
pub(crate) fn default(from: &str, column: &Column, native: &str) -> String {
    let kind = native.split('(').next().unwrap_or_default().trim();
    match &column.default {
        None | Some(ColumnDefault::AutoIncrement) => String::new(),
        Some(ColumnDefault::Now) if kind.starts_with("timestamp") => " DEFAULT CURRENT_TIMESTAMP".to_owned(),
        Some(ColumnDefault::Now) if kind == "date" => " DEFAULT CURRENT_DATE".to_owned(),
        Some(ColumnDefault::Now) if kind.starts_with("time") => " DEFAULT CURRENT_TIME".to_owned(),
        Some(ColumnDefault::Now) => String::new(),
        Some(ColumnDefault::Expression { engine, sql }) if engine == ENGINE => format!(" DEFAULT {sql}"),
        Some(ColumnDefault::Expression { .. }) => String::new(),
        Some(ColumnDefault::Literal(text)) if from == ENGINE => {
            format!(" DEFAULT {}::{}", literal(text), native)
        }
        Some(ColumnDefault::Literal(text)) => foreign_default(column, text),
    }
}

/// A constant of another engine: only where it is sure to mean the same here.
fn foreign_default(column: &Column, text: &str) -> String {
    match &column.data_type {
        Type::Bool => match text.to_ascii_lowercase().as_str() {
            "t" | "true" | "1" | "yes" | "on" => " DEFAULT true".to_owned(),
            "f" | "false" | "0" | "no" | "off" => " DEFAULT false".to_owned(),
            _ => String::new(),
        },
        Type::Int { .. } | Type::Decimal { .. } | Type::Float32 | Type::Float64 | Type::Year => {
            if text.parse::<f64>().is_ok_and(f64::is_finite) {
                format!(" DEFAULT {text}")
            } else {
                String::new()
            }
        }
        Type::Text { .. } | Type::Enum { .. } | Type::Set { .. } => format!(" DEFAULT {}", literal(text)),
        Type::Date
            if tidelock_model::Date::parse(text).is_ok_and(|d| matches!(d, tidelock_model::Date::Day(_))) =>
        {
            format!(" DEFAULT {}", literal(text))
        }
        Type::DateTime { .. }
            if tidelock_model::DateTime::parse(text)
                .is_ok_and(|d| matches!(d, tidelock_model::DateTime::Micros(_))) =>
        {
            format!(" DEFAULT {}", literal(text))
        }
        Type::Json | Type::Uuid => format!(" DEFAULT {}", literal(text)),
        _ => String::new(),
    }
}

/// Indexes and foreign keys of `tables` that are absent, and the next numbers. `there` are the target's tables by name.
///
/// Only the owner may add to a table: those of others stay as they are, which `inspect` tells.
pub(crate) fn finish(from: &str, tables: &[Arc<Table>], there: &HashMap<TableName, Layout>) -> Vec<String> {
    let mut statements = Vec::new();
    let ours = |t: &&Arc<Table>| there.get(&t.name).is_none_or(|l| l.rights.owner);
    for table in tables.iter().filter(ours) {
        let existing = there.get(&table.name).map(|l| &*l.table);
        let wanted = (0..table.indexes.len()).filter(|place| !served(table, *place));
        statements.extend(wanted.filter_map(|place| index(from, table, &table.indexes[place], existing)));
    }
    for table in tables.iter().filter(ours) {
        let existing = there.get(&table.name).map(|l| &*l.table);
        for key in &table.foreign_keys {
            if tables.iter().any(|t| t.name == key.references) {
                statements.extend(foreign_key(table, key, existing));
            }
        }
    }
    for table in tables {
        // What is made gets its numbering from `table`; what is there has its own.
        let numbered = there.get(&table.name).map_or(&**table, |l| &*l.table);
        let of =
            |c: &&Column| c.default == Some(ColumnDefault::AutoIncrement) && table.column(&c.name).is_some();
        statements.extend(numbered.columns.iter().filter(of).map(|c| next_number(&table.name, &c.name)));
    }
    statements
}

/// For each numbered column that leads an index: values that come behind the load, with their changes, have moved no sequence. (Without an index nothing has to be
/// unique, and looking for the largest value would read the whole table.)
pub(crate) fn next_numbers(tables: &[Arc<Table>], there: &HashMap<TableName, Layout>) -> Vec<String> {
    let mut statements = Vec::new();
    for layout in tables.iter().filter_map(|t| there.get(&t.name)) {
        let table = &layout.table;
        let leads = |i: usize| {
            table.key.first() == Some(&i) || table.indexes.iter().any(|x| x.columns.first() == Some(&i))
        };
        let numbered = table
            .columns
            .iter()
            .enumerate()
            .filter(|(i, c)| c.default == Some(ColumnDefault::AutoIncrement) && leads(*i));
        statements.extend(numbered.map(|(_, c)| next_number(&table.name, &c.name)));
    }
    statements
}

/// Moves the column's sequence, where it has one that we may move, behind its largest value (its smallest, where it counts down); never back, and in steps of its
/// own, so that sequences that share the numbers among servers go on doing so.
fn next_number(table: &TableName, column: &str) -> String {
    let (name, quoted) = (sql_name(table), quoted(column));
    format!(
        "SELECT setval(s, last + (m - last) / step * step) FROM (SELECT s, step, low, high, coalesce(pg_sequence_last_value(s), first - step) AS last, \
         (SELECT CASE WHEN step > 0 THEN max({quoted}) ELSE min({quoted}) END FROM {name})::bigint AS m FROM (SELECT seqrelid::regclass AS s, \
         seqincrement AS step, seqstart AS first, seqmin AS low, seqmax AS high FROM pg_sequence WHERE seqrelid = pg_get_serial_sequence({}, {})::regclass \
         AND has_sequence_privilege(seqrelid, 'UPDATE') AND has_sequence_privilege(seqrelid, 'USAGE')) AS sequence) AS n \
         WHERE (m - last) / step >= 1 AND m BETWEEN low AND high",
        literal(&name),
        literal(column)
    )
}

/// Whether the column's default is one that can stand in a table made here.
pub(crate) fn keeps_default(from: &str, column: &Column) -> bool {
    let Ok(native) = made(from, column) else { return true };
    match column.default {
        None => true,
        Some(ColumnDefault::AutoIncrement) => matches!(&*native, "smallint" | "integer" | "bigint"),
        Some(_) => !default(from, column, &native).is_empty(),
    }
}

fn names<'t>(table: &'t Table, places: &[usize]) -> Vec<&'t str> {
    places.iter().map(|i| table.columns[*i].name.as_str()).collect()
}

/// Whether another index of the table does as well: MySQL takes the same columns twice, under two names that would become one here.
fn served(table: &Table, place: usize) -> bool {
    let index = &table.indexes[place];
    let before = |n: usize, other: &Index| (!other.unique, n) < (!index.unique, place);
    table.indexes.iter().enumerate().any(|(n, other)| other.columns == index.columns && before(n, other))
}

fn index(from: &str, table: &Table, index: &Index, existing: Option<&Table>) -> Option<String> {
    let wanted = names(table, &index.columns);
    let there = existing.is_some_and(|t| {
        let key = !t.key.is_empty() && names(t, &t.key) == wanted;
        key || t.indexes.iter().any(|i| names(t, &i.columns) == wanted && (i.unique || !index.unique))
    });
    if there || names(table, &table.key) == wanted {
        return None;
    }
    // Names of indexes are unique within a schema here, and within a table elsewhere.
    let mut name = index.name.clone();
    if from != ENGINE && !name.contains(&table.name.name) {
        name = format!("{}_{}_idx", table.name.name, wanted.join("_"));
    }
    let unique = if index.unique { "UNIQUE " } else { "" };
    let (name, list) = (quoted(&short(&name)), column_list(table, &index.columns));
    Some(format!("CREATE {unique}INDEX {name} ON {} ({list})", sql_name(&table.name)))
}

fn foreign_key(table: &Table, key: &ForeignKey, existing: Option<&Table>) -> Option<String> {
    let wanted = names(table, &key.columns);
    let there = existing.is_some_and(|t| {
        t.foreign_keys.iter().any(|f| names(t, &f.columns) == wanted && f.references == key.references)
    });
    if there {
        return None;
    }
    let name = match key.name.is_empty() {
        true => format!("{}_{}_fkey", table.name.name, wanted.join("_")),
        false => key.name.clone(),
    };
    let referenced = key.referenced_columns.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", ");
    Some(format!(
        "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({referenced}) ON DELETE {} ON UPDATE {}",
        sql_name(&table.name),
        quoted(&short(&name)),
        column_list(table, &key.columns),
        sql_name(&key.references),
        key.on_delete.sql(),
        key.on_update.sql()
    ))
}
