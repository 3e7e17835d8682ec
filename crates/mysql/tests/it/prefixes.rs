//! Target tables whose primary key looks at the beginning of a column only.

use crate::common::*;
use std::sync::Arc;
use tidelock_endpoint::{
    Ask, Checkpoint, Delta, EndpointError, ErrorKind, Role, Severity, Target, Update, WriteMode,
};
use tidelock_model::{Image, RowsWriter, Slot, Table, Value};
use tidelock_testkit::{Database, Kind};

const WHOLE: [(&str, &str); 3] = [
    ("varchar(100) CHARACTER SET utf8mb4 COLLATE {exact}", "the first 10 characters of k"),
    ("varbinary(100)", "the first 10 octets of k"),
    ("text CHARACTER SET utf8mb4 COLLATE {exact}", "the first 10 characters of k"),
];

async fn made(db: &Database, kind: Kind, native: &str) -> Arc<Table> {
    let exact = if kind.is_mariadb() { "utf8mb4_nopad_bin" } else { "utf8mb4_0900_bin" };
    let native = native.replace("{exact}", exact);
    db.execute(&format!("CREATE TABLE t (k {native} NOT NULL, v int, PRIMARY KEY (k(10)))")).await.unwrap();
    table(&*endpoint(&db.url), "t").await
}

fn key(table: &Table, text: &'static str) -> Value<'static> {
    match table.columns[0].data_type {
        tidelock_model::Type::Bytes { .. } => Value::Bytes(text.as_bytes()),
        _ => Value::Text(text),
    }
}

async fn target(db: &Database) -> Box<dyn Target> {
    let mut target = endpoint(&db.url).target("job").await.unwrap();
    target.prepare("mysql", &[]).await.unwrap();
    target
}

fn checkpoint() -> Checkpoint {
    Checkpoint { job: "job".into(), lane: "stream".into(), state: "1".into() }
}

fn names_both(error: &EndpointError, prefix: &str) {
    assert_eq!((error.kind, error.code), (ErrorKind::Row, "TL-MY-SAME-KEY"), "{error}");
    let octets = |word: &str| word.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    for word in ["abcdefghij1", "abcdefghij2"] {
        let told = error.message.contains(word) || error.message.contains(&octets(word));
        assert!(told, "{word}: {error}");
    }
    assert!(error.message.contains(prefix), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_key_begins_as_anothers_does_not_take_its_place() {
    for kind in KINDS {
        for (native, prefix) in WHOLE {
            let Some(db) = database(kind, "prefix").await else { continue };
            let table = made(&db, kind, native).await;
            let rows: Vec<_> = [("abcdefghij1", 1), ("abcdefghij2", 2), ("abcdefghij1", 3)]
                .map(|(k, v)| whole(&[key(&table, k), Value::Int(v)]))
                .into();
            let mut target = target(&db).await;
            for (row, taken) in rows.iter().zip([false, true, false]) {
                target.begin("shop").await.unwrap();
                let upserts = vec![Image::from_bytes(row)];
                let applied = target.apply(&[Delta { upserts, ..Delta::new(&table) }]).await;
                match taken {
                    true => {
                        names_both(&applied.unwrap_err(), prefix);
                        target.rollback().await.unwrap();
                    }
                    false => {
                        applied.unwrap();
                        target.commit(&checkpoint(), &[]).await.unwrap();
                    }
                }
            }
            let there = db.query("SELECT CONVERT(k USING utf8mb4), v FROM t").await.unwrap();
            assert_eq!(there, [[Some("abcdefghij1".to_owned()), Some("3".to_owned())]], "{kind}: {native}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loaded_row_whose_key_begins_as_anothers_does_not_take_its_place() {
    for kind in KINDS {
        for mode in [WriteMode::Insert, WriteMode::Upsert] {
            let Some(db) = database(kind, "prefixload").await else { continue };
            let table = made(&db, kind, WHOLE[0].0).await;
            let mut rows = RowsWriter::new(table.clone());
            for k in ["abcdefghij1", "abcdefghij2"] {
                rows.row(|out| {
                    out.value(&Value::Text(k));
                    out.value(&Value::Int(1));
                    Ok::<_, EndpointError>(())
                })
                .unwrap();
            }
            let mut loader = target(&db).await.loader().await.unwrap();
            loader.begin(&table, mode, "shop").await.unwrap();
            let error = loader.load(&rows.take()).await.unwrap_err();
            names_both(&error, WHOLE[0].1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_moves_to_the_beginning_of_another_is_refused() {
    for kind in KINDS {
        let Some(db) = database(kind, "prefixmove").await else { continue };
        let table = made(&db, kind, WHOLE[0].0).await;
        db.execute("INSERT INTO t VALUES ('abcdefghij1', 1), ('other', 2)").await.unwrap();
        let (old, new) = (Slot::Value(Value::Text("other")), Slot::Value(Value::Text("abcdefghij2")));
        let (old, new) = (image(&[old, Slot::NotSent]), image(&[new, Slot::NotSent]));
        let updates = vec![Update { key: Image::from_bytes(&old), set: Image::from_bytes(&new) }];
        let mut target = target(&db).await;
        target.begin("shop").await.unwrap();
        let error = target.apply(&[Delta { updates, ..Delta::new(&table) }]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Row, "{kind}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_warns_of_a_key_over_a_beginning_at_a_target_and_its_remedy_makes_it_whole() {
    for kind in KINDS {
        for (native, prefix) in WHOLE {
            let Some(db) = database(kind, "prefixwarn").await else { continue };
            made(&db, kind, native).await;
            let endpoint = endpoint(&db.url);
            let found = async |role| {
                let found = endpoint.inspect(&Ask { role, tables: None }).await.unwrap().findings;
                found.into_iter().find(|f| f.code == "TL-MY-KEY-PREFIX")
            };
            assert_eq!(found(Role::SnapshotSource).await, None, "{kind}");
            let finding = found(Role::Target).await.expect("a finding");
            assert_eq!(finding.severity, Severity::Warning);
            assert!(finding.message.contains(prefix), "{kind}: {finding:?}");
            db.execute(&finding.remedy.unwrap()).await.unwrap();
            assert_eq!(found(Role::Target).await, None, "{kind}: {native}");
        }
    }
}
