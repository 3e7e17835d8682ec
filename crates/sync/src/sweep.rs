//! Rows at the target that a copy over them leaves as they are, or cannot pass by.
//!
//! A copy over rows that are there writes every row of its view and takes none away. What not one view need have any more goes behind it; and where an old row holds what is to be
//! unique of a new one, all that is not the source's goes before it, once.
//!
//! Invariant: nothing is taken away where another job may write the table: which rows are whose cannot be told there.

use crate::checkpoint::{JobState, Progress, STREAM_LANE, encode};
use crate::context::FlowContext;
use crate::job::Job;
use crate::mapping::TableMap;
use crate::verify::{self, Kind};
use crate::{Result, SyncError, schema, snapshot};
use std::sync::Arc;
use tidelock_endpoint::{Delta, ErrorKind, Target};
use tidelock_journal::StateStore;
use tidelock_model::Image;

fn shared<'j>(context: &FlowContext, map: &TableMap, others: &'j [Job]) -> Option<&'j Job> {
    others.iter().find(|job| job.may_write(&context.flow.target, &map.target.name))
}

/// Deletes at the target what the source does not have, of a table that was copied over rows of which not one need be the source's any more. What the source gets or loses
/// meanwhile comes with the stream. Refuses where one of `others`, the other jobs of the configuration, may write the same table.
pub async fn behind(
    context: &FlowContext,
    target: &mut dyn Target,
    map: &Arc<TableMap>,
    state: &JobState,
    others: &[Job],
) -> Result<()> {
    let flow = &context.flow;
    if let Some(other) = shared(context, map, others) {
        let message = format!(
            "table {} of {} is another one now, or is filtered otherwise, and rows of the old one may still be in {} of {}, where the job {} may write too: which are whose \
             cannot be told; delete there what is not in {} any more, then go on with `tidelock sync {} --full --tables {}`",
            map.source.name,
            flow.source,
            map.target.name,
            flow.target,
            other.name,
            map.source.name,
            flow.job,
            map.source.name
        );
        return Err(SyncError::stopped("TL-SYNC-SHARED-TARGET", message));
    }
    delete(context, target, map, state, &[Kind::Extra]).await
}

/// A copy over rows that are there failed by `error`: where an old row may have been in the way, everything goes that is not the source's, and the copy is to begin anew. Answers
/// whether that was done.
pub async fn before(
    context: &FlowContext,
    store: &StateStore,
    error: &SyncError,
    others: &[Job],
) -> Result<bool> {
    let flow = &context.flow;
    let in_the_way = matches!(error, SyncError::Endpoint { endpoint, source } if *endpoint == flow.target && source.kind == ErrorKind::Row && source.code.ends_with("-DUPLICATE"));
    if !in_the_way || flow.two_way.is_some() {
        return Ok(false);
    }
    let at = SyncError::at(&flow.target);
    let mut target = context.target.target(&flow.job).await.map_err(&at)?;
    let Some(state) = Progress::read(&target.checkpoints().await.map_err(&at)?)?.stream else {
        return Ok(false);
    };
    let again = |map: &&Arc<TableMap>| {
        let written = |to: &_| *to == map.target.name;
        state.anew.iter().any(|a| a.table == map.source.name && written(&a.before.0))
            && shared(context, map, others).is_none()
    };
    let tables: Vec<_> = flow.tables.iter().filter(again).collect();
    if tables.is_empty() {
        return Ok(false);
    }
    // First: a chunk that is loaded already loses rows, too.
    store.forget_plans(&snapshot::plan_name(context))?;
    let what = format!(
        "a row that is there is in the way of its copy ({error}): what is not the source's goes first"
    );
    let found = tables.iter().map(|map| (map.source.name.clone(), what.clone())).collect();
    schema::record(context, store, found, Vec::new())?;
    for map in tables {
        delete(context, &mut *target, map, &state, &[Kind::Extra, Kind::Different]).await?;
    }
    Ok(true)
}

/// Deletes those rows of the target that stand so to the source's.
async fn delete(
    context: &FlowContext,
    target: &mut dyn Target,
    map: &Arc<TableMap>,
    state: &JobState,
    kinds: &[Kind],
) -> Result<()> {
    let (flow, at) = (&context.flow, SyncError::at(&context.flow.target));
    let parts = verify::parts(context, map).await?;
    for part in 0..parts {
        for keys in verify::keys(context, map, (part, parts), kinds).await?.chunks(flow.batch_size) {
            let mut delta = Delta::new(&map.target);
            delta.deletes = keys.iter().map(|key| Image::from_bytes(key)).collect();
            target.begin(&flow.marks.source).await.map_err(&at)?;
            target.apply(&[delta]).await.map_err(&at)?;
            target.commit(&encode(&flow.job, STREAM_LANE, state), &[]).await.map_err(&at)?;
        }
    }
    Ok(())
}
