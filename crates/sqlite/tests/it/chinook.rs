use crate::world::World;
use tidelock_endpoint::{CaptureKind, Checkpoint, WriteMode};
use tidelock_model::{Type, canonical_hash};

const SCRIPT: &str = include_str!("../../../testkit/data/chinook_sqlite.sql");

/// Copies every table of `from` into `to`, whose tables are made as for a source of another engine when `as_if` says so.
async fn copy(from: &World, to: &World, as_if: &str) {
    let tables = from.tables().await;
    let mut source = from.endpoint.source(CaptureKind::Trigger).await.unwrap();
    let mut target = to.endpoint.target("job").await.unwrap();
    target.prepare(as_if, &tables).await.unwrap();
    let snapshot = source.snapshot(&tables, 1).await.unwrap();
    let mut loader = target.loader().await.unwrap();
    let mut reader = snapshot.reader().await.unwrap();
    for table in &tables {
        for chunk in snapshot.chunks(table, 1000).await.unwrap() {
            loader.begin(table, WriteMode::Insert, "from").await.unwrap();
            reader.open(table, &chunk).await.unwrap();
            while let Some(rows) = reader.next().await.unwrap() {
                loader.load(&rows).await.unwrap();
            }
            let lane = format!("snapshot/{}/{}", table.name, chunk.number);
            let checkpoint = Checkpoint { job: "job".into(), lane, state: "{}".into() };
            loader.commit(&checkpoint).await.unwrap();
        }
    }
    target.finish(as_if, &tables).await.unwrap();
    assert_eq!(target.finish(as_if, &tables).await.unwrap(), [""; 0]);
}

async fn hashes(world: &World) -> Vec<(String, Vec<u128>)> {
    let mut found = Vec::new();
    for table in world.tables().await {
        let mut source = world.endpoint.source(CaptureKind::Trigger).await.unwrap();
        let snapshot = source.snapshot(std::slice::from_ref(&table), 1).await.unwrap();
        let mut reader = snapshot.reader().await.unwrap();
        let (mut of_table, mut scratch) = (Vec::new(), Vec::new());
        for chunk in snapshot.chunks(&table, 500).await.unwrap() {
            reader.open(&table, &chunk).await.unwrap();
            while let Some(rows) = reader.next().await.unwrap() {
                for image in rows.images() {
                    let slots: Vec<_> = image.unwrap().slots().map(|s| s.unwrap()).collect();
                    of_table.push(canonical_hash(slots.into_iter(), &mut scratch));
                }
            }
        }
        found.push((table.name.name.clone(), of_table));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn chinook_is_read_and_copied_with_every_value_equal() {
    let from = World::new(SCRIPT);
    let track = from.table("Track").await;
    let price = &track.columns[track.column("UnitPrice").unwrap()];
    assert_eq!(price.data_type, Type::Decimal { precision: Some(10), scale: 2 });
    assert_eq!(track.foreign_keys.len(), 3);
    let expected = hashes(&from).await;
    assert_eq!(expected.iter().map(|(_, rows)| rows.len()).sum::<usize>(), 15_607);
    for as_if in ["sqlite", "postgres"] {
        let to = World::new("");
        copy(&from, &to, as_if).await;
        assert_eq!(hashes(&to).await, expected, "as if from {as_if}");
        for (a, b) in from.tables().await.iter().zip(&to.tables().await) {
            let types =
                |t: &tidelock_model::Table| t.columns.iter().map(|c| c.data_type.clone()).collect::<Vec<_>>();
            assert_eq!((&a.name, &a.key, &a.foreign_keys), (&b.name, &b.key, &b.foreign_keys));
            assert_eq!(types(a), types(b), "{}", a.name);
            let indexes =
                |t: &tidelock_model::Table| t.indexes.iter().map(|i| i.columns.clone()).collect::<Vec<_>>();
            assert_eq!(indexes(a), indexes(b), "{}", a.name);
        }
    }
}
