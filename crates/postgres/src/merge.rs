//! Updates of some columns that pass a unique value from one row to another.
//!
//! One statement would meet the value where it still is. So the rows are read, locked, and the new values laid over them: whole rows, to be put in
//! place of the old ones, which all go first.

use crate::Result;
use crate::connect::Session;
use crate::error;
use crate::read::{Reading, by_key, key_hash};
use std::collections::HashMap;
use tidelock_endpoint::Update;
use tidelock_model::{Image, Rows, RowsWriter, Slot};

/// Whole rows in place of updates.
pub(crate) struct Merged<'u> {
    /// The keys of the rows that are there, before the update.
    pub keys: Vec<Image<'u>>,
    /// What they become.
    pub rows: Rows,
    /// Updates whose row is not there.
    pub missing: u64,
}

/// Reads the rows and lays the updates over them.
pub(crate) async fn merged<'u>(
    session: &Session,
    reading: &Reading,
    updates: &[Update<'u>],
) -> Result<Merged<'u>> {
    let table = &reading.table;
    let mut wanted = RowsWriter::new(table.clone());
    updates.iter().for_each(|update| wanted.image(update.key));
    let there = by_key(session, reading, &wanted.take(), true).await?;
    let mut scratch = Vec::new();
    let mut found = HashMap::with_capacity(there.len());
    for image in there.images() {
        let image = image.map_err(error::codec)?;
        found.insert(key_hash(table, image, &mut scratch)?, image);
    }
    let mut rows = RowsWriter::new(table.clone());
    let (mut keys, mut missing) = (Vec::with_capacity(updates.len()), 0);
    for update in updates {
        let Some(row) = found.get(&key_hash(table, update.key, &mut scratch)?) else {
            missing += 1;
            continue;
        };
        keys.push(update.key);
        rows.row(|out| {
            for (old, new) in row.slots().zip(update.set.slots()) {
                match new? {
                    Slot::NotSent => out.slot(&old?),
                    new => out.slot(&new),
                }
            }
            Ok(())
        })
        .map_err(error::codec)?;
    }
    Ok(Merged { keys, rows: rows.take(), missing })
}
