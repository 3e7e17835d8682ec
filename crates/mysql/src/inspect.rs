//! What an endpoint needs for its part, all of it at once: settings, privileges, tables, each with the statement that mends it.

use crate::Result;
use crate::catalog::{Layout, Which, describe};

use crate::charset::Charset;
use crate::codec::Codec;
use crate::config::Config;
use crate::connect::{Purpose, Session, literal, quoted};
use crate::others::others;
use crate::prefix;
use crate::privileges::{Grants, user};
use crate::server::{Flavor, Server};
use crate::withheld::{schemas, withheld};
use std::collections::BTreeMap;
use tidelock_endpoint::{
    Ask, CaptureKind, Case, Finding, Findings, Inspection, Limit, Names, Role, Severity,
};
use tidelock_model::ReferentialAction;

/// Below a day, a weekend is lost.
const SHORT_EXPIRY: u64 = 86_400;
/// Rows of a MiB and more are not rare.
const SMALL_PACKET: usize = 4 << 20;

/// Looks, and changes nothing.
pub(crate) async fn inspect(config: &Config, ask: &Ask) -> Result<Inspection> {
    let mut session = Session::connect(config, Purpose::Look).await?;
    let which = match (&ask.tables, ask.role) {
        (None, _) => Which::All,
        (Some(names), Role::SnapshotSource) => Which::Read(names),
        (Some(names), _) => Which::Named(names),
    };
    let layouts = describe(&mut session, &config.database, which).await?;
    let grants = Grants::ask(&mut session).await?;
    let server = session.server.clone();
    let mut findings = Findings::new("CURRENT_USER()", user(&mut session).await?);
    version(&server, &mut findings);
    match ask.role {
        Role::SnapshotSource => {}
        Role::Source(CaptureKind::Trigger) | Role::TwoWaySource(CaptureKind::Trigger) => findings.add(
            Finding::new(
                Severity::Error,
                "TL-MY-CAPTURE",
                "capture",
                "this engine reads the binary log, and has no triggers",
            )
            .remedy("capture: log"),
        ),
        Role::Source(CaptureKind::Log) | Role::TwoWaySource(CaptureKind::Log) => {
            let two_way = matches!(ask.role, Role::TwoWaySource(_));
            log(&mut session, &grants, two_way, &mut findings).await?;
            let schemas = schemas(&config.database, layouts.iter().map(|l| &l.table.name));
            findings.list.extend(withheld(&mut session, &schemas).await?);
        }
        Role::Target => {
            target(&server, &grants, config, &mut findings);
            triggers(&mut session, config, &layouts, &mut findings).await?;
        }
    }
    others(&mut session, &config.database, ask, &mut findings).await?;
    for layout in &layouts {
        match ask.role {
            Role::Target => target_table(layout, &mut findings),
            Role::SnapshotSource => source_table(layout, &grants, &server, false, &mut findings),
            Role::Source(_) | Role::TwoWaySource(_) => {
                source_table(layout, &grants, &server, true, &mut findings)
            }
        }
    }
    let mut tables: Vec<_> = layouts.iter().map(|l| l.table.clone()).collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let names =
        Names { tables: server.table_names, columns: Case::Any, limit: Limit::Basic(64), widest: 1017 };
    Ok(Inspection {
        server: server.identity.clone(),
        names,
        tables,
        stored: BTreeMap::new(),
        findings: findings.list,
    })
}

fn version(server: &Server, findings: &mut Findings) {
    let (oldest, supported) = match server.flavor {
        Flavor::MySql => ("8.0", server.at_least(8, 0)),
        Flavor::MariaDb => ("10.6", server.at_least(10, 6)),
    };
    if !supported {
        let message = format!(
            "{} {} is older than {oldest}, the oldest that is tested",
            server.identity.product, server.identity.version
        );
        findings.warning(
            "TL-MY-VERSION",
            "version",
            message,
            format!("update the server to {oldest} or later"),
        );
    }
}

