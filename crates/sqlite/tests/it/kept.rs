//! What only the target has stays as it is, also where unique values wander between the rows that are written.

use crate::world::World;
use std::sync::Arc;
use tidelock_endpoint::{Checkpoint, Delta, Target, Update, WriteMode};
use tidelock_model::{Image, ImageWriter, RowsWriter, Table, Value};

fn row(id: i64, code: &str) -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut out = ImageWriter::new(&mut buffer);
    out.value(&Value::Int(id));
    out.value(&Value::Text(code));
    buffer
}

fn checkpoint() -> Checkpoint {
    Checkpoint { job: "job".into(), lane: "stream".into(), state: "{}".into() }
}

/// A world, a session that writes it, and its table as a job knows it that has two of the three columns.
async fn kept(rows: &str) -> (World, Box<dyn Target>, Arc<Table>) {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT UNIQUE, own TEXT NOT NULL DEFAULT 'new')";
    let world = World::new(&format!("{sql}; INSERT INTO t VALUES {rows}"));
    let mut target = world.endpoint.target("job").await.unwrap();
    target.prepare("sqlite", &[]).await.unwrap();
    let mut table = (*world.table("t").await).clone();
    table.columns.truncate(2);
    table.indexes.clear();
    (world, target, Arc::new(table))
}

fn all(world: &World) -> String {
    let sql = "SELECT group_concat(id || code || own, ' ') FROM (SELECT * FROM t ORDER BY id)";
    world.writer().query_row(sql, [], |r| r.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_the_target_alone_survives_an_exchange_of_unique_values() {
    let (world, mut target, table) = kept("(1, 'a', 'one'), (2, 'b', 'two'), (3, 'c', 'three')").await;
    // The row 3 gets another key, and a new row gets the old one.
    let (a, b, c, old, new) = (row(1, "b"), row(2, "c"), row(3, "x"), row(3, "c"), row(4, "a"));
    let delta = Delta {
        updates: vec![Update { key: Image::from_bytes(&old), set: Image::from_bytes(&new) }],
        upserts: [&a, &b, &c].into_iter().map(|row| Image::from_bytes(row)).collect(),
        ..Delta::new(&table)
    };
    target.begin("shop").await.unwrap();
    target.apply(&[delta]).await.unwrap();
    target.commit(&checkpoint(), &[]).await.unwrap();
    assert_eq!(all(&world), "1bone 2ctwo 3xnew 4athree");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_the_target_alone_survives_a_load_that_exchanges_unique_values() {
    let (world, mut target, table) = kept("(1, 'a', 'one'), (2, 'b', 'two')").await;
    let mut rows = RowsWriter::new(table.clone());
    for (id, code) in [(1, "b"), (2, "a"), (3, "c")] {
        rows.image(Image::from_bytes(&row(id, code)));
    }
    let mut loader = target.loader().await.unwrap();
    loader.begin(&table, WriteMode::Upsert, "shop").await.unwrap();
    loader.load(&rows.take()).await.unwrap();
    loader.commit(&checkpoint()).await.unwrap();
    assert_eq!(all(&world), "1bone 2atwo 3cnew");
}
