//! One fold into the target's open transaction: one-way as it is, two-way after every row was held against the target's own.

use crate::checkpoint::Unsettled;
use crate::context::FlowContext;
use crate::fold::{After, Before, Choice, Entry, Fold, key_hash};
use crate::mapping::TableMap;
use crate::plan::TwoWay;
use crate::resolve::{Conflict, Incoming, Resolution, Rule, resolve};
use crate::{Result, SyncError};
use std::collections::HashMap;
use tidelock_endpoint::{Delta, EndpointError, ErrorKind, Target};
use tidelock_model::{Image, ImageWriter, Rows, RowsWriter, Slot, Table, TableName, Value, canonical_hash};

/// A conflict that the incoming change lost, for the log. Written once the transaction is durable. The other end sees the same conflict and overwrites what
/// is told here, so that it is recorded at one end only.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The target's table.
    pub table: String,
    /// The key, as text.
    pub key: String,
    /// What it is.
    pub conflict: Conflict,
    /// What decided.
    pub rule: Rule,
    /// The incoming row, as text; none for a delete, and for a row that waited for the other direction and is kept by its key alone.
    pub incoming: Option<String>,
    /// The row at the target, as text; none where it was gone.
    pub current: Option<String>,
}

/// What came up while a fold was applied, to be written down with the transaction or after it.
#[derive(Debug, Default)]
pub struct Decisions {
    /// Conflicts.
    pub conflicts: Vec<Decided>,
    /// What the source has to decide.
    pub unsettled: Vec<Unsettled>,
    /// Two-way: deletes may be older than what the other direction's first copy wrote at the source.
    pub during_copy: bool,
}

/// Applies a fold. What it asks of the source is answered first; what it decided about conflicts is added to `decisions`.
pub async fn apply(
    context: &FlowContext,
    target: &mut dyn Target,
    fold: &mut Fold,
    decisions: &mut Decisions,
) -> Result<()> {
    if fold.is_empty() {
        return Ok(());
    }
    for (table, keys) in fold.questions()? {
        fold.answer(table, read_source(context, &keys).await?)?;
    }
    let fold = &*fold;
    let at = SyncError::at(&context.flow.target);
    let back = if decisions.during_copy { brought_back(context, fold).await? } else { HashMap::new() };
    let deltas = match &context.flow.two_way {
        None => fold.deltas(|_, _| Choice::Write),
        Some(policy) => {
            let (choices, kept) = decide(policy, target, fold, &back, decisions, &at).await?;
            let mut deltas = fold.deltas(|table, entry| choices[table][entry]);
            deltas.extend(kept);
            deltas
        }
    };
    let applied = target.apply(&deltas).await.map_err(&at)?;
    if applied.present > 0 {
        let message = "a row appeared at the target between reading and writing it";
        return Err(at(EndpointError::new(ErrorKind::Contention, "TL-SYNC-RACE", message)));
    }
    if applied.missing > 0 {
        fill_missing(context, target, fold).await?;
    }
    Ok(())
}

/// A choice for each entry of each table, as `Fold::tables` counts them; and the rows that stay, of those that are `back` at the source.
async fn decide<'b>(
    policy: &TwoWay,
    target: &mut dyn Target,
    fold: &'b Fold,
    back: &'b HashMap<&'b TableName, Rows>,
    decisions: &mut Decisions,
    at: &(impl Fn(EndpointError) -> SyncError + Sync),
) -> Result<(Vec<Vec<Choice>>, Vec<Delta<'b>>)> {
    let (mut choices, mut kept) = (Vec::new(), Vec::new());
    let mut scratch = Vec::new();
    if let Some(table) = fold.truncated() {
        let message = format!(
            "all rows of {table} were removed at once at the other side (TRUNCATE, or the table was made anew): a two-way job cannot tell which rows of \
             this side that meant; remove the rows here that shall go, then run `tidelock sync --full`"
        );
        return Err(SyncError::stopped("TL-SYNC-TWO-WAY-TRUNCATE", message));
    }
    for (map, entries) in fold.tables() {
        let current = read(target, map, fold, entries).await.map_err(at)?;
        let rows = by_key(&map.target, &current)?;
        let back = back.get(&map.target.name).map(|back| by_key(&map.target, back)).transpose()?;
        let mut stays = Delta::new(&map.target);
        let version = policy.version.get(&map.target.name).copied();
        let version = version.ok_or_else(|| {
            SyncError::stopped("TL-SYNC-NO-VERSION", format!("{} has no version column", map.target.name))
        })?;
        let mut of_table = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = key_hash(&map.target, fold.image(&entry.key), &mut scratch)?;
            let here = rows.get(&key).copied();
            let back = back.as_ref().and_then(|back| back.get(&key));
            of_table.push(match (back, &entry.after) {
                (Some(row), After::Gone) => {
                    // One that was changed here goes to the source, and is held against the row there.
                    if is_uncrossed(fold, entry, here)? {
                        stays.upserts.push(*row);
                    }
                    Choice::Drop
                }
                _ => choose(policy, map, fold, entry, here, version, decisions)?,
            });
        }
        choices.push(of_table);
        kept.extend(Some(stays).filter(|delta| delta.rows() > 0));
    }
    Ok((choices, kept))
}

