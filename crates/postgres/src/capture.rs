//! Publication and slot: what makes the server keep its log for us, and whether it still does.
//!
//! The publication is made before the slot. The other way round the slot would decode, with the catalogue of its own time, changes of which the
//! publication does not exist yet: the stream then fails in its middle, or leaves them out.

use crate::Result;
use crate::catalog::{Identity, Which, describe};
use crate::connect::{Answer, Session};
use crate::error::{precondition, protocol};
use crate::names::{literal, quoted, sql_name, table_name};
use crate::position::Lsn;
use std::collections::BTreeSet;
use std::time::Duration;
use tidelock_endpoint::{EndpointError, ErrorKind, Prepared, ServerIdentity};
use tidelock_model::{Position, TableName};

/// What takes longer is told.
const PATIENCE: Duration = Duration::from_secs(5);

/// See `Source::prepare`. Tables are added to the publication and never taken away: another job may follow them.
pub(crate) async fn prepare(session: &Session, capture: &str, tables: &[TableName]) -> Result<Prepared> {
    publishable(session, tables).await?;
    let slot = slot(session, capture).await?;
    // A publication made anew would leave out, in silence, what was committed while there was none.
    if slot.is_some() {
        published(session, capture).await?;
    }
    publish(session, capture, tables).await?;
    let (start, created) = match slot {
        Some(slot) => (slot.usable(capture)?, false),
        None => (make_slot(session, capture).await?, true),
    };
    Ok(Prepared { server: session.server.identity.clone(), created, start: start.position() })
}

/// Waits until all transactions have ended that are open now, in any database of the server.
async fn make_slot(session: &Session, capture: &str) -> Result<Lsn> {
    let sql = format!("SELECT lsn FROM pg_create_logical_replication_slot({}, 'pgoutput')", literal(capture));
    let making = session.first("making the replication slot", &sql);
    tokio::pin!(making);
    let row = tokio::select! {
        row = &mut making => row?,
        () = tokio::time::sleep(PATIENCE) => {
            tracing::warn!("making the replication slot {capture} waits for open transactions to end; pg_stat_activity tells which (backend_xid)");
            making.await?
        }
    };
    let lsn = row.as_ref().and_then(|r| Lsn::parse(r.text(0)));
    lsn.ok_or_else(|| protocol("the server does not tell where the new slot begins"))
}

/// A published table without a replica identity refuses its owner's UPDATE and DELETE: so it is never published.
async fn publishable(session: &Session, tables: &[TableName]) -> Result<()> {
    let found = describe(session, Which::Named(tables)).await?;
    let mut faults = Vec::new();
    for name in tables {
        match found.iter().find(|l| l.table.name == *name) {
            None => faults.push(format!("{name} is not there")),
            Some(layout) if layout.identity == Identity::Lacking => {
                faults.push(format!("{name} has no replica identity that holds its key"));
            }
            Some(layout) if layout.unlogged => faults.push(format!("{name} is unlogged")),
            Some(_) => {}
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(precondition("TL-PG-NOT-PUBLISHABLE", format!("capturing tables: {}", faults.join("; ")))
        .hint("`tidelock check` tells the statement that mends each of them"))
}

async fn publish(session: &Session, capture: &str, tables: &[TableName]) -> Result<()> {
    let doing = "making the publication";
    let publication = quoted(capture);
    let there = format!("SELECT 1 FROM pg_publication WHERE pubname = {}", literal(capture));
    if session.first(doing, &there).await?.is_none() {
        let list =
            if tables.is_empty() { String::new() } else { format!(" FOR TABLE {}", sql_names(tables)) };
        let sql = format!("CREATE PUBLICATION {publication}{list} WITH (publish_via_partition_root = true)");
        return session.run(doing, &sql).await;
    }
    let sql = format!(
        "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = {}",
        literal(capture)
    );
    let published: BTreeSet<TableName> =
        session.query(doing, &sql).await?.iter().map(|r| table_name(r.text(0), r.text(1))).collect();
    let missing: Vec<TableName> = tables.iter().filter(|t| !published.contains(t)).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    session.run(doing, &format!("ALTER PUBLICATION {publication} ADD TABLE {}", sql_names(&missing))).await
}

fn sql_names(tables: &[TableName]) -> String {
    tables.iter().map(|t| format!("ONLY {}", sql_name(t))).collect::<Vec<_>>().join(", ")
}

/// A row of `pg_replication_slots`.
struct Slot {
    plugin: String,
    ours: bool,
    wal_status: String,
    confirmed: Option<Lsn>,
}

async fn slot(session: &Session, capture: &str) -> Result<Option<Slot>> {
    let sql = format!(
        "SELECT coalesce(plugin, ''), coalesce(database, '') = current_database(), coalesce(wal_status, ''), confirmed_flush_lsn \
         FROM pg_replication_slots WHERE slot_name = {}",
        literal(capture)
    );
    let made = |row: Answer| Slot {
        plugin: row.text(0).to_owned(),
        ours: row.flag(1),
        wal_status: row.text(2).to_owned(),
        confirmed: row.get(3).and_then(Lsn::parse),
    };
    Ok(session.first("looking for the replication slot", &sql).await?.map(made))
}

impl Slot {
    /// Where its stream can be read from.
    fn usable(&self, capture: &str) -> Result<Lsn> {
        if self.plugin != "pgoutput" || !self.ours {
            let message = format!("the slot {capture} is not one that tidelock made for this database");
            return Err(precondition("TL-PG-SLOT-FOREIGN", message).hint("give the endpoint another name"));
        }
        if self.wal_status == "lost" {
            return Err(lost(
                "TL-PG-SLOT-LOST",
                format!(
                    "the server has dropped log that the slot {capture} still needed (max_slot_wal_keep_size)"
                ),
            ));
        }
        self.confirmed.ok_or_else(|| protocol(format!("the slot {capture} does not tell where it stands")))
    }
}

fn lost(code: &'static str, message: String) -> EndpointError {
    EndpointError::new(ErrorKind::PositionLost, code, message)
        .hint("changes since then are not known: remove the slot with `tidelock cleanup` and copy anew with `tidelock sync --full`")
}

/// The stream can be read behind `after`, at this server. A slot never goes back: what it has confirmed is gone.
pub(crate) async fn check(
    session: &Session,
    capture: &str,
    after: &Position,
    server: &ServerIdentity,
) -> Result<()> {
    let here = &session.server.identity.id;
    if *here != server.id {
        return Err(lost(
            "TL-PG-OTHER-SERVER",
            format!("the position {after} is one of the server {}, and {here} answers", server.id),
        ));
    }
    let after = Lsn::of(after)?;
    let Some(slot) = slot(session, capture).await? else {
        return Err(lost("TL-PG-SLOT-GONE", format!("the replication slot {capture} is not there any more")));
    };
    let confirmed = slot.usable(capture)?;
    if confirmed > after {
        return Err(lost(
            "TL-PG-SLOT-AHEAD",
            format!(
                "the slot {capture} stands at {confirmed}, behind the wanted position {after}: the server has forgotten what lies between"
            ),
        ));
    }
    published(session, capture).await
}

async fn published(session: &Session, capture: &str) -> Result<()> {
    let there = format!("SELECT 1 FROM pg_publication WHERE pubname = {}", literal(capture));
    match session.first("looking for the publication", &there).await? {
        Some(_) => Ok(()),
        None => {
            Err(lost("TL-PG-PUBLICATION-GONE", format!("the publication {capture} is not there any more")))
        }
    }
}
