//! Values of many rows in one statement: an array for each column.
//!
//! The arrays have the column's type without its length, so that a value is never cut by a cast; the assignment to the column then refuses
//! what does not fit. Arrays and types that only their own engine knows travel as text.

use crate::Result;
use crate::encode::{Form, put, shown};
use crate::error::{codec, protocol};
use crate::names::quoted;
use crate::reading::Reading;
use tidelock_endpoint::{EndpointError, ErrorKind};
use tidelock_model::{Image, Slot, Type, Value};

/// The values of some columns, one array for each.
pub(crate) struct Arrays<'r> {
    reading: &'r Reading,
    /// Columns of the reading's table, in order of use.
    columns: Vec<usize>,
    literals: Vec<Vec<u8>>,
    /// For each column of the table its place in `columns`.
    wanted: Vec<Option<usize>>,
    rows: usize,
}

impl<'r> Arrays<'r> {
    pub fn new(reading: &'r Reading, columns: impl Iterator<Item = usize>) -> Arrays<'r> {
        let columns: Vec<usize> = columns.collect();
        let mut wanted = vec![None; reading.places.len()];
        for (n, column) in columns.iter().enumerate() {
            wanted[*column] = Some(n);
        }
        Arrays { reading, literals: vec![b"{".to_vec(); columns.len()], columns, wanted, rows: 0 }
    }

    /// Adds a row; all of its wanted columns must be sent.
    pub fn push(&mut self, image: Image<'_>) -> Result<()> {
        let mut missing = self.columns.len();
        for (column, slot) in image.slots().enumerate() {
            let slot = slot.map_err(codec)?;
            let Some(n) = self.wanted.get(column).copied().flatten() else { continue };
            let Slot::Value(value) = slot else { break };
            let literal = &mut self.literals[n];
            if self.rows > 0 {
                literal.push(b',');
            }
            let resolved = &self.reading.layout.columns[self.reading.places[column]];
            put(resolved, &value, Form::Element, literal)
                .map_err(|refusal| refused(self.reading, column, &value, &refusal.0))?;
            missing -= 1;
        }
        if missing > 0 {
            return Err(protocol(format!(
                "a row of {} comes without a column that is needed",
                self.reading.table.name
            )));
        }
        self.rows += 1;
        Ok(())
    }

    fn as_text(&self, n: usize) -> bool {
        let resolved = &self.reading.layout.columns[self.reading.places[self.columns[n]]];
        matches!(resolved.data_type, Type::Array { .. } | Type::Native { .. })
    }

    fn cast(&self, n: usize) -> &str {
        &self.reading.layout.columns[self.reading.places[self.columns[n]]].cast
    }

    /// `unnest('{…}'::integer[], …) AS name(c0, c1)`
    pub fn unnest(&self, name: &str, sql: &mut Vec<u8>) {
        sql.extend_from_slice(b"unnest(");
        self.lists(sql);
        sql.extend_from_slice(format!(") AS {name}({})", self.names('c')).as_bytes());
    }

    pub fn lists(&self, sql: &mut Vec<u8>) {
        for (n, literal) in self.literals.iter().enumerate() {
            if n > 0 {
                sql.extend_from_slice(b", ");
            }
            sql.push(b'\'');
            sql.extend_from_slice(literal);
            sql.extend_from_slice(b"}'::");
            sql.extend_from_slice(if self.as_text(n) { "text" } else { self.cast(n) }.as_bytes());
            sql.extend_from_slice(b"[]");
        }
    }

    pub fn names(&self, letter: char) -> String {
        (0..self.columns.len()).map(|n| format!("{letter}{n}")).collect::<Vec<_>>().join(", ")
    }

    /// The value of the `n`th column, `of` the row and its letter: `r.c`.
    pub fn value(&self, of: &str, n: usize) -> String {
        if self.as_text(n) { format!("{of}{n}::{}", self.cast(n)) } else { format!("{of}{n}") }
    }

    /// `t."a" = k.c0 AND …` over all columns.
    pub fn matches(&self, of: &str, sql: &mut Vec<u8>) {
        let equal = |n: usize| format!("t.{} = {}", self.column(n), self.value(of, n));
        let all: Vec<String> = (0..self.columns.len()).map(equal).collect();
        sql.extend_from_slice(all.join(" AND ").as_bytes());
    }

    pub fn column(&self, n: usize) -> String {
        quoted(&self.reading.table.columns[self.columns[n]].name)
    }

    pub fn columns(&self) -> String {
        (0..self.columns.len()).map(|n| self.column(n)).collect::<Vec<_>>().join(", ")
    }

    pub fn values(&self, of: &str) -> String {
        (0..self.columns.len()).map(|n| self.value(of, n)).collect::<Vec<_>>().join(", ")
    }
}

/// The row is at fault: which table, which column, which value, why.
pub(crate) fn refused(reading: &Reading, column: usize, value: &Value<'_>, reason: &str) -> EndpointError {
    let name = reading.table.columns.get(column).map_or("?", |c| c.name.as_str());
    let message = format!("writing {}.{name}: {reason}: {}", reading.table.name, shown(value));
    EndpointError::new(ErrorKind::Row, "TL-PG-VALUE-REFUSED", message)
}
