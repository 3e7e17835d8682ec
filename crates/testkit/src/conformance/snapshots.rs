//! `Snapshot`, `ChunkReader` and `Source::read`.

use super::stage::{Stage, Stop, id, key, plain, read_all, rows, told};
use super::{Check, check, dialect};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidelock_model::{Image, Slot};

pub(crate) const CHECKS: &[Check] = &[
    check!("the chunks of a table hold every row exactly once", every_row_once),
    check!("chunks hold every row once whatever the key", other_keys),
    check!("an empty table has one chunk without rows", empty_table),
    check!("a chunk can be read again under another snapshot", chunk_again),
    check!("a snapshot is one moment for all its readers, whatever is written meanwhile", one_moment),
    check!("opening a chunk drops the one before", open_drops),
    check!("rows are read by their keys, as they are now", read_by_key),
];

async fn every_row_once(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    for statement in dialect::fill("orders", 20_000) {
        stage.sql(&statement).await?;
    }
    stage.sql("DELETE FROM orders WHERE id > 3000 AND id < 9000").await?;
    stage.sql("INSERT INTO orders VALUES (-5, 'below', 1), (2000000000, 'far off', 1)").await?;
    let tables = stage.tables(&["orders"]).await?;
    let mut source = stage.source().await?;
    let readers = stage.endpoint.capabilities().parallel_loads.clamp(1, 3);
    let snapshot = source.snapshot(&tables, readers).await?;
    let chunks = snapshot.chunks(&tables[0], 1000).await?;
    ensure!(chunks.len() > 3, "14,000 rows in chunks of 1,000 are {} chunks", chunks.len());
    let read = read_all(&*snapshot, &tables, readers, 1000).await?;
    let mut ids = Vec::new();
    for (_, bytes) in &read {
        let image = Image::from_bytes(bytes);
        ensure!(image.is_complete()?, "every column is sent");
        ids.push(id(image)?);
    }
    ids.sort_unstable();
    let expected: Vec<i64> = stage.items("orders").await?.into_keys().collect();
    ensure!(ids == expected, "{} rows were read, {} are there", ids.len(), expected.len());
    stage.sql("INSERT INTO orders VALUES (-6, 'behind the view', 1)").await?;
    let count = snapshot.count(&tables[0]).await?;
    ensure!(count == ids.len() as u64, "{count} rows are counted in the view, {} were read", ids.len());
    Ok(())
}

async fn other_keys(stage: Stage) -> Result<()> {
    let (text, backslash) = (stage.dialect().key_text, stage.dialect().backslash);
    stage.sql(&format!("CREATE TABLE named (name {text} NOT NULL PRIMARY KEY, qty int)")).await?;
    stage
        .sql(&format!("CREATE TABLE pairs (a {text} NOT NULL, b int NOT NULL, qty int, PRIMARY KEY (a, b))"))
        .await?;
    stage.sql("CREATE TABLE keyless (a int, qty int)").await?;
    let names = [
        "a",
        "B",
        "b",
        "Z",
        "z",
        "ä",
        "É",
        "o''brien",
        "100%",
        "x_y",
        "back\\slash",
        "",
        " lead",
        "😀",
        "zz",
        "Zz1",
    ];
    let mut session = stage.db.session().await?;
    let mut expected = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    for n in 0..600 {
        let name = names[n % 16].replace('\\', backslash);
        let name = format!("{name}-{n}");
        session.execute(&format!("INSERT INTO named VALUES ('{name}', {n})")).await?;
        session.execute(&format!("INSERT INTO pairs VALUES ('{}', {n}, {n})", names[n % 4])).await?;
        session.execute(&format!("INSERT INTO keyless VALUES ({}, {n})", n % 3)).await?;
        expected.iter_mut().for_each(|set| set.extend([n.to_string()]));
    }
    let tables = stage.tables(&["named", "pairs", "keyless"]).await?;
    let mut source = stage.source().await?;
    let snapshot = source.snapshot(&tables, 1).await?;
    let mut found = [Vec::new(), Vec::new(), Vec::new()];
    for (table, bytes) in read_all(&*snapshot, &tables, 1, 50).await? {
        let last = tables[table].columns.len() - 1;
        let value = Image::from_bytes(&bytes).slot(last)?.value().context("every column is sent")?;
        found[table].push(plain(&value).context("a number")?);
    }
    for (n, (found, expected)) in found.into_iter().zip(expected).enumerate() {
        ensure!(
            found.len() == expected.len(),
            "{}: {} rows were read, {} are there",
            tables[n].name,
            found.len(),
            expected.len()
        );
        ensure!(
            found.into_iter().collect::<BTreeSet<_>>() == expected,
            "{}: rows came twice",
            tables[n].name
        );
    }
    Ok(())
}

async fn empty_table(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let tables = stage.tables(&["orders"]).await?;
    let mut source = stage.source().await?;
    let snapshot = source.snapshot(&tables, 1).await?;
    ensure!(snapshot.chunks(&tables[0], 100).await?.len() == 1, "one chunk");
    ensure!(read_all(&*snapshot, &tables, 1, 100).await?.is_empty(), "no rows");
    Ok(())
}

