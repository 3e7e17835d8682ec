//! Driver and server errors → [`EndpointError`]: what they are, in one match. What may be done about them is judged in `sync`.

use std::error::Error as _;
use std::io;
use tidelock_endpoint::{EndpointError, ErrorKind};
use tidelock_model::CodecError;

/// What a server said, whichever connection it said it on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// SQLSTATE.
    pub state: String,
    pub message: String,
    pub detail: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
}

impl Said {
    pub fn text(&self) -> String {
        let mut text = format!("{} (SQLSTATE {})", self.message, self.state);
        if let Some(table) = &self.table {
            text += &format!(", table {table}");
        }
        if let Some(column) = &self.column {
            text += &format!(", column {column}");
        }
        if let Some(detail) = &self.detail {
            text += &format!(": {}", shortened(detail));
        }
        text
    }
}

/// What the driver or the server said while `doing` was done.
pub(crate) fn from_driver(doing: &str, error: tokio_postgres::Error) -> EndpointError {
    if let Some(db) = error.as_db_error() {
        return from_server(doing, &said(db));
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return from_io(doing, io);
        }
        cause = inner.source();
    }
    let text = error.to_string();
    if text.contains("TLS") {
        return tls(format!("{doing}: {}", whole(&error)));
    }
    if error.is_closed() || text.contains("closed") || text.contains("connecting") || text.contains("timeout")
    {
        return EndpointError::new(
            ErrorKind::Unavailable,
            "TL-PG-UNAVAILABLE",
            format!("{doing}: {}", whole(&error)),
        );
    }
    if text.contains("authentication") || text.contains("password") {
        return EndpointError::new(
            ErrorKind::Authentication,
            "TL-PG-AUTHENTICATION",
            format!("{doing}: {}", whole(&error)),
        );
    }
    EndpointError::new(ErrorKind::Protocol, "TL-PG-PROTOCOL", format!("{doing}: {}", whole(&error)))
}

/// An error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    text
}

/// The SQLSTATE of a server's error.
pub(crate) fn state(error: &tokio_postgres::Error) -> Option<&str> {
    error.code().map(|c| c.code())
}

fn said(db: &tokio_postgres::error::DbError) -> Said {
    Said {
        state: db.code().code().to_owned(),
        message: db.message().to_owned(),
        detail: db.detail().map(str::to_owned),
        table: db.table().map(str::to_owned),
        column: db.column().map(str::to_owned),
    }
}

/// What the server answered.
pub(crate) fn from_server(doing: &str, said: &Said) -> EndpointError {
    let (kind, code, hint) = judge(&said.state, &said.message);
    let made = EndpointError::new(kind, code, format!("{doing}: {}", said.text()));
    match hint {
        Some(hint) => made.hint(hint),
        None => made,
    }
}

/// The connection failed.
pub(crate) fn from_io(doing: &str, error: &io::Error) -> EndpointError {
    let text = error.to_string();
    if error.kind() == io::ErrorKind::InvalidData && text.contains("certificate") {
        return tls(format!("{doing}: {text}"));
    }
    if error.kind() == io::ErrorKind::InvalidData || error.kind() == io::ErrorKind::InvalidInput {
        return EndpointError::new(ErrorKind::Protocol, "TL-PG-PROTOCOL", format!("{doing}: {text}"));
    }
    EndpointError::new(ErrorKind::Unavailable, "TL-PG-UNAVAILABLE", format!("{doing}: {text}"))
}

pub(crate) fn tls(message: impl Into<String>) -> EndpointError {
    EndpointError::new(ErrorKind::Authentication, "TL-PG-TLS", message)
        .hint("name the authority with `ca: FILE` beside `url`, or set `tls: require`, which does not check the certificate")
}

type Judged = (ErrorKind, &'static str, Option<&'static str>);

