//! Octets that are no character of their column's set: refused by the copy as by the stream, and never a question mark.

use crate::common::*;
use tidelock_endpoint::{CaptureKind, Endpoint, EndpointError};
use tidelock_model::Rows;
use tidelock_testkit::{Database, Kind};

/// What reading the whole table gives, `rows` to a chunk.
async fn copied(endpoint: &dyn Endpoint, rows: u64) -> Result<Vec<String>, EndpointError> {
    let table = table(endpoint, "t").await;
    let mut source = endpoint.source(CaptureKind::Log).await?;
    let snapshot = source.snapshot(std::slice::from_ref(&table), 1).await?;
    let mut found = Vec::new();
    for chunk in snapshot.chunks(&table, rows).await? {
        let mut reader = snapshot.reader().await?;
        reader.open(&table, &chunk).await?;
        while let Some(part) = reader.next().await? {
            found.extend(part.images().map(|i| shown(&table, i.unwrap())));
        }
    }
    Ok(found)
}

async fn made(db: &Database, native: &str) {
    db.execute(&format!("CREATE TABLE t (id int primary key, s {native})")).await.unwrap();
}

/// Sets, and octets that the product keeps in them although they are no character.
fn damaged(kind: Kind) -> Vec<(&'static str, &'static str)> {
    let mut all =
        vec![("sjis", "8740"), ("big5", "C8FE"), ("cp1251", "98"), ("tis620", "FF"), ("ucs2", "D800")];
    if kind.is_mariadb() {
        all.extend([("ascii", "C3A9"), ("utf32", "0000D800")]);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn octets_without_a_character_are_refused_by_the_copy_in_the_words_of_the_stream() {
    for kind in KINDS {
        for (charset, octets) in damaged(kind) {
            let Some(db) = database(kind, "undefined").await else { continue };
            made(&db, &format!("varchar(9) CHARACTER SET {charset}")).await;
            let endpoint = endpoint(&db.url);
            let mut tail = Tail::open(&*endpoint, &["t"]).await;
            db.execute(&format!("INSERT INTO t VALUES (1, X'{octets}')")).await.unwrap();
            let streamed = within("the stream stops", stopped(&mut *tail.stream)).await;
            let copied = copied(&*endpoint, 100).await.expect_err(&format!("{kind}: {charset}"));
            assert_eq!(copied.kind, streamed.kind, "{kind}: {charset}");
            let words = copied.message.strip_prefix("reading ").unwrap();
            assert!(words.starts_with("t.s: text is not"), "{kind}: {charset}: {copied}");
            assert!(streamed.message.ends_with(&format!(": {words}")), "{kind}: {charset}: {streamed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn octets_without_a_character_in_a_set_that_the_stream_does_not_read_are_refused_by_the_copy() {
    for kind in KINDS {
        let mut all = vec![("ujis", "8FA1A1", "あ?"), ("eucjpms", "8FA1A1", "あ?")];
        if !kind.is_mariadb() {
            all.push(("gb18030", "FE39FE39", "中?😀"));
        }
        for (charset, octets, text) in all {
            let Some(db) = database(kind, "longundefined").await else { continue };
            made(&db, &format!("varchar(9) CHARACTER SET {charset}")).await;
            let endpoint = endpoint(&db.url);
            db.execute(&format!("SET NAMES utf8mb4; INSERT INTO t VALUES (1, '{text}'), (2, NULL), (3, '')"))
                .await
                .unwrap();
            let rows = copied(&*endpoint, 100).await.unwrap();
            assert_eq!(rows, [format!("{{id=1, s={text}}}"), "{id=2, s=NULL}".into(), "{id=3, s=}".into()]);
            db.execute(&format!("INSERT INTO t VALUES (4, X'{octets}')")).await.unwrap();
            let error = copied(&*endpoint, 100).await.expect_err(&format!("{kind}: {charset}"));
            assert!(error.message.contains("t.s: text is not"), "{kind}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_other_sets_are_cut_and_read_and_refused_where_they_are_no_text() {
    for kind in KINDS {
        for (charset, words) in [
            ("sjis", ["あ", "い", "表?", "abc"]),
            ("cp1251", ["а", "б?", "я", "abc"]),
            ("big5", ["中", "文?", "一", "abc"]),
            ("ucs2", ["ä", "中?", "я", "abc"]),
            ("ascii", ["a?", "b", "c", "abc"]),
        ] {
            let Some(db) = database(kind, "charsetkeys").await else { continue };
            db.execute(&format!(
                "CREATE TABLE t (s varchar(9) CHARACTER SET {charset} COLLATE {charset}_bin PRIMARY KEY)"
            ))
            .await
            .unwrap();
            let list = words.map(|w| format!("('{w}')")).join(", ");
            db.execute(&format!("SET NAMES utf8mb4; INSERT INTO t VALUES {list}")).await.unwrap();
            let endpoint = endpoint(&db.url);
            let mut rows = copied(&*endpoint, 1).await.unwrap();
            rows.sort();
            let mut expected = words.map(|w| format!("{{s={w}}}")).to_vec();
            expected.sort();
            assert_eq!(rows, expected, "{kind}: {charset}");
            let table = table(&*endpoint, "t").await;
            let keys = snapshot_rows(&*endpoint, &table, 100).await.remove(0);
            let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
            let read: Rows = source.read(&keys).await.unwrap();
            assert_eq!(read.len(), words.len(), "{kind}: {charset}");
            if charset == "sjis" {
                db.execute("INSERT INTO t VALUES (X'8740')").await.unwrap();
                for rows in [1, 100] {
                    let error = copied(&*endpoint, rows).await.unwrap_err();
                    assert!(error.message.contains("t.s: text is not"), "{kind}: {error}");
                }
            }
        }
    }
}
