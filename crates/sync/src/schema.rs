//! Tables of the source that changed since the job was planned.
//!
//! A change of columns, a rewrite, another table under the name: the stream tells the place, but not what every row became (a default that was computed, a conversion,
//! rows that came with a partition). So the table is looked at again, the target's table follows as the policy says, and the table is **copied again**,
//! under a view behind that place. What the view holds is passed over, whatever shape it came in; rows that went meanwhile go, too (see `deliver::older`). So a value never
//! depends on a guess about what the statement did.
//!
//! Invariant: from the moment on at which a table is known to have changed it stands in the checkpoint's `anew`, until a copy of it is whole; and the stream never goes on with rows
//! whose shape it does not know.

use crate::checkpoint::{Anew, CopiedColumn, CopiedTable, JobState};
use crate::context::{FlowContext, now_micros};
use crate::deliver::reader_name;
use crate::error::Reshaped;
use crate::job::{Job, Route, SchemaPolicy};
use crate::mapping::TableMap;
use crate::observe::Event;
use crate::plan::Flow;
use crate::planning::{self, Planning, Purpose};
use crate::{Judgement, Result, SyncError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidelock_endpoint::{EndpointError, ErrorKind, Moved, Stored};
use tidelock_journal::{Journal, Reader, StateStore};
use tidelock_model::{Change, Operation, Record, Table, TableName};

/// What stands before a flow's name where its history is kept.
pub const HISTORY: &str = "schema ";
/// How often a table is copied again for one and the same change.
const COPIES: u32 = 3;
/// How often a new plan is tried before its refusal is final: some seconds.
const REFUSALS: u32 = 6;
/// Entries that are kept.
const KEPT: usize = 100;

/// Something that was done because a table of the source changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaChange {
    /// When, microseconds since 1970.
    pub at: i64,
    /// The job.
    pub job: String,
    /// The direction, `source → target`.
    pub flow: String,
    /// The table: the source's, or the target's where it was altered.
    pub table: String,
    /// What was found, or the statement that was run at the target.
    pub what: String,
}

/// Whether the target's tables follow, or stay as they are, while the job goes on.
pub fn follows(job: &Job) -> bool {
    matches!(job.route, Route::OneWay { .. }) && job.schema_changes.policy != SchemaPolicy::Pause
}

/// The tables of a flow that changed while it ran.
#[derive(Default)]
pub struct Changed {
    /// The plan does not hold any more.
    stale: bool,
    restart: bool,
    /// How often the new plan was refused, in a row.
    refused: u32,
    tables: Vec<Reshaped>,
    /// What was met, and how often: a copy under a later view passes over it, unless the engine could not tell exactly where the view stands (MySQL, when the tables
    /// could not be locked for a moment). Another copy may do better.
    met: BTreeMap<(TableName, u64, bool), u32>,
}

impl Changed {
    /// Keeps what asks for another plan, and gives the error back for a pause before that; refuses where the policy does.
    pub fn take(&mut self, error: SyncError, job: &Job) -> Result<SyncError> {
        if error.judge() != Judgement::Replan {
            return Ok(error);
        }
        // One that is copied again already, because its target fits now, is only copied more thoroughly.
        let held = matches!(&error, SyncError::Reshaped(reshaped) if reshaped.held);
        if !follows(job) && !held {
            return Err(for_a_person(error));
        }
        self.stale = true;
        if let SyncError::Reshaped(reshaped) = &error {
            let met = (reshaped.table.clone(), reshaped.sequence, reshaped.kept);
            let times = self.met.entry(met).or_default();
            *times += 1;
            if *times > COPIES {
                return Err(for_a_person(error));
            }
            self.tables.push(reshaped.clone());
        }
        Ok(error)
    }

    /// Whether the tables of the job are others now, so that the capture must know of them: everything is to be started anew.
    pub fn restarts(&self) -> bool {
        self.restart
    }

