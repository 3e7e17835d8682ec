//! Applying deltas.

use crate::common::*;
use std::sync::Arc;
use tidelock_endpoint::{Checkpoint, Delta, ErrorKind, Target, Update};
use tidelock_model::{DateTime, Decimal, Image, Slot, Table, Value};
use tidelock_testkit::Way;

async fn target(url: &str) -> Box<dyn Target> {
    let mut target = endpoint(url).target("job").await.unwrap();
    target.prepare("mysql", &[]).await.unwrap();
    target
}

async fn commit(target: &mut dyn Target) {
    let checkpoint = Checkpoint { job: "job".into(), lane: "stream".into(), state: "1".into() };
    target.commit(&checkpoint, &[]).await.unwrap();
}

async fn upsert(
    target: &mut dyn Target,
    table: &Arc<Table>,
    values: &[Value<'_>],
) -> tidelock_endpoint::Result<()> {
    let row = whole(values);
    target.begin("shop").await?;
    target.apply(&[Delta { upserts: vec![Image::from_bytes(&row)], ..Delta::new(table) }]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sent_stays_even_where_the_server_would_renew_it() {
    for kind in KINDS {
        let Some(db) = database(kind, "renew").await else { continue };
        db.execute(
            "CREATE TABLE t (id int primary key, a int, b varchar(9), at timestamp(6) NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), \
             g int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO t (id, a, b, at) VALUES (1, 1, 'x', '2001-01-01')",
        )
        .await
        .unwrap();
        let table = table(&*endpoint(&db.url), "t").await;
        let mut target = target(&db.url).await;
        let none = Slot::NotSent;
        let key = image(&[Slot::Value(Value::Int(1)), none, none, none, none]);
        let set = image(&[none, Slot::Value(Value::Int(5)), none, none, Slot::Value(Value::Int(99))]);
        let absent = image(&[Slot::Value(Value::Int(7)), none, none, none, none]);
        let update = |k| Update { key: Image::from_bytes(k), set: Image::from_bytes(&set) };
        target.begin("shop").await.unwrap();
        let updates = vec![update(&key), update(&absent)];
        let applied = target.apply(&[Delta { updates, ..Delta::new(&table) }]).await.unwrap();
        assert_eq!(applied.missing, 1, "{kind}");
        commit(&mut *target).await;
        let row = db.query("SELECT a, b, at = '2001-01-01', g FROM t").await.unwrap().remove(0);
        let row: Vec<_> = row.into_iter().map(|v| v.unwrap()).collect();
        assert_eq!(row, ["5", "x", "1", "10"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_would_change_is_refused_with_its_column() {
    for kind in KINDS {
        let Some(db) = database(kind, "refused").await else { continue };
        db.execute(
            "CREATE TABLE t (id int primary key, d decimal(5,2), dt datetime, e enum('a'), c char(3))",
        )
        .await
        .unwrap();
        let table = table(&*endpoint(&db.url), "t").await;
        let mut target = target(&db.url).await;
        let null = Value::Null;
        let third = Decimal::parse("1.005").unwrap();
        for (values, column) in [
            ([Value::Int(1), Value::Decimal(third), null, null, null], "t.d"),
            ([Value::Int(1), null, Value::DateTime(DateTime::Micros(1)), null, null], "t.dt"),
            ([Value::Int(1), null, null, Value::Enum("A"), null], "t.e"),
            ([Value::Int(1), null, null, null, Value::Text("a ")], "t.c"),
        ] {
            let error = upsert(&mut *target, &table, &values).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Row, "{kind}");
            assert!(error.message.contains(column), "{kind}: {error}");
            target.rollback().await.unwrap();
        }
        upsert(&mut *target, &table, &[Value::Int(1), null, null, null, null]).await.unwrap();
        commit(&mut *target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_differ_by_letter_case_or_blanks_stay_two_rows_in_tables_that_we_make() {
    for kind in KINDS {
        let Some(db) = database(kind, "case").await else { continue };
        let mut made = Table {
            name: tidelock_model::TableName::new("t"),
            columns: vec![tidelock_model::Column::new("k", tidelock_model::Type::text(), "text")],
            key: vec![0],
            primary: true,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
        };
        made.columns[0].nullable = false;
        let made = Arc::new(made);
        let mut target = target(&db.url).await;
        target.prepare("postgres", std::slice::from_ref(&made)).await.unwrap();
        let rows: Vec<Vec<u8>> = ["a", "A", "a ", "ä"].iter().map(|t| whole(&[Value::Text(t)])).collect();
        let images = || rows.iter().map(|r| Image::from_bytes(r)).collect();
        target.begin("shop").await.unwrap();
        target.apply(&[Delta { upserts: images(), ..Delta::new(&made) }]).await.unwrap();
        let applied = target.apply(&[Delta { inserts: images(), ..Delta::new(&made) }]).await.unwrap();
        assert_eq!(applied.present, 4, "{kind}");
        commit(&mut *target).await;
        assert_eq!(db.value("SELECT count(*) FROM t").await.unwrap().as_deref(), Some("4"), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_transaction_takes_two_round_trips() {
    for kind in KINDS {
        let Some(db) = database(kind, "trips").await else { continue };
        db.execute("CREATE TABLE t (id int primary key)").await.unwrap();
        let table = table(&*endpoint(&db.url), "t").await;
        let way = Way::to(&db.url);
        let begun = std::time::Instant::now();
        let mut target = target(&way.through(&db.url)).await;
        upsert(&mut *target, &table, &[Value::Int(1)]).await.unwrap();
        commit(&mut *target).await;
        let before = way.trips();
        for id in 2..102 {
            upsert(&mut *target, &table, &[Value::Int(id)]).await.unwrap();
            commit(&mut *target).await;
        }
        // Whole scripts are what the server is asked: one for the rows, one for the checkpoint. Every ten seconds the table is looked at again.
        let looks = begun.elapsed().as_secs() / 10;
        let trips = way.trips() - before;
        assert!((200..=200 + looks).contains(&trips), "{kind}: {trips} trips and at most {looks} looks");
        assert_eq!(db.value("SELECT count(*) FROM t").await.unwrap().as_deref(), Some("101"), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_values_are_exchanged_and_columns_that_the_job_does_not_carry_stay_with_their_rows() {
    for kind in KINDS {
        for upsert in [false, true] {
            let Some(db) = database(kind, "exchange").await else { continue };
            db.execute(
                "CREATE TABLE t (id int primary key, at timestamp(6) NULL ON UPDATE CURRENT_TIMESTAMP(6), n varchar(9) NOT NULL UNIQUE, mine double, \
                 twice double GENERATED ALWAYS AS (mine * 2) STORED, own int NOT NULL DEFAULT 7); \
                 INSERT INTO t (id, at, n, mine, own) VALUES (1, '2001-01-01', 'a', 0.1, 1), (2, NULL, 'b', 1e300, 2)",
            )
            .await
            .unwrap();
            let mut carried = (*table(&*endpoint(&db.url), "t").await).clone();
            carried.columns.retain(|c| c.name == "id" || c.name == "n");
            carried.indexes[0].columns = vec![1];
            let carried = Arc::new(carried);
            let mut target = target(&db.url).await;
            let rows: Vec<Vec<u8>> = [(1, "b"), (2, "a"), (3, "c")]
                .iter()
                .map(|(id, n)| whole(&[Value::Int(*id), Value::Text(n)]))
                .collect();
            let images: Vec<_> = rows.iter().map(|r| Image::from_bytes(r)).collect();
            let delta = match upsert {
                true => Delta { upserts: images, ..Delta::new(&carried) },
                false => Delta {
                    updates: images[..2].iter().map(|i| Update { key: *i, set: *i }).collect(),
                    upserts: vec![images[2]],
                    ..Delta::new(&carried)
                },
            };
            target.begin("shop").await.unwrap();
            target.apply(&[delta]).await.unwrap();
            commit(&mut *target).await;
            let found = db
                .query("SELECT n, at = '2001-01-01', mine = IF(id = 1, 0.1e0, 1e300), own FROM t ORDER BY id")
                .await
                .unwrap();
            let found: Vec<Vec<_>> =
                found.into_iter().map(|r| r.into_iter().map(|v| v.unwrap_or("-".into())).collect()).collect();
            let expected = [["b", "1", "1", "1"], ["a", "-", "1", "2"], ["c", "-", "-", "7"]];
            assert_eq!(found, expected, "{kind}, upsert {upsert}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_a_client_that_is_dead_is_given_up_within_minutes_and_an_idle_session_is_not() {
    for kind in KINDS {
        let Some(db) = database(kind, "patience").await else { continue };
        if db.value("SELECT @@performance_schema").await.unwrap().as_deref() != Some("1") || kind.is_mariadb()
        {
            continue; // Only there others can see a session's settings.
        }
        db.execute("CREATE TABLE t (id int primary key)").await.unwrap();
        let table = table(&*endpoint(&db.url), "t").await;
        let mut target = target(&db.url).await;
        let sql = format!(
            "SELECT max(v.variable_value + 0) FROM performance_schema.variables_by_thread v JOIN performance_schema.threads t USING (thread_id) \
             WHERE v.variable_name = 'wait_timeout' AND t.processlist_db = '{}' AND t.processlist_id <> connection_id()",
            db.name
        );
        // The session that described the table ends in its own time.
        let others = sql.replace("max(v.variable_value + 0)", "count(*)");
        db.wait_for(&others, "1", std::time::Duration::from_secs(30)).await.unwrap();
        let patience = async || db.value(&sql).await.unwrap().unwrap().parse::<f64>().unwrap();
        for rollback in [false, true] {
            upsert(&mut *target, &table, &[Value::Int(1)]).await.unwrap();
            assert!(patience().await < 1_000.0, "{kind}: in a transaction");
            if rollback {
                target.rollback().await.unwrap();
            } else {
                commit(&mut *target).await;
            }
            assert!(patience().await > 1_000_000.0, "{kind}: between transactions");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_made_narrower_is_noticed() {
    for kind in KINDS {
        let Some(db) = database(kind, "narrower").await else { continue };
        db.execute("CREATE TABLE t (id int primary key, n decimal(10,4))").await.unwrap();
        let table = table(&*endpoint(&db.url), "t").await;
        let mut target = target(&db.url).await;
        let row = [Value::Int(1), Value::Decimal(Decimal::parse("1.2345").unwrap())];
        let begun = std::time::Instant::now();
        let mut altered = false;
        let error = loop {
            assert!(begun.elapsed().as_secs() < 60, "{kind}: it was never noticed");
            match upsert(&mut *target, &table, &row).await {
                Ok(()) => commit(&mut *target).await,
                Err(error) => break error,
            }
            if !std::mem::replace(&mut altered, true) {
                db.execute("ALTER TABLE t MODIFY n decimal(10,2)").await.unwrap();
            }
        };
        assert_eq!(error.code, "TL-MY-VALUE-REFUSED", "{kind}");
    }
}
