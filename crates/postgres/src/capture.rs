//! Publication and slot: what makes the server keep its log for us, and whether it still does.
//!
//! The publication is made before the slot. The other way round the slot would decode, with the catalogue of its own time, changes of which the
//! publication does not exist yet: the stream then fails in its middle, or leaves them out.

use crate::Result;
use crate::catalog::{Identity, Layout, Which, describe};
use crate::connect::{Answer, Session};
use crate::error::{precondition, protocol, schema_changed};
use crate::names::{literal, quoted, sql_name, table_name};
use crate::position::Lsn;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidelock_endpoint::{
    Cleanup, EndpointError, ErrorKind, Identity as TableIdentity, Prepared, ServerIdentity,
};
use tidelock_model::{Position, TableName};

/// What takes longer is told.
const PATIENCE: Duration = Duration::from_secs(5);

/// See `Source::prepare`. Tables are added to the publication and never taken away: another job may follow them.
pub(crate) async fn prepare(session: &Session, capture: &str, tables: &[TableName]) -> Result<Prepared> {
    let layouts = publishable(session, tables).await?;
    let slot = slot(session, capture).await?;
    // A publication made anew would leave out, in silence, what was committed while there was none.
    if slot.is_some() {
        published(session, capture).await?;
    }
    publish(session, capture, tables, &layouts).await?;
    let (start, created) = match slot {
        Some(slot) => (slot.usable(capture)?, false),
        None => (make_slot(session, capture).await?, true),
    };
    let server = session.server.identity.clone();
    let identities = identities(session, capture, &layouts).await?;
    Ok(Prepared { server, created, identities, start: start.position() })
}

/// The number of the table, and of its entry in the publication, which is another one whenever it is added again.
async fn identities(session: &Session, capture: &str, layouts: &[Layout]) -> Result<Vec<TableIdentity>> {
    let sql = format!(
        "SELECT r.prrelid, r.oid FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE p.pubname = {}",
        literal(capture)
    );
    let rows = session.query("reading the publication", &sql).await?;
    let entries: BTreeMap<&str, &str> = rows.iter().map(|row| (row.text(0), row.text(1))).collect();
    let identity = |layout: &Layout| {
        let which = layout.oid.to_string();
        let entry = (*entries.get(which.as_str()).unwrap_or(&"")).to_owned();
        TableIdentity { table: layout.table.name.clone(), which, entry }
    };
    Ok(layouts.iter().map(identity).collect())
}

/// See `Source::plan`.
pub(crate) async fn plan(session: &Session, capture: &str, tables: &[TableName]) -> Result<Vec<String>> {
    let layouts = publishable(session, tables).await?;
    let mut statements: Vec<String> =
        publishing(session, capture, tables, &layouts).await?.into_iter().collect();
    if slot(session, capture).await?.is_none() {
        statements.push(making_slot(capture));
    }
    Ok(statements)
}

fn making_slot(capture: &str) -> String {
    format!("SELECT lsn FROM pg_create_logical_replication_slot({}, 'pgoutput')", literal(capture))
}

/// Waits until all transactions have ended that are open now, in any database of the server.
async fn make_slot(session: &Session, capture: &str) -> Result<Lsn> {
    let sql = making_slot(capture);
    let making = session.first("making the replication slot", &sql);
    let row = patiently(making, || {
        tracing::warn!("making the replication slot {capture} waits for open transactions to end; pg_stat_activity tells which (backend_xid)");
    })
    .await?;
    let lsn = row.as_ref().and_then(|r| Lsn::parse(r.text(0)));
    lsn.ok_or_else(|| protocol("the server does not tell where the new slot begins"))
}

/// Waits, and tells when it takes long.
pub(crate) async fn patiently<T>(work: impl Future<Output = Result<T>>, tell: impl FnOnce()) -> Result<T> {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => done,
        () = tokio::time::sleep(PATIENCE) => {
            tell();
            work.await
        }
    }
}

