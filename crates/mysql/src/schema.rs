//! Tables to be made: first columns, key, NOT NULL and defaults; after the load indexes and foreign keys.

use crate::Result;
use crate::catalog::{Layout, sql_name};
use crate::connect::{literal, quoted};
use crate::error::precondition;
use crate::server::{Flavor, Server};
use crate::verdict::{Made, made};
use crate::{CHECKPOINT_TABLE, ENGINE};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tidelock_model::{
    Column, ColumnDefault, Date, DateTime, ForeignKey, Index, ReferentialAction, Table, TableName, Time,
    Timestamp, Type,
};

/// Octets of a row that its VARCHARs may take; InnoDB allows 65,535 for all columns.
const ROW_OCTETS: u64 = 48_000;

/// The statement that makes our own table.
pub(crate) fn checkpoint_table() -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (job varchar(190) NOT NULL, lane varchar(190) NOT NULL, state longtext NOT NULL, origin \
         varchar(2000) NULL, updated_at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), \
         PRIMARY KEY (job, lane)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        quoted(CHECKPOINT_TABLE)
    )
}

/// The statement that makes a table, or all that is in the way.
pub(crate) fn create_table(from: &str, table: &Table, server: &Server, database: &str) -> Result<String> {
    let flavor = server.flavor;
    let indexed = |i: &usize| is_indexed(table, *i);
    let mut faults = Vec::new();
    let mut columns: Vec<(usize, Made)> = Vec::new();
    for (i, column) in table.columns.iter().enumerate() {
        match made(from, column, indexed(&i), flavor) {
            Ok(made) => columns.push((i, made)),
            Err(reason) => faults.push(format!("{}: {reason}", column.name)),
        }
    }
    if !faults.is_empty() {
        let message = format!("making table {}: {}", table.name, faults.join("; "));
        return Err(precondition("TL-MY-TYPE-REFUSED", message)
            .hint("leave the columns out with `columns: { exclude: […] }`"));
    }
    shorten(&mut columns, indexed);
    let mut parts: Vec<String> =
        columns.iter().map(|(i, made)| column_sql(table, *i, made, flavor)).collect();
    if !table.key.is_empty() {
        let list = column_list(table, &table.key);
        parts.push(match table.primary {
            true => format!("PRIMARY KEY ({list})"),
            false => format!("UNIQUE KEY {} ({list})", quoted(&short(&format!("{}_key", table.name.name)))),
        });
    }
    let schema = table.name.schema.as_deref().unwrap_or(database);
    let collation = match flavor {
        Flavor::MySql => "utf8mb4_0900_bin",
        Flavor::MariaDb => "utf8mb4_nopad_bin",
    };
    Ok(format!(
        "CREATE TABLE IF NOT EXISTS {} (\n  {}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation}",
        sql_name(schema, &table.name.name),
        parts.join(",\n  ")
    ))
}

/// Turns long VARCHARs without an index into LONGTEXT until the row is short enough.
fn shorten(columns: &mut [(usize, Made)], indexed: impl Fn(&usize) -> bool) {
    let length = |made: &Made| -> u64 {
        let digits = made.native.strip_prefix("varchar(").and_then(|n| n.strip_suffix(')'));
        digits.and_then(|d| d.parse::<u64>().ok()).map_or(0, |n| n * 4)
    };
    let mut total: u64 = columns.iter().map(|(_, m)| length(m)).sum();
    while total > ROW_OCTETS {
        let longest =
            columns.iter_mut().filter(|(i, m)| !indexed(i) && length(m) > 0).max_by_key(|(_, m)| length(m));
        let Some((_, made)) = longest else { break };
        total -= length(made);
        made.native = "longtext".to_owned();
    }
}

/// A column as it stands in CREATE TABLE.
pub(crate) fn column_sql(table: &Table, place: usize, made: &Made, flavor: Flavor) -> String {
    let column = &table.columns[place];
    let generated = made.native.contains(" GENERATED ALWAYS AS ");
    let mut sql = format!("{} {}", quoted(&column.name), made.native);
    if !generated {
        sql += if column.nullable && !table.key.contains(&place) { " NULL" } else { " NOT NULL" };
        sql += &default(column, made, leads_key(table, place), flavor);
    }
    if let Some(comment) = made.comment {
        sql += &format!(" COMMENT {}", literal(comment));
    }
    sql
}

fn is_indexed(table: &Table, column: usize) -> bool {
    table.key.contains(&column) || table.indexes.iter().any(|x| x.columns.contains(&column))
}

