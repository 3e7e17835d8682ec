//! `tidelock.yaml` as types: what is read into, and what the published JSON schema is made of.
//!
//! These types are the only list of keys there is. The reader walks the document by the schema that is derived from them, so that a key cannot
//! be documented and not read, or read and not documented. Notes for the reader stand in the schema too and are taken out before it is published:
//! `x-later` (keys that a later version brings), `x-later-values`, `x-allowed` (what is allowed, in words), and `x-null` (a key without a value means
//! the word `null`).

use crate::registry::SCHEMES_IN_WORDS;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use tidelock_endpoint::{CaptureKind, TlsMode};

/// Databases kept in step: the configuration of tidelock.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "its schema is what counts: the reader takes it apart key by key, so that one faulty job does not hide another"
)]
#[schemars(title = "tidelock.yaml", extend("x-later" = ["server", "alerts", "gateway"]))]
pub struct File {
    /// Where tidelock keeps its journal, its conflict log and its run history; relative to this file.
    #[serde(default = "default_state")]
    pub state: String,
    /// The durable log between reading and delivering.
    #[serde(default)]
    pub journal: Journal,
    /// The databases that take part, by name. Names: 2–50 letters, digits, `-`, `_`.
    #[schemars(extend("x-allowed" = "a mapping of names to URLs, or to { url: …, tls: …, ca: … }", "propertyNames" = names()))]
    pub endpoints: BTreeMap<String, Endpoint>,
    /// What is kept in step, by name. Names: 2–50 letters, digits, `-`, `_`.
    #[schemars(extend("x-allowed" = "a mapping of names to jobs", "propertyNames" = names()))]
    pub jobs: BTreeMap<String, Job>,
}

fn names() -> serde_json::Value {
    serde_json::json!({ "pattern": "^[A-Za-z0-9_-]{2,50}$" })
}

fn default_state() -> String {
    "./tidelock-state".to_owned()
}

/// The durable log between reading and delivering.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-later" = ["brokers", "topic_prefix", "kafka"]))]
pub struct Journal {
    /// Where it is kept.
    pub kind: JournalKind,
    /// Most that it may hold for each source; what is still needed is never dropped: reading waits instead.
    #[schemars(extend("x-allowed" = "a size such as 512MiB or 16GiB"))]
    pub max_size: Option<String>,
    /// What is older and still needed is told as a warning.
    #[schemars(extend("x-allowed" = "an age such as 90m, 12h or 7d"))]
    pub max_age: Option<String>,
}

/// Where the journal is kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-later-values" = ["memory", "kafka"]))]
pub enum JournalKind {
    /// In files below `state`.
    #[default]
    Disk,
}

/// One database.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-allowed" = "a URL, or { url: …, tls: …, ca: … }"))]
pub enum Endpoint {
    /// Its URL.
    #[schemars(description = format!("Its URL: {SCHEMES_IN_WORDS}."))]
    Url(String),
    /// Its URL, with more about the connection.
    Detailed(EndpointDetails),
}

/// One database, with more about the connection.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["api_key", "username", "password"]))]
pub struct EndpointDetails {
    /// Its URL.
    #[schemars(description = format!("{SCHEMES_IN_WORDS}."))]
    pub url: String,
    /// How the connection is protected; `prefer` when left out.
    #[schemars(with = "Option<TlsModeName>")]
    pub tls: Option<TlsMode>,
    /// A PEM file with the authorities to trust in place of the system's; relative to this file.
    pub ca: Option<String>,
}

/// How a connection is protected, as PostgreSQL's `sslmode` has it.
#[derive(JsonSchema)]
#[schemars(rename = "TlsMode", rename_all = "kebab-case")]
#[expect(dead_code, reason = "its schema is what counts; the values are those of the endpoint's own type")]
enum TlsModeName {
    /// Never encrypted.
    Disable,
    /// Encrypted when the server offers it; the certificate is not checked.
    Prefer,
    /// Always encrypted; the certificate is not checked.
    Require,
    /// Always; the certificate must come from a trusted authority.
    VerifyCa,
    /// Always; from a trusted authority and for this host.
    VerifyFull,
}

