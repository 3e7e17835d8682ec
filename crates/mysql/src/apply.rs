//! A session that writes: deltas and their checkpoint in one transaction.
//!
//! Round trips: `begin` is sent together with the first apply, and the checkpoint together with COMMIT; so a small transaction takes two.

use crate::CHECKPOINT_TABLE;
use crate::Result;
use crate::altering::{There, altering, of_old_rows, repeats};
use crate::catalog::{Layout, Which, describe};
use crate::collision;
use crate::config::Config;
use crate::connect::{PATIENCE, Purpose, Session, literal, quoted};
use crate::created::Created;
use crate::error::{from_driver, precondition, protocol};
use crate::keep;
use crate::load::{MyLoader, load_data};
use crate::merge;
use crate::read::{Reading, by_key};
use crate::schema;
use crate::statements::{Counts, Script, Writer};
use crate::transaction::{BEGINNING, Known, Marker, run, statement_limit};
use crate::trial::Trial;
use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use tidelock_endpoint::{
    Alteration, Applied, Checkpoint, Delta, EndpointError, ErrorKind, Loader, Target, WriteMode,
};
use tidelock_model::{Image, Rows, Table, TableName};

/// So many new rows are worth a LOAD DATA of their own, which takes more round trips.
const MANY: usize = 100;

/// Writes one endpoint.
pub(crate) struct MyTarget {
    config: Config,
    session: Session,
    job: String,
    marker: Marker,
    known: Known,
    /// The server takes LOAD DATA LOCAL.
    local: bool,
    /// The beginning of the transaction, not sent yet.
    pending: Option<String>,
    trial: Option<Trial>,
}

impl MyTarget {
    pub async fn open(config: &Config, job: &str) -> Result<MyTarget> {
        let session = Session::connect(config, Purpose::Write).await?;
        Ok(MyTarget {
            config: config.clone(),
            local: session.server.local_infile,
            session,
            job: job.to_owned(),
            marker: Marker::new(job),
            known: Known::default(),
            pending: None,
            trial: None,
        })
    }

    async fn there(&mut self, tables: &[Arc<Table>]) -> Result<HashMap<TableName, Arc<Layout>>> {
        let names: Vec<TableName> = tables.iter().map(|t| t.name.clone()).collect();
        let found = describe(&mut self.session, &self.config.database, Which::Any(&names)).await?;
        Ok(found.into_iter().map(|l| (l.table.name.clone(), Arc::new(l))).collect())
    }

