//! A session that reads: [`Source`] over the snapshot and the stream.

use crate::Result;
use crate::capture;
use crate::catalog::{Which, describe, describe_one};
use crate::config::Config;
use crate::connect::{Purpose, Session};
use crate::error::protocol;
use crate::read::by_key;
use crate::reading::Reading;
use crate::snapshot;
use crate::stream;
use async_trait::async_trait;
use std::sync::Arc;
use tidelock_endpoint::{ChangeStream, Prepared, ServerIdentity, Snapshot, Source};
use tidelock_model::{Position, Rows, Table, TableName};

/// Reads one endpoint.
pub(crate) struct PgSource {
    config: Config,
    session: Session,
}

impl PgSource {
    pub async fn open(config: &Config) -> Result<PgSource> {
        Ok(PgSource { config: config.clone(), session: Session::connect(config, Purpose::Read).await? })
    }
}

#[async_trait]
impl Source for PgSource {
    async fn prepare(&mut self, tables: &[TableName]) -> Result<Prepared> {
        capture::prepare(&self.session, &self.config.capture, tables).await
    }

    async fn plan(&mut self, tables: &[TableName]) -> Result<Vec<String>> {
        capture::plan(&self.session, &self.config.capture, tables).await
    }

    async fn forget(&mut self) -> Result<()> {
        for made in capture::made(&self.session, &self.config.capture).await? {
            self.session.run("giving up what was captured", &made.statement).await?;
        }
        Ok(())
    }

    /// The place of a message that we put there ourselves: the stream comes to it even when nobody writes any more.
    async fn head(&mut self) -> Result<Position> {
        let sql = "SELECT pg_logical_emit_message(false, 'tidelock.head', '')";
        let row = self.session.first("asking where the log stands", sql).await?;
        row.map(|r| Position::new(r.text(0)))
            .ok_or_else(|| protocol("the server does not tell where its log stands"))
    }

    async fn stream(
        &mut self,
        tables: &[TableName],
        after: &Position,
        server: &ServerIdentity,
    ) -> Result<Box<dyn ChangeStream>> {
        capture::check(&self.session, &self.config.capture, after, server).await?;
        let layouts = describe(&self.session, Which::Named(tables)).await?;
        let ids = layouts.into_iter().map(|l| (l.oid, l.table.name.clone())).collect();
        Ok(Box::new(stream::open(&self.config, tables, ids, after).await?))
    }

    async fn snapshot(&mut self, tables: &[Arc<Table>], _readers: usize) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(snapshot::open(&self.config, tables).await?))
    }

    async fn read(&mut self, keys: &Rows) -> Result<Rows> {
        let layout = describe_one(&self.session, &keys.table().name).await?;
        let reading = Reading::new(keys.table(), &Arc::new(layout))?;
        by_key(&self.session, &reading, keys, false).await
    }
}
