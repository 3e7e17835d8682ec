//! A session that writes: deltas and their checkpoint in one transaction.
//!
//! Round trips: `begin` is sent together with the first apply, and the checkpoint together with COMMIT; so a small transaction takes two.

use crate::CHECKPOINT_TABLE;
use crate::Result;
use crate::altering::{altering, of_old_rows};
use crate::catalog::{Layout, Which, describe};
use crate::config::Config;
use crate::connect::{Purpose, Session};
use crate::copy;
use crate::error::{self, codec, from_driver, protocol};
use crate::load::PgLoader;
use crate::names::{literal, quoted, sql_name};
use crate::read::by_key;
use crate::reading::{Known, Reading};
use crate::schema;
use crate::statements::{Count, Script, Writer, key_moves};
use crate::transaction::{begin, commit};
use async_trait::async_trait;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use tidelock_endpoint::{Alteration, Applied, Checkpoint, Delta, Loader, Merged, Target, Update};
use tidelock_model::{Image, Rows, Table, TableName};

/// Scripts are sent once they are this long.
const SCRIPT_BYTES: usize = 1 << 20;

/// So many new rows are worth a COPY of their own, which takes more round trips.
const MANY: usize = 100;

/// So many whole rows are held when rows pass unique values to each other: each may be large.
const AT_A_TIME: usize = 100;

/// Whoever makes tables in a database holds this lock, `tidelock` in ASCII: two jobs that begin at once would both find them absent.
const MAKING: i64 = 0x7469_6465_6c6f_636b;

/// Writes one endpoint.
pub(crate) struct PgTarget {
    config: Config,
    session: Session,
    job: String,
    known: Known,
    /// The beginning of the transaction, not sent yet.
    pending: Option<String>,
}

