//! Columns that the server computes: rows and changes come without them.

use crate::common::*;
use std::sync::Arc;
use tidelock_testkit::{lab::Options, private_server};

const MADE: &str = "CREATE TABLE t (price decimal(20,4) as (net * 2) virtual, id int primary key, label varchar(300) as (concat('#', name)) stored, \
    name varchar(40), day date as (date(at)) stored, at datetime(3), net decimal(10,2), kind enum('a','b') as (if(id > 1, 'b', 'a')) stored, n int)";

/// Virtual and stored ones, in front, in the middle and behind the key, with and without the columns' names in the log.
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_table_with_generated_columns_come_without_them() {
    for kind in KINDS {
        for metadata in ["FULL", "MINIMAL"] {
            let options = Options::default().with("binlog-row-metadata", metadata);
            let Some(private) = private_server(kind, options).await else { continue };
            let db = private.server.fresh_database("generated").await;
            db.execute(MADE).await.unwrap();
            let endpoint = endpoint(&db.url);
            let mut tail = Tail::open(&*endpoint, &["t"]).await;
            for image in ["FULL", "MINIMAL"] {
                db.execute(&format!(
                    "SET SESSION binlog_row_image='{image}'; INSERT INTO t (id, name, at, net, n) VALUES (1, 'x', '2024-05-06 07:08:09.5', 2.50, 7); \
                     UPDATE t SET name = 'y', net = NULL WHERE id = 1; UPDATE t SET id = 2; TRUNCATE TABLE t; \
                     INSERT INTO t (id, name, at, net, n) VALUES (3, NULL, NULL, NULL, 9); DELETE FROM t"
                ))
                .await
                .unwrap();
                let batches = tail.catch_up(&*endpoint).await;
                let mut lines = told(&batches);
                lines.retain(|l| l != "begin" && l != "commit");
                let inserted = "insert t {id=1, name=x, at=2024-05-06 07:08:09.5, net=2.50, n=7}";
                assert_eq!(lines.first().map(String::as_str), Some(inserted), "{kind} {metadata} {image}");
                assert_eq!(lines.len(), 6, "{kind} {metadata} {image}: {lines:#?}");
                assert_eq!(lines[3], "truncate t");
                assert_eq!(
                    lines[4], "insert t {id=3, name=NULL, at=NULL, net=NULL, n=9}",
                    "{kind} {metadata}"
                );
                let (first, key) = match image {
                    "FULL" => (
                        "update t {id=1, name=x, at=2024-05-06 07:08:09.5, net=2.50, n=7} -> {id=1, name=y, at=2024-05-06 07:08:09.5, net=NULL, n=7}",
                        "update t {id=1, name=y, at=2024-05-06 07:08:09.5, net=NULL, n=7} -> {id=2, name=y, at=2024-05-06 07:08:09.5, net=NULL, n=7}",
                    ),
                    _ => ("update t {id=1} -> {id=1, name=y, net=NULL}", "update t {id=1} -> {id=2}"),
                };
                assert_eq!((&*lines[1], &*lines[2]), (first, key), "{kind} {metadata} {image}");
                let table = Arc::new(table(&*endpoint, "t").await.without_generated());
                let carried = batches.iter().flat_map(|b| b.tables()).all(|t| *t == table);
                assert!(carried, "{kind}: rows and changes are of the same table");
            }
        }
    }
}
