//! Tables that we make.

use crate::common::*;
use std::sync::Arc;
use tidelock_model::{Column, ColumnDefault, Index, Table, TableName, Type};

fn column(name: &str, data_type: Type, default: Option<ColumnDefault>) -> Column {
    Column { default, ..Column::new(name, data_type, "x") }
}

/// As MySQL or SQLite would hand it over.
fn foreign() -> Table {
    let literal = |t: &str| Some(ColumnDefault::Literal(t.into()));
    let mut id = column("id", Type::int(64), Some(ColumnDefault::AutoIncrement));
    id.nullable = false;
    Table {
        name: TableName::qualified("shop", "t"),
        columns: vec![
            id,
            column("yes", Type::Bool, literal("1")),
            column("large", Type::Int { bits: 64, unsigned: true }, literal("0")),
            column("at", Type::Timestamp { fraction: 3 }, Some(ColumnDefault::Now)),
            column("day", Type::Date, literal("0000-00-00")),
            column("name", Type::text(), literal("it's")),
            column("code", Type::Text { length: Some(40), fixed: false }, literal("")),
            column("size", Type::Enum { labels: vec!["s".into(), "l".into()] }, literal("s")),
            column("data", Type::Json, None),
            column("year", Type::Year, literal("2024")),
        ],
        key: vec![0],
        primary: true,
        indexes: vec![Index { name: "by_code".into(), columns: vec![6, 5], unique: true }],
        foreign_keys: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_engine_is_made_once_with_what_means_the_same_here() {
    for kind in KINDS {
        let Some(db) = database(kind, "foreign").await else { continue };
        let endpoint = endpoint(&db.url);
        let wanted = [Arc::new(foreign())];
        let mut target = endpoint.target("job").await.unwrap();
        let planned = target.plan("mysql", &wanted).await.unwrap();
        let mut ran = target.prepare("mysql", &wanted).await.unwrap();
        ran.extend(target.finish("mysql", &wanted).await.unwrap());
        assert_eq!(planned, ran, "{kind}");
        assert!(target.prepare("mysql", &wanted).await.unwrap().is_empty(), "{kind}");
        db.execute("INSERT INTO shop.t (code) VALUES ('c')").await.unwrap();
        let row =
            db.query("SELECT id, yes, large, day, name, size, year FROM shop.t").await.unwrap().remove(0);
        let row: Vec<_> = row.iter().map(|v| v.as_deref().unwrap_or("NULL")).collect();
        assert_eq!(
            row,
            ["1", "t", "0", "NULL", "it's", "s", "2024"],
            "{kind}: a zero date is no default here"
        );
        assert!(
            db.execute("INSERT INTO shop.t (code, name) VALUES ('c', 'it''s')").await.is_err(),
            "{kind}: unique"
        );
        let identity = "SELECT relreplident FROM pg_class WHERE oid = 'shop.t'::regclass";
        assert_eq!(
            db.value(identity).await.unwrap().as_deref(),
            Some("f"),
            "{kind}: it may be followed both ways"
        );
    }
}

/// Each makes a table of its own; our own table, the schema and the enumeration are for all of them.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_begin_at_once_do_not_make_the_same_things_twice() {
    for kind in KINDS {
        let Some(db) = database(kind, "at_once").await else { continue };
        let endpoint = endpoint(&db.url);
        let mut jobs = tokio::task::JoinSet::new();
        let together = Arc::new(tokio::sync::Barrier::new(8));
        for job in 0..8 {
            let mut mood = column("mood", Type::Enum { labels: vec!["sad".into(), "glad".into()] }, None);
            mood.native = "shop.mood".into();
            let name = TableName::qualified("shop", format!("t{job}"));
            let columns = vec![Column::new("id", Type::int(64), "bigint"), mood];
            let tables = [Arc::new(Table { name, columns, indexes: Vec::new(), ..foreign() })];
            let mut target = endpoint.target(&format!("job{job}")).await.unwrap();
            let together = together.clone();
            jobs.spawn(async move {
                together.wait().await;
                target.prepare("postgres", &tables).await.unwrap()
            });
        }
        let made: Vec<String> = jobs.join_all().await.concat();
        for (what, times) in [("TABLE public.tidelock", 1), ("SCHEMA", 1), ("TYPE", 1), ("TABLE \"shop\"", 8)]
        {
            let count = made.iter().filter(|s| s.starts_with(&format!("CREATE {what}"))).count();
            assert_eq!(count, times, "{kind}: CREATE {what} in {made:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_of_the_same_engine_come_word_for_word_and_enumerations_are_made() {
    for kind in KINDS {
        let (Some(one), Some(two)) = (database(kind, "native").await, database(kind, "native2").await) else {
            continue;
        };
        one.execute(
            "CREATE TYPE mood AS ENUM ('sad', 'it''s'); CREATE DOMAIN short AS varchar(5) NOT NULL;
             CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, m mood DEFAULT 'sad', ms mood[], s short, r int4range, \
             iv interval(3), b bit(3) DEFAULT B'101', n numeric(5,-2), ts timestamp(2)[]);
             INSERT INTO t (m, ms, s, r, iv, n, ts) VALUES ('it''s', '{sad,NULL}', 'abc', '[1,3)', '1 day 00:00:01.5', 1200, '{2024-01-01 00:00:00.25}')",
        )
        .await
        .unwrap();
        let (source, target) = (endpoint(&one.url), endpoint(&two.url));
        let tables = [table(&*source, "t").await];
        let mut session = target.target("job").await.unwrap();
        session.prepare("postgres", &tables).await.unwrap();
        let mut loader = session.loader().await.unwrap();
        loader.begin(&tables[0], tidelock_endpoint::WriteMode::Insert, "shop").await.unwrap();
        for rows in snapshot_rows(&*source, &tables[0], 1000).await {
            loader.load(&rows).await.unwrap();
        }
        let checkpoint = tidelock_endpoint::Checkpoint {
            job: "job".into(),
            lane: "snapshot/t/0".into(),
            state: "{}".into(),
        };
        loader.commit(&checkpoint).await.unwrap();
        session.finish("postgres", &tables).await.unwrap();
        let all = "SELECT * FROM t";
        assert_eq!(one.query(all).await.unwrap(), two.query(all).await.unwrap(), "{kind}");
        let types = "SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute \
                     WHERE attrelid = 't'::regclass AND attnum > 0";
        let made = two.value(types).await.unwrap().unwrap();
        let expected = "integer, mood, mood[], character varying(5), int4range, interval(3), bit(3), numeric(5,-2), timestamp(2) without time zone[]";
        assert_eq!(made, expected, "{kind}");
        two.execute("INSERT INTO t (s) VALUES ('new')").await.unwrap();
        let next =
            two.value("SELECT max(id) || ' ' || (SELECT b FROM t WHERE s = 'new') FROM t").await.unwrap();
        assert_eq!(next.as_deref(), Some("2 101"), "{kind}: numbering goes on behind what was copied");
    }
}
