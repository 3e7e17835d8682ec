//! What a test can do with its database.

use std::fmt::Write;

use tidelock_testkit::{Database, Family, Kind, Session, server};

/// A fresh database on every kind of server there is.
async fn everywhere(test: &str) -> Vec<Database> {
    let mut databases = Vec::new();
    for server in Kind::ALL.into_iter().filter_map(server) {
        databases.push(server.fresh_database(test).await);
    }
    databases
}

#[tokio::test]
async fn a_long_script_runs_and_its_values_come_back_as_text() {
    let mut script =
        "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(200), amount DECIMAL(10,2));\n".to_string();
    for id in 0..6000 {
        let name = format!("Grüße; ''{id}'' -- no comment {}", "x".repeat(60));
        writeln!(script, "INSERT INTO t VALUES ({id}, '{name}', {id}.50);").unwrap();
    }
    assert!(script.len() > 600_000);
    for db in everywhere("long_script").await {
        db.execute(&script).await.unwrap();
        assert_eq!(
            db.value("SELECT count(*) FROM t").await.unwrap().as_deref(),
            Some("6000"),
            "{}",
            db.kind()
        );
        let rows = db.query("SELECT id, name, NULL FROM t WHERE id = 17").await.unwrap();
        assert_eq!(rows[0][0].as_deref(), Some("17"));
        assert!(rows[0][1].as_deref().unwrap().starts_with("Grüße; '17' -- no"));
        assert_eq!(rows[0][2], None);
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_script_is_reported_in_the_servers_words() {
    for db in everywhere("script_error").await {
        let script = "CREATE TABLE a (id INT PRIMARY KEY); SELECT * FROM missing_table; CREATE TABLE b (id INT PRIMARY KEY)";
        let error = format!("{:#}", db.execute(script).await.unwrap_err());
        assert!(error.contains("missing_table"), "{}: {error}", db.kind());
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_come_as_hexadecimal() {
    for db in everywhere("bytes").await {
        let literal = if db.kind().family() == Family::Postgres { r"'\xff00'::bytea" } else { "x'ff00'" };
        assert_eq!(
            db.value(&format!("SELECT {literal}")).await.unwrap().as_deref(),
            Some(r"\xff00"),
            "{}",
            db.kind()
        );
    }
}

#[tokio::test]
async fn a_session_keeps_its_transaction_to_itself() {
    for db in everywhere("own_transaction").await {
        db.execute("CREATE TABLE t (id INT PRIMARY KEY)").await.unwrap();
        let mut session = db.session().await.unwrap();
        session.execute("BEGIN").await.unwrap();
        session.execute("INSERT INTO t VALUES (1)").await.unwrap();
        assert_eq!(db.value("SELECT count(*) FROM t").await.unwrap().as_deref(), Some("0"), "{}", db.kind());
        session.execute("COMMIT").await.unwrap();
        assert_eq!(db.value("SELECT count(*) FROM t").await.unwrap().as_deref(), Some("1"), "{}", db.kind());
    }
}

#[tokio::test]
async fn databases_of_one_test_do_not_meet_and_are_gone_afterwards() {
    for server in Kind::SERVERS.into_iter().filter_map(server) {
        let (one, two) = tokio::join!(server.fresh_database("same"), server.fresh_database("same"));
        one.execute("CREATE TABLE t (id INT PRIMARY KEY)").await.unwrap();
        two.execute("CREATE TABLE t (id INT PRIMARY KEY)").await.unwrap();
        let mut open = one.session().await.unwrap(); // holds the table while the database is dropped
        open.execute("BEGIN").await.unwrap();
        open.query("SELECT * FROM t").await.unwrap();
        let url = one.url.clone();
        drop(one);
        assert!(Session::connect(&url).await.is_err(), "{}", server.kind);
        two.query("SELECT * FROM t").await.unwrap();
    }
}

#[tokio::test]
async fn a_replication_slot_goes_with_its_database() {
    for server in [Kind::Postgres15, Kind::Postgres18].into_iter().filter_map(server) {
        let db = server.fresh_database("slot").await;
        let slot = format!("slot_{}", db.name);
        db.execute(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"))
            .await
            .unwrap();
        drop(db);
        let mut admin = server.connect().await.unwrap();
        let left = admin
            .value(&format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}'"))
            .await;
        assert_eq!(left.unwrap().as_deref(), Some("0"));
    }
}
