//! Updates of some columns that pass a unique value from one row to another.
//!
//! One UPDATE after the other would meet the value where it still is. So the rows are read, locked, the new values laid over them, and the whole rows put in place of the
//! old ones, which all go first.

use crate::Result;
use crate::error;
use crate::read::Reading;
use tidelock_endpoint::Update;
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
