//! Columns that are altered keep what nobody asked to change.

use crate::common::*;
use std::sync::Arc;
use tidelock_endpoint::{Alteration, ColumnChange};
use tidelock_model::Type;
use tidelock_testkit::{Database, Kind};

const BOTH: &str = "a varchar(9) CHARACTER SET latin1 COLLATE latin1_german1_ci NOT NULL DEFAULT 'it''s\\\\' COMMENT 'user''s NOT NULL (note)', \
    b tinyint(1) NOT NULL DEFAULT 1 COMMENT 'tidelock:bool', c timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), \
    d datetime(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)) COMMENT 'tidelock:instant', e enum('x','NOT NULL') NOT NULL DEFAULT 'NOT NULL', \
    f varbinary(9) NOT NULL DEFAULT 'a\\0b', j json NOT NULL, g varchar(20) NOT NULL DEFAULT (concat('a', 'b''c')), i int NOT NULL DEFAULT 4 INVISIBLE, \
    u char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'tidelock:uuid', n bit(3) NOT NULL DEFAULT b'101'";
const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "j", "g", "i", "u", "n", "p"];

/// The lines of SHOW CREATE TABLE, of its columns.
async fn columns(db: &Database) -> Vec<String> {
    let created = db.query("SHOW CREATE TABLE t").await.unwrap()[0][1].clone().unwrap();
    let lines = created.lines().map(|l| l.trim().trim_end_matches(',').to_owned());
    lines.filter(|l| l.starts_with('`')).collect()
}

/// A column's line without its NOT NULL.
fn without_not_null(line: &str) -> String {
    let labels = line.split_once("` enum").and_then(|_| line.find("')"));
    let (before, after) = line.split_at(labels.unwrap_or(0));
    before.to_owned() + &after.replacen(" NOT NULL", "", 1)
}

/// A column's line without what the products write for a column that takes NULL.
fn without_null(line: &str) -> String {
    line.replacen(" DEFAULT NULL", "", 1).replacen(" NULL ", " ", usize::from(line.contains(" timestamp")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_takes_null_from_now_on_keeps_its_default_comment_and_character_set() {
    for kind in KINDS {
        let Some(db) = database(kind, "relaxed").await else { continue };
        let point = if kind.is_mariadb() { "p point NOT NULL" } else { "p point NOT NULL SRID 4326" };
        db.execute(&format!("SET NAMES utf8mb4; CREATE TABLE t (id int primary key, {BOTH}, {point})"))
            .await
            .unwrap();
        let before = columns(&db).await;
        let endpoint = endpoint(&db.url);
        let table = table(&*endpoint, "t").await;
        let mut target = endpoint.target("job").await.unwrap();
        let changes = NAMES.iter().map(|name| ColumnChange::Relax((*name).to_owned())).collect();
        let alteration = Alteration { table: table.clone(), changes };
        let ran = target.alter("postgres", std::slice::from_ref(&alteration), false).await.unwrap();
        assert_eq!(ran.len(), NAMES.len(), "{kind}: {ran:?}");
        let after = columns(&db).await;
        assert_eq!(before[0], after[0]);
        for (before, after) in before[1..].iter().zip(&after[1..]) {
            assert_eq!(without_not_null(before), without_null(after), "{kind}");
            assert!(before.contains(" NOT NULL") && before != after, "{kind}: {after}");
        }
        let again = target.alter("postgres", &[alteration], false).await.unwrap();
        assert!(again.is_empty(), "{kind}: {again:?}");
        let relaxed = crate::common::table(&*endpoint, "t").await;
        for (was, is) in table.columns.iter().zip(&relaxed.columns).skip(1) {
            assert!(is.nullable, "{kind}: {}", is.name);
            assert_eq!((&was.data_type, &was.default), (&is.data_type, &is.default), "{kind}: {}", is.name);
        }
    }
}

async fn retyped(kind: Kind, comment: &str, to: Type) -> Option<String> {
    let db = database(kind, "retyped").await?;
    db.execute(&format!("CREATE TABLE t (id int primary key, v int NOT NULL DEFAULT 7 COMMENT '{comment}')"))
        .await
        .unwrap();
    let endpoint = endpoint(&db.url);
    let mut wanted = (*table(&*endpoint, "t").await).clone();
    wanted.columns[1].data_type = to;
    let alteration = Alteration { table: Arc::new(wanted), changes: vec![ColumnChange::Retype(1)] };
    let mut target = endpoint.target("job").await.unwrap();
    assert_eq!(target.alter("postgres", &[alteration], false).await.unwrap().len(), 1);
    Some(columns(&db).await.remove(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_gets_another_type_keeps_the_comment_that_somebody_gave_it() {
    for kind in KINDS {
        let Some(line) = retyped(kind, "it''s ours", Type::int(64)).await else { continue };
        assert!(line.contains("bigint") && line.ends_with("COMMENT 'it''s ours'"), "{kind}: {line}");
        assert!(line.contains("DEFAULT '7'") || line.contains("DEFAULT 7"), "{kind}: {line}");
        let line = retyped(kind, "tidelock:bool", Type::int(64)).await.unwrap();
        assert!(!line.contains("COMMENT"), "{kind}: a comment of ours goes with its type: {line}");
        let line = retyped(kind, "note", Type::Bool).await.unwrap();
        assert!(line.ends_with("COMMENT 'tidelock:bool'"), "{kind}: {line}");
    }
}