    async fn preparing(&mut self, from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>> {
        let own = [TableName::new(CHECKPOINT_TABLE)];
        let made = describe(&mut self.session, &self.config.database, Which::Any(&own)).await?;
        let there = self.there(tables).await?;
        let mut statements = Vec::new();
        if made.is_empty() {
            statements.push(schema::checkpoint_table());
        }
        for table in tables.iter().filter(|t| !there.contains_key(&t.name)) {
            statements.push(schema::create_table(from, table, &self.session.server, &self.config.database)?);
        }
        Ok(statements)
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

    /// Runs scripts, the beginning of the transaction in front of the first.
    async fn execute(&mut self, scripts: Vec<Script>, applied: &mut Applied) -> Result<()> {
        for Script { sql, counts } in scripts.into_iter().filter(|s| !s.is_empty()) {
            let mut whole = Vec::with_capacity(sql.len() + 200);
            let mut before = 0;
            if let Some(begin) = self.pending.take() {
                whole.extend_from_slice(begin.as_bytes());
                whole.extend_from_slice(b"; ");
                before = BEGINNING;
            }
            whole.extend_from_slice(&sql);
            let affected = run(&mut self.session, "applying changes", whole).await?;
            if affected.len() != before + counts.len() {
                return Err(protocol(format!(
                    "{} statements were sent, {} answered",
                    before + counts.len(),
                    affected.len()
                )));
            }
            for (rows, counts) in affected.into_iter().skip(before).zip(counts) {
                match counts {
                    Counts::Missing if rows == 0 => applied.missing += 1,
                    Counts::Present if rows == 0 => applied.present += 1,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Writes a delta's statements into `scripts`; runs them where rows have to be read in between.
    async fn write(
        &mut self,
        reading: &Reading,
        delta: &Delta<'_>,
        scripts: &mut Vec<Script>,
        applied: &mut Applied,
    ) -> Result<()> {
        let limit = statement_limit(&self.session);
        let mut writer = Writer { reading, limit, scripts };
        let (merged, kept) = (merge::needed(reading, &delta.updates)?, writer.keeps(&delta.upserts));
        if !merged && kept.is_none() {
            return writer.delta(delta);
        }
        writer.removals(delta)?;
        if merged {
            self.execute(std::mem::take(scripts), applied).await?;
            self.send_pending().await?;
            let (written, missing) = merge::merged(&mut self.session, reading, &delta.updates, limit).await?;
            applied.missing += missing;
            scripts.extend(written);
        } else {
            delta.updates.iter().try_for_each(|update| writer.update(update))?;
        }
        let Some(wide) = kept else { return Writer { reading, limit, scripts }.arrivals(delta) };
        self.execute(std::mem::take(scripts), applied).await?;
        self.send_pending().await?;
        scripts.extend(keep::upserts(&mut self.session, reading, &wide, &delta.upserts, limit).await?);
        Writer { reading, limit, scripts }.inserts(delta)
    }

    /// Loads rows that are most likely not there yet. False when not every one of them arrived as it is: LOCAL only warns then, and they have to
    /// come as upserts, over what it did.
    async fn bring(&mut self, reading: &Reading, rows: &[Image<'_>]) -> Result<bool> {
        self.send_pending().await?;
        match load_data(&mut self.session, reading, WriteMode::Insert, rows).await {
            Ok(Some(arrived)) => Ok(arrived == rows.len() as u64 && self.session.conn.get_warnings() == 0),
            Ok(None) => {
                self.local = false;
                Ok(false)
            }
            // The statement alone was rolled back, and others tell better what is wrong with a row.
            Err(error) if error.kind == ErrorKind::Row => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn apply_all(&mut self, deltas: &[Delta<'_>]) -> Result<Applied> {
        let mut scripts = Vec::new();
        let mut applied = Applied::default();
        for delta in deltas {
            let reading = self.known.reading(&mut self.session, &self.config.database, delta.table).await?;
            if reading.table.key.is_empty() && !(delta.deletes.is_empty() && delta.updates.is_empty()) {
                let message =
                    format!("table {} has no key: its rows cannot be updated or deleted", delta.table.name);
                return Err(precondition("TL-MY-NO-KEY", message));
            }
            let mut delta = Cow::Borrowed(delta);
            let fresh = delta.fresh >= MANY && !merge::needed(&reading, &delta.updates)?;
            if fresh && self.local {
                let (known, fresh) = delta.upserts.split_at(delta.upserts.len() - delta.fresh);
                let others = Delta { upserts: known.to_vec(), fresh: 0, ..delta.clone().into_owned() };
                self.write(&reading, &others, &mut scripts, &mut applied).await?;
                self.execute(std::mem::take(&mut scripts), &mut applied).await?;
                if self.bring(&reading, fresh).await? {
                    continue;
                }
                delta = Cow::Owned(Delta { upserts: fresh.to_vec(), ..Delta::new(delta.table) });
            }
            self.write(&reading, &delta, &mut scripts, &mut applied).await?;
        }
        self.execute(scripts, &mut applied).await?;
        Ok(applied)
    }

    /// An error of a transaction that is given up, with both keys where the server took them for one.
    async fn both_keys(&mut self, deltas: &[Delta<'_>], mut error: EndpointError) -> EndpointError {
        for delta in deltas.iter().filter(|d| !d.upserts.is_empty()) {
            let Ok(reading) = self.known.reading(&mut self.session, &self.config.database, delta.table).await
            else {
                break;
            };
            error = collision::named(&mut self.session, &reading, &delta.upserts, error).await;
        }
        error
    }

    async fn send_pending(&mut self) -> Result<()> {
        match self.pending.take() {
            Some(begin) => self.session.run("beginning a transaction", begin).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Target for MyTarget {
    async fn prepare(&mut self, from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>> {
        let statements = self.preparing(from, tables).await?;
        self.run_all("making tables", &statements).await?;
        Ok(statements)
    }

    async fn plan(&mut self, from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>> {
        let mut statements = self.preparing(from, tables).await?;
        let there = self.there(tables).await?;
        statements.extend(schema::finish(tables, &there, &self.config.database));
        Ok(statements)
    }

    async fn alter(&mut self, from: &str, alterations: &[Alteration], dry: bool) -> Result<Vec<String>> {
        let tables: Vec<_> = alterations.iter().map(|a| a.table.clone()).collect();
        let mut there = HashMap::new();
        for (name, layout) in self.there(&tables).await? {
            let created = match alterations.iter().any(|a| a.table.name == name && repeats(a)) {
                true => Some(Created::ask(&mut self.session, &layout).await?),
                false => None,
            };
            there.insert(name, There { layout, created });
        }
        let flavor = self.session.server.flavor;
        let statements = altering(from, alterations, &there, flavor, &self.config.database)?;
        if !dry {
            self.run_all("altering tables", &statements).await.map_err(of_old_rows)?;
        }
        Ok(statements)
    }

    /// AUTO_INCREMENT needs no statement: the engine moves it behind every value that is written.
    async fn finish(&mut self, _from: &str, tables: &[Arc<Table>]) -> Result<Vec<String>> {
        let there = self.there(tables).await?;
        let statements = schema::finish(tables, &there, &self.config.database);
        self.run_all("making indexes and foreign keys", &statements).await?;
        Ok(statements)
    }

    async fn is_empty(&mut self, table: &Arc<Table>) -> Result<bool> {
        let schema = table.name.schema.as_deref().unwrap_or(&self.config.database);
        let sql = format!("SELECT 1 FROM {} LIMIT 1", crate::catalog::sql_name(schema, &table.name.name));
        let doing = format!("looking whether {} is empty", table.name);
        Ok(self.session.first(&doing, sql).await?.is_none())
    }

    async fn begin_trial(&mut self, key: &Arc<Table>) -> Result<bool> {
        self.trial = Trial::begin(&mut self.session, &self.config, key).await?;
        Ok(self.trial.is_some())
    }

    async fn try_keys(&mut self, keys: &Rows) -> Result<Rows> {
        let trial = self.trial.as_ref().ok_or_else(|| protocol("a trial that was not begun"))?;
        trial.add(&mut self.session, keys).await
    }

    async fn loader(&mut self) -> Result<Box<dyn Loader>> {
        let session = Session::connect(&self.config, Purpose::Write).await?;
        Ok(Box::new(MyLoader::new(&self.config, session, &self.job)))
    }

    async fn checkpoints(&mut self) -> Result<Vec<Checkpoint>> {
        let sql = format!(
            "SELECT lane, state FROM {} WHERE job={} AND origin IS NULL",
            quoted(CHECKPOINT_TABLE),
            literal(&self.job)
        );
        let rows: std::result::Result<Vec<(String, String)>, _> = self.session.conn.query(sql).await;
        match rows {
            Ok(rows) => {
                let made = |(lane, state)| Checkpoint { job: self.job.clone(), lane, state };
                Ok(rows.into_iter().map(made).collect())
            }
            // The table is made by `prepare`.
            Err(error) if crate::error::server_code(&error) == Some(1146) => Ok(Vec::new()),
            Err(error) => Err(from_driver("reading the checkpoints", error)),
        }
    }

    async fn begin(&mut self, origin: &str) -> Result<()> {
        self.known.look_again(&mut self.session, &self.config.database).await?;
        self.pending = Some(self.marker.begin(origin));
        Ok(())
    }

    async fn apply(&mut self, deltas: &[Delta<'_>]) -> Result<Applied> {
        match self.apply_all(deltas).await {
            Err(error) if error.kind == ErrorKind::Row => Err(self.both_keys(deltas, error).await),
            applied => applied,
        }
    }

    async fn read(&mut self, keys: &Rows) -> Result<Rows> {
        self.send_pending().await?;
        let reading = self.known.reading(&mut self.session, &self.config.database, keys.table()).await?;
        by_key(&mut self.session, &reading, keys, " FOR UPDATE").await
    }

    async fn commit(&mut self, checkpoint: &Checkpoint, remove: &[String]) -> Result<()> {
        let mut sql = self.pending.take().map_or(String::new(), |begin| begin + "; ");
        sql += &self.marker.commit(checkpoint, remove);
        run(&mut self.session, "committing", sql.into_bytes()).await.map(drop)
    }

    async fn rollback(&mut self) -> Result<()> {
        match self.pending.take() {
            Some(_) => Ok(()),
            None => self
                .session
                .run("rolling back", format!("ROLLBACK; SET wait_timeout={PATIENCE}"))
                .await
                .map_err(|e| match e.kind {
                    ErrorKind::Protocol => e.hint("open a new session"),
                    _ => e,
                }),
        }
    }
}