async fn chunk_again(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    for statement in dialect::fill("orders", 1000) {
        stage.sql(&statement).await?;
    }
    let tables = stage.tables(&["orders"]).await?;
    let mut source = stage.source().await?;
    let snapshot = source.snapshot(&tables, 1).await?;
    let chunks = snapshot.chunks(&tables[0], 100).await?;
    drop((snapshot, source));
    stage.sql("INSERT INTO orders VALUES (-1, 'new', 1), (500000, 'new', 1)").await?;
    stage.sql("DELETE FROM orders WHERE id = 500").await?;
    let text = serde_json::to_string(&chunks)?;
    let chunks: Vec<tidelock_endpoint::Chunk> = serde_json::from_str(&text)?;
    let mut source = stage.source().await?;
    let snapshot = source.snapshot(&tables, 1).await?;
    let mut reader = snapshot.reader().await?;
    let mut ids = Vec::new();
    for chunk in &chunks {
        reader.open(&tables[0], chunk).await?;
        while let Some(rows) = reader.next().await? {
            for image in rows.images() {
                ids.push(id(image?)?);
            }
        }
    }
    ids.sort_unstable();
    let expected: Vec<i64> = stage.items("orders").await?.into_keys().collect();
    ensure!(
        ids == expected,
        "the chunks cover every row of a later snapshot too: {} of {}",
        ids.len(),
        expected.len()
    );
    Ok(())
}

async fn one_moment(stage: Stage) -> Result<()> {
    let stage = Arc::new(stage.with(&["debit", "credit"]).await?);
    for n in 0..200 {
        let table = if n % 2 == 0 { "debit" } else { "credit" };
        stage.sql(&format!("INSERT INTO {table} VALUES ({n}, 'account', 1000)")).await?;
    }
    let (stop, stopped) = Stop::new();
    let writer = tokio::spawn({
        let stage = stage.clone();
        async move {
            let mut session = stage.db.session().await?;
            let mut n = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                n += 7;
                session.execute("BEGIN").await?;
                session
                    .execute(&format!("UPDATE debit SET qty = qty - 1 WHERE id = {}", n % 100 * 2))
                    .await?;
                session
                    .execute(&format!("UPDATE credit SET qty = qty + 1 WHERE id = {}", n % 99 * 2 + 1))
                    .await?;
                session.execute("COMMIT").await?;
                tokio::task::yield_now().await;
            }
            anyhow::Ok(n)
        }
    });
    let writes = "SELECT CASE WHEN sum(qty) < 100000 THEN 1 ELSE 0 END FROM debit";
    stage.db.wait_for(writes, "1", Duration::from_secs(40)).await?;
    let readers = stage.endpoint.capabilities().parallel_loads.clamp(1, 3);
    let tables = stage.tables(&["debit", "credit"]).await?;
    for _ in 0..10 {
        let mut source = stage.source().await?;
        let snapshot = source.snapshot(&tables, readers).await?;
        let all = read_all(&*snapshot, &tables, readers, 20).await?;
        let mut sum = 0;
        for (_, bytes) in &all {
            sum += told(Image::from_bytes(bytes))?.1.flatten().context("a number")?;
        }
        ensure!(all.len() == 200 && sum == 200_000, "{} accounts hold {sum}, not 200000", all.len());
    }
    drop(stop);
    ensure!(writer.await?? > 0, "the writer wrote meanwhile");
    Ok(())
}

async fn open_drops(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    for statement in dialect::fill("orders", 1000) {
        stage.sql(&statement).await?;
    }
    let tables = stage.tables(&["orders"]).await?;
    let mut source = stage.source().await?;
    let snapshot = source.snapshot(&tables, 1).await?;
    let chunks = snapshot.chunks(&tables[0], 1_000_000).await?;
    let mut reader = snapshot.reader().await?;
    reader.open(&tables[0], &chunks[0]).await?;
    reader.next().await?.context("rows")?;
    let mut read = 0;
    for chunk in &chunks {
        reader.open(&tables[0], chunk).await?;
        while let Some(rows) = reader.next().await? {
            read += rows.len();
        }
    }
    ensure!(read == 1000, "{read} rows were read anew, 1000 are there");
    Ok(())
}

async fn read_by_key(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'a', 10), (2, NULL, NULL), (3, 'c', 30)").await?;
    let table = stage.table("orders").await?;
    let mut source = stage.source().await?;
    let keys = rows(&table, &[key(3), key(2), key(99)]);
    let found = source.read(&keys).await?;
    let mut seen = Vec::new();
    for image in found.images() {
        let image = image?;
        ensure!(image.slots().all(|s| s.is_ok_and(|s| s != Slot::NotSent)), "whole rows");
        seen.push((id(image)?, told(image)?));
    }
    seen.sort();
    let expected = [(2, (Some(None), Some(None))), (3, (Some(Some("c".to_owned())), Some(Some(30))))];
    ensure!(seen == expected, "{seen:?}");
    stage.sql("UPDATE orders SET qty = 31 WHERE id = 3").await?;
    let again = source.read(&rows(&table, &[key(3)])).await?;
    let image = again.images().next().context("a row")??;
    ensure!(told(image)?.1 == Some(Some(31)), "as they are now");
    ensure!(source.read(&rows(&table, &[])).await?.is_empty(), "no keys, no rows");
    Ok(())
}