/// Of the rows that `fold` deletes those that the source has all the same, by the target's table. The other direction's first copy looked at this end before the
/// delete came here and at the source after it: it took the row for one that the source lacks, and wrote it there. Nobody else tells this end of that, as the row
/// came from here; so it stays, as the source has it. A row too many can be deleted again.
async fn brought_back<'f>(context: &FlowContext, fold: &'f Fold) -> Result<HashMap<&'f TableName, Rows>> {
    let mut back = HashMap::new();
    for (map, entries) in fold.tables() {
        let mut wanted = RowsWriter::new(map.source.clone());
        for entry in entries.iter().filter(|e| e.after == After::Gone) {
            wanted.image(Image::from_bytes(&map.source_key(fold.image(&entry.key))?));
        }
        if !wanted.is_empty() {
            back.insert(&map.target.name, map.rows(read_source(context, &wanted.take()).await?)?);
        }
    }
    Ok(back)
}

/// What the source has under these keys now.
pub async fn read_source(context: &FlowContext, keys: &Rows) -> Result<Rows> {
    let at = SyncError::at(&context.flow.source);
    let mut source = context.source.source(context.capture).await.map_err(&at)?;
    source.read(keys).await.map_err(&at)
}

/// Rows by the hash of their keys.
fn by_key<'r>(table: &Table, rows: &'r Rows) -> Result<HashMap<u128, Image<'r>>> {
    let mut scratch = Vec::new();
    let keyed = |image: std::result::Result<Image<'r>, _>| {
        let image = image?;
        Ok((key_hash(table, image, &mut scratch)?, image))
    };
    rows.images().map(keyed).collect()
}

fn choose(
    policy: &TwoWay,
    map: &TableMap,
    fold: &Fold,
    entry: &Entry,
    here: Option<Image<'_>>,
    version: usize,
    decisions: &mut Decisions,
) -> Result<Choice> {
    let after = match &entry.after {
        After::Gone | After::Ask => None,
        After::Whole(span) | After::Some(span) => Some(fold.image(span)),
    };
    if let (Some(after), Some(here)) = (after, here)
        && same(after, here)?
    {
        return Ok(Choice::Drop);
    }
    let incoming = Incoming {
        uncrossed: is_uncrossed(fold, entry, here)?,
        inserted: entry.before == Before::Absent,
        after: after.map(|a| value(a, version).map(|v| v.unwrap_or(Value::Null))).transpose()?,
    };
    let current = here.map(|h| value(h, version).map(|v| v.unwrap_or(Value::Null))).transpose()?;
    match resolve(&incoming, current, policy.source_first) {
        Resolution::Nothing => return Ok(Choice::Drop),
        Resolution::Current(conflict, rule) => {
            decisions.conflicts.push(Decided {
                table: map.target.name.to_string(),
                key: key_text(map, fold.image(&entry.key))?,
                conflict,
                rule,
                incoming: after.map(|i| row_text(map, i)).transpose()?,
                current: here.map(|i| row_text(map, i)).transpose()?,
            });
            return Ok(Choice::Drop);
        }
        Resolution::AskSource => {
            let key = key_only(&map.target, fold.image(&entry.key))?;
            decisions.unsettled.push(Unsettled { table: map.target.name.clone(), key });
            return Ok(Choice::Drop);
        }
        Resolution::Incoming(..) | Resolution::Apply => {}
    }
    Ok(if here.is_none() { Choice::Insert } else { Choice::Write })
}

/// Both sides made the same change: there is nothing to decide.
fn same(a: Image<'_>, b: Image<'_>) -> Result<bool> {
    let mut scratch = Vec::new();
    let mut hash = |image: Image<'_>| {
        let slots = image.slots().collect::<std::result::Result<Vec<_>, _>>()?;
        Ok::<_, SyncError>(canonical_hash(slots.into_iter(), &mut scratch))
    };
    Ok(hash(a)? == hash(b)?)
}

