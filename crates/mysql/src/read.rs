//! Reading whole rows: the select list, the decoders beside it, rows by key.

use crate::Result;
use crate::catalog::Layout;
use crate::codec::{Fault, Scratch};
use crate::connect::{Session, quoted};
use crate::encode::{Form, put};
use crate::error::{self, from_driver, precondition, protocol, schema_changed};
use crate::keep;
use mysql_async::Row;
use mysql_async::prelude::Queryable;
use std::sync::Arc;
use tidelock_endpoint::{EndpointError, exactly};
use tidelock_model::{Image, Rows, RowsWriter, Slot, Table};

/// Rows of one answer are handed on in pieces of this size.
pub(crate) const PIECE: usize = 512 << 10;
/// Keys of one statement: more would go beyond what the optimizer keeps as ranges.
pub(crate) const KEYS: usize = 500;

/// How the columns of `table` are read from the table that is there.
#[derive(Clone)]
pub(crate) struct Reading {
    pub table: Arc<Table>,
    pub layout: Arc<Layout>,
    /// For each column of `table` its place in the layout.
    pub places: Vec<usize>,
    /// For writing: with the columns that `table` does not have, where there are any.
    pub wide: Option<Arc<Reading>>,
    /// The table's and its columns' names as they are there, in quotes: every row needs them.
    pub sql_name: String,
    pub names: Vec<String>,
    list: String,
}

impl Reading {
    /// By the names of the columns, whose order may differ.
    pub fn new(table: &Arc<Table>, layout: &Arc<Layout>) -> Result<Reading> {
        let places = places(table, layout)?;
        let column = |i: &usize| layout.columns[*i].codec.asked(&quoted(&layout.table.columns[*i].name));
        let list = places.iter().map(column).collect::<Vec<_>>().join(", ");
        let names = places.iter().map(|i| quoted(&layout.table.columns[*i].name)).collect();
        let (table, sql_name, layout) = (table.clone(), layout.sql_name(), layout.clone());
        Ok(Reading { table, layout, places, wide: None, sql_name, names, list })
    }

    /// As [`Reading::new`], for a table that is written.
    pub fn for_writing(table: &Arc<Table>, layout: &Arc<Layout>) -> Result<Reading> {
        let mut reading = Reading::new(table, layout)?;
        reading.wide = keep::wide(&reading)?.map(Arc::new);
        Ok(reading)
    }

    /// The key, which may be another unique index than the table's own, may take two different values for the same.
    pub fn loose_key(&self) -> bool {
        self.table.key.iter().any(|i| !self.layout.columns[self.places[*i]].exact)
    }

    /// Whether `INSERT … ON DUPLICATE KEY UPDATE` can only meet the row of its own key; see `statements`.
    pub fn plain_upsert(&self) -> bool {
        !self.layout.more_unique && !self.loose_key() && !self.prefix_key()
    }

    /// The table's key looks at the beginning of a column only: two different keys may be one to it.
    pub fn prefix_key(&self) -> bool {
        !self.layout.key_prefixes.is_empty()
    }

    /// Columns that the job does not carry and that the server would set to the present moment, each to what it is.
    pub fn unmoved(&self) -> impl Iterator<Item = String> + '_ {
        let there = self.layout.columns.iter().zip(&self.layout.table.columns).enumerate();
        there.filter(|(i, (stored, _))| stored.on_update && !self.places.contains(i)).map(
            |(_, (_, column))| {
                let name = quoted(&column.name);
                format!("{name}={name}")
            },
        )
    }

    /// Whether a column is written: not one that the target computes.
    pub fn writes(&self, column: usize) -> bool {
        self.places.get(column).is_some_and(|place| !self.layout.table.columns[*place].generated)
    }

    pub fn select(&self, condition: &str) -> String {
        format!("SELECT {} FROM {} WHERE {condition}", self.list, self.sql_name)
    }

    /// One row of the answer.
    pub fn row(&self, row: &Row, scratch: &mut Scratch, out: &mut RowsWriter) -> Result<()> {
        out.row(|image| {
            for (i, place) in self.places.iter().enumerate() {
                let codec = &self.layout.columns[*place].codec;
                let sent = row.as_ref(i).ok_or_else(|| protocol("the server's row is too short"))?;
                codec.sent(sent, scratch, image).map_err(|fault| unreadable(&self.layout, *place, &fault))?;
            }
            Ok(())
        })
    }
}

/// The place of each column of `table` in `layout`; all that are missing in one error.
pub(crate) fn places(table: &Table, layout: &Layout) -> Result<Vec<usize>> {
    let place = |name: &str| {
        layout
            .table
            .column(name)
            .or_else(|| layout.table.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name)))
    };
    let missing: Vec<&str> =
        table.columns.iter().filter(|c| place(&c.name).is_none()).map(|c| c.name.as_str()).collect();
    if !missing.is_empty() {
        let message = format!("table {} has no column {}", layout.table.name, missing.join(", "));
        return Err(schema_changed("TL-MY-COLUMN-MISSING", message));
    }
    Ok(table.columns.iter().filter_map(|c| place(&c.name)).collect())
}

