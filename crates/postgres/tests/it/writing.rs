//! Applying and loading.

use crate::common::*;
use std::sync::Arc;
use tidelock_endpoint::{Checkpoint, Delta, ErrorKind, Target, Update, WriteMode};
use tidelock_model::{Decimal, Image, RowsWriter, Slot, Table, Value};

pub async fn target(url: &str) -> Box<dyn Target> {
    let mut target = endpoint(url).target("job").await.unwrap();
    target.prepare("postgres", &[]).await.unwrap();
    target
}

pub fn checkpoint() -> Checkpoint {
    Checkpoint { job: "job".into(), lane: "stream".into(), state: "1".into() }
}

async fn upsert(
    target: &mut dyn Target,
    table: &Arc<Table>,
    values: &[Value<'_>],
) -> tidelock_endpoint::Result<()> {
    let row = whole(values);
    target.begin("shop").await?;
    let done = target.apply(&[Delta { upserts: vec![Image::from_bytes(&row)], ..Delta::new(table) }]).await;
    match done {
        Ok(_) => target.commit(&checkpoint(), &[]).await,
        Err(error) => {
            target.rollback().await?;
            Err(error)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_the_server_would_change_is_refused_with_its_column() {
    for kind in KINDS {
        let Some(db) = database(kind, "refused").await else { continue };
        db.execute(
            "CREATE TABLE t (id int PRIMARY KEY, n numeric(5,2), v varchar(3), c char(3), s smallint)",
        )
        .await
        .unwrap();
        let (table, mut target) = (table(&*endpoint(&db.url), "t").await, target(&db.url).await);
        let null = Value::Null;
        let fine = Value::Decimal(Decimal::parse("1.25").unwrap());
        let rounded = Value::Decimal(Decimal::parse("1.255").unwrap());
        for (column, row) in [
            ("n", [Value::Int(1), rounded, null, null, null]),
            ("v", [Value::Int(1), fine, Value::Text("abc "), null, null]),
            ("c", [Value::Int(1), fine, null, Value::Text("a "), null]),
            ("s", [Value::Int(1), fine, null, null, Value::Int(40_000)]),
            ("v", [Value::Int(1), fine, Value::Text("a\0"), null, null]),
        ] {
            let error = upsert(&mut *target, &table, &row).await.unwrap_err();
            assert_eq!(
                (error.kind, error.code),
                (ErrorKind::Row, "TL-PG-VALUE-REFUSED"),
                "{kind} {column}: {error}"
            );
            assert!(error.message.contains(&format!("t.{column}")), "{kind}: {error}");
        }
        upsert(
            &mut *target,
            &table,
            &[Value::Int(1), fine, Value::Text("abc"), Value::Text("a"), Value::Int(-5)],
        )
        .await
        .unwrap();
        let row = db.query("SELECT n, v, c, s FROM t").await.unwrap().remove(0);
        let row: Vec<_> = row.into_iter().flatten().collect();
        assert_eq!(row, ["1.25", "abc", "a  ", "-5"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_and_foreign_keys_of_the_target_stay_quiet() {
    for kind in KINDS {
        let Some(db) = database(kind, "quiet").await else { continue };
        db.execute(
            "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE);
             INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1);
             CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'loud'; END $$;
             CREATE TRIGGER loud BEFORE INSERT OR DELETE ON parent FOR EACH ROW EXECUTE FUNCTION loud()",
        )
        .await
        .unwrap();
        let (parent, mut target) = (table(&*endpoint(&db.url), "parent").await, target(&db.url).await);
        let (gone, new) = (whole(&[Value::Int(1)]), whole(&[Value::Int(2)]));
        target.begin("shop").await.unwrap();
        let mut delta = Delta::new(&parent);
        delta.deletes = vec![Image::from_bytes(&gone)];
        delta.upserts = vec![Image::from_bytes(&new)];
        target.apply(&[delta]).await.unwrap();
        target.commit(&checkpoint(), &[]).await.unwrap();
        let left = db.value("SELECT (SELECT string_agg(id::text, ',') FROM parent) || '/' || (SELECT count(*) FROM child)").await;
        assert_eq!(left.unwrap().as_deref(), Some("2/1"), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_may_pass_keys_and_unique_values_in_a_circle() {
    for kind in KINDS {
        let Some(db) = database(kind, "circle").await else { continue };
        db.execute("CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, n int); INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
            .await
            .unwrap();
        let (table, mut target) = (table(&*endpoint(&db.url), "t").await, target(&db.url).await);
        let key = |n| image(&[Slot::Value(Value::Int(n)), Slot::NotSent, Slot::NotSent]);
        let moved = |n| image(&[Slot::Value(Value::Int(n)), Slot::NotSent, Slot::NotSent]);
        let (keys, sets) = ([key(1), key(2), key(3), key(9)], [moved(2), moved(3), moved(1), moved(8)]);
        let update = |(k, s): (&'_ Vec<u8>, &'_ Vec<u8>)| (k.clone(), s.clone());
        let pairs: Vec<_> = keys.iter().zip(&sets).map(update).collect();
        let updates = pairs
            .iter()
            .map(|(k, s)| Update { key: Image::from_bytes(k), set: Image::from_bytes(s) })
            .collect();
        target.begin("shop").await.unwrap();
        let applied = target.apply(&[Delta { updates, ..Delta::new(&table) }]).await.unwrap();
        assert_eq!(applied.missing, 1, "{kind}");
        let rows = [
            whole(&[Value::Int(1), Value::Text("b"), Value::Int(10)]),
            whole(&[Value::Int(2), Value::Text("c"), Value::Int(20)]),
            whole(&[Value::Int(3), Value::Text("a"), Value::Int(30)]),
        ];
        let upserts = rows.iter().map(|r| Image::from_bytes(r)).collect();
        target.apply(&[Delta { upserts, ..Delta::new(&table) }]).await.unwrap();
        target.commit(&checkpoint(), &[]).await.unwrap();
        let all = db.value("SELECT string_agg(id || code || n, ' ' ORDER BY id) FROM t").await.unwrap();
        assert_eq!(all.as_deref(), Some("1b10 2c20 3a30"), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_replaces_rows_through_a_staging_table_also_where_unique_values_moved() {
    for kind in KINDS {
        let Some(db) = database(kind, "staging").await else { continue };
        db.execute(
            "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text UNIQUE, twice int GENERATED ALWAYS AS (id * 2) STORED);
             INSERT INTO t (code) VALUES ('a'), ('b'), ('stays')",
        )
        .await
        .unwrap();
        let (table, mut target) = (table(&*endpoint(&db.url), "t").await, target(&db.url).await);
        let mut loader = target.loader().await.unwrap();
        for _ in 0..2 {
            let mut rows = RowsWriter::new(table.clone());
            for (id, code) in [(1, "b"), (2, "a"), (4, "new")] {
                rows.image(Image::from_bytes(&whole(&[Value::Int(id), Value::Text(code), Value::Int(0)])));
            }
            loader.begin(&table, WriteMode::Upsert, "shop").await.unwrap();
            loader.load(&rows.take()).await.unwrap();
            loader.commit(&checkpoint()).await.unwrap();
        }
        let all = db.value("SELECT string_agg(id || code || twice, ' ' ORDER BY id) FROM t").await.unwrap();
        assert_eq!(all.as_deref(), Some("1b2 2a4 3stays6 4new8"), "{kind}");
    }
}
