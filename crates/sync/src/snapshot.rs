//! The first copy: `source.snapshot(chunk) → the same mapping → target.load(chunk, chunk mark)`, in parallel and resumable.
//!
//! Capture already runs, so that the journal holds whatever the copy misses. Every chunk commits together with a mark that tells the view it was read from;
//! a chunk that has its mark is never loaded again, and the stream passes over transactions that all of a table's views hold.
//!
//! Invariant: a chunk's rows and its mark are at the target together or not at all. The plan of chunks is kept, because a mark only means
//! something within its plan; when it is lost, or does not hold any more, every chunk is loaded again, by key, and nothing is passed over on account of the new
//! view alone. A plan does not hold for a table that is mapped otherwise, or whose loaded rows are gone.

use crate::apply::{Decisions, apply};
use crate::capture::since::Since;
use crate::checkpoint::{Anew, ChunkState, TableMark, encode};
use crate::context::FlowContext;
use crate::fold::Fold;
use crate::mapping::TableMap;
use crate::observe::Event;
use crate::{Result, SyncError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use tidelock_endpoint::{
    Ask, Chunk, ChunkReader, Endpoint, EndpointError, ErrorKind, Loader, Moved, Role, Snapshot, Stored,
    Target, WriteMode,
};
use tidelock_journal::StateStore;
use tidelock_model::{Change, Column, Operation, Position, Rows, Table, TableName};
use tokio::sync::mpsc;

/// Rows that a chunk should have.
const CHUNK_ROWS: u64 = 100_000;
/// Readers and loaders side by side, at most.
const WORKERS: usize = 4;

struct Work {
    map: Arc<TableMap>,
    plan: String,
    since: i64,
    chunk: Chunk,
    mode: WriteMode,
}

impl Work {
    /// What is written down when all its rows are at the target.
    fn done(&self, snapshot: &dyn Snapshot, rows: u64) -> ChunkState {
        ChunkState {
            table: self.map.source.name.clone(),
            number: self.chunk.number,
            plan: self.plan.clone(),
            mark: snapshot.mark().clone(),
            rows,
            since: self.since,
        }
    }
}

/// Where plans and conflicts are kept, and since when the tables are captured.
pub type Kept<'a> = (&'a StateStore, &'a Since);

/// Copies `tables`. `done` are the chunks already at the target; `anew` those tables that are copied again because they changed, and up to where that
/// was told before any view of them was opened. Returns the views they were read from, for
/// these tables and for those that were empty before.
/// `counts` gets the rows that each table has in the view of this run, as the source's own server counts them.
pub async fn run(
    context: &FlowContext,
    target: &mut dyn Target,
    tables: &[Arc<TableMap>],
    done: &[ChunkState],
    (anew, told): (&[Anew], &BTreeMap<TableName, u64>),
    kept: Option<Kept<'_>>,
    counts: Option<&mut Vec<u64>>,
) -> Result<Vec<TableMark>> {
    let at_source = SyncError::at(&context.flow.source);
    let mut source = context.source.source(context.capture).await.map_err(&at_source)?;
    let parallel = context.target.capabilities().parallel_loads.clamp(1, WORKERS);
    let workers = if context.flow.two_way.is_some() { 1 } else { parallel };
    let read: Vec<_> = tables.iter().map(|t| t.source.clone()).collect();
    let snapshot = source.snapshot(&read, workers).await.map_err(&at_source)?;
    unchanged(&*context.source, &read).await?;
    let mut marks = Vec::new();
    let mut queue = VecDeque::new();
    let mut loaded: BTreeMap<String, u64> = BTreeMap::new();
    for map in tables {
        let table = &map.source.name;
        let of_table: Vec<&ChunkState> = done.iter().filter(|d| d.table == *table).collect();
        let empty = target.is_empty(&map.target).await.map_err(SyncError::at(&context.flow.target))?;
        if map.source.key.is_empty() && !empty {
            let message = format!(
                "{table} has no key, and {} at {} has rows already: which of them are the same cannot be told; empty it first, or copy into another table",
                map.target.name, context.flow.target
            );
            return Err(SyncError::stopped("TL-COPY-NOT-EMPTY", message));
        }
        let planned = plan(context, &*snapshot, map, kept, &of_table, empty).await?;
        let Plan { id: plan, since, chunks, .. } = planned;
        let of_table: Vec<&ChunkState> = of_table.into_iter().filter(|d| d.plan == plan).collect();
        let mode = if empty { WriteMode::Insert } else { WriteMode::Upsert };
        // A two-way copy holds row against row: what its view has needs no replay, which could bring back what the other side deleted. What its view no longer has
        // may still go to the other side: see the assembler.
        let only_ours = empty || (planned.empty && !of_table.is_empty());
        let again = anew.iter().find(|a| a.table == *table);
        if only_ours || again.is_some() || context.flow.two_way.is_some() {
            let mut views: Vec<Position> = of_table.iter().map(|d| d.mark.clone()).collect();
            views.push(snapshot.mark().clone());
            views.dedup();
            let kept = !only_ours && again.is_some_and(|a| a.kept);
            // Views of an earlier try may be older.
            let told = told.get(table).copied().filter(|_| of_table.is_empty());
            marks.push(TableMark { table: table.clone(), marks: views, kept, told });
        }
        let kept: u64 = of_table.iter().map(|d| d.rows).sum();
        loaded.insert(table.to_string(), kept);
        let rows = chunks.iter().map(|c| c.estimate).sum();
        context.observer.event(&Event::TablePlanned {
            job: context.flow.job.clone(),
            table: table.to_string(),
            rows,
        });
        for chunk in chunks {
            if !of_table.iter().any(|d| d.number == chunk.number) {
                queue.push_back(Work { map: map.clone(), plan: plan.clone(), since, chunk, mode });
            }
        }
    }
    let left = Left::new(context, &queue, loaded);
    let queue = Mutex::new(queue);
    if context.flow.two_way.is_some() {
        merge(context, target, &*snapshot, &queue, &left, kept.map(|k| k.0)).await?;
    } else {
        let mut workers: Vec<_> = Vec::new();
        for _ in 0..parallel {
            workers.push(worker(
                context,
                target.loader().await.map_err(SyncError::at(&context.flow.target))?,
                &*snapshot,
                &queue,
                &left,
            ));
        }
        futures_util::future::try_join_all(workers).await?;
    }
    if let Some(counts) = counts {
        for map in tables {
            counts.push(snapshot.count(&map.source).await.map_err(&at_source)?);
        }
    }
    Ok(marks)
}

/// Tables of a source are still what they were planned as, now that a view of them is there: their rows are read by the plan's columns.
pub async fn unchanged(source: &dyn Endpoint, planned: &[Arc<Table>]) -> Result<()> {
    let at = SyncError::at(source.name());
    let names = planned.iter().map(|t| t.name.clone()).collect();
    let now = source.inspect(&Ask { role: Role::SnapshotSource, tables: Some(names) }).await.map_err(&at)?;
    let now: Vec<Table> = now.tables.iter().map(|t| t.without_generated()).collect();
    // Not by what may be in them: that is not asked when they are read.
    let read = |c: &Column| (c.name.clone(), c.data_type.clone(), c.native.clone(), c.number);
    let alike = |a: &Table, b: &Table| a.columns.iter().map(read).eq(b.columns.iter().map(read));
    let same = |table: &&Arc<Table>| now.iter().any(|t| t.name == table.name && alike(t, table));
    let others: Vec<String> = planned.iter().filter(|t| !same(t)).map(|t| t.name.to_string()).collect();
    if others.is_empty() {
        return Ok(());
    }
    let message = format!("opening a view: {} changed since it was looked at", others.join(", "));
    let error = EndpointError::new(ErrorKind::SchemaChanged, "TL-SYNC-TABLES-CHANGED", message);
    Err(at(error.hint("begin again: nothing was read by what is known of the table yet")))
}

/// How a table is cut. Marks of chunks mean something only within the plan that they were loaded by.
#[derive(Serialize, Deserialize)]
struct Plan {
    /// Like no other.
    id: String,
    /// The beginning of the table's capture: chunks loaded under another one have a gap behind them.
    since: i64,
    /// Into what it is copied, see [`TableMap::shape`]: chunks loaded otherwise are elsewhere, or lack columns.
    shape: String,
    /// The target's table held no row when this was made: what is there is of this copy, and so nothing is there that its views no longer have.
    empty: bool,
    /// Where the source's rows were when the first view was opened.
    #[serde(default)]
    stored: Option<Stored>,
    chunks: Vec<Chunk>,
}

impl Plan {
    /// The copy can go on by it behind the chunks that are `done`. `empty`: the target's table holds no row now. Rows that were loaded are gone then, with their
    /// table or without it; a two-way job is told of that like of any other change.
    fn holds(&self, since: i64, map: &TableMap, done: &[&ChunkState], empty: bool, two_way: bool) -> bool {
        let mut loaded = done.iter().filter(|d| d.plan == self.id).map(|d| d.rows).peekable();
        let begun = loaded.peek().is_some();
        let gone = empty && !two_way && loaded.any(|rows| rows > 0);
        let moved = self.stored.as_ref().zip(map.stored.as_ref()).map(|(before, now)| now.since(before));
        self.since == since
            && self.shape == map.shape()
            && begun
            && !gone
            && moved.is_none_or(|m| m == Moved::No)
    }
}

/// The table's chunks: those planned before, if their plan is still there and holds. `done` are those of the table that are marked at the target, by any plan.
async fn plan(
    context: &FlowContext,
    snapshot: &dyn Snapshot,
    map: &TableMap,
    kept: Option<Kept<'_>>,
    done: &[&ChunkState],
    empty: bool,
) -> Result<Plan> {
    let (job, table) = (plan_name(context), map.source.name.to_string());
    let since = kept.map_or(0, |(_, since)| since.of(&map.source.name));
    let two_way = context.flow.two_way.is_some();
    if let Some(plan) = kept.map(|(state, _)| state.plan(&job, &table)).transpose()?.flatten()
        && let Ok(plan) = serde_json::from_str::<Plan>(&plan)
        && plan.holds(since, map, done, empty, two_way)
    {
        return Ok(plan);
    }
    let chunks =
        snapshot.chunks(&map.source, CHUNK_ROWS).await.map_err(SyncError::at(&context.flow.source))?;
    let id = format!("{:016x}", RandomState::new().build_hasher().finish());
    let stored = map.stored.as_deref().cloned();
    let plan = Plan { id, since, shape: map.shape(), empty, stored, chunks };
    if let Some((state, _)) = kept {
        let text = serde_json::to_string(&plan).expect("chunks are plain data");
        state.save_plan(&job, &table, &text)?;
    }
    Ok(plan)
}

/// What became of the rows of a table since a copy of it began that is not whole.
pub fn moved(state: &StateStore, context: &FlowContext, map: &TableMap) -> Result<Moved> {
    let saved = state.plan(&plan_name(context), &map.source.name.to_string())?;
    let plan = saved.and_then(|text| serde_json::from_str::<Plan>(&text).ok());
    let stored = plan.and_then(|plan| plan.stored).zip(map.stored.as_ref());
    Ok(stored.map_or(Moved::No, |(before, now)| now.since(&before)))
}

/// Under which a flow's plans are kept.
pub fn plan_name(context: &FlowContext) -> String {
    crate::deliver::reader_name(&context.flow.job, &context.flow.target)
}

/// Counts chunks down, so that a table's end can be told.
struct Left<'a> {
    context: &'a FlowContext,
    tables: Mutex<BTreeMap<String, (usize, u64)>>,
}

