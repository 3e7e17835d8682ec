//! Rows as COPY's text format has them (manual: COPY, "File Formats").

use crate::Result;
use crate::arrays::refused;
use crate::connect::Session;
use crate::encode::{Form, put};
use crate::error::{codec, protocol};
use crate::names::{quoted, sql_name};
use crate::reading::Reading;
use bytes::Bytes;
use futures_util::SinkExt;
use tidelock_model::{Image, Slot};

/// The columns that are written: not those that the target computes.
pub(crate) fn columns(reading: &Reading) -> String {
    let written = (0..reading.places.len()).filter(|i| !reading.generated(*i));
    written.map(|i| quoted(&reading.table.columns[i].name)).collect::<Vec<_>>().join(", ")
}

/// Writes a row as a line, its values in the order of [`columns`].
pub(crate) fn line(reading: &Reading, image: Image<'_>, out: &mut Vec<u8>) -> Result<()> {
    let mut first = true;
    for (i, slot) in image.slots().enumerate() {
        let place =
            *reading.places.get(i).ok_or_else(|| protocol("a row has more columns than its table"))?;
        let Slot::Value(value) = slot.map_err(codec)? else {
            let name = &reading.table.columns[i].name;
            return Err(protocol(format!("a row of {} comes without its column {name}", reading.table.name)));
        };
        if reading.generated(i) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(b'\t');
        }
        put(&reading.layout.columns[place], &value, Form::Copy, out)
            .map_err(|refusal| refused(reading, i, &value, &refusal.0))?;
    }
    out.push(b'\n');
    Ok(())
}

/// Sends lines into their table, all at once; how many rows arrived.
pub(crate) async fn send(
    session: &Session,
    reading: &Reading,
    lines: Vec<u8>,
) -> std::result::Result<u64, tokio_postgres::Error> {
    let sql = format!("COPY {} ({}) FROM STDIN", sql_name(&reading.table.name), columns(reading));
    let mut sink = std::pin::pin!(session.client.copy_in::<_, Bytes>(&sql).await?);
    sink.send(Bytes::from(lines)).await?;
    sink.finish().await
}
