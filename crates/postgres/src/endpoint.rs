//! The handle: opens sessions, answers what needs none.

use crate::apply::PgTarget;
use crate::capture;
use crate::config::Config;
use crate::connect::{Purpose, Session};
use crate::names::literal;
use crate::source::PgSource;
use crate::{CAPABILITIES, CHECKPOINT_TABLE, Result};
use async_trait::async_trait;
use std::cmp::Ordering;
use tidelock_endpoint::{
    Ask, Capabilities, CaptureKind, Cleanup, Coverage, Endpoint, EndpointError, ErrorKind, Inspection,
    ServerIdentity, Source, Target, Verdict,
};
use tidelock_model::{Column, Position, Table};

/// One endpoint.
pub(crate) struct PgEndpoint {
    pub config: Config,
}

#[async_trait]
impl Endpoint for PgEndpoint {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    async fn inspect(&self, ask: &Ask) -> Result<Inspection> {
        crate::inspect::inspect(&self.config, ask).await
    }

    async fn source(&self, capture: CaptureKind) -> Result<Box<dyn Source>> {
        match capture {
            CaptureKind::Log => Ok(Box::new(PgSource::open(&self.config).await?)),
            CaptureKind::Trigger => Err(EndpointError::new(
                ErrorKind::Unsupported,
                "TL-PG-CAPTURE",
                format!("{} is read by logical decoding only", self.config.name),
            )
            .hint("set `capture: log`, or leave it out")),
        }
    }

    async fn target(&self, job: &str) -> Result<Box<dyn Target>> {
        Ok(Box::new(PgTarget::open(&self.config, job).await?))
    }

    fn column_verdict(
        &self,
        from: &str,
        _: &ServerIdentity,
        column: &Column,
        existing: Option<&Column>,
    ) -> Verdict {
        crate::verdict::verdict(from, column, existing)
    }

    fn keeps_default(&self, from: &str, _: &ServerIdentity, table: &Table, column: usize) -> bool {
        crate::schema::keeps_default(from, &table.columns[column])
    }

    fn compare(&self, a: &Position, b: &Position) -> Result<Ordering> {
        crate::position::compare(a, b)
    }

    fn covers(&self, mark: &Position, at: &str) -> Result<Coverage> {
        crate::position::covers(mark, at)
    }

    /// The slot before the publication that it reads by; both serve all jobs, so they go only when no job is named.
    async fn cleanup(&self, job: Option<&str>, remove: bool) -> Result<Vec<Cleanup>> {
        let session = Session::connect(&self.config, Purpose::Read).await?;
        let mut found =
            if job.is_none() { capture::made(&session, &self.config.capture).await? } else { Vec::new() };
        found.extend(checkpoints(&session, job).await?);
        if remove {
            for cleanup in &found {
                session.run("removing what tidelock made", &cleanup.statement).await?;
            }
        }
        Ok(found)
    }
}

/// A job's checkpoints, and the table itself once no job has any.
async fn checkpoints(session: &Session, job: Option<&str>) -> Result<Vec<Cleanup>> {
    let table = format!("public.{CHECKPOINT_TABLE}");
    let there = format!("SELECT to_regclass({}) IS NOT NULL", literal(&table));
    if !session.first("looking for our table", &there).await?.is_some_and(|r| r.flag(0)) {
        return Ok(Vec::new());
    }
    let rows = session
        .query("reading the checkpoints", &format!("SELECT DISTINCT job FROM {table} ORDER BY job"))
        .await?;
    let (own, others): (Vec<_>, Vec<_>) =
        rows.iter().map(|r| r.text(0)).partition(|name| job.is_none_or(|j| j == *name));
    let mut found: Vec<Cleanup> = own
        .iter()
        .map(|name| Cleanup {
            kind: "checkpoint",
            name: (*name).to_owned(),
            statement: format!("DELETE FROM {table} WHERE job = {}", literal(name)),
        })
        .collect();
    if others.is_empty() {
        let statement = format!("DROP TABLE IF EXISTS {table}");
        found.push(Cleanup { kind: "table", name: CHECKPOINT_TABLE.to_owned(), statement });
    }
    Ok(found)
}
