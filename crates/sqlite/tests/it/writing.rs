use crate::world::{World, endpoint, text};
use std::sync::Arc;
use tidelock_endpoint::{Checkpoint, Delta, ErrorKind, Update, WriteMode};
use tidelock_model::{
    Column, ColumnDefault, Decimal, Image, ImageWriter, RowsWriter, Slot, Table, TableName, Type, Value,
};

fn image(values: &[Option<Value<'_>>]) -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut out = ImageWriter::new(&mut buffer);
    values.iter().for_each(|v| out.slot(&v.map_or(Slot::NotSent, Slot::Value)));
    buffer
}

fn checkpoint(lane: &str) -> Checkpoint {
    Checkpoint { job: "job".into(), lane: lane.into(), state: "{}".into() }
}

fn column(name: &str, data_type: Type) -> Column {
    Column { nullable: false, ..Column::new(name, data_type, "?") }
}

fn table(name: &str, columns: Vec<Column>) -> Arc<Table> {
    let name = TableName::new(name);
    Arc::new(Table { name, columns, key: vec![0], primary: true, indexes: vec![], foreign_keys: vec![] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_made_when_something_is_written_and_not_by_a_look() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let there = endpoint(&path);
    let wanted = table("t", vec![column("id", Type::int(32))]);
    let mut target = there.target("job").await.unwrap();
    let plan = target.plan("postgres", std::slice::from_ref(&wanted)).await.unwrap();
    assert!(target.is_empty(&wanted).await.unwrap() && target.checkpoints().await.unwrap().is_empty());
    assert!(!path.exists());
    assert_eq!(target.prepare("postgres", std::slice::from_ref(&wanted)).await.unwrap(), plan);
    assert!(path.exists());
    assert_eq!(target.plan("postgres", &[wanted]).await.unwrap(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_other_engines_are_read_back_as_what_they_were() {
    let types = [
        Type::int(64),
        Type::Int { bits: 64, unsigned: true },
        Type::Int { bits: 16, unsigned: true },
        Type::Bool,
        Type::Decimal { precision: Some(12), scale: 4 },
        Type::Decimal { precision: Some(30), scale: 10 },
        Type::Decimal { precision: None, scale: 0 },
        Type::Float32,
        Type::Float64,
        Type::Text { length: Some(20), fixed: false },
        Type::bytes(),
        Type::Date,
        Type::Time { fraction: 3, zone: false },
        Type::DateTime { fraction: 6 },
        Type::Timestamp { fraction: 6 },
        Type::Interval,
        Type::Uuid,
        Type::Json,
        Type::Year,
        Type::Bits { length: Some(5), varying: false },
    ];
    let columns = types.iter().enumerate().map(|(i, t)| column(&format!("c{i}"), t.clone())).collect();
    let wanted = table("t", columns);
    let world = World::new("");
    let mut target = world.endpoint.target("job").await.unwrap();
    target.prepare("postgres", std::slice::from_ref(&wanted)).await.unwrap();
    let made = world.table("t").await;
    assert_eq!(made.columns.iter().map(|c| c.data_type.clone()).collect::<Vec<_>>(), types);
    assert!(made.columns.iter().all(|c| !c.nullable) && made.primary && made.key == [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_and_automatic_numbers_come_along() {
    let mut columns = vec![
        column("id", Type::int(32)),
        column("state", Type::text()),
        column("n", Type::int(32)),
        column("at", Type::Timestamp { fraction: 6 }),
        column("on", Type::Bool),
    ];
    columns[0].default = Some(ColumnDefault::AutoIncrement);
    columns[1].default = Some(ColumnDefault::Literal("it's".into()));
    columns[2].default = Some(ColumnDefault::Literal("7".into()));
    columns[3].default = Some(ColumnDefault::Now);
    columns[4].default = Some(ColumnDefault::Literal("true".into()));
    let wanted = table("t", columns);
    let world = World::new("");
    let mut target = world.endpoint.target("job").await.unwrap();
    target.prepare("postgres", std::slice::from_ref(&wanted)).await.unwrap();
    let made = world.table("t").await;
    let defaults = |t: &Table| t.columns.iter().map(|c| c.default.clone()).collect::<Vec<_>>();
    assert_eq!(defaults(&made), defaults(&wanted));
    world.writer().execute_batch("INSERT INTO t DEFAULT VALUES").unwrap();
    let row = &world.rows("t", 10).await.unwrap()[0];
    assert!(
        row.starts_with("Int(1), Text(\"it's\"), Int(7), Timestamp(Micros(") && row.ends_with("Bool(true)"),
        "{row}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_values_wander_among_partly_known_rows() {
    let world = World::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INTEGER, kept TEXT);
         INSERT INTO t VALUES (1, 'a', 1, 'k1'), (2, 'b', 2, 'k2'), (3, 'c', 3, 'k3')",
    );
    let mut follower = world.follow(&["t"]).await;
    let whole = world.table("t").await;
    // The job leaves one column out.
    let known = Arc::new(Table { columns: whole.columns[..3].to_vec(), indexes: vec![], ..(*whole).clone() });
    let key = |id| image(&[Some(Value::Int(id)), None, None]);
    let u = |text| image(&[None, Some(Value::Text(text)), None]);
    let (keys, sets) = ([key(1), key(2)], [u("b"), u("a")]);
    let upsert = image(&[Some(Value::Int(4)), Some(Value::Text("d")), Some(Value::Int(4))]);
    let mut delta = Delta::new(&known);
    let images = keys.iter().zip(&sets);
    delta.updates =
        images.map(|(k, s)| Update { key: Image::from_bytes(k), set: Image::from_bytes(s) }).collect();
    delta.upserts = vec![Image::from_bytes(&upsert)];
    let mut target = world.endpoint.target("job").await.unwrap();
    target.prepare("sqlite", &[]).await.unwrap();
    target.begin("shop").await.unwrap();
    target.apply(&[delta]).await.unwrap();
    target.commit(&checkpoint("stream"), &[]).await.unwrap();
    let rows = world.rows("t", 10).await.unwrap();
    assert_eq!(rows[0], "Int(1), Text(\"b\"), Int(1), Text(\"k1\")");
    assert_eq!(rows[1], "Int(2), Text(\"a\"), Int(2), Text(\"k2\")");
    assert_eq!(rows[3], "Int(4), Text(\"d\"), Int(4), Null");
    assert!(follower.all(&world.endpoint).await.iter().all(|change| change.starts_with("@shop ")));
    world.writer().execute_batch("DELETE FROM t WHERE id = 3").unwrap();
    assert_eq!(follower.changes(1).await, ["D t: Int(3), Text(\"c\"), Int(3), Text(\"k3\")"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_would_change_is_refused_as_a_rows_fault_and_leaves_nothing() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY, d NUMERIC, f DOUBLE)");
    let there = world.table("t").await;
    let mut target = world.endpoint.target("job").await.unwrap();
    target.prepare("sqlite", &[]).await.unwrap();
    let long = Value::Decimal(Decimal::parse("12345678901234567.89").unwrap());
    for bad in [[long, Value::Null], [Value::Null, Value::Float64(f64::NAN)]] {
        let bytes = image(&[Some(Value::Int(1)), Some(bad[0]), Some(bad[1])]);
        let mut delta = Delta::new(&there);
        delta.upserts = vec![Image::from_bytes(&bytes)];
        target.begin("shop").await.unwrap();
        let error = target.apply(&[delta]).await.unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Row, "TL-SQLITE-VALUE"));
        target.rollback().await.unwrap();
    }
    assert!(target.is_empty(&there).await.unwrap() && target.checkpoints().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_larger_than_memory_allows_is_written_as_it_comes() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)");
    let there = world.table("t").await;
    let mut target = world.endpoint.target("job").await.unwrap();
    target.prepare("sqlite", &[]).await.unwrap();
    let mut loader = target.loader().await.unwrap();
    loader.begin(&there, WriteMode::Insert, "shop").await.unwrap();
    let megabyte = vec![7; 1 << 20];
    for id in 0..40 {
        let mut writer = RowsWriter::new(there.clone());
        writer.image(Image::from_bytes(&image(&[Some(Value::Int(id)), Some(Value::Bytes(&megabyte))])));
        loader.load(&writer.take()).await.unwrap();
    }
    loader.commit(&checkpoint("snapshot/t/0")).await.unwrap();
    let count: i64 =
        world.writer().query_row("SELECT sum(length(b)) >> 20 FROM t", [], |r| r.get(0)).unwrap();
    assert_eq!((count, target.checkpoints().await.unwrap().len()), (40, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_read_by_key_with_the_transactions_own_writes() {
    let world = World::new(
        "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID; INSERT INTO t VALUES ('a', 1), ('b', 2)",
    );
    let there = world.table("t").await;
    let mut target = world.endpoint.target("job").await.unwrap();
    target.prepare("sqlite", &[]).await.unwrap();
    target.begin("shop").await.unwrap();
    let new = image(&[Some(Value::Text("a")), Some(Value::Int(9))]);
    let mut delta = Delta::new(&there);
    delta.upserts = vec![Image::from_bytes(&new)];
    target.apply(&[delta]).await.unwrap();
    let mut keys = RowsWriter::new(there.clone());
    for k in ["a", "x"] {
        keys.image(Image::from_bytes(&image(&[Some(Value::Text(k)), None])));
    }
    let found = target.read(&keys.take()).await.unwrap();
    let found: Vec<_> = found.images().map(|i| text(i.unwrap())).collect();
    assert_eq!(found, ["Text(\"a\"), Int(9)"]);
    target.rollback().await.unwrap();
}

/// A target whose key takes `a` and `A` (or `a` and `a `) for the same, and what a delta makes of it.
struct Loose {
    world: World,
    target: Box<dyn tidelock_endpoint::Target>,
    known: Arc<Table>,
}

impl Loose {
    async fn new(collation: &str) -> Loose {
        let world = World::new(&format!(
            "CREATE TABLE u (k TEXT COLLATE {collation} PRIMARY KEY, n INTEGER, kept TEXT); INSERT INTO u VALUES ('a', 1, 'k')"
        ));
        let whole = world.table("u").await;
        let known = Arc::new(Table { columns: whole.columns[..2].to_vec(), ..(*whole).clone() });
        let mut target = world.endpoint.target("job").await.unwrap();
        target.prepare("sqlite", &[]).await.unwrap();
        Loose { world, target, known }
    }

    /// What was done, or the fault's code; and the rows then.
    async fn after(
        &mut self,
        fill: impl for<'d> FnOnce(&mut Delta<'d>, &'d dyn Fn(&str) -> Image<'d>),
    ) -> String {
        let rows: std::collections::HashMap<&str, Vec<u8>> = ["a", "A", "a ", "z"]
            .into_iter()
            .map(|k| (k, image(&[Some(Value::Text(k)), Some(Value::Int(9))])))
            .collect();
        let of = |k: &str| Image::from_bytes(&rows[k]);
        let known = self.known.clone();
        let mut delta = Delta::new(&known);
        fill(&mut delta, &of);
        self.target.begin("shop").await.unwrap();
        let done = match self.target.apply(&[delta]).await {
            Ok(done) => {
                self.target.commit(&checkpoint("stream"), &[]).await.unwrap();
                format!("missing {}, present {}", done.missing, done.present)
            }
            Err(error) => {
                self.target.rollback().await.unwrap();
                assert_eq!(error.kind, ErrorKind::Row);
                error.code.to_owned()
            }
        };
        let rows: Vec<String> = self
            .world
            .writer()
            .prepare("SELECT quote(k) || n || coalesce(kept, '-') FROM u ORDER BY k COLLATE BINARY")
            .unwrap()
            .query_map([], |r| r.get(0))
            .unwrap()
            .map(|r| r.unwrap())
            .collect();
        format!("{done}: {}", rows.join(" "))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_other_letters_is_another_key_though_the_targets_collation_takes_it_for_the_same() {
    for (collation, other) in [("NOCASE", "A"), ("RTRIM", "a ")] {
        let mut loose = Loose::new(collation).await;
        let clash = "TL-SQLITE-SAME-KEY: 'a'1k";
        assert_eq!(loose.after(|d, of| d.upserts = vec![of(other)]).await, clash);
        assert_eq!(loose.after(|d, of| d.inserts = vec![of(other)]).await, clash);
        let untouched = "missing 0, present 0: 'a'1k";
        assert_eq!(loose.after(|d, of| d.deletes = vec![of(other)]).await, untouched);
        let missing = loose.after(|d, of| d.updates = vec![Update { key: of(other), set: of(other) }]).await;
        assert_eq!(missing, "missing 1, present 0: 'a'1k");
        let mut keys = RowsWriter::new(loose.known.clone());
        keys.image(Image::from_bytes(&image(&[Some(Value::Text(other)), None])));
        loose.target.begin("shop").await.unwrap();
        assert_eq!(loose.target.read(&keys.take()).await.unwrap().images().count(), 0);
        loose.target.rollback().await.unwrap();
        // And what is the same is the same: columns that the job does not know stay.
        assert_eq!(loose.after(|d, of| d.upserts = vec![of("a")]).await, "missing 0, present 0: 'a'9k");
        let both = loose.after(|d, of| d.inserts = vec![of("a"), of("z")]).await;
        assert_eq!(both, "missing 0, present 1: 'a'9k 'z'9-");
        let renamed = loose
            .after(|d, of| {
                d.deletes = vec![of("a")];
                d.upserts = vec![of(other)];
            })
            .await;
        assert_eq!(
            renamed,
            format!("missing 0, present 0: {}", {
                let mut rows = [format!("'{other}'9-"), "'z'9-".to_owned()];
                rows.sort();
                rows.join(" ")
            })
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_does_not_load_over_a_row_of_another_key() {
    let mut loose = Loose::new("NOCASE").await;
    let mut loader = loose.target.loader().await.unwrap();
    for (key, expected) in [("A", None), ("a", Some(9))] {
        let mut writer = RowsWriter::new(loose.known.clone());
        writer.image(Image::from_bytes(&image(&[Some(Value::Text(key)), Some(Value::Int(9))])));
        loader.begin(&loose.known, WriteMode::Upsert, "shop").await.unwrap();
        loader.load(&writer.take()).await.unwrap();
        let done = loader.commit(&checkpoint("snapshot/u/0")).await;
        assert_eq!(done.is_ok(), expected.is_some(), "{key}: {done:?}");
        let sql = "SELECT n FROM u WHERE k = 'a' COLLATE BINARY";
        let n: i64 = loose.world.writer().query_row(sql, [], |r| r.get(0)).unwrap();
        assert_eq!(n, expected.unwrap_or(1), "{key}");
    }
}
