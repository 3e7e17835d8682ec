//! Loading chunks, with LOAD DATA and without.

use crate::common::*;
use tidelock_endpoint::{Checkpoint, ErrorKind, WriteMode};
use tidelock_model::{Rows, RowsWriter, TableName, Value};
use tidelock_testkit::{Kind, lab::Options, private_server};

fn pairs(table: &std::sync::Arc<tidelock_model::Table>, rows: &[(i64, &str)]) -> Rows {
    let mut writer = RowsWriter::new(table.clone());
    for (id, text) in rows {
        writer
            .row(|w| {
                w.value(&Value::Int(*id));
                w.value(&Value::Text(text));
                Ok::<_, ()>(())
            })
            .unwrap();
    }
    writer.take()
}

fn mark(lane: &str) -> Checkpoint {
    Checkpoint { job: "job".into(), lane: lane.into(), state: "{}".into() }
}

/// What a lenient LOAD DATA LOCAL would cut, skip or round is refused.
async fn strict(url: &str, kind: Kind) {
    let mut db_session = tidelock_testkit::Session::connect(url).await.unwrap();
    db_session.execute("CREATE TABLE t (id int primary key, n varchar(3))").await.unwrap();
    let endpoint = endpoint(url);
    let table = table(&*endpoint, "t").await;
    let mut target = endpoint.target("job").await.unwrap();
    target.prepare("mysql", &[]).await.unwrap();
    let mut loader = target.loader().await.unwrap();
    for (bad, what) in [
        (pairs(&table, &[(1, "a"), (1, "b")]), "a key twice"),
        (pairs(&table, &[(1, "abcd")]), "a text that is too long"),
        (pairs(&table, &[(1 << 40, "a")]), "a number out of range"),
    ] {
        loader.begin(&table, WriteMode::Insert, "shop").await.unwrap();
        let error = loader.load(&bad).await.err().unwrap_or_else(|| panic!("{kind}: {what} was taken"));
        assert_eq!(error.kind, ErrorKind::Row, "{kind}: {what}: {error}");
    }
    loader.begin(&table, WriteMode::Insert, "shop").await.unwrap();
    loader.load(&pairs(&table, &[(1, "a\\\t"), (2, "\n'\0")])).await.unwrap();
    loader.commit(&mark("a")).await.unwrap();
    loader.begin(&table, WriteMode::Upsert, "shop").await.unwrap();
    loader.load(&pairs(&table, &[(2, "two"), (3, "\\N")])).await.unwrap();
    loader.commit(&mark("b")).await.unwrap();
    let rows = db_session.query("SELECT id, n FROM t ORDER BY id").await.unwrap();
    let texts: Vec<_> = rows.iter().map(|r| r[1].clone().unwrap()).collect();
    assert_eq!(texts, ["a\\\t", "two", "\\N"], "{kind}");
    assert_eq!(target.checkpoints().await.unwrap().len(), 2);
    assert_eq!(
        db_session
            .value("SELECT count(*) FROM tidelock_checkpoint WHERE origin IS NOT NULL")
            .await
            .unwrap()
            .as_deref(),
        Some("0")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn load_data_takes_every_value_or_none() {
    for kind in KINDS {
        let Some(db) = database(kind, "load_data").await else { continue };
        strict(&db.url, kind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loading_by_statements_takes_every_value_or_none() {
    for kind in KINDS {
        let options = Options::default().with("local_infile", "OFF");
        let Some(private) = private_server(kind, options).await else { continue };
        let db = private.server.fresh_database("by_statements").await;
        strict(&db.url, kind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_never_replaces_another_row_by_its_unique_value_or_its_letter_case() {
    for kind in KINDS {
        let Some(db) = database(kind, "another").await else { continue };
        db.execute(
            "CREATE TABLE u (id int primary key, n varchar(10), UNIQUE (n)); INSERT INTO u VALUES (1, 'taken'); \
             CREATE TABLE c (id varchar(10) COLLATE utf8mb4_general_ci primary key, n varchar(10)); INSERT INTO c VALUES ('a', 'small')",
        )
        .await
        .unwrap();
        let endpoint = endpoint(&db.url);
        let mut target = endpoint.target("job").await.unwrap();
        target.prepare("mysql", &[]).await.unwrap();
        let mut loader = target.loader().await.unwrap();
        let unique = table(&*endpoint, "u").await;
        loader.begin(&unique, WriteMode::Upsert, "shop").await.unwrap();
        let error = loader.load(&pairs(&unique, &[(2, "taken")])).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Row, "{kind}");
        let case = table(&*endpoint, "c").await;
        let mut rows = RowsWriter::new(case.clone());
        rows.row(|w| {
            w.value(&Value::Text("A"));
            w.value(&Value::Text("large"));
            Ok::<_, ()>(())
        })
        .unwrap();
        loader.begin(&case, WriteMode::Upsert, "shop").await.unwrap();
        let error = loader.load(&rows.take()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Row, "{kind}");
        drop(loader);
        assert_eq!(db.value("SELECT n FROM u").await.unwrap().as_deref(), Some("taken"));
        assert_eq!(db.value("SELECT n FROM c").await.unwrap().as_deref(), Some("small"));
        assert_eq!(case.name, TableName::new("c"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_larger_than_the_server_takes_is_the_rows_fault_and_a_large_one_arrives() {
    for kind in KINDS {
        let options = Options::default().with("max_allowed_packet", "4194304");
        let Some(private) = private_server(kind, options).await else { continue };
        let db = private.server.fresh_database("packets").await;
        db.execute("CREATE TABLE t (id int primary key, n longtext)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let table = table(&*endpoint, "t").await;
        let mut target = endpoint.target("job").await.unwrap();
        target.prepare("mysql", &[]).await.unwrap();
        let (large, larger) = ("x".repeat(3 << 20), "x".repeat(5 << 20));
        let mut loader = target.loader().await.unwrap();
        loader.begin(&table, WriteMode::Insert, "shop").await.unwrap();
        loader.load(&pairs(&table, &[(1, &large)])).await.unwrap();
        loader.commit(&mark("a")).await.unwrap();
        let rows = pairs(&table, &[(2, &larger)]);
        let upserts = rows.images().map(|i| i.unwrap()).collect();
        target.begin("shop").await.unwrap();
        let delta = tidelock_endpoint::Delta { upserts, ..tidelock_endpoint::Delta::new(&table) };
        let error = target.apply(&[delta]).await.unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Row, "TL-MY-ROW-SIZE"), "{kind}");
        target.rollback().await.unwrap();
        assert_eq!(
            db.value("SELECT sum(length(n)) FROM t").await.unwrap().as_deref(),
            Some("3145728"),
            "{kind}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_for_a_column_that_takes_none_is_refused_before_the_server_puts_something_else_there() {
    for kind in KINDS {
        let Some(db) = database(kind, "nulls").await else { continue };
        db.execute("CREATE TABLE t (id int primary key, at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, n int NOT NULL)")
            .await
            .unwrap();
        let endpoint = endpoint(&db.url);
        let table = table(&*endpoint, "t").await;
        let mut target = endpoint.target("job").await.unwrap();
        target.prepare("mysql", &[]).await.unwrap();
        for (values, column) in [
            ([Value::Int(1), Value::Null, Value::Int(1)], "t.at"),
            (
                [Value::Int(1), Value::Timestamp(tidelock_model::Timestamp::from_unix(1, 0)), Value::Null],
                "t.n",
            ),
        ] {
            let mut writer = RowsWriter::new(table.clone());
            writer
                .row(|w| {
                    values.iter().for_each(|v| w.value(v));
                    Ok::<_, ()>(())
                })
                .unwrap();
            let rows = writer.take();
            for mode in [WriteMode::Insert, WriteMode::Upsert] {
                let mut loader = target.loader().await.unwrap();
                loader.begin(&table, mode, "shop").await.unwrap();
                let error =
                    loader.load(&rows).await.err().unwrap_or_else(|| panic!("{kind}: {column} by {mode:?}"));
                assert_eq!(error.kind, ErrorKind::Row, "{kind}: {error}");
                assert!(error.message.contains(column), "{kind}: {error}");
            }
            let images: Vec<_> = rows.images().map(|i| i.unwrap()).collect();
            let delta = || tidelock_endpoint::Delta::new(&table);
            let update = tidelock_endpoint::Update { key: images[0], set: images[0] };
            for delta in [
                tidelock_endpoint::Delta { upserts: images.clone(), ..delta() },
                tidelock_endpoint::Delta { inserts: images.clone(), ..delta() },
                tidelock_endpoint::Delta { updates: vec![update], ..delta() },
            ] {
                target.begin("shop").await.unwrap();
                let error = target.apply(&[delta]).await.err().unwrap_or_else(|| panic!("{kind}: {column}"));
                assert_eq!(error.kind, ErrorKind::Row, "{kind}: {error}");
                assert!(error.message.contains(column), "{kind}: {error}");
                target.rollback().await.unwrap();
            }
        }
        assert_eq!(db.value("SELECT count(*) FROM t").await.unwrap().as_deref(), Some("0"), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zero_in_a_counting_column_stays_zero_whatever_stands_beside_it() {
    for kind in KINDS {
        let Some(db) = database(kind, "zero").await else { continue };
        db.execute("CREATE TABLE t (id int primary key auto_increment, b blob)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let table = table(&*endpoint, "t").await;
        let mut target = endpoint.target("job").await.unwrap();
        target.prepare("mysql", &[]).await.unwrap();
        let mut writer = RowsWriter::new(table.clone());
        for id in [0, 5] {
            let row = [Value::Int(id), Value::Bytes(&[0, 255])];
            let whole = writer.row(|w| {
                row.iter().for_each(|v| w.value(v));
                Ok::<_, ()>(())
            });
            whole.unwrap();
        }
        let rows = writer.take();
        for mode in [WriteMode::Insert, WriteMode::Upsert] {
            let mut loader = target.loader().await.unwrap();
            loader.begin(&table, mode, "shop").await.unwrap();
            loader.load(&rows).await.unwrap();
            let checkpoint =
                Checkpoint { job: "job".into(), lane: "snapshot/t/0".into(), state: "{}".into() };
            loader.commit(&checkpoint).await.unwrap();
            let ids = db.value("SELECT group_concat(id ORDER BY id) FROM t").await.unwrap();
            assert_eq!(ids.as_deref(), Some("0,5"), "{kind} by {mode:?}");
        }
    }
}