/// A published table without a replica identity refuses its owner's UPDATE and DELETE: so it is never published.
async fn publishable(session: &Session, tables: &[TableName]) -> Result<Vec<Layout>> {
    let found = describe(session, Which::Named(tables)).await?;
    let mut faults = Vec::new();
    for name in tables {
        match found.iter().find(|l| l.table.name == *name) {
            None => faults.push(format!("{name} is not there")),
            Some(layout) if layout.identity_generated => {
                faults.push(format!("{name} has a replica identity with generated columns: the server would refuse its updates"));
            }
            Some(layout) if layout.identity == Identity::Lacking => {
                faults.push(format!("{name} has no replica identity that holds its key"));
            }
            Some(layout) if layout.unlogged => faults.push(format!("{name} is unlogged")),
            Some(_) => {}
        }
    }
    if faults.is_empty() {
        return Ok(found);
    }
    Err(precondition("TL-PG-NOT-PUBLISHABLE", format!("capturing tables: {}", faults.join("; ")))
        .hint("`tidelock check` tells the statement that mends each of them"))
}

async fn publish(session: &Session, capture: &str, tables: &[TableName], layouts: &[Layout]) -> Result<()> {
    let Some(sql) = publishing(session, capture, tables, layouts).await? else { return Ok(()) };
    patiently(session.run("making the publication", &sql), || {
        tracing::warn!("{sql} waits for transactions that write there; pg_locks tells which");
    })
    .await
}

/// What brings tables into the publication; `None`: they are there.
async fn publishing(
    session: &Session,
    capture: &str,
    tables: &[TableName],
    layouts: &[Layout],
) -> Result<Option<String>> {
    let publication = quoted(capture);
    let there = format!("SELECT 1 FROM pg_publication WHERE pubname = {}", literal(capture));
    if session.first("looking for the publication", &there).await?.is_none() {
        let list =
            if tables.is_empty() { String::new() } else { format!(" FOR TABLE {}", sql_names(tables)) };
        let sql = format!("CREATE PUBLICATION {publication}{list} WITH (publish_via_partition_root = true)");
        return Ok(Some(sql));
    }
    let missing = unpublished(session, capture, tables).await?;
    if missing.is_empty() {
        return Ok(None);
    }
    // What a transaction wrote before the table was published is not decoded, even when it commits later: so all that write must have ended.
    let locked = layouts.iter().filter(|l| missing.contains(&l.table.name));
    let locked = locked.map(|l| if l.partitioned { l.sql_name() } else { format!("ONLY {}", l.sql_name()) });
    Ok(Some(format!(
        "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE; ALTER PUBLICATION {publication} ADD TABLE {}",
        locked.collect::<Vec<_>>().join(", "),
        sql_names(&missing)
    )))
}

/// Those of `tables` that are not in the publication: new ones, and such as were dropped, renamed or replaced.
async fn unpublished(session: &Session, capture: &str, tables: &[TableName]) -> Result<Vec<TableName>> {
    let sql = format!(
        "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = {}",
        literal(capture)
    );
    let published = session.query("reading the publication", &sql).await?;
    let published: BTreeSet<TableName> = published.iter().map(|r| table_name(r.text(0), r.text(1))).collect();
    Ok(tables.iter().filter(|t| !published.contains(t)).cloned().collect())
}

/// While changes are read: a table that was dropped, renamed or replaced left the publication, or the publication was altered, and nothing in the stream tells.
pub(crate) async fn still_published(session: &Session, capture: &str, tables: &[TableName]) -> Result<()> {
    published(session, capture).await?;
    let missing = unpublished(session, capture, tables).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let message = format!(
        "{} {} not in the publication {capture} any more: dropped, renamed or replaced at the source",
        names.join(", "),
        if names.len() == 1 { "is" } else { "are" }
    );
    Err(schema_changed("TL-PG-NOT-PUBLISHED", message).hint(format!(
        "take it out of the job, or bring it back and copy it anew with `tidelock sync --full --tables {}`",
        names.join(",")
    )))
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
            let message = format!(
                "the server has dropped log that the slot {capture} still needed (max_slot_wal_keep_size)"
            );
            return Err(lost("TL-PG-SLOT-LOST", message).hint(format!(
                "SELECT pg_drop_replication_slot({}); then copy anew with `tidelock sync --full`",
                literal(capture)
            )));
        }
        self.confirmed.ok_or_else(|| {
            let message = format!("the slot {capture} is still being made, by another session");
            EndpointError::new(ErrorKind::Contention, "TL-PG-IN-USE", message)
                .hint("it waits for open transactions to end; pg_stat_activity tells which (backend_xid)")
        })
    }
}

