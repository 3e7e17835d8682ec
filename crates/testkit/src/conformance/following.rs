//! `Source::prepare`, `head`, `stream`, and `ChangeStream`.

use super::follower::LAST;
use super::stage::{Stage, id, told};
use super::{Check, check, dialect};
use anyhow::{Context, Result, ensure};
use std::cmp::Ordering;
use tidelock_endpoint::CaptureKind;
use tidelock_model::Operation;

pub(crate) const CHECKS: &[Check] = &[
    check!("prepare twice makes the capture once", prepare_twice),
    check!("prepare adds tables without losing its place", prepare_more),
    check!("what is forgotten is in the stream no more, and the history begins anew", forget),
    check!("a change committed after prepare is in the stream, and none committed before", after_prepare),
    check!("only the tables asked for are handed out", only_these_tables),
    check!("the stream can be resumed behind every commit and yields exactly the rest", resume_everywhere),
    check!("transactions come in the order of their commits", commit_order)
        .only(|s| !s.dialect().single_writer),
    check!("what was rolled back never comes", rolled_back),
    check!("a large transaction comes in bounded pieces, and others do not interleave", large_transaction),
    check!("progress is told when the log moves with nothing in it for us", progress)
        .only(|s| s.capture == CaptureKind::Log),
    check!("head is at or behind everything committed, and the stream reaches it", head),
    check!("what was not acknowledged comes again, and what was acknowledged is the end of it", acknowledge),
    check!("dropping the future of next loses nothing", next_is_cancel_safe),
    check!("a key change has the key before", key_change),
    check!("a delete has its key", delete),
    check!("truncate is told", truncate).only(|s| s.dialect().truncates),
    check!("an unchanged large value is told as it is or not sent, never as NULL", unchanged_large_value),
];

async fn prepare_twice(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (source, first) = stage.captured(&["orders"]).await?;
    drop(source);
    stage.sql("INSERT INTO orders VALUES (1, 'a', 1)").await?;
    let (_source, second) = stage.captured(&["orders"]).await?;
    let made = !stage.dialect().log_is_there;
    ensure!(first.created == made && !second.created, "created: {}, then {}", first.created, second.created);
    let mut follower = stage.follow(&["orders"], &first.start, &first).await?;
    ensure!(
        follower.transactions(1).await?[0].ids() == [1],
        "the second prepare lost the place of the first"
    );
    Ok(())
}

async fn prepare_more(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders", "customers"]).await?;
    let (source, first) = stage.captured(&["orders"]).await?;
    drop(source);
    stage.sql("INSERT INTO orders VALUES (1, 'a', 1)").await?;
    let (source, _) = stage.captured(&["orders", "customers"]).await?;
    drop(source);
    stage.sql("INSERT INTO customers VALUES (2, 'b', 1)").await?;
    stage.sql("INSERT INTO orders VALUES (3, 'c', 1)").await?;
    let mut follower = stage.follow(&["orders", "customers"], &first.start, &first).await?;
    let ids: Vec<_> = follower.transactions(3).await?.iter().flat_map(|t| t.ids()).collect();
    ensure!(ids == [1, 2, 3], "{ids:?}");
    Ok(())
}

async fn forget(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (mut source, _) = stage.captured(&["orders"]).await?;
    for id in 1..=5 {
        stage.sql(&format!("INSERT INTO orders VALUES ({id}, 'not read', 1)")).await?;
    }
    source.forget().await?;
    source.forget().await?;
    drop(source);
    let (_source, anew) = stage.captured(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (6, 'read', 1)").await?;
    let mut follower = stage.follow(&["orders"], &anew.start, &anew).await?;
    let ids: Vec<_> = follower.transactions(1).await?.iter().flat_map(|t| t.ids()).collect();
    ensure!(ids == [6], "{ids:?}");
    Ok(())
}

async fn after_prepare(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'before', 1)").await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (2, 'after', NULL)").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    follower.transactions(1).await?;
    stage.sql("INSERT INTO orders VALUES (3, NULL, 3)").await?;
    let done = follower.transactions(2).await?;
    ensure!(done[0].ids() == [2] && done[1].ids() == [3], "{done:?}");
    let change = &done[0].changes[0];
    ensure!(change.operation == Operation::Insert && change.before().is_none(), "{change:?}");
    let after = change.after().context("an insert has its row")?;
    ensure!(after.is_complete()?, "an insert has its whole row");
    ensure!(told(after)? == (Some(Some("after".to_owned())), Some(None)), "{:?}", told(after)?);
    follower.nothing_more(&stage).await
}

