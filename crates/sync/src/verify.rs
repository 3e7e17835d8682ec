//! Comparing both sides row by row: matched, different, missing, extra.
//!
//! Both sides are read whole, side by side, in whatever order they come; a row waits in memory as two hashes and its key until its like shows up at the other
//! side. As both sides are mostly in the same order, few wait at a time. Where that does not hold, memory stays bounded all the same: the keys are cut into parts by
//! their hash, and the tables are read once for each part.
//!
//! While changes flow a row may differ only because it is on its way: what differs is read again, by key, before it is called drift.

use crate::apply::{key_only, key_text};
use crate::context::FlowContext;
use crate::fold::key_hash;
use crate::mapping::TableMap;
use crate::observe::Event;
use crate::snapshot::unchanged;
use crate::{Result, SyncError};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tidelock_endpoint::{CaptureKind, Endpoint};
use tidelock_model::{CodecError, Image, Rows, RowsWriter, Slot, Table, canonical_hash};
use tokio::sync::mpsc;

/// Rows of one part: about 100 bytes each may wait at the worst.
const PART_ROWS: u64 = 1_000_000;
/// Differing rows that are read again; a table that differs in more is not equal, whatever is on its way.
const RECHECK_ROWS: usize = 10_000;
/// Keys told by name.
const NAMED: usize = 20;

/// What the comparison of one table found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// The source's table.
    pub table: String,
    /// Rows equal on both sides.
    pub matched: u64,
    /// Rows with one key and other values.
    pub different: u64,
    /// Rows that only the source has.
    pub missing: u64,
    /// Rows that only the target has.
    pub extra: u64,
    /// The first of them: `different id=7 (name)`, `missing id=8`, `extra id=9`.
    pub examples: Vec<String>,
}

impl TableReport {
    /// Both sides are equal.
    pub fn is_clean(&self) -> bool {
        self.different + self.missing + self.extra == 0
    }
}

/// An image of which only the key's slots are filled.
type Key = Box<[u8]>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Source,
    Target,
}

struct Waiting {
    side: Origin,
    row: u128,
    key: Box<[u8]>,
}

/// What one reading of both sides found.
#[derive(Default)]
struct Tally {
    matched: u64,
    /// Keys of rows that differ: they are looked at again. As many as are kept; the others are only counted.
    suspects: Vec<Box<[u8]>>,
    different: u64,
    missing: u64,
    extra: u64,
    /// Where only these are asked for: the keys of all rows of these kinds.
    only: Option<(Vec<Kind>, Vec<Key>)>,
}

impl Tally {
    fn differs(&mut self, kind: Kind, key: Box<[u8]>) {
        if let Some((kinds, keys)) = &mut self.only {
            keys.extend(Some(key).filter(|_| kinds.contains(&kind)));
            return;
        }
        if self.suspects.len() < RECHECK_ROWS {
            self.suspects.push(key);
            return;
        }
        match kind {
            Kind::Different => self.different += 1,
            Kind::Missing => self.missing += 1,
            Kind::Extra => self.extra += 1,
            Kind::Equal => self.matched += 1,
        }
    }
}