fn leads_key(table: &Table, column: usize) -> bool {
    table.key.first() == Some(&column)
        || table.indexes.iter().any(|i| i.columns.first() == Some(&column) && i.unique)
}

/// Whether the column's default is one that can stand in a table made here.
pub(crate) fn keeps_default(from: &str, table: &Table, place: usize, flavor: Flavor) -> bool {
    let column = &table.columns[place];
    let Ok(made) = made(from, column, is_indexed(table, place), flavor) else { return true };
    column.default.is_none() || !default(column, &made, leads_key(table, place), flavor).is_empty()
}

fn default(column: &Column, made: &Made, first_of_key: bool, flavor: Flavor) -> String {
    let precision =
        |sql: &str| match made.native.split_once('(').map(|(_, n)| n.split(')').next().unwrap_or_default()) {
            Some(n) if n.len() == 1 => format!("{sql}({n})"),
            _ => sql.to_owned(),
        };
    let kind = made.native.as_str();
    match &column.default {
        None => String::new(),
        Some(ColumnDefault::AutoIncrement) => {
            match first_of_key && matches!(column.data_type, Type::Int { .. }) {
                true => " AUTO_INCREMENT".to_owned(),
                false => String::new(),
            }
        }
        Some(ColumnDefault::Now) if made.comment == Some(crate::types::MADE_FOR_INSTANT) => {
            format!(" DEFAULT ({})", precision("UTC_TIMESTAMP"))
        }
        Some(ColumnDefault::Now) if kind.starts_with("timestamp") || kind.starts_with("datetime") => {
            format!(" DEFAULT {}", precision("CURRENT_TIMESTAMP"))
        }
        Some(ColumnDefault::Now) if kind.starts_with("date") => " DEFAULT (CURRENT_DATE)".to_owned(),
        Some(ColumnDefault::Now) if kind.starts_with("time") => {
            format!(" DEFAULT ({})", precision("CURRENT_TIME"))
        }
        Some(ColumnDefault::Now) => String::new(),
        Some(ColumnDefault::Expression { engine, sql }) if engine == ENGINE => format!(" DEFAULT {sql}"),
        Some(ColumnDefault::Expression { .. }) => String::new(),
        Some(ColumnDefault::Literal(text)) => literal_default(column, made, text, flavor),
    }
}

/// LONGTEXT, BLOB, JSON and GEOMETRY take a default only as an expression.
fn literal_default(column: &Column, made: &Made, text: &str, flavor: Flavor) -> String {
    let large = ["longtext", "longblob", "json", "geometry", "text", "mediumtext", "tinytext"]
        .iter()
        .any(|t| made.native.split([' ', '(']).next() == Some(t));
    let value = match &column.data_type {
        Type::Bool => match text.to_ascii_lowercase().as_str() {
            "t" | "true" | "1" | "yes" | "on" => "1".to_owned(),
            _ => "0".to_owned(),
        },
        Type::Int { .. } | Type::Decimal { .. } | Type::Float32 | Type::Float64 | Type::Year
            if text.parse::<f64>().is_ok() =>
        {
            text.to_owned()
        }
        Type::Date if !matches!(Date::parse(text), Ok(Date::Day(_))) => return String::new(),
        Type::Time { .. } if Time::parse(text).is_err() => return String::new(),
        Type::DateTime { .. } | Type::Timestamp { .. } => match moment(column, text) {
            Some(moment) => literal(&moment),
            None => return String::new(),
        },
        Type::Bytes { .. } | Type::Bits { .. } | Type::Geometry | Type::Interval => return String::new(),
        _ => literal(text),
    };
    if large && !(flavor == Flavor::MariaDb && made.native.starts_with("json")) {
        return format!(" DEFAULT ({value})");
    }
    format!(" DEFAULT {value}")
}

/// A moment as DATETIME and TIMESTAMP have it: of an instant that is told with its offset, at UTC.
fn moment(column: &Column, text: &str) -> Option<String> {
    match (&column.data_type, Timestamp::parse(text)) {
        (Type::Timestamp { .. }, Ok(Timestamp::Micros(micros))) => Some(DateTime::Micros(micros).to_string()),
        _ => match DateTime::parse(text) {
            Ok(at @ DateTime::Micros(_)) => Some(at.to_string()),
            _ => None,
        },
    }
}