impl<'a> Left<'a> {
    fn new(context: &'a FlowContext, queue: &VecDeque<Work>, loaded: BTreeMap<String, u64>) -> Self {
        let mut tables: BTreeMap<String, (usize, u64)> =
            loaded.into_iter().map(|(t, rows)| (t, (0, rows))).collect();
        for work in queue {
            tables.entry(work.map.source.name.to_string()).or_default().0 += 1;
        }
        Left { context, tables: Mutex::new(tables) }
    }

    fn rows(&self, table: &TableName, rows: u64) {
        let (job, table) = (self.context.flow.job.clone(), table.to_string());
        self.context.observer.event(&Event::Rows { job, table, rows });
    }

    fn chunk_done(&self, table: &TableName, rows: u64) {
        let table = table.to_string();
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = tables.entry(table.clone()).or_default();
        *entry = (entry.0.saturating_sub(1), entry.1 + rows);
        if entry.0 == 0 {
            self.context.observer.event(&Event::TableDone {
                job: self.context.flow.job.clone(),
                table,
                rows: entry.1,
            });
        }
    }
}

fn next(queue: &Mutex<VecDeque<Work>>) -> Option<Work> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

async fn worker(
    context: &FlowContext,
    mut loader: Box<dyn Loader>,
    snapshot: &dyn Snapshot,
    queue: &Mutex<VecDeque<Work>>,
    left: &Left<'_>,
) -> Result<()> {
    let flow = &context.flow;
    let (at_source, at_target) = (SyncError::at(&flow.source), SyncError::at(&flow.target));
    let mut reader = Some(snapshot.reader().await.map_err(&at_source)?);
    while let Some(work) = next(queue) {
        if context.cancel.is_cancelled() {
            return Err(SyncError::Cancelled);
        }
        let mut pipe =
            Pipe::open(reader.take().expect("given back below"), work.map.clone(), work.chunk.clone());
        let mut count = 0;
        loader.begin(&work.map.target, work.mode, &flow.marks.source).await.map_err(&at_target)?;
        while let Some(rows) = pipe.next(context).await? {
            loader.load(&rows).await.map_err(&at_target)?;
            count += rows.len() as u64;
            left.rows(&work.map.source.name, rows.len() as u64);
        }
        let mark = work.done(snapshot, count);
        loader.commit(&encode(&flow.job, mark.lane(), &mark)).await.map_err(&at_target)?;
        left.chunk_done(&work.map.source.name, count);
        reader = Some(pipe.close(context).await?);
    }
    Ok(())
}

