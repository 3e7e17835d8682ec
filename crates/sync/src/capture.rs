//! One capture for each source endpoint, however many jobs read it: `source.stream → journal`.
//!
//! Invariants: batches go into the journal in the order of the stream and each once; the source is told that it may forget a place only when the
//! journal has it on disk; after any break reading resumes behind the last batch that the journal accepted, at the same server, or not at all.

pub mod since;

use crate::checkpoint::Server;
use crate::context::pause;
use crate::observe::{Event, Observer, Part};
use crate::{Judgement, Result, SyncError};
use std::cmp::Ordering;
use std::sync::Arc;
use tidelock_endpoint::{Ask, CaptureKind, ChangeStream, Endpoint, Prepared, Role, ServerIdentity, Source};
use tidelock_journal::{Journal, JournalError, Origin, StateStore};
use tidelock_model::{Position, TableName};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How far a source has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// The capture is set up and the journal has its beginning: a snapshot may be taken.
    pub ready: bool,
    /// The server read from.
    pub server: Option<Server>,
    /// Everything up to here is accepted by the journal.
    pub position: Option<Position>,
    /// The sequence of the last commit accepted.
    pub sequence: u64,
}

/// Waits until capture has read up to `head`; the sequence that stands there.
pub async fn reach(
    endpoint: &dyn Endpoint,
    reached: &mut watch::Receiver<Reached>,
    head: &Position,
) -> Result<u64> {
    loop {
        let now = reached.borrow_and_update().clone();
        if let Some(position) = &now.position {
            let order = endpoint.compare(position, head).map_err(SyncError::at(endpoint.name()))?;
            if order != Ordering::Less {
                return Ok(now.sequence);
            }
        }
        reached.changed().await.map_err(|_| SyncError::Cancelled)?;
    }
}

/// Where a new journal begins.
pub enum Beginning {
    /// Where the capture at the source does.
    Capture,
    /// Jobs stand there already: the state was lost, the targets were not.
    At(Position, ServerIdentity),
    /// Now: all is copied anew, and what was captured before need not even be readable.
    Anew,
}

/// What one source's capture needs.
pub struct Capture {
    /// The source.
    pub endpoint: Arc<dyn Endpoint>,
    /// How it is read.
    pub kind: CaptureKind,
    /// The tables that any job asks for.
    pub tables: Vec<TableName>,
    /// Where it goes.
    pub journal: Journal,
    /// Where a journal that is new begins.
    pub beginning: Beginning,
    /// Where it is written since when each table is captured.
    pub state: Arc<StateStore>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Tells how far it is.
    pub reached: watch::Sender<Reached>,
}

impl Capture {
    /// Captures until asked to stop. An error is final: what can be retried is retried here.
    pub async fn run(&self, cancel: &CancellationToken) -> Result<()> {
        let mut attempt = 0;
        loop {
            let error = match self.session(cancel, &mut attempt).await {
                Ok(()) | Err(SyncError::Cancelled) => return Ok(()),
                Err(error) => error,
            };
            self.journal.abandon().await?;
            if error.judge() == Judgement::Replan {
                return Err(error);
            }
            match pause(self.part(), error, &mut attempt, &*self.observer, cancel).await {
                Err(SyncError::Cancelled) => return Ok(()),
                other => other?,
            }
        }
    }

    async fn session(&self, cancel: &CancellationToken, attempt: &mut u32) -> Result<()> {
        let at = SyncError::at(self.endpoint.name());
        let opening = async {
            let recorded = self.journal.origin()?.map(|origin| recorded_at(&origin)).transpose()?;
            // One that is away is no other server: it must answer first.
            let mut source = self.endpoint.source(self.kind).await.map_err(&at)?;
            // Before anything is made: it may be another server.
            if let Some(server) = &recorded {
                let ask = Ask { role: Role::SnapshotSource, tables: Some(Vec::new()) };
                self.same_server(server, &self.endpoint.inspect(&ask).await.map_err(&at)?.server)?;
            }
            if matches!(self.beginning, Beginning::Anew) && self.journal.origin()?.is_none() {
                source.forget().await.map_err(&at)?;
            }
            let prepared = match &recorded {
                Some(_) => source.resume(&self.tables).await.map_err(&at)?,
                None => source.prepare(&self.tables).await.map_err(&at)?,
            };
            let (server, after) = match self.journal.origin()? {
                Some(origin) => self.resume(&prepared, origin)?,
                None => self.first(&prepared)?,
            };
            let (state, tables) = (&self.state, &self.tables);
            let replaced = since::remember(state, self.endpoint.name(), &self.journal, tables, &prepared)?;
            if !replaced.is_empty() && self.reached.borrow().ready {
                return Err(since::replaced(self.endpoint.name(), &replaced));
            }
            let stream = source.stream(&self.tables, &after, &server).await.map_err(&at)?;
            Ok::<_, SyncError>((source, server, stream))
        };
        let (_source, server, mut stream): (Box<dyn Source>, _, _) = tokio::select! {
            () = cancel.cancelled() => return Err(SyncError::Cancelled),
            opened = opening => opened?,
        };
        let tail = self.journal.tail();
        let position = tail.resume.or(self.journal.origin()?.map(|o| o.start));
        self.reached.send_replace(Reached {
            ready: true,
            server: Some((&server).into()),
            position,
            sequence: tail.sequence,
        });
        self.works();
        self.follow(&mut *stream, cancel, attempt).await
    }

