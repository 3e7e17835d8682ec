//! XA transactions whose rows and whose commit lie on two sides of a place. Each on a server of its own: what is prepared holds others back.

use crate::common::*;
use tidelock_endpoint::{CaptureKind, ErrorKind};
use tidelock_model::Position;
use tidelock_testkit::{Database, lab::Options, private_server};

/// Prepares a row of `table`, and goes.
async fn prepare(db: &Database, xid: &str, table: &str) {
    let mut session = db.session().await.unwrap();
    session
        .execute(&format!(
            "XA START '{xid}'; INSERT INTO {table} VALUES (1); XA END '{xid}'; XA PREPARE '{xid}'"
        ))
        .await
        .unwrap();
}

/// Its session may still be going.
async fn decide(db: &Database, decision: &str) {
    let begun = std::time::Instant::now();
    while let Err(error) = db.execute(decision).await {
        assert!(begun.elapsed().as_secs() < 20, "{decision}: {error:#}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

const MADE: &str = "CREATE TABLE t (id int primary key); CREATE TABLE other (id int primary key)";

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_what_was_prepared_before_the_start_stops_the_stream_and_a_rollback_does_not() {
    for kind in KINDS {
        let Some(private) = private_server(kind, Options::default()).await else { continue };
        let db = private.server.fresh_database("xa_before").await;
        db.execute(MADE).await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let prepared = source.prepare(&names(&["t"])).await.unwrap();
        for (xid, decision) in [("back", "ROLLBACK"), ("on", "COMMIT")] {
            prepare(&db, xid, "t").await;
            // As a user without the right to ask would have it.
            let head = source.head().await.unwrap();
            let start = Position::new(head.as_str().split(" xa=").next().unwrap());
            let mut stream = source.stream(&names(&["t"]), &start, &prepared.server).await.unwrap();
            decide(&db, &format!("XA {decision} '{xid}'")).await;
            if decision == "COMMIT" {
                let error = stopped(&mut *stream).await;
                assert_eq!((error.kind, error.code), (ErrorKind::Unsupported, "TL-MY-XA"), "{kind}: {error}");
                continue;
            }
            db.execute("INSERT INTO t VALUES (5); DELETE FROM t").await.unwrap();
            let mut lines = Vec::new();
            within("the row behind it", async {
                while !lines.iter().any(|l: &String| l == "delete t {id=5}") {
                    lines.extend(told(&[stream.next().await.unwrap()]));
                }
            })
            .await;
            lines.retain(|l| l != "begin" && l != "commit");
            assert_eq!(lines, ["insert t {id=5}", "delete t {id=5}"], "{kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_prepared_without_our_rows_is_committed_without_harm_also_after_a_restart() {
    for kind in KINDS {
        let Some(private) = private_server(kind, Options::default()).await else { continue };
        let db = private.server.fresh_database("xa_others").await;
        db.execute(MADE).await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        prepare(&db, "theirs", "other").await;
        db.execute("INSERT INTO t VALUES (2)").await.unwrap();
        let batches = tail.catch_up(&*endpoint).await;
        let reached: Position = batches.iter().rev().find_map(|b| b.resume()).unwrap().clone();
        decide(&db, "XA COMMIT 'theirs'").await;
        db.execute("INSERT INTO t VALUES (3)").await.unwrap();
        for restarted in [false, true] {
            let mut lines = told(&tail.catch_up(&*endpoint).await);
            lines.retain(|l| l.starts_with("insert"));
            assert_eq!(lines, ["insert t {id=3}"], "{kind}, restarted {restarted}, from {reached}");
            if !restarted {
                tail.stream =
                    tail.source.stream(&names(&["t"]), &reached, &tail.prepared.server).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_from_a_start_until_what_was_prepared_there_is_decided() {
    for kind in KINDS {
        let Some(private) = private_server(kind, Options::default()).await else { continue };
        let db = private.server.fresh_database("xa_start").await;
        db.execute(MADE).await.unwrap();
        let endpoint = endpoint(&db.url);
        prepare(&db, "forgotten", "t").await;
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let prepared = source.prepare(&names(&["t"])).await.unwrap();
        let opened = source.stream(&names(&["t"]), &prepared.start, &prepared.server).await;
        let error = opened.err().unwrap_or_else(|| panic!("{kind}: it was opened"));
        assert_eq!(
            (error.kind, error.code),
            (ErrorKind::Unavailable, "TL-MY-XA-PREPARED"),
            "{kind}: {error}"
        );
        let name: String = b"forgotten".iter().map(|b| format!("{b:02x}")).collect();
        assert!(error.message.contains(&name) && error.hint.is_some(), "{kind}: {error}");
        let (start, server) = (prepared.start.clone(), prepared.server.clone());
        let waiting = tokio::spawn(async move {
            let stream = source.stream(&names(&["t"]), &start, &server).await;
            (source, stream)
        });
        decide(&db, "XA COMMIT 'forgotten'").await;
        let (source, stream) = waiting.await.unwrap();
        let rows = snapshot_rows(&*endpoint, &table(&*endpoint, "t").await, 10).await;
        assert_eq!(rows.iter().map(tidelock_model::Rows::len).sum::<usize>(), 1, "{kind}: the copy holds it");
        let mut tail = Tail { source, prepared, stream: stream.unwrap() };
        db.execute("INSERT INTO t VALUES (2)").await.unwrap();
        let mut lines = told(&tail.catch_up(&*endpoint).await);
        lines.retain(|l| l.starts_with("insert"));
        assert_eq!(lines, ["insert t {id=2}"], "{kind}");
    }
}
