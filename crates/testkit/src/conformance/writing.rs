//! `Target`.

use super::stage::{Plain, Stage, checkpoint, id, item, key, rows, told, whole};
use super::{Check, check, dialect};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidelock_endpoint::{Applied, Checkpoint, Delta, ErrorKind, Role, Target, Update, WriteMode};
use tidelock_model::{Image, ImageWriter, Value};

pub(crate) const CHECKS: &[Check] = &[
    check!("prepare makes the tables that are absent, leaves the others, and twice is once", prepare),
    check!("plan tells what prepare would run and runs nothing", plan),
    check!("finish makes indexes, foreign keys and the next number, and twice is once", finish),
    check!("is_empty tells whether there is any row", is_empty),
    check!("deletes, updates, upserts and inserts are applied and counted", apply),
    check!("an update leaves what was not sent, and may change the key", partial_update),
    check!("truncate goes first", truncate),
    check!("apply may be called many times in one transaction", apply_many),
    check!("a unique value that moves from one row to another is free when it is taken", unique_moves),
    check!("two rows may exchange a unique value", unique_swap),
    check!("a rollback and a dropped session leave nothing", leaves_nothing),
    check!("the checkpoint is committed with the rows or not at all", checkpoint_is_atomic),
    check!("a commit drops the lanes it names, and jobs do not see each other", lanes),
    check!("rows read in a transaction are whole, as it left them, and only those that are there", read),
    check!("a row that breaks a constraint is told as a row's fault, and the session goes on", row_fault),
    check!("many rows in one delta arrive", many_rows),
    check!("columns that the job does not carry stay", others_stay),
    check!("rows that are said to be new arrive, also where some are there all the same", fresh_rows),
];

async fn begun(stage: &Stage) -> Result<Box<dyn Target>> {
    let mut target = stage.target("job").await?;
    target.prepare(stage.engine(), &[]).await?;
    target.begin("shop").await?;
    Ok(target)
}

fn images(rows: &[Vec<u8>]) -> Vec<Image<'_>> {
    rows.iter().map(|row| Image::from_bytes(row)).collect()
}

fn row(note: &str, qty: i64) -> Plain {
    (Some(note.to_owned()), Some(qty))
}

async fn expect(stage: &Stage, rows: &[(i64, Plain)]) -> Result<()> {
    let found = stage.items("orders").await?;
    let expected: BTreeMap<_, _> = rows.iter().cloned().collect();
    ensure!(found == expected, "found {found:?}, expected {expected:?}");
    Ok(())
}

async fn prepare(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders", "customers"]).await?;
    let other = stage.another().await?;
    other.sql("CREATE TABLE customers (id int PRIMARY KEY, mine int)").await?;
    other.sql("INSERT INTO customers VALUES (1, 2)").await?;
    let tables = stage.tables(&["orders", "customers"]).await?;
    let mut target = other.target("job").await?;
    let ran = target.prepare(stage.engine(), &tables).await?;
    ensure!(ran.iter().any(|s| s.contains("orders")), "it tells what it ran: {ran:?}");
    ensure!(!ran.iter().any(|s| s.contains("customers")), "a table that is there is left alone: {ran:?}");
    let again = target.prepare(stage.engine(), &tables).await?;
    ensure!(again.is_empty(), "the second time there is nothing to do: {again:?}");
    let made = other.table("orders").await?;
    ensure!(made.key == tables[0].key && made.primary, "{made:?}");
    let columns = |t: &tidelock_model::Table| {
        t.columns.iter().map(|c| (c.name.clone(), c.data_type.clone(), c.nullable)).collect::<Vec<_>>()
    };
    ensure!(columns(&made) == columns(&tables[0]), "{made:?}");
    ensure!(other.db.value("SELECT mine FROM customers").await?.as_deref() == Some("2"), "untouched");
    let all = other.inspect(Role::Target, None).await?.tables;
    ensure!(all.len() == 2, "tidelock's own table is not told as a user's: {all:?}");
    Ok(())
}

