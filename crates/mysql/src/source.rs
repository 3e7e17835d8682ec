//! A session that reads: [`Source`] over the snapshot and the stream.

use crate::Result;
use crate::binlog::xa::{Prepared, undecided};
use crate::catalog::describe_one;
use crate::config::Config;
use crate::connect::{Purpose, Session};
use crate::places::{head, own_place};
use crate::position::LogPosition;
use crate::read::{Reading, by_key};
use crate::snapshot::{self, Freeze};
use crate::stream;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidelock_endpoint::{ChangeStream, EndpointError, ErrorKind, ServerIdentity, Snapshot, Source};
use tidelock_model::{Position, Rows, Table, TableName};

/// Commits that wait for replicas longer than this are not waited for.
const UNSETTLED: Duration = Duration::from_secs(60);

/// Reads one endpoint.
pub(crate) struct MySource {
    pub config: Config,
    pub session: Session,
}

impl MySource {
    pub async fn open(config: &Config) -> Result<MySource> {
        Ok(MySource { config: config.clone(), session: Session::connect(config, Purpose::Look).await? })
    }

    /// The rows of XA transactions that are prepared now are before the place, and their commits behind it.
    async fn with_undecided(&mut self, place: Position, before: Prepared) -> Result<Position> {
        let mut names = undecided(&mut self.session).await?;
        names.join(before);
        let place = LogPosition::parse(&place)?;
        Ok(LogPosition { undecided: !names.is_empty(), prepared: names, ..place }.position())
    }

    /// A place of which is sure that a view opened later holds everything before it.
    async fn settled_head(&mut self, tables: &[TableName]) -> Result<Position> {
        if self.session.server.is_mariadb() && self.session.server.log_bin {
            let mut session = Session::connect(&self.config, Purpose::Snapshot).await?;
            session.run("opening a consistent view", "START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
            if let Some(place) = own_place(&mut session).await? {
                return Ok(place.position());
            }
        }
        if let Some(mut freeze) = Freeze::take(&self.config, tables).await? {
            let place = head(&mut freeze.session).await?;
            freeze.release().await?;
            return Ok(place.position());
        }
        // The log is written a moment before the engine commits; without a lock only time tells that it did, and replicas may be waited for in between.
        let place = head(&mut self.session).await?;
        let begun = Instant::now();
        let mut waited = false;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let waits = self.waits_for_replicas().await?;
            // The engine commits a moment after the last replica has answered.
            if !waits && !waited {
                return Ok(place.position());
            }
            waited = waits;
            if begun.elapsed() > UNSETTLED {
                let message = format!(
                    "finding a place to begin at: commits have been waiting for replicas for {} s",
                    UNSETTLED.as_secs()
                );
                return Err(EndpointError::new(ErrorKind::Contention, "TL-MY-UNSETTLED", message)
                    .hint("grant RELOAD, or LOCK TABLES on the tables, so that commits can be held back for a moment"));
            }
        }
    }

    /// Semi-synchronous commits that are in the log and not in the engine yet.
    async fn waits_for_replicas(&mut self) -> Result<bool> {
        let sql = "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_%_wait_sessions'";
        let rows = self.session.query("asking for commits that wait for replicas", sql).await?;
        Ok(rows.iter().any(|r| r.string(1) != "0"))
    }
}

#[async_trait]
impl Source for MySource {
    /// The server's log is always there: nothing is made.
    async fn prepare(&mut self, tables: &[TableName]) -> Result<tidelock_endpoint::Prepared> {
        let before = undecided(&mut self.session).await?;
        let start = self.settled_head(tables).await?;
        let start = self.with_undecided(start, before).await?;
        let server = self.session.server.identity.clone();
        Ok(tidelock_endpoint::Prepared { server, created: false, identities: vec![], start })
    }

    async fn resume(&mut self, _tables: &[TableName]) -> Result<tidelock_endpoint::Prepared> {
        let start = head(&mut self.session).await?.position();
        let server = self.session.server.identity.clone();
        Ok(tidelock_endpoint::Prepared { server, created: false, identities: vec![], start })
    }

    async fn plan(&mut self, _tables: &[TableName]) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// What `prepare` tells is always the end of the log.
    async fn forget(&mut self) -> Result<()> {
        Ok(())
    }

    async fn head(&mut self) -> Result<Position> {
        let before = undecided(&mut self.session).await?;
        let head = head(&mut self.session).await?.position();
        self.with_undecided(head, before).await
    }

    async fn stream(
        &mut self,
        tables: &[TableName],
        after: &Position,
        server: &ServerIdentity,
    ) -> Result<Box<dyn ChangeStream>> {
        Ok(Box::new(stream::open(&self.config, tables, after, server).await?))
    }

    async fn snapshot(&mut self, tables: &[Arc<Table>], readers: usize) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(snapshot::open(&self.config, tables, readers).await?))
    }

    async fn read(&mut self, keys: &Rows) -> Result<Rows> {
        let layout = describe_one(&mut self.session, &self.config.database, &keys.table().name).await?;
        let reading = Reading::new(keys.table(), &Arc::new(layout))?;
        by_key(&mut self.session, &reading, keys, "").await
    }
}