async fn log(session: &mut Session, grants: &Grants, two_way: bool, findings: &mut Findings) -> Result<()> {
    let server = session.server.clone();
    let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata', \
               'binlog_row_value_options', 'binlog_expire_logs_seconds', 'expire_logs_days')";
    let rows = session.query("reading the log's settings", sql).await?;
    let settings: BTreeMap<String, String> =
        rows.iter().map(|r| (r.string(0).to_ascii_lowercase(), r.string(1))).collect();
    let setting = |name: &str| settings.get(name).map_or("", String::as_str);
    if !server.log_bin {
        findings.error(
            "TL-MY-LOG-BIN",
            "log_bin",
            "the server writes no binary log",
            "set log_bin (and server_id) in the server's configuration and start it again",
        );
    }
    if setting("binlog_format") != "ROW" {
        let message = format!("binlog_format is {}, and rows are needed", setting("binlog_format"));
        findings.error("TL-MY-BINLOG-FORMAT", "binlog_format", message, "SET GLOBAL binlog_format = 'ROW'");
    }
    let image = setting("binlog_row_image");
    if image != "FULL" {
        let message =
            format!("binlog_row_image is {image}: rows come without the columns that did not change");
        let (severity, message) = match two_way {
            true => (Severity::Error, message + ", and conflicts cannot be told"),
            false => (
                Severity::Warning,
                message + ", and a new row of which a column was left to its default stops the stream",
            ),
        };
        let remedy = "SET GLOBAL binlog_row_image = 'FULL'";
        findings.add(Finding::new(severity, "TL-MY-ROW-IMAGE", "binlog_row_image", message).remedy(remedy));
    }
    if setting("binlog_row_value_options").contains("PARTIAL_JSON") {
        findings.error(
            "TL-MY-PARTIAL-JSON",
            "binlog_row_value_options",
            "the log holds only parts of changed JSON values",
            "SET GLOBAL binlog_row_value_options = ''",
        );
    }
    if setting("binlog_row_metadata") != "FULL" {
        let message = "the log tells no column names, so a column that is renamed while changes wait in the log is found late";
        findings.warning(
            "TL-MY-ROW-METADATA",
            "binlog_row_metadata",
            message,
            "SET GLOBAL binlog_row_metadata = 'FULL'",
        );
    }
    expiry(setting("binlog_expire_logs_seconds"), setting("expire_logs_days"), findings);
    privileges(&server, grants, findings);
    Ok(())
}

fn expiry(seconds: &str, days: &str, findings: &mut Findings) {
    let seconds = seconds.parse::<f64>().unwrap_or(0.0) as u64;
    let days = (days.parse::<f64>().unwrap_or(0.0) * 86_400.0) as u64;
    let kept = if seconds > 0 { seconds } else { days };
    if kept > 0 && kept < SHORT_EXPIRY {
        let message =
            format!("binary logs are kept for {kept} s; a longer pause than that makes a new copy necessary");
        findings.add(
            Finding::new(Severity::Note, "TL-MY-LOG-EXPIRY", "binlog_expire_logs_seconds", message)
                .remedy("SET GLOBAL binlog_expire_logs_seconds = 604800"),
        );
    }
}

fn privileges(server: &Server, grants: &Grants, findings: &mut Findings) {
    let monitor: &[&str] = match server.flavor {
        Flavor::MySql => &["REPLICATION CLIENT"],
        Flavor::MariaDb => &["BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"],
    };
    let to = "TO CURRENT_USER()";
    if !["REPLICATION SLAVE", "REPLICATION REPLICA"].iter().any(|p| grants.everywhere(p)) {
        findings.error(
            "TL-MY-PRIVILEGE-REPLICATION",
            "privileges",
            "the user may not read the binary log",
            format!("GRANT REPLICATION SLAVE ON *.* {to}"),
        );
    }
    if !monitor.iter().any(|p| grants.everywhere(p)) {
        let remedy = format!("GRANT {} ON *.* {to}", monitor[0]);
        findings.error(
            "TL-MY-PRIVILEGE-MONITOR",
            "privileges",
            "the user may not ask where the log stands",
            remedy,
        );
    }
    if !grants.everywhere("RELOAD") {
        findings.warning(
            "TL-MY-PRIVILEGE-RELOAD",
            "privileges",
            match server.flavor {
                Flavor::MySql => "without RELOAD commits cannot be held back for the moment in which following or a snapshot begins, unless the user may LOCK TABLES: \
                    a snapshot has one reader, changes of that moment are applied twice (which does no harm), and following begins where all commits are \
                    taken to have ended a second later (semi-synchronous ones are waited for)",
                Flavor::MariaDb => "without RELOAD commits cannot be held back for the moment in which a snapshot begins: it has one reader",
            },
            format!("GRANT RELOAD ON *.* {to}"),
        );
    }
}

