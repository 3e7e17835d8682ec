//! What the file's schema says, in neutral terms. Read anew each time: other processes change it.

use crate::keys::rowids;
use crate::names::{PREFIX, literal};
use crate::types::neutral;
use rusqlite::Connection;
use std::collections::BTreeMap;
use tidelock_model::{Column, ColumnDefault, ForeignKey, Index, ReferentialAction, Table, TableName, Type};

/// A table with what only this engine needs to know of it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The table, its generated columns included.
    pub table: Table,
    /// The columns of each unique index over plain columns, the primary key's included.
    pub uniques: Vec<Vec<String>>,
    /// Of these indexes the ones with another collation than BINARY: each column with the one it has there.
    pub collated: Vec<Vec<(String, String)>>,
    /// Indexes over expressions, of a part of the rows, or with another collation: by name, whether unique, and why.
    pub special: Vec<(String, bool, &'static str)>,
    /// Columns whose declared type says nothing to us.
    pub unknown: Vec<String>,
    /// Key columns that were declared without NOT NULL, where SQLite would store NULL.
    pub loose_key: Vec<String>,
    /// The names by which the rowid can be had, beside its column where it has one; none in a table WITHOUT ROWID.
    pub rowids: Vec<&'static str>,
    /// The key is the rowid.
    pub rowid_key: bool,
    /// Columns that are NOT NULL and have a default → that default, a constant, as an expression.
    pub filled: BTreeMap<String, String>,
}

impl Found {
    /// The collations under which the index over these columns finds a key, `None` for BINARY: what the others take for the same may be another key.
    pub fn collations(&self, key: &[&str]) -> Vec<Option<&str>> {
        let over = |columns: &[&str]| {
            let in_key = |c: &&str| key.iter().any(|k| k.eq_ignore_ascii_case(c));
            columns.len() == key.len() && columns.iter().all(in_key)
        };
        let all = self.uniques.iter().filter(|u| over(&u.iter().map(String::as_str).collect::<Vec<_>>()));
        let collated: Vec<_> = self
            .collated
            .iter()
            .filter(|u| over(&u.iter().map(|(c, _)| c.as_str()).collect::<Vec<_>>()))
            .collect();
        let Some(first) = collated.first().filter(|_| all.count() == collated.len()) else {
            return vec![None; key.len()];
        };
        let of =
            |k: &&str| first.iter().find(|(c, _)| c.eq_ignore_ascii_case(k)).map(|(_, how)| how.as_str());
        key.iter().map(|k| of(k).filter(|how| !how.eq_ignore_ascii_case(BINARY))).collect()
    }
}

/// What users put into the file.
pub struct Listed {
    /// Tables, by name.
    pub tables: Vec<String>,
    /// What else there is: name, and `view` or `virtual`.
    pub others: Vec<(String, String)>,
}

/// Everything but SQLite's own and ours.
pub fn list(db: &Connection) -> rusqlite::Result<Listed> {
    let sql = "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
               AND type <> 'shadow' ORDER BY name";
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let all = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let (tables, others): (Vec<_>, Vec<_>) =
        all.into_iter().filter(|(name, _)| !name.starts_with(PREFIX)).partition(|(_, kind)| kind == "table");
    Ok(Listed { tables: tables.into_iter().map(|(name, _)| name).collect(), others })
}

/// One table, by its name as SQLite compares it; `None` when there is no such table.
pub fn find(db: &Connection, name: &str) -> rusqlite::Result<Option<Found>> {
    of_kind(db, name, "table")
}

/// A table or a view, likewise: what can be read.
pub fn find_readable(db: &Connection, name: &str) -> rusqlite::Result<Option<Found>> {
    match find(db, name)? {
        None => find_view(db, name),
        found => Ok(found),
    }
}

/// One view, likewise.
pub fn find_view(db: &Connection, name: &str) -> rusqlite::Result<Option<Found>> {
    of_kind(db, name, "view")
}