async fn only_these_tables(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders", "customers", "others"]).await?;
    let (_source, prepared) = stage.captured(&["orders", "customers"]).await?;
    let all = [
        "INSERT INTO customers VALUES (1, '', 1)",
        "INSERT INTO others VALUES (2, '', 1)",
        "INSERT INTO orders VALUES (3, '', 1)",
    ];
    stage.transaction(&all.map(str::to_owned)).await?;
    stage.sql("INSERT INTO others VALUES (4, '', 1)").await?;
    stage.sql("INSERT INTO customers VALUES (5, '', 1)").await?;
    stage.sql("INSERT INTO orders VALUES (6, '', 1)").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    follower.until("the last insert", |f| f.done.last().is_some_and(|t| t.ids() == [6])).await?;
    let ids: Vec<_> = follower.done.iter().flat_map(|t| t.ids()).collect();
    ensure!(ids == [3, 6], "{ids:?}");
    follower.nothing_more(&stage).await
}

async fn resume_everywhere(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (source, prepared) = stage.captured(&["orders"]).await?;
    drop(source);
    for n in 0..8 {
        let mut statements: Vec<String> =
            (0..=n % 3).map(|i| format!("INSERT INTO orders VALUES ({}, 'n', {i})", 10 * n + i)).collect();
        statements.push(format!("UPDATE orders SET qty = 100 WHERE id = {}", 10 * n));
        stage.transaction(&statements).await?;
    }
    let mut whole = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    let all = whole.transactions(8).await?.to_vec();
    drop(whole);
    for (n, transaction) in all.iter().enumerate() {
        let rest = &all[n + 1..];
        let mut follower = stage.follow(&["orders"], &transaction.position, &prepared).await?;
        ensure!(follower.transactions(rest.len()).await? == rest, "behind transaction {n}");
        if rest.is_empty() {
            follower.nothing_more(&stage).await?;
        }
        for other in &all {
            let order = stage.endpoint.compare(&transaction.position, &other.position)?;
            let expected = n.cmp(&all.iter().position(|t| t == other).unwrap_or_default());
            ensure!(
                order == expected,
                "{} and {} compare as {order:?}",
                transaction.position,
                other.position
            );
        }
    }
    Ok(())
}

async fn commit_order(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    let (mut one, mut two) = (stage.db.session().await?, stage.db.session().await?);
    one.execute("BEGIN").await?;
    one.execute("INSERT INTO orders VALUES (1, 'first begun', 1)").await?;
    two.execute("BEGIN").await?;
    two.execute("INSERT INTO orders VALUES (2, 'first committed', 1)").await?;
    one.execute("INSERT INTO orders VALUES (3, 'first begun', 1)").await?;
    two.execute("COMMIT").await?;
    one.execute("COMMIT").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    let ids: Vec<_> = follower.transactions(2).await?.iter().map(|t| t.ids()).collect();
    ensure!(ids == [vec![2], vec![1, 3]], "{ids:?}");
    Ok(())
}

async fn rolled_back(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    let mut session = stage.db.session().await?;
    session.execute("BEGIN").await?;
    session.execute("INSERT INTO orders VALUES (1, 'never', 1)").await?;
    session.execute("ROLLBACK").await?;
    session.execute("BEGIN").await?;
    session.execute("INSERT INTO orders VALUES (2, 'kept', 1)").await?;
    session.execute("SAVEPOINT s").await?;
    session.execute("INSERT INTO orders VALUES (3, 'never', 1)").await?;
    session.execute("ROLLBACK TO SAVEPOINT s").await?;
    session.execute("COMMIT").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    ensure!(follower.transactions(1).await?[0].ids() == [2], "{:?}", follower.done);
    follower.nothing_more(&stage).await
}