fn source_table(layout: &Layout, grants: &Grants, server: &Server, followed: bool, findings: &mut Findings) {
    let table = &layout.table;
    let subject = table.name.to_string();
    if !grants.on("SELECT", &layout.schema, &table.name.name) {
        let remedy = format!("GRANT SELECT ON {} TO CURRENT_USER()", layout.sql_name());
        findings.error("TL-MY-PRIVILEGE-SELECT", &subject, "the user may not read it", remedy);
    }
    if table.key.is_empty() && followed {
        let taken = |name: &&str| table.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
        let free = ["id", "row_id", "tidelock_id"].into_iter().find(|name| !taken(name)).unwrap_or("…");
        findings.error(
            "TL-MY-NO-KEY",
            &subject,
            "it has neither a primary key nor a unique index over NOT NULL columns: rows cannot be told apart",
            format!(
                "ALTER TABLE {} ADD COLUMN {} BIGINT AUTO_INCREMENT PRIMARY KEY",
                layout.sql_name(),
                quoted(free)
            ),
        );
    }
    engine(layout, &subject, "the snapshot is not consistent for it", findings);
    if !followed {
        return;
    }
    for (column, stored) in table.columns.iter().zip(&layout.columns) {
        let subject = format!("{subject}.{}", column.name);
        let charset = match &stored.codec {
            Codec::Text { charset, .. } | Codec::UuidText(charset) | Codec::JsonText(charset) => charset,
            Codec::Native(name) => {
                let message = format!("values of the type {name} cannot be read from the log");
                findings.error(
                    "TL-MY-TYPE-UNREADABLE",
                    &subject,
                    message,
                    format!(
                        "change its type: ALTER TABLE {} MODIFY {} …",
                        layout.sql_name(),
                        quoted(&column.name)
                    ),
                );
                continue;
            }
            _ => continue,
        };
        if let Charset::Unsupported(name) = charset {
            let message = format!("text in the character set {name} cannot be read from the log exactly");
            let remedy = format!(
                "ALTER TABLE {} MODIFY {} … CHARACTER SET utf8mb4",
                layout.sql_name(),
                quoted(&column.name)
            );
            findings.error("TL-MY-CHARSET", &subject, message, remedy);
        }
    }
    cascades(layout, server, &subject, findings);
}

/// InnoDB changes the referring rows by itself: the server does not log it, before MySQL 9.6.
fn cascades(layout: &Layout, server: &Server, subject: &str, findings: &mut Findings) {
    if server.flavor == Flavor::MySql && server.at_least(9, 6) {
        return;
    }
    let acts = |a: ReferentialAction| !matches!(a, ReferentialAction::NoAction | ReferentialAction::Restrict);
    for key in layout.table.foreign_keys.iter().filter(|k| acts(k.on_delete) || acts(k.on_update)) {
        let message = format!(
            "the foreign key {} changes rows of {subject} when {} changes, inside of the storage engine: such changes are not in the \
             binary log and do not reach the target",
            key.name, key.references
        );
        let remedy = format!(
            "make the foreign key RESTRICT and change both tables by statements, or look for differences with `tidelock verify` (table {subject})"
        );
        findings.warning("TL-MY-CASCADE", subject, message, remedy);
    }
}

