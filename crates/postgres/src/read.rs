//! Reading whole rows: the select list, the decoders beside it, rows by key.

use crate::Result;
use crate::catalog::Layout;
use crate::connect::{Answer, Session};
use crate::decode::Decoder;
use crate::error::{self, precondition, protocol};
use crate::names::{quoted, sql_name};
use crate::statements::Arrays;
use std::sync::Arc;
use tidelock_endpoint::{EndpointError, ErrorKind, exactly};
use tidelock_model::{ImageWriter, Rows, RowsWriter, Table, Value};

/// Rows of one answer are handed on in pieces of this size.
pub(crate) const PIECE: usize = 512 << 10;
/// Keys of one statement.
const KEYS: usize = 2_000;

/// How the columns of `table` are read from, and written to, the table that is there.
#[derive(Clone)]
pub(crate) struct Reading {
    pub table: Arc<Table>,
    pub layout: Arc<Layout>,
    /// For each column of `table` its place in the layout.
    pub places: Vec<usize>,
}

/// Room that is kept between rows.
#[derive(Default)]
pub(crate) struct Scratch {
    octets: Vec<u8>,
    field: Vec<u8>,
}

impl Reading {
    /// By the names of the columns, whose order may differ; all that are missing in one error.
    pub fn new(table: &Arc<Table>, layout: &Arc<Layout>) -> Result<Reading> {
        let missing: Vec<&str> = table
            .columns
            .iter()
            .filter(|c| layout.table.column(&c.name).is_none())
            .map(|c| c.name.as_str())
            .collect();
        if !missing.is_empty() {
            let message = format!("table {} has no column {}", layout.table.name, missing.join(", "));
            return Err(precondition("TL-PG-COLUMN-MISSING", message));
        }
        let places = table.columns.iter().filter_map(|c| layout.table.column(&c.name)).collect();
        Ok(Reading { table: table.clone(), layout: layout.clone(), places })
    }

    /// `ONLY` keeps the rows of inheriting tables out; a partitioned table has no rows but its partitions'.
    pub fn from(&self) -> String {
        let only = if self.layout.partitioned { "" } else { "ONLY " };
        format!("{only}{}", sql_name(&self.table.name))
    }

    /// `prefix"a", prefix"b"` of all columns.
    pub fn list(&self, prefix: &str) -> String {
        let name = |c: &tidelock_model::Column| format!("{prefix}{}", quoted(&c.name));
        self.table.columns.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// The key must be there to find rows by.
    pub fn key(&self) -> Result<&[usize]> {
        if self.table.key.is_empty() {
            let message = format!("table {} has no key to read or write rows by", self.table.name);
            return Err(precondition("TL-PG-NO-KEY", message));
        }
        Ok(&self.table.key)
    }

    pub fn generated(&self, column: usize) -> bool {
        self.layout.table.columns[self.places[column]].generated
    }

    fn decoder(&self, column: usize) -> &Decoder {
        &self.layout.columns[self.places[column]].decoder
    }

    /// One value as the server printed it.
    fn put(
        &self,
        column: usize,
        text: &str,
        octets: &mut Vec<u8>,
        image: &mut ImageWriter<'_>,
    ) -> Result<()> {
        self.decoder(column)
            .put(text, octets, image)
            .map_err(|fault| unreadable(&self.table, column, &fault.0))
    }

    /// One row of an answer whose columns are `list`.
    pub fn row(&self, row: &Answer, scratch: &mut Scratch, out: &mut RowsWriter) -> Result<()> {
        out.row(|image| {
            for column in 0..self.places.len() {
                match row.get(column) {
                    None => image.value(&Value::Null),
                    Some(text) => self.put(column, text, &mut scratch.octets, image)?,
                }
            }
            Ok(())
        })
    }

    /// One line of COPY's text format (manual, COPY, "Text Format"), without its newline.
    pub fn line(&self, line: &[u8], scratch: &mut Scratch, out: &mut RowsWriter) -> Result<()> {
        let plain = memchr::memchr(b'\\', line).is_none();
        let mut fields = line.split(|b| *b == b'\t');
        out.row(|image| {
            for column in 0..self.places.len() {
                let field = fields.next().ok_or_else(|| protocol("a line of COPY is too short"))?;
                if field == b"\\N" {
                    image.value(&Value::Null);
                    continue;
                }
                let field = if plain { field } else { unescaped(field, &mut scratch.field)? };
                let text = std::str::from_utf8(field)
                    .map_err(|_| unreadable(&self.table, column, "it is not UTF-8"))?;
                self.put(column, text, &mut scratch.octets, image)?;
            }
            match fields.next() {
                None => Ok(()),
                Some(_) => Err(protocol("a line of COPY is too long")),
            }
        })
    }
}

/// What the server printed is not what its type allows, or not what we can hold.
pub(crate) fn unreadable(table: &Table, column: usize, fault: &str) -> EndpointError {
    let name = table.columns.get(column).map_or("?", |c| c.name.as_str());
    EndpointError::new(
        ErrorKind::Protocol,
        "TL-PG-VALUE-UNREADABLE",
        format!("reading {}.{name}: {fault}", table.name),
    )
}

fn unescaped<'f>(field: &'f [u8], out: &'f mut Vec<u8>) -> Result<&'f [u8]> {
    if memchr::memchr(b'\\', field).is_none() {
        return Ok(field);
    }
    out.clear();
    let mut bytes = field.iter();
    while let Some(b) = bytes.next() {
        if *b != b'\\' {
            out.push(*b);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 11,
            Some(b'\\') => b'\\',
            _ => return Err(protocol("a line of COPY holds an unknown escape")),
        });
    }
    Ok(out)
}

/// Reads rows by key, locked where `lock` asks for it. Rows whose key only looks the same to the server's collation are left out.
pub(crate) async fn by_key(session: &Session, reading: &Reading, keys: &Rows, lock: bool) -> Result<Rows> {
    let table = &reading.table;
    let doing = format!("reading rows of {} by key", table.name);
    let mut scratch = Scratch::default();
    let mut found = RowsWriter::new(table.clone());
    let images = keys.images().collect::<std::result::Result<Vec<_>, _>>().map_err(error::codec)?;
    for part in images.chunks(KEYS) {
        let mut arrays = Arrays::new(reading, reading.key()?.iter().copied());
        for image in part {
            arrays.push(*image)?;
        }
        let mut sql =
            format!("SELECT {} FROM {} AS t JOIN ", reading.list("t."), reading.from()).into_bytes();
        arrays.unnest("k", &mut sql);
        sql.extend_from_slice(b" ON ");
        arrays.matches("k.c", &mut sql);
        if lock {
            sql.extend_from_slice(b" FOR UPDATE OF t");
        }
        let sql = String::from_utf8(sql).map_err(|_| protocol("a statement is not UTF-8"))?;
        for row in session.query(&doing, &sql).await? {
            reading.row(&row, &mut scratch, &mut found)?;
        }
    }
    exactly(keys, &found.take()).map_err(error::codec)
}