/// Reads rows by key, `lock` behind the statement. Rows whose key only looks the same to the server's collation are left out.
pub(crate) async fn by_key(
    session: &mut Session,
    reading: &Reading,
    keys: &Rows,
    lock: &str,
) -> Result<Rows> {
    let mut found = RowsWriter::new(reading.table.clone());
    let images = keys.images().collect::<std::result::Result<Vec<_>, _>>().map_err(error::codec)?;
    for part in images.chunks(KEYS) {
        met(session, reading, part, lock, &mut found).await?;
    }
    exactly(keys, &found.take()).map_err(error::codec)
}

/// The rows under keys, at most [`KEYS`], that the server takes for these.
pub(crate) async fn met(
    session: &mut Session,
    reading: &Reading,
    keys: &[Image<'_>],
    lock: &str,
    found: &mut RowsWriter,
) -> Result<()> {
    let doing = format!("reading rows of {} by key", reading.table.name);
    let (mut condition, mut scratch) = (Vec::new(), Scratch::default());
    keys_condition(reading, keys, &mut condition)?;
    let condition = String::from_utf8(condition).map_err(|_| protocol("a key's literal is not UTF-8"))?;
    let sql = reading.select(&condition) + lock;
    let mut answer = session.conn.exec_iter(sql, ()).await.map_err(|e| from_driver(&doing, e))?;
    while let Some(row) = answer.next().await.map_err(|e| from_driver(&doing, e))? {
        reading.row(&row, &mut scratch, found)?;
    }
    Ok(())
}

/// `` `k` IN (1, 2) `` or `` (`a`, `b`) IN ((1, 2), …) ``.
pub(crate) fn keys_condition(reading: &Reading, keys: &[Image<'_>], out: &mut Vec<u8>) -> Result<()> {
    let table = &reading.table;
    if table.key.is_empty() {
        return Err(precondition(
            "TL-MY-NO-KEY",
            format!("table {} has no key to read or write rows by", table.name),
        ));
    }
    let single = table.key.len() == 1;
    for (n, column) in table.key.iter().enumerate() {
        out.extend_from_slice(if single { b"" } else { if n == 0 { b"(" } else { b"," } });
        out.extend_from_slice(reading.names[*column].as_bytes());
    }
    out.extend_from_slice(if single { b" IN (" } else { b") IN (" });
    for (n, image) in keys.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        if !single {
            out.push(b'(');
        }
        put_key(reading, *image, out, |out, i| {
            if i > 0 {
                out.push(b',');
            }
        })?;
        if !single {
            out.push(b')');
        }
    }
    out.push(b')');
    Ok(())
}

/// The column's name as it is there.
pub(crate) fn column_name(reading: &Reading, column: usize) -> String {
    reading.layout.table.columns[reading.places[column]].name.clone()
}

/// The literals of a key, `between` before each.
pub(crate) fn put_key(
    reading: &Reading,
    image: Image<'_>,
    out: &mut Vec<u8>,
    mut between: impl FnMut(&mut Vec<u8>, usize),
) -> Result<()> {
    for (i, column) in reading.table.key.iter().enumerate() {
        between(out, i);
        let slot = image.slot(*column).map_err(error::codec)?;
        let Slot::Value(value) = slot else {
            return Err(protocol(format!("a key of {} is not whole", reading.table.name)));
        };
        put_value(reading, *column, &value, out)?;
    }
    Ok(())
}

/// One literal; a refusal names table, column and value.
pub(crate) fn put_value(
    reading: &Reading,
    column: usize,
    value: &tidelock_model::Value<'_>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let layout = &reading.layout.columns[reading.places[column]];
    put(&layout.codec, layout.room, value, Form::Sql, out)
        .map_err(|refusal| refused(reading, column, value, &refusal.0))
}

/// A server may put something else in its place (the present moment, the next number), and LOAD DATA does.
pub(crate) fn check_null(reading: &Reading, column: usize, value: &tidelock_model::Value<'_>) -> Result<()> {
    if value.is_null() && !reading.layout.table.columns[reading.places[column]].nullable {
        return Err(refused(reading, column, value, "the column is NOT NULL"));
    }
    Ok(())
}

/// One literal of a row that is written.
pub(crate) fn put_written(
    reading: &Reading,
    column: usize,
    value: &tidelock_model::Value<'_>,
    out: &mut Vec<u8>,
) -> Result<()> {
    check_null(reading, column, value)?;
    put_value(reading, column, value, out)
}

/// A stored value is not what its column promises.
pub(crate) fn unreadable(layout: &Layout, place: usize, fault: &Fault) -> EndpointError {
    let (table, column) = (&layout.table.name, &layout.table.columns[place].name);
    protocol(format!("reading {table}.{column}: {}", fault.0)).hint(fault.remedy(table, column))
}

/// The row is at fault: which table, which column, which value, why.
pub(crate) fn refused(
    reading: &Reading,
    column: usize,
    value: &tidelock_model::Value<'_>,
    reason: &str,
) -> EndpointError {
    let message = format!(
        "writing {}.{}: {reason}: {}",
        reading.layout.table.name,
        column_name(reading, column),
        crate::encode::shown(value)
    );
    EndpointError::new(tidelock_endpoint::ErrorKind::Row, "TL-MY-VALUE-REFUSED", message)
}