fn engine(layout: &Layout, subject: &str, consequence: &str, findings: &mut Findings) {
    if !(layout.engine.is_empty() || layout.engine.eq_ignore_ascii_case("InnoDB")) {
        let message =
            format!("its storage engine is {}, which has no transactions: {consequence}", layout.engine);
        let remedy = format!("ALTER TABLE {} ENGINE = InnoDB", layout.sql_name());
        findings.warning("TL-MY-ENGINE", subject, message, remedy);
    }
}

fn target(server: &Server, grants: &Grants, config: &Config, findings: &mut Findings) {
    let database = &config.database;
    let anything = "";
    let missing: Vec<&str> =
        ["CREATE", "ALTER", "INDEX", "REFERENCES", "SELECT", "INSERT", "UPDATE", "DELETE"]
            .into_iter()
            .filter(|p| !grants.on(p, database, anything))
            .collect();
    if !missing.is_empty() {
        let list = missing.join(", ");
        let remedy = format!("GRANT {list} ON {}.* TO CURRENT_USER()", quoted(database));
        findings.error(
            "TL-MY-PRIVILEGE-WRITE",
            "privileges",
            format!("the user lacks {list} on {database}"),
            remedy,
        );
    }
    if server.max_allowed_packet < SMALL_PACKET {
        let message =
            format!("max_allowed_packet is {}: larger values are refused", server.max_allowed_packet);
        findings.warning(
            "TL-MY-PACKET",
            "max_allowed_packet",
            message,
            "SET GLOBAL max_allowed_packet = 67108864",
        );
    }
    if !server.local_infile {
        let message = "local_infile is off: the first copy is written by statements, at about half the speed";
        findings.add(
            Finding::new(Severity::Note, "TL-MY-LOCAL-INFILE", "local_infile", message)
                .remedy("SET GLOBAL local_infile = 1"),
        );
    }
}

/// They cannot be switched off for a session.
async fn triggers(
    session: &mut Session,
    config: &Config,
    layouts: &[Layout],
    findings: &mut Findings,
) -> Result<()> {
    let sql = format!(
        "SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = {}",
        literal(&config.database)
    );
    for row in session.query("looking for triggers", &sql).await? {
        let (table, trigger) = (row.string(0), row.string(1));
        if layouts.iter().any(|l| l.table.name.schema.is_none() && l.table.name.name == table) {
            let message = format!(
                "the trigger {trigger} fires for our writes too; what it writes is there twice if the source's rows bring it already"
            );
            findings.warning("TL-MY-TRIGGER", &table, message, format!("DROP TRIGGER {}", quoted(&trigger)));
        }
    }
    Ok(())
}

fn target_table(layout: &Layout, findings: &mut Findings) {
    let subject = layout.table.name.to_string();
    engine(layout, &subject, "rows and checkpoint are not written together", findings);
    prefix_key(layout, &subject, findings);
    for index in &layout.special_indexes {
        findings.add(Finding::new(
            Severity::Note,
            "TL-MY-INDEX-SPECIAL",
            format!("{subject}.{index}"),
            format!(
                "index {} is over a prefix or an expression, or is of a special kind; it is left as it is",
                literal(index)
            ),
        ));
    }
}

/// At a source such a key tells rows apart; here it may not tell the source's.
fn prefix_key(layout: &Layout, subject: &str, findings: &mut Findings) {
    if layout.key_prefixes.is_empty() {
        return;
    }
    let message = format!(
        "its key looks at {} only: rows whose keys are the same so far are refused, with both keys, and single rows are written more slowly",
        prefix::shown(layout)
    );
    findings.warning("TL-MY-KEY-PREFIX", subject, message, prefix::remedy(layout));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_expiry_is_noted_and_a_missing_one_is_not() {
        for (seconds, days, noted) in
            [("3600", "0", true), ("0", "0", false), ("2592000", "0", false), ("", "0.5", true)]
        {
            let mut findings = Findings::default();
            expiry(seconds, days, &mut findings);
            assert_eq!(!findings.list.is_empty(), noted, "{seconds} {days}");
        }
    }
}