fn of_kind(db: &Connection, name: &str, kind: &str) -> rusqlite::Result<Option<Found>> {
    let sql = "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = ?2 AND name = ?1 COLLATE NOCASE";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([name, kind])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (name, without_rowid): (String, bool) = (row.get(0)?, row.get(1)?);
    drop(rows);
    read(db, &name, without_rowid).map(Some)
}

fn read(db: &Connection, name: &str, without_rowid: bool) -> rusqlite::Result<Found> {
    let raw = raw_columns(db, name)?;
    let indexes = raw_indexes(db, name)?;
    let unknown = raw.iter().filter(|c| neutral(&c.declared).is_none()).map(|c| c.name.clone()).collect();
    let mut primary: Vec<(i64, usize)> =
        raw.iter().enumerate().filter(|(_, c)| c.key > 0).map(|(i, c)| (c.key, i)).collect();
    primary.sort_unstable();
    let mut key: Vec<usize> = primary.into_iter().map(|(_, i)| i).collect();
    let is_primary = !key.is_empty();
    let declared_integer = key.len() == 1 && raw[key[0]].declared.eq_ignore_ascii_case("INTEGER");
    let rowid_key = !without_rowid && declared_integer && indexes.iter().all(|i| i.origin != "pk");
    if key.is_empty() {
        let mut unique: Vec<&RawIndex> = indexes.iter().filter(|i| i.unique && i.special.is_none()).collect();
        unique.sort_by_key(|i| (i.columns.len(), &i.name));
        let whole =
            unique.into_iter().find(|i| i.columns.iter().all(|c| raw[*c].not_null && !raw[*c].generated));
        key = whole.map(|i| i.columns.clone()).unwrap_or_default();
    }
    let loose_key = key
        .iter()
        .filter(|i| !raw[**i].not_null && !rowid_key && !without_rowid)
        .map(|i| raw[*i].name.clone())
        .collect();
    let mut columns: Vec<Column> = raw.iter().map(|c| column(c, &key)).collect();
    if rowid_key {
        columns[key[0]].default = Some(ColumnDefault::AutoIncrement);
    }
    let names = |places: &[usize]| places.iter().map(|i| raw[*i].name.clone()).collect::<Vec<_>>();
    let mut uniques: Vec<Vec<String>> = indexes
        .iter()
        .filter(|i| i.unique && i.special.is_none_or(|s| s == COLLATED))
        .map(|i| names(&i.columns))
        .collect();
    if rowid_key {
        uniques.push(names(&key));
    }
    let with_collations =
        |i: &RawIndex| names(&i.columns).into_iter().zip(i.collations.iter().cloned()).collect();
    let collated = indexes.iter().filter(|i| i.unique && i.special == Some(COLLATED)).map(with_collations);
    let collated = collated.collect();
    uniques.sort();
    let special = indexes.iter().filter_map(|i| Some((i.name.clone(), i.unique, i.special?))).collect();
    let plain = indexes.iter().filter(|i| i.origin != "pk" && i.special.is_none_or(|s| s == COLLATED));
    let plain = plain.filter(|i| is_primary || !(i.unique && i.columns == key));
    let mut of_table: Vec<Index> = plain
        .map(|i| Index {
            name: if i.name.starts_with("sqlite_") {
                format!("{name}_{}_key", names(&i.columns).join("_"))
            } else {
                i.name.clone()
            },
            columns: i.columns.clone(),
            unique: i.unique,
        })
        .collect();
    of_table.sort_by(|a, b| a.name.cmp(&b.name));
    let foreign_keys = foreign_keys(db, name, &raw)?;
    let table = Table {
        name: TableName::new(name),
        columns,
        key,
        primary: is_primary,
        indexes: of_table,
        foreign_keys,
    };
    let rowids = if without_rowid { Vec::new() } else { rowids(&table).collect() };
    let filled = raw.iter().filter(|c| c.not_null && !c.generated);
    let filled = filled.filter_map(|c| Some((c.name.clone(), constant(c.default.as_deref()?)?))).collect();
    let mut found =
        Found { table, uniques, collated, special, unknown, loose_key, rowids, rowid_key, filled };
    widen_references(db, &mut found.table)?;
    Ok(found)
}

