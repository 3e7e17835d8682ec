//! Two keys that the table's collation takes for one, or its index over the beginning of a column: which they are.
//!
//! The server names the value that it did not take, and not what stood in its way. As the transaction is given up anyway, the rows are written once more, a part at
//! a time and in the end one by one, until one fails: then the row that stands there under its key is the other one.

use crate::Result;
use crate::connect::Session;
use crate::encode::shown;
use crate::error::{self, from_driver};
use crate::prefix;
use crate::read::{KEYS, Reading, column_name, keys_condition};
use crate::statements::{Script, Writer};
use crate::transaction::{run, statement_limit};
use mysql_async::prelude::Queryable;
use tidelock_endpoint::{EndpointError, ErrorKind};
use tidelock_model::{Image, Rows, RowsWriter, Slot, Value};

/// The error of a transaction that wrote these rows, with both keys where it was for that. Only a rollback may follow.
pub(crate) async fn named(
    session: &mut Session,
    reading: &Reading,
    rows: &[Image<'_>],
    error: EndpointError,
) -> EndpointError {
    let duplicate = error.kind == ErrorKind::Row && error.message.contains("Duplicate entry");
    if !duplicate || !(reading.loose_key() || reading.prefix_key()) {
        return error;
    }
    match search(session, reading, rows).await {
        Ok(Some(found)) => found,
        // What cannot be found out does not hide what was told.
        Ok(None) | Err(_) => error,
    }
}

async fn search(
    session: &mut Session,
    reading: &Reading,
    rows: &[Image<'_>],
) -> Result<Option<EndpointError>> {
    for part in rows.chunks(KEYS) {
        written(session, reading, part, &[]).await?;
    }
    for part in rows.chunks(KEYS) {
        if written(session, reading, &[], part).await.is_ok() {
            continue;
        }
        for row in part {
            if written(session, reading, &[], &[*row]).await.is_err() {
                return told(session, reading, *row).await;
            }
        }
    }
    Ok(None)
}

/// Deletes by these keys, and inserts these rows.
async fn written(
    session: &mut Session,
    reading: &Reading,
    keys: &[Image<'_>],
    rows: &[Image<'_>],
) -> Result<()> {
    let (limit, mut scripts) = (statement_limit(session), Vec::new());
    Writer { reading, limit, scripts: &mut scripts }.replace(keys, rows)?;
    for Script { sql, .. } in scripts.into_iter().filter(|s| !s.is_empty()) {
        run(session, "looking for keys that are taken for one", sql).await?;
    }
    Ok(())
}

async fn told(session: &mut Session, reading: &Reading, row: Image<'_>) -> Result<Option<EndpointError>> {
    let mut condition = Vec::new();
    keys_condition(reading, &[row], &mut condition)?;
    if let Some(there) = first(session, reading, &String::from_utf8_lossy(&condition)).await? {
        let reason = "the collation of the key's column takes them for one";
        let hint = "make the keys different at the source, or give the column a collation here that tells them apart: \
                    `utf8mb4_0900_bin` at MySQL, `utf8mb4_nopad_bin` at MariaDB";
        return both(reading, row, &there, reason, hint);
    }
    if !reading.prefix_key() {
        return Ok(None);
    }
    let Some(there) = first(session, reading, &prefix::condition(reading, row)?).await? else {
        return Ok(None);
    };
    let reason = format!("the key looks at {} only", prefix::shown(&reading.layout));
    both(reading, row, &there, &reason, &prefix::remedy(&reading.layout))
}

/// A row under this condition.
async fn first(session: &mut Session, reading: &Reading, condition: &str) -> Result<Option<Rows>> {
    let sql = reading.select(condition) + " LIMIT 1";
    let doing = format!("reading rows of {} by key", reading.table.name);
    let found: Option<mysql_async::Row> =
        session.conn.exec_first(sql, ()).await.map_err(|e| from_driver(&doing, e))?;
    let Some(found) = found else { return Ok(None) };
    let mut there = RowsWriter::new(reading.table.clone());
    reading.row(&found, &mut crate::codec::Scratch::default(), &mut there)?;
    Ok(Some(there.take()))
}

fn both(
    reading: &Reading,
    row: Image<'_>,
    there: &Rows,
    reason: &str,
    hint: &str,
) -> Result<Option<EndpointError>> {
    let Some(other) = there.images().next() else { return Ok(None) };
    let message = format!(
        "writing table {}: the key {} cannot stand beside {}: {reason}",
        reading.layout.table.name,
        key(reading, row)?,
        key(reading, other.map_err(error::codec)?)?
    );
    Ok(Some(EndpointError::new(ErrorKind::Row, "TL-MY-SAME-KEY", message).hint(hint)))
}

/// `word='Anna'`.
fn key(reading: &Reading, image: Image<'_>) -> Result<String> {
    let mut parts = Vec::new();
    for column in &reading.table.key {
        let value = match image.slot(*column).map_err(error::codec)? {
            Slot::Value(value @ Value::Text(_)) => format!("'{}'", shown(&value)),
            Slot::Value(value) => shown(&value),
            Slot::NotSent => "?".to_owned(),
        };
        parts.push(format!("{}={value}", column_name(reading, *column)));
    }
    Ok(parts.join(", "))
}
