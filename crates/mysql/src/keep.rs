//! Columns of the target's table that the job does not carry stay as they are, also where rows are put anew.
//!
//! A row that goes and comes again would come with their defaults. So the rows that are there are read over all columns first, locked, and come again
//! whole; only those that are not there come without.

use crate::Result;
use crate::codec::Codec;
use crate::connect::Session;
use crate::error::{codec, precondition};
use crate::read::{Reading, by_key};
use crate::statements::{Script, Writer};
use std::sync::Arc;
use tidelock_endpoint::{Merged, Update};
use tidelock_model::{CodecError, Image, Rows, RowsWriter};

/// `reading` and behind it all other columns that are written; `None` where there are none.
pub(crate) fn wide(reading: &Reading) -> Result<Option<Reading>> {
    let there = &reading.layout.table.columns;
    let others = (0..there.len()).filter(|i| !reading.places.contains(i) && !there[*i].generated);
    let mut table = (*reading.table).clone();
    table.columns.extend(others.map(|i| there[i].clone()));
    if table.columns.len() == reading.table.columns.len() {
        return Ok(None);
    }
    Reading::new(&Arc::new(table), &reading.layout).map(Some)
}

/// Images of the narrow table as images of the wide one.
pub(crate) fn widened<'i>(wide: &Reading, images: impl Iterator<Item = Image<'i>>) -> Result<Rows> {
    let mut writer = RowsWriter::new(wide.table.clone());
    for image in images {
        let row = writer.row(|out| {
            let mut width = 0;
            for slot in image.slots() {
                out.slot(&slot?);
                width += 1;
            }
            (width..wide.table.columns.len()).for_each(|_| out.not_sent());
            Ok::<_, CodecError>(())
        });
        row.map_err(codec)?;
    }
    Ok(writer.take())
}

/// A column that cannot be read and written back word for word is in the way.
pub(crate) fn check(reading: &Reading, wide: &Reading) -> Result<()> {
    let own = reading.table.columns.len();
    let native = |i: &usize| matches!(wide.layout.columns[wide.places[*i]].codec, Codec::Native(_));
    let Some(column) = (own..wide.table.columns.len()).find(native) else { return Ok(()) };
    let (table, column) = (&wide.layout.table.name, &wide.table.columns[column]);
    let message = format!(
        "writing {table}: a row has to go and come again, and its column {}, which the job does not carry, is of the type {} that cannot be \
         written back",
        column.name, column.native
    );
    Err(precondition("TL-MY-COLUMN-KEPT", message).hint(
        "keep the column in a table of its own, or drop the other unique indexes of the target's table",
    ))
}

/// What puts `rows` in place of those under their keys, each with what the job does not carry.
pub(crate) async fn upserts(
    session: &mut Session,
    reading: &Reading,
    wide: &Reading,
    rows: &[Image<'_>],
    limit: usize,
) -> Result<Vec<Script>> {
    check(reading, wide)?;
    let keys = widened(wide, rows.iter().copied())?;
    let images = keys.images().collect::<std::result::Result<Vec<_>, _>>().map_err(codec)?;
    let updates: Vec<Update<'_>> = images.iter().map(|image| Update { key: *image, set: *image }).collect();
    let there = by_key(session, wide, &keys, " FOR UPDATE").await?;
    let merged = Merged::new(&wide.table, &updates, &there).map_err(codec)?;
    let mut held = merged.keys.iter().peekable();
    let absent = rows
        .iter()
        .zip(&images)
        .filter(|(_, image)| held.next_if(|key| std::ptr::eq(key.as_bytes(), image.as_bytes())).is_none());
    let absent: Vec<Image<'_>> = absent.map(|(row, _)| *row).collect();
    let whole = merged.rows.images().collect::<std::result::Result<Vec<_>, _>>().map_err(codec)?;
    let mut scripts = Vec::new();
    Writer { reading: wide, limit, scripts: &mut scripts }.replace(&merged.keys, &whole)?;
    Writer { reading, limit, scripts: &mut scripts }.rows("INSERT INTO", &absent, "")?;
    Ok(scripts)
}