/// Two-way: rows are not loaded over what is there, but held against it like every other change.
async fn merge(
    context: &FlowContext,
    target: &mut dyn Target,
    snapshot: &dyn Snapshot,
    queue: &Mutex<VecDeque<Work>>,
    left: &Left<'_>,
    log: Option<&StateStore>,
) -> Result<()> {
    let flow = &context.flow;
    let (at_source, at_target) = (SyncError::at(&flow.source), SyncError::at(&flow.target));
    let mut reader = Some(snapshot.reader().await.map_err(&at_source)?);
    while let Some(work) = next(queue) {
        let mut pipe = Pipe::open(
            reader.take().expect("given back below"),
            Arc::new(TableMap::unchanged(&work.map.source)),
            work.chunk.clone(),
        );
        let (mut count, mut decisions) = (0, Decisions::default());
        target.begin(&flow.marks.source).await.map_err(&at_target)?;
        while let Some(rows) = pipe.next(context).await? {
            let mut fold = Fold::default();
            for image in rows.images() {
                fold.add(
                    &work.map,
                    &Change {
                        table: &work.map.source,
                        operation: Operation::Insert,
                        before: None,
                        after: Some(image?),
                    },
                )?;
            }
            apply(context, target, &mut fold, &mut decisions).await?;
            count += rows.len() as u64;
            left.rows(&work.map.source.name, rows.len() as u64);
        }
        let mark = work.done(snapshot, count);
        target.commit(&encode(&flow.job, mark.lane(), &mark), &[]).await.map_err(&at_target)?;
        if let Some(log) = log {
            crate::conflicts::record(context, log, &decisions.conflicts)?;
        }
        left.chunk_done(&work.map.source.name, count);
        reader = Some(pipe.close(context).await?);
    }
    Ok(())
}

