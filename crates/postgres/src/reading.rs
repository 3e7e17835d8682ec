//! A table asked for, against the table that is there: which column is which, and how its values are read.

use crate::Result;
use crate::catalog::{Layout, describe_one};
use crate::connect::{Answer, Session};
use crate::decode::Decoder;
use crate::error::{precondition, protocol, schema_changed};
use crate::names::{quoted, sql_name};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidelock_endpoint::{EndpointError, ErrorKind};
use tidelock_model::{ImageWriter, RowsWriter, Table, Value};

/// Rows of one answer are handed on in pieces of this size.
pub(crate) const PIECE: usize = 512 << 10;
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
            return Err(schema_changed("TL-PG-COLUMN-MISSING", message));
        }
        let places = table.columns.iter().filter_map(|c| layout.table.column(&c.name)).collect();
        Ok(Reading { table: table.clone(), layout: layout.clone(), places })
    }

    /// `ONLY` keeps the rows of inheriting tables out; a partitioned table has no rows but its partitions', a view none but its tables'.
    pub fn from(&self) -> String {
        let only = if self.layout.partitioned || self.layout.view { "" } else { "ONLY " };
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

    /// Why rows may not be deleted and put back whole, where that would lose something.
    pub fn stays(&self, replica: bool) -> Option<String> {
        let columns = self.layout.table.columns.iter().enumerate();
        let mut others =
            columns.filter(|(i, c)| !c.generated && !self.places.contains(i)).map(|(_, c)| &c.name);
        if let Some(other) = others.next() {
            return Some(format!(
                "rows pass a unique value to each other; they are not deleted and put back, for the column {other} is not the job's and would be lost: \
                 make the unique constraint wait, or change the rows one by one"
            ));
        }
        let own = self.layout.table.foreign_keys.iter().any(|f| f.references == self.layout.table.name);
        (!replica && (self.layout.referenced || self.layout.triggers || own)).then(|| {
            "rows pass a unique value to each other; they are not deleted and put back, for triggers and foreign keys would act on that: \
             let the user set session_replication_role"
                .to_owned()
        })
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

/// Tables as they are, looked up once in a session, and again when they were altered.
pub(crate) struct Known {
    readings: Vec<Arc<Reading>>,
    looked: Instant,
}

/// How long a table that is written may be altered unnoticed.
const FRESH: Duration = Duration::from_secs(10);

impl Default for Known {
    fn default() -> Known {
        Known { readings: Vec::new(), looked: Instant::now() }
    }
}

impl Known {
    pub async fn reading(&mut self, session: &Session, table: &Arc<Table>) -> Result<Arc<Reading>> {
        if let Some(reading) = self.readings.iter().find(|r| Arc::ptr_eq(&r.table, table)) {
            return Ok(reading.clone());
        }
        let layout = Arc::new(describe_one(session, &table.name).await?);
        let reading = Arc::new(Reading::new(table, &layout)?);
        self.readings.push(reading.clone());
        Ok(reading)
    }

    /// Forgets all when one of the tables has other columns now: a column that was made narrower would round in silence.
    pub async fn look_again(&mut self, session: &Session) -> Result<()> {
        if self.readings.is_empty() || self.looked.elapsed() < FRESH {
            return Ok(());
        }
        let mut layouts: BTreeMap<u32, &Layout> = BTreeMap::new();
        layouts.extend(self.readings.iter().map(|r| (r.layout.oid, &*r.layout)));
        let oids = layouts.keys().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT attrelid, attname, atttypid, atttypmod, attgenerated <> '' FROM pg_attribute \
             WHERE attrelid IN ({oids}) AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum"
        );
        let told = session.query("looking whether tables were altered", &sql).await?;
        let told = told.iter().map(|r| [0, 1, 2, 3, 4].map(|c| r.text(c).to_owned()));
        let known = layouts.values().flat_map(|l| {
            l.table.columns.iter().zip(&l.columns).map(|(column, resolved)| {
                let (of, modifier) = resolved.declared;
                let generated = if column.generated { "t" } else { "f" };
                [
                    l.oid.to_string(),
                    column.name.clone(),
                    of.to_string(),
                    modifier.to_string(),
                    generated.to_owned(),
                ]
            })
        });
        if !told.eq(known) {
            self.forget();
        }
        self.looked = Instant::now();
        Ok(())
    }

    pub fn forget(&mut self) {
        self.readings.clear();
    }
}
