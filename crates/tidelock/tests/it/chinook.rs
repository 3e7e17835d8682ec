//! The Chinook sample, copied from every server to every other: tables, keys, foreign keys, indexes, defaults and every value.
//!
//! What came of it is read by a plain client on both sides, and by `tidelock verify`.

use crate::catalog;
use crate::sides::{config, pair, quoted, rows, run_all, things, unknown};
use crate::support::Place;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidelock_testkit::{Database, Family, Kind, Session};

const TABLES: usize = 11;
const ROWS: u64 = 15_607;

macro_rules! pairs {
    ($($name:ident: $from:ident => $to:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            is_copied_whole(Kind::$from, Kind::$to).await;
        }
    )*};
}

pairs! {
    chinook_from_postgres_15_to_postgres_18: Postgres15 => Postgres18;
    chinook_from_postgres_15_to_mariadb: Postgres15 => Mariadb1011;
    chinook_from_postgres_15_to_mysql: Postgres15 => Mysql97;
    chinook_from_postgres_15_to_sqlite: Postgres15 => Sqlite;
    chinook_from_postgres_18_to_postgres_15: Postgres18 => Postgres15;
    chinook_from_postgres_18_to_mariadb: Postgres18 => Mariadb1011;
    chinook_from_postgres_18_to_mysql: Postgres18 => Mysql97;
    chinook_from_postgres_18_to_sqlite: Postgres18 => Sqlite;
    chinook_from_mariadb_to_postgres_15: Mariadb1011 => Postgres15;
    chinook_from_mariadb_to_postgres_18: Mariadb1011 => Postgres18;
    chinook_from_mariadb_to_mysql: Mariadb1011 => Mysql97;
    chinook_from_mariadb_to_sqlite: Mariadb1011 => Sqlite;
    chinook_from_mysql_to_postgres_15: Mysql97 => Postgres15;
    chinook_from_mysql_to_postgres_18: Mysql97 => Postgres18;
    chinook_from_mysql_to_mariadb: Mysql97 => Mariadb1011;
    chinook_from_mysql_to_sqlite: Mysql97 => Sqlite;
    chinook_from_sqlite_to_postgres_15: Sqlite => Postgres15;
    chinook_from_sqlite_to_postgres_18: Sqlite => Postgres18;
    chinook_from_sqlite_to_mariadb: Sqlite => Mariadb1011;
    chinook_from_sqlite_to_mysql: Sqlite => Mysql97;
}

async fn is_copied_whole(from: Kind, to: Kind) {
    let Some((source, target)) = pair("chinook", from, to).await else { return };
    fill(&source).await;
    let place = Place::with_config(&config(&source, &target, "{ source: here, target: there }"));
    let copied = place.run(&["copy", &source.url, &target.url]).done();
    let said = format!("copied {} rows in {} tables", "15,609", TABLES + 1);
    assert!(copied.out.contains(&said), "{}", copied.transcript());

    let tables = catalog::tables(&source).await;
    assert_eq!(tables.len(), TABLES + 1, "{tables:?}");
    assert_eq!(catalog::tables(&target).await, tables);
    assert_eq!(same_rows(&source, &target, &tables).await, ROWS + 2);
    let (here, there) = (catalog::sentences(&source).await, catalog::sentences(&target).await);
    assert_eq!(there, here);
    for (what, count) in [("key ", 12), ("foreign key ", 11), ("index ", 11)] {
        let found = there.iter().filter(|sentence| sentence.starts_with(what)).count();
        assert_eq!(found, count, "{what}: {there:#?}");
    }
    same_defaults(&source, &target).await;

    // The row that only the target has got shows that it looks.
    let verified = place.run(&["verify", "job", "--json"]);
    assert_eq!(verified.code, 1, "{}", verified.transcript());
    target.execute("DELETE FROM defaulted WHERE id = 3").await.unwrap();
    let verified = place.run(&["verify", "job", "--json"]).done();
    let answer = verified.json().pop().unwrap();
    assert_eq!(answer["equal"], true, "{}", verified.transcript());
    let matched: u64 =
        answer["tables"].as_array().unwrap().iter().map(|t| t["matched"].as_u64().unwrap()).sum();
    assert_eq!(matched, ROWS + 2);
}