async fn plan(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (other, tables) = (stage.another().await?, stage.tables(&["orders"]).await?);
    let mut target = other.target("job").await?;
    let planned = target.plan(stage.engine(), &tables).await?;
    ensure!(planned.iter().any(|s| s.contains("orders")), "{planned:?}");
    ensure!(other.inspect(Role::Target, None).await?.tables.is_empty(), "it ran something");
    ensure!(other.endpoint.cleanup(None, false).await?.is_empty(), "it made something");
    let mut ran = target.prepare(stage.engine(), &tables).await?;
    ran.extend(target.finish(stage.engine(), &tables).await?);
    ensure!(ran.iter().all(|s| planned.contains(s)), "planned {planned:?}, ran {ran:?}");
    Ok(())
}

/// Parents and children with a default, an index, a unique index, a foreign key and a numbering key.
async fn family(stage: &Stage) -> Result<()> {
    let number = stage.dialect().numbering;
    stage.sql(&format!("CREATE TABLE parent (id {number}, code varchar(20) NOT NULL, state varchar(10) NOT NULL DEFAULT 'new')")).await?;
    stage.sql("CREATE UNIQUE INDEX parent_code ON parent (code)").await?;
    let columns = format!("id {number}, parent_id integer NOT NULL, a int, b int");
    let foreign = "CONSTRAINT child_parent FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE";
    stage.sql(&format!("CREATE TABLE child ({columns}, {foreign})")).await?;
    stage.sql("CREATE INDEX child_ab ON child (a, b)").await
}

async fn finish(stage: Stage) -> Result<()> {
    family(&stage).await?;
    let (other, tables) = (stage.another().await?, stage.tables(&["child", "parent"]).await?);
    ensure!(
        tables[0].foreign_keys.len() == 1 && tables[0].indexes.iter().any(|i| i.name == "child_ab"),
        "inspect tells them: {:?}",
        tables[0]
    );
    ensure!(tables[1].indexes.iter().any(|i| i.name == "parent_code" && i.unique), "{:?}", tables[1]);
    let mut target = other.target("job").await?;
    target.prepare(stage.engine(), &tables).await?;
    other.sql("INSERT INTO parent (id, code) VALUES (41, 'x')").await?;
    other.sql("INSERT INTO child (id, parent_id, a) VALUES (7, 41, 1)").await?;
    target.finish(stage.engine(), &tables).await?;
    let again = target.finish(stage.engine(), &tables).await?;
    let made = other.tables(&["child", "parent"]).await?;
    for (made, source) in made.iter().zip(&tables) {
        let indexes = |t: &tidelock_model::Table| {
            let mut all: Vec<_> = t.indexes.iter().map(|i| (i.columns.clone(), i.unique)).collect();
            all.sort();
            all.dedup();
            all
        };
        for index in indexes(source) {
            ensure!(
                indexes(made).contains(&index),
                "{}: the index {index:?} is missing: {:?}",
                made.name,
                made.indexes
            );
        }
        let keys = |t: &tidelock_model::Table| {
            t.foreign_keys
                .iter()
                .map(|f| (f.columns.clone(), f.references.clone(), f.on_delete))
                .collect::<Vec<_>>()
        };
        ensure!(keys(made) == keys(source), "{}: foreign keys {:?}", made.name, made.foreign_keys);
        let defaults = |t: &tidelock_model::Table| {
            t.columns.iter().map(|c| (c.default.clone(), c.nullable)).collect::<Vec<_>>()
        };
        ensure!(
            defaults(made) == defaults(source),
            "{}: {:?} and {:?}",
            made.name,
            defaults(made),
            defaults(source)
        );
    }
    ensure!(
        !again.iter().any(|s| s.to_uppercase().contains("CREATE") || s.to_uppercase().contains("ADD ")),
        "twice is once: {again:?}"
    );
    other.sql("INSERT INTO parent (code) VALUES ('y')").await?;
    let next = other.db.value("SELECT max(id) FROM parent").await?.context("an id")?;
    ensure!(next == "42", "the next number is behind the largest: {next}");
    Ok(())
}

