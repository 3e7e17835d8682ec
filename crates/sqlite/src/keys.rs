//! Keys as bounds of a chunk: stored values, written as text so that they are the same value when read again.

use crate::catalogue::{self, BINARY};
use crate::error;
use crate::names::{ident, parameters};
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Row, types::FromSqlError};
use serde::{Deserialize, Serialize};
use tidelock_endpoint::{EndpointError, ErrorKind, Result};
use tidelock_model::Table;

/// One stored value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// INTEGER.
    Int(i64),
    /// REAL, as its bits.
    Real(u64),
    /// TEXT.
    Text(String),
    /// BLOB.
    Blob(Vec<u8>),
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Int(i) => ToSqlOutput::Owned(Value::Integer(*i)),
            Cell::Real(bits) => ToSqlOutput::Owned(Value::Real(f64::from_bits(*bits))),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Cell::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

/// A range of keys: above `from`, up to and including `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Above this key; from the first where absent.
    pub from: Option<Vec<Cell>>,
    /// Up to this key; to the last where absent.
    pub to: Option<Vec<Cell>>,
}

impl Bounds {
    /// As the contract carries it.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("bounds are plain data")
    }

    /// Reads what `to_text` wrote for a key of so many columns.
    pub fn parse(text: &str, columns: usize) -> Result<Bounds> {
        let fault = |found: String| {
            let message = format!("reading the bounds of a chunk: {found}");
            EndpointError::new(ErrorKind::Protocol, "TL-SQLITE-BOUNDS", message)
        };
        let bounds: Bounds = serde_json::from_str(text).map_err(|e| fault(e.to_string()))?;
        let fits = [&bounds.from, &bounds.to].into_iter().flatten().all(|key| key.len() == columns);
        if fits { Ok(bounds) } else { Err(fault(format!("they are not of a key of {columns} columns"))) }
    }
}

/// The key's columns as they are ordered and compared: so that no two rows are the same.
pub fn ordered(db: &Connection, table: &Table) -> Result<Vec<String>> {
    let what = || error::sql(format!("looking at the key of table {}", table.name));
    let name = table.name.name.as_str();
    let key: Vec<&str> = table.key_columns().map(|c| c.name.as_str()).collect();
    let mut terms: Vec<String> = key.iter().map(|k| ident(k)).collect();
    let mut found = None;
    for (place, column) in key.iter().enumerate() {
        let (_, own, ..) = db.column_metadata(Some("main"), name, *column).map_err(what())?;
        let own = own.map(|own| own.to_string_lossy().into_owned()).unwrap_or_default();
        if own.eq_ignore_ascii_case(BINARY) {
            continue;
        }
        if found.is_none() {
            found = catalogue::find(db, name).map_err(what())?;
        }
        let of_index = found.as_ref().and_then(|f| f.collations(&key)[place]).unwrap_or(BINARY);
        if !own.eq_ignore_ascii_case(of_index) {
            terms[place] += &format!(" COLLATE {}", ident(of_index));
        }
    }
    Ok(terms)
}

/// `(k1, k2) > (?1, ?2)` over the key's columns as [`ordered`] has them.
pub fn compare(key: &[String], operator: &str, first: usize) -> String {
    format!("({}) {operator} ({})", key.join(", "), parameters(first, key.len()))
}

/// Some columns of a row as cells. NULL has none: no key holds it.
pub fn take(row: &Row<'_>, places: impl IntoIterator<Item = usize>) -> rusqlite::Result<Vec<Cell>> {
    let cell = |place| {
        let invalid = |e: FromSqlError| {
            rusqlite::Error::FromSqlConversionFailure(place, rusqlite::types::Type::Text, Box::new(e))
        };
        Ok(match row.get_ref(place)? {
            ValueRef::Integer(i) => Cell::Int(i),
            ValueRef::Real(x) => Cell::Real(x.to_bits()),
            text @ ValueRef::Text(_) => Cell::Text(text.as_str().map_err(invalid)?.to_owned()),
            ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
            ValueRef::Null => return Err(invalid(FromSqlError::InvalidType)),
        })
    };
    places.into_iter().map(cell).collect()
}

const ROWIDS: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// The names for the rowid that no column has taken.
pub fn rowids(table: &Table) -> impl Iterator<Item = &'static str> {
    ROWIDS.into_iter().filter(|name| !table.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name)))
}

/// One of them.
pub fn rowid(table: &Table) -> Result<&'static str> {
    rowids(table).next().ok_or_else(|| {
        let names = ROWIDS.map(ident).join(", ");
        let message =
            format!("reading table {}: it has no key, and columns named {names} hide its rowid", table.name);
        EndpointError::new(ErrorKind::Unsupported, "TL-SQLITE-ROWID", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_back_bit_for_bit() {
        let cells = vec![
            Cell::Int(i64::MIN),
            Cell::Real((-0.0f64).to_bits()),
            Cell::Text("a\0\"ü".into()),
            Cell::Blob(vec![0, 255]),
        ];
        let bounds = Bounds { from: Some(cells), to: None };
        assert_eq!(Bounds::parse(&bounds.to_text(), 4).unwrap(), bounds);
        assert!(Bounds::parse(&bounds.to_text(), 3).is_err());
        assert!(Bounds::parse("x", 1).is_err());
    }
}