/// The row here is the one that the source saw before its change.
fn is_uncrossed(fold: &Fold, entry: &Entry, here: Option<Image<'_>>) -> Result<bool> {
    match (&entry.before, here) {
        (Before::Was(span), Some(here)) => unchanged(fold.image(span), here),
        _ => Ok(false),
    }
}

/// What was sent of the row before the change is what stands here. A version alone would not tell: two writers may forget to raise it.
fn unchanged(before: Image<'_>, here: Image<'_>) -> Result<bool> {
    let mut scratch = Vec::new();
    let mut hash = |slot: Slot<'_>| canonical_hash(std::iter::once(slot), &mut scratch);
    for (before, here) in before.slots().zip(here.slots()) {
        let before = before?;
        if before != Slot::NotSent && hash(before) != hash(here?) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn value(image: Image<'_>, column: usize) -> Result<Option<Value<'_>>> {
    Ok(image.slot(column)?.value())
}

/// The target's rows for these entries.
async fn read(
    target: &mut dyn Target,
    map: &TableMap,
    fold: &Fold,
    entries: &[Entry],
) -> tidelock_endpoint::Result<Rows> {
    let mut keys = RowsWriter::new(map.target.clone());
    entries.iter().for_each(|e| keys.image(fold.image(&e.key)));
    target.read(&keys.take()).await
}

/// Updates of which only some columns are known and whose row is not at the target: during a catch-up the row may be gone at the source, too; else
/// it is fetched from there, whole. One query at each side for each table.
async fn fill_missing(context: &FlowContext, target: &mut dyn Target, fold: &Fold) -> Result<()> {
    let mut source =
        context.source.source(context.capture).await.map_err(SyncError::at(&context.flow.source))?;
    let mut scratch = Vec::new();
    for (map, entries) in fold.tables() {
        let mut keys = RowsWriter::new(map.target.clone());
        for entry in entries {
            if let After::Some(set) = &entry.after {
                keys.image(fold.image(set));
            }
        }
        if keys.is_empty() {
            continue;
        }
        let keys = keys.take();
        let at = SyncError::at(&context.flow.target);
        let there = target.read(&keys).await.map_err(&at)?;
        let mut present = std::collections::HashSet::new();
        for image in there.images() {
            present.insert(key_hash(&map.target, image?, &mut scratch)?);
        }
        let mut wanted = RowsWriter::new(map.source.clone());
        for image in keys.images() {
            let image = image?;
            if !present.contains(&key_hash(&map.target, image, &mut scratch)?) {
                wanted.image(Image::from_bytes(&map.source_key(image)?));
            }
        }
        let found = source.read(&wanted.take()).await.map_err(SyncError::at(&context.flow.source))?;
        let rows = map.rows(found)?;
        let mut delta = Delta::new(&map.target);
        delta.upserts = rows.images().collect::<std::result::Result<_, _>>()?;
        if !delta.upserts.is_empty() {
            target.apply(&[delta]).await.map_err(&at)?;
        }
    }
    Ok(())
}

/// The image without what is not of its key.
pub fn key_only(table: &Table, image: Image<'_>) -> Result<Box<[u8]>> {
    let mut out = Vec::new();
    let mut writer = ImageWriter::new(&mut out);
    for (place, slot) in image.slots().enumerate() {
        match slot? {
            slot if table.key.contains(&place) => writer.slot(&slot),
            _ => writer.not_sent(),
        }
    }
    Ok(out.into_boxed_slice())
}

/// `id=7, lang=de`.
pub fn key_text(map: &TableMap, image: Image<'_>) -> Result<String> {
    let mut parts = Vec::with_capacity(map.target.key.len());
    for column in &map.target.key {
        let name = &map.target.columns[*column].name;
        parts.push(match image.slot(*column)? {
            Slot::Value(value) => format!("{name}={value}"),
            Slot::NotSent => format!("{name}=(not sent)"),
        });
    }
    Ok(parts.join(", "))
}

/// A row as a JSON object of texts, for the conflict log.
fn row_text(map: &TableMap, image: Image<'_>) -> Result<String> {
    let mut object = serde_json::Map::new();
    for (column, slot) in map.target.columns.iter().zip(image.slots()) {
        if let Slot::Value(value) = slot? {
            object.insert(
                column.name.clone(),
                if value.is_null() { serde_json::Value::Null } else { value.to_string().into() },
            );
        }
    }
    Ok(serde_json::Value::Object(object).to_string())
}