async fn large_transaction(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (1000000, 'before', 1)").await?;
    for statement in dialect::fill("orders", 50_000) {
        stage.sql(&statement).await?;
    }
    stage.sql("INSERT INTO orders VALUES (1000001, 'behind', 1)").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    let mut pieces = 0;
    follower
        .until("all", |f| {
            pieces = if f.done.len() == 1 { f.pieces } else { pieces };
            f.done.len() >= 3
        })
        .await?;
    let done = &follower.done;
    ensure!(done[0].ids() == [1_000_000] && done[2].ids() == [1_000_001], "others stand before and behind");
    let mut ids = done[1].ids();
    ids.sort_unstable();
    ensure!(ids.iter().copied().eq(1..=50_000), "{} rows came", ids.len());
    ensure!(pieces > 2, "50,000 changes came in {pieces} pieces");
    Ok(())
}

async fn progress(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders", "others"]).await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    let mut session = stage.db.session().await?;
    for n in 0..20 {
        session.execute(&format!("INSERT INTO others VALUES ({n}, 'foreign', 1)")).await?;
    }
    let moved = |f: &super::follower::Follower| {
        f.resume
            .as_ref()
            .is_some_and(|r| stage.endpoint.compare(r, &prepared.start).is_ok_and(Ordering::is_gt))
    };
    follower.until("progress", moved).await?;
    ensure!(follower.done.is_empty(), "{:?}", follower.done);
    let resume = follower.resume.clone().context("a place to resume")?;
    follower.stream.acknowledge(&resume).await?;
    drop(follower);
    stage.sql("INSERT INTO orders VALUES (1, 'ours', 1)").await?;
    let mut follower = stage.follow(&["orders"], &resume, &prepared).await?;
    ensure!(follower.transactions(1).await?[0].ids() == [1], "resumed behind progress");
    Ok(())
}

async fn head(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (mut source, prepared) = stage.captured(&["orders"]).await?;
    for n in 1..=3 {
        stage.sql(&format!("INSERT INTO orders VALUES ({n}, '', 1)")).await?;
    }
    let head = source.head().await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    let reached = |f: &super::follower::Follower| {
        f.resume.as_ref().is_some_and(|r| stage.endpoint.compare(r, &head).is_ok_and(Ordering::is_ge))
    };
    follower.until(&format!("the head {head}, with no further traffic"), reached).await?;
    let ids: Vec<_> = follower.done.iter().flat_map(|t| t.ids()).collect();
    ensure!(ids == [1, 2, 3], "everything committed before is at or before the head: {ids:?}");
    stage.sql("INSERT INTO orders VALUES (4, '', 1)").await?;
    let last = follower.transactions(4).await?[3].position.clone();
    ensure!(stage.endpoint.compare(&last, &head)?.is_gt(), "{last} was committed behind {head}");
    Ok(())
}

async fn acknowledge(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (source, prepared) = stage.captured(&["orders"]).await?;
    drop(source);
    for n in 1..=5 {
        stage.sql(&format!("INSERT INTO orders VALUES ({n}, '', 1)")).await?;
    }
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    let all = follower.transactions(5).await?.to_vec();
    follower.stream.acknowledge(&all[2].position).await?;
    drop(follower);
    let mut follower = stage.follow(&["orders"], &all[2].position, &prepared).await?;
    ensure!(follower.transactions(2).await? == &all[3..], "what was not acknowledged comes again");
    follower.stream.acknowledge(&all[4].position).await?;
    follower.nothing_more(&stage).await?;
    drop(follower);
    stage.sql("INSERT INTO orders VALUES (6, '', 1)").await?;
    let mut follower = stage.follow(&["orders"], &all[4].position, &prepared).await?;
    let ids: Vec<_> = follower.transactions(2).await?.iter().map(|t| t.ids()).collect();
    ensure!(ids == [[LAST], [6]], "{ids:?}");
    Ok(())
}

