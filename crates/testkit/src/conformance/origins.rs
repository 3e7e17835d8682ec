//! Origin marks: what tidelock wrote is recognised, whatever else writes at the same time.

use super::stage::{Stage, checkpoint, rows, whole};
use super::{Check, check};
use anyhow::{Result, ensure};
use tidelock_endpoint::{Checkpoint, Delta, WriteMode};
use tidelock_model::Image;

pub(crate) const CHECKS: &[Check] = &[
    check!("what a target wrote comes back with its origin, and others' work has none", applied),
    check!("what a loader wrote comes back with its origin", loaded),
    check!("each origin comes back by its own name", several),
];

async fn applied(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    let (table, mut target) = (stage.table("orders").await?, stage.target("job").await?);
    target.prepare(stage.engine(), &[]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'a user', 1)").await?;
    for id in [2, 3] {
        let row = whole(id, "tidelock", 1);
        target.begin("shop").await?;
        target.apply(&[Delta { upserts: vec![Image::from_bytes(&row)], ..Delta::new(&table) }]).await?;
        target.commit(&checkpoint("job", "1"), &[]).await?;
    }
    stage.sql("INSERT INTO orders VALUES (4, 'a user', 1)").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    follower.until("the last insert", |f| f.done.last().is_some_and(|t| t.ids() == [4])).await?;
    let found: Vec<_> = follower
        .done
        .iter()
        .filter(|t| !t.changes.is_empty())
        .map(|t| (t.ids(), t.origin.as_deref()))
        .collect();
    let expected = [(vec![1], None), (vec![2], Some("shop")), (vec![3], Some("shop")), (vec![4], None)];
    ensure!(found == expected, "{found:?}");
    ensure!(
        follower.done.iter().flat_map(|t| &t.changes).all(|c| c.table.name.name == "orders"),
        "tidelock's own tables are not told"
    );
    Ok(())
}

async fn loaded(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    let (table, mut target) = (stage.table("orders").await?, stage.target("job").await?);
    target.prepare(stage.engine(), &[]).await?;
    let mut loader = target.loader().await?;
    for (n, mode) in [WriteMode::Insert, WriteMode::Upsert].into_iter().enumerate() {
        loader.begin(&table, mode, "shop").await?;
        loader.load(&rows(&table, &[whole(n as i64, "loaded", 1)])).await?;
        loader
            .commit(&Checkpoint {
                job: "job".into(),
                lane: format!("snapshot/orders/{n}"),
                state: "1".into(),
            })
            .await?;
    }
    stage.sql("INSERT INTO orders VALUES (9, 'a user', 1)").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    follower.until("the last insert", |f| f.done.last().is_some_and(|t| t.ids() == [9])).await?;
    for transaction in follower.done.iter().filter(|t| !t.changes.is_empty()) {
        let expected = if transaction.ids() == [9] { None } else { Some("shop") };
        ensure!(transaction.origin.as_deref() == expected, "{transaction:?}");
    }
    Ok(())
}

async fn several(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    let table = stage.table("orders").await?;
    let (mut one, mut two) = (stage.target("one").await?, stage.target("two").await?);
    one.prepare(stage.engine(), &[]).await?;
    for n in 0..3 {
        for (target, origin, id) in [(&mut one, "shop", n), (&mut two, "Till-2_a", 100 + n)] {
            let row = whole(id, "tidelock", 1);
            target.begin(origin).await?;
            target.apply(&[Delta { upserts: vec![Image::from_bytes(&row)], ..Delta::new(&table) }]).await?;
            target.commit(&checkpoint(if id < 100 { "one" } else { "two" }, "1"), &[]).await?;
        }
    }
    stage.sql("INSERT INTO orders VALUES (900, 'a user', 1)").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    follower.until("the last insert", |f| f.done.last().is_some_and(|t| t.ids() == [900])).await?;
    let found: Vec<_> = follower
        .done
        .iter()
        .filter(|t| !t.changes.is_empty())
        .map(|t| (t.ids()[0], t.origin.as_deref()))
        .collect();
    let (a, b) = (Some("shop"), Some("Till-2_a"));
    ensure!(found == [(0, a), (100, b), (1, a), (101, b), (2, a), (102, b), (900, None)], "{found:?}");
    Ok(())
}