/// By SQLSTATE; its class decides for those that are not listed.
fn judge(state: &str, message: &str) -> Judged {
    use ErrorKind::{
        Authentication, Contention, PositionLost, Precondition, Privilege, Protocol, Row, Target,
        Unavailable, Unsupported,
    };
    match state {
        // Too many connections, out of shared memory, shutting down, starting, terminated, idle for too long, slot's process lost.
        "53300" | "57P01" | "57P02" | "57P03" | "57P05" | "57014" | "25P03" | "25P04" => {
            (Unavailable, "TL-PG-UNAVAILABLE", None)
        }
        // Serialization failure, deadlock, lock not available, a slot that is still in use.
        "40001" | "40P01" | "55P03" => (Contention, "TL-PG-CONTENTION", None),
        "55006" => {
            (Contention, "TL-PG-IN-USE", Some("another connection holds it; it is free once that one ends"))
        }
        "28000" if message.contains("no pg_hba.conf entry") || message.contains("no encryption") => {
            (Authentication, "TL-PG-HBA", Some("add a line to pg_hba.conf for this user, host and TLS mode"))
        }
        "42501" => (Privilege, "TL-PG-PRIVILEGE", None),
        "3D000" => (Precondition, "TL-PG-NO-DATABASE", Some("create the database first")),
        // All slots or senders in use.
        "53400" => (
            Precondition,
            "TL-PG-SLOTS",
            Some("raise max_replication_slots and max_wal_senders, or drop slots that nobody reads"),
        ),
        "55000" if message.contains("wal_level") || message.contains("logical decoding") => (
            Precondition,
            "TL-PG-WAL-LEVEL",
            Some("ALTER SYSTEM SET wal_level = 'logical', then restart the server"),
        ),
        "55000" if message.contains("can no longer") => {
            (PositionLost, "TL-PG-SLOT-LOST", Some("copy anew with `tidelock sync --full`"))
        }
        "55000" => (Precondition, "TL-PG-STATE", None),
        // A row that is too large for an index or a page, a CHECK of a domain or view.
        "54000" | "44000" => (Row, "TL-PG-ROW", None),
        "21000" => (Row, "TL-PG-KEY-TWICE", None),
        "428C9" => (
            Precondition,
            "TL-PG-IDENTITY-ALWAYS",
            Some("let the column take values: ALTER TABLE … ALTER COLUMN … SET GENERATED BY DEFAULT"),
        ),
        // Relation, column, type, schema or function gone.
        "42704" if message.starts_with("type ") => (
            Precondition,
            "TL-PG-NO-TYPE",
            Some("make the type, or the extension that has it, in this database first (CREATE EXTENSION …)"),
        ),
        "42P01" | "42703" | "42704" | "3F000" => (
            Precondition,
            "TL-PG-MISSING",
            Some("was it dropped or renamed? `tidelock check` tells what is there"),
        ),
        // No unique index for the key that the row is found by.
        "42P10" => (
            Precondition,
            "TL-PG-NO-KEY",
            Some("give the table a primary key or unique index over the job's key columns"),
        ),
        "0A000" => (Unsupported, "TL-PG-UNSUPPORTED", None),
        "25006" => (Target, "TL-PG-READ-ONLY", Some("the server takes no writes: is it a standby?")),
        "23505" => (Row, "TL-PG-DUPLICATE", None),
        _ => match state.get(..2) {
            Some("08") => (Unavailable, "TL-PG-UNAVAILABLE", None),
            Some("22" | "23") => (Row, "TL-PG-ROW", None),
            Some("28") => (Authentication, "TL-PG-AUTHENTICATION", None),
            Some("40") => (Contention, "TL-PG-CONTENTION", None),
            Some("42") => (Precondition, "TL-PG-STATEMENT", None),
            Some("53" | "54" | "58" | "55") => (Target, "TL-PG-TARGET", None),
            Some("57") => (Unavailable, "TL-PG-UNAVAILABLE", None),
            Some("XX") => (Target, "TL-PG-INTERNAL", None),
            _ => (Protocol, "TL-PG-SERVER", None),
        },
    }
}

/// What a source sent is not what the protocol allows.
pub(crate) fn protocol(message: impl Into<String>) -> EndpointError {
    EndpointError::new(ErrorKind::Protocol, "TL-PG-PROTOCOL", message)
}

/// An image that we were handed is damaged.
pub(crate) fn codec(error: CodecError) -> EndpointError {
    EndpointError::new(ErrorKind::Protocol, "TL-PG-IMAGE", format!("reading a row image: {error}"))
        .caused_by(error)
}

/// A setting, table or column is not as it must be.
pub(crate) fn precondition(code: &'static str, message: impl Into<String>) -> EndpointError {
    EndpointError::new(ErrorKind::Precondition, code, message)
}

/// A table is not what it was when the job was planned.
pub(crate) fn schema_changed(code: &'static str, message: impl Into<String>) -> EndpointError {
    EndpointError::new(ErrorKind::SchemaChanged, code, message)
}

/// A text of any length, cut for a message.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_decides_and_its_class_stands_in() {
        for (state, kind) in [
            ("40P01", ErrorKind::Contention),
            ("23505", ErrorKind::Row),
            ("22003", ErrorKind::Row),
            ("28P01", ErrorKind::Authentication),
            ("42501", ErrorKind::Privilege),
            ("57P01", ErrorKind::Unavailable),
            ("08006", ErrorKind::Unavailable),
            ("53100", ErrorKind::Target),
            ("42601", ErrorKind::Precondition),
            ("42P01", ErrorKind::Precondition),
            ("42703", ErrorKind::Precondition),
            ("55000", ErrorKind::Precondition),
        ] {
            assert_eq!(judge(state, "").0, kind, "{state}");
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(shortened("short"), "short");
        assert!(shortened(&"ä".repeat(500)).ends_with("… (1000 bytes)"));
    }
}