async fn is_empty(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (table, mut target) = (stage.table("orders").await?, stage.target("job").await?);
    ensure!(target.is_empty(&table).await?, "it is empty");
    stage.sql("INSERT INTO orders VALUES (1, NULL, NULL)").await?;
    ensure!(!target.is_empty(&table).await?, "it is not");
    Ok(())
}

async fn apply(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4)").await?;
    let (table, mut target) = (stage.table("orders").await?, begun(&stage).await?);
    let (deletes, upserts) = ([key(1), key(99)], [whole(3, "upserted", 30), whole(5, "upserted", 50)]);
    let (old, new) = ([key(2), key(98)], [whole(2, "updated", 20), whole(98, "nowhere", 0)]);
    let inserts =
        [whole(4, "not taken", 40), whole(6, "inserted", 60), item(Some(7), Some(None), Some(None))];
    let mut delta = Delta::new(&table);
    delta.deletes = images(&deletes);
    delta.updates = old
        .iter()
        .zip(&new)
        .map(|(k, s)| Update { key: Image::from_bytes(k), set: Image::from_bytes(s) })
        .collect();
    delta.upserts = images(&upserts);
    delta.inserts = images(&inserts);
    let applied = target.apply(&[delta]).await?;
    ensure!(applied == Applied { missing: 1, present: 1 }, "{applied:?}");
    target.commit(&checkpoint("job", "1"), &[]).await?;
    let mut expected = vec![
        (2, row("updated", 20)),
        (3, row("upserted", 30)),
        (4, row("d", 4)),
        (5, row("upserted", 50)),
        (6, row("inserted", 60)),
    ];
    expected.push((7, (None, None)));
    expect(&stage, &expected).await
}

async fn partial_update(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4)").await?;
    let (table, mut target) = (stage.table("orders").await?, begun(&stage).await?);
    let keys = [key(1), key(2), key(3), key(4)];
    let sets = [
        item(Some(1), None, Some(Some(10))),
        item(Some(2), Some(None), None),
        item(Some(30), None, None),
        item(Some(4), Some(Some("same number")), Some(Some(4))),
    ];
    let mut delta = Delta::new(&table);
    delta.updates = keys
        .iter()
        .zip(&sets)
        .map(|(k, s)| Update { key: Image::from_bytes(k), set: Image::from_bytes(s) })
        .collect();
    let applied = target.apply(&[delta]).await?;
    ensure!(applied == Applied::default(), "{applied:?}");
    // Nothing changes: the row is there all the same, and not missing.
    let mut same = Delta::new(&table);
    same.updates = vec![Update { key: Image::from_bytes(&keys[3]), set: Image::from_bytes(&sets[3]) }];
    let applied = target.apply(&[same]).await?;
    ensure!(applied == Applied::default(), "an update that changes nothing is not missing: {applied:?}");
    target.commit(&checkpoint("job", "1"), &[]).await?;
    expect(&stage, &[(1, row("a", 10)), (2, (None, Some(2))), (4, row("same number", 4)), (30, row("c", 3))])
        .await
}

async fn truncate(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'a', 1), (2, 'b', 2)").await?;
    let table = stage.table("orders").await?;
    let rows = [whole(2, "new", 20)];
    let delta = || Delta { truncate: true, inserts: images(&rows), ..Delta::new(&table) };
    let mut target = begun(&stage).await?;
    let applied = target.apply(&[delta()]).await?;
    ensure!(applied.present == 0, "{applied:?}");
    target.rollback().await?;
    expect(&stage, &[(1, row("a", 1)), (2, row("b", 2))]).await.context("a truncate can be rolled back")?;
    target.begin("shop").await?;
    target.apply(&[delta()]).await?;
    target.commit(&checkpoint("job", "1"), &[]).await?;
    expect(&stage, &[(2, row("new", 20))]).await
}

