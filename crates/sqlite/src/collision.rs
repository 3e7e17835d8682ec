//! Two keys that the key's index takes for one: SQLite names the index alone, here both are named.

use crate::apply::Writer;
use crate::names::{self, ident};
use crate::real::bind_key;
use rusqlite::types::Value as Stored;
use tidelock_endpoint::{EndpointError, ErrorKind};
use tidelock_model::{Image, Slot, Value};

impl Writer<'_> {
    /// The key of a row, to be told.
    pub fn key_text(&self, row: Image<'_>) -> String {
        let key = self.table.key.iter().filter_map(|k| match row.slot(*k) {
            Ok(Slot::Value(Value::Text(text))) => Some(format!("{}='{text}'", self.table.columns[*k].name)),
            Ok(Slot::Value(value)) => Some(format!("{}={value}", self.table.columns[*k].name)),
            _ => None,
        });
        key.collect::<Vec<_>>().join(", ")
    }

    /// The key of another row that the key's index takes for this one. What cannot be found out hides no error.
    pub fn beside(&self, row: Image<'_>, key: &str) -> Option<String> {
        let names: Vec<&str> = self.table.key_columns().map(|c| c.name.as_str()).collect();
        let collations = self.real.collations(&names);
        if collations.iter().all(Option::is_none) {
            return None;
        }
        let same = names.iter().zip(collations).enumerate();
        let same = same.map(|(i, (name, how))| {
            format!("{} = ?{} COLLATE {}", ident(name), i + 1, ident(how.unwrap_or("BINARY")))
        });
        let sql = format!(
            "SELECT {} FROM {} WHERE {}",
            names::list(names.iter().copied()),
            self.own(),
            same.collect::<Vec<_>>().join(" AND ")
        );
        let mut statement = self.db.prepare_cached(&sql).ok()?;
        bind_key(&mut statement, &self.table, &self.bound, row, 1, &mut String::new()).ok()?;
        let mut rows = statement.raw_query();
        let found = rows.next().ok()??;
        let shown = names.iter().enumerate().map(|(i, name)| match found.get::<_, Stored>(i) {
            Ok(Stored::Text(text)) => format!("{name}='{text}'"),
            Ok(Stored::Integer(n)) => format!("{name}={n}"),
            _ => format!("{name}=…"),
        });
        Some(shown.collect::<Vec<_>>().join(", ")).filter(|other| other != key)
    }

    /// The error that names both.
    pub fn taken_for_one(&self, key: &str, other: &str) -> EndpointError {
        let message = format!(
            "writing table {}: the key {key} cannot stand beside {other}: the collation of the key's column takes them for one",
            self.table.name
        );
        EndpointError::new(ErrorKind::Row, "TL-SQLITE-SAME-KEY", message).hint(
            "make the keys different at the source, or make the table here with a key that is COLLATE BINARY",
        )
    }
}