/// A whole number that refers to another table's whole number is as wide as that: other engines refuse foreign keys between different widths.
fn widen_references(db: &Connection, table: &mut Table) -> rusqlite::Result<()> {
    for foreign in &table.foreign_keys {
        let parent = raw_columns(db, &foreign.references.name)?;
        for (place, name) in foreign.columns.iter().zip(&foreign.referenced_columns) {
            let parent = parent.iter().find(|c| c.name.eq_ignore_ascii_case(name));
            let wide = parent.and_then(|c| neutral(&c.declared)) == Some(Type::int(64));
            let own = &mut table.columns[*place].data_type;
            if wide && matches!(own, Type::Int { bits, .. } if *bits < 64) {
                *own = Type::int(64);
            }
        }
    }
    Ok(())
}

struct RawColumn {
    name: String,
    declared: String,
    not_null: bool,
    default: Option<String>,
    key: i64,
    generated: bool,
}

fn raw_columns(db: &Connection, table: &str) -> rusqlite::Result<Vec<RawColumn>> {
    let sql = "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([table], |row| {
        Ok(RawColumn {
            name: row.get(0)?,
            // The words that mark a generated column are part of what is told as its type.
            declared: row.get::<_, String>(1)?.trim_end_matches("GENERATED ALWAYS").trim().to_owned(),
            not_null: row.get(2)?,
            default: row.get(3)?,
            key: row.get(4)?,
            generated: row.get::<_, i64>(5)? != 0,
        })
    })?;
    rows.collect()
}

fn column(raw: &RawColumn, key: &[usize]) -> Column {
    let data_type = neutral(&raw.declared).unwrap_or(Type::Any);
    let in_key = raw.key > 0 && !key.is_empty();
    let default = raw.default.as_deref().and_then(|sql| default(sql, &data_type));
    Column {
        name: raw.name.clone(),
        native: raw.declared.clone(),
        nullable: !in_key && !raw.not_null,
        default: default.filter(|_| !raw.generated),
        generated: raw.generated,
        number: None,
        data_type,
    }
}

fn default(sql: &str, data_type: &Type) -> Option<ColumnDefault> {
    let sql = sql.trim();
    let upper = sql.to_ascii_uppercase();
    let now = matches!(
        (upper.as_str(), data_type),
        ("CURRENT_TIMESTAMP", Type::DateTime { .. } | Type::Timestamp { .. })
            | ("CURRENT_DATE", Type::Date)
            | ("CURRENT_TIME", Type::Time { .. })
    );
    if now || sql == crate::schema::NOW_WITH_ZONE {
        return Some(ColumnDefault::Now);
    }
    if upper == "NULL" {
        return None;
    }
    if let Some(text) = quoted(sql) {
        return Some(ColumnDefault::Literal(text));
    }
    let number = is_number(sql);
    Some(match (upper.as_str(), data_type) {
        ("TRUE" | "1", Type::Bool) => ColumnDefault::Literal("true".into()),
        ("FALSE" | "0", Type::Bool) => ColumnDefault::Literal("false".into()),
        ("TRUE", _) => ColumnDefault::Literal("1".into()),
        ("FALSE", _) => ColumnDefault::Literal("0".into()),
        _ if number => ColumnDefault::Literal(sql.to_owned()),
        _ => ColumnDefault::Expression { engine: "sqlite".into(), sql: sql.to_owned() },
    })
}

/// The text within quotes, single or double: SQLite takes both for text in a default.
fn quoted(sql: &str) -> Option<String> {
    ['\'', '"'].into_iter().find_map(|quote| {
        let inside = sql.strip_prefix(quote)?.strip_suffix(quote)?;
        let doubled = [quote, quote].iter().collect::<String>();
        let whole = !inside.replace(&doubled, "").contains(quote);
        whole.then(|| inside.replace(&doubled, &quote.to_string()))
    })
}

