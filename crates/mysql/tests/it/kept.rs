//! What the job does not carry stays as it is in the target's table.

use crate::common::*;
use std::sync::Arc;
use tidelock_endpoint::{Checkpoint, Delta, Update};
use tidelock_model::{Image, ImageWriter, Slot, Table, Value};

fn image(slots: &[Slot<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ImageWriter::new(&mut out);
    slots.iter().for_each(|s| writer.slot(s));
    out
}

/// A table of which the job carries only these columns, with the first as its key.
async fn carried(url: &str, columns: &[&str]) -> Arc<Table> {
    let mut table = (*table(&*endpoint(url), "t").await).clone();
    table.columns.retain(|c| columns.contains(&c.name.as_str()));
    table.columns.sort_by_key(|c| columns.iter().position(|n| *n == c.name));
    table.key = vec![0];
    table.indexes.clear();
    Arc::new(table)
}

async fn apply(url: &str, delta: Delta<'_>) {
    let mut target = endpoint(url).target("job").await.unwrap();
    target.prepare("mysql", &[]).await.unwrap();
    target.begin("shop").await.unwrap();
    target.apply(&[delta]).await.unwrap();
    let checkpoint = Checkpoint { job: "job".into(), lane: "stream".into(), state: "1".into() };
    target.commit(&checkpoint, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_the_job_does_not_carry_is_not_renewed_by_what_it_writes() {
    for kind in KINDS {
        let Some(db) = database(kind, "unmoved").await else { continue };
        db.execute(
            "CREATE TABLE t (id int primary key, a int, at timestamp(6) NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)); \
             INSERT INTO t VALUES (1, 1, '2001-01-01'), (2, 2, '2001-01-01')",
        )
        .await
        .unwrap();
        let table = carried(&db.url, &["id", "a"]).await;
        let row = |id, a| image(&[Slot::Value(Value::Int(id)), Slot::Value(Value::Int(a))]);
        let (upserted, updated) = (row(1, 5), row(2, 6));
        let update = Update { key: Image::from_bytes(&updated), set: Image::from_bytes(&updated) };
        let upserts = vec![Image::from_bytes(&upserted)];
        apply(&db.url, Delta { upserts, updates: vec![update], ..Delta::new(&table) }).await;
        let found =
            db.value("SELECT group_concat(a, ' ', at = '2001-01-01' ORDER BY id) FROM t").await.unwrap();
        assert_eq!(found.as_deref(), Some("5 1,6 1"), "{kind}");
    }
}

/// The job's key is a unique index over text, and the table's own a number.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_only_looks_the_same_to_the_collation_is_another_also_where_it_is_not_the_primary_one() {
    for kind in KINDS {
        let Some(db) = database(kind, "loose").await else { continue };
        db.execute(
            "CREATE TABLE t (id int primary key auto_increment, code varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL UNIQUE, n int); \
             INSERT INTO t VALUES (1, 'abc', 1)",
        )
        .await
        .unwrap();
        let table = carried(&db.url, &["code", "n"]).await;
        let gone = image(&[Slot::Value(Value::Text("ABC")), Slot::NotSent]);
        apply(&db.url, Delta { deletes: vec![Image::from_bytes(&gone)], ..Delta::new(&table) }).await;
        assert_eq!(db.value("SELECT count(*) FROM t").await.unwrap().as_deref(), Some("1"), "{kind}");
    }
}