/// Reads and maps a chunk ahead of whoever loads it, a few batches far.
struct Pipe {
    rows: mpsc::Receiver<Result<Rows>>,
    task: tokio::task::JoinHandle<tidelock_endpoint::Result<Box<dyn ChunkReader>>>,
}

impl Pipe {
    fn open(mut reader: Box<dyn ChunkReader>, map: Arc<TableMap>, chunk: Chunk) -> Pipe {
        let (send, rows) = mpsc::channel(2);
        let task = tokio::spawn(async move {
            reader.open(&map.source, &chunk).await?;
            while let Some(rows) = reader.next().await? {
                if send.send(map.rows(rows)).await.is_err() {
                    break;
                }
            }
            Ok(reader)
        });
        Pipe { rows, task }
    }

    async fn next(&mut self, context: &FlowContext) -> Result<Option<Rows>> {
        tokio::select! {
            () = context.cancel.cancelled() => Err(SyncError::Cancelled),
            rows = self.rows.recv() => match rows {
                Some(rows) => rows.map(Some),
                None => self.failed(context).await.map(|()| None),
            }
        }
    }

    /// The end of the rows is only the end of the chunk when the reader did not fail.
    async fn failed(&mut self, context: &FlowContext) -> Result<()> {
        if !self.task.is_finished() {
            tokio::task::yield_now().await;
        }
        let joined = (&mut self.task).await.map_err(broken)?;
        let reader = joined.map_err(SyncError::at(&context.flow.source))?;
        self.task = tokio::spawn(async move { Ok(reader) });
        Ok(())
    }

    async fn close(self, context: &FlowContext) -> Result<Box<dyn ChunkReader>> {
        drop(self.rows);
        self.task.await.map_err(broken)?.map_err(SyncError::at(&context.flow.source))
    }
}

fn broken(error: tokio::task::JoinError) -> SyncError {
    SyncError::stopped("TL-SYNC-TASK", format!("reading a chunk broke: {error}"))
}
