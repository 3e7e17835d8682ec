//! SQLite's five storage classes under every affinity, in tables of every kind: each value arrives as it is stored, or is refused by name.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::config;
use crate::support::Place;
use tidelock_testkit::{Family, Kind};

/// Declared types, by affinity.
const DECLARED: [&str; 5] = ["INTEGER", "TEXT", "BLOB", "REAL", "NUMERIC"];

/// Values of each storage class, as literals. (A text that looks like a number becomes one under three of the affinities.)
const VALUES: [&str; 7] = ["NULL", "7", "1.5", "'text'", "'12'", "x'0031'", "''"];

/// Values that their declared type does not say: no other one is refused.
const REFUSED: [&str; 16] = [
    "integer_2",
    "integer_3",
    "integer_5",
    "integer_6",
    "text_5",
    "blob_1",
    "blob_2",
    "blob_3",
    "blob_4",
    "blob_6",
    "real_3",
    "real_5",
    "real_6",
    "numeric_3",
    "numeric_5",
    "numeric_6",
];

pairs! { every_class:
    every_storage_class_under_every_affinity_arrives_or_is_refused_sqlite_to_postgres: Sqlite => Postgres18;
    every_storage_class_under_every_affinity_arrives_or_is_refused_sqlite_to_mysql: Sqlite => Mysql97;
    every_storage_class_under_every_affinity_arrives_or_is_refused_sqlite_to_sqlite: Sqlite => Sqlite;
}

async fn every_class(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("classes", from, to, "all").await else { return };
    let mut samples = Vec::new();
    for declared in DECLARED {
        for (n, value) in VALUES.into_iter().enumerate() {
            let table = format!("{}_{n}", declared.to_lowercase());
            side.run(&[
                format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY, v {declared})"),
                format!("INSERT INTO {table} VALUES (1, {value})"),
            ])
            .await;
            samples.push((table, value));
        }
    }
    // By the snapshot, each in a job of its own, so that one that is refused stops nothing else.
    let job = |(table, _): &(String, &str)| {
        format!("  {table}: {{ source: here, target: there, tables: [{table}] }}\n")
    };
    let jobs: String = samples.iter().map(job).collect();
    let ends = config(&side.here, &side.there, "");
    side.place
        .write("tidelock.yaml", &format!("{}\n{jobs}", ends.trim_end().trim_end_matches("job:").trim_end()));
    let ran = side.place.run(&["sync"]);
    let stopped = |table: &str| ran.err.lines().find(|l| l.starts_with(&format!("{table}: stopped: ")));
    let (refused, arrived): (Vec<_>, Vec<_>) =
        samples.iter().partition(|(table, _)| stopped(table).is_some());
    for (table, value) in &refused {
        let line = stopped(table).unwrap_or_default();
        assert!(line.contains(&format!("table {table}")) && line.contains("column v"), "{value}: {line}");
        let rows = side.there.value(&format!("SELECT count(*) FROM {table}")).await.unwrap();
        assert_eq!(rows.as_deref(), Some("0"), "{table}");
    }
    let names = |samples: &[&(String, &str)]| samples.iter().map(|s| s.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&refused), REFUSED);
    // By the stream, of those that the snapshot took.
    let other = tidelock_testkit::server(to).expect("it is there").fresh_database("classes").await;
    let place = Place::new();
    let tables = names(&arrived).join(", ");
    place.write(
        "tidelock.yaml",
        &config(&side.here, &other, &format!("{{ source: here, target: there, tables: [{tables}] }}")),
    );
    for (table, _) in &arrived {
        side.run(&[format!("DELETE FROM {table}")]).await;
    }
    place.run(&["sync"]).done();
    for (table, value) in &arrived {
        side.run(&[format!("INSERT INTO {table} VALUES (1, {value})")]).await;
    }
    place.run(&["sync"]).done();
    for (table, value) in &arrived {
        let here = side.here.value(&asked(Family::Sqlite, table)).await.unwrap();
        for there in [&side.there, &other] {
            let there = there.value(&asked(to.family(), table)).await.unwrap();
            let same = match (&here, &there) {
                (Some(here), Some(there)) => {
                    here == there || number(here).is_some() && number(here) == number(there)
                }
                (here, there) => here == there,
            };
            assert!(same, "{table} {value}: {here:?} became {there:?}");
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The value as text; octets as hexadecimal digits.
fn asked(family: Family, table: &str) -> String {
    let v = match (family, table.starts_with("blob")) {
        (Family::Sqlite, false) => "CAST(v AS TEXT)",
        (Family::Sqlite, true) => "CASE WHEN v IS NOT NULL THEN lower(hex(v)) END",
        (Family::Mysql, false) => "CAST(v AS CHAR)",
        (Family::Mysql, true) => "lower(hex(v))",
        (_, false) => "v::text",
        (_, true) => "encode(v, 'hex')",
    };
    format!("SELECT {v} FROM {table}")
}

pairs! { strict:
    strict_tables_and_tables_without_rowid_are_followed_sqlite_to_postgres: Sqlite => Postgres18;
    strict_tables_and_tables_without_rowid_are_followed_sqlite_to_mariadb: Sqlite => Mariadb1011;
}

async fn strict(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("strict", from, to, "all").await else { return };
    let tables = ["strict", "plain", "both"];
    for (table, kind) in tables.into_iter().zip(["STRICT", "WITHOUT ROWID", "STRICT, WITHOUT ROWID"]) {
        side.run(&[
            format!("CREATE TABLE {table}_ (k TEXT NOT NULL, n INTEGER NOT NULL, r REAL, t TEXT, b BLOB, PRIMARY KEY (k, n)) {kind}"),
            format!("INSERT INTO {table}_ VALUES ('a', 1, 1.5, 'one', x'00ff'), ('a', 2, NULL, NULL, NULL), ('b', 1, 2, '', x'')"),
        ])
        .await;
    }
    let all = tables.map(|t| format!("SELECT k, n, r, t FROM {t}_ ORDER BY k, n"));
    side.arrives(&all).await;
    for table in tables {
        side.run(&[
            format!("UPDATE {table}_ SET k = 'c', r = 7 WHERE k = 'a' AND n = 1"),
            format!("DELETE FROM {table}_ WHERE n = 2"),
            format!("INSERT OR REPLACE INTO {table}_ VALUES ('b', 1, 9, 'replaced', x'31'), ('d', 4, 4, 'new', NULL)"),
        ])
        .await;
    }
    side.arrives(&all).await;
}
