//! Keys of the source that the target would take for one and the same: found from the data, when `check` is asked for it.
//!
//! Which texts are equal is a matter of the target's collation, so the target is the judge: all keys go into a trial there, and those that meet another one are named, both.
//! Nothing is written that stays.

use crate::context::FlowContext;
use crate::fold::key_hash;
use crate::mapping::TableMap;
use crate::observe::Event;
use crate::verify::read_all;
use crate::{Result, SyncError};
use std::collections::HashSet;
use std::sync::Arc;
use tidelock_endpoint::{Ask, Finding, Role, Severity, Target};
use tidelock_model::{Image, Rows, RowsWriter, Slot, Table, Value};

/// Keys that are told by name.
const NAMED: usize = 10;

/// Looks at all tables of a flow that are there at the target.
pub async fn look(context: &FlowContext) -> Result<Vec<Finding>> {
    let flow = &context.flow;
    let at = SyncError::at(&flow.target);
    let mut target = context.target.target(&flow.job).await.map_err(&at)?;
    let names = flow.tables.iter().map(|map| map.target.name.clone()).collect();
    let ask = Ask { role: Role::Target, tables: Some(names) };
    let there = context.target.inspect(&ask).await.map_err(&at)?.tables;
    let mut findings = Vec::new();
    for map in flow.tables.iter().filter(|map| there.iter().any(|t| t.name == map.target.name)) {
        let key = Arc::new(key_alone(&map.target));
        match target.begin_trial(&key).await {
            Ok(true) => match table(context, map, &key, &mut *target).await {
                Ok(found) => findings.extend(found),
                Err(error) => findings.push(error.finding(&map.source.name.to_string())?),
            },
            Ok(false) => {}
            Err(error) => {
                let mut finding = error.finding(&map.source.name.to_string());
                finding.message =
                    format!("its keys could not be held against each other: {}", finding.message);
                findings.push(finding);
            }
        }
    }
    Ok(findings)
}

/// The table's name, and the columns of its key in key order.
fn key_alone(table: &Table) -> Table {
    Table {
        columns: table.key_columns().cloned().collect(),
        key: (0..table.key.len()).collect(),
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        ..table.clone()
    }
}

async fn table(
    context: &FlowContext,
    map: &Arc<TableMap>,
    key: &Arc<Table>,
    target: &mut dyn Target,
) -> Result<Option<Finding>> {
    let flow = &context.flow;
    let mut rows =
        read_all(&context.source, context.capture, map.source.clone(), Some(map.clone()), &flow.source)
            .await?;
    let (mut pairs, mut found) = (Vec::new(), 0);
    while let Some(rows) = rows.recv().await.transpose()? {
        let keys = keys(map, key, &rows)?;
        let (job, table) = (flow.job.clone(), map.source.name.to_string());
        context.observer.event(&Event::Rows { job, table, rows: rows.len() as u64 });
        for (one, other) in meeting(key, &keys, target, &flow.target).await? {
            found += 1;
            if pairs.len() < NAMED {
                pairs.push(format!("{one} and {other}"));
            }
        }
    }
    if found == 0 {
        return Ok(None);
    }
    let more =
        if found > pairs.len() { format!(", and {} more", found - pairs.len()) } else { String::new() };
    let message = format!(
        "at {} these keys are one and the same: {}{more}; only one of the rows could be there",
        flow.target,
        pairs.join("; ")
    );
    let remedy = "make the keys different at the source, or give the key's column a collation at the target that tells them apart";
    Ok(Some(
        Finding::new(Severity::Error, "TL-PLAN-SAME-KEY", map.source.name.to_string(), message)
            .remedy(remedy),
    ))
}

/// The keys of mapped rows, as images of the key's columns alone.
fn keys(map: &TableMap, key: &Arc<Table>, rows: &Rows) -> Result<Rows> {
    let mut keys = RowsWriter::new(key.clone());
    for image in rows.images() {
        let image = image?;
        keys.row(|out| {
            for place in &map.target.key {
                out.slot(&image.slot(*place)?);
            }
            Ok::<_, SyncError>(())
        })?;
    }
    Ok(keys.take())
}

/// Those of the keys that meet another one of the trial, each with that one.
async fn meeting(
    key: &Arc<Table>,
    keys: &Rows,
    target: &mut dyn Target,
    name: &str,
) -> Result<Vec<(String, String)>> {
    let at = SyncError::at(name);
    let mut scratch = Vec::new();
    let there = target.try_keys(keys).await.map_err(&at)?;
    let there = there.images().map(|i| key_hash(key, i?, &mut scratch)).collect::<Result<HashSet<_>>>()?;
    let mut pairs = Vec::new();
    for image in keys.images() {
        let image = image?;
        if there.contains(&key_hash(key, image, &mut scratch)?) {
            continue;
        }
        let mut single = RowsWriter::new(key.clone());
        single.image(image);
        let met = target.try_keys(&single.take()).await.map_err(&at)?;
        let other = met.images().next().transpose()?.map(|other| text(key, other)).transpose()?;
        pairs.push((text(key, image)?, other.unwrap_or_default()));
    }
    Ok(pairs)
}

/// `word='Anna'`.
fn text(key: &Table, image: Image<'_>) -> Result<String> {
    let mut parts = Vec::new();
    for (column, slot) in key.columns.iter().zip(image.slots()) {
        parts.push(match slot? {
            Slot::Value(value @ Value::Text(_)) => format!("{}='{value}'", column.name),
            Slot::Value(value) => format!("{}={value}", column.name),
            Slot::NotSent => column.name.clone(),
        });
    }
    Ok(parts.join(", "))
}