/// Chinook, and a table with defaults, of which Chinook has none.
async fn fill(db: &Database) {
    let script = match db.kind().family() {
        Family::Postgres => include_str!("../../../testkit/data/chinook_postgres.sql"),
        Family::Mysql => include_str!("../../../testkit/data/chinook_mysql.sql"),
        Family::Sqlite => include_str!("../../../testkit/data/chinook_sqlite.sql"),
        other => unknown(other),
    };
    db.execute(script).await.unwrap();
    let defaulted = [
        "CREATE TABLE defaulted (id integer PRIMARY KEY, state varchar(20) DEFAULT 'it''s open' NOT NULL, amount numeric(10,2) DEFAULT 0.5,
                                 qty integer DEFAULT -7, note varchar(20) DEFAULT NULL)",
        "INSERT INTO defaulted (id) VALUES (1)",
        "INSERT INTO defaulted VALUES (2, '', 12.34, 0, 'ä\u{1F600}')",
    ];
    run_all(db, &defaulted).await;
}

/// Reads both sides by a plain client and compares every row. Gives their number.
async fn same_rows(source: &Database, target: &Database, tables: &[String]) -> u64 {
    let mut count = 0;
    for table in tables {
        let mut both = Vec::new();
        for db in [source, target] {
            let mut all = rows(db, &format!("SELECT * FROM {}", quoted(db.kind(), table))).await;
            all.sort();
            both.push(all);
        }
        let [here, there] = &both[..] else { unreachable!() };
        assert_eq!(here.len(), there.len(), "{table}");
        for (here, there) in here.iter().zip(there) {
            assert_eq!(here, there, "{table}");
        }
        count += here.len() as u64;
    }
    count
}

/// A row of which only the key is given gets the same values at the target as at the source.
async fn same_defaults(source: &Database, target: &Database) {
    target.execute("INSERT INTO defaulted (id) VALUES (3)").await.unwrap();
    let given = |id: u8| format!("SELECT state, amount, qty, note FROM defaulted WHERE id = {id}");
    assert_eq!(rows(target, &given(3)).await, rows(source, &given(1)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_what_is_written_to_meanwhile_is_one_view_and_leaves_nothing_of_ours() {
    for from in [Kind::Postgres18, Kind::Mariadb1011, Kind::Sqlite] {
        let Some((source, target)) = pair("copy_busy", from, Kind::Sqlite).await else { continue };
        run_all(&source, &["CREATE TABLE items (id integer PRIMARY KEY)", "INSERT INTO items VALUES (0)"])
            .await;
        let (stop, url) = (Arc::new(AtomicBool::new(false)), source.url.clone());
        let stopped = stop.clone();
        let writer = tokio::spawn(async move {
            let mut session = Session::connect(&url).await.unwrap();
            for id in 1.. {
                if stopped.load(Ordering::Relaxed) {
                    return id;
                }
                session.execute(&format!("INSERT INTO items VALUES ({id})")).await.unwrap();
            }
            0
        });
        let many = "SELECT CASE WHEN count(*) > 50 THEN 1 ELSE 0 END FROM items";
        source.wait_for(many, "1", Duration::from_secs(60)).await.unwrap();
        let place = Place::new();
        let (here, there) = (source.url.clone(), target.url.clone());
        let ran = tokio::task::spawn_blocking(move || place.run(&["copy", &here, &there])).await.unwrap();
        stop.store(true, Ordering::Relaxed);
        assert!(writer.await.unwrap() > 50);
        ran.done();
        let holes = "SELECT max(id) + 1 - count(*) FROM items";
        assert_eq!(target.value(holes).await.unwrap().as_deref(), Some("0"), "{from}");
        let mut left = things(&target).await;
        left.retain(|row| !row[0].as_deref().unwrap_or_default().contains("items"));
        assert!(left.is_empty(), "{from}: {left:?}");
    }
}
