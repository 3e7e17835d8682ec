//! What lies between the log and the engine, and between the log and us.

use crate::common::*;
use std::os::unix::fs::FileExt;
use std::time::Duration;
use tidelock_endpoint::{CaptureKind, ErrorKind};
use tidelock_testkit::{Kind, lab::Options, private_server};

/// A commit is in the log and waits for a replica before the engine has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_a_lock_waits_for_commits_that_wait_for_replicas() {
    let options = Options::default().with("plugin-load-add", "semisync_source.so");
    let Some(private) = private_server(Kind::Mysql97, options).await else { return };
    let db = private.server.fresh_database("semisync").await;
    let name = &db.name;
    db.execute(&format!(
        "CREATE TABLE t (id int primary key); CREATE USER reader IDENTIFIED BY 'a-long-Secret-7'; GRANT SELECT ON {name}.* TO reader; \
         GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO reader"
    ))
    .await
    .unwrap();
    let endpoint = endpoint(&as_user(&db.url, "reader"));
    let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
    db.execute("SET GLOBAL rpl_semi_sync_source_timeout=6000, GLOBAL rpl_semi_sync_source_enabled=ON")
        .await
        .unwrap();
    let mut session = db.session().await.unwrap();
    let writer = tokio::spawn(async move { session.execute("INSERT INTO t VALUES (1)").await.unwrap() });
    let waiting = "SELECT variable_value FROM performance_schema.global_status WHERE variable_name = 'Rpl_semi_sync_source_wait_sessions'";
    db.wait_for(waiting, "1", Duration::from_secs(20)).await.unwrap();
    source.prepare(&names(&["t"])).await.unwrap();
    assert_eq!(
        db.value("SELECT count(*) FROM t").await.unwrap().as_deref(),
        Some("1"),
        "what is before the start is seen"
    );
    writer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_damaged_on_the_servers_disk_stops_the_stream() {
    for kind in KINDS {
        let Some(private) = private_server(kind, Options::default().with("binlog-checksum", "CRC32")).await
        else {
            continue;
        };
        let db = private.server.fresh_database("damaged").await;
        db.execute("CREATE TABLE t (id int primary key, n varchar(40))").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let prepared = source.prepare(&names(&["t"])).await.unwrap();
        db.execute("INSERT INTO t VALUES (1, 'written-as-it-is')").await.unwrap();
        let status = if kind.is_mariadb() { "SHOW BINLOG STATUS" } else { "SHOW BINARY LOG STATUS" };
        let file = db.query(status).await.unwrap()[0][0].clone().unwrap();
        let base = db.value("SELECT @@log_bin_basename").await.unwrap().unwrap();
        let path = std::path::Path::new(&base).with_file_name(file);
        let bytes = std::fs::read(&path).unwrap();
        let place = bytes.windows(16).rposition(|w| w == b"written-as-it-is").unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().write_all_at(b"W", place as u64).unwrap();
        let mut stream = source.stream(&names(&["t"]), &prepared.start, &prepared.server).await.unwrap();
        let error = stopped(&mut *stream).await;
        assert_eq!((error.kind, error.code), (ErrorKind::Protocol, "TL-MY-CHECKSUM"), "{kind}: {error}");
        assert!(error.hint.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn going_on_locks_nobody_out() {
    let Some(private) = private_server(Kind::Mysql97, Options::default()).await else { return };
    let db = private.server.fresh_database("going_on").await;
    db.execute("CREATE TABLE t (id int primary key)").await.unwrap();
    let endpoint = endpoint(&db.url);
    let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
    let locks = async || {
        let asked = "SHOW GLOBAL STATUS WHERE variable_name IN ('Com_flush', 'Com_lock_tables')";
        db.query(asked)
            .await
            .unwrap()
            .iter()
            .map(|row| row[1].as_ref().unwrap().parse::<u64>().unwrap())
            .sum::<u64>()
    };
    let before = locks().await;
    source.prepare(&names(&["t"])).await.unwrap();
    let begun = locks().await;
    assert!(begun > before, "a start is found under a lock");
    source.resume(&names(&["t"])).await.unwrap();
    assert_eq!(locks().await, begun);
}
