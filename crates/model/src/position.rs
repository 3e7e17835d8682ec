use serde::{Deserialize, Serialize};
use std::fmt;

/// A place in one source's history, as text that a person can read in a log.
///
/// Only the engine that made it can read, compare or resume from it; everybody else stores it and hands it back.
/// Two positions of one source are compared by that engine (see `Endpoint::compare`), never as text. A position that
/// its engine cannot read is an error, and never means "from the beginning".
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(String);

impl Position {
    /// Wraps what an engine has rendered. The text must not be empty and holds no secret.
    pub fn new(text: impl Into<String>) -> Self {
        Position(text.into())
    }

    /// The text that the engine made.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({})", self.0)
    }
}
