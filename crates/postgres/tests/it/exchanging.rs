//! Rows that pass unique values to each other, more of them than are held at a time.

use crate::common::*;
use crate::writing::{checkpoint, target};
use tidelock_endpoint::{Delta, Update};
use tidelock_model::{Image, Value};

const ROWS: i64 = 250;

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_that_pass_keys_and_unique_values_in_a_circle_all_come_back() {
    for kind in KINDS {
        let Some(db) = database(kind, "exchange").await else { continue };
        db.execute(&format!(
            "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, twice int GENERATED ALWAYS AS (id * 2) STORED);
             INSERT INTO t SELECT n, 'c' || n FROM generate_series(1, {ROWS}) n"
        ))
        .await
        .unwrap();
        let (table, mut target) = (table(&*endpoint(&db.url), "t").await, target(&db.url).await);
        let next = |id: i64| id % ROWS + 1;
        let row = |id: i64, code: i64| {
            whole(&[Value::Int(id), Value::Text(&format!("c{code}")), Value::Int(id * 2)])
        };
        // Each row gets the key of the next and the code of the one behind that; one is not there.
        let mut pairs: Vec<_> = (1..=ROWS).map(|id| (row(id, id), row(next(id), next(next(id))))).collect();
        pairs.insert(7, (row(9_999, 0), row(9_998, 0)));
        let updates: Vec<_> = pairs
            .iter()
            .map(|(key, set)| Update { key: Image::from_bytes(key), set: Image::from_bytes(set) })
            .collect();
        target.begin("shop").await.unwrap();
        for _ in 0..2 {
            let applied =
                target.apply(&[Delta { updates: updates.clone(), ..Delta::new(&table) }]).await.unwrap();
            assert_eq!(applied.missing, 1, "{kind}");
        }
        target.commit(&checkpoint(), &[]).await.unwrap();
        let wrong = format!(
            "SELECT count(*) || ' ' || count(*) FILTER (WHERE code = 'c' || id % {ROWS} + 1 AND twice = id * 2) FROM t"
        );
        assert_eq!(db.value(&wrong).await.unwrap(), Some(format!("{ROWS} {ROWS}")), "{kind}");
    }
}
