//! Looking at a file without changing it: its identity, its tables, and everything that is in the way, all at once.

use crate::catalogue::{self, Found};
use crate::identity;
use crate::names::ident;
use crate::session::{Open, Session};
use crate::{capture, error};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidelock_endpoint::{Ask, CaptureKind, Case, Finding, Inspection, Limit, Names, Result, Role, Severity};

const NAMES: Names = Names { tables: Case::Ascii, columns: Case::Ascii, limit: Limit::None, widest: 2000 };

/// See `Endpoint::inspect`.
pub async fn inspect(path: &Path, ask: &Ask) -> Result<Inspection> {
    let mut findings = Vec::new();
    place(path, ask.role, &mut findings);
    if !path.exists() {
        let server = identity::of(path);
        return Ok(Inspection {
            server,
            names: NAMES,
            tables: Vec::new(),
            stored: BTreeMap::new(),
            findings,
        });
    }
    let (ask, path) = (ask.clone(), path.to_owned());
    let session = match Session::open(Open::Existing(path.clone())).await {
        Ok(session) => session,
        Err(e) if e.code == "TL-SQLITE-NOT-A-DATABASE" => {
            let message = "the file is no SQLite database (or an encrypted one)";
            findings.push(
                Finding::new(Severity::Error, e.code, path.display().to_string(), message)
                    .remedy("point the URL at another file"),
            );
            return Ok(Inspection {
                server: identity::of(&path),
                names: NAMES,
                tables: Vec::new(),
                stored: BTreeMap::new(),
                findings,
            });
        }
        Err(e) => return Err(e),
    };
    session
        .run(move |db| {
            let what = error::sql(format!("inspecting {}", path.display()));
            look(db, &path, &ask, findings).map_err(what)
        })
        .await
}

fn look(db: &Connection, path: &Path, ask: &Ask, mut findings: Vec<Finding>) -> rusqlite::Result<Inspection> {
    let server = identity::of(path);
    let catalogue::Listed { tables: mut names, others } = catalogue::list(db)?;
    if let Some(asked) = &ask.tables {
        let wanted =
            |name: &String| asked.iter().any(|t| t.schema.is_none() && t.name.eq_ignore_ascii_case(name));
        names.retain(wanted);
        let view = |(_, kind): &&(String, String)| kind == "view" && ask.role == Role::SnapshotSource;
        let views = others.iter().filter(view).map(|(name, _)| name.clone());
        names.extend(views.filter(wanted));
        for (name, kind) in others.iter().filter(|(name, _)| ask.role == Role::Target && wanted(name)) {
            let kind = if kind == "view" { "view" } else { "virtual table" };
            let message = format!("it is a {kind}, and a table of that name is to be written");
            let finding = Finding::new(Severity::Error, "TL-SQLITE-NOT-A-TABLE", name, message);
            findings.push(
                finding.remedy(format!("give the table another name with `to:`, or rename the {kind}")),
            );
        }
    } else {
        findings.extend(others.iter().map(|(name, kind)| {
            let message = format!(
                "it is a {} and takes no part",
                if kind == "view" { "view" } else { "virtual table" }
            );
            let finding = Finding::new(Severity::Note, "TL-SQLITE-NO-TABLE", name, message);
            match kind == "view" {
                true => finding.remedy("name the tables that it reads: it has no changes of its own; or copy it once by `tidelock copy … --tables`"),
                false => finding,
            }
        }));
    }
    let followed = matches!(ask.role, Role::Source(_) | Role::TwoWaySource(_));
    if followed {
        journal_mode(db, path, &mut findings)?;
    }
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        let Some(found) = catalogue::find_readable(db, &name)? else { continue };
        of_table(&found, ask.role, followed, &mut findings);
        if ask.role == Role::Target {
            triggers(db, &name, &mut findings)?;
        }
        tables.push(Arc::new(found.table));
    }
    Ok(Inspection { server, names: NAMES, tables, stored: BTreeMap::new(), findings })
}

/// Our own fire at a target too: they tell other jobs what was written there.
fn triggers(db: &Connection, table: &str, findings: &mut Vec<Finding>) -> rusqlite::Result<()> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 AND name NOT LIKE 'tidelock\\_%' ESCAPE '\\'";
    for name in db.prepare_cached(sql)?.query_map([table], |row| row.get::<_, String>(0))? {
        let name = name?;
        let message = format!(
            "the trigger {name} fires for our writes too; what it writes is there twice if the source's rows bring it already"
        );
        let finding = Finding::new(Severity::Warning, "TL-SQLITE-TRIGGER", table, message);
        findings.push(finding.remedy(format!("DROP TRIGGER {}", ident(&name))));
    }
    Ok(())
}

