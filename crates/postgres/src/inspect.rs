//! What an endpoint needs for its part, all of it at once: settings, privileges, tables, each with the statement that mends it.

use crate::Result;
use crate::catalog::{Identity, Layout, Which, describe};
use crate::config::Config;
use crate::connect::{OLDEST, Purpose, Session};
use crate::names::{literal, quoted};
use crate::others::others;
use std::collections::BTreeMap;
use tidelock_endpoint::{
    Ask, CaptureKind, Case, Finding, Findings, Inspection, Limit, Names, Role, Severity,
};

/// Looks, and changes nothing.
pub(crate) async fn inspect(config: &Config, ask: &Ask) -> Result<Inspection> {
    let session = Session::connect(config, Purpose::Read).await?;
    let which = match (&ask.tables, ask.role) {
        (None, _) => Which::All,
        (Some(names), Role::SnapshotSource) => Which::Read(names),
        (Some(names), _) => Which::Named(names),
    };
    let layouts = describe(&session, which).await?;
    let mut findings = Findings::new("CURRENT_USER", quoted(&config.user));
    if session.server.version < OLDEST {
        let message = format!(
            "PostgreSQL {} is older than 14, the oldest that is supported",
            session.server.identity.version
        );
        findings.error("TL-PG-VERSION", "version", message, "update the server to 14 or later");
    }
    match ask.role {
        Role::SnapshotSource => {}
        Role::Source(CaptureKind::Trigger) | Role::TwoWaySource(CaptureKind::Trigger) => findings.error(
            "TL-PG-CAPTURE",
            "capture",
            "this engine reads by logical decoding, and has no triggers",
            "capture: log",
        ),
        Role::Source(CaptureKind::Log) | Role::TwoWaySource(CaptureKind::Log) => {
            decoding(&session, config, &mut findings).await?;
        }
        Role::Target => target(&session, &mut findings).await?,
    }
    others(&session, ask, &mut findings).await?;
    let quiet = ask.role != Role::Target || replica_role(&session).await?;
    for layout in &layouts {
        match ask.role {
            Role::Target => target_table(layout, &session, quiet, &mut findings),
            Role::SnapshotSource => readable(layout, &mut findings),
            Role::Source(_) => followed(layout, false, &mut findings),
            Role::TwoWaySource(_) => followed(layout, true, &mut findings),
        }
    }
    let mut tables: Vec<_> = layouts
        .iter()
        .map(|layout| match ask.role {
            Role::Target => layout.as_written(),
            _ => layout.table.clone(),
        })
        .collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let names = Names {
        tables: Case::Exact,
        columns: Case::Exact,
        limit: Limit::Octets(crate::names::LONGEST),
        widest: 1600,
    };
    let stored = match ask.role {
        Role::Source(_) | Role::TwoWaySource(_) => {
            layouts.iter().map(|l| (l.table.name.clone(), l.stored.clone())).collect()
        }
        Role::SnapshotSource | Role::Target => BTreeMap::new(),
    };
    let server = session.server.identity.clone();
    Ok(Inspection { server, names, tables, stored, findings: findings.list })
}