fn column_list(table: &Table, places: &[usize]) -> String {
    places.iter().map(|i| quoted(&table.columns[*i].name)).collect::<Vec<_>>().join(", ")
}

/// Names have at most 64 characters; a longer one keeps its beginning and gets a number of its own.
fn short(name: &str) -> String {
    if name.chars().count() <= 64 {
        return name.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!("{}_{:08x}", name.chars().take(55).collect::<String>(), hasher.finish() as u32)
}

/// Indexes and foreign keys of `tables` that are absent. `there` are the target's tables by name.
pub(crate) fn finish(
    tables: &[Arc<Table>],
    there: &HashMap<TableName, Arc<Layout>>,
    database: &str,
) -> Vec<String> {
    let mut statements = Vec::new();
    for table in tables {
        let existing = there.get(&table.name).map(|l| &*l.table);
        statements.extend(table.indexes.iter().filter_map(|i| index(table, i, existing, database)));
    }
    for table in tables {
        let existing = there.get(&table.name).map(|l| &*l.table);
        for (n, key) in table.foreign_keys.iter().enumerate() {
            if tables.iter().any(|t| t.name == key.references) {
                statements.extend(foreign_key(table, n, key, existing, database));
            }
        }
    }
    statements
}

fn names<'t>(table: &'t Table, places: &[usize]) -> Vec<&'t str> {
    places.iter().map(|i| table.columns[*i].name.as_str()).collect()
}

fn index(table: &Table, index: &Index, existing: Option<&Table>, database: &str) -> Option<String> {
    let wanted = names(table, &index.columns);
    let there = existing.is_some_and(|t| {
        let key = !t.key.is_empty() && names(t, &t.key) == wanted;
        key || t.indexes.iter().any(|i| names(t, &i.columns) == wanted && (i.unique || !index.unique))
    });
    // The key's own columns again, or what the database makes for a foreign key by itself.
    let served = names(table, &table.key) == wanted
        || !index.unique
            && table.foreign_keys.iter().any(|f| names(table, &f.columns) == wanted && index.name == f.name);
    if there || served {
        return None;
    }
    let column = |i: &usize| {
        let name = &table.columns[*i].name;
        let stored =
            existing.and_then(|t| t.columns.iter().find(|c| c.name == *name)).map(|c| c.native.as_str());
        let large = stored.is_some_and(|n| {
            n.split([' ', '(']).next().is_some_and(|w| w.ends_with("text") || w.ends_with("blob"))
        });
        if large { format!("{}(191)", quoted(name)) } else { quoted(name) }
    };
    let list = index.columns.iter().map(column).collect::<Vec<_>>().join(", ");
    let taken = existing.is_some_and(|t| t.indexes.iter().any(|i| i.name == index.name));
    let name = match index.name.is_empty() || taken || index.name == "PRIMARY" {
        true => short(&format!("{}_{}_idx", table.name.name, wanted.join("_"))),
        false => short(&index.name),
    };
    let schema = table.name.schema.as_deref().unwrap_or(database);
    let unique = if index.unique { "UNIQUE " } else { "" };
    Some(format!("CREATE {unique}INDEX {} ON {} ({list})", quoted(&name), sql_name(schema, &table.name.name)))
}

fn foreign_key(
    table: &Table,
    n: usize,
    key: &ForeignKey,
    existing: Option<&Table>,
    database: &str,
) -> Option<String> {
    let wanted = names(table, &key.columns);
    let there = existing.is_some_and(|t| {
        t.foreign_keys.iter().any(|f| names(t, &f.columns) == wanted && f.references == key.references)
    });
    if there {
        return None;
    }
    // Names of foreign keys are unique within a schema here, and within a table elsewhere.
    let name = match key.name.is_empty() {
        true => short(&format!("{}_fk_{n}", table.name.name)),
        false => short(&key.name),
    };
    let action = |a: ReferentialAction| match a {
        ReferentialAction::SetDefault => ReferentialAction::NoAction.sql(),
        other => other.sql(),
    };
    let columns = |names: &[String]| names.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", ");
    let schema = |name: &TableName| name.schema.clone().unwrap_or_else(|| database.to_owned());
    Some(format!(
        "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}) ON DELETE {} ON UPDATE {}",
        sql_name(&schema(&table.name), &table.name.name),
        quoted(&name),
        column_list(table, &key.columns),
        sql_name(&schema(&key.references), &key.references.name),
        columns(&key.referenced_columns),
        action(key.on_delete),
        action(key.on_update)
    ))
}
