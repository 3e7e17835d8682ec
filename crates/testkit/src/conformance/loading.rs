//! `Loader`.

use super::stage::{Stage, rows, whole};
use super::{Check, check};
use anyhow::{Context, Result, ensure};
use tidelock_endpoint::{Checkpoint, WriteMode};

pub(crate) const CHECKS: &[Check] = &[
    check!("a loaded chunk is there with its checkpoint, inserted or replaced by key", modes),
    check!("a chunk that was not committed leaves nothing", uncommitted),
    check!("loaders work side by side", side_by_side),
];

fn lane(n: usize) -> Checkpoint {
    Checkpoint {
        job: "job".into(),
        lane: format!("snapshot/orders/{n}"),
        state: format!("{{\"chunk\":{n}}}"),
    }
}

async fn modes(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (table, mut target) = (stage.table("orders").await?, stage.target("job").await?);
    target.prepare(stage.engine(), &[]).await?;
    let mut loader = target.loader().await?;
    for (n, mode) in [WriteMode::Insert, WriteMode::Upsert].into_iter().enumerate() {
        loader.begin(&table, mode, "shop").await?;
        for part in 0..3 {
            let images: Vec<_> = (0..2000)
                .map(|i| whole(part * 2000 + i, "tab\there, \\ and \"quotes\", ä😀\n", n as i64))
                .collect();
            loader.load(&rows(&table, &images)).await?;
        }
        ensure!(target.checkpoints().await?.len() == n, "not before it is committed");
        loader.commit(&lane(n)).await?;
        let found = stage.items("orders").await?;
        let right = found.values().all(|(note, qty)| {
            note.as_deref() == Some("tab\there, \\ and \"quotes\", ä😀\n") && *qty == Some(n as i64)
        });
        ensure!(found.len() == 6000 && right, "{mode:?}: {} rows", found.len());
        ensure!(target.checkpoints().await?.contains(&lane(n)), "{mode:?}: its checkpoint");
    }
    loader.begin(&table, WriteMode::Upsert, "shop").await?;
    loader.commit(&lane(9)).await.context("a chunk without rows")?;
    ensure!(target.checkpoints().await?.contains(&lane(9)), "its checkpoint is there too");
    Ok(())
}

async fn uncommitted(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (table, mut target) = (stage.table("orders").await?, stage.target("job").await?);
    target.prepare(stage.engine(), &[]).await?;
    for mode in [WriteMode::Insert, WriteMode::Upsert] {
        let mut loader = target.loader().await?;
        loader.begin(&table, mode, "shop").await?;
        loader.load(&rows(&table, &[whole(1, "never", 1)])).await?;
        drop(loader);
        let mut loader = target.loader().await?;
        loader.begin(&table, WriteMode::Upsert, "shop").await?;
        loader.load(&rows(&table, &[whole(2, "kept", 2)])).await?;
        loader.commit(&lane(2)).await?;
        let found = stage.items("orders").await?;
        ensure!(found.len() == 1 && found.contains_key(&2), "{mode:?}: {found:?}");
    }
    Ok(())
}

async fn side_by_side(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (table, mut target) = (stage.table("orders").await?, stage.target("job").await?);
    target.prepare(stage.engine(), &[]).await?;
    let abreast = stage.endpoint.capabilities().parallel_loads.clamp(1, 4);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..abreast {
        let (mut loader, table) = (target.loader().await?, table.clone());
        tasks.spawn(async move {
            for chunk in 0..3 {
                let first = (chunk * 4 + n) as i64 * 1000;
                let images: Vec<_> = (first..first + 1000).map(|i| whole(i, "row", i)).collect();
                loader.begin(&table, WriteMode::Insert, "shop").await?;
                loader.load(&rows(&table, &images)).await?;
                loader.commit(&lane(chunk * 4 + n)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    ensure!(stage.items("orders").await?.len() == abreast * 3000, "every row of every loader");
    ensure!(target.checkpoints().await?.len() == abreast * 3, "every checkpoint");
    Ok(())
}