/// What logical decoding needs of the server.
async fn decoding(session: &Session, config: &Config, findings: &mut Findings) -> Result<()> {
    let slot = literal(&config.capture);
    let sql = format!(
        "SELECT current_setting('wal_level'), current_setting('max_replication_slots')::int, current_setting('max_wal_senders')::int, \
         (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_stat_replication), \
         EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = {slot}), r.rolreplication OR r.rolsuper, \
         has_database_privilege(current_database(), 'CREATE'), EXISTS (SELECT FROM pg_publication WHERE pubname = {slot}), \
         current_setting('max_slot_wal_keep_size') \
         FROM pg_roles r WHERE r.rolname = current_user"
    );
    let Some(row) = session.first("reading the settings of logical decoding", &sql).await? else {
        return Ok(());
    };
    if session.server.recovery {
        findings.error(
            "TL-PG-STANDBY",
            "server",
            "the server is a standby: publications cannot be made there",
            "name the primary in the url",
        );
    }
    if row.text(0) != "logical" {
        let message = format!("wal_level is {}, and the log must tell rows", row.text(0));
        findings.error(
            "TL-PG-WAL-LEVEL",
            "wal_level",
            message,
            "ALTER SYSTEM SET wal_level = 'logical', then restart the server",
        );
    }
    let (slots, senders): (i64, i64) = (row.number(1)?, row.number(2)?);
    let there = row.flag(5);
    if !there && row.number::<i64>(3)? >= slots {
        let message = format!("all {slots} replication slots of the server are taken");
        let remedy = format!(
            "ALTER SYSTEM SET max_replication_slots = {}, then restart the server; or drop slots that nobody reads",
            slots + 4
        );
        findings.error("TL-PG-SLOTS", "max_replication_slots", message, remedy);
    }
    if row.number::<i64>(4)? >= senders {
        let message = format!("all {senders} senders of the server are in use");
        let remedy = format!("ALTER SYSTEM SET max_wal_senders = {}, then restart the server", senders + 4);
        findings.error("TL-PG-SENDERS", "max_wal_senders", message, remedy);
    }
    if !row.flag(6) {
        findings.error(
            "TL-PG-PRIVILEGE-REPLICATION",
            "privileges",
            "the user may not read the log",
            "ALTER ROLE CURRENT_USER REPLICATION",
        );
    }
    if !row.flag(7) && !row.flag(8) {
        findings.error(
            "TL-PG-PRIVILEGE-CREATE",
            "privileges",
            format!("the user may not make a publication in {}", config.database),
            format!("GRANT CREATE ON DATABASE {} TO CURRENT_USER", quoted(&config.database)),
        );
    }
    if !there {
        open_transactions(session, findings).await?;
    }
    if row.text(9) == "-1" {
        let message = "the server keeps its log for us without a limit: while tidelock is stopped for long its disk fills";
        findings.add(
            Finding::new(Severity::Note, "TL-PG-SLOT-UNBOUNDED", "max_slot_wal_keep_size", message)
                .remedy("ALTER SYSTEM SET max_slot_wal_keep_size = '64GB'"),
        );
    }
    Ok(())
}

/// A new slot begins once everything that is open at that moment has ended, in any database of the server.
async fn open_transactions(session: &Session, findings: &mut Findings) -> Result<()> {
    let sql = "SELECT pid, extract(epoch FROM now() - xact_start)::int, datname FROM pg_stat_activity \
               WHERE backend_xid IS NOT NULL AND xact_start < now() - interval '30 seconds' ORDER BY xact_start LIMIT 5";
    for row in session.query("looking for open transactions", sql).await? {
        let (pid, seconds, database) = (row.text(0), row.text(1), row.text(2));
        let message = format!(
            "a transaction in {database} is open for {seconds} s: making the replication slot waits for its end"
        );
        let remedy = format!("end it, or SELECT pg_terminate_backend({pid})");
        findings.warning("TL-PG-OPEN-TRANSACTION", "transactions", message, remedy);
    }
    Ok(())
}

fn readable(layout: &Layout, findings: &mut Findings) {
    let subject = layout.table.name.to_string();
    if !layout.rights.select {
        let remedy = format!("GRANT SELECT ON {} TO CURRENT_USER", layout.sql_name());
        findings.error("TL-PG-PRIVILEGE-SELECT", &subject, "the user may not read it", remedy);
    }
}

