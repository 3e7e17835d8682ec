//! `Endpoint::covers`: how snapshot and stream are joined without a gap.

use super::stage::{Stage, Stop, id, read_all, told};
use super::{Check, check};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tidelock_endpoint::Coverage;
use tidelock_model::Operation;
use tokio::task::JoinHandle;

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "a transaction that the snapshot holds is never Past, and one that it does not hold is never Held",
        truth
    ),
    check!("the stream on top of the snapshot, without what is Held, gives the final rows", join),
];

/// Writes until told to stop: the `n`th transaction adds the row `n`, changes an older one, and now and then deletes one.
async fn write(stage: Arc<Stage>, stop: Arc<AtomicBool>) -> Result<i64> {
    let mut session = stage.db.session().await?;
    if let Some(sql) = stage.dialect().keep_log {
        session.execute(sql).await?;
    }
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        session.execute("BEGIN").await?;
        session.execute(&format!("INSERT INTO orders VALUES ({n}, 'n{n}', 0)")).await?;
        session.execute(&format!("UPDATE orders SET qty = qty + 1 WHERE id = {}", n / 2)).await?;
        session.execute(&format!("INSERT INTO marks VALUES ({n}, NULL, NULL)")).await?;
        if n % 5 == 0 {
            session.execute(&format!("DELETE FROM orders WHERE id = {}", n - 3)).await?;
        }
        session.execute("COMMIT").await?;
        tokio::task::yield_now().await;
    }
    Ok(n)
}

/// Waits until the writer has made so many transactions.
async fn come_to(stage: &Stage, writer: &mut JoinHandle<Result<i64>>, n: i64) -> Result<()> {
    let begun = tokio::time::Instant::now();
    while stage.db.value("SELECT count(*) FROM marks").await?.context("a count")?.parse::<i64>()? < n {
        if writer.is_finished() {
            let written = writer.await?.context("writing")?;
            anyhow::bail!("the writer ended after {written}");
        }
        ensure!(begun.elapsed().as_secs() < 30, "the writer does not come to {n}");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    Ok(())
}

/// A snapshot in the middle of the writing, and the whole stream.
async fn play(
    stage: Stage,
    look: impl Fn(
        &Stage,
        Vec<(usize, Vec<u8>)>,
        Vec<(Coverage, super::follower::Transaction)>,
    ) -> Result<BTreeMap<i64, super::stage::Item>>,
) -> Result<()> {
    let stage = Arc::new(stage.with(&["orders", "marks"]).await?);
    let (mut source, prepared) = stage.captured(&["orders", "marks"]).await?;
    let (stop, stopped) = Stop::new();
    let mut writer = tokio::spawn(write(stage.clone(), stopped));
    come_to(&stage, &mut writer, 20).await?;
    let tables = stage.tables(&["orders", "marks"]).await?;
    let snapshot = source.snapshot(&tables, 2).await?;
    let mark = snapshot.mark().clone();
    let rows = read_all(&*snapshot, &tables, 2, 10).await?;
    drop(snapshot);
    let in_view = rows.iter().filter(|(table, _)| *table == 1).count();
    come_to(&stage, &mut writer, i64::try_from(in_view)? + 20).await?;
    drop(stop);
    let written = writer.await??;
    let mut follower = stage.follow(&["orders", "marks"], &prepared.start, &prepared).await?;
    let all = follower.transactions(usize::try_from(written)?).await?.to_vec();
    let mut judged = Vec::new();
    for transaction in all {
        judged.push((stage.endpoint.covers(&mark, &transaction.at)?, transaction));
    }
    let state = look(&stage, rows, judged)?;
    let expected = stage.items("orders").await?;
    let state: BTreeMap<_, _> =
        state.into_iter().map(|(id, (note, qty))| (id, (note.flatten(), qty.flatten()))).collect();
    ensure!(
        state == expected,
        "the rows differ: {:?}",
        state.iter().filter(|(id, row)| expected.get(id) != Some(row)).collect::<Vec<_>>()
    );
    Ok(())
}

/// The `orders` and the ids in `marks` that a snapshot holds.
fn held(rows: Vec<(usize, Vec<u8>)>) -> Result<(BTreeMap<i64, super::stage::Item>, BTreeSet<i64>)> {
    let (mut orders, mut marks) = (BTreeMap::new(), BTreeSet::new());
    for (table, bytes) in rows {
        let image = tidelock_model::Image::from_bytes(&bytes);
        if table == 0 {
            orders.insert(id(image)?, told(image)?);
        } else {
            marks.insert(id(image)?);
        }
    }
    Ok((orders, marks))
}

/// The number that a transaction of [`write()`] gave itself.
fn number(transaction: &super::follower::Transaction) -> Result<i64> {
    let mark = transaction
        .changes
        .iter()
        .find(|c| c.table.name.name == "marks")
        .context("a transaction without its mark")?;
    id(mark.after().context("an insert has its row")?)
}

async fn truth(stage: Stage) -> Result<()> {
    play(stage, |_, rows, judged| {
        let (_, marks) = held(rows)?;
        let mut past = false;
        for (coverage, transaction) in &judged {
            let n = number(transaction)?;
            match (coverage, marks.contains(&n)) {
                (Coverage::Past, true) => {
                    anyhow::bail!("transaction {n} is in the snapshot and was said to be Past")
                }
                (Coverage::Held, false) => {
                    anyhow::bail!("transaction {n} is not in the snapshot and was said to be Held")
                }
                (_, true) if past => {
                    anyhow::bail!("transaction {n} is in the snapshot, behind one that was said to be Past")
                }
                _ => past |= *coverage == Coverage::Past,
            }
        }
        ensure!(marks.len() >= 20 && marks.len() < judged.len(), "the snapshot stands in the middle");
        replay(BTreeMap::new(), judged.iter().map(|(_, t)| t))
    })
    .await
}

async fn join(stage: Stage) -> Result<()> {
    play(stage, |_, rows, judged| {
        let (orders, _) = held(rows)?;
        replay(orders, judged.iter().filter(|(c, _)| *c != Coverage::Held).map(|(_, t)| t))
    })
    .await
}

/// Applies transactions the way a target does: updates change what was sent, a row that is there is replaced.
fn replay<'a>(
    mut state: BTreeMap<i64, super::stage::Item>,
    transactions: impl Iterator<Item = &'a super::follower::Transaction>,
) -> Result<BTreeMap<i64, super::stage::Item>> {
    for change in transactions.flat_map(|t| &t.changes).filter(|c| c.table.name.name == "orders") {
        match change.operation {
            Operation::Insert => {
                let row = change.after().context("after")?;
                state.insert(id(row)?, told(row)?);
            }
            Operation::Update => {
                let row = change.after().context("after")?;
                let (note, qty) = told(row)?;
                if let Some(there) = state.get_mut(&id(row)?) {
                    there.0 = note.or(there.0.take());
                    there.1 = qty.or(there.1.take());
                }
            }
            Operation::Delete => {
                state.remove(&id(change.before().context("before")?)?);
            }
            Operation::Truncate => state.clear(),
            other => anyhow::bail!("a table that nobody altered was told as {other:?}"),
        }
    }
    Ok(state)
}