/// One synchronisation: one-way with `source` and `target`, or two-way with `between`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["documents", "schedule", "check_every", "deletes", "dead_letters"]))]
pub struct Job {
    /// The endpoint that is read.
    pub source: Option<String>,
    /// The endpoint that is written to.
    pub target: Option<String>,
    /// The two endpoints of a two-way job.
    #[schemars(extend("x-allowed" = "a list of exactly two endpoints", "minItems" = 2, "maxItems" = 2))]
    pub between: Option<Vec<String>>,
    /// Which tables take part; all when left out.
    pub tables: Option<Tables>,
    /// How changes are read; the best that the source offers when left out.
    #[schemars(with = "Option<CaptureName>")]
    pub capture: Option<CaptureKind>,
    /// When changes are applied.
    pub delivery: Option<Delivery>,
    /// Most rows applied together; 1000 when left out.
    #[schemars(range(min = 1, max = 100_000))]
    pub batch_size: Option<u32>,
    /// Conversions that lose something and are allowed: `{ "numeric -> double": allow }`, with the types as `check` names them.
    #[serde(default)]
    #[schemars(extend("x-allowed" = "a mapping such as { \"numeric -> double\": allow }"))]
    pub types: BTreeMap<String, Consent>,
    /// What is done when the source's tables change their columns: `apply` when left out; a two-way job always pauses.
    pub schema_changes: Option<SchemaChanges>,
    /// How a two-way job decides when both sides changed one row.
    pub conflicts: Option<Conflicts>,
}

/// What is done when the source's tables change.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-allowed" = "apply, pause or ignore, or { policy: apply, drop: true }"))]
pub enum SchemaChanges {
    /// Whether the target's tables follow.
    Policy(SchemaPolicyName),
    /// With more about it.
    Detailed(SchemaDetails),
}

/// What is done when the source's tables change, with more about it.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemaDetails {
    /// Whether the target's tables follow; `apply` when left out.
    pub policy: Option<SchemaPolicyName>,
    /// Columns that the source drops are dropped at the target too.
    #[serde(default)]
    pub drop: bool,
}

/// Whether the target's tables follow the source's.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "SchemaPolicy")]
pub enum SchemaPolicyName {
    /// They do: columns are added, get another type, or allow NULL where the source has no column for them any more.
    Apply,
    /// The job stops until the target's table fits.
    Pause,
    /// They stay as they are: what both sides have goes on.
    Ignore,
}

/// The user's word.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// It may be done.
    Allow,
}

/// How changes are read.
#[derive(JsonSchema)]
#[schemars(rename = "Capture", rename_all = "lowercase", extend("x-later-values" = ["outbox", "cursor", "full"]))]
#[expect(dead_code, reason = "its schema is what counts; the values are those of the endpoint's own type")]
enum CaptureName {
    /// From the database's own log.
    Log,
    /// By triggers that fill a change table.
    Trigger,
}

/// When changes are applied.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(extend("x-later-values" = ["auto-check", "manual"]))]
pub enum Delivery {
    /// As they come.
    Automatic,
}

/// Which tables take part.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-allowed" = "`all`, a list of tables, or { include: […], exclude: […] }"))]
pub enum Tables {
    /// Every table that a user made.
    All(All),
    /// These, by name or pattern; the first that matches a table is the one that counts.
    Only(Vec<Table>),
    /// By patterns.
    Patterns(Patterns),
}

/// The word `all`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum All {
    /// Every table that a user made.
    All,
}

/// Tables by patterns.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Patterns {
    /// Names, or patterns with `*` and `?`; all when left out.
    #[serde(default)]
    pub include: Vec<String>,
    /// Names, or patterns with `*` and `?`.
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// One table, or all that match a pattern.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-allowed" = "a table's name, a pattern such as \"log_*\", or { name: …, to: …, columns: …, where: …, mask: …, … }"))]
pub enum Table {
    /// `name`, `schema.name`, or a pattern with `*` and `?`.
    Name(String),
    /// With more about it.
    Detailed(TableDetails),
}

