//! Updates of some columns that pass a unique value from one row to another.
//!
//! One UPDATE after the other would meet the value where it still is. So the rows are read, locked, the new values laid over them, and the whole rows put in place of the
//! old ones, which all go first.

use crate::Result;
use crate::connect::Session;
use crate::error;
use crate::keep;
use crate::read::{Reading, by_key};
use crate::statements::{Script, Writer};
use tidelock_endpoint::{Merged, Update};
use tidelock_model::Slot;

/// Whether more than one of the updates gives a new value to a column that must be unique.
pub(crate) fn needed(reading: &Reading, updates: &[Update<'_>]) -> Result<bool> {
    if updates.len() < 2 {
        return Ok(false);
    }
    let there = &reading.layout.table;
    let unique = |column: usize| {
        let place = reading.places[column];
        let special = reading.layout.more_unique && !reading.layout.special_indexes.is_empty();
        special || there.indexes.iter().any(|i| i.unique && i.columns.contains(&place))
    };
    let mut touching = 0;
    for update in updates {
        let mut old = update.key.slots();
        for (i, slot) in update.set.slots().enumerate() {
            let old = old.next().transpose().map_err(error::codec)?;
            let slot = slot.map_err(error::codec)?;
            let key_moves = reading.table.key.contains(&i) && old.is_some_and(|old| old != slot);
            if slot != Slot::NotSent && (unique(i) || key_moves) {
                touching += 1;
                break;
            }
        }
    }
    Ok(touching > 1)
}

/// What puts whole rows in place of those that the updates change, and how many of these are not there.
pub(crate) async fn merged(
    session: &mut Session,
    reading: &Reading,
    updates: &[Update<'_>],
    limit: usize,
) -> Result<(Vec<Script>, u64)> {
    let over = match &reading.wide {
        Some(wide) => {
            keep::check(reading, wide)?;
            wide
        }
        None => reading,
    };
    let keys = keep::widened(over, updates.iter().map(|u| u.key))?;
    let sets = keep::widened(over, updates.iter().map(|u| u.set))?;
    let updates = keys.images().zip(sets.images()).map(|(key, set)| Ok(Update { key: key?, set: set? }));
    let updates = updates.collect::<std::result::Result<Vec<_>, _>>().map_err(error::codec)?;
    let there = by_key(session, over, &Merged::wanted(&over.table, &updates), " FOR UPDATE").await?;
    let merged = Merged::new(&over.table, &updates, &there).map_err(error::codec)?;
    let rows = merged.rows.images().collect::<std::result::Result<Vec<_>, _>>().map_err(error::codec)?;
    let mut scripts = Vec::new();
    Writer { reading: over, limit, scripts: &mut scripts }.replace(&merged.keys, &rows)?;
    Ok((scripts, merged.missing))
}