pub(crate) fn lost(code: &'static str, message: String) -> EndpointError {
    EndpointError::new(ErrorKind::PositionLost, code, message)
        .hint("changes since then are not known: copy anew with `tidelock sync --full`")
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
    let place = log_place(session).await?;
    if after > place {
        return Err(lost(
            "TL-PG-POSITION-AHEAD",
            format!(
                "the wanted position {after} is ahead of the server, whose log ends at {place}: the server was set back"
            ),
        ));
    }
    published(session, capture).await
}

/// Where the server's log ends.
pub(crate) async fn log_place(session: &Session) -> Result<Lsn> {
    let place = match session.server.recovery {
        true => "pg_last_wal_replay_lsn()",
        false => "pg_current_wal_insert_lsn()",
    };
    let row = session.first("asking where the log stands", &format!("SELECT {place}")).await?;
    row.and_then(|r| Lsn::parse(r.text(0)))
        .ok_or_else(|| protocol("the server does not tell where its log stands"))
}

/// The publication is there and tells everything, as it was made.
async fn published(session: &Session, capture: &str) -> Result<()> {
    let sql = format!(
        "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate AND pubviaroot FROM pg_publication WHERE pubname = {}",
        literal(capture)
    );
    match session.first("looking for the publication", &sql).await? {
        Some(row) if row.flag(0) => unfiltered(session, capture).await,
        Some(_) => Err(lost(
            "TL-PG-PUBLICATION-CHANGED",
            format!("the publication {capture} was altered and leaves changes out"),
        )),
        None => {
            let message = format!("the publication {capture} is not there any more");
            Err(lost("TL-PG-PUBLICATION-GONE", message))
        }
    }
}

/// The publication tells all rows and columns of its tables (PostgreSQL 15 is the first that could leave some out).
async fn unfiltered(session: &Session, capture: &str) -> Result<()> {
    if session.server.version < 150_000 {
        return Ok(());
    }
    let sql = format!(
        "SELECT n.nspname, c.relname FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = {} AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL)",
        literal(capture)
    );
    let Some(row) = session.first("reading the publication", &sql).await? else { return Ok(()) };
    let table = table_name(row.text(0), row.text(1));
    let message = format!("the publication {capture} was altered and leaves rows or columns of {table} out");
    let (publication, name) = (quoted(capture), sql_name(&table));
    Err(EndpointError::new(ErrorKind::PositionLost, "TL-PG-PUBLICATION-FILTERED", message).hint(format!(
        "ALTER PUBLICATION {publication} DROP TABLE ONLY {name}; ALTER PUBLICATION {publication} ADD TABLE ONLY {name}; \
         then copy anew with `tidelock sync --full --tables {table}`"
    )))
}

/// What there is of a capture: its slot first, then its publication.
pub(crate) async fn made(session: &Session, name: &str) -> Result<Vec<Cleanup>> {
    let mut found = Vec::new();
    let slot = format!(
        "SELECT 1 FROM pg_replication_slots WHERE slot_name = {} AND database = current_database()",
        literal(name)
    );
    if session.first("looking for the replication slot", &slot).await?.is_some() {
        let statement = format!("SELECT pg_drop_replication_slot({})", literal(name));
        found.push(Cleanup { kind: "slot", name: name.to_owned(), statement });
    }
    let publication = format!("SELECT 1 FROM pg_publication WHERE pubname = {}", literal(name));
    if session.first("looking for the publication", &publication).await?.is_some() {
        let statement = format!("DROP PUBLICATION {}", quoted(name));
        found.push(Cleanup { kind: "publication", name: name.to_owned(), statement });
    }
    Ok(found)
}
