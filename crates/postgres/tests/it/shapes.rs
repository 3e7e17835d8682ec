//! Tables of every shape, read.

use crate::common::*;
use tidelock_endpoint::{Ask, CaptureKind, ErrorKind, Role, Severity};

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_table_is_read_and_followed_as_one() {
    for kind in KINDS {
        let Some(db) = database(kind, "partitions").await else { continue };
        db.execute(
            "CREATE TABLE p (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
             CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
             CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
             INSERT INTO p VALUES (1, '2024-05-05'), (2, '2025-05-05')",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["p"]).await;
        let all = endpoint.inspect(&Ask { role: Role::SnapshotSource, tables: None }).await.unwrap().tables;
        assert_eq!(all.iter().map(|t| t.name.to_string()).collect::<Vec<_>>(), ["p"], "{kind}");
        let rows = snapshot_rows(&*endpoint, &all[0], 1000).await;
        assert_eq!(rows.iter().map(|r| r.len()).sum::<usize>(), 2, "{kind}");
        db.execute("UPDATE p SET at = '2025-01-01' WHERE id = 1; INSERT INTO p VALUES (3, '2024-01-01')")
            .await
            .unwrap();
        let lines = told(&tail.catch_up(&*endpoint).await);
        assert!(lines.iter().any(|l| l == "delete p {id=1, at=2024-05-05}"), "{kind}: {lines:?}");
        assert!(lines.iter().any(|l| l == "insert p {id=1, at=2025-01-01}"), "{kind}: {lines:?}");
        assert!(lines.iter().any(|l| l == "insert p {id=3, at=2024-01-01}"), "{kind}: {lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_the_log_cannot_tell_rows_of_is_refused_and_its_owner_can_still_write() {
    for kind in KINDS {
        let Some(db) = database(kind, "identity").await else { continue };
        db.execute(
            "CREATE TABLE u (a int NOT NULL UNIQUE, b int); INSERT INTO u VALUES (1, 1);
             CREATE UNLOGGED TABLE l (a int PRIMARY KEY); CREATE TABLE k (a int)",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&db.url);
        let ask = Ask { role: Role::Source(CaptureKind::Log), tables: None };
        let findings = endpoint.inspect(&ask).await.unwrap().findings;
        let errors: Vec<_> = findings
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .map(|f| (f.subject.as_str(), f.code))
            .collect();
        let expected = [("k", "TL-PG-NO-KEY"), ("l", "TL-PG-UNLOGGED"), ("u", "TL-PG-REPLICA-IDENTITY")];
        for one in expected {
            assert!(errors.contains(&one), "{kind}: {one:?} is missing in {errors:?}");
        }
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let error = source.prepare(&names(&["u", "l", "k"])).await.unwrap_err();
        assert_eq!(
            (error.kind, error.code),
            (ErrorKind::Precondition, "TL-PG-NOT-PUBLISHABLE"),
            "{kind}: {error}"
        );
        db.execute("UPDATE u SET b = 2; DELETE FROM u").await.unwrap();
        let remedy = findings.iter().find(|f| f.subject == "u").unwrap().remedy.clone().unwrap();
        db.execute(&remedy).await.unwrap();
        source.prepare(&names(&["u"])).await.unwrap();
        db.execute("INSERT INTO u VALUES (2, 2); UPDATE u SET a = 3").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_value_that_did_not_change_is_taken_from_the_whole_old_row() {
    for kind in KINDS {
        let Some(db) = database(kind, "toast").await else { continue };
        db.execute(
            "CREATE TABLE d (id int PRIMARY KEY, big text, n int); ALTER TABLE d ALTER big SET STORAGE EXTERNAL;
             CREATE TABLE f (LIKE d INCLUDING ALL); ALTER TABLE f REPLICA IDENTITY FULL;
             INSERT INTO d VALUES (1, repeat('x', 9000), 1); INSERT INTO f SELECT * FROM d",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["d", "f"]).await;
        db.execute("UPDATE d SET n = 2; UPDATE f SET n = 2; UPDATE d SET id = 5").await.unwrap();
        let big = "x".repeat(9000);
        let lines: Vec<String> =
            told(&tail.catch_up(&*endpoint).await).into_iter().filter(|l| l.starts_with("update")).collect();
        let expected = [
            "update d  -> {id=1, n=2}".to_owned(),
            format!("update f {{id=1, big={big}, n=1}} -> {{id=1, big={big}, n=2}}"),
            "update d {id=1} -> {id=5, n=2}".to_owned(),
        ];
        assert_eq!(lines, expected, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_columns_and_other_schemas_and_odd_names() {
    for kind in KINDS {
        let Some(db) = database(kind, "odd").await else { continue };
        db.execute(
            "CREATE TABLE g (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, \"Sp ace\"\"d\" text);
             CREATE SCHEMA \"Other\"; CREATE TABLE \"Other\".\"T.x\" (id int PRIMARY KEY); CREATE TABLE \"T.x\" (id int PRIMARY KEY)",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&db.url);
        let all = endpoint.inspect(&Ask { role: Role::SnapshotSource, tables: None }).await.unwrap().tables;
        let found: Vec<_> = all.iter().map(|t| (t.name.schema.as_deref(), t.name.name.as_str())).collect();
        assert_eq!(found, [(None, "T.x"), (None, "g"), (Some("Other"), "T.x")], "{kind}");
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let tables: Vec<_> = all.iter().map(|t| t.name.clone()).collect();
        let prepared = source.prepare(&tables).await.unwrap();
        let stream = source.stream(&tables, &prepared.start, &prepared.server).await.unwrap();
        let mut tail = Tail { source, prepared, stream };
        db.execute("INSERT INTO g VALUES (1, DEFAULT, 'x'); INSERT INTO \"Other\".\"T.x\" VALUES (7)")
            .await
            .unwrap();
        let lines = told(&tail.catch_up(&*endpoint).await);
        assert!(lines.contains(&"insert g {id=1, Sp ace\"d=x}".to_owned()), "{kind}: {lines:?}");
        assert!(lines.contains(&"insert Other.T.x {id=7}".to_owned()), "{kind}: {lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_made_before_a_column_came_or_went_are_read_in_their_old_shape() {
    for kind in KINDS {
        let Some(db) = database(kind, "altered").await else { continue };
        db.execute("CREATE TABLE t (id int PRIMARY KEY, gone text)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute("INSERT INTO t VALUES (1, 'old')").await.unwrap();
        db.execute("ALTER TABLE t DROP COLUMN gone; ALTER TABLE t ADD COLUMN come int DEFAULT 5")
            .await
            .unwrap();
        db.execute("INSERT INTO t VALUES (2, 6)").await.unwrap();
        let lines = told(&tail.catch_up(&*endpoint).await);
        let inserts: Vec<_> = lines.iter().filter(|l| l.starts_with("insert")).collect();
        assert_eq!(inserts, ["insert t {id=1, gone=old}", "insert t {id=2, come=6}"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_was_moved_on_or_dropped_is_a_lost_position() {
    for kind in KINDS {
        let Some(db) = database(kind, "lost").await else { continue };
        db.execute("CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let prepared = source.prepare(&names(&["t"])).await.unwrap();
        db.execute("INSERT INTO t VALUES (1)").await.unwrap();
        let slot = "(SELECT slot_name FROM pg_replication_slots WHERE database = current_database())";
        db.execute(&format!("SELECT pg_replication_slot_advance({slot}, pg_current_wal_lsn())"))
            .await
            .unwrap();
        let mut codes = Vec::new();
        let opened = source.stream(&names(&["t"]), &prepared.start, &prepared.server).await;
        codes.push(opened.err().map(|e| (e.kind, e.code)));
        let publication = db.value("SELECT pubname FROM pg_publication").await.unwrap().unwrap();
        db.execute(&format!("DROP PUBLICATION \"{publication}\"")).await.unwrap();
        codes.push(source.prepare(&names(&["t"])).await.err().map(|e| (e.kind, e.code)));
        db.execute(&format!("SELECT pg_drop_replication_slot({slot})")).await.unwrap();
        let opened = source.stream(&names(&["t"]), &prepared.start, &prepared.server).await;
        codes.push(opened.err().map(|e| (e.kind, e.code)));
        let lost = ErrorKind::PositionLost;
        assert_eq!(
            codes,
            ["TL-PG-SLOT-AHEAD", "TL-PG-PUBLICATION-GONE", "TL-PG-SLOT-GONE"].map(|c| Some((lost, c))),
            "{kind}"
        );
    }
}