async fn apply_many(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders", "customers"]).await?;
    let tables = stage.tables(&["orders", "customers"]).await?;
    let mut target = begun(&stage).await?;
    for n in 0..20 {
        let rows = [whole(1, "again and again", n), whole(100 + n, "once", n)];
        let deltas: Vec<_> =
            tables.iter().map(|t| Delta { upserts: images(&rows), ..Delta::new(t) }).collect();
        target.apply(&deltas).await?;
    }
    target.apply(&[]).await?;
    target.commit(&checkpoint("job", "1"), &[]).await?;
    let (orders, customers) = (stage.items("orders").await?, stage.items("customers").await?);
    ensure!(orders.len() == 21 && orders == customers && orders[&1].1 == Some(19), "{orders:?}");
    Ok(())
}

fn coded(id: i64, code: Option<&str>) -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut image = ImageWriter::new(&mut buffer);
    image.value(&Value::Int(id));
    match code {
        Some(code) => image.value(&Value::Text(code)),
        None => image.not_sent(),
    }
    buffer
}

async fn codes(stage: &Stage) -> Result<Vec<(String, String)>> {
    let rows = stage.db.query("SELECT id, code FROM coded ORDER BY id").await?;
    Ok(rows
        .into_iter()
        .map(|r| (r[0].clone().unwrap_or_default(), r[1].clone().unwrap_or_default()))
        .collect())
}

async fn unique_moves(stage: Stage) -> Result<()> {
    stage.sql(&dialect::coded("coded")).await?;
    stage.sql("INSERT INTO coded VALUES (1, 'a'), (2, 'b'), (3, 'c')").await?;
    let (table, mut target) = (stage.table("coded").await?, begun(&stage).await?);
    let (gone, key, set) = (coded(1, None), coded(2, None), coded(2, Some("free")));
    let (insert, upsert) = (coded(4, Some("a")), coded(5, Some("b")));
    let mut delta = Delta::new(&table);
    delta.deletes = vec![Image::from_bytes(&gone)];
    delta.updates = vec![Update { key: Image::from_bytes(&key), set: Image::from_bytes(&set) }];
    delta.inserts = vec![Image::from_bytes(&insert)];
    delta.upserts = vec![Image::from_bytes(&upsert)];
    let applied = target.apply(&[delta]).await?;
    ensure!(applied == Applied::default(), "{applied:?}");
    target.commit(&checkpoint("job", "1"), &[]).await?;
    let found = codes(&stage).await?;
    let expected = [("2", "free"), ("3", "c"), ("4", "a"), ("5", "b")];
    ensure!(found.iter().map(|(i, c)| (i.as_str(), c.as_str())).eq(expected), "{found:?}");
    Ok(())
}

async fn unique_swap(stage: Stage) -> Result<()> {
    for upsert in [false, true] {
        let stage = stage.another().await?;
        stage.sql(&dialect::coded("coded")).await?;
        stage.sql("INSERT INTO coded VALUES (1, 'a'), (2, 'b'), (3, 'c')").await?;
        let (table, mut target) = (stage.table("coded").await?, begun(&stage).await?);
        let (keys, sets) = ([coded(1, None), coded(2, None)], [coded(1, Some("b")), coded(2, Some("a"))]);
        let mut delta = Delta::new(&table);
        if upsert {
            delta.upserts = images(&sets);
        } else {
            delta.updates = keys
                .iter()
                .zip(&sets)
                .map(|(k, s)| Update { key: Image::from_bytes(k), set: Image::from_bytes(s) })
                .collect();
        }
        let how = if upsert { "by upserts" } else { "by updates" };
        target.apply(&[delta]).await.context(how)?;
        target.commit(&checkpoint("job", "1"), &[]).await.context(how)?;
        let found = codes(&stage).await?;
        let expected = [("1", "b"), ("2", "a"), ("3", "c")];
        ensure!(found.iter().map(|(i, c)| (i.as_str(), c.as_str())).eq(expected), "{how}: {found:?}");
    }
    Ok(())
}

