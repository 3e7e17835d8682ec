//! The stream of changes.

use crate::common::*;
use std::sync::Arc;
use std::time::Duration;
use tidelock_endpoint::{Ask, CaptureKind, Checkpoint, Coverage, Delta, ErrorKind, Role, Severity};
use tidelock_model::{Position, Record, RowsWriter, Value};
use tidelock_testkit::{Database, Kind, lab::Options, private_server};

async fn changes(db: &Database, setup: &str, sql: &str) -> Vec<String> {
    db.execute(setup).await.unwrap();
    let endpoint = endpoint(&db.url);
    let mut tail = Tail::open(&*endpoint, &["t"]).await;
    db.execute(sql).await.unwrap();
    told(&tail.catch_up(&*endpoint).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_come_in_commit_order_with_their_images() {
    for kind in KINDS {
        let Some(db) = database(kind, "order").await else { continue };
        let lines = changes(
            &db,
            "CREATE TABLE t (id int primary key, n varchar(10)); CREATE TABLE other (id int primary key)",
            "INSERT INTO t VALUES (1,'a'),(2,'b'); START TRANSACTION; UPDATE t SET id=3 WHERE id=1; INSERT INTO other VALUES (1); \
             DELETE FROM t WHERE id=2; COMMIT; INSERT INTO other VALUES (2); TRUNCATE TABLE t; INSERT INTO t VALUES (9,NULL)",
        )
        .await;
        assert_eq!(
            lines,
            [
                "begin",
                "insert t {id=1, n=a}",
                "insert t {id=2, n=b}",
                "commit",
                "begin",
                "update t {id=1, n=a} -> {id=3, n=a}",
                "delete t {id=2, n=b}",
                "commit",
                "begin",
                "truncate t",
                "commit",
                "begin",
                "insert t {id=9, n=NULL}",
                "commit",
            ],
            "{kind}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rolled_back_is_not_in_the_stream() {
    for kind in KINDS {
        let Some(db) = database(kind, "rollback").await else { continue };
        let lines = changes(
            &db,
            "CREATE TABLE t (id int primary key)",
            "START TRANSACTION; INSERT INTO t VALUES (1); SAVEPOINT a; INSERT INTO t VALUES (2); ROLLBACK TO a; INSERT INTO t VALUES (3); COMMIT; \
             START TRANSACTION; INSERT INTO t VALUES (4); ROLLBACK",
        )
        .await;
        assert_eq!(lines, ["begin", "insert t {id=1}", "insert t {id=3}", "commit"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn minimal_row_images_say_what_was_not_sent() {
    for kind in KINDS {
        let Some(db) = database(kind, "minimal").await else { continue };
        let lines = changes(
            &db,
            "CREATE TABLE t (id int primary key, a int, b varchar(5)); INSERT INTO t VALUES (1,1,'x')",
            "SET SESSION binlog_row_image='MINIMAL'; UPDATE t SET a=2; UPDATE t SET id=2; DELETE FROM t",
        )
        .await;
        let lines: Vec<_> = lines.iter().filter(|l| !matches!(l.as_str(), "begin" | "commit")).collect();
        assert_eq!(
            lines,
            ["update t {id=1} -> {id=1, a=2}", "update t {id=1} -> {id=2}", "delete t {id=2}"],
            "{kind}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_row_that_comes_without_its_defaults_stops_the_stream_and_inspect_warns_of_it() {
    for kind in KINDS {
        let Some(private) = private_server(kind, Options::default()).await else { continue };
        let db = private.server.fresh_database("defaults").await;
        db.execute(
            "CREATE TABLE t (id int primary key, a int DEFAULT 7, g int GENERATED ALWAYS AS (id + 1) VIRTUAL, s int GENERATED ALWAYS AS (id + 2) STORED)",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute("SET SESSION binlog_row_image='MINIMAL'; INSERT INTO t (id, a) VALUES (1, 2)")
            .await
            .unwrap();
        let lines = told(&tail.catch_up(&*endpoint).await);
        assert!(lines.iter().any(|l| l.starts_with("insert t {id=1, a=2")), "{kind}: {lines:?}");
        db.execute("SET SESSION binlog_row_image='MINIMAL'; INSERT INTO t (id) VALUES (2)").await.unwrap();
        let error = stopped(&mut *tail.stream).await;
        assert_eq!((error.kind, error.code), (ErrorKind::Precondition, "TL-MY-ROW-IMAGE"), "{kind}: {error}");
        assert!(error.message.contains("without a") && error.hint.unwrap().contains("FULL"), "{kind}");
        for image in ["MINIMAL", "NOBLOB"] {
            db.execute(&format!("SET GLOBAL binlog_row_image='{image}'")).await.unwrap();
            let ask = Ask { role: Role::Source(CaptureKind::Log), tables: None };
            let found = endpoint.inspect(&ask).await.unwrap().findings;
            let found = found.into_iter().find(|f| f.code == "TL-MY-ROW-IMAGE").expect("a finding");
            assert_eq!(found.severity, Severity::Warning, "{kind}: {image}");
            assert!(found.remedy.unwrap().contains("FULL"), "{kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_events_of_mariadb_are_read() {
    let options = Options::default().with("log-bin-compress", "ON").with("log-bin-compress-min-len", "10");
    let Some(private) = private_server(Kind::Mariadb1011, options).await else { return };
    let db = private.server.fresh_database("compressed").await;
    let long = "x".repeat(500);
    let lines = changes(
        &db,
        "CREATE TABLE t (id int primary key, n varchar(1000))",
        &format!("INSERT INTO t VALUES (1,'{long}'),(2,'{long}'); UPDATE t SET id=id+10 ORDER BY id DESC; DELETE FROM t WHERE id=11; TRUNCATE TABLE t /* {long} */"),
    )
    .await;
    let heads: Vec<String> = lines.iter().map(|l| l.replace(&long, "…")).collect();
    assert_eq!(
        heads.iter().filter(|l| !matches!(l.as_str(), "begin" | "commit")).collect::<Vec<_>>(),
        [
            "insert t {id=1, n=…}",
            "insert t {id=2, n=…}",
            "update t {id=2, n=…} -> {id=12, n=…}",
            "update t {id=1, n=…} -> {id=11, n=…}",
            "delete t {id=11, n=…}",
            "truncate t",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_transaction_comes_in_pieces() {
    for kind in KINDS {
        let Some(db) = database(kind, "large").await else { continue };
        db.execute("CREATE TABLE t (id int primary key, n varchar(100))").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute("INSERT INTO t WITH RECURSIVE n AS (SELECT 1 id UNION ALL SELECT id+1 FROM n WHERE id<900) SELECT id, 'some text to fill the row' FROM n")
            .await
            .unwrap();
        db.execute("INSERT INTO t SELECT a.id*1000+b.id, a.n FROM t a JOIN t b WHERE a.id<=60")
            .await
            .unwrap();
        let batches = tail.catch_up(&*endpoint).await;
        let changes: usize = batches.iter().map(|b| b.changes()).sum();
        assert_eq!(changes, 900 + 60 * 900, "{kind}");
        assert!(batches.iter().filter(|b| b.resume().is_none()).count() >= 2, "{kind}: it came in one piece");
        assert!(batches.iter().all(|b| b.bytes().len() < 2 << 20), "{kind}: a piece is too large");
        let begins = batches
            .iter()
            .flat_map(|b| b.records())
            .filter(|r| matches!(r, Ok(Record::Begin { .. })))
            .count();
        assert_eq!((begins, batches.iter().map(|b| b.commits()).sum::<usize>()), (2, 2), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_resumes_behind_every_commit() {
    for kind in KINDS {
        let Some(db) = database(kind, "resume").await else { continue };
        db.execute("CREATE TABLE t (id int primary key)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        for id in 0..5 {
            db.execute(&format!("INSERT INTO t VALUES ({id})")).await.unwrap();
        }
        db.execute("FLUSH BINARY LOGS").await.unwrap();
        db.execute("INSERT INTO t VALUES (5)").await.unwrap();
        let batches = tail.catch_up(&*endpoint).await;
        let mut positions = vec![tail.prepared.start.clone()];
        for record in batches.iter().flat_map(|b| b.records()) {
            if let Record::Commit { position } = record.unwrap() {
                positions.push(Position::new(position));
            }
        }
        assert_eq!(positions.len(), 7, "{kind}");
        for (n, position) in positions.iter().enumerate() {
            let stream = tail.source.stream(&names(&["t"]), position, &tail.prepared.server).await.unwrap();
            tail.stream = stream;
            let again = told(&tail.catch_up(&*endpoint).await);
            let inserts: Vec<_> = again.iter().filter(|l| l.starts_with("insert")).cloned().collect();
            let expected: Vec<_> = (n..6).map(|id| format!("insert t {{id={id}}}")).collect();
            assert_eq!(inserts, expected, "{kind}: from {position}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_others_is_told_as_progress() {
    for kind in KINDS {
        let Some(db) = database(kind, "progress").await else { continue };
        db.execute("CREATE TABLE t (id int primary key); CREATE TABLE other (id int primary key)")
            .await
            .unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute("INSERT INTO other VALUES (1)").await.unwrap();
        let batches = tail.catch_up(&*endpoint).await;
        assert!(batches.iter().all(|b| b.is_empty()) && batches.last().unwrap().resume().is_some(), "{kind}");
        tail.stream.acknowledge(batches.last().unwrap().resume().unwrap()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_is_told_and_our_own_table_is_not() {
    for kind in KINDS {
        let Some(db) = database(kind, "origin").await else { continue };
        db.execute("CREATE TABLE t (id int primary key)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let table = table(&*endpoint, "t").await;
        let mut target = endpoint.target("job").await.unwrap();
        target.prepare("mysql", std::slice::from_ref(&table)).await.unwrap();
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        let mut rows = RowsWriter::new(table.clone());
        rows.row(|w| {
            w.value(&Value::Int(1));
            Ok::<_, ()>(())
        })
        .unwrap();
        let rows = rows.take();
        let images: Vec<_> = rows.images().map(|i| i.unwrap()).collect();
        target.begin("till").await.unwrap();
        target.apply(&[Delta { upserts: images, ..Delta::new(&table) }]).await.unwrap();
        let checkpoint = Checkpoint { job: "job".into(), lane: "stream".into(), state: "1".into() };
        target.commit(&checkpoint, &[]).await.unwrap();
        db.execute("INSERT INTO t VALUES (2)").await.unwrap();
        let lines = told(&tail.catch_up(&*endpoint).await);
        assert_eq!(
            lines,
            ["begin from till", "insert t {id=1}", "commit", "begin", "insert t {id=2}", "commit"],
            "{kind}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_gone_is_an_error_that_says_so() {
    for kind in KINDS {
        let Some(db) = database(kind, "gone").await else { continue };
        db.execute("CREATE TABLE t (id int primary key)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let prepared = source.prepare(&names(&["t"])).await.unwrap();
        let start = prepared.start.as_str();
        let (place, gtid) = start.split_once(' ').unwrap();
        let (file, offset) = place.rsplit_once(':').unwrap();
        let far: u64 = offset.parse::<u64>().unwrap() + 1_000_000_000;
        let other_history = match kind {
            Kind::Mysql97 => "gtid=00000000-1111-2222-3333-444444444444:1-5".to_owned(),
            _ => gtid.replace("0-", "7-"),
        };
        for lost in [
            format!("{}.000000:4", file.rsplit_once('.').unwrap().0),
            format!("{file}:{far}"),
            format!("{place} {other_history}"),
        ] {
            let opened = source.stream(&names(&["t"]), &Position::new(&lost), &prepared.server).await;
            let error = opened.err().unwrap_or_else(|| panic!("{kind}: {lost} was taken"));
            assert_eq!(error.kind, ErrorKind::PositionLost, "{kind}: {lost}: {error}");
            assert!(error.hint.is_some());
        }
        let mut elsewhere = prepared.server.clone();
        elsewhere.id.push('x');
        let error = source.stream(&names(&["t"]), &prepared.start, &elsewhere).await.err().unwrap();
        assert_eq!((error.kind, error.code), (ErrorKind::PositionLost, "TL-MY-OTHER-SERVER"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_stalls_is_held_back_and_loses_nothing() {
    for kind in KINDS {
        let Some(db) = database(kind, "stall").await else { continue };
        db.execute("CREATE TABLE t (id int primary key, n varchar(200))").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        // More than channel and socket hold, however much that is: until the server has more than it gets rid of.
        let stuck = "SELECT count(*) FROM information_schema.processlist WHERE db = database() \
                     AND command LIKE 'Binlog Dump%' AND state IN ('Writing to net', 'Sending to client')";
        let (mut parts, mut held) = (0, 0);
        while held < 3 {
            assert!(parts < 600, "{kind}: whatever is written is taken");
            held = if db.value(stuck).await.unwrap().as_deref() == Some("1") { held + 1 } else { 0 };
            let rows: Vec<String> =
                (0..2000).map(|i| format!("({}, REPEAT('y', 200))", parts * 2000 + i)).collect();
            db.execute(&format!("INSERT INTO t VALUES {}", rows.join(","))).await.unwrap();
            parts += 1;
        }
        let batches = tail.catch_up(&*endpoint).await;
        assert_eq!(batches.iter().map(|b| b.changes()).sum::<usize>(), parts * 2000, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_told_by_a_changed_table_are_told_as_rewritten() {
    for kind in KINDS {
        let Some(db) = database(kind, "changed").await else { continue };
        db.execute("CREATE TABLE t (id int primary key, a int, b int)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let prepared = source.prepare(&names(&["t"])).await.unwrap();
        db.execute("INSERT INTO t VALUES (1,2,3); ALTER TABLE t RENAME COLUMN a TO c").await.unwrap();
        let stream = source.stream(&names(&["t"]), &prepared.start, &prepared.server).await.unwrap();
        let mut tail = Tail { source, prepared, stream };
        let lines = told(&tail.catch_up(&*endpoint).await);
        assert!(lines.contains(&"rewrite t".to_owned()), "{kind}: {lines:?}");
        assert!(!lines.iter().any(|l| l.starts_with("insert")), "{kind}: {lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_changes_while_it_is_followed_is_described_anew() {
    for kind in KINDS {
        let Some(db) = database(kind, "described").await else { continue };
        db.execute("CREATE TABLE t (id int primary key)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute("INSERT INTO t VALUES (1)").await.unwrap();
        let mut lines = told(&tail.catch_up(&*endpoint).await);
        db.execute("ALTER TABLE t ADD COLUMN n int; INSERT INTO t VALUES (2, 7)").await.unwrap();
        lines.extend(told(&tail.catch_up(&*endpoint).await));
        lines.retain(|l| l.starts_with("insert"));
        assert_eq!(lines, ["insert t {id=1}", "insert t {id=2, n=7}"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_in_place_of_rows_stop_the_stream() {
    let (mut there, mut tried) = (0, 0);
    for kind in KINDS {
        let Some(db) = database(kind, "statements").await else { continue };
        there += 1;
        db.execute("CREATE TABLE t (id int primary key); CREATE TABLE other (id int primary key)")
            .await
            .unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        if db.execute("SET SESSION binlog_format='STATEMENT'").await.is_err() {
            continue; // A server that cannot do it does not need the check.
        }
        tried += 1;
        db.execute("INSERT INTO other VALUES (1)").await.unwrap();
        tail.catch_up(&*endpoint).await;
        db.execute("INSERT INTO t VALUES (1)").await.unwrap();
        let error = stopped(&mut *tail.stream).await;
        assert_eq!(error.code, "TL-MY-STATEMENT-FORMAT", "{kind}: {error}");
    }
    assert!(there == 0 || tried > 0, "no server logs statements: nothing was tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_xa_transaction_and_a_partial_json_update_stop_the_stream() {
    for kind in KINDS {
        // What is prepared holds every other start at this server back.
        let Some(private) = private_server(kind, Options::default()).await else { continue };
        let db = private.server.fresh_database("xa").await;
        db.execute("CREATE TABLE t (id int primary key, j json)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        let xid = db.name.clone();
        db.execute(&format!(
            "XA START '{xid}'; INSERT INTO t VALUES (1, '{{}}'); XA END '{xid}'; XA PREPARE '{xid}'"
        ))
        .await
        .unwrap();
        let error = stopped(&mut *tail.stream).await;
        db.execute(&format!("XA ROLLBACK '{xid}'")).await.unwrap();
        assert_eq!(error.code, "TL-MY-XA", "{kind}: {error}");
        if kind != Kind::Mysql97 {
            continue;
        }
        db.execute("INSERT INTO t VALUES (2, JSON_OBJECT('a', REPEAT('x', 200), 'b', 1))").await.unwrap();
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute(
            "SET SESSION binlog_row_value_options='PARTIAL_JSON'; UPDATE t SET j=JSON_SET(j, '$.b', 2)",
        )
        .await
        .unwrap();
        let error = stopped(&mut *tail.stream).await;
        assert_eq!(error.code, "TL-MY-PARTIAL-JSON", "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cascades_are_in_the_log_where_inspect_does_not_warn_of_them() {
    for kind in KINDS {
        let Some(db) = database(kind, "cascade").await else { continue };
        let lines = changes(
            &db,
            "CREATE TABLE p (id int primary key); CREATE TABLE t (id int primary key, p int, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE); \
             INSERT INTO p VALUES (1); INSERT INTO t VALUES (5, 1)",
            "DELETE FROM p",
        )
        .await;
        let logged = lines.iter().any(|l| l.starts_with("delete t"));
        let endpoint = endpoint(&db.url);
        let ask = Ask { role: Role::Source(CaptureKind::Log), tables: None };
        let warned = endpoint.inspect(&ask).await.unwrap().findings.iter().any(|f| f.code == "TL-MY-CASCADE");
        assert_eq!(logged, !warned, "{kind}: {lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_and_the_stream_meet_without_a_gap_and_tell_what_is_held() {
    for kind in KINDS {
        // Alone with its server: a lock on all tables waits for the statements of others.
        let Some(private) = private_server(kind, Options::default()).await else { continue };
        let db = private.server.fresh_database("meet").await;
        db.execute("CREATE TABLE t (id int primary key auto_increment, n int)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let writers: Vec<_> = (0..3)
            .map(|n| {
                let (url, stop) = (db.url.clone(), stop.clone());
                tokio::spawn(async move {
                    let mut session = tidelock_testkit::Session::connect(&url).await.unwrap();
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        session.execute(&format!("INSERT INTO t (n) VALUES ({n})")).await.unwrap();
                    }
                })
            })
            .collect();
        let table = table(&*endpoint, "t").await;
        let mut seen = Vec::new();
        for readers in [1, 3] {
            db.wait_for("SELECT count(*) > 40 FROM t", "1", Duration::from_secs(20)).await.unwrap();
            let snapshot = tail.source.snapshot(std::slice::from_ref(&table), readers).await.unwrap();
            let mut held = std::collections::BTreeSet::new();
            let mut reader = snapshot.reader().await.unwrap();
            for chunk in snapshot.chunks(&table, 17).await.unwrap() {
                reader.open(&table, &chunk).await.unwrap();
                while let Some(rows) = reader.next().await.unwrap() {
                    for image in rows.images() {
                        let Some(Value::Int(id)) = image.unwrap().slot(0).unwrap().value() else { panic!() };
                        assert!(held.insert(id), "{kind}: row {id} twice");
                    }
                }
            }
            seen.push((snapshot.mark().clone(), held));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        let batches = tail.catch_up(&*endpoint).await;
        for (mark, held) in &seen {
            let mut at = String::new();
            let mut compared = 0;
            for record in batches.iter().flat_map(|b| b.records()) {
                match record.unwrap() {
                    Record::Begin { at: place, .. } => at = place.to_owned(),
                    Record::Change(change) => {
                        let Some(Value::Int(id)) = change.after.unwrap().slot(0).unwrap().value() else {
                            panic!()
                        };
                        let covered = endpoint.covers(mark, &at).unwrap();
                        let expected = if held.contains(&id) { Coverage::Held } else { Coverage::Past };
                        assert_eq!(covered, expected, "{kind}: row {id} at {at}, mark {mark}");
                        compared += 1;
                    }
                    Record::Commit { .. } => {}
                }
            }
            assert!(compared > held.len() && !held.is_empty(), "{kind}");
        }
    }
}
