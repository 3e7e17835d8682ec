//! From events to transactions: the state between a GTID and its commit.
//!
//! ```text
//!   GTID            a group begins; its place is what `covers` asks for
//!   BEGIN           (MySQL; at MariaDB the GTID itself begins the transaction)
//!   TABLE_MAP ROWS  …  the first row of our checkpoint table tells the origin; rows of it are never handed out
//!   XID | COMMIT    the place behind it is where reading may resume
//! ```
//!
//! Nothing is handed out before the first row of a followed table is there, so transactions of others cost nothing but their reading.
//! What the log may hold and we cannot follow exactly stops the stream with a code of its own: statements in place of rows, partial JSON updates, prepared XA
//! transactions, lost events, events of an unknown kind.

use crate::Result;
use crate::binlog::events::{Gtid, Query, rotate};
use crate::binlog::rows::{RowsEvent, RowsKind};
use crate::binlog::statement::{Meaning, Statement};
use crate::binlog::table_map::table_id;
use crate::binlog::xa::Prepared;
use crate::binlog::{compressed, kind};
use crate::catalog::MISSING;
use crate::codec::Scratch;
use crate::definitions::{Definitions, Mapped};
use crate::error::{precondition, protocol};
use crate::gtid::GtidSet;
use crate::position::{LogPosition, Place};
use crate::told::{at, origin, write_rows};
use std::sync::Arc;
use tidelock_endpoint::{EndpointError, ErrorKind};
use tidelock_model::{BatchWriter, Position};

/// The head of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub code: u8,
    pub flags: u16,
    /// Where the event ends, in 32 bits; 0 for one that is in no file.
    pub log_pos: u32,
    pub size: u32,
    pub timestamp: u32,
    pub server_id: u32,
}

const ARTIFICIAL: u16 = 0x20;
const IGNORABLE: u16 = 0x80;

/// A group of events: a transaction, or one statement.
#[derive(Debug)]
struct Group {
    at: Place,
    time: i64,
    gtid: Option<(Gtid, u32)>,
    /// It ends with a commit, not with its first statement.
    transaction: bool,
    /// It was told to the writer.
    told: bool,
    origin: Option<String>,
    rows_seen: bool,
}

/// The state of one stream.
pub(crate) struct Follower {
    pub writer: BatchWriter,
    place: Place,
    gtid: Option<GtidSet>,
    group: Option<Group>,
    /// Inside of a compressed transaction.
    payload: bool,
    /// Events before this offset of the first file were read already.
    skip_to: Option<u64>,
    /// Inside of a compressed transaction that was read already.
    skipped_payload: bool,
    prepared: Prepared,
    rotated: bool,
    definitions: Definitions,
    scratch: Scratch,
    unpacked: Vec<u8>,
}

impl Follower {
    pub fn new(definitions: Definitions, from: &LogPosition, mariadb: bool) -> Follower {
        let skip = from.place.offset > u64::from(u32::MAX);
        Follower {
            writer: BatchWriter::new(),
            place: if skip { Place::new(&from.place.file, 4) } else { from.place.clone() },
            gtid: from.gtid.as_deref().and_then(|g| GtidSet::parse(g, mariadb)),
            group: None,
            payload: false,
            skip_to: skip.then_some(from.place.offset),
            skipped_payload: false,
            prepared: from.prepared.clone(),
            rotated: false,
            definitions,
            scratch: Scratch::default(),
            unpacked: Vec::new(),
        }
    }

    /// Whether reading could resume at the place reached.
    pub fn between_groups(&self) -> bool {
        self.group.is_none() && !self.payload && !self.skipped_payload && self.skip_to.is_none()
    }