/// One table, with more about it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["deletes"]))]
pub struct TableDetails {
    /// `name`, `schema.name`, or a pattern with `*` and `?`.
    pub name: String,
    /// Another name at the target.
    pub to: Option<String>,
    /// Which columns take part; all when left out.
    pub columns: Option<Columns>,
    /// Other column names at the target: `{ source_name: target_name }`.
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
    /// Columns whose values may be converted with a loss: `{ source_name: allow }`.
    #[serde(default)]
    #[schemars(extend("x-allowed" = "a mapping of columns to `allow`"))]
    pub types: BTreeMap<String, Consent>,
    /// Only rows for which this is true are at the target: an expression in CEL over the row, such as `amount > 0`.
    #[serde(rename = "where")]
    pub filter: Option<String>,
    /// What stands at the target in place of a column's values: `{ source_name: sha256 }`.
    #[serde(default)]
    #[schemars(extend("x-allowed" = "a mapping of columns to masks"))]
    pub mask: BTreeMap<String, Mask>,
    /// Columns that only the target has: `{ target_name: expression }`, in CEL over the source's row.
    #[serde(default)]
    #[schemars(extend("x-allowed" = "a mapping of new columns to expressions"))]
    pub compute: BTreeMap<String, String>,
}

/// What stands at the target in place of a column's values.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-null" = true, "x-allowed" = "sha256, null, { sha256: { salt: … } }, { partial: { keep: … } } or { fixed: … }"))]
pub enum Mask {
    /// By its name.
    Word(MaskWord),
    /// With more about it; exactly one of them.
    Detailed(MaskDetails),
}

/// A mask by its name.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MaskWord {
    /// The 64 hexadecimal digits of the value's SHA-256, without a salt: who guesses a value can tell that it is there.
    Sha256,
    /// NULL in every row.
    Null,
}

/// One mask with its details.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskDetails {
    /// The 64 hexadecimal digits of the SHA-256 of salt and value.
    pub sha256: Option<HashDetails>,
    /// The end of a text stays, everything before it becomes `*`.
    pub partial: Option<PartialDetails>,
    /// This value in every row, also where there was NULL.
    pub fixed: Option<String>,
}

/// How values are hashed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HashDetails {
    /// Goes before each value: a secret, best from a variable.
    pub salt: String,
}

/// Never shows the salt.
impl std::fmt::Debug for HashDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{ salt: *** }")
    }
}

/// What stays of a text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartialDetails {
    /// So many characters at the end; a text that has no more of them is hidden whole.
    #[schemars(range(min = 1, max = 1000))]
    pub keep: u32,
}

/// Which columns take part.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-allowed" = "a list of columns, or { exclude: […] }"))]
pub enum Columns {
    /// These.
    Only(Vec<String>),
    /// All but some.
    Except(Except),
}

/// All columns but some.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Except {
    /// These do not take part.
    pub exclude: Vec<String>,
}

/// How a two-way job decides when both sides changed one row.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conflicts {
    /// The rule.
    pub resolve: Resolve,
    /// The column that tells which row is newer, such as `updated_at`.
    pub version: Option<String>,
    /// Whose change stays when both are equally new, the first one first; the order of `between` when left out.
    pub priority: Option<Vec<String>>,
    /// Other rules for single tables.
    #[serde(default)]
    pub tables: BTreeMap<String, TableConflicts>,
}

/// Another rule for one table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["column", "ranks"]))]
pub struct TableConflicts {
    /// The rule.
    pub resolve: Option<Resolve>,
    /// The column that tells which row is newer.
    pub version: Option<String>,
}

/// The rule that decides a conflict.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-later-values" = ["rank", "field_merge", "manual", "source_wins", "target_wins"]))]
pub enum Resolve {
    /// The newer row stays, by its `version`.
    LastUpdateWins,
}
