//! Two-way: rows that the source changed and that are gone at the target.
//!
//! Somebody deleted them at the target, and which row it was that they deleted can no longer be seen there. It may be an older one than what comes in: then
//! the other end, where the row is, refuses the delete and keeps the row. It may be a newer one, which overrode what comes in: then the other end takes
//! the newer row and then its delete, and has nothing. Deciding alone, this end would be wrong in one of the two cases. So it waits until the other direction has
//! brought the delete over, reads what the source has then, and holds that against what is here, like a row of a first copy.
//!
//! ```text
//!   target   change, delete ──────────────────┐ (gone)   │ place asked for        ┌─▶ what the source has, or nothing
//!   source        change ──▶ gone there: unsettled       └─▶ delivered to here ── read
//! ```
//!
//! Invariant: what is unsettled stands in the checkpoint that commits with the transactions it came from, until it is settled in one.

use super::Delivery;
use super::assemble::Assembler;
use crate::apply::{Decided, apply, read_source};
use crate::capture::Reached;
use crate::checkpoint::Unsettled;
use crate::context::FlowContext;
use crate::fold::{Fold, key_hash};
use crate::mapping::TableMap;
use crate::resolve::{Conflict, Rule};
use crate::{Result, SyncError};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tidelock_endpoint::CaptureKind;
use tidelock_model::{Change, Image, Operation, Position, RowsWriter};
use tokio::sync::watch;

/// How far a flow is: everything up to `sequence` is at its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrived {
    /// By the journal of the flow's source.
    pub sequence: u64,
    /// No row of that waits for the other direction.
    pub settled: bool,
}

/// The other direction of a two-way job.
#[derive(Clone)]
pub struct Opposite {
    /// How far it is.
    pub arrived: watch::Receiver<Option<Arrived>>,
    /// How far its source, which is this flow's target, was read.
    pub reached: watch::Receiver<Reached>,
}

/// Most rows that are settled in one transaction.
const PIECE: usize = 1000;

/// What was unsettled when the target's history ended at `head`.
pub struct Asked {
    count: usize,
    head: Position,
    sequence: Option<u64>,
}

impl Delivery<'_> {
    /// Settles what the other direction has brought over by now. Only between transactions.
    pub(super) async fn settle(&mut self, assembler: &Assembler) -> Result<()> {
        let Some(opposite) = self.opposite.clone() else { return Ok(()) };
        if self.state.unsettled.is_empty() {
            return Ok(());
        }
        let mut asked = match self.asked.take() {
            Some(asked) => asked,
            None => {
                Asked { count: self.state.unsettled.len(), head: head(self.context).await?, sequence: None }
            }
        };
        if !self.brought_over(&opposite, &mut asked)? {
            self.asked = Some(asked);
            return Ok(());
        }
        // What came for the same rows since is in what the source has now.
        let settled: Vec<Unsettled> = self.state.unsettled.drain(..asked.count.min(PIECE)).collect();
        for row in &settled {
            self.unsettled.remove(row);
        }
        asked.count -= settled.len();
        if asked.count > 0 {
            self.asked = Some(asked);
        }
        let maps = self.context.flow.tables.clone();
        let mut fold = Fold::default();
        for map in &maps {
            let of_table: Vec<&Unsettled> = settled.iter().filter(|u| u.table == map.target.name).collect();
            if !of_table.is_empty() {
                self.ask(map, &of_table, &mut fold).await?;
            }
        }
        self.begin(None).await?;
        apply(self.context, &mut *self.target, &mut fold, &mut self.decisions).await?;
        self.write_checkpoint(assembler).await?;
        let conflicts = std::mem::take(&mut self.decisions.conflicts);
        crate::conflicts::record(self.context, self.log, &conflicts)
    }

    /// Whether everything that the target's history held when it was asked for is at the source.
    fn brought_over(&self, opposite: &Opposite, asked: &mut Asked) -> Result<bool> {
        if asked.sequence.is_none() {
            let reached = opposite.reached.borrow().clone();
            let Some(position) = &reached.position else { return Ok(false) };
            let target = &self.context.target;
            let order = target.compare(position, &asked.head).map_err(SyncError::at(target.name()))?;
            asked.sequence = (order != Ordering::Less).then_some(reached.sequence);
        }
        let arrived = *opposite.arrived.borrow();
        Ok(asked.sequence.is_some_and(|goal| arrived.is_some_and(|a| a.sequence >= goal)))
    }

    /// Folds in what the source has of these rows now. A row that it has no more stays deleted, which is told.
    async fn ask(&mut self, map: &Arc<TableMap>, unsettled: &[&Unsettled], fold: &mut Fold) -> Result<()> {
        let mut scratch = Vec::new();
        let mut keys: HashMap<u128, &Unsettled> = HashMap::new();
        for row in unsettled {
            keys.insert(key_hash(&map.target, Image::from_bytes(&row.key), &mut scratch)?, row);
        }
        let mut wanted = RowsWriter::new(map.source.clone());
        for row in keys.values() {
            wanted.image(Image::from_bytes(&map.source_key(Image::from_bytes(&row.key))?));
        }
        let found = read_source(self.context, &wanted.take()).await?;
        for image in found.images() {
            let after = Some(image?);
            let change = Change { table: &map.source, operation: Operation::Insert, before: None, after };
            fold.add(map, &change)?;
        }
        let mut there = HashSet::new();
        for image in map.rows(found)?.images() {
            there.insert(key_hash(&map.target, image?, &mut scratch)?);
        }
        for (_, row) in keys.into_iter().filter(|(hash, _)| !there.contains(hash)) {
            self.decisions.conflicts.push(Decided {
                table: row.table.to_string(),
                key: crate::apply::key_text(map, Image::from_bytes(&row.key))?,
                conflict: Conflict::UpdateMissing,
                rule: Rule::LastUpdateWins,
                incoming: None,
                current: None,
            });
        }
        Ok(())
    }
}

/// The end of the target's history.
async fn head(context: &FlowContext) -> Result<Position> {
    let target = &context.target;
    let at = SyncError::at(target.name());
    let kind = *target.capabilities().captures.first().unwrap_or(&CaptureKind::Log);
    let mut session = target.source(kind).await.map_err(&at)?;
    session.head().await.map_err(&at)
}