/// Why its rows cannot be told apart, and the statement that mends it.
fn keyless(layout: &Layout) -> (&'static str, String) {
    let table = layout.sql_name();
    if let Some((name, columns)) = &layout.late_key {
        let columns = columns.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", ");
        let message = "its primary key is DEFERRABLE, and the server tells no row by such a key: rows cannot be told apart";
        return (
            message,
            format!("ALTER TABLE {table} DROP CONSTRAINT {}, ADD PRIMARY KEY ({columns})", quoted(name)),
        );
    }
    let free = ["id", "row_id", "tidelock_id"].into_iter().find(|name| layout.table.column(name).is_none());
    let message =
        "it has neither a primary key nor a unique index over NOT NULL columns: rows cannot be told apart";
    let column = quoted(free.unwrap_or("…"));
    (
        message,
        format!("ALTER TABLE {table} ADD COLUMN {column} bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    )
}

fn followed(layout: &Layout, two_way: bool, findings: &mut Findings) {
    readable(layout, findings);
    let subject = layout.table.name.to_string();
    let table = layout.sql_name();
    if layout.table.key.is_empty() {
        let (message, remedy) = keyless(layout);
        findings.error("TL-PG-NO-KEY", &subject, message, remedy);
    }
    if !layout.rights.owner {
        let remedy = format!(
            "ALTER TABLE {table} OWNER TO CURRENT_USER, or make the user a member of the owner's role"
        );
        findings.error("TL-PG-PRIVILEGE-OWNER", &subject, "only its owner may publish it", remedy);
    }
    if layout.unlogged {
        let remedy = format!("ALTER TABLE {table} SET LOGGED");
        findings.error("TL-PG-UNLOGGED", &subject, "it is unlogged: its changes are in no log", remedy);
    }
    if layout.partitioned && two_way {
        let message = "it is partitioned: what is truncated, dropped, attached or detached as a single partition is not told in the log";
        let remedy = "copy anew with `tidelock sync --full` after such a step";
        findings.warning("TL-PG-PARTITIONED", &subject, message, remedy);
    } else if layout.partitioned {
        let message = "it is partitioned: the log does not tell what is truncated, dropped, attached, detached or rewritten as a single partition; the whole table is copied again then";
        findings.add(Finding::new(Severity::Note, "TL-PG-PARTITIONED", &subject, message));
    }
    if layout.identity_generated {
        let message = "its replica identity holds generated columns: once it is published the server refuses every UPDATE and DELETE";
        let remedy = match two_way {
            true => "drop its generated columns: a two-way job needs the whole row".to_owned(),
            false => every(layout, "REPLICA IDENTITY DEFAULT") + ", or drop its generated columns",
        };
        findings.error("TL-PG-REPLICA-IDENTITY", &subject, message, remedy);
    } else if two_way && layout.identity != Identity::Full {
        let message =
            "the log tells only the key of a row that was there, and a two-way job needs the whole row";
        findings.error("TL-PG-REPLICA-IDENTITY", &subject, message, every(layout, "REPLICA IDENTITY FULL"));
    } else if layout.identity == Identity::Lacking && !layout.table.key.is_empty() {
        let remedy = match &layout.identity_index {
            Some(index) if !layout.table.primary => {
                format!("ALTER TABLE {table} REPLICA IDENTITY USING INDEX {}", quoted(index))
            }
            _ => every(layout, "REPLICA IDENTITY DEFAULT"),
        };
        let message =
            "its replica identity does not hold its key: the log would not tell which row was changed";
        findings.error("TL-PG-REPLICA-IDENTITY", &subject, message, remedy);
    }
}

/// The same for the table and each of its partitions, which do not take it over.
fn every(layout: &Layout, what: &str) -> String {
    let tables = std::iter::once(layout.sql_name()).chain(layout.leaves.iter().cloned());
    tables.map(|t| format!("ALTER TABLE {t} {what}")).collect::<Vec<_>>().join("; ")
}

/// What writing needs of the server.
async fn target(session: &Session, findings: &mut Findings) -> Result<()> {
    if session.server.recovery {
        findings.error(
            "TL-PG-STANDBY",
            "server",
            "the server is a standby: nothing can be written there",
            "name the primary in the url",
        );
    }
    let sql = "SELECT has_schema_privilege('public', 'CREATE'), to_regclass('public.tidelock_checkpoint') IS NOT NULL, \
               has_database_privilege(current_database(), 'TEMPORARY'), quote_ident(current_database())";
    let Some(row) = session.first("reading the privileges", sql).await? else { return Ok(()) };
    if !row.flag(0) && !row.flag(1) {
        findings.error(
            "TL-PG-PRIVILEGE-CREATE",
            "privileges",
            "the user may not make tables in the schema public",
            "GRANT CREATE ON SCHEMA public TO CURRENT_USER",
        );
    }
    if !row.flag(2) {
        findings.warning(
            "TL-PG-PRIVILEGE-TEMPORARY",
            "privileges",
            "the user may not make temporary tables, which are needed to copy into tables that hold rows",
            format!("GRANT TEMPORARY ON DATABASE {} TO CURRENT_USER", row.text(3)),
        );
    }
    Ok(())
}

/// Whether the session may take the role that keeps triggers from firing; asked by taking it in a transaction that is rolled back.
async fn replica_role(session: &Session) -> Result<bool> {
    match session.client.batch_execute("BEGIN; SET LOCAL session_replication_role = replica; ROLLBACK").await
    {
        Ok(()) => Ok(true),
        Err(error) if crate::error::state(&error) == Some("42501") => {
            session.run("rolling back", "ROLLBACK").await?;
            Ok(false)
        }
        Err(error) => Err(crate::error::from_driver("asking for the replica role", error)),
    }
}

fn target_table(layout: &Layout, session: &Session, quiet: bool, findings: &mut Findings) {
    let subject = layout.table.name.to_string();
    let rights = layout.rights;
    let lacking: Vec<&str> = [
        (rights.select, "SELECT"),
        (rights.insert, "INSERT"),
        (rights.update, "UPDATE"),
        (rights.delete, "DELETE"),
    ]
    .into_iter()
    .filter_map(|(has, name)| (!has).then_some(name))
    .collect();
    if !lacking.is_empty() {
        let list = lacking.join(", ");
        let remedy = format!("GRANT {list} ON {} TO CURRENT_USER", layout.sql_name());
        findings.error("TL-PG-PRIVILEGE-WRITE", &subject, format!("the user lacks {list}"), remedy);
    }
    if !quiet && (layout.triggers || layout.referenced || !layout.table.foreign_keys.is_empty()) {
        let message = "its triggers and foreign keys act on our writes too: the user may not switch them off for its own session";
        let remedy = match session.server.version {
            150_000.. => "GRANT SET ON PARAMETER session_replication_role TO CURRENT_USER",
            _ => "ALTER ROLE CURRENT_USER SUPERUSER, or drop triggers that write",
        };
        findings.warning("TL-PG-REPLICA-ROLE", &subject, message, remedy);
    }
    if !rights.owner {
        let message =
            "the user does not own it: indexes, foreign keys and next numbers that it lacks are not made";
        findings.list.push(Finding::new(Severity::Note, "TL-PG-NOT-OWNER", &subject, message));
    }
    for name in &layout.loose_key {
        let native = layout.table.column(name).map_or("text", |i| &layout.table.columns[i].native);
        let message = format!(
            "the collation of its key column {name} takes different texts for equal: a row could be written over another one"
        );
        let remedy = format!(
            "ALTER TABLE {} ALTER COLUMN {} TYPE {native} COLLATE \"C\"",
            layout.sql_name(),
            quoted(name)
        );
        findings.error("TL-PG-COLLATION", &subject, message, remedy);
    }
    for index in &layout.special_indexes {
        let message = format!(
            "index {index} is over an expression, partial, or of a special kind; it is left as it is"
        );
        findings.list.push(Finding::new(
            Severity::Note,
            "TL-PG-INDEX-SPECIAL",
            format!("{subject}.{index}"),
            message,
        ));
    }
}
