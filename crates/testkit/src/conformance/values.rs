//! "Snapshot and stream render every value identically", and every value arrives as it was.

use super::stage::{Stage, checkpoint, read_all};
use super::{Check, check, dialect};
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use tidelock_endpoint::{Checkpoint, Delta, WriteMode};
use tidelock_model::{Image, RowsWriter, Table};

pub(crate) const CHECKS: &[Check] = &[
    check!("snapshot and stream render every value identically", alike),
    check!("every value that is loaded arrives as it was", loaded),
    check!("every value that is applied arrives as it was", applied),
    check!("rows read by key are rendered as the snapshot renders them", read_alike),
];

/// Makes the table `wide` (`id` and a column of every kind) and adds its rows with ids from `first` on.
async fn fill(stage: &Stage, first: usize) -> Result<usize> {
    let (columns, rows) = dialect::wide(stage.kind());
    if first == 0 {
        let columns: Vec<String> = columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        stage.sql(&format!("CREATE TABLE wide (id int PRIMARY KEY, {})", columns.join(", "))).await?;
    }
    for (n, row) in rows.iter().enumerate() {
        stage.sql(&format!("INSERT INTO wide VALUES ({}, {})", first + n, row.join(", "))).await?;
    }
    Ok(rows.len())
}

/// The rows of `wide`, by id: the octets of each slot but the id's.
async fn rows(stage: &Stage) -> Result<Vec<Vec<u8>>> {
    let tables = [stage.table("wide").await?];
    let mut source = stage.source().await?;
    let snapshot = source.snapshot(&tables, 1).await?;
    let mut rows = Vec::new();
    for (_, bytes) in read_all(&*snapshot, &tables, 1, 1000).await? {
        rows.push((super::stage::id(Image::from_bytes(&bytes))?, bytes));
    }
    rows.sort();
    Ok(rows.into_iter().map(|(_, bytes)| bytes).collect())
}

/// Says which columns differ.
fn compare(table: &Table, what: &str, one: &[u8], other: &[u8]) -> Result<()> {
    let slots = |bytes| Image::from_bytes(bytes).slots().collect::<Result<Vec<_>, _>>();
    let (a, b) = (slots(one)?, slots(other)?);
    ensure!(
        a.len() == b.len() && a.len() == table.columns.len(),
        "{what}: {} and {} columns",
        a.len(),
        b.len()
    );
    let mut different = Vec::new();
    for (i, column) in table.columns.iter().enumerate().skip(1) {
        let raw = |bytes| -> Result<Vec<u8>> {
            let mut slots = Image::from_bytes(bytes).slots();
            for _ in 0..i {
                slots.next();
            }
            Ok(slots.next_raw().context("a slot")??.to_vec())
        };
        if raw(one)? != raw(other)? {
            different.push(format!("{} {}: {:?} and {:?}", column.name, column.native, a[i], b[i]));
        }
    }
    ensure!(different.is_empty(), "{what}: {}", different.join("; "));
    Ok(())
}

async fn alike(stage: Stage) -> Result<()> {
    let n = fill(&stage, 0).await?;
    let (_source, prepared) = stage.captured(&["wide"]).await?;
    fill(&stage, 100).await?;
    let snapshot = rows(&stage).await?;
    ensure!(snapshot.len() == 2 * n, "{} rows", snapshot.len());
    let mut follower = stage.follow(&["wide"], &prepared.start, &prepared).await?;
    let done = follower.transactions(n).await?;
    let mut faults = Vec::new();
    for (i, transaction) in done.iter().enumerate() {
        let change = &transaction.changes[0];
        let streamed = change.after().context("after")?.as_bytes();
        for (row, what) in
            [(&snapshot[n + i], "the same row"), (&snapshot[i], "the same values in another row")]
        {
            faults.extend(compare(&change.table, &format!("row {i}, {what}"), row, streamed).err());
        }
    }
    ensure!(faults.is_empty(), "snapshot and stream differ: {faults:#?}");
    Ok(())
}