async fn next_is_cancel_safe(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    let mut session = stage.db.session().await?;
    for n in 1..=60 {
        session.execute(&format!("INSERT INTO orders VALUES ({n}, '', 1)")).await?;
        let wait = std::time::Duration::from_micros(n * 100);
        let done = follower.done.len();
        drop(tokio::time::timeout(wait, follower.until("one more", |f| f.done.len() > done)).await);
    }
    let ids: Vec<_> = follower.transactions(60).await?.iter().flat_map(|t| t.ids()).collect();
    ensure!(ids.iter().copied().eq(1..=60), "{ids:?}");
    Ok(())
}

async fn key_change(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'moves', 1), (2, 'stays', 2)").await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    stage.sql("UPDATE orders SET id = 9 WHERE id = 1").await?;
    stage.sql("UPDATE orders SET qty = 3 WHERE id = 2").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    let done = follower.transactions(2).await?;
    let old_and_new: Vec<(i64, i64)> = match &done[0].changes[..] {
        [one] => vec![(
            id(one.before().context("a key change has a before image")?)?,
            id(one.after().context("an update has an after image")?)?,
        )],
        // A delete and an insert say the same.
        [gone, new] => vec![(id(gone.before().context("before")?)?, id(new.after().context("after")?)?)],
        other => anyhow::bail!("{other:?}"),
    };
    ensure!(old_and_new == [(1, 9)], "{old_and_new:?}");
    let update = &done[1].changes[0];
    ensure!(
        update.operation == Operation::Update && id(update.after().context("after")?)? == 2,
        "{update:?}"
    );
    ensure!(
        update.before().is_none_or(|b| id(b).is_ok_and(|id| id == 2)),
        "a before image tells at least the key"
    );
    ensure!(told(update.after().context("after")?)?.1 == Some(Some(3)), "{update:?}");
    Ok(())
}

async fn delete(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)").await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    stage.sql("DELETE FROM orders WHERE id >= 2").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    let done = follower.transactions(1).await?;
    ensure!(
        done[0].changes.iter().all(|c| c.operation == Operation::Delete && c.after().is_none()),
        "{done:?}"
    );
    let mut ids = done[0].ids();
    ids.sort_unstable();
    ensure!(ids == [2, 3], "{ids:?}");
    Ok(())
}

async fn truncate(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'a', 1)").await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (2, 'b', 1)").await?;
    stage.sql("TRUNCATE TABLE orders").await?;
    stage.sql("INSERT INTO orders VALUES (3, 'c', 1)").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    let done = follower.transactions(3).await?;
    let kinds: Vec<_> = done.iter().flat_map(|t| &t.changes).map(|c| c.operation).collect();
    ensure!(kinds == [Operation::Insert, Operation::Truncate, Operation::Insert], "{kinds:?}");
    ensure!(done[1].changes[0].table.name.name == "orders", "{done:?}");
    Ok(())
}

async fn unchanged_large_value(stage: Stage) -> Result<()> {
    let (stage, bulk) = (stage.with(&["orders"]).await?, dialect::bulky());
    stage.sql(&format!("INSERT INTO orders VALUES (1, '{bulk}', 1)")).await?;
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    stage.sql("UPDATE orders SET qty = 2 WHERE id = 1").await?;
    stage.sql("UPDATE orders SET note = NULL WHERE id = 1").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    let done = follower.transactions(2).await?;
    let (note, qty) = told(done[0].changes[0].after().context("after")?)?;
    ensure!(qty == Some(Some(2)), "{qty:?}");
    ensure!(note.is_none() || note == Some(Some(bulk)), "the large value did not change");
    ensure!(told(done[1].changes[0].after().context("after")?)?.0 == Some(None), "now it is NULL");
    Ok(())
}