    /// Whatever was told before is over.
    fn works(&self) {
        let endpoint = self.endpoint.name().to_owned();
        self.observer.event(&Event::Capture { endpoint, error: None, milliseconds: None });
    }

    fn part(&self) -> Part<'_> {
        Part::Capture(self.endpoint.name())
    }

    /// Gives a new journal its beginning.
    fn first(&self, prepared: &Prepared) -> Result<(ServerIdentity, Position)> {
        let (start, server) = match &self.beginning {
            Beginning::Capture | Beginning::Anew => (prepared.start.clone(), prepared.server.clone()),
            Beginning::At(position, server) => (position.clone(), server.clone()),
        };
        let text = serde_json::to_string(&Server::from(&server)).expect("an identity is plain data");
        self.journal.begin_at(&Origin { server: text, start: start.clone() })?;
        Ok((server, start))
    }

    /// Where to read from, and at which server. Nothing resumes at the wrong place.
    fn resume(&self, prepared: &Prepared, origin: Origin) -> Result<(ServerIdentity, Position)> {
        let server = recorded_at(&origin)?;
        if prepared.created {
            let message = format!(
                "{} had been captured up to {}, but its capture is gone (slot, triggers or change table were removed) and what happened since is lost; \
                 copy anew with `tidelock sync --full`",
                self.endpoint.name(),
                self.journal.tail().resume.unwrap_or(origin.start)
            );
            return Err(SyncError::stopped("TL-SYNC-CAPTURE-LOST", message));
        }
        self.same_server(&server, &prepared.server)?;
        Ok(((&server).into(), self.journal.tail().resume.unwrap_or(origin.start)))
    }

    fn same_server(&self, server: &Server, found: &ServerIdentity) -> Result<()> {
        if server.id != found.id {
            let message = format!(
                "{} is another server now: its journal was recorded at {} {}, and {} {} answers; point the URL back, or copy anew with `tidelock sync --full`",
                self.endpoint.name(),
                server.product,
                server.id,
                found.product,
                found.id
            );
            return Err(SyncError::stopped("TL-SYNC-OTHER-SERVER", message));
        }
        Ok(())
    }

    async fn follow(
        &self,
        stream: &mut dyn ChangeStream,
        cancel: &CancellationToken,
        attempt: &mut u32,
    ) -> Result<()> {
        let at = SyncError::at(self.endpoint.name());
        let mut durable = self.journal.durable();
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                changed = durable.changed() => {
                    changed.map_err(|_| JournalError::Closed)?;
                    let resume = durable.borrow_and_update().resume.clone();
                    if let Some(resume) = resume {
                        stream.acknowledge(&resume).await.map_err(&at)?;
                    }
                }
                batch = stream.next() => {
                    let batch = Arc::new(batch.map_err(&at)?);
                    *attempt = 0;
                    self.append(&batch, cancel).await?;
                    let resume = batch.resume().cloned();
                    self.reached.send_modify(|reached| {
                        reached.sequence += batch.commits() as u64;
                        if resume.is_some() {
                            reached.position = resume;
                        }
                    });
                }
            }
        }
    }

    /// A full journal holds the capture back, loudly; the source keeps its log meanwhile.
    async fn append(&self, batch: &Arc<tidelock_model::Batch>, cancel: &CancellationToken) -> Result<()> {
        let mut attempt = 0;
        loop {
            match self.journal.append(batch.clone()).await {
                Err(full @ JournalError::Full { .. }) => {
                    pause(self.part(), full.into(), &mut attempt, &*self.observer, cancel).await?;
                }
                other => {
                    if attempt > 0 {
                        self.works();
                    }
                    return Ok(other?);
                }
            }
        }
    }
}

/// The server at which a journal was recorded.
fn recorded_at(origin: &Origin) -> Result<Server> {
    serde_json::from_str(&origin.server).map_err(|e| {
        let message = format!(
            "reading the journal's origin: {e}; the state directory was changed by hand or by another version"
        );
        SyncError::stopped("TL-SYNC-STATE-UNREADABLE", message)
    })
}
