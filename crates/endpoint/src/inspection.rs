use crate::{CaptureKind, Stored};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidelock_model::{Table, TableName};

/// What is asked of an endpoint when it is inspected.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The part it shall play.
    pub role: Role,
    /// The tables to look at; `None` for all that a user made (never the engine's own and never tidelock's).
    pub tables: Option<Vec<TableName>>,
}

/// The part an endpoint plays in one direction of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read once (`copy`): no log is needed.
    SnapshotSource,
    /// Read and followed, by this way of capture.
    Source(CaptureKind),
    /// Read and followed, for a two-way job: before images must hold the whole row.
    TwoWaySource(CaptureKind),
    /// Written to.
    Target,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Which server this is.
    pub server: ServerIdentity,
    /// How it tells names apart.
    pub names: Names,
    /// The tables, by name. Tables asked for that are not there are missing here; that is no fault of the endpoint.
    pub tables: Vec<Arc<Table>>,
    /// Of tables to be followed: where their rows are, for an engine whose log does not tell all that becomes of them.
    pub stored: BTreeMap<TableName, Arc<Stored>>,
    /// **Every** unmet precondition and every remark, not only the first.
    pub findings: Vec<Finding>,
}

/// How a server tells names apart, and what it takes in tables that are made there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Names of tables and of their schemas.
    pub tables: Case,
    /// Names of columns within a table.
    pub columns: Case,
    /// What a name can be that is made there.
    pub limit: Limit,
    /// How many columns a table can have that is made there.
    pub widest: usize,
}

/// What a server takes as a name of a schema, a table or a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Any.
    None,
    /// So many octets in UTF-8 at most.
    Octets(usize),
    /// So many characters at most, all of Unicode's basic plane, the last no blank.
    Basic(usize),
}

impl Limit {
    /// Why this name cannot be made there.
    pub fn fault(self, name: &str) -> Option<String> {
        let long = |is: usize, most, unit| {
            (is > most).then(|| format!("it is {is} {unit} long, and names have at most {most} there"))
        };
        match self {
            Limit::None => None,
            Limit::Octets(most) => long(name.len(), most, "octets"),
            Limit::Basic(most) => {
                let strange = name.chars().find(|c| u32::from(*c) > 0xffff);
                let strange =
                    strange.map(|c| format!("it has the character {c}, which names cannot have there"));
                let blank = name
                    .ends_with(' ')
                    .then(|| "it ends with a blank, which names cannot do there".to_owned());
                long(name.chars().count(), most, "characters").or(strange).or(blank)
            }
        }
    }
}

/// Which names that differ by the case of letters are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// None.
    Exact,
    /// Those that differ by A–Z and a–z only.
    Ascii,
    /// Those that differ by the case of any letter.
    Any,
    /// As `Any`, and new names are stored in small letters.
    Lowered,
}

impl Case {
    /// The same text for the same names.
    pub fn key(self, name: &str) -> String {
        match self {
            Case::Exact => name.to_owned(),
            Case::Ascii => name.to_ascii_lowercase(),
            Case::Any | Case::Lowered => name.to_lowercase(),
        }
    }

    /// What something is called that is made with this name.
    pub fn stored(self, name: String) -> String {
        if self == Case::Lowered { name.to_lowercase() } else { name }
    }
}

/// Which server answers: compared at every start, so that nothing resumes at the wrong place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerIdentity {
    /// `PostgreSQL`, `MySQL`, `MariaDB`, `SQLite`.
    pub product: String,
    /// As the server tells it.
    pub version: String,
    /// What stays the same for this set of data and differs for any other: system identifier and database, server UUID, file id.
    pub id: String,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// It works, but not as some would expect.
    Warning,
    /// Unmet: nothing may start.
    Error,
}

/// One unmet precondition, or one remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// Stable and searchable, such as `TL-PG-WAL-LEVEL`.
    pub code: &'static str,
    /// What it is about: a setting, `table`, `table.column`.
    pub subject: String,
    /// What was found and what is needed.
    pub message: String,
    /// The exact statement or step that mends it.
    pub remedy: Option<String>,
}

impl Finding {
    /// A finding without a remedy.
    pub fn new(
        severity: Severity,
        code: &'static str,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Finding { severity, code, subject: subject.into(), message: message.into(), remedy: None }
    }

    /// With the statement that mends it.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}