/// What tables need.
enum Work<'a> {
    Make(&'a [Arc<Table>]),
    Alter(&'a [Alteration]),
}

impl PgTarget {
    pub async fn open(config: &Config, job: &str) -> Result<PgTarget> {
        let session = Session::connect(config, Purpose::Write).await?;
        Ok(PgTarget {
            config: config.clone(),
            session,
            job: job.to_owned(),
            known: Known::default(),
            pending: None,
        })
    }

    async fn there(&self, tables: &[Arc<Table>]) -> Result<HashMap<TableName, Layout>> {
        let names: Vec<TableName> = tables.iter().map(|t| t.name.clone()).collect();
        let found = describe(&self.session, Which::Named(&names)).await?;
        Ok(found.into_iter().map(|l| (l.table.name.clone(), l)).collect())
    }

    async fn preparing(&self, from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>> {
        let there = self.there(tables).await?;
        let absent: Vec<&Table> =
            tables.iter().filter(|t| !there.contains_key(&t.name)).map(|t| &**t).collect();
        schema::preparing(&self.session, from, &absent).await
    }

    async fn altering(&self, from: &str, alterations: &[Alteration]) -> Result<Vec<String>> {
        let tables: Vec<_> = alterations.iter().map(|a| a.table.clone()).collect();
        altering(&self.session, from, alterations, &self.there(&tables).await?).await
    }

    /// Looks again and makes what is absent, while nobody else of us does. The level is given because one view for the whole transaction would be older than the lock.
    async fn make(&mut self, from: &str, work: Work<'_>) -> Result<Vec<String>> {
        let doing = match work {
            Work::Make(_) => "making tables",
            Work::Alter(_) => "altering tables",
        };
        let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({MAKING})");
        self.session.run(doing, &begin).await?;
        let wanted = match work {
            Work::Make(tables) => self.preparing(from, tables).await,
            Work::Alter(alterations) => self.altering(from, alterations).await,
        };
        let made = match wanted {
            Ok(statements) => self.run_all(doing, &statements).await.map(|()| statements),
            Err(error) => Err(error),
        };
        let end = if made.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.session.run(doing, end).await;
        made.map_err(of_old_rows).and_then(|statements| ended.map(|()| statements))
    }

    async fn run_all(&mut self, doing: &str, statements: &[String]) -> Result<()> {
        for statement in statements {
            self.session.run(doing, statement).await.map_err(|e| {
                let said = format!("running: {}", statement.lines().next().unwrap_or_default());
                if e.hint.is_none() { e.hint(said) } else { e }
            })?;
        }
        self.known.forget();
        Ok(())
    }

    async fn send_pending(&mut self) -> Result<()> {
        match self.pending.take() {
            Some(begin) => self.session.run("beginning a transaction", &begin).await,
            None => Ok(()),
        }
    }

    /// Runs a script, the beginning of the transaction in front of it. The outer error is the connection's or ours, the inner one the server's answer.
    async fn attempt(
        &mut self,
        script: Script,
        applied: &mut Applied,
    ) -> Result<std::result::Result<(), tokio_postgres::Error>> {
        if script.is_empty() {
            return Ok(Ok(()));
        }
        let mut before = 0;
        let mut whole = Vec::with_capacity(script.sql.len() + 200);
        if let Some(begin) = self.pending.take() {
            whole.extend_from_slice(begin.as_bytes());
            before = 2;
        }
        whole.extend_from_slice(&script.sql);
        let sql = String::from_utf8(whole).map_err(|_| protocol("a statement is not UTF-8"))?;
        let messages = match self.session.client.simple_query(&sql).await {
            Ok(messages) => messages,
            Err(error) => return Ok(Err(error)),
        };
        let touched = crate::connect::counts(&messages);
        if touched.len() != before + script.counts.len() {
            let sent = before + script.counts.len();
            return Err(protocol(format!("{sent} statements were sent, {} answered", touched.len())));
        }
        for (rows, count) in touched.into_iter().skip(before).zip(script.counts) {
            match count {
                Count::Any => {}
                Count::Missing(of) => applied.missing += of.saturating_sub(rows),
                Count::Present(of) => applied.present += of.saturating_sub(rows),
            }
        }
        Ok(Ok(()))
    }

    async fn execute(&mut self, script: Script, applied: &mut Applied) -> Result<()> {
        self.attempt(script, applied).await?.map_err(|e| from_driver("applying changes", e))
    }

    /// Copies rows that are most likely not there yet straight into their table, behind what stands in the script. False when the server refuses that, whatever
    /// the reason: they have to come as upserts, which tell better what is wrong.
    async fn bring(
        &mut self,
        reading: &Reading,
        rows: &[Image<'_>],
        script: &mut Script,
        applied: &mut Applied,
    ) -> Result<bool> {
        let mut lines = Vec::new();
        rows.iter().try_for_each(|row| copy::line(reading, *row, &mut lines))?;
        script.statement("SAVEPOINT tidelock");
        self.execute(std::mem::take(script), applied).await?;
        match copy::send(&self.session, reading, lines).await {
            Ok(arrived) if arrived == rows.len() as u64 => {}
            Err(error) if error.as_db_error().is_none() => {
                return Err(from_driver("applying changes", error));
            }
            Ok(_) | Err(_) => {
                // At once: until then the server answers nothing, and another table may have to be looked up.
                script.statement("ROLLBACK TO SAVEPOINT tidelock");
                self.execute(std::mem::take(script), applied).await?;
                return Ok(false);
            }
        }
        script.statement("RELEASE SAVEPOINT tidelock");
        Ok(true)
    }

    /// A delta whose rows may pass unique values to each other. Mostly they do not; where one meets a value that another still holds, all of the rows go
    /// first and come back whole, if that does no harm (see [`Reading::stays`]).
    async fn exchange(&mut self, reading: &Reading, delta: &Delta<'_>, applied: &mut Applied) -> Result<()> {
        let mut script = Script::default();
        script.statement("SAVEPOINT tidelock");
        Writer { reading, script: &mut script }.delta(delta)?;
        script.statement("RELEASE SAVEPOINT tidelock");
        let Err(error) = self.attempt(script, applied).await? else { return Ok(()) };
        if error::state(&error) != Some("23505") {
            return Err(from_driver("applying changes", error));
        }
        if let Some(why) = reading.stays(self.session.replica) {
            return Err(from_driver("applying changes", error).hint(why));
        }
        let mut script = Script::default();
        script.statement("ROLLBACK TO SAVEPOINT tidelock");
        Writer { reading, script: &mut script }.removals(delta)?;
        if !delta.updates.is_empty() {
            self.step_aside(reading, &delta.updates, &mut script)?;
        }
        Writer { reading, script: &mut script }.deletes(&delta.upserts)?;
        let mut gone = Applied::default();
        self.execute(script, &mut gone).await?;
        applied.missing += gone.missing;
        let mut script = Script::default();
        if !delta.updates.is_empty() {
            self.come_back(reading, &delta.updates, gone.missing).await?;
            script.statement(&format!("DROP TABLE {}", sql_name(&aside())));
        }
        let mut writer = Writer { reading, script: &mut script };
        writer.upserts(&delta.upserts)?;
        writer.inserts(&delta.inserts)?;
        script.statement("RELEASE SAVEPOINT tidelock");
        self.execute(script, applied).await
    }

    /// Rows that are to be updated leave for a table of the transaction's own: they may be more than we should hold.
    fn step_aside(&self, reading: &Reading, updates: &[Update<'_>], script: &mut Script) -> Result<()> {
        let (name, list, from) = (sql_name(&aside()), reading.list(""), reading.from());
        let name = name.as_str();
        script.statement(&format!(
            "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {list} FROM {from} WITH NO DATA"
        ));
        let keys: Vec<Image<'_>> = updates.iter().map(|u| u.key).collect();
        Writer { reading, script }.moves(&keys, name)
    }

    /// And come back updated, a few at a time; all but the `missing`.
    async fn come_back(&mut self, reading: &Reading, updates: &[Update<'_>], missing: u64) -> Result<()> {
        let table = Arc::new(Table { name: aside(), ..(*reading.table).clone() });
        let stage = Reading { table, ..reading.clone() };
        let mut lost = 0;
        for part in updates.chunks(AT_A_TIME) {
            let wanted = Merged::wanted(&reading.table, part);
            let there = by_key(&self.session, &stage, &wanted, false).await?;
            let merged = Merged::new(&reading.table, part, &there).map_err(codec)?;
            lost += merged.missing;
            let rows = merged.rows.images().collect::<std::result::Result<Vec<_>, _>>().map_err(codec)?;
            let mut script = Script::default();
            Writer { reading, script: &mut script }.upserts(&rows)?;
            self.execute(script, &mut Applied::default()).await?;
        }
        if lost == missing {
            return Ok(());
        }
        let (name, gone) = (&reading.table.name, lost.saturating_sub(missing));
        Err(protocol(format!(
            "applying changes: {gone} rows of {name} left it and were not found again by their keys"
        )))
    }
}

/// Where rows stay meanwhile that pass unique values to each other.
fn aside() -> TableName {
    TableName::qualified("pg_temp", "tidelock_aside")
}

/// More than one row gets a value that must be unique, or a new key.
fn may_exchange(reading: &Reading, delta: &Delta<'_>) -> Result<bool> {
    if delta.updates.len() + delta.upserts.len() < 2 {
        return Ok(false);
    }
    if reading.layout.more_unique {
        return Ok(true);
    }
    for update in &delta.updates {
        if key_moves(reading, update)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[async_trait]
impl Target for PgTarget {
    async fn prepare(&mut self, from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>> {
        match self.preparing(from, tables).await? {
            nothing if nothing.is_empty() => Ok(nothing),
            _ => self.make(from, Work::Make(tables)).await,
        }
    }

    async fn alter(&mut self, from: &str, alterations: &[Alteration], dry: bool) -> Result<Vec<String>> {
        match self.altering(from, alterations).await? {
            statements if dry || statements.is_empty() => Ok(statements),
            _ => self.make(from, Work::Alter(alterations)).await,
        }
    }

    async fn plan(&mut self, from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>> {
        let mut statements = self.preparing(from, tables).await?;
        statements.extend(schema::finish(from, tables, &self.there(tables).await?));
        Ok(statements)
    }

    async fn finish(&mut self, from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>> {
        let statements = schema::finish(from, tables, &self.there(tables).await?);
        self.run_all("making indexes and foreign keys", &statements).await?;
        Ok(statements)
    }

    async fn next_numbers(&mut self, tables: &[Arc<Table>]) -> Result<()> {
        let statements = schema::next_numbers(tables, &self.there(tables).await?);
        self.run_all("setting the next numbers", &statements).await
    }

    async fn is_empty(&mut self, table: &Arc<Table>) -> Result<bool> {
        let doing = format!("looking whether {} is empty", table.name);
        let sql = format!("SELECT 1 FROM {} LIMIT 1", sql_name(&table.name));
        Ok(self.session.first(&doing, &sql).await?.is_none())
    }

    /// A key whose collation takes different texts for equal is refused beforehand (`TL-PG-COLLATION`).
    async fn begin_trial(&mut self, _key: &Arc<Table>) -> Result<bool> {
        Ok(false)
    }

    async fn try_keys(&mut self, _keys: &Rows) -> Result<Rows> {
        Err(protocol("a trial that was not begun"))
    }

    async fn loader(&mut self) -> Result<Box<dyn Loader>> {
        Ok(Box::new(PgLoader::open(&self.config).await?))
    }

    async fn checkpoints(&mut self) -> Result<Vec<Checkpoint>> {
        let table = quoted(CHECKPOINT_TABLE);
        let sql = format!("SELECT lane, state FROM public.{table} WHERE job = {}", literal(&self.job));
        let exists = format!("SELECT to_regclass('public.{table}') IS NOT NULL");
        // The table is made by `prepare`.
        if !self.session.first("looking for the checkpoints", &exists).await?.is_some_and(|r| r.flag(0)) {
            return Ok(Vec::new());
        }
        let rows = self.session.query("reading the checkpoints", &sql).await?;
        let made = |r: &crate::connect::Answer| Checkpoint {
            job: self.job.clone(),
            lane: r.text(0).to_owned(),
            state: r.text(1).to_owned(),
        };
        Ok(rows.iter().map(made).collect())
    }

    async fn begin(&mut self, origin: &str) -> Result<()> {
        self.known.look_again(&self.session).await?;
        self.pending = Some(begin(origin));
        Ok(())
    }

    async fn apply(&mut self, deltas: &[Delta<'_>]) -> Result<Applied> {
        let mut script = Script::default();
        let mut applied = Applied::default();
        for delta in deltas {
            let reading = self.known.reading(&self.session, delta.table).await?;
            let mut delta = Cow::Borrowed(delta);
            let fresh =
                delta.fresh >= MANY && (delta.fresh == delta.rows() || !may_exchange(&reading, &delta)?);
            if fresh {
                let (known, fresh) = delta.upserts.split_at(delta.upserts.len() - delta.fresh);
                let mut writer = Writer { reading: &reading, script: &mut script };
                writer.removals(&delta)?;
                writer.updates(&delta.updates)?;
                let brought = self.bring(&reading, fresh, &mut script, &mut applied).await?;
                // Rows that are known may refer to new ones, and the other way round.
                let rest = if brought { known } else { &delta.upserts[..] };
                let (upserts, inserts) = (rest.to_vec(), delta.inserts.clone());
                delta = Cow::Owned(Delta { upserts, inserts, ..Delta::new(delta.table) });
            }
            if may_exchange(&reading, &delta)? {
                self.execute(std::mem::take(&mut script), &mut applied).await?;
                self.exchange(&reading, &delta, &mut applied).await?;
                continue;
            }
            Writer { reading: &reading, script: &mut script }.delta(&delta)?;
            if script.sql.len() >= SCRIPT_BYTES {
                self.execute(std::mem::take(&mut script), &mut applied).await?;
            }
        }
        self.execute(script, &mut applied).await?;
        Ok(applied)
    }

    async fn read(&mut self, keys: &Rows) -> Result<Rows> {
        self.send_pending().await?;
        let reading = self.known.reading(&self.session, keys.table()).await?;
        by_key(&self.session, &reading, keys, true).await
    }

    async fn commit(&mut self, checkpoint: &Checkpoint, remove: &[String]) -> Result<()> {
        let sql = self.pending.take().unwrap_or_default() + &commit(checkpoint, remove);
        self.session.run("committing", &sql).await
    }

    async fn rollback(&mut self) -> Result<()> {
        match self.pending.take() {
            Some(_) => Ok(()),
            None => self.session.run("rolling back", "ROLLBACK").await,
        }
    }
}
