//! A table or a publication that is altered between two looks at it, and values that one column holds and another does not.

use crate::common::*;
use crate::writing::{checkpoint, target};
use std::time::Duration;
use tidelock_endpoint::{CaptureKind, ChangeStream, Delta, EndpointError, ErrorKind};
use tidelock_model::{Date, Image, Value};

/// What the stream ends with.
async fn end(stream: &mut dyn ChangeStream) -> EndpointError {
    let until = async {
        loop {
            if let Err(error) = stream.next().await {
                return error;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), until).await.expect("the stream goes on as if nothing was")
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_a_table_that_was_rewritten_are_not_read_on() {
    for kind in KINDS {
        let Some(db) = database(kind, "rewritten").await else { continue };
        db.execute(
            "CREATE TABLE t (id int PRIMARY KEY, pad text); INSERT INTO t SELECT n, repeat('x', 500) FROM generate_series(1, 500) n;
             DELETE FROM t WHERE id <= 250; ANALYZE t",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&db.url);
        let table = table(&*endpoint, "t").await;
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let view = source.snapshot(std::slice::from_ref(&table), 1).await.unwrap();
        let chunks = view.chunks(&table, 50).await.unwrap();
        assert!(chunks.len() > 2, "{kind}: {chunks:?}");
        drop(view);
        // Another view of the same file reads them on.
        let view = source.snapshot(std::slice::from_ref(&table), 1).await.unwrap();
        let mut reader = view.reader().await.unwrap();
        reader.open(&table, &chunks[1]).await.unwrap();
        drop((reader, view));
        let open = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass";
        db.wait_for(open, "0", Duration::from_secs(30)).await.unwrap();
        db.execute("VACUUM FULL t").await.unwrap();
        let view = source.snapshot(std::slice::from_ref(&table), 1).await.unwrap();
        let mut reader = view.reader().await.unwrap();
        let error = reader.open(&table, &chunks[1]).await.unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Precondition, "TL-PG-REWRITTEN"), "{kind}");
        assert!(error.hint.unwrap().contains("--full --tables t"), "{kind}");
        let anew = view.chunks(&table, 50).await.unwrap();
        reader.open(&table, &anew[0]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_row_of_a_partition_that_tells_its_key_alone_is_not_taken_for_a_whole_one() {
    for kind in KINDS {
        let Some(db) = database(kind, "partidentity").await else { continue };
        db.execute(
            "CREATE TABLE p (id int PRIMARY KEY, big text, n int) PARTITION BY RANGE (id);
             CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (100); ALTER TABLE p1 ALTER big SET STORAGE EXTERNAL;
             ALTER TABLE p REPLICA IDENTITY FULL; ALTER TABLE p1 REPLICA IDENTITY DEFAULT;
             INSERT INTO p VALUES (1, repeat('x', 9000), 1)",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["p"]).await;
        db.execute("UPDATE p SET id = 5; DELETE FROM p").await.unwrap();
        let mut lines = told(&tail.catch_up(&*endpoint).await);
        lines.retain(|l| l.starts_with("update") || l.starts_with("delete"));
        assert_eq!(lines, ["update p {id=1} -> {id=5, n=1}", "delete p {id=5}"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_is_altered_while_it_is_read_is_told() {
    for kind in KINDS {
        for (alter, code) in [
            ("SET (publish = 'insert, update')", "TL-PG-PUBLICATION-CHANGED"),
            ("SET TABLE t WHERE (n > 5)", "TL-PG-PUBLICATION-FILTERED"),
            ("SET TABLE t (id)", "TL-PG-PUBLICATION-FILTERED"),
        ] {
            let Some(db) = database(kind, "altered").await else { continue };
            db.execute("CREATE TABLE t (id int PRIMARY KEY, n int)").await.unwrap();
            db.execute("ALTER TABLE t REPLICA IDENTITY FULL").await.unwrap();
            let endpoint = endpoint(&db.url);
            let Tail { mut source, prepared, mut stream } = Tail::open(&*endpoint, &["t"]).await;
            let publication = db.value("SELECT pubname FROM pg_publication").await.unwrap().unwrap();
            db.execute(&format!("ALTER PUBLICATION \"{publication}\" {alter}")).await.unwrap();
            let error = end(&mut *stream).await;
            assert_eq!((error.kind, error.code), (ErrorKind::PositionLost, code), "{kind}: {alter}");
            drop(stream);
            let opened = source.stream(&names(&["t"]), &prepared.start, &prepared.server).await;
            assert_eq!(opened.err().map(|e| e.code), Some(code), "{kind}: {alter}");
            if code == "TL-PG-PUBLICATION-FILTERED" {
                let (statements, _) = error.hint.as_deref().unwrap().split_once("; then").unwrap();
                db.execute(statements).await.unwrap();
                source.prepare(&names(&["t"])).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_gets_another_type_is_told_and_one_that_only_becomes_longer_is_followed() {
    for kind in KINDS {
        let Some(db) = database(kind, "retyped").await else { continue };
        db.execute("CREATE TABLE t (id int PRIMARY KEY, v varchar(5), d numeric(5,2), n int)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute("INSERT INTO t VALUES (1, 'a', 1.25, 1)").await.unwrap();
        tail.catch_up(&*endpoint).await;
        db.execute(
            "ALTER TABLE t ALTER v TYPE varchar(9), ALTER d TYPE numeric(9,2); INSERT INTO t VALUES (2, 'longer', 2.25, 2)",
        )
        .await
        .unwrap();
        let lines = told(&tail.catch_up(&*endpoint).await);
        assert!(lines.contains(&"insert t {id=2, v=longer, d=2.25, n=2}".to_owned()), "{kind}: {lines:?}");
        db.execute("ALTER TABLE t ALTER d TYPE numeric(9,1)").await.unwrap();
        db.execute("INSERT INTO t VALUES (3, 'a', 3.5, 3)").await.unwrap();
        let lines = told(&tail.catch_up(&*endpoint).await);
        assert_eq!(lines, ["begin", "rewrite t", "insert t {id=3, v=a, d=3.5, n=3}", "commit"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn infinite_dates_go_into_timestamps_and_boxes_into_arrays() {
    for kind in KINDS {
        let Some(db) = database(kind, "infinite").await else { continue };
        db.execute(
            "CREATE TABLE t (id int PRIMARY KEY, at timestamp); CREATE TABLE b (id int PRIMARY KEY, boxes box[]);
             CREATE TABLE c (id int PRIMARY KEY, boxes box[]); INSERT INTO b VALUES (1, '{(3,4),(1,2);(7,8),(5,6)}')",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&db.url);
        let (dates, mut target) = (table(&*endpoint, "t").await, target(&db.url).await);
        let rows = [Date::Infinity, Date::NegInfinity, Date::Day(0)];
        let rows: Vec<_> = (1..).zip(rows).map(|(id, d)| whole(&[Value::Int(id), Value::Date(d)])).collect();
        target.begin("shop").await.unwrap();
        let upserts = rows.iter().map(|r| Image::from_bytes(r)).collect();
        target.apply(&[Delta { upserts, ..Delta::new(&dates) }]).await.unwrap();
        let (from, to) = (table(&*endpoint, "b").await, table(&*endpoint, "c").await);
        let read = snapshot_rows(&*endpoint, &from, 10).await.remove(0);
        let upserts = read.images().map(Result::unwrap).collect();
        target.apply(&[Delta { upserts, ..Delta::new(&to) }]).await.unwrap();
        target.commit(&checkpoint(), &[]).await.unwrap();
        let there =
            "SELECT string_agg(at::text, ' ' ORDER BY id) || ' ' || (SELECT boxes::text FROM c) FROM t";
        let expected = "infinity -infinity 1970-01-01 00:00:00 {(3,4),(1,2);(7,8),(5,6)}";
        assert_eq!(db.value(there).await.unwrap().as_deref(), Some(expected), "{kind}");
    }
}
