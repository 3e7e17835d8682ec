//! Cutting batches at commits.

use std::sync::Arc;
use tidelock_model::{Batch, CodecError, Position, Record};

/// The end of a transaction within a batch.
pub(crate) struct End {
    /// Octets of the batch up to and with the commit.
    pub(crate) offset: usize,
    /// The position that the commit tells.
    pub(crate) position: Position,
}

/// Where the `n`th commit (from 1) of a batch ends.
pub(crate) fn commit_end(batch: &Batch, n: u64) -> Result<Option<End>, CodecError> {
    let mut records = batch.records();
    let mut seen = 0;
    while let Some(record) = records.next() {
        if let Record::Commit { position } = record? {
            seen += 1;
            if seen == n {
                let offset = batch.bytes().len() - records.remaining();
                return Ok(Some(End { offset, position: Position::new(position) }));
            }
        }
    }
    Ok(None)
}

/// The batch up to `end`.
pub(crate) fn head(batch: &Batch, end: End) -> Result<Batch, CodecError> {
    Batch::from_parts(batch.tables().to_vec(), batch.bytes()[..end.offset].to_vec(), Some(end.position))
}

/// The batch behind `end`.
pub(crate) fn rest(batch: &Arc<Batch>, end: &End) -> Result<Batch, CodecError> {
    Batch::from_parts(batch.tables().to_vec(), batch.bytes()[end.offset..].to_vec(), batch.resume().cloned())
}
