//! A row event's rows, as they are handed out.
//!
//! Where images are not full, the key of an update is filled in from before the update, and a new row that is not whole is refused.

use crate::Result;
use crate::binlog::Reader;
use crate::binlog::rows::{RowsEvent, RowsKind, bit, image};
use crate::codec::{Fault, Scratch};
use crate::definitions::Mapped;
use crate::error::{precondition, protocol};
use std::cell::{Cell, RefCell};
use tidelock_endpoint::EndpointError;
use tidelock_model::{BatchWriter, CodecError, Image, ImageWriter, Slot, Table, Value};

/// The origin in the first row of our own table.
pub(crate) fn origin(
    mapped: &Mapped,
    event: &RowsEvent<'_>,
    rows: &[u8],
    scratch: &mut Scratch,
) -> Result<Option<String>> {
    let mut slots = Vec::new();
    let mut reader = Reader(rows);
    image(&mapped.columns, event.first, &mut reader, scratch, &mut ImageWriter::new(&mut slots))
        .map_err(|f| broken(mapped, f))?;
    match Image::from_bytes(&slots).slot(0).map_err(crate::error::codec)?.value() {
        Some(Value::Text(origin)) => Ok(Some(origin.to_owned())),
        _ => Ok(None),
    }
}

pub(crate) fn write_rows(
    writer: &mut BatchWriter,
    mapped: &Mapped,
    event: &RowsEvent<'_>,
    rows: &[u8],
    scratch: &mut Scratch,
) -> Result<()> {
    // Two closures read one after the other from the same place.
    let (rest, scratch) = (Cell::new(Reader(rows)), RefCell::new(scratch));
    let read = |present: &[u8], out: &mut ImageWriter<'_>| {
        let mut reader = rest.get();
        image(&mapped.columns, present, &mut reader, &mut scratch.borrow_mut(), out)
            .map_err(|f| broken(mapped, f))?;
        rest.set(reader);
        Ok::<_, EndpointError>(())
    };
    if event.kind == RowsKind::Insert {
        whole(mapped, event.first)?;
    }
    // The row's key is known from before where an update does not tell it again.
    let keyless = event.kind == RowsKind::Update
        && mapped
            .table
            .key
            .iter()
            .map(|k| mapped.logged[*k])
            .any(|k| bit(event.first, k) && !bit(event.second, k));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    while !rest.get().0.is_empty() {
        let left = rest.get().0.len();
        match event.kind {
            RowsKind::Insert => writer.insert(&mapped.table, |out| read(event.first, out))?,
            RowsKind::Delete => writer.delete(&mapped.table, |out| read(event.first, out))?,
            RowsKind::Update if keyless => {
                before.clear();
                after.clear();
                read(event.first, &mut ImageWriter::new(&mut before))?;
                read(event.second, &mut ImageWriter::new(&mut after))?;
                let (before, after) = (Image::from_bytes(&before), Image::from_bytes(&after));
                let told = |out: &mut ImageWriter<'_>| with_key(&mapped.table, before, after, out);
                let old = |out: &mut ImageWriter<'_>| {
                    before.slots().try_for_each(|s| {
                        out.slot(&s?);
                        Ok(())
                    })
                };
                writer.update(&mapped.table, old, told).map_err(crate::error::codec)?;
            }
            RowsKind::Update => {
                writer.update(&mapped.table, |out| read(event.first, out), |out| read(event.second, out))?;
            }
        }
        if rest.get().0.len() == left {
            return Err(protocol("a row of no octets"));
        }
    }
    Ok(())
}

/// `after`, with the slots of the key from `before` where they were not sent.
fn with_key(
    table: &Table,
    before: Image<'_>,
    after: Image<'_>,
    out: &mut ImageWriter<'_>,
) -> std::result::Result<(), CodecError> {
    for (i, (old, new)) in before.slots().zip(after.slots()).enumerate() {
        match new? {
            Slot::NotSent if table.key.contains(&i) => out.slot(&old?),
            new => out.slot(&new),
        }
    }
    Ok(())
}

/// A new row of which columns were left to their defaults comes without them, and nothing tells what they are.
fn whole(mapped: &Mapped, present: &[u8]) -> Result<()> {
    let columns = mapped.table.columns.iter().zip(&mapped.logged);
    let missing: Vec<&str> =
        columns.filter(|(_, place)| !bit(present, **place)).map(|(c, _)| c.name.as_str()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("a new row of {} comes without {}", mapped.table.name, missing.join(", "));
    Err(precondition("TL-MY-ROW-IMAGE", message).hint(
        "SET GLOBAL binlog_row_image = 'FULL', let all sessions connect anew, then copy with `tidelock sync --full`",
    ))
}

pub(crate) fn at(fault: Fault) -> EndpointError {
    protocol(fault.0)
}

fn broken(mapped: &Mapped, (column, fault): (usize, Fault)) -> EndpointError {
    let place = mapped.logged.iter().position(|l| *l == column);
    let name = place.map_or("a generated column", |p| mapped.table.columns[p].name.as_str());
    let hint = format!(
        "{}, then copy anew with `tidelock sync --full`: those that are in the log stay there",
        fault.remedy(&mapped.table.name, name)
    );
    protocol(format!("{}.{name}: {}", mapped.table.name, fault.0)).hint(hint)
}
