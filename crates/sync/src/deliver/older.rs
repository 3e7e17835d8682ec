//! Rows that went at the source before the view that their table was copied from again.
//!
//! A copy over rows that are there puts every row of its view at the target, and takes none away. Those that went between the job's place and the view are told by the
//! stream; but a row that went may have come back before the view, and is then of the copy. So the source is asked, for all of them at once: what it does
//! not have goes. What it lost behind the view may go early; what it got since comes with the stream.

use crate::apply::read_source;
use crate::context::FlowContext;
use crate::fold::key_hash;
use crate::mapping::TableMap;
use crate::{Result, SyncError};
use std::collections::HashSet;
use std::sync::Arc;
use tidelock_endpoint::{Delta, Target};
use tidelock_model::{Image, RowsWriter};

/// Deletes those of the rows that the source does not have, in the target's open transaction. Each with the mapping of its table and the key as the source's columns have it.
pub async fn remove(
    context: &FlowContext,
    target: &mut dyn Target,
    mut doubtful: Vec<(Arc<TableMap>, Vec<u8>)>,
) -> Result<()> {
    while let Some((map, _)) = doubtful.first() {
        let map = map.clone();
        let (of_table, others): (Vec<_>, Vec<_>) =
            doubtful.into_iter().partition(|(m, _)| m.source.name == map.source.name);
        doubtful = others;
        let mut wanted = RowsWriter::new(map.source.clone());
        of_table.iter().for_each(|(_, key)| wanted.image(Image::from_bytes(key)));
        let wanted = wanted.take();
        let mut scratch = Vec::new();
        let mut there = HashSet::new();
        for image in map.rows(read_source(context, &wanted).await?)?.images() {
            there.insert(key_hash(&map.target, image?, &mut scratch)?);
        }
        let mut gone = RowsWriter::new(map.target.clone());
        let mut key = Vec::new();
        for image in wanted.images() {
            key.clear();
            map.key_slots(&map.slots(image?)?, &mut key);
            // Each once, too.
            if there.insert(key_hash(&map.target, Image::from_bytes(&key), &mut scratch)?) {
                gone.image(Image::from_bytes(&key));
            }
        }
        let gone = gone.take();
        let mut delta = Delta::new(&map.target);
        delta.deletes = gone.images().collect::<std::result::Result<_, _>>()?;
        if !delta.deletes.is_empty() {
            target.apply(&[delta]).await.map_err(SyncError::at(&context.flow.target))?;
        }
    }
    Ok(())
}
