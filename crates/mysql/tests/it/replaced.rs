//! Statements that replace or empty a followed table.

use crate::common::*;
use tidelock_endpoint::{CaptureKind, ChangeStream};
use tidelock_testkit::{lab::Options, private_server};

/// The first changes that the stream tells.
async fn first(stream: &mut dyn ChangeStream) -> Vec<String> {
    let changes = async {
        loop {
            let batch = stream.next().await.unwrap();
            if batch.changes() > 0 {
                break told(&[batch]);
            }
        }
    };
    let limit = std::time::Duration::from_secs(30);
    tokio::time::timeout(limit, changes).await.expect("the stream tells of it within half a minute")
}

const MADE: &str = "CREATE TABLE t (id int primary key, n int) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20)); \
    CREATE TABLE plain (id int primary key, n int); CREATE TABLE fresh (id int primary key, n int); INSERT INTO t VALUES (1, 1); INSERT INTO plain VALUES (1, 1)";

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_replaces_rewrites_or_empties_a_followed_table_is_told_and_told_again() {
    for kind in KINDS {
        let mut statements = vec![
            "DROP TABLE plain",
            "DROP TABLE plain; CREATE TABLE plain (id int primary key, n int)",
            "RENAME TABLE plain TO old, fresh TO plain",
            "ALTER TABLE plain RENAME TO old",
            "ALTER TABLE t TRUNCATE PARTITION p0",
            "ALTER TABLE t DROP PARTITION p0",
            "ALTER TABLE t EXCHANGE PARTITION p0 WITH TABLE fresh",
            "ALTER TABLE plain DISCARD TABLESPACE",
            "ALTER TABLE plain MODIFY n bigint",
            "ALTER TABLE plain CHANGE n m int",
            "ALTER TABLE plain CONVERT TO CHARACTER SET latin1",
            "ALTER TABLE plain DROP COLUMN n, ADD COLUMN n int",
            "ALTER TABLE plain DROP n",
            "ALTER TABLE plain RENAME COLUMN n TO m",
            "DROP DATABASE {db}",
        ];
        if kind.is_mariadb() {
            statements.push("CREATE OR REPLACE TABLE plain (id int primary key, n int)");
            statements.push("ALTER IGNORE TABLE plain ADD UNIQUE (n)");
            statements.push("SET STATEMENT lock_wait_timeout=50 FOR ALTER TABLE plain RENAME TO old");
        }
        for statement in statements {
            let Some(db) = database(kind, "replaced").await else { continue };
            db.execute(MADE).await.unwrap();
            let endpoint = endpoint(&db.url);
            let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
            let tables = names(&["t", "plain"]);
            let prepared = source.prepare(&tables).await.unwrap();
            let mut stream = source.stream(&tables, &prepared.start, &prepared.server).await.unwrap();
            db.execute(&statement.replace("{db}", &db.name)).await.unwrap();
            let rewrites = ["MODIFY", "CHANGE n", "CONVERT", "DROP COLUMN", "DROP n", "RENAME COLUMN"];
            let word = if rewrites.iter().any(|w| statement.contains(w)) { "rewrite" } else { "replace" };
            for again in [false, true] {
                if again && statement.starts_with("DROP DATABASE") {
                    db.execute(&format!("CREATE DATABASE {}", db.name)).await.ok();
                    break;
                }
                if again {
                    stream = source.stream(&tables, &prepared.start, &prepared.server).await.unwrap();
                }
                let lines = first(&mut *stream).await;
                let is = |l: &String| *l == format!("{word} plain") || *l == format!("{word} t");
                assert!(lines.iter().any(is), "{kind}: {statement}, again {again}: {lines:?}");
                assert!(lines.iter().all(|l| is(l) || l == "begin" || l == "commit"), "{kind}: {lines:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_of_other_tables_and_before_the_stream_began_do_not_stop_it() {
    for kind in KINDS {
        let Some(db) = database(kind, "unhurt").await else { continue };
        let Some(other) = database(kind, "elsewhere").await else { continue };
        db.execute("CREATE TABLE t (id int primary key, n int); ALTER TABLE t MODIFY n bigint; DROP TABLE t; CREATE TABLE t (id int primary key, n int)")
            .await
            .unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute(&format!(
            "CREATE TEMPORARY TABLE t (x int); DROP TEMPORARY TABLE t; CREATE TABLE other (t int, id int primary key); ALTER TABLE other MODIFY t bigint; \
             DROP TABLE other; DROP TABLE IF EXISTS {}.t; CREATE INDEX n ON t (n); ALTER TABLE t ADD COLUMN `modify` int; INSERT INTO t VALUES (1, 2, 3)",
            other.name
        ))
        .await
        .unwrap();
        let lines = told(&tail.catch_up(&*endpoint).await);
        assert_eq!(lines, ["begin", "insert t {id=1, n=2, modify=3}", "commit"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_change_places_by_two_statements_are_never_taken_for_each_other() {
    for kind in KINDS {
        let metadata = if kind.is_mariadb() { "NO_LOG" } else { "MINIMAL" };
        let options = Options::default().with("binlog-row-metadata", metadata);
        let Some(private) = private_server(kind, options).await else { continue };
        let db = private.server.fresh_database("places").await;
        db.execute("CREATE TABLE t (id int primary key, a int, b int)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let prepared = source.prepare(&names(&["t"])).await.unwrap();
        db.execute("INSERT INTO t VALUES (1, 2, 3); ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN a int; INSERT INTO t VALUES (4, 5, 6)")
            .await
            .unwrap();
        let stream = source.stream(&names(&["t"]), &prepared.start, &prepared.server).await.unwrap();
        let mut tail = Tail { source, prepared, stream };
        let lines = told(&tail.catch_up(&*endpoint).await);
        let place = |line: &str| lines.iter().rposition(|l| l.starts_with(line));
        assert!(place("rewrite t") > place("insert t {id=1"), "{kind}: {lines:?}");
    }
}
