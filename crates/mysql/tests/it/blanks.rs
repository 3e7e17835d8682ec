//! Blanks and labels that a server takes away, or puts into its own order, without an error.

use crate::common::*;
use std::sync::Arc;
use tidelock_endpoint::{Checkpoint, Delta, EndpointError, ErrorKind, Target, WriteMode};
use tidelock_model::{Image, RowsWriter, Table, Value};
use tidelock_testkit::Database;

fn checkpoint(lane: &str) -> Checkpoint {
    Checkpoint { job: "job".into(), lane: lane.into(), state: "1".into() }
}

/// Writes one row by a statement, or loads it.
async fn written(
    target: &mut dyn Target,
    table: &Arc<Table>,
    row: &[Value<'_>],
    load: bool,
) -> Result<(), EndpointError> {
    if load {
        let mut rows = RowsWriter::new(table.clone());
        rows.row(|out| {
            row.iter().for_each(|value| out.value(value));
            Ok::<_, EndpointError>(())
        })?;
        let mut loader = target.loader().await?;
        loader.begin(table, WriteMode::Insert, "shop").await?;
        loader.load(&rows.take()).await?;
        return loader.commit(&checkpoint("load")).await;
    }
    let row = whole(row);
    target.begin("shop").await?;
    target.apply(&[Delta { upserts: vec![Image::from_bytes(&row)], ..Delta::new(table) }]).await?;
    target.commit(&checkpoint("stream"), &[]).await
}

async fn made(db: &Database, native: &str) -> (Arc<Table>, Box<dyn Target>) {
    db.execute(&format!("CREATE TABLE t (id int primary key, s {native})")).await.unwrap();
    let endpoint = endpoint(&db.url);
    let mut target = endpoint.target("job").await.unwrap();
    target.prepare("mysql", &[]).await.unwrap();
    (table(&*endpoint, "t").await, target)
}

async fn refused(db: &Database, table: &Arc<Table>, target: &mut dyn Target, text: &str, reason: &str) {
    for load in [false, true] {
        let error = written(target, table, &[Value::Int(1), Value::Text(text)], load).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Row, "{error}");
        assert!(error.message.contains("t.s") && error.message.contains(reason), "{error}");
        target.rollback().await.unwrap();
    }
    assert_eq!(db.value("SELECT count(*) FROM t").await.unwrap().as_deref(), Some("0"));
}

async fn kept(db: &Database, table: &Arc<Table>, target: &mut dyn Target, text: &str) {
    for (id, load) in [(1, false), (2, true)] {
        written(target, table, &[Value::Int(id), Value::Text(text)], load).await.unwrap();
    }
    db.execute("SET NAMES utf8mb4").await.unwrap();
    let there = db.query("SELECT s FROM t").await.unwrap();
    assert_eq!(there, [[Some(text.to_owned())], [Some(text.to_owned())]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn blanks_at_the_end_of_a_text_that_has_room_for_fewer_octets_are_not_cut() {
    for kind in KINDS {
        for (native, fits) in [
            ("tinytext CHARACTER SET utf8mb4", ("é", 120, 15)),
            ("tinytext CHARACTER SET utf8mb4", ("😀", 60, 15)),
            ("tinytext CHARACTER SET latin1", ("é", 240, 15)),
            ("tinytext CHARACTER SET ucs2", ("é", 120, 7)),
            ("tinytext CHARACTER SET sjis", ("あ", 120, 15)),
            ("text CHARACTER SET utf8mb4", ("é", 32_760, 15)),
            ("varchar(150) CHARACTER SET utf8mb4", ("é", 120, 30)),
        ] {
            let Some(db) = database(kind, "blanks").await else { continue };
            let (letter, letters, blanks) = fits;
            let text = |more: usize| letter.repeat(letters) + &" ".repeat(blanks + more);
            let (table, mut target) = made(&db, native).await;
            refused(&db, &table, &mut *target, &text(1), "trailing blanks").await;
            kept(&db, &table, &mut *target, &text(0)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_set_are_not_put_into_another_order_and_none_is_left_out() {
    for kind in KINDS {
        let Some(db) = database(kind, "setorder").await else { continue };
        let (table, mut target) = made(&db, "set('blue','red')").await;
        for text in ["red,blue", "blue,blue", "red,blue,red"] {
            refused(&db, &table, &mut *target, text, "in the column's order").await;
        }
        kept(&db, &table, &mut *target, "blue,red").await;
    }
}
