//! Cutting a table into ranges of its key.
//!
//! The cuts are found by walking the key in the snapshot: every `rows`-th key is a bound. That reads the key's index once and is right for sparse and
//! composite keys alike, which dividing between the smallest and the largest value is not. Bounds are literals, so they mean the same under a later
//! view: chunk *n* holds the rows behind its lower and up to its upper bound; the first and the last are open.

use crate::Result;
use crate::catalog::Layout;
use crate::codec::{Codec, Scratch};
use crate::connect::{Session, quoted};
use crate::encode::{Form, Room, put};
use crate::error::{from_driver, precondition, protocol};
use crate::read::unreadable;
use mysql_async::Row;
use mysql_async::prelude::Queryable;
use serde::{Deserialize, Serialize};
use tidelock_endpoint::Chunk;
use tidelock_model::{Image, ImageWriter};

/// A range of keys, as text in [`Chunk::bounds`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bounds {
    /// The columns compared, in key order; none: the whole table.
    columns: Vec<String>,
    /// Only rows behind this key.
    after: Option<Vec<String>>,
    /// Up to this key, itself included.
    to: Option<Vec<String>>,
}

impl Bounds {
    pub fn parse(text: &str) -> Result<Bounds> {
        serde_json::from_str(text).map_err(|e| {
            precondition("TL-MY-CHUNK-UNREADABLE", format!("reading a chunk's bounds '{text}': {e}"))
        })
    }

    fn text(&self) -> String {
        serde_json::to_string(self).expect("bounds are plain data")
    }

    /// The condition behind WHERE.
    pub fn condition(&self) -> String {
        let mut parts = Vec::new();
        if let Some(after) = &self.after {
            parts.push(order(&self.columns, after, ">", ">"));
        }
        if let Some(to) = &self.to {
            parts.push(order(&self.columns, to, "<", "<="));
        }
        if parts.is_empty() { "TRUE".to_owned() } else { parts.join(" AND ") }
    }
}

/// `(a, b) > (1, 2)` in the form that uses the index: `(a > 1 OR (a = 1 AND b > 2))`, with the first column's range in front.
fn order(columns: &[String], bound: &[String], before_last: &str, last: &str) -> String {
    let mut alternatives = Vec::new();
    for i in 0..columns.len() {
        let operator = if i + 1 == columns.len() { last } else { before_last };
        let mut terms: Vec<String> =
            (0..i).map(|j| format!("{} = {}", quoted(&columns[j]), bound[j])).collect();
        terms.push(format!("{} {operator} {}", quoted(&columns[i]), bound[i]));
        alternatives.push(if terms.len() == 1 {
            terms.remove(0)
        } else {
            format!("({})", terms.join(" AND "))
        });
    }
    if alternatives.len() == 1 {
        return alternatives.remove(0);
    }
    let first = format!("{} {before_last}= {}", quoted(&columns[0]), bound[0]);
    format!("{first} AND ({})", alternatives.join(" OR "))
}

/// Columns that order the same as values and as an index: an ENUM compares as text and is sorted as a number, a float has no exact literal.
fn can_bound(codec: &Codec) -> bool {
    matches!(
        codec,
        Codec::Int { .. }
            | Codec::Bool
            | Codec::Year
            | Codec::Decimal { .. }
            | Codec::Text { .. }
            | Codec::Bytes { .. }
            | Codec::Date
            | Codec::Time { .. }
            | Codec::DateTime { .. }
            | Codec::Instant { .. }
            | Codec::Timestamp { .. }
            | Codec::UuidText(_)
    )
}

/// Cuts a table. `rows` is a wish.
pub(crate) async fn cut(session: &mut Session, layout: &Layout, rows: u64) -> Result<Vec<Chunk>> {
    let table = &layout.table;
    let key: Vec<usize> =
        table.key.iter().copied().take_while(|i| can_bound(&layout.columns[*i].codec)).collect();
    let columns: Vec<String> = key.iter().map(|i| table.columns[*i].name.clone()).collect();
    let mut chunks = Vec::new();
    let mut add = |bounds: &Bounds, estimate| {
        let (number, bounds) = (chunks.len() as u32, bounds.text());
        chunks.push(Chunk { table: table.name.clone(), number, bounds, estimate });
    };
    let mut bounds = Bounds { columns, after: None, to: None };
    if key.is_empty() {
        add(&Bounds::default(), layout.rows);
        return Ok(chunks);
    }
    let list: Vec<String> = bounds.columns.iter().map(|c| quoted(c)).collect();
    let list = list.join(", ");
    let asked: Vec<String> =
        key.iter().map(|i| layout.columns[*i].codec.asked(&quoted(&table.columns[*i].name))).collect();
    let asked = asked.join(", ");
    let doing = format!("cutting {} into chunks", table.name);
    let mut seen = 0;
    loop {
        let sql = format!(
            "SELECT {asked} FROM {} WHERE {} ORDER BY {list} LIMIT 1 OFFSET {}",
            layout.sql_name(),
            bounds.condition(),
            rows.max(1) - 1
        );
        let row: Option<Row> = session.conn.exec_first(sql, ()).await.map_err(|e| from_driver(&doing, e))?;
        let Some(row) = row else { break };
        bounds.to = Some(literals(layout, &key, &row)?);
        add(&bounds, rows.max(1));
        seen += rows.max(1);
        bounds.after = bounds.to.take();
    }
    add(&bounds, layout.rows.saturating_sub(seen).min(rows));
    Ok(chunks)
}

fn literals(layout: &Layout, key: &[usize], row: &Row) -> Result<Vec<String>> {
    let mut scratch = Scratch::default();
    key.iter()
        .enumerate()
        .map(|(place, column)| {
            let codec = &layout.columns[*column].codec;
            let mut slot = Vec::new();
            let sent =
                row.as_ref(place).ok_or_else(|| protocol("a key's column is missing in the answer"))?;
            codec
                .sent(sent, &mut scratch, &mut ImageWriter::new(&mut slot))
                .map_err(|fault| unreadable(layout, *column, &fault))?;
            let value = Image::from_bytes(&slot).slot(0).map_err(crate::error::codec)?.value();
            let value = value.ok_or_else(|| protocol("a key's column is missing in the answer"))?;
            let mut out = Vec::new();
            // A stored CHAR has no trailing blanks, and a stored BINARY its whole length: every stored key can be written.
            put(codec, Room::default(), &value, Form::Sql, &mut out).map_err(|r| {
                precondition("TL-MY-CHUNK-KEY", format!("a key of {}: {}", layout.table.name, r.0))
            })?;
            String::from_utf8(out).map_err(|_| protocol("a key's literal is not UTF-8"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composite_range_is_spelled_so_that_the_index_serves_it() {
        let bounds = Bounds {
            columns: vec!["a".into(), "b".into()],
            after: Some(vec!["1".into(), "'x'".into()]),
            to: Some(vec!["2".into(), "'y'".into()]),
        };
        assert_eq!(
            bounds.condition(),
            "`a` >= 1 AND (`a` > 1 OR (`a` = 1 AND `b` > 'x')) AND `a` <= 2 AND (`a` < 2 OR (`a` = 2 AND `b` <= 'y'))"
        );
        assert_eq!(Bounds::parse(&bounds.text()).unwrap(), bounds);
        assert_eq!(Bounds::default().condition(), "TRUE");
        assert!(Bounds::parse("x").is_err());
    }
}