    /// Nothing comes for now.
    pub fn rest(&mut self) {
        self.definitions.rest();
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn position(&self) -> Position {
        let gtid = self.gtid.as_ref().map(ToString::to_string).filter(|g| !g.is_empty());
        LogPosition { prepared: self.prepared.clone(), ..LogPosition::new(self.place.clone(), gtid) }
            .position()
    }

    /// Takes the next event. An error names the place.
    pub async fn event(&mut self, head: Head, data: &[u8]) -> Result<()> {
        let before = self.place.offset;
        self.read(head, data).await.map_err(|mut error| {
            let place = Place::new(&self.place.file, before);
            error.message = format!("reading the binary log at {place}: {}", error.message);
            error
        })
    }

    async fn read(&mut self, head: Head, data: &[u8]) -> Result<()> {
        let heartbeat = matches!(head.code, kind::HEARTBEAT | kind::HEARTBEAT_V2);
        let outside = heartbeat
            || matches!(head.code, kind::ROTATE | kind::FORMAT_DESCRIPTION | kind::TRANSACTION_PAYLOAD)
            || matches!(head.code, kind::GTID | kind::ANONYMOUS_GTID | kind::GTID_TAGGED);
        if self.payload && outside {
            return Err(protocol("a compressed transaction could not be decompressed whole")
                .hint("set binlog_transaction_compression=OFF at the source, and copy anew with `tidelock sync --full`"));
        }
        if heartbeat {
            return Ok(());
        }
        self.skipped_payload &= !outside;
        if self.skipped_payload {
            return Ok(());
        }
        let before = self.place.offset;
        if !self.payload && head.code != kind::ROTATE {
            self.advance(head);
        }
        if let Some(skip_to) = self.skip_to {
            self.skipped_payload = head.code == kind::TRANSACTION_PAYLOAD;
            if self.place.offset >= skip_to {
                self.skip_to = None;
            }
            if !matches!(head.code, kind::ROTATE) {
                return Ok(());
            }
        }
        self.dispatch(head, data, before).await
    }

    async fn dispatch(&mut self, head: Head, data: &[u8], before: u64) -> Result<()> {
        match head.code {
            kind::TABLE_MAP => self.definitions.announce(data).await,
            kind::WRITE_ROWS_V1..=kind::DELETE_ROWS_V1
            | kind::WRITE_ROWS..=kind::DELETE_ROWS
            | kind::MARIA_WRITE_ROWS_COMPRESSED_V1..=kind::MARIA_DELETE_ROWS_COMPRESSED => {
                self.rows(head, data)
            }
            kind::XID => self.commit(),
            kind::GTID | kind::ANONYMOUS_GTID | kind::GTID_TAGGED | kind::MARIA_GTID => {
                self.begin(head, data, before)
            }
            kind::QUERY | kind::MARIA_QUERY_COMPRESSED | kind::EXECUTE_LOAD_QUERY => {
                self.query(head, data, before).await
            }
            kind::ROTATE => self.rotate(head, data),
            kind::TRANSACTION_PAYLOAD => {
                self.payload = true;
                Ok(())
            }
            kind::XA_PREPARE => match data.first() {
                Some(0) | None if self.group.as_ref().is_some_and(|g| g.told) => Err(unsupported(
                    "TL-MY-XA",
                    "an XA transaction with rows of a followed table was prepared; whether it will be committed is not known here",
                )),
                _ => {
                    self.prepared.prepared(data);
                    self.commit()
                }
            },
            kind::PARTIAL_UPDATE_ROWS => match self.followed(data)? {
                Some(_) => {
                    Err(unsupported("TL-MY-PARTIAL-JSON", "an update holds only a part of a JSON value")
                        .hint("SET GLOBAL binlog_row_value_options = ''"))
                }
                None => Ok(()),
            },
            kind::INCIDENT => Err(EndpointError::new(
                ErrorKind::PositionLost,
                "TL-MY-INCIDENT",
                "the server lost events of its log (an incident event)",
            )
            .hint("copy anew with `tidelock sync --full`")),
            kind::FORMAT_DESCRIPTION => {
                self.definitions.forget_numbers();
                Ok(())
            }
            kind::STOP
            | kind::INTVAR
            | kind::RAND
            | kind::USER_VAR
            | kind::BEGIN_LOAD_QUERY
            | kind::ROWS_QUERY
            | kind::PREVIOUS_GTIDS
            | kind::TRANSACTION_CONTEXT
            | kind::VIEW_CHANGE
            | kind::MARIA_ANNOTATE_ROWS
            | kind::MARIA_CHECKPOINT
            | kind::MARIA_GTID_LIST
            | kind::MARIA_START_ENCRYPTION => Ok(()),
            _ if head.flags & IGNORABLE != 0 => Ok(()),
            other => {
                Err(unsupported("TL-MY-EVENT-UNKNOWN", &format!("an event of the unknown kind {other}")))
            }
        }
    }

    /// Offsets in events have 32 bits; a file may be larger.
    fn advance(&mut self, head: Head) {
        if head.flags & ARTIFICIAL != 0 || head.log_pos == 0 {
            return;
        }
        let next = self.place.offset + u64::from(head.size);
        self.place.offset = if next as u32 == head.log_pos {
            next
        } else {
            let same = self.place.offset & !u64::from(u32::MAX) | u64::from(head.log_pos);
            if same < self.place.offset { same + (1 << 32) } else { same }
        };
    }

    /// The name of the first file comes with the octets of a checksum behind it at MariaDB, so it is only held against the one that was asked for.
    fn rotate(&mut self, head: Head, data: &[u8]) -> Result<()> {
        let (name, offset) = rotate(data).map_err(at)?;
        if !std::mem::replace(&mut self.rotated, true) {
            return match name.starts_with(self.place.file.as_bytes()) {
                true => Ok(()),
                false => Err(protocol("the server began with another file than it was asked for")),
            };
        }
        let name = std::str::from_utf8(name).map_err(|_| protocol("the next file's name is not UTF-8"))?;
        if head.flags & ARTIFICIAL != 0 && name == self.place.file {
            return Ok(());
        }
        if self.group.as_ref().is_some_and(|g| g.told) {
            return Err(protocol("a file ended in the middle of a transaction"));
        }
        self.group = None;
        self.skip_to = None;
        self.place = Place::new(name, offset);
        self.definitions.forget_numbers();
        Ok(())
    }

    fn begin(&mut self, head: Head, data: &[u8], before: u64) -> Result<()> {
        if self.group.as_ref().is_some_and(|g| g.told) {
            return Err(protocol("a transaction begins before the last one ended"));
        }
        self.end()?;
        let gtid = match head.code {
            kind::MARIA_GTID => Gtid::mariadb(data),
            kind::GTID_TAGGED => Ok(Gtid::Tagged),
            code => Gtid::mysql(data, code == kind::ANONYMOUS_GTID),
        };
        let gtid = gtid.map_err(at)?;
        let (time, transaction) = match gtid {
            Gtid::MySql { time, .. } | Gtid::Anonymous { time } => (time, false),
            Gtid::Tagged => (0, false),
            Gtid::MariaDb { standalone, .. } => (0, !standalone),
        };
        let time = if time == 0 { i64::from(head.timestamp) * 1_000_000 } else { time };
        self.group = Some(Group {
            at: Place::new(&self.place.file, before),
            time,
            gtid: Some((gtid, head.server_id)),
            transaction,
            told: false,
            origin: None,
            rows_seen: false,
        });
        Ok(())
    }

    fn group(&mut self, head: Head, before: u64) -> &mut Group {
        self.group.get_or_insert_with(|| Group {
            at: Place::new(&self.place.file, before),
            time: i64::from(head.timestamp) * 1_000_000,
            gtid: None,
            transaction: false,
            told: false,
            origin: None,
            rows_seen: false,
        })
    }

    async fn query(&mut self, head: Head, data: &[u8], before: u64) -> Result<()> {
        let mut unpacked = std::mem::take(&mut self.unpacked);
        let query = Query::parse(head.code, data, &mut unpacked).map_err(at)?;
        let statement = Statement::parse(query.text, query.spoken);
        let group_at = self.group(head, before).at.clone();
        let meaning = statement.meaning.clone();
        if matches!(meaning, Meaning::Truncate | Meaning::Ddl | Meaning::Rows)
            && let Some((schema, table)) = self.definitions.unseen(&statement)
        {
            return Err(unreadable(schema, table, query.text));
        }
        match meaning {
            Meaning::Begin | Meaning::XaBounds => self.group(head, before).transaction = true,
            Meaning::Commit => return self.commit(),
            Meaning::Rollback | Meaning::RollbackTo if self.group.as_ref().is_some_and(|g| g.told) => {
                return Err(unsupported(
                    "TL-MY-ROLLBACK",
                    "rows of a followed table were rolled back inside of a transaction (a table without transactions took part)",
                ));
            }
            Meaning::XaDecision => {
                if let Some(name) = self.prepared.decided(query.text) {
                    let message = format!(
                        "the XA transaction {name} was committed; it was prepared before the stream began, and its rows are not known here"
                    );
                    return Err(unsupported("TL-MY-XA", &message)
                        .hint("copy anew with `tidelock sync --full`, while no XA transaction is prepared"));
                }
                return self.end();
            }
            Meaning::Rollback => return self.end(),
            Meaning::Truncate => {
                for key in self.definitions.named(&statement, query.schema) {
                    let table = self.definitions.table(&key).await;
                    self.tell();
                    match table {
                        Ok(table) => self.writer.truncate(&table),
                        Err(error) if error.code == MISSING => {
                            self.writer.replace(&self.definitions.bare(&key))
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            Meaning::Ddl => {
                let (replaced, kept) = self.definitions.replaced(&statement, query.schema);
                let named = self.definitions.named(&statement, query.schema);
                let misread = self.definitions.changed(&named, &statement, &group_at);
                for key in misread.iter().filter(|key| !replaced.contains(key)).chain(&replaced) {
                    tracing::info!(
                        table = key.1,
                        statement = shown(query.text),
                        "a followed table is altered or replaced"
                    );
                    let table = self.definitions.bare(key);
                    self.tell();
                    match kept || !replaced.contains(key) {
                        true => self.writer.rewrite(&table),
                        false => self.writer.replace(&table),
                    }
                }
                // MySQL's CREATE TABLE … SELECT: the rows follow, in the same transaction.
                if query.text.ends_with(b"START TRANSACTION") {
                    self.group(head, before).transaction = true;
                }
            }
            Meaning::Rows => {
                if let Some((schema, table)) = self.definitions.named(&statement, query.schema).first() {
                    let message = format!(
                        "a statement changed {schema}.{table}, or ran a function that may have, and its rows are not in the log: {}",
                        shown(query.text)
                    );
                    return Err(precondition("TL-MY-STATEMENT-FORMAT", message)
                        .hint("SET GLOBAL binlog_format = 'ROW', let all sessions connect anew, then copy with `tidelock sync --full`"));
                }
            }
            Meaning::RollbackTo | Meaning::Savepoint | Meaning::Other => {}
        }
        self.unpacked = unpacked;
        if self.group.as_ref().is_some_and(|g| !g.transaction) { self.end() } else { Ok(()) }
    }

    /// The group's transaction is worth telling.
    fn tell(&mut self) {
        if let Some(group) = self.group.as_mut().filter(|g| !g.told) {
            group.told = true;
            self.writer.begin(&group.at.to_string(), group.origin.as_deref(), group.time);
        }
    }

    fn commit(&mut self) -> Result<()> {
        self.payload = false;
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        let Some(group) = self.group.take() else { return Ok(()) };
        match (group.gtid, &mut self.gtid) {
            (Some((Gtid::MySql { uuid, number, .. }, _)), Some(set)) => set.add_mysql(&uuid, "", number),
            (Some((Gtid::MariaDb { domain, number, .. }, server)), Some(set)) => {
                set.add_mariadb(domain, server, number)
            }
            // Tagged ones are not taken apart, so the set is not known any more; MySQL resumes by file and offset.
            (Some((Gtid::Tagged, _)), set) => *set = None,
            _ => {}
        }
        if group.told {
            self.writer.commit(&self.position());
        }
        Ok(())
    }

    fn followed(&self, data: &[u8]) -> Result<Option<Arc<Mapped>>> {
        let number = table_id(data).map_err(at)?;
        Ok(self.definitions.numbered(number).map_err(at)?.cloned())
    }

    fn rows(&mut self, head: Head, data: &[u8]) -> Result<()> {
        let mapped = self.followed(data)?;
        let Some(group) = self.group.as_mut() else { return Err(protocol("rows outside of a transaction")) };
        let first = !std::mem::replace(&mut group.rows_seen, true);
        let Some(mapped) = mapped else { return Ok(()) };
        let event = RowsEvent::parse(head.code, data).map_err(at)?.ok_or_else(|| protocol("no row event"))?;
        if mapped.unreadable {
            self.tell();
            // Of which keys rows went, or got others, cannot be told.
            match event.kind {
                RowsKind::Insert => self.writer.rewrite(&mapped.table),
                RowsKind::Update | RowsKind::Delete => self.writer.replace(&mapped.table),
            }
            return Ok(());
        }
        if event.width != mapped.columns.len() {
            return Err(protocol("rows of another width than their table's"));
        }
        let mut unpacked = std::mem::take(&mut self.unpacked);
        let rows = match event.compressed {
            true => {
                compressed::unpack(event.rows, &mut unpacked).map_err(at)?;
                &unpacked[..]
            }
            false => event.rows,
        };
        match mapped.own {
            true if first && event.kind == RowsKind::Insert => {
                group.origin = origin(&mapped, &event, rows, &mut self.scratch)?;
            }
            true => {}
            false => {
                self.tell();
                write_rows(&mut self.writer, &mapped, &event, rows, &mut self.scratch)?;
            }
        }
        self.unpacked = unpacked;
        Ok(())
    }
}

/// The beginning of a statement, up to where its values may begin: they are nobody's business.
fn shown(statement: &[u8]) -> String {
    const SHOWN: usize = 100;
    let statement = String::from_utf8_lossy(statement);
    let value = |c: &char| matches!(c, '\'' | '"' | '(' | '=' | '<' | '>');
    let shown: String = statement.chars().take(SHOWN).take_while(|c| !value(c)).collect();
    let more = if shown.len() < statement.len() { "…" } else { "" };
    shown + more
}

/// Its tables cannot be told.
fn unreadable(schema: &str, table: &str, statement: &[u8]) -> EndpointError {
    let message = format!(
        "a statement stands in a character set that cannot be read here, and may be one of {schema}.{table}: {}",
        shown(statement)
    );
    unsupported("TL-MY-STATEMENT-CHARSET", &message).hint(
        "let clients that change tables by TRUNCATE or DDL speak utf8mb4 (SET NAMES utf8mb4), then copy anew with `tidelock sync --full`",
    )
}

fn unsupported(code: &'static str, message: &str) -> EndpointError {
    EndpointError::new(ErrorKind::Unsupported, code, message)
}