fn is_number(sql: &str) -> bool {
    sql.trim_start_matches(['+', '-']).parse::<f64>().is_ok_and(f64::is_finite)
        && !sql.contains(['e', 'E', '_'])
}

/// A default that means the same in any expression.
fn constant(sql: &str) -> Option<String> {
    let sql = sql.trim();
    match () {
        () if is_number(sql) => Some(sql.to_owned()),
        () => quoted(sql).map(|text| literal(&text)),
    }
}

/// The collation that takes nothing but the same for the same.
pub const BINARY: &str = "BINARY";
const COLLATED: &str = "it has another collation than BINARY";

struct RawIndex {
    name: String,
    unique: bool,
    origin: String,
    columns: Vec<usize>,
    /// Beside `columns` where it is over nothing but columns.
    collations: Vec<String>,
    special: Option<&'static str>,
}

fn raw_indexes(db: &Connection, table: &str) -> rusqlite::Result<Vec<RawIndex>> {
    let mut statement =
        db.prepare_cached("SELECT name, \"unique\", origin, partial FROM pragma_index_list(?1)")?;
    let heads = statement
        .query_map([table], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, bool>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, bool>(3)?,
            ))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut found = Vec::with_capacity(heads.len());
    for (name, unique, origin, partial) in heads {
        let mut statement =
            db.prepare_cached("SELECT cid, coll FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno")?;
        let parts = statement
            .query_map([&name], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let plain = parts.iter().all(|(cid, _)| *cid >= 0);
        let collations: Vec<String> =
            parts.iter().map(|(_, c)| c.clone().unwrap_or_else(|| BINARY.to_owned())).collect();
        let binary = collations.iter().all(|c| c.eq_ignore_ascii_case(BINARY));
        let special = match () {
            () if !plain => Some("it is over an expression"),
            () if partial => Some("it is over a part of the rows"),
            () if !binary => Some(COLLATED),
            () => None,
        };
        let columns = parts.iter().filter_map(|(cid, _)| usize::try_from(*cid).ok()).collect();
        found.push(RawIndex { name, unique, origin, columns, collations, special });
    }
    Ok(found)
}

fn foreign_keys(db: &Connection, table: &str, columns: &[RawColumn]) -> rusqlite::Result<Vec<ForeignKey>> {
    let sql = "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete FROM pragma_foreign_key_list(?1) ORDER BY id, seq";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([table])?;
    let mut found: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, from): (i64, String) = (row.get(0)?, row.get(2)?);
        let to: Option<String> = row.get(3)?;
        if found.last().is_none_or(|(last, _)| *last != id) {
            let action = |text: String| match text.as_str() {
                "CASCADE" => ReferentialAction::Cascade,
                "SET NULL" => ReferentialAction::SetNull,
                "SET DEFAULT" => ReferentialAction::SetDefault,
                "RESTRICT" => ReferentialAction::Restrict,
                _ => ReferentialAction::NoAction,
            };
            let key = ForeignKey {
                name: String::new(),
                columns: Vec::new(),
                references: TableName::new(row.get::<_, String>(1)?),
                referenced_columns: Vec::new(),
                on_update: action(row.get(4)?),
                on_delete: action(row.get(5)?),
            };
            found.push((id, key));
        }
        let Some((_, key)) = found.last_mut() else { continue };
        key.columns.extend(columns.iter().position(|c| c.name.eq_ignore_ascii_case(&from)));
        key.referenced_columns.extend(to);
    }
    drop(rows);
    let mut keys: Vec<ForeignKey> = found.into_iter().map(|(_, key)| key).collect();
    for key in &mut keys {
        if key.referenced_columns.is_empty() {
            let mut parent: Vec<RawColumn> =
                raw_columns(db, &key.references.name)?.into_iter().filter(|c| c.key > 0).collect();
            parent.sort_by_key(|c| c.key);
            key.referenced_columns = parent.into_iter().map(|c| c.name).collect();
        }
    }
    keys.retain(|k| !k.columns.is_empty() && k.columns.len() == k.referenced_columns.len());
    keys.reverse();
    Ok(keys)
}
