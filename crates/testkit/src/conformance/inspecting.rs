//! `Endpoint::inspect` and `Endpoint::cleanup`.

use super::stage::{Stage, is_number};
use super::{Check, check};
use anyhow::{Context, Result, ensure};
use tidelock_endpoint::{Checkpoint, Role, Severity};
use tidelock_model::TableName;

pub(crate) const CHECKS: &[Check] = &[
    check!("inspect tells every table with its columns and its key", every_table),
    check!("inspect for some tables looks at no others, and a missing one is no fault", some_tables),
    check!("inspect tells all that is unmet at once", all_findings),
    check!("inspect names the same server every time, and prepare names it too", identity),
    check!("inspect changes nothing", changes_nothing),
    check!("cleanup lists and removes what tidelock made, and never a user's table", cleanup),
    check!("cleanup of a job leaves what others need, and nothing when it was the last", cleanup_of_a_job),
];

async fn every_table(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders", "customers"]).await?;
    let inspection = stage.inspect(Role::Source(stage.capture()), None).await?;
    let mut names: Vec<_> = inspection.tables.iter().map(|t| t.name.to_string()).collect();
    names.sort();
    ensure!(names == ["customers", "orders"], "found the tables {names:?}");
    for table in &inspection.tables {
        let columns: Vec<_> = table.columns.iter().map(|c| c.name.as_str()).collect();
        ensure!(columns == ["id", "note", "qty"], "{}: columns {columns:?}", table.name);
        ensure!(table.key == [0] && table.primary, "{}: the key is {:?}", table.name, table.key);
        ensure!(table.columns[1].nullable && table.columns[2].nullable, "{}: nullable columns", table.name);
        ensure!(
            is_number(&table.columns[0]) && is_number(&table.columns[2]),
            "{}: {:?}",
            table.name,
            table.columns
        );
        ensure!(table.columns.iter().all(|c| !c.native.is_empty() && !c.generated), "{:?}", table.columns);
    }
    let errors: Vec<_> = inspection.findings.iter().filter(|f| f.severity == Severity::Error).collect();
    ensure!(errors.is_empty(), "nothing is unmet here, but: {errors:?}");
    Ok(())
}

async fn some_tables(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders", "customers"]).await?;
    let found = stage.inspect(Role::Target, Some(&["orders", "nowhere"])).await?.tables;
    let names: Vec<_> = found.iter().map(|t| t.name.clone()).collect();
    ensure!(names == [TableName::new("orders")], "found {names:?}");
    Ok(())
}

async fn all_findings(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql("CREATE TABLE keyless (a int, b int)").await?;
    stage.sql("CREATE TABLE keyless_too (a int)").await?;
    let inspection = stage.inspect(Role::Source(stage.capture()), None).await?;
    for table in ["keyless", "keyless_too"] {
        let named = |f: &&tidelock_endpoint::Finding| f.subject.split('.').next_back() == Some(table);
        let finding = inspection.findings.iter().find(named);
        let finding = finding.with_context(|| {
            format!("nothing is told of the table {table}, which has no key: {:?}", inspection.findings)
        })?;
        ensure!(finding.code.starts_with("TL-") && !finding.message.is_empty(), "{finding:?}");
        ensure!(finding.severity >= Severity::Warning, "{finding:?}");
        let seen = inspection.tables.iter().find(|t| t.name == TableName::new(table));
        ensure!(
            seen.is_some_and(|t| t.key.is_empty() && !t.primary),
            "the table without a key is told as it is: {seen:?}"
        );
    }
    Ok(())
}

async fn identity(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let server = stage.inspect(Role::Target, None).await?.server;
    ensure!(!server.product.is_empty() && !server.version.is_empty() && !server.id.is_empty(), "{server:?}");
    let again = stage.inspect(Role::Source(stage.capture()), None).await?.server;
    ensure!(server == again, "{server:?} and {again:?}");
    let (_source, prepared) = stage.captured(&["orders"]).await?;
    ensure!(prepared.server == server, "prepare tells {:?}, inspect {server:?}", prepared.server);
    Ok(())
}

async fn changes_nothing(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    for role in [
        Role::SnapshotSource,
        Role::Source(stage.capture()),
        Role::TwoWaySource(stage.capture()),
        Role::Target,
    ] {
        stage.inspect(role, None).await?;
    }
    let left = stage.endpoint.cleanup(None, false).await?;
    ensure!(left.is_empty(), "inspecting left {left:?}");
    Ok(())
}

async fn cleanup(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'mine', 1)").await?;
    drop(stage.captured(&["orders"]).await?);
    let mut target = stage.target("job").await?;
    target.prepare(stage.engine(), &[]).await?;
    drop(target);
    let listed = stage.endpoint.cleanup(None, false).await?;
    ensure!(!listed.is_empty(), "a checkpoint table was made, and nothing is listed");
    ensure!(listed == stage.endpoint.cleanup(None, false).await?, "listing changes nothing");
    ensure!(listed.iter().all(|c| !c.name.is_empty() && !c.statement.is_empty()), "{listed:?}");
    // A connection that has just been dropped may hold the capture for another moment.
    let begun = tokio::time::Instant::now();
    while let Err(error) = stage.endpoint.cleanup(None, true).await {
        ensure!(begun.elapsed().as_secs() < 20, "removing: {error}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let left = stage.endpoint.cleanup(None, false).await?;
    ensure!(left.is_empty(), "removing left {left:?}");
    ensure!(stage.items("orders").await?.len() == 1, "the user's table is as it was");
    stage.sql("INSERT INTO orders VALUES (2, 'mine', 1)").await?;
    Ok(())
}

async fn cleanup_of_a_job(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    for job in ["one", "two"] {
        let mut target = stage.target(job).await?;
        target.prepare(stage.engine(), &[]).await?;
        target.begin("shop").await?;
        let (job, lane, state) = (job.to_owned(), "stream".to_owned(), "{}".to_owned());
        target.commit(&Checkpoint { job, lane, state }, &[]).await?;
    }
    let removed = stage.endpoint.cleanup(Some("one"), true).await?;
    ensure!(removed.len() == 1 && removed[0].name == "one", "{removed:?}");
    let kept = stage.target("two").await?.checkpoints().await?;
    ensure!(kept.len() == 1, "the other job's checkpoint is {kept:?}");
    stage.endpoint.cleanup(Some("two"), true).await?;
    let left = stage.endpoint.cleanup(None, false).await?;
    ensure!(left.is_empty(), "the last job left {left:?}");
    Ok(())
}
