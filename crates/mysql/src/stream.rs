//! The stream of changes: the server's binary log, read by a task of its own.
//!
//! The task reads, decodes and puts batches into a bounded channel. A consumer that stalls fills the channel, then the socket; the server waits (its
//! write time-out is raised for this session) and the driver's keepalive goes on. Batches are handed out when they are large, or when
//! nothing more is at hand and no transaction is open. A heartbeat every few seconds tells a quiet server from a dead one.

use crate::Result;
use crate::binlog::kind;
use crate::binlog::xa::decided;
use crate::config::Config;
use crate::connect::{Purpose, Session, literal};
use crate::definitions::Definitions;
use crate::error::{from_driver, precondition, protocol};
use crate::follow::{Follower, Head};
use crate::gtid::GtidSet;
use crate::places::gtid_at;
use crate::position::{LogPosition, Place};
use crate::withheld::{refusal, schemas, withheld};
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use mysql_async::binlog::BinlogChecksumAlg;
use mysql_async::binlog::events::Event;
use mysql_async::{BinlogStream, BinlogStreamRequest};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;
use tidelock_endpoint::{Case, ChangeStream, EndpointError, ErrorKind, ServerIdentity};
use tidelock_model::{Batch, Position, TableName};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Without an event for so long the connection is given up: heartbeats come more often, and the largest event, of 1 GiB, comes in that time at 6 MB/s.
const SILENCE: Duration = Duration::from_secs(180);
const BATCH_BYTES: usize = 1 << 20;
const BATCH_CHANGES: usize = 10_000;
/// Progress without changes is told this often at most.
const PROGRESS: Duration = Duration::from_millis(200);

/// The receiving end.
pub(crate) struct Stream {
    batches: mpsc::Receiver<Result<Batch>>,
}

/// Opens the stream behind `after`, or says why that place cannot be read.
pub(crate) async fn open(
    config: &Config,
    tables: &[TableName],
    after: &Position,
    server: &ServerIdentity,
) -> Result<Stream> {
    let from = LogPosition::parse(after)?;
    let mut session = Session::connect(config, Purpose::Log).await?;
    check_identity(&session, config, server)?;
    check_settings(&mut session).await?;
    let schemas = schemas(&config.database, tables);
    if let Some(refusal) = refusal(withheld(&mut session, &schemas).await?) {
        return Err(refusal);
    }
    check_place(&mut session, &from).await?;
    if from.undecided {
        decided(&mut session, &from.prepared).await?;
    }
    let mariadb = session.server.is_mariadb();
    let definitions = Definitions::new(config, tables, session.server.table_names != Case::Exact);
    let follower = Follower::new(definitions, &from, mariadb);
    let offset = if from.place.offset > u64::from(u32::MAX) { 4 } else { from.place.offset };
    let request = BinlogStreamRequest::new(replica_id(&config.name))
        .with_filename(from.place.file.as_bytes())
        .with_pos(offset);
    let events = session.conn.get_binlog_stream(request).await.map_err(|e| {
        from_driver(&format!("reading the binary log of {} from {}", config.name, from.place), e)
    })?;
    let (send, batches) = mpsc::channel(4);
    tokio::spawn(async move {
        let mut pump = Pump { events, follower, send, told: from.place, told_at: Instant::now() };
        if let Err(error) = pump.run().await {
            // The receiver is gone only when nobody wants to know.
            drop(pump.send.send(Err(error)).await);
        }
    });
    Ok(Stream { batches })
}

/// Unique among the replicas of a server, from the endpoint's name and chance, in the upper half of the numbers.
fn replica_id(name: &str) -> u32 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write(name.as_bytes());
    hasher.finish() as u32 | 0x8000_0000
}

fn check_identity(session: &Session, config: &Config, server: &ServerIdentity) -> Result<()> {
    let found = &session.server.identity;
    if found.id == server.id {
        return Ok(());
    }
    let message = format!(
        "{} is another server now: the position was recorded at {} {}, and {} {} answers",
        config.name, server.product, server.id, found.product, found.id
    );
    Err(EndpointError::new(ErrorKind::PositionLost, "TL-MY-OTHER-SERVER", message)
        .hint("point the url back, or copy anew with `tidelock sync --full`"))
}

/// Settings without which rows would be missing from the log.
async fn check_settings(session: &mut Session) -> Result<()> {
    let sql = "SELECT @@GLOBAL.log_bin, @@GLOBAL.binlog_format";
    let Some(row) = session.first("reading the log's settings", sql).await? else {
        return Err(protocol("the server does not tell its settings"));
    };
    if row.string(0) != "1" {
        return Err(precondition("TL-MY-LOG-BIN", "the server writes no binary log")
            .hint("set log_bin in the server's configuration and start it again"));
    }
    let format = row.string(1);
    if format != "ROW" {
        return Err(precondition(
            "TL-MY-BINLOG-FORMAT",
            format!("binlog_format is {format}, and rows are needed"),
        )
        .hint("SET GLOBAL binlog_format = 'ROW'"));
    }
    Ok(())
}