async fn read_alike(stage: Stage) -> Result<()> {
    let n = fill(&stage, 0).await?;
    let snapshot = rows(&stage).await?;
    let table = stage.table("wide").await?;
    let mut writer = RowsWriter::new(table.clone());
    snapshot.iter().for_each(|row| writer.image(Image::from_bytes(row)));
    let keys = writer.take();
    let mut found = Vec::new();
    for image in stage.source().await?.read(&keys).await?.images() {
        let image = image?;
        found.push((super::stage::id(image)?, image.as_bytes().to_vec()));
    }
    found.sort();
    ensure!(found.len() == n, "{} of {n} rows", found.len());
    found
        .iter()
        .zip(&snapshot)
        .try_for_each(|((id, row), expected)| compare(&table, &format!("row {id}"), expected, row))
}

/// `wide` here, and an empty copy of it in another database, made by `Target::prepare`.
async fn two(stage: &Stage) -> Result<(Stage, Arc<Table>, Vec<Vec<u8>>)> {
    fill(stage, 0).await?;
    let (source, snapshot) = (stage.table("wide").await?, rows(stage).await?);
    let other = stage.another().await?;
    other.target("job").await?.prepare(stage.engine(), std::slice::from_ref(&source)).await?;
    let table = other.table("wide").await?;
    let types =
        |t: &Table| t.columns.iter().map(|c| (c.name.clone(), c.data_type.clone())).collect::<Vec<_>>();
    ensure!(
        types(&table) == types(&source),
        "the copy has other types: {:?} and {:?}",
        types(&table),
        types(&source)
    );
    Ok((other, table, snapshot))
}

async fn loaded(stage: Stage) -> Result<()> {
    let (other, table, snapshot) = two(&stage).await?;
    for mode in [WriteMode::Insert, WriteMode::Upsert] {
        let mut target = other.target("job").await?;
        let mut loader = target.loader().await?;
        loader.begin(&table, mode, "shop").await?;
        let mut writer = RowsWriter::new(table.clone());
        snapshot.iter().for_each(|row| writer.image(Image::from_bytes(row)));
        loader.load(&writer.take()).await?;
        let lane = "snapshot/wide/0".to_owned();
        loader.commit(&Checkpoint { job: "job".into(), lane, state: "{}".into() }).await?;
        arrived(&other, &table, &snapshot, &format!("{mode:?}")).await?;
    }
    Ok(())
}

async fn applied(stage: Stage) -> Result<()> {
    let (other, table, snapshot) = two(&stage).await?;
    let mut target = other.target("job").await?;
    for upsert in [false, true] {
        let mut delta = Delta::new(&table);
        let images = snapshot.iter().map(|row| Image::from_bytes(row));
        if upsert {
            delta.upserts = images.collect();
        } else {
            delta.inserts = images.collect();
        }
        target.begin("shop").await?;
        target.apply(&[delta]).await?;
        target.commit(&checkpoint("job", "1"), &[]).await?;
        arrived(&other, &table, &snapshot, if upsert { "upsert" } else { "insert" }).await?;
    }
    target.begin("shop").await?;
    let keys = {
        let mut writer = RowsWriter::new(table.clone());
        snapshot.iter().for_each(|row| writer.image(Image::from_bytes(row)));
        writer.take()
    };
    ensure!(target.read(&keys).await?.len() == snapshot.len(), "the target reads them by key");
    target.rollback().await?;
    Ok(())
}

async fn arrived(other: &Stage, table: &Table, snapshot: &[Vec<u8>], how: &str) -> Result<()> {
    let there = rows(other).await?;
    ensure!(there.len() == snapshot.len(), "{how}: {} of {} rows", there.len(), snapshot.len());
    let faults: Vec<_> = snapshot
        .iter()
        .zip(&there)
        .enumerate()
        .filter_map(|(n, (sent, found))| compare(table, &format!("{how}, row {n}"), sent, found).err())
        .collect();
    ensure!(faults.is_empty(), "values arrived changed: {faults:#?}");
    Ok(())
}
