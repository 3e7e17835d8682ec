//! The changes of one slot.
//!
//! The connection is read by a thread of its own (see `replication`), which answers the server whether or not anybody calls `next`.

use crate::Result;
use crate::capture;
use crate::catalog::{Which, describe};
use crate::changes::Changes;
use crate::config::Config;
use crate::connect::{Purpose, Session};
use crate::position::Lsn;
use crate::replication::{Feed, Frame, Message, Relation};
use async_trait::async_trait;
use std::collections::VecDeque;
use std::time::Duration;
use tidelock_endpoint::ChangeStream;
use tidelock_model::{Batch, Position, TableName};
use tokio::time::Instant;

/// An open stream.
pub(crate) struct PgStream {
    config: Config,
    feed: Feed,
    /// What was fetched and not worked off. A frame leaves it once it has had its effect, so that `next` may be dropped at any time.
    queue: VecDeque<Frame>,
    changes: Changes,
    /// For looks into the catalogue, once there is one to be had.
    session: Option<Session>,
    tables: Vec<TableName>,
    /// The tables' ids when the stream was opened.
    ids: Vec<(u32, TableName)>,
    /// When the publication is to be looked at.
    watch: Instant,
}

/// How often the publication is looked at: it tells of tables that were dropped or renamed, the stream does not.
const WATCH: Duration = Duration::from_secs(5);

/// Opens the stream behind `after`, which was checked (see `capture::check`).
pub(crate) async fn open(
    config: &Config,
    tables: &[TableName],
    ids: Vec<(u32, TableName)>,
    after: &Position,
) -> Result<PgStream> {
    let after = Lsn::of(after)?;
    let feed = Feed::start(config, &config.capture, &config.capture, after).await?;
    let changes = Changes::new(tables, after);
    let (config, queue, tables) = (config.clone(), VecDeque::new(), tables.to_vec());
    Ok(PgStream { config, feed, queue, changes, session: None, tables, ids, watch: Instant::now() + WATCH })
}

impl PgStream {
    /// Works off the first frame of the queue.
    async fn work(&mut self) -> Result<()> {
        match self.queue.front() {
            None => return Ok(()),
            Some(Frame::KeepAlive { end }) => self.changes.keep_alive(*end),
            Some(Frame::Message(bytes)) => match Message::parse(bytes)? {
                Message::Relation(relation) => self.relation(relation).await?,
                message => self.changes.message(&message)?,
            },
        }
        self.queue.pop_front();
        Ok(())
    }

    async fn relation(&mut self, relation: Relation) -> Result<()> {
        let known = self.ids.iter().find(|(id, _)| *id == relation.id).map(|(_, name)| name.clone());
        let Some(name) = self.changes.wants(&relation).or(known) else {
            self.changes.ignore(relation.id);
            return Ok(());
        };
        // By the name that it had, and is another table's now; or by a name that it had before.
        let here = self.ids.iter().any(|(id, now)| *now == name && *id == relation.id);
        let same = here && self.changes.wants(&relation).as_ref() == Some(&name);
        let found = describe(self.session().await?, Which::Named(std::slice::from_ref(&name))).await?;
        match found.first().filter(|layout| same && layout.oid == relation.id) {
            Some(layout) => self.changes.follow(&relation, layout),
            None => self.changes.replaced(&relation, name),
        }
        Ok(())
    }

    async fn session(&mut self) -> Result<&Session> {
        let session = match self.session.take() {
            Some(session) if !session.client.is_closed() => session,
            _ => Session::connect(&self.config, Purpose::Read).await?,
        };
        Ok(self.session.insert(session))
    }

    async fn watch(&mut self) -> Result<()> {
        let (capture, tables) = (self.config.capture.clone(), self.tables.clone());
        capture::still_published(self.session().await?, &capture, &tables).await?;
        self.watch = Instant::now() + WATCH;
        Ok(())
    }
}

#[async_trait]
impl ChangeStream for PgStream {
    async fn next(&mut self) -> Result<Batch> {
        loop {
            while !self.queue.is_empty() {
                self.work().await?;
                if self.changes.is_full() {
                    return Ok(self.changes.take());
                }
            }
            if !self.changes.is_empty() {
                return Ok(self.changes.take());
            }
            tokio::select! {
                frames = self.feed.next() => self.queue.extend(frames?),
                () = tokio::time::sleep_until(self.watch) => self.watch().await?,
            }
        }
    }

    async fn acknowledge(&mut self, durable: &Position) -> Result<()> {
        self.feed.acknowledge(Lsn::of(durable)?);
        Ok(())
    }
}
