//! What SQLite says, as an [`EndpointError`]: the one place that judges its result codes.

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
use tidelock_endpoint::{EndpointError, ErrorKind};
use tidelock_model::CodecError;

/// Seconds that a session waits for another process's lock before it gives up as `Contention`.
pub const BUSY_SECONDS: u64 = 10;

/// Turns a driver error into ours; `what` tells what was being done.
pub fn sql<'w>(what: impl Into<std::borrow::Cow<'w, str>>) -> impl FnOnce(rusqlite::Error) -> EndpointError {
    let what = what.into();
    move |error| {
        let (kind, code, hint) = judge(&error);
        let found = EndpointError::new(kind, code, format!("{what}: {error}")).caused_by(error);
        if hint.is_empty() { found } else { found.hint(hint) }
    }
}

fn judge(error: &rusqlite::Error) -> (ErrorKind, &'static str, &'static str) {
    use ErrorCode as C;
    let Some(code) = error.sqlite_error_code() else {
        return (ErrorKind::Target, "TL-SQLITE-SQL", "");
    };
    match code {
        C::DatabaseBusy | C::DatabaseLocked => (
            ErrorKind::Contention,
            "TL-SQLITE-BUSY",
            "another process holds the file's write lock; end its transaction if it is stuck",
        ),
        C::ConstraintViolation
            if matches!(
                error.sqlite_error().map(|e| e.extended_code),
                Some(SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY)
            ) =>
        {
            (ErrorKind::Row, "TL-SQLITE-DUPLICATE", "")
        }
        C::ConstraintViolation | C::TypeMismatch | C::TooBig => (ErrorKind::Row, "TL-SQLITE-CONSTRAINT", ""),
        C::PermissionDenied | C::AuthorizationForStatementDenied => (
            ErrorKind::Privilege,
            "TL-SQLITE-PERMISSION",
            "let this user read and write the file and its folder",
        ),
        C::ReadOnly => {
            (ErrorKind::Target, "TL-SQLITE-READ-ONLY", "let this user write the file and its folder")
        }
        C::DiskFull => (ErrorKind::Target, "TL-SQLITE-FULL", "make room on the file's disk"),
        C::DatabaseCorrupt => {
            (ErrorKind::Protocol, "TL-SQLITE-CORRUPT", "run PRAGMA integrity_check and restore the file")
        }
        C::NotADatabase => (
            ErrorKind::Configuration,
            "TL-SQLITE-NOT-A-DATABASE",
            "the path names a file that is no SQLite database (or an encrypted one)",
        ),
        C::CannotOpen => {
            (ErrorKind::Unavailable, "TL-SQLITE-CANNOT-OPEN", "check the path and the rights on its folder")
        }
        C::SystemIoFailure | C::OperationInterrupted | C::OperationAborted => {
            (ErrorKind::Unavailable, "TL-SQLITE-IO", "")
        }
        _ => (ErrorKind::Target, "TL-SQLITE-SQL", ""),
    }
}

/// A key that is there already, under the primary key or a unique index.
pub fn is_unique_violation(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi;
    let extended = error.sqlite_error().map(|e| e.extended_code);
    matches!(
        extended,
        Some(
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID
        )
    )
}

/// An image that cannot be read.
pub fn damaged(error: CodecError) -> EndpointError {
    EndpointError::new(ErrorKind::Protocol, "TL-SQLITE-IMAGE", format!("reading a row image: {error}"))
        .caused_by(error)
}

/// The session's thread is gone.
pub fn ended() -> EndpointError {
    EndpointError::new(
        ErrorKind::Unavailable,
        "TL-SQLITE-ENDED",
        "the session with the SQLite file has ended",
    )
}