    /// Plans the flow anew, if its plan does not hold any more.
    pub async fn look_again(&mut self, job: &Job, context: &mut FlowContext) -> Result<()> {
        if !self.stale {
            return Ok(());
        }
        let FlowContext { source, target, observer, cancel, .. } = &*context;
        let planning = tokio::select! {
            () = cancel.cancelled() => return Err(SyncError::Cancelled),
            planned = planning::direction(job, Purpose::Follow, &[], source, target, observer, cancel) => planned?,
        };
        let changed = |message: &str| {
            let error = EndpointError::new(ErrorKind::SchemaChanged, "TL-SYNC-TABLES-CHANGED", message);
            SyncError::at(source.name())(error)
        };
        if let Err(refused) = planning::refuse_errors(job, std::slice::from_ref(&planning)) {
            self.refused += 1;
            // A table that is dropped and made again is not there in between.
            return Err(if self.refused < REFUSALS { changed(&refused.to_string()) } else { refused });
        }
        if planning.flow.source_tables() != context.flow.source_tables() {
            self.restart = true;
            return Err(changed("there are other tables than when the job was started"));
        }
        *context = planning.context;
        (self.stale, self.refused) = (false, 0);
        Ok(())
    }

    /// Writes into the state that the tables are copied again; what was found of each. To be called until the state is written, see [`Changed::written`].
    pub fn mark(&self, state: &mut JobState, flow: &Flow) -> Vec<(TableName, String)> {
        self.tables.iter().for_each(|t| again(state, flow, &t.table, t.kept));
        self.tables.iter().map(|t| (t.table.clone(), t.what.clone())).collect()
    }

    /// What was marked is at the target.
    pub fn written(&mut self) {
        self.tables.clear();
    }
}

/// The same error, as one that no other plan mends.
fn for_a_person(error: SyncError) -> SyncError {
    let code = match &error {
        SyncError::Endpoint { source, .. } => source.code,
        _ => "TL-SYNC-SCHEMA-CHANGED",
    };
    let message = error.to_string();
    SyncError::stopped(code, message.strip_suffix(&format!(" ({code})")).unwrap_or(&message))
}

/// What the tables of flows look like: for each job that follows changes of columns, its tables as they would be copied.
pub type Shapes = BTreeMap<String, Vec<Arc<TableMap>>>;

/// The shapes of what is planned.
pub fn shapes<'p>(plannings: impl Iterator<Item = &'p Planning>) -> Shapes {
    plannings.map(|p| (p.flow.job.clone(), p.flow.tables.clone())).collect()
}

/// These are the same tables, and look the same.
pub fn alike(now: &[Arc<TableMap>], then: &[Arc<TableMap>]) -> bool {
    let same = |(now, then): (&Arc<TableMap>, &Arc<TableMap>)| {
        let then = CopiedTable::now(then, 0);
        let parts = |stored: Option<&Stored>| stored.filter(|s| s.columns.is_none()).map(|s| s.parts.clone());
        then.shape == now.shape()
            && then.columns == CopiedColumn::of(now)
            && then.moved(now) == Moved::No
            // What is new now must be known to have gone later.
            && parts(then.stored.as_ref()) == parts(now.stored.as_deref())
    };
    now.len() == then.len()
        && now.iter().zip(then).all(|(a, b)| a.source.name == b.source.name)
        && now.iter().zip(then).all(same)
}

/// A table is copied again. `kept`: the rows at the target, if there are any, are still those of this table.
pub fn again(state: &mut JobState, flow: &Flow, table: &TableName, kept: bool) {
    state.marks.retain(|m| m.table != *table);
    let copied = state.copied.iter().position(|c| c.table == *table).map(|place| state.copied.remove(place));
    if let Some(known) = state.anew.iter_mut().find(|a| a.table == *table) {
        known.kept &= kept;
        return;
    }
    let to = flow.tables.iter().find(|m| m.source.name == *table).map(|m| m.target.name.clone());
    let since = copied.as_ref().map_or(0, |c| c.since);
    let stored = copied.as_ref().and_then(|c| c.stored.clone());
    let before = copied.and_then(|c| Some((c.to?, c.columns))).or_else(|| to.map(|to| (to, Vec::new())));
    state.anew.extend(before.map(|before| Anew { table: table.clone(), kept, since, stored, before }));
}

