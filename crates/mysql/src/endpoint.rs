//! The handle: opens sessions, answers what needs none.

use crate::apply::MyTarget;
use crate::config::Config;
use crate::connect::{Purpose, Session, literal, quoted};
use crate::source::MySource;
use crate::{CAPABILITIES, CHECKPOINT_TABLE, Result};
use async_trait::async_trait;
use std::cmp::Ordering;
use tidelock_endpoint::{
    Ask, Capabilities, CaptureKind, Cleanup, Coverage, Endpoint, EndpointError, ErrorKind, Inspection,
    ServerIdentity, Source, Target, Verdict,
};
use tidelock_model::{Column, Position, Table};

/// One endpoint.
pub(crate) struct MyEndpoint {
    pub config: Config,
}

#[async_trait]
impl Endpoint for MyEndpoint {
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
            CaptureKind::Log => Ok(Box::new(MySource::open(&self.config).await?)),
            CaptureKind::Trigger => Err(EndpointError::new(
                ErrorKind::Unsupported,
                "TL-MY-CAPTURE",
                format!("{} is read by its binary log only", self.config.name),
            )
            .hint("set `capture: log`, or leave it out")),
        }
    }

    async fn target(&self, job: &str) -> Result<Box<dyn Target>> {
        Ok(Box::new(MyTarget::open(&self.config, job).await?))
    }

    fn column_verdict(
        &self,
        from: &str,
        at: &ServerIdentity,
        column: &Column,
        existing: Option<&Column>,
    ) -> Verdict {
        crate::verdict::verdict(from, crate::server::Flavor::of(at), column, existing)
    }

    fn keeps_default(&self, from: &str, at: &ServerIdentity, table: &Table, column: usize) -> bool {
        crate::schema::keeps_default(from, table, column, crate::server::Flavor::of(at))
    }

    fn compare(&self, a: &Position, b: &Position) -> Result<Ordering> {
        crate::position::compare(a, b)
    }

    fn covers(&self, mark: &Position, at: &str) -> Result<Coverage> {
        crate::position::covers(mark, at)
    }

    /// All that is ever put here is the table of checkpoints: a job's rows in it, and the table itself once no job has any.
    async fn cleanup(&self, job: Option<&str>, remove: bool) -> Result<Vec<Cleanup>> {
        let mut session = Session::connect(&self.config, Purpose::Look).await?;
        let sql = format!(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = {} AND table_name = '{CHECKPOINT_TABLE}'",
            literal(&self.config.database)
        );
        if session.first("looking for our table", sql).await?.is_none() {
            return Ok(Vec::new());
        }
        let table = quoted(CHECKPOINT_TABLE);
        let mut found = Vec::new();
        for row in session
            .query("reading the checkpoints", format!("SELECT DISTINCT job FROM {table} ORDER BY job"))
            .await?
        {
            let name = row.string(0);
            if job.is_none_or(|j| j == name) {
                let statement = format!("DELETE FROM {table} WHERE job = {}", literal(&name));
                found.push(Cleanup { kind: "checkpoint", name, statement });
            }
        }
        let others =
            format!("SELECT 1 FROM {table} WHERE job <> {} LIMIT 1", literal(job.unwrap_or_default()));
        if job.is_none() || session.first("reading the checkpoints", others).await?.is_none() {
            let statement = format!("DROP TABLE IF EXISTS {table}");
            found.push(Cleanup { kind: "table", name: CHECKPOINT_TABLE.to_owned(), statement });
        }
        if remove {
            for cleanup in &found {
                session.run("removing what tidelock made", &cleanup.statement).await?;
            }
        }
        Ok(found)
    }
}
