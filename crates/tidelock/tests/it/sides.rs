//! The databases that are kept in step, and what they spell differently.

use tidelock_testkit::{Database, Family, Kind, Row, server};

/// A fresh database of each kind, or none where one of them cannot be had (said loudly; in CI a missing server panics).
pub async fn pair(test: &str, from: Kind, to: Kind) -> Option<(Database, Database)> {
    let (from, to) = (server(from)?, server(to)?);
    Some((from.fresh_database(test).await, to.fresh_database(test).await))
}

/// A configuration with the endpoints `here` and `there`, and these lines of jobs.
pub fn config(here: &Database, there: &Database, job: &str) -> String {
    format!("endpoints: {{ here: '{}', there: '{}' }}\njobs:\n  job: {job}\n", here.url, there.url)
}

/// A name that is taken as it is written.
pub fn quoted(kind: Kind, name: &str) -> String {
    match kind.family() {
        Family::Mysql => format!("`{name}`"),
        Family::Postgres | Family::Sqlite => format!("\"{name}\""),
        other => unknown(other),
    }
}

/// Begins a transaction that writes: at SQLite it takes its place at once, for a reader cannot become a writer once another has written.
pub fn begin(kind: Kind) -> &'static str {
    match kind.family() {
        Family::Sqlite => "BEGIN IMMEDIATE",
        Family::Postgres | Family::Mysql => "BEGIN",
        other => unknown(other),
    }
}

/// Fills `table` (id, note, qty) with `rows` rows behind `first`, in one statement; wants the table that [`DIGITS`] makes. At most 1,000,000.
pub fn fill(table: &str, first: u32, rows: u32) -> String {
    let n = "(a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 100000 * g.d)";
    format!(
        "INSERT INTO {table} (id, note, qty) SELECT {first} + {n}, 'a note that takes some room in the log', {n} * 7 % 100003
         FROM digits g, digits f, digits e, digits c, digits b, digits a WHERE {n} < {rows}"
    )
}

/// What [`fill`] counts with.
pub const DIGITS: [&str; 2] = [
    "CREATE TABLE digits (d integer PRIMARY KEY)",
    "INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
];

/// Runs statements one after the other.
pub async fn run_all(db: &Database, statements: &[impl AsRef<str>]) {
    for statement in statements {
        db.execute(statement.as_ref()).await.unwrap();
    }
}

/// The rows of a query, as text that is the same wherever the values are: the last zeros of a fraction, of a number or of a second, are nothing.
pub async fn rows(db: &Database, sql: &str) -> Vec<Row> {
    let mut rows = db.query(sql).await.unwrap();
    for value in rows.iter_mut().flatten().flatten() {
        let digits = |c: char| c.is_ascii_digit() || "-.: ".contains(c);
        if value.contains('.') && value.chars().all(digits) {
            value.truncate(value.trim_end_matches('0').trim_end_matches('.').len());
        }
    }
    rows
}

/// For a family that a test has not been written for.
pub fn unknown(family: Family) -> ! {
    panic!("these tests have no statement for {family:?} yet")
}

/// Everything in a database that somebody made: tables, and what belongs to capture.
pub async fn things(db: &Database) -> Vec<Row> {
    let sql = match db.kind().family() {
        Family::Sqlite => "SELECT type || ' ' || name FROM sqlite_schema ORDER BY 1",
        Family::Mysql => {
            "SELECT concat('table ', table_name) FROM information_schema.tables WHERE table_schema = database() \
             UNION ALL SELECT concat('trigger ', trigger_name) FROM information_schema.triggers WHERE trigger_schema = database() ORDER BY 1"
        }
        Family::Postgres => {
            "SELECT relkind::text || ' ' || relname FROM pg_class WHERE relnamespace NOT IN ('pg_catalog'::regnamespace, \
             'information_schema'::regnamespace, 'pg_toast'::regnamespace) \
             UNION ALL SELECT 'publication ' || pubname FROM pg_publication \
             UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1"
        }
        other => unknown(other),
    };
    db.query(sql).await.unwrap()
}