/// The file must be there, hold the offset, and have the same history before it.
async fn check_place(session: &mut Session, from: &LogPosition) -> Result<()> {
    let lost = |message: String| {
        EndpointError::new(ErrorKind::PositionLost, "TL-MY-LOG-PURGED", message).hint(
            "copy anew with `tidelock sync --full`, and keep binary logs longer (binlog_expire_logs_seconds)",
        )
    };
    let Place { file, offset } = &from.place;
    let logs = session.query("listing the binary logs", "SHOW BINARY LOGS").await?;
    let Some(log) = logs.iter().find(|l| l.string(0) == *file) else {
        let oldest = logs.first().map_or("none".to_owned(), |l| l.string(0));
        return Err(lost(format!("the binary log {file} is gone (the oldest that is there: {oldest})")));
    };
    let size = log.number(1)?;
    if size < *offset {
        return Err(lost(format!(
            "the binary log {file} ends at {size}, before {offset}: it is another one than it was"
        )));
    }
    let Some(gtid) = &from.gtid else { return Ok(()) };
    let same = match session.server.is_mariadb() {
        true => {
            let found = gtid_at(session, file, *offset).await?;
            found.as_deref().and_then(|g| GtidSet::parse(g, true)) == GtidSet::parse(gtid, true)
        }
        false => {
            let sql = format!("SELECT GTID_SUBSET({}, @@GLOBAL.gtid_executed)", literal(gtid));
            session
                .first("holding the position's GTIDs against the log", sql)
                .await?
                .is_some_and(|r| r.string(0) == "1")
        }
    };
    if same {
        return Ok(());
    }
    Err(lost(format!(
        "the log at {} has another history than when the position was recorded ({gtid})",
        from.place
    )))
}

struct Pump {
    events: BinlogStream,
    follower: Follower,
    send: mpsc::Sender<Result<Batch>>,
    told: Place,
    told_at: Instant,
}

impl Pump {
    /// Reads until nobody listens any more.
    async fn run(&mut self) -> Result<()> {
        loop {
            let event = match self.events.next().now_or_never() {
                Some(event) => event,
                None => {
                    if self.follower.between_groups()
                        && !self.follower.writer.is_empty()
                        && !self.flush().await
                    {
                        return Ok(());
                    }
                    let Some(event) = self.wait().await? else { return Ok(()) };
                    event
                }
            };
            let event = event
                .ok_or_else(|| {
                    EndpointError::new(
                        ErrorKind::Unavailable,
                        "TL-MY-UNAVAILABLE",
                        "the server ended the log's stream",
                    )
                })?
                .map_err(|e| {
                    from_driver(&format!("reading the binary log at {}", self.follower.place()), e)
                })?;
            undamaged(&event, self.follower.place())?;
            self.follower.event(head(&event), event.data()).await?;
            let writer = &self.follower.writer;
            let full = writer.bytes() >= BATCH_BYTES || writer.changes() >= BATCH_CHANGES;
            if full && !self.flush().await {
                return Ok(());
            }
            if !self.progress().await {
                return Ok(());
            }
        }
    }

    /// The next event, telling progress meanwhile; `None` when nobody listens.
    async fn wait(&mut self) -> Result<Option<Option<mysql_async::Result<Event>>>> {
        let begun = Instant::now();
        self.follower.rest();
        loop {
            tokio::select! {
                biased;
                () = self.send.closed() => return Ok(None),
                event = timeout(PROGRESS, self.events.next()) => match event {
                    Ok(event) => return Ok(Some(event)),
                    Err(_) if begun.elapsed() > SILENCE => {
                        let message = format!("nothing came from the server for {} s, not even a heartbeat", SILENCE.as_secs());
                        return Err(EndpointError::new(ErrorKind::Unavailable, "TL-MY-SILENT", message));
                    }
                    Err(_) => if !self.progress().await { return Ok(None) },
                },
            }
        }
    }

    /// Hands out what was collected; false when nobody listens.
    async fn flush(&mut self) -> bool {
        if self.follower.between_groups() && self.follower.place() != &self.told {
            self.told = self.follower.place().clone();
            let position = self.follower.position();
            self.follower.writer.reached(position);
        }
        self.told_at = Instant::now();
        self.send.send(Ok(self.follower.writer.take())).await.is_ok()
    }

    /// The log moved on with nothing in it for us.
    async fn progress(&mut self) -> bool {
        let due = self.told_at.elapsed() >= PROGRESS && self.follower.place() != &self.told;
        if !due || !self.follower.between_groups() || !self.follower.writer.is_empty() {
            return true;
        }
        self.told = self.follower.place().clone();
        self.told_at = Instant::now();
        self.send.send(Ok(Batch::progress(self.follower.position()))).await.is_ok()
    }
}

/// The server sends what its files hold and checks nothing by itself. Events of a compressed transaction have no checksum of their own.
fn undamaged(event: &Event, place: &Place) -> Result<()> {
    let footer = event.footer();
    let described = event.header().event_type_raw() == kind::FORMAT_DESCRIPTION;
    let (Some(stored), Ok(Some(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32)), true, false) =
        (event.checksum(), footer.get_checksum_alg(), footer.get_checksum_enabled(), described)
    else {
        return Ok(());
    };
    if u32::from_le_bytes(stored) == event.calc_checksum(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32) {
        return Ok(());
    }
    let message = format!("the event behind {place} is damaged: its checksum is another");
    Err(EndpointError::new(ErrorKind::Protocol, "TL-MY-CHECKSUM", message).hint(
        "look after the server's disk (mysqlbinlog --verify-binlog-checksum), then copy anew with `tidelock sync --full`",
    ))
}

fn head(event: &Event) -> Head {
    let header = event.header();
    Head {
        code: header.event_type_raw(),
        flags: header.flags_raw(),
        log_pos: header.log_pos(),
        size: header.event_size(),
        timestamp: header.timestamp(),
        server_id: header.server_id(),
    }
}

#[async_trait]
impl ChangeStream for Stream {
    async fn next(&mut self) -> Result<Batch> {
        match self.batches.recv().await {
            Some(batch) => batch,
            None => Err(protocol("the reader of the binary log ended; open the stream again")),
        }
    }

    /// The server keeps its log by age, whatever was read: there is nothing to tell it.
    async fn acknowledge(&mut self, durable: &Position) -> Result<()> {
        LogPosition::parse(durable).map(drop)
    }
}