/// The file and its folder, as the file system shows them.
fn place(path: &Path, role: Role, findings: &mut Vec<Finding>) {
    let subject = path.display().to_string();
    let folder: PathBuf = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let writes = !matches!(role, Role::SnapshotSource);
    if let Role::Source(CaptureKind::Log) | Role::TwoWaySource(CaptureKind::Log) = role {
        findings.push(
            Finding::new(
                Severity::Error,
                "TL-SQLITE-CAPTURE",
                &subject,
                "SQLite keeps no log that can be followed; its changes are captured by triggers",
            )
            .remedy("write `capture: trigger` into the job, or leave it out"),
        );
    }
    if !folder.is_dir() {
        let message = format!("the folder {} is not there", folder.display());
        findings.push(
            Finding::new(Severity::Error, "TL-SQLITE-NO-FOLDER", &subject, message)
                .remedy(format!("mkdir -p {}", folder.display())),
        );
        return;
    }
    if !path.exists() {
        if matches!(role, Role::Target) {
            let message = "the file is not there and will be made";
            findings.push(Finding::new(Severity::Note, "TL-SQLITE-TO-BE-MADE", &subject, message));
        } else {
            findings.push(
                Finding::new(Severity::Error, "TL-SQLITE-NO-FILE", &subject, "there is no such file")
                    .remedy("check the path: in a configuration it is relative to its folder, else to the one tidelock was started in"),
            );
        }
    }
    let is_read_only = |p: &Path| std::fs::metadata(p).is_ok_and(|m| m.permissions().readonly());
    if writes && path.exists() && is_read_only(path) {
        findings.push(
            Finding::new(Severity::Error, "TL-SQLITE-READ-ONLY", &subject, "the file is read-only")
                .remedy(format!("chmod u+w {subject}")),
        );
    }
    if writes && is_read_only(&folder) {
        let message = "the folder is read-only; the write-ahead log is made beside the file";
        findings.push(
            Finding::new(
                Severity::Error,
                "TL-SQLITE-FOLDER-READ-ONLY",
                folder.display().to_string(),
                message,
            )
            .remedy(format!("chmod u+w {}", folder.display())),
        );
    }
}

fn journal_mode(db: &Connection, path: &Path, findings: &mut Vec<Finding>) -> rusqlite::Result<()> {
    let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        let message = format!("journal_mode is '{mode}'; it will be set to 'wal', which stays with the file");
        findings.push(Finding::new(Severity::Note, "TL-SQLITE-WAL", path.display().to_string(), message));
    }
    Ok(())
}

fn of_table(found: &Found, role: Role, followed: bool, findings: &mut Vec<Finding>) {
    let table = &found.table;
    let name = &table.name.name;
    let mut add = |severity, code, subject: String, message: String| {
        findings.push(Finding::new(severity, code, subject, message));
    };
    for column in &found.unknown {
        let declared = table.column(column).map(|c| table.columns[c].native.clone()).unwrap_or_default();
        let message = format!(
            "the declared type '{declared}' says nothing to us; its values are taken as they are stored"
        );
        add(Severity::Note, "TL-SQLITE-TYPE", format!("{name}.{column}"), message);
    }
    for (index, unique, why) in &found.special {
        let message = format!("the index {index} does not come along: {why}");
        add(Severity::Note, "TL-SQLITE-INDEX", name.clone(), message);
        if *unique && followed {
            let message = format!(
                "a row that INSERT OR REPLACE removes on account of the unique index {index} alone is not captured: {why}"
            );
            add(Severity::Warning, "TL-SQLITE-REPLACE", name.clone(), message);
        }
    }
    if matches!(role, Role::Target) {
        return;
    }
    for column in &found.loose_key {
        let message =
            "the key column may hold NULL; a row with NULL in its key is refused when it is met".to_owned();
        add(Severity::Note, "TL-SQLITE-NULL-KEY", format!("{name}.{column}"), message);
    }
    if followed && table.columns.len() > capture::WIDEST {
        let message =
            format!("it has {} columns; triggers can capture {}", table.columns.len(), capture::WIDEST);
        add(Severity::Error, "TL-SQLITE-TOO-WIDE", name.clone(), message);
    }
    if table.key.is_empty() && followed {
        let message = "the table has neither a primary key nor a unique index over NOT NULL columns, so its rows cannot be told apart";
        findings.push(Finding::new(Severity::Error, "TL-SQLITE-NO-KEY", name, message).remedy(format!(
            "CREATE TABLE new (… PRIMARY KEY (…)); INSERT INTO new SELECT * FROM {0}; DROP TABLE {0}; ALTER TABLE new RENAME TO {0}",
            ident(name)
        )));
    }
}
