//! What is in the way is told before anything is touched: `check` tells it with what to do, `sync` refuses by the same code, and nothing is made.

use crate::sides::{config, pair, rows, run_all, things};
use crate::support::Place;
use tidelock_testkit::lab::Options;
use tidelock_testkit::{Database, Kind, private_server, server};

const JOB: &str = "{ source: here, target: there, tables: [items] }";
const ITEMS: &str = "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20))";

/// `check` and `sync` both end with 1 and tell all of these; what is at both ends stays as it is.
async fn refused(place: &Place, ends: [&Database; 2], told: &[&str]) {
    let before = [things(ends[0]).await, things(ends[1]).await];
    for command in ["check", "sync"] {
        let ran = place.run(&[command]);
        assert_eq!(ran.code, 1, "{}", ran.transcript());
        for words in told {
            assert!(ran.transcript().contains(words), "{command}: {words}\n{}", ran.transcript());
        }
        assert_eq!([things(ends[0]).await, things(ends[1]).await], before, "{command} made something");
    }
}

/// A source with these options is refused by this code and remedy. A remedy that is a statement is followed, and all is well then.
async fn source_refused(kind: Kind, options: Options, code: &str, remedy: &str) {
    let Some(private) = private_server(kind, options).await else { return };
    let here = private.server.fresh_database("settings").await;
    let there = server(Kind::Sqlite).expect("it needs no server").fresh_database("settings").await;
    run_all(&here, &[ITEMS, "INSERT INTO items VALUES (1, 'one')"]).await;
    let place = Place::with_config(&config(&here, &there, JOB));
    refused(&place, [&here, &there], &[code, remedy]).await;
    if remedy.starts_with("SET GLOBAL") {
        here.execute(remedy).await.unwrap();
        place.run(&["sync"]).done();
        assert_eq!(rows(&there, "SELECT * FROM items").await, rows(&here, "SELECT * FROM items").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_whose_log_does_not_tell_rows_is_refused() {
    let options = Options::default().with("wal_level", "replica");
    let remedy = "ALTER SYSTEM SET wal_level = 'logical', then restart the server";
    source_refused(Kind::Postgres18, options, "TL-PG-WAL-LEVEL", remedy).await;
}

const LOG_BIN: &str = "set log_bin (and server_id) in the server's configuration and start it again";

#[tokio::test(flavor = "multi_thread")]
async fn a_mysql_without_a_binary_log_is_refused() {
    let options = Options::default().with("skip-log-bin", "").with("gtid-mode", "OFF");
    let options = options.with("enforce-gtid-consistency", "OFF");
    source_refused(Kind::Mysql97, options, "TL-MY-LOG-BIN", LOG_BIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_without_a_binary_log_is_refused() {
    let options = Options::default().with("skip-log-bin", "");
    source_refused(Kind::Mariadb1011, options, "TL-MY-LOG-BIN", LOG_BIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mysql_that_logs_statements_is_refused_until_the_remedy_is_followed() {
    statements(Kind::Mysql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_that_logs_statements_is_refused_until_the_remedy_is_followed() {
    statements(Kind::Mariadb1011).await;
}

async fn statements(kind: Kind) {
    let options = Options::default().with("binlog-format", "STATEMENT");
    source_refused(kind, options, "TL-MY-BINLOG-FORMAT", "SET GLOBAL binlog_format = 'ROW'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_there_with_other_columns_is_told_exactly_and_left_alone() {
    let Some((here, there)) = pair("other_columns", Kind::Postgres18, Kind::Mariadb1011).await else {
        return;
    };
    run_all(&here, &[ITEMS, "INSERT INTO items VALUES (1, 'one')"]).await;
    let other = "CREATE TABLE items (id integer PRIMARY KEY, title varchar(20), must integer NOT NULL)";
    run_all(&there, &[other, "INSERT INTO items VALUES (7, 'mine', 7)"]).await;
    let place = Place::with_config(&config(&here, &there, JOB));
    let told = [
        "items.name: table items is at there already and has no column name; it has: id, title, must",
        "TL-PLAN-COLUMN-MISSING",
        "add the column there, name it with `rename:`, or leave it out with `columns: { exclude: […] }`",
    ];
    refused(&place, [&here, &there], &told).await;
    let job = "{ source: here, target: there, tables: [{ name: items, rename: { name: title } }] }";
    place.write("tidelock.yaml", &config(&here, &there, job));
    let unfed = "items.must: at there it is NOT NULL without a default, and the source has nothing for it";
    refused(&place, [&here, &there], &[unfed, "TL-PLAN-COLUMN-UNFED"]).await;
    let mine = ["7", "mine", "7"].map(|v| Some(v.to_owned()));
    assert_eq!(rows(&there, "SELECT id, title, must FROM items").await, [mine]);
}