/// The target's table has a column of its own, also one with a second unique index; rows come by deltas and by loads.
async fn others_stay(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql(&dialect::coded("coded")).await?;
    for table in ["orders", "coded"] {
        stage.sql(&format!("ALTER TABLE {table} ADD COLUMN mine varchar(20)")).await?;
    }
    stage.sql("INSERT INTO orders VALUES (1, 'a', 1, 'one'), (2, 'b', 2, 'two')").await?;
    stage.sql("INSERT INTO coded VALUES (1, 'a', 'one'), (2, 'b', 'two')").await?;
    let carried = async |name: &str| {
        let mut table = (*stage.table(name).await?).clone();
        table.columns.pop();
        anyhow::Ok(Arc::new(table))
    };
    let (orders, codes) = (carried("orders").await?, carried("coded").await?);
    let mut target = begun(&stage).await?;
    for (n, (table, upserts)) in [
        (&orders, [whole(1, "changed", 10), whole(3, "new", 3)]),
        (&codes, [coded(1, Some("changed")), coded(3, Some("new"))]),
    ]
    .iter()
    .enumerate()
    {
        if n > 0 {
            target.begin("shop").await?;
        }
        target.apply(&[Delta { upserts: images(upserts), ..Delta::new(table) }]).await?;
        target.commit(&checkpoint("job", "1"), &[]).await?;
        kept(&stage, &table.name.name, &[("one", "changed"), ("two", "b"), ("", "new")])
            .await
            .context("after an upsert")?;
    }
    let mut loader = target.loader().await?;
    for (table, loaded) in [
        (&orders, [whole(2, "loaded", 20), whole(4, "newer", 4)]),
        (&codes, [coded(2, Some("loaded")), coded(4, Some("newer"))]),
    ] {
        loader.begin(table, WriteMode::Upsert, "shop").await?;
        loader.load(&rows(table, &loaded)).await?;
        let lane = format!("snapshot/{}/0", table.name);
        loader.commit(&Checkpoint { job: "job".into(), lane, state: "{}".into() }).await?;
        let expected = [("one", "changed"), ("two", "loaded"), ("", "new"), ("", "newer")];
        kept(&stage, &table.name.name, &expected).await.context("after a load")?;
    }
    Ok(())
}

/// `mine` (empty for NULL) and the text of each row, by id.
async fn kept(stage: &Stage, table: &str, expected: &[(&str, &str)]) -> Result<()> {
    let text = if table == "orders" { "note" } else { "code" };
    let rows = stage.db.query(&format!("SELECT mine, {text} FROM {table} ORDER BY id")).await?;
    let found: Vec<(String, String)> = rows
        .into_iter()
        .map(|r| (r[0].clone().unwrap_or_default(), r[1].clone().unwrap_or_default()))
        .collect();
    let right = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).eq(expected.iter().copied());
    ensure!(right, "{table}: found {found:?}, expected {expected:?}");
    Ok(())
}

async fn leaves_nothing(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'a', 1)").await?;
    let (table, rows) = (stage.table("orders").await?, [whole(1, "changed", 2), whole(2, "new", 2)]);
    let mut target = begun(&stage).await?;
    target.apply(&[Delta { upserts: images(&rows), ..Delta::new(&table) }]).await?;
    target.rollback().await?;
    expect(&stage, &[(1, row("a", 1))]).await.context("after a rollback")?;
    target.begin("shop").await?;
    target.apply(&[Delta { upserts: images(&rows), ..Delta::new(&table) }]).await?;
    drop(target);
    let mut target = begun(&stage).await?;
    let more = [whole(3, "later", 3)];
    target.apply(&[Delta { upserts: images(&more), ..Delta::new(&table) }]).await?;
    target.commit(&checkpoint("job", "1"), &[]).await?;
    expect(&stage, &[(1, row("a", 1)), (3, row("later", 3))]).await.context("after a dropped session")
}

