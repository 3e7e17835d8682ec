//! Labels of ENUM and SET that are written with a backslash.

use crate::common::*;

#[tokio::test(flavor = "multi_thread")]
async fn labels_with_backslashes_and_line_breaks_are_the_same_from_the_stream_and_from_the_snapshot() {
    for kind in KINDS {
        for mode in ["", "NO_BACKSLASH_ESCAPES"] {
            let Some(db) = database(kind, "labels").await else { continue };
            let made = "CREATE TABLE t (id int primary key, e enum('a\\b','c\nd','e\rf','g''h'), s set('\\n','\\\\','i'))";
            let made = if mode.is_empty() { made.replace('\\', "\\\\") } else { made.to_owned() };
            db.execute(&format!("SET SESSION sql_mode='{mode}'; {made}")).await.unwrap();
            let endpoint = endpoint(&db.url);
            let mut tail = Tail::open(&*endpoint, &["t"]).await;
            db.execute("INSERT INTO t VALUES (1, 1, 1), (2, 2, 2), (3, 3, 4), (4, 4, 7)").await.unwrap();
            let mut streamed = told(&tail.catch_up(&*endpoint).await);
            streamed.retain_mut(|l| {
                l.strip_prefix("insert t ").map(str::to_owned).inspect(|row| *l = row.clone()).is_some()
            });
            let table = table(&*endpoint, "t").await;
            let mut copied = Vec::new();
            for rows in snapshot_rows(&*endpoint, &table, 10).await {
                copied.extend(rows.images().map(|image| shown(&table, image.unwrap())));
            }
            assert_eq!(copied.len(), 4, "{kind}");
            assert_eq!(streamed, copied, "{kind}, made under '{mode}'");
            assert!(streamed[0].contains("e=a\\b, s=\\n}"), "{kind}: {streamed:?}");
        }
    }
}