/// Compares one table. `rechecks`: how often what differs is read again, half a second apart.
pub async fn table(context: &FlowContext, map: &Arc<TableMap>, rechecks: u32) -> Result<TableReport> {
    let mut tally = Tally::default();
    let parts = parts(context, map).await?;
    for part in 0..parts {
        compare_part(context, map, (part, parts), &mut tally).await?;
    }
    let Tally { mut matched, mut suspects, different, missing, extra, only: _ } = tally;
    let total = suspects.len();
    for _ in 0..rechecks {
        if suspects.is_empty() || total >= RECHECK_ROWS {
            break;
        }
        tokio::select! {
            () = context.cancel.cancelled() => return Err(SyncError::Cancelled),
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
        suspects = recheck(context, map, &suspects).await?;
    }
    matched += (total - suspects.len()) as u64;
    let table = map.source.name.to_string();
    let mut report = TableReport { table, matched, different, missing, extra, examples: Vec::new() };
    let detailed = look_again(context, map, &suspects).await?;
    for (kind, text) in detailed {
        match kind {
            Kind::Different => report.different += 1,
            Kind::Missing => report.missing += 1,
            Kind::Extra => report.extra += 1,
            Kind::Equal => report.matched += 1,
        }
        if kind != Kind::Equal && report.examples.len() < NAMED {
            report.examples.push(text);
        }
    }
    let TableReport { matched, different, missing, extra, .. } = report;
    let (job, table) = (context.flow.job.clone(), report.table.clone());
    context.observer.event(&Event::Verified { job, table, matched, different, missing, extra });
    Ok(report)
}

/// Of one part of the keys (see [`parts`]) the rows that stand so to the other side's, as images of which only the key's slots are filled.
pub async fn keys(
    context: &FlowContext,
    map: &Arc<TableMap>,
    part: (u64, u64),
    kinds: &[Kind],
) -> Result<Vec<Box<[u8]>>> {
    let mut tally = Tally { only: Some((kinds.to_vec(), Vec::new())), ..Tally::default() };
    compare_part(context, map, part, &mut tally).await?;
    Ok(tally.only.map_or_else(Vec::new, |(_, keys)| keys))
}

/// One pass over both sides for the keys of one part; counts them into `tally`.
async fn compare_part(
    context: &FlowContext,
    map: &Arc<TableMap>,
    (part, parts): (u64, u64),
    tally: &mut Tally,
) -> Result<()> {
    let flow = &context.flow;
    let mut source =
        read_all(&context.source, context.capture, map.source.clone(), Some(map.clone()), &flow.source)
            .await?;
    let kind = *context.target.capabilities().captures.first().unwrap_or(&CaptureKind::Log);
    let mut target = read_all(&context.target, kind, map.target.clone(), None, &flow.target).await?;
    let mut waiting: HashMap<u128, Waiting> = HashMap::new();
    let mut scratch = Vec::new();
    let (mut source_open, mut target_open) = (true, true);
    while source_open || target_open {
        let (side, rows) = tokio::select! {
            () = context.cancel.cancelled() => return Err(SyncError::Cancelled),
            rows = source.recv(), if source_open => (Origin::Source, rows),
            rows = target.recv(), if target_open => (Origin::Target, rows),
        };
        let Some(rows) = rows else {
            if side == Origin::Source {
                source_open = false
            } else {
                target_open = false
            }
            continue;
        };
        let rows = rows?;
        if side == Origin::Source {
            let (job, table) = (flow.job.clone(), map.source.name.to_string());
            context.observer.event(&Event::Rows { job, table, rows: rows.len() as u64 });
        }
        for image in rows.images() {
            let image = image?;
            let key = key_hash(&map.target, image, &mut scratch)?;
            if key as u64 % parts != part {
                continue;
            }
            let row = row_hash(image, &mut scratch)?;
            match waiting.remove(&key) {
                None => {
                    let key_image = key_only(&map.target, image)?;
                    waiting.insert(key, Waiting { side, row, key: key_image });
                }
                Some(other) if other.side == side => {
                    let message = format!(
                        "table {} holds two rows with the key {}",
                        map.source.name,
                        key_text(map, image)?
                    );
                    return Err(SyncError::stopped("TL-VERIFY-DOUBLE-KEY", message));
                }
                Some(other) if other.row == row => tally.matched += 1,
                Some(other) => tally.differs(Kind::Different, other.key),
            }
        }
    }
    for alone in waiting.into_values() {
        let kind = if alone.side == Origin::Source { Kind::Missing } else { Kind::Extra };
        tally.differs(kind, alone.key);
    }
    Ok(())
}

/// How many parts the keys are cut into: decided once, so that every key is in one of them.
pub async fn parts(context: &FlowContext, map: &TableMap) -> Result<u64> {
    let table = std::slice::from_ref(&map.source);
    let counts = count_at(&context.source, context.capture, table, &context.flow.source).await?;
    let there = count_at_target(context, std::slice::from_ref(&map.target)).await?;
    let rows = counts.iter().sum::<u64>();
    let parts = rows.max(there.iter().sum()).div_ceil(PART_ROWS).max(1);
    let (job, table) = (context.flow.job.clone(), map.source.name.to_string());
    context.observer.event(&Event::TablePlanned { job, table, rows: rows * parts });
    Ok(parts)
}

fn row_hash(image: Image<'_>, scratch: &mut Vec<u8>) -> Result<u128> {
    let mut fault = None;
    let slots = image.slots().map_while(|slot| slot.map_err(|e| fault = Some(e)).ok());
    let hash = canonical_hash(slots, scratch);
    match fault {
        Some(fault) => Err(fault.into()),
        None => Ok(hash),
    }
}

/// The rows of a table, in pieces.
pub type Stream = mpsc::Receiver<Result<Rows>>;

/// Reads a whole table into a small channel, mapped.
pub async fn read_all(
    endpoint: &Arc<dyn Endpoint>,
    kind: CaptureKind,
    table: Arc<Table>,
    map: Option<Arc<TableMap>>,
    name: &str,
) -> Result<Stream> {
    let at = SyncError::at(name);
    let mut source = endpoint.source(kind).await.map_err(&at)?;
    let snapshot = source.snapshot(std::slice::from_ref(&table), 1).await.map_err(&at)?;
    if map.is_some() {
        unchanged(&**endpoint, std::slice::from_ref(&table)).await?;
    }
    let chunks = snapshot.chunks(&table, 100_000).await.map_err(&at)?;
    let mut reader = snapshot.reader().await.map_err(&at)?;
    let (send, receive) = mpsc::channel(4);
    let name = name.to_owned();
    tokio::spawn(async move {
        let read = async {
            for chunk in &chunks {
                reader.open(&table, chunk).await?;
                while let Some(rows) = reader.next().await? {
                    let rows = match &map {
                        Some(map) => map.rows(rows),
                        None => Ok(rows),
                    };
                    if send.send(rows).await.is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        };
        if let Err(error) = read.await {
            // The receiver is gone only when nobody wants to know.
            drop(send.send(Err(SyncError::Endpoint { endpoint: name, source: error })).await);
        }
        drop((snapshot, source));
    });
    Ok(receive)
}

/// The rows that each of these tables of the target has now, in one view.
pub async fn count_at_target(context: &FlowContext, tables: &[Arc<Table>]) -> Result<Vec<u64>> {
    let kind = *context.target.capabilities().captures.first().unwrap_or(&CaptureKind::Log);
    count_at(&context.target, kind, tables, &context.flow.target).await
}

async fn count_at(
    endpoint: &Arc<dyn Endpoint>,
    kind: CaptureKind,
    tables: &[Arc<Table>],
    name: &str,
) -> Result<Vec<u64>> {
    let at = SyncError::at(name);
    let mut source = endpoint.source(kind).await.map_err(&at)?;
    let snapshot = source.snapshot(tables, 1).await.map_err(&at)?;
    let mut counts = Vec::with_capacity(tables.len());
    for table in tables {
        counts.push(snapshot.count(table).await.map_err(&at)?);
    }
    Ok(counts)
}

/// How the two sides stand at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Both have the same row.
    Equal,
    /// Both have a row, with other values.
    Different,
    /// Only the source has one.
    Missing,
    /// Only the target has one.
    Extra,
}

/// Reads the suspects again on both sides and keeps those that still differ.
async fn recheck(
    context: &FlowContext,
    map: &Arc<TableMap>,
    suspects: &[Box<[u8]>],
) -> Result<Vec<Box<[u8]>>> {
    let kinds = look_again(context, map, suspects).await?;
    Ok(suspects
        .iter()
        .zip(kinds)
        .filter(|(_, (kind, _))| *kind != Kind::Equal)
        .map(|(key, _)| key.clone())
        .collect())
}

async fn look_again(
    context: &FlowContext,
    map: &Arc<TableMap>,
    keys: &[Box<[u8]>],
) -> Result<Vec<(Kind, String)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (mut of_source, mut of_target) =
        (RowsWriter::new(map.source.clone()), RowsWriter::new(map.target.clone()));
    for key in keys {
        of_target.image(Image::from_bytes(key));
        of_source.image(Image::from_bytes(&map.source_key(Image::from_bytes(key))?));
    }
    let flow = &context.flow;
    let mut source = context.source.source(context.capture).await.map_err(SyncError::at(&flow.source))?;
    let kind = *context.target.capabilities().captures.first().unwrap_or(&CaptureKind::Log);
    let mut target = context.target.source(kind).await.map_err(SyncError::at(&flow.target))?;
    let there = map.rows(source.read(&of_source.take()).await.map_err(SyncError::at(&flow.source))?)?;
    let here = target.read(&of_target.take()).await.map_err(SyncError::at(&flow.target))?;
    let (there, here) = (by_key(map, &there)?, by_key(map, &here)?);
    let mut scratch = Vec::new();
    keys.iter()
        .map(|key| {
            let image = Image::from_bytes(key);
            let hash = key_hash(&map.target, image, &mut scratch)?;
            let text = key_text(map, image)?;
            Ok(match (there.get(&hash), here.get(&hash)) {
                (None, None) => (Kind::Equal, text),
                (Some(_), None) => (Kind::Missing, format!("missing {text}")),
                (None, Some(_)) => (Kind::Extra, format!("extra {text}")),
                (Some(a), Some(b)) => {
                    let columns = differing(map, *a, *b)?;
                    match columns.is_empty() {
                        true => (Kind::Equal, text),
                        false => (Kind::Different, format!("different {text} ({})", columns.join(", "))),
                    }
                }
            })
        })
        .collect()
}

fn by_key<'r>(map: &TableMap, rows: &'r Rows) -> Result<HashMap<u128, Image<'r>>> {
    let mut scratch = Vec::new();
    rows.images()
        .map(|image| {
            let image = image?;
            Ok((key_hash(&map.target, image, &mut scratch)?, image))
        })
        .collect()
}

fn differing(map: &TableMap, a: Image<'_>, b: Image<'_>) -> std::result::Result<Vec<String>, CodecError> {
    let mut scratch = Vec::new();
    let mut names = Vec::new();
    for ((column, a), b) in map.target.columns.iter().zip(a.slots()).zip(b.slots()) {
        let mut hash = |slot: Slot<'_>| canonical_hash(std::iter::once(slot), &mut scratch);
        if hash(a?) != hash(b?) {
            names.push(column.name.clone());
        }
    }
    Ok(names)
}
