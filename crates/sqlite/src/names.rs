//! The names of what we put into a database, and quoting.

/// The changes, in the order of their commits.
pub const CHANGE: &str = "tidelock_change";
/// The shape of each captured table, as its triggers know it.
pub const LAYOUT: &str = "tidelock_layout";
/// Rows that a running statement may replace.
pub const REPLACED: &str = "tidelock_replaced";
/// Where the running transaction's changes were first made.
pub const ORIGIN: &str = "tidelock_origin";
/// What the capture remembers.
pub const META: &str = "tidelock_meta";
/// How far jobs that write here have come.
pub const CHECKPOINT: &str = "tidelock_checkpoint";

/// All of ours begin so.
pub const PREFIX: &str = "tidelock_";

/// An identifier, quoted.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text constant, quoted.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Identifiers, quoted, with commas between.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// So many parameters: `?1, ?2, …` from a first number on.
pub fn parameters(first: usize, count: usize) -> String {
    (first..first + count).map(|i| format!("?{i}")).collect::<Vec<_>>().join(", ")
}

/// Two values are the same key, letter for letter, whatever the column takes for the same. `collation` is that of the key's index where it is not BINARY,
/// so that the index is used.
pub fn same_key(left: &str, operator: &str, right: &str, collation: Option<&str>) -> String {
    let exact = format!("{left} {operator} {right} COLLATE BINARY");
    match collation {
        Some(how) => format!("{left} {operator} {right} COLLATE {} AND {exact}", ident(how)),
        None => exact,
    }
}