/// Of tables that are copied again because they changed, up to where the journal tells by now that they were others: by a statement, or by rows of another shape than the one that
/// they have. Such a change waits for all that wrote the table to end. So a view that is opened later holds everything up to there, also where the engine cannot tell its place.
/// The value counts the transactions before the one that tells.
pub async fn told(journal: &Journal, flow: &Flow, state: &JobState) -> Result<BTreeMap<TableName, u64>> {
    let end = journal.status().last;
    let changed = |m: &&Arc<TableMap>| state.anew.iter().any(|a| a.table == m.source.name);
    let maps: Vec<_> = flow.tables.iter().filter(changed).collect();
    if state.sequence >= end || maps.is_empty() {
        return Ok(BTreeMap::new());
    }
    let name = format!("{} looks ahead", reader_name(&flow.job, &flow.target));
    let reader = journal.reader(&name, state.sequence)?;
    let told = look_ahead(reader, (state.sequence, end), &maps).await;
    // Else it would keep the journal from being trimmed.
    journal.forget_reader(&name);
    told
}

async fn look_ahead(
    mut reader: Reader,
    (mut sequence, end): (u64, u64),
    maps: &[&Arc<TableMap>],
) -> Result<BTreeMap<TableName, u64>> {
    let mut told = BTreeMap::new();
    let mut fits: Vec<(Arc<Table>, bool)> = Vec::new();
    while sequence < end {
        let segment = reader.next().await?;
        for record in segment.batch.records() {
            let Change { table, operation, .. } = match record? {
                Record::Change(change) => change,
                Record::Commit { .. } => {
                    sequence += 1;
                    continue;
                }
                Record::Begin { .. } => continue,
            };
            let Some(map) = maps.iter().find(|m| m.source.name == table.name) else { continue };
            let known = fits.iter().find(|(t, _)| Arc::ptr_eq(t, table)).map(|(_, fits)| *fits);
            let fitting = known.unwrap_or_else(|| map.for_version(table).is_ok());
            if known.is_none() {
                fits.push((table.clone(), fitting));
            }
            if !fitting || matches!(operation, Operation::Rewrite | Operation::Replace) {
                told.insert(table.name.clone(), sequence);
            }
        }
    }
    Ok(told)
}

/// The tables that the job wrote, or was writing, each with the beginning of its capture then: with another one, changes are missing. Those that are copied elsewhere now, or
/// are held against the source anyway, are left out.
pub fn followed<'s>(state: &'s JobState, flow: &'s Flow) -> impl Iterator<Item = (&'s TableName, i64)> {
    let same = |table: &TableName, to: Option<&TableName>| {
        flow.tables.iter().any(|m| m.source.name == *table && to.is_none_or(|to| *to == m.target.name))
    };
    let copied = state.copied.iter().filter(move |c| same(&c.table, c.to.as_ref()));
    let anew = state.anew.iter().filter(|a| a.kept && a.since != 0);
    copied.map(|c| (&c.table, c.since)).chain(anew.map(|a| (&a.table, a.since)))
}

/// Tells and writes down what was found and done: `found` of tables of the source, `altered` statements at the target.
pub fn record(
    context: &FlowContext,
    store: &StateStore,
    found: Vec<(TableName, String)>,
    altered: Vec<String>,
) -> Result<()> {
    let entry = |table: String, what: String| SchemaChange {
        at: now_micros(),
        job: context.flow.job.clone(),
        flow: context.name(),
        table,
        what,
    };
    let found = found.into_iter().map(|(table, what)| entry(table.to_string(), what));
    let new: Vec<_> = found.chain(altered.into_iter().map(|sql| entry(String::new(), sql))).collect();
    if new.is_empty() {
        return Ok(());
    }
    for change in &new {
        tracing::info!(
            job = change.job,
            flow = change.flow,
            table = change.table,
            what = change.what,
            "schema change"
        );
        context.observer.event(&Event::SchemaChange(change.clone()));
    }
    let name = format!("{HISTORY}{}", reader_name(&context.flow.job, &context.flow.target));
    let mut all = match store.job_status(&name)? {
        Some(entry) => crate::status::parse::<Vec<SchemaChange>>(&entry)?,
        None => Vec::new(),
    };
    all.extend(new);
    all.drain(..all.len().saturating_sub(KEPT));
    let text = serde_json::to_string(&all).expect("texts and numbers are plain data");
    Ok(store.save_job_status(&name, &text, now_micros())?)
}
