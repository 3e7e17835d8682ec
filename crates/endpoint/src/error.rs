use crate::{Finding, Severity};
use std::fmt;
use thiserror::Error;

/// What may be done about an error. The judgement (retry, pause, stop, dead-letter) is made in one match in `sync`; the engine only says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The server cannot be reached, went away, or is starting or stopping. Trying again later is right.
    Unavailable,
    /// A deadlock, a lock time-out, a serialization failure, a busy file: the same work may pass at once.
    Contention,
    /// User, password, certificate or TLS mode refused. Trying again does not help until a person acts.
    Authentication,
    /// The server refuses an action to this user.
    Privilege,
    /// The position is gone: slot dropped, log purged, another server behind the same URL.
    PositionLost,
    /// A setting, table or column is not as it must be.
    Precondition,
    /// A table is not (any more) what it was when the job was planned: another plan may pass.
    SchemaChanged,
    /// One row cannot be stored as it is: a constraint, a conversion, a size. The row is at fault, not the server.
    Row,
    /// Disk full, table gone, read-only server: everything would fail alike.
    Target,
    /// What came over the wire or from a file is not what the protocol allows.
    Protocol,
    /// Not supported by this engine or version.
    Unsupported,
    /// The URL or an option is wrong.
    Configuration,
}

/// What went wrong at an endpoint: what was being done, what was found, and what to do about it.
#[derive(Debug, Error)]
pub struct EndpointError {
    /// What may be done about it.
    pub kind: ErrorKind,
    /// Stable and searchable, such as `TL-PG-SLOT-LOST`.
    pub code: &'static str,
    /// Lower case: what was being done and what was found. No secret.
    pub message: String,
    /// What to do, or the exact statement that mends it.
    pub hint: Option<String>,
    /// The driver's error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl EndpointError {
    /// An error without hint and source.
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        EndpointError { kind, code, message: message.into(), hint: None, source: None }
    }

    /// With what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the error that caused it.
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// As what is in the way of a job, with the errors that caused it.
    pub fn finding(&self, subject: &str) -> Finding {
        let mut message = self.message.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(next) = cause {
            let text = next.to_string();
            if !message.contains(&text) {
                message += &format!(": {text}");
            }
            cause = next.source();
        }
        let finding = Finding::new(Severity::Error, self.code, subject, message);
        match &self.hint {
            Some(hint) => finding.remedy(hint),
            None => finding,
        }
    }
}

/// `message (code); hint`, without the source, which is printed behind it by whoever walks the chain.
impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}