async fn checkpoint_is_atomic(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let table = stage.table("orders").await?;
    let mut target = begun(&stage).await?;
    target.rollback().await?;
    ensure!(target.checkpoints().await?.is_empty(), "none yet");
    for n in 1..=3 {
        let rows = [whole(n, "row", n)];
        target.begin("shop").await?;
        target.apply(&[Delta { inserts: images(&rows), ..Delta::new(&table) }]).await?;
        target.commit(&checkpoint("job", &format!("{{\"n\": \"{n} ' ä \\\\\"}}")), &[]).await?;
    }
    target.begin("shop").await?;
    target.apply(&[Delta { deletes: vec![Image::from_bytes(&key(1))], ..Delta::new(&table) }]).await?;
    drop(target);
    let mut target = stage.target("job").await?;
    let found = target.checkpoints().await?;
    ensure!(found == [checkpoint("job", "{\"n\": \"3 ' ä \\\\\"}")], "{found:?}");
    ensure!(stage.items("orders").await?.len() == 3, "the rows of three commits");
    Ok(())
}

async fn lanes(stage: Stage) -> Result<()> {
    let mut target = begun(&stage).await?;
    let lane = |job: &str, lane: &str, state: &str| Checkpoint {
        job: job.into(),
        lane: lane.into(),
        state: state.into(),
    };
    for n in 0..4 {
        if n > 0 {
            target.begin("shop").await?;
        }
        target.commit(&lane("job", &format!("snapshot/orders/{n}"), "done"), &[]).await?;
    }
    let mut other = stage.target("other").await?;
    other.begin("shop").await?;
    other.commit(&lane("other", "snapshot/orders/1", "theirs"), &[]).await?;
    target.begin("shop").await?;
    let remove = ["snapshot/orders/1".to_owned(), "snapshot/orders/3".to_owned(), "nowhere".to_owned()];
    target.commit(&lane("job", "stream", "7"), &remove).await?;
    let mut found = target.checkpoints().await?;
    found.sort_by(|a, b| a.lane.cmp(&b.lane));
    let expected = [
        lane("job", "snapshot/orders/0", "done"),
        lane("job", "snapshot/orders/2", "done"),
        lane("job", "stream", "7"),
    ];
    ensure!(found == expected, "{found:?}");
    ensure!(
        other.checkpoints().await? == [lane("other", "snapshot/orders/1", "theirs")],
        "another job's lanes are its own"
    );
    Ok(())
}

async fn read(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'a', 1), (2, 'b', NULL)").await?;
    let (table, mut target) = (stage.table("orders").await?, begun(&stage).await?);
    let upserts = [whole(3, "own", 3)];
    target
        .apply(&[Delta {
            upserts: images(&upserts),
            deletes: vec![Image::from_bytes(&key(1))],
            ..Delta::new(&table)
        }])
        .await?;
    let found = target.read(&rows(&table, &[key(1), key(2), key(3), key(4)])).await?;
    let mut seen = Vec::new();
    for image in found.images() {
        let image = image?;
        seen.push((id(image)?, told(image)?));
    }
    seen.sort();
    let text = |t: &str| Some(Some(t.to_owned()));
    ensure!(seen == [(2, (text("b"), Some(None))), (3, (text("own"), Some(Some(3))))], "{seen:?}");
    target.commit(&checkpoint("job", "1"), &[]).await?;
    Ok(())
}

