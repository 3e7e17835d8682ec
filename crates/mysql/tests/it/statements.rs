//! Statements in the log: which table each of them is about.

use crate::common::*;
use tidelock_endpoint::ErrorKind;

#[tokio::test(flavor = "multi_thread")]
async fn a_truncate_empties_its_own_table_and_no_other() {
    for kind in KINDS {
        let (Some(db), Some(audit)) = (database(kind, "truncated").await, database(kind, "audit").await)
        else {
            continue;
        };
        audit.execute("CREATE TABLE log (id int primary key)").await.unwrap();
        let schema = &audit.name;
        db.execute(&format!("CREATE TABLE {schema} (id int primary key); INSERT INTO {schema} VALUES (1)"))
            .await
            .unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &[schema]).await;
        db.execute(&format!("TRUNCATE TABLE {schema}.log; INSERT INTO {schema} VALUES (2)")).await.unwrap();
        let lines = told(&tail.catch_up(&*endpoint).await);
        assert_eq!(
            lines,
            ["begin".to_owned(), format!("insert {schema} {{id=2}}"), "commit".to_owned()],
            "{kind}"
        );
        let set =
            if kind.is_mariadb() { "SET STATEMENT lock_wait_timeout=50, sql_mode='ANSI' FOR " } else { "" };
        db.execute(&format!("{set}TRUNCATE {schema}")).await.unwrap();
        let lines = told(&tail.catch_up(&*endpoint).await);
        assert!(lines.contains(&format!("truncate {schema}")), "{kind}: {lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_only_name_a_followed_table_do_not_stop_the_stream() {
    for kind in KINDS {
        let Some(db) = database(kind, "named").await else { continue };
        db.execute("CREATE TABLE t (id int primary key, n int); CREATE TABLE other (id int primary key, n int); INSERT INTO t VALUES (1, 1)")
            .await
            .unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute(
            "SET SESSION binlog_format='STATEMENT'; CREATE TABLE child (id int, FOREIGN KEY (id) REFERENCES t (id)); CREATE TABLE alike LIKE t; \
             REPLACE INTO other SELECT * FROM t; UPDATE other SET n = (SELECT max(n) FROM t)",
        )
        .await
        .unwrap();
        db.execute("SET SESSION binlog_format='ROW'; INSERT INTO t VALUES (2, 2)").await.unwrap();
        assert_eq!(
            told(&tail.catch_up(&*endpoint).await),
            ["begin", "insert t {id=2, n=2}", "commit"],
            "{kind}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_or_a_function_that_changes_a_followed_table_stops_the_stream() {
    for kind in KINDS {
        for statement in ["UPDATE t SET n = 2", "SELECT f()"] {
            let Some(db) = database(kind, "changes").await else { continue };
            db.execute("CREATE TABLE t (id int primary key, n int); INSERT INTO t VALUES (1, 1)")
                .await
                .unwrap();
            db.execute(
                "CREATE FUNCTION f() RETURNS int DETERMINISTIC MODIFIES SQL DATA BEGIN UPDATE t SET n = n + 1; RETURN 1; END",
            )
            .await
            .unwrap();
            let endpoint = endpoint(&db.url);
            let mut tail = Tail::open(&*endpoint, &["t"]).await;
            db.execute(&format!("SET SESSION binlog_format='STATEMENT'; {statement}")).await.unwrap();
            let error = stopped(&mut *tail.stream).await;
            let found = (error.kind, error.code);
            assert_eq!(
                found,
                (ErrorKind::Precondition, "TL-MY-STATEMENT-FORMAT"),
                "{kind}: {statement}: {error}"
            );
        }
    }
}

/// The client says that its octets are latin1, so each letter beyond ASCII is two of the table's name.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_found_in_a_statement_of_another_character_set() {
    for kind in KINDS {
        let Some(db) = database(kind, "spoken").await else { continue };
        db.execute("CREATE TABLE `zÃ¤hler` (id int primary key)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["zÃ¤hler"]).await;
        db.execute("SET NAMES latin1; TRUNCATE TABLE `zähler`").await.unwrap();
        let lines = told(&tail.catch_up(&*endpoint).await);
        assert!(lines.contains(&"truncate zÃ¤hler".to_owned()), "{kind}: {lines:?}");
    }
}
