//! `char(36)` columns that were made for UUIDs, and what applications write into them.

use crate::common::*;
use tidelock_endpoint::{CaptureKind, Endpoint, EndpointError};
use tidelock_model::{RowsWriter, Value};

const SMALL: &str = "0a1b2c3d-4e5f-6789-abcd-ef0123456789";
const MADE: &str =
    "CREATE TABLE t (u char(36) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY COMMENT 'tidelock:uuid')";

async fn snapshot_error(endpoint: &dyn Endpoint, rows: u64) -> EndpointError {
    let table = table(endpoint, "t").await;
    let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
    let snapshot = source.snapshot(std::slice::from_ref(&table), 1).await.unwrap();
    let chunks = match snapshot.chunks(&table, rows).await {
        Ok(chunks) => chunks,
        Err(error) => return error,
    };
    let mut reader = snapshot.reader().await.unwrap();
    reader.open(&table, &chunks[0]).await.unwrap();
    reader.next().await.expect_err("it cannot be read")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_uuid_in_capital_letters_is_refused_by_stream_and_snapshot_and_not_read_as_another_key() {
    for kind in KINDS {
        let Some(db) = database(kind, "capitals").await else { continue };
        db.execute(MADE).await.unwrap();
        let endpoint = endpoint(&db.url);
        let mut tail = Tail::open(&*endpoint, &["t"]).await;
        db.execute(&format!("INSERT INTO t VALUES (UPPER('{SMALL}'))")).await.unwrap();
        let streamed = within("the stream stops", stopped(&mut *tail.stream)).await;
        for rows in [1, 100] {
            let copied = snapshot_error(&*endpoint, rows).await;
            let words = copied.message.strip_prefix("reading ").unwrap();
            assert!(streamed.message.ends_with(&format!(": {words}")), "{kind}: {copied}: {streamed}");
            assert_eq!(words, "t.u: it is a UUID in capital letters".to_owned(), "{kind}");
            let hint = copied.hint.expect("a hint");
            assert!(streamed.hint.as_ref().is_some_and(|h| h.starts_with(&hint)), "{kind}: {hint}");
        }
        let remedy = snapshot_error(&*endpoint, 100).await.hint.unwrap();
        assert_eq!(remedy, "UPDATE `t` SET `u` = LOWER(`u`)", "{kind}");
        db.execute(&remedy).await.unwrap();
        let table = table(&*endpoint, "t").await;
        let mut expected = RowsWriter::new(table.clone());
        expected
            .row(|out| {
                out.value(&Value::Uuid(tidelock_model::parse_uuid(SMALL).unwrap()));
                Ok::<_, EndpointError>(())
            })
            .unwrap();
        let read = snapshot_rows(&*endpoint, &table, 100).await;
        let rows: Vec<_> =
            read.iter().flat_map(|r| r.images()).map(|i| i.unwrap().as_bytes().to_vec()).collect();
        let expected = expected.take();
        let expected: Vec<_> = expected.images().map(|i| i.unwrap().as_bytes().to_vec()).collect();
        assert_eq!(rows, expected, "{kind}");
    }
}
