//! What must never happen in silence: rows that a policy hides, columns and rows of the target that go along, changes that are not told.

use crate::common::*;
use crate::writing::{checkpoint, target};
use std::sync::Arc;
use tidelock_endpoint::{CaptureKind, Delta, ErrorKind, Result, Target, WriteMode};
use tidelock_model::{Image, RowsWriter, Table, TableName, Value};

/// A table of the job that has fewer columns than the one that is there.
fn narrowed(table: &Table, columns: usize) -> Arc<Table> {
    let mut table = table.clone();
    table.columns.truncate(columns);
    table.indexes.clear();
    Arc::new(table)
}

async fn load(target: &mut dyn Target, table: &Arc<Table>, rows: &[(i64, &str)]) -> Result<()> {
    let mut made = RowsWriter::new(table.clone());
    for (id, code) in rows {
        made.image(Image::from_bytes(&whole(&[Value::Int(*id), Value::Text(code)])));
    }
    let mut loader = target.loader().await?;
    loader.begin(table, WriteMode::Upsert, "shop").await?;
    loader.load(&made.take()).await?;
    loader.commit(&checkpoint()).await
}

async fn apply(target: &mut dyn Target, table: &Arc<Table>, rows: &[(i64, &str)]) -> Result<()> {
    let rows: Vec<_> = rows.iter().map(|(id, code)| whole(&[Value::Int(*id), Value::Text(code)])).collect();
    target.begin("shop").await?;
    let upserts = rows.iter().map(|r| Image::from_bytes(r)).collect();
    match target.apply(&[Delta { upserts, ..Delta::new(table) }]).await {
        Ok(_) => target.commit(&checkpoint(), &[]).await,
        Err(error) => {
            target.rollback().await?;
            Err(error)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_policy_hides_are_an_error() {
    for kind in KINDS {
        let Some(db) = database(kind, "policy").await else { continue };
        let url = plain(&db).await;
        db.execute(
            "CREATE TABLE t (id int PRIMARY KEY, mine bool); INSERT INTO t VALUES (1, true), (2, false);
             ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (mine); GRANT SELECT ON t TO tidelock_plain",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&url);
        let table = table(&*endpoint, "t").await;
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let view = source.snapshot(std::slice::from_ref(&table), 1).await.unwrap();
        let chunks = view.chunks(&table, 10).await.unwrap();
        let mut reader = view.reader().await.unwrap();
        let error = reader.open(&table, &chunks[0]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Privilege, "{kind}: {error}");
        assert!(view.count(&table).await.is_err(), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_only_the_target_has_are_kept() {
    for kind in KINDS {
        let Some(db) = database(kind, "kept").await else { continue };
        db.execute(
            "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, own text NOT NULL DEFAULT 'new');
             INSERT INTO t VALUES (1, 'a', 'one'), (2, 'b', 'two')",
        )
        .await
        .unwrap();
        let wide = table(&*endpoint(&db.url), "t").await;
        let (table, mut target) = (narrowed(&wide, 2), target(&db.url).await);
        load(&mut *target, &table, &[(1, "c"), (3, "d")]).await.unwrap();
        apply(&mut *target, &table, &[(2, "e"), (4, "f")]).await.unwrap();
        let swapped = [(1, "e"), (2, "c")];
        for error in [
            load(&mut *target, &table, &swapped).await.unwrap_err(),
            apply(&mut *target, &table, &swapped).await.unwrap_err(),
        ] {
            assert_eq!(error.kind, ErrorKind::Row, "{kind}: {error}");
            assert!(error.hint.as_deref().unwrap_or_default().contains("column own"), "{kind}: {error:?}");
        }
        let all = db.value("SELECT string_agg(id || code || own, ' ' ORDER BY id) FROM t").await.unwrap();
        assert_eq!(all.as_deref(), Some("1cone 2etwo 3dnew 4fnew"), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_role_swaps_unique_values_only_where_nothing_hangs_on_the_rows() {
    for kind in KINDS {
        let Some(db) = database(kind, "swap").await else { continue };
        let url = plain(&db).await;
        drop(target(&db.url).await);
        db.execute(
            "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b');
             CREATE TABLE parent (id int PRIMARY KEY, code text UNIQUE); INSERT INTO parent VALUES (1, 'a'), (2, 'b');
             CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE); INSERT INTO child VALUES (1, 1);
             CREATE TABLE tree (id int PRIMARY KEY, code text UNIQUE, up int REFERENCES tree ON DELETE CASCADE);
             INSERT INTO tree VALUES (1, 'a', NULL), (2, 'b', NULL), (3, 'c', 1);
             GRANT ALL ON ALL TABLES IN SCHEMA public TO tidelock_plain",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&url);
        let mut target = endpoint.target("job").await.unwrap();
        let free = table(&*endpoint, "t").await;
        apply(&mut *target, &free, &[(1, "b"), (2, "a")]).await.unwrap();
        load(&mut *target, &free, &[(1, "c"), (2, "b")]).await.unwrap();
        load(&mut *target, &free, &[(1, "b"), (2, "c")]).await.unwrap();
        for name in ["parent", "tree"] {
            let bound = narrowed(&*table(&*endpoint, name).await, 2);
            let swapped = [(1, "b"), (2, "a")];
            for error in [
                load(&mut *target, &bound, &swapped).await.unwrap_err(),
                apply(&mut *target, &bound, &swapped).await.unwrap_err(),
            ] {
                assert_eq!(error.kind, ErrorKind::Row, "{kind}: {error}");
            }
        }
        let left = "SELECT (SELECT string_agg(code, '' ORDER BY id) FROM t) || (SELECT count(*) FROM child) || (SELECT count(*) FROM tree)";
        assert_eq!(db.value(left).await.unwrap().as_deref(), Some("bc13"), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_passes_over_columns_of_the_target_that_must_not_be_null() {
    for kind in KINDS {
        let Some(db) = database(kind, "notnull").await else { continue };
        db.execute("CREATE TABLE t (id int PRIMARY KEY, code text, at timestamptz NOT NULL DEFAULT now())")
            .await
            .unwrap();
        let wide = table(&*endpoint(&db.url), "t").await;
        let (table, mut target) = (narrowed(&wide, 2), target(&db.url).await);
        load(&mut *target, &table, &[(1, "c")]).await.unwrap();
        assert_eq!(db.value("SELECT count(*) FROM t").await.unwrap().as_deref(), Some("1"), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_added_waits_for_what_was_written_to_it() {
    for kind in KINDS {
        let Some(db) = database(kind, "added").await else { continue };
        db.execute("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        source.prepare(&names(&["a"])).await.unwrap();
        let mut writer = db.session().await.unwrap();
        writer.execute("BEGIN; INSERT INTO b VALUES (1)").await.unwrap();
        let adding = tokio::spawn(async move { source.prepare(&names(&["a", "b"])).await });
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'b'::regclass";
        db.wait_for(waiting, "1", std::time::Duration::from_secs(30)).await.unwrap();
        writer.execute("INSERT INTO b VALUES (2); COMMIT").await.unwrap();
        adding.await.unwrap().unwrap();
        let table = table(&*endpoint, "b").await;
        let rows = snapshot_rows(&*endpoint, &table, 10).await;
        assert_eq!(rows.iter().map(|r| r.len()).sum::<usize>(), 2, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_not_rewritten_under_its_reader() {
    for kind in KINDS {
        let Some(db) = database(kind, "rewrite").await else { continue };
        db.execute("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let table = table(&*endpoint, "t").await;
        let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
        let view = source.snapshot(std::slice::from_ref(&table), 1).await.unwrap();
        let alter = "SET lock_timeout = '100ms'; ALTER TABLE t ALTER n TYPE bigint";
        assert!(db.execute(alter).await.is_err(), "{kind}");
        assert_eq!(view.count(&table).await.unwrap(), 1, "{kind}");
        drop(view);
        let locked = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass";
        db.wait_for(locked, "0", std::time::Duration::from_secs(30)).await.unwrap();
        db.execute("ALTER TABLE t ALTER n TYPE bigint").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_ahead_of_the_server_and_an_altered_publication_are_told() {
    for kind in KINDS {
        let Some(db) = database(kind, "ahead").await else { continue };
        db.execute("CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let Tail { mut source, prepared, stream } = Tail::open(&*endpoint, &["t"]).await;
        drop(stream);
        let ahead = db.value("SELECT pg_current_wal_insert_lsn() + 1000000000").await.unwrap().unwrap();
        let ahead = tidelock_model::Position::new(ahead);
        let opened = source.stream(&names(&["t"]), &ahead, &prepared.server).await;
        assert_eq!(
            opened.err().map(|e| (e.kind, e.code)),
            Some((ErrorKind::PositionLost, "TL-PG-POSITION-AHEAD")),
            "{kind}"
        );
        let publication = db.value("SELECT pubname FROM pg_publication").await.unwrap().unwrap();
        db.execute(&format!("ALTER PUBLICATION \"{publication}\" SET (publish = 'insert, update')"))
            .await
            .unwrap();
        let opened = source.stream(&names(&["t"]), &prepared.start, &prepared.server).await;
        assert_eq!(
            opened.err().map(|e| (e.kind, e.code)),
            Some((ErrorKind::PositionLost, "TL-PG-PUBLICATION-CHANGED")),
            "{kind}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_told_by_another_key_is_no_delete_of_nothing() {
    for kind in KINDS {
        let Some(db) = database(kind, "otherkey").await else { continue };
        db.execute(
            "CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL UNIQUE); INSERT INTO t VALUES (1, 'a')",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute("ALTER TABLE t REPLICA IDENTITY USING INDEX t_code_key").await.unwrap();
        db.execute("DELETE FROM t").await.unwrap();
        db.execute("ALTER TABLE t REPLICA IDENTITY DEFAULT").await.unwrap();
        assert_eq!(told(&tail.catch_up(&*endpoint).await), ["begin", "replace t", "commit"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_only_looks_like_an_origin_is_passed_over() {
    for kind in KINDS {
        let Some(db) = database(kind, "lookalike").await else { continue };
        db.execute("CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute("BEGIN; INSERT INTO t VALUES (1); SELECT pg_logical_emit_message(true, 'tidelock.origin', 'x'); COMMIT")
            .await
            .unwrap();
        assert_eq!(told(&tail.catch_up(&*endpoint).await), ["begin", "insert t {id=1}", "commit"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_gone_is_no_reason_to_try_for_ever() {
    for kind in KINDS {
        let Some(db) = database(kind, "gone").await else { continue };
        db.execute("CREATE TABLE t (id int PRIMARY KEY, code text)").await.unwrap();
        let (table, mut target) = (table(&*endpoint(&db.url), "t").await, target(&db.url).await);
        apply(&mut *target, &table, &[(1, "a")]).await.unwrap();
        db.execute("DROP TABLE t").await.unwrap();
        let error = apply(&mut *target, &table, &[(1, "a")]).await.unwrap_err();
        // By the statement, or by a look at the catalogue when the last one was long ago.
        assert_eq!(error.kind, ErrorKind::Precondition, "{kind}");
        assert!(["TL-PG-MISSING", "TL-PG-NO-TABLE"].contains(&error.code), "{kind}: {error}");
        assert_eq!(table.name, TableName::new("t"));
    }
}