async fn row_fault(stage: Stage) -> Result<()> {
    stage.sql(&dialect::coded("coded")).await?;
    stage.sql("INSERT INTO coded VALUES (1, 'a'), (2, 'b')").await?;
    let (table, mut target) = (stage.table("coded").await?, begun(&stage).await?);
    let taken = coded(3, Some("a"));
    let error =
        target.apply(&[Delta { inserts: vec![Image::from_bytes(&taken)], ..Delta::new(&table) }]).await;
    let error = error.err().context("a unique value that is taken was not refused")?;
    ensure!(error.kind == ErrorKind::Row, "{:?}: {error}", error.kind);
    target.rollback().await?;
    target.begin("shop").await?;
    let fine = coded(3, Some("c"));
    target.apply(&[Delta { inserts: vec![Image::from_bytes(&fine)], ..Delta::new(&table) }]).await?;
    target.commit(&checkpoint("job", "1"), &[]).await?;
    ensure!(codes(&stage).await?.len() == 3, "the session goes on");
    Ok(())
}

async fn many_rows(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (table, mut target) = (stage.table("orders").await?, begun(&stage).await?);
    let upserts: Vec<_> =
        (0..20_000).map(|n| whole(n, "one of many rows, with some text in it", n)).collect();
    target.apply(&[Delta { upserts: images(&upserts), ..Delta::new(&table) }]).await?;
    let (deletes, keys): (Vec<_>, Vec<_>) = ((0..5000).map(key).collect(), (5000..10_000).map(key).collect());
    let sets: Vec<_> = (5000..10_000).map(|n| item(Some(n), None, Some(Some(-n)))).collect();
    let updates = keys
        .iter()
        .zip(&sets)
        .map(|(k, s)| Update { key: Image::from_bytes(k), set: Image::from_bytes(s) })
        .collect();
    let again: Vec<_> = (15_000..25_000).map(|n| whole(n, "not again", 0)).collect();
    let delta = Delta { deletes: images(&deletes), updates, inserts: images(&again), ..Delta::new(&table) };
    let applied = target.apply(&[delta]).await?;
    ensure!(applied == Applied { missing: 0, present: 5000 }, "{applied:?}");
    target.commit(&checkpoint("job", "1"), &[]).await?;
    let found = stage.items("orders").await?;
    let right = (5000..25_000).all(|n| {
        let row = found.get(&n);
        row.is_some_and(|(_, qty)| {
            *qty == Some(if n < 10_000 {
                -n
            } else if n < 20_000 {
                n
            } else {
                0
            })
        })
    });
    ensure!(found.len() == 20_000 && right, "{} rows", found.len());
    Ok(())
}

async fn fresh_rows(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders", "customers"]).await?;
    stage.sql("INSERT INTO orders VALUES (1, 'old', 1), (20000, 'old', 1)").await?;
    let (table, other) = (stage.table("orders").await?, stage.table("customers").await?);
    let mut target = begun(&stage).await?;
    let note = "a note that takes some room";
    for (first, last, there) in [(1, 20_000, 2), (20_001, 40_000, 0), (39_000, 40_100, 1001)] {
        let rows: Vec<Vec<u8>> = (first..=last).map(|n| whole(n, note, n + there)).collect();
        let delta = Delta { upserts: images(&rows), fresh: rows.len(), ..Delta::new(&table) };
        // Behind one that is refused, a table that the session has not met yet.
        let next = [whole(first, note, 0)];
        target.apply(&[delta, Delta { upserts: images(&next), fresh: 1, ..Delta::new(&other) }]).await?;
    }
    target.commit(&checkpoint("stream", "{}"), &[]).await?;
    let found = stage.items("orders").await?;
    ensure!(found.len() == 40_100, "{} rows", found.len());
    ensure!(stage.items("customers").await?.len() == 3, "the rows of the other table");
    for (id, there) in [(1, 2), (20_000, 2), (20_001, 0), (38_999, 0), (39_000, 1001), (40_100, 1001)] {
        ensure!(found.get(&id) == Some(&row(note, id + there)), "row {id} is {:?}", found.get(&id));
    }
    Ok(())
}
