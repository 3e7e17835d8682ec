//! Snapshots of users with few rights, connections of every kind, logs that are gone.

use crate::common::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tidelock_endpoint::{CaptureKind, Coverage, EndpointConfig, ErrorKind, TlsMode, TlsOptions};
use tidelock_testkit::{Database, Kind, Way, lab::Options, private_server, server, until};

/// The url of a new user with these rights.
async fn user(db: &Database, name: &str, identified: &str, grants: &[String]) -> String {
    let name = format!("{name}{}", std::process::id());
    db.execute(&format!("DROP USER IF EXISTS {name}@'%'; CREATE USER {name}@'%' {identified}"))
        .await
        .unwrap();
    for grant in grants {
        db.execute(&format!("GRANT {grant} TO {name}@'%'")).await.unwrap();
    }
    let mut url = url::Url::parse(&db.url).unwrap();
    url.set_username(&name).unwrap();
    url.set_password(Some("pass word")).unwrap();
    url.into()
}

async fn drop_user(db: &Database, name: &str) {
    db.execute(&format!("DROP USER IF EXISTS {name}{}@'%'", std::process::id())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_hold_commits_back_nothing_is_lost_and_nothing_wrongly_held() {
    for kind in KINDS {
        // Alone with its server: a lock waits for the statements of others.
        let Some(private) = private_server(kind, Options::default()).await else { continue };
        for lock in [true, false] {
            let db = private.server.fresh_database("rights").await;
            db.execute("CREATE TABLE t (id int primary key); INSERT INTO t VALUES (1), (2)").await.unwrap();
            let name = &db.name;
            let monitor =
                if kind.is_mariadb() { "BINLOG MONITOR, SLAVE MONITOR" } else { "REPLICATION CLIENT" };
            let mut grants = vec![
                format!("SELECT{} ON {name}.*", if lock { ", LOCK TABLES" } else { "" }),
                format!("REPLICATION SLAVE, {monitor} ON *.*"),
            ];
            grants.retain(|g| !g.is_empty());
            let short = if lock { "locker" } else { "reader" };
            let url = user(&db, short, "IDENTIFIED BY 'pass word'", &grants).await;
            let endpoint = endpoint(&url);
            let mut tail = Tail::open(&*endpoint, &["t"]).await;
            db.execute("INSERT INTO t VALUES (3)").await.unwrap();
            let table = table(&*endpoint, "t").await;
            let snapshot = tail.source.snapshot(std::slice::from_ref(&table), 3).await.unwrap();
            db.execute("INSERT INTO t VALUES (4)").await.unwrap();
            let mut ids = BTreeSet::new();
            for chunk in snapshot.chunks(&table, 2).await.unwrap() {
                let mut reader = snapshot.reader().await.unwrap();
                reader.open(&table, &chunk).await.unwrap();
                while let Some(rows) = reader.next().await.unwrap() {
                    for image in rows.images() {
                        ids.insert(shown(&table, image.unwrap()));
                    }
                }
            }
            assert_eq!(ids.len(), 3, "{kind}");
            let batches = tail.catch_up(&*endpoint).await;
            let covered: Vec<Coverage> = batches
                .iter()
                .flat_map(|b| b.records())
                .filter_map(|r| match r.unwrap() {
                    tidelock_model::Record::Begin { at, .. } => {
                        Some(endpoint.covers(snapshot.mark(), at).unwrap())
                    }
                    _ => None,
                })
                .collect();
            let first = if kind.is_mariadb() || lock { Coverage::Held } else { Coverage::Unknown };
            assert_eq!(covered, [first, Coverage::Past], "{kind}, lock {lock}, {}", snapshot.mark());
            drop_user(&db, short).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn composite_and_sparse_keys_are_cut_and_read_once() {
    for kind in KINDS {
        let Some(db) = database(kind, "composite").await else { continue };
        db.execute(
            "CREATE TABLE t (a varchar(5) COLLATE utf8mb4_general_ci, b bigint, e enum('z','y','x'), n int, primary key (a, b, e)); \
             INSERT INTO t WITH RECURSIVE n AS (SELECT 0 i UNION ALL SELECT i+1 FROM n WHERE i<499) \
             SELECT ELT(1 + i % 5, 'a', 'B', 'ç', '', 'z9'), (i DIV 10) * 1000000007, ELT(1 + i % 3, 'x', 'y', 'z'), i FROM n ON DUPLICATE KEY UPDATE n=t.n",
        )
        .await
        .unwrap();
        let count: usize = db.value("SELECT count(*) FROM t").await.unwrap().unwrap().parse().unwrap();
        let endpoint = endpoint(&db.url);
        let table = table(&*endpoint, "t").await;
        let rows = snapshot_rows(&*endpoint, &table, 7).await;
        let all: Vec<String> =
            rows.iter().flat_map(|r| r.images()).map(|i| shown(&table, i.unwrap())).collect();
        assert_eq!(all.len(), count, "{kind}");
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), count, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tls_mode_and_password_plugin_connects_or_says_why_not() {
    for kind in KINDS {
        let Some(db) = database(kind, "tls").await else { continue };
        let ca = server(kind).unwrap().ca_file.clone();
        let local = db.url.replace("127.0.0.1", "localhost");
        let connect = async |url: &str, mode, ca: Option<std::path::PathBuf>| {
            let config =
                EndpointConfig { name: "shop".into(), url: url.into(), tls: TlsOptions { mode, ca } };
            tidelock_mysql::open(config).unwrap().source(CaptureKind::Log).await.map(drop)
        };
        for mode in [TlsMode::Disable, TlsMode::Prefer, TlsMode::Require] {
            connect(&db.url, mode, None).await.unwrap_or_else(|e| panic!("{kind}: {mode:?}: {e}"));
        }
        connect(&db.url, TlsMode::VerifyCa, ca.clone()).await.unwrap_or_else(|e| panic!("{kind}: {e}"));
        connect(&local, TlsMode::VerifyFull, ca.clone()).await.unwrap_or_else(|e| panic!("{kind}: {e}"));
        let error = connect(&db.url, TlsMode::VerifyCa, None).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Authentication, "{kind}: {error}");
        let plugins: &[(&str, &str)] = match kind {
            Kind::Mysql97 => &[("sha", "IDENTIFIED WITH caching_sha2_password BY 'pass word'")],
            _ => &[
                ("nat", "IDENTIFIED VIA mysql_native_password USING PASSWORD('pass word')"),
                ("ed", "IDENTIFIED VIA ed25519 USING PASSWORD('pass word')"),
            ],
        };
        for (name, identified) in plugins {
            let url = user(&db, name, identified, &[format!("SELECT ON {}.*", db.name)]).await;
            connect(&url, TlsMode::Disable, None).await.unwrap_or_else(|e| panic!("{kind}: {name}: {e}"));
            let wrong = url.replace("pass%20word", "other");
            let error = connect(&wrong, TlsMode::Prefer, None).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Authentication, "{kind}: {error}");
            assert!(!error.to_string().contains("other"), "{error}");
            drop_user(&db, name).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_log_is_a_lost_position_and_a_server_that_comes_back_is_read_on() {
    for kind in KINDS {
        let Some(mut private) = private_server(kind, Options::default()).await else { continue };
        let db = private.server.fresh_database("purged").await;
        db.execute("CREATE TABLE t (id int primary key)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute("INSERT INTO t VALUES (1)").await.unwrap();
        let reached = tail.catch_up(&*endpoint).await.last().unwrap().resume().unwrap().clone();
        private.crash();
        let error = stopped(&mut *tail.stream).await;
        assert_eq!(error.kind, ErrorKind::Unavailable, "{kind}: {error}");
        private.restart().unwrap();
        let mut session = db.session().await.unwrap();
        session
            .execute("INSERT INTO t VALUES (2); FLUSH BINARY LOGS; INSERT INTO t VALUES (3)")
            .await
            .unwrap();
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        tail.stream = source.stream(&names(&["t"]), &reached, &tail.prepared.server).await.unwrap();
        tail.source = source;
        let mut lines = told(&tail.catch_up(&*endpoint).await);
        lines.retain(|l| l.starts_with("insert"));
        assert_eq!(lines, ["insert t {id=2}", "insert t {id=3}"], "{kind}");
        let newest = session.query("SHOW BINARY LOGS").await.unwrap().pop().unwrap()[0].clone().unwrap();
        drop(tail.stream);
        // The log is kept while somebody reads it.
        let purged = async || {
            let mut session = db.session().await.unwrap();
            session.execute(&format!("PURGE BINARY LOGS TO '{newest}'")).await.unwrap();
            session.query("SHOW BINARY LOGS").await.unwrap().len() == 1
        };
        until("the log is purged", purged).await;
        let error = tail.source.stream(&names(&["t"]), &reached, &tail.prepared.server).await.err().unwrap();
        assert_eq!(
            (error.kind, error.code),
            (ErrorKind::PositionLost, "TL-MY-LOG-PURGED"),
            "{kind}: {error}"
        );
    }
}

/// What each of three readers at once sees of the only column.
async fn seen_by_readers(endpoint: &dyn tidelock_endpoint::Endpoint) -> Vec<BTreeSet<String>> {
    let table = table(endpoint, "t").await;
    let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
    let snapshot = source.snapshot(std::slice::from_ref(&table), 3).await.unwrap();
    let chunk = snapshot.chunks(&table, 1000).await.unwrap().remove(0);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut reader = snapshot.reader().await.unwrap();
        reader.open(&table, &chunk).await.unwrap();
        let mut rows = BTreeSet::new();
        while let Some(part) = reader.next().await.unwrap() {
            rows.extend(part.images().map(|i| shown(&table, i.unwrap())));
        }
        seen.push(rows);
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn all_readers_of_a_server_without_a_log_see_one_view() {
    for kind in KINDS {
        let options = Options::default().with("skip-log-bin", "");
        let Some(private) = private_server(kind, options).await else { continue };
        let db = private.server.fresh_database("nolog").await;
        db.execute("CREATE TABLE t (id int primary key, n int); INSERT INTO t VALUES (1, 0), (2, 0)")
            .await
            .unwrap();
        let mut session = db.session().await.unwrap();
        let writer = tokio::spawn(async move {
            loop {
                session.execute("UPDATE t SET n=n+1").await.unwrap();
            }
        });
        db.wait_for("SELECT n > 0 FROM t WHERE id = 1", "1", std::time::Duration::from_secs(40))
            .await
            .unwrap();
        let url =
            user(&db, "nolock", "IDENTIFIED BY 'pass word'", &[format!("SELECT ON {}.*", db.name)]).await;
        for url in [&db.url, &url] {
            let endpoint = endpoint(url);
            for _ in 0..10 {
                let seen = seen_by_readers(&*endpoint).await;
                assert!(seen.iter().all(|s| *s == seen[0] && s.len() == 2), "{kind}: {seen:?}");
            }
        }
        assert!(!writer.is_finished(), "{kind}: nobody wrote meanwhile");
        writer.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_the_server_sets_for_every_session_do_not_hold_for_ours() {
    for kind in KINDS {
        let Some(private) = private_server(kind, Options::default()).await else { continue };
        let db = private.server.fresh_database("limits").await;
        db.execute(
            "CREATE TABLE t (id int primary key, n int); INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5); \
             SET GLOBAL sql_select_limit=2, GLOBAL max_error_count=0, GLOBAL autocommit=0",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&db.url);
        let table = table(&*endpoint, "t").await;
        let rows = snapshot_rows(&*endpoint, &table, 100).await;
        assert_eq!(rows.iter().map(tidelock_model::Rows::len).sum::<usize>(), 5, "{kind}");
        assert_eq!(
            seen_by_readers(&*endpoint).await.iter().map(BTreeSet::len).collect::<Vec<_>>(),
            [5, 5, 5]
        );
        let mut target = endpoint.target("job").await.unwrap();
        target.prepare("mysql", &[]).await.unwrap();
        let mut loader = target.loader().await.unwrap();
        loader.begin(&table, tidelock_endpoint::WriteMode::Insert, "shop").await.unwrap();
        let error = loader.load(&rows[0]).await.unwrap_err();
        assert!(error.message.contains("Duplicate"), "{kind}: the warnings are told: {error}");
    }
}

/// A way on which every client waits until the writer has come on by some statements: under a lock it would wait for ever.
fn way_behind(writer: Arc<AtomicU64>) -> Way {
    Way::with_door(move || {
        let first = writer.load(Ordering::SeqCst);
        while writer.load(Ordering::SeqCst) < first + 3 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_held_back_while_the_readers_connect() {
    for kind in KINDS {
        // Alone with its server: a global lock waits for the statements of others.
        let Some(private) = private_server(kind, Options::default()).await else { continue };
        let db = private.server.fresh_database("slow").await;
        db.execute("CREATE TABLE t (id int primary key, n int); INSERT INTO t VALUES (1, 0), (2, 0)")
            .await
            .unwrap();
        let mut session = db.session().await.unwrap();
        let (statements, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let way = way_behind(statements.clone());
        way.lead(&db.url);
        let (count, stopped) = (statements, stop.clone());
        let writer = tokio::spawn(async move {
            while !stopped.load(Ordering::SeqCst) {
                session.execute("UPDATE t SET n=n+1").await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let endpoint = endpoint(&way.through(&db.url));
        let seen = within("readers while somebody writes", seen_by_readers(&*endpoint)).await;
        assert!(seen.iter().all(|s| *s == seen[0]), "{kind}: {seen:?}");
        stop.store(true, Ordering::SeqCst);
        writer.await.unwrap();
    }
}
