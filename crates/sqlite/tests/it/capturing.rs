use crate::world::World;
use tidelock_endpoint::CaptureKind;

const T: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INTEGER)";

fn row(id: i64, u: &str, n: i64) -> String {
    format!("Int({id}), Text(\"{u}\"), Int({n})")
}

#[tokio::test(flavor = "multi_thread")]
async fn inserts_updates_and_deletes_have_their_images() {
    let world = World::new(T);
    let mut follower = world.follow(&["t"]).await;
    let db = world.writer();
    db.execute_batch(
        "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2); UPDATE t SET n = 9 WHERE id = 1; DELETE FROM t",
    )
    .unwrap();
    let expected = [
        format!("I t: {}", row(1, "a", 1)),
        format!("I t: {}", row(2, "b", 2)),
        format!("U t: {} → {}", row(1, "a", 1), row(1, "a", 9)),
        format!("D t: {}", row(1, "a", 9)),
        format!("D t: {}", row(2, "b", 2)),
    ];
    assert_eq!(follower.changes(5).await, expected);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    assert!(
        follower.times.iter().all(|t| (now - t).abs() < 60_000_000),
        "commit times: {:?}",
        follower.times
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_changes_is_told_with_both_keys() {
    let world = World::new(T);
    let db = world.writer();
    db.execute_batch("INSERT INTO t VALUES (1, 'a', 1)").unwrap();
    let mut follower = world.follow(&["t"]).await;
    db.execute_batch("UPDATE t SET id = 7; UPDATE t SET rowid = 8").unwrap();
    let expected = [
        format!("U t: {} → {}", row(1, "a", 1), row(7, "a", 1)),
        format!("U t: {} → {}", row(7, "a", 1), row(8, "a", 1)),
    ];
    assert_eq!(follower.changes(2).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_replace_removes_are_told_as_deleted() {
    let world = World::new(T);
    let db = world.writer();
    db.execute_batch("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)").unwrap();
    let mut follower = world.follow(&["t"]).await;
    // By the primary key; by the unique column; by both at once; by an update.
    db.execute_batch("REPLACE INTO t VALUES (1, 'x', 1); REPLACE INTO t VALUES (9, 'b', 9); REPLACE INTO t VALUES (3, 'x', 0)").unwrap();
    db.execute_batch("UPDATE OR REPLACE t SET u = 'b' WHERE id = 3").unwrap();
    let seen = follower.all(&world.endpoint).await;
    let expected = [
        format!("D t: {}", row(1, "a", 1)),
        format!("I t: {}", row(1, "x", 1)),
        format!("D t: {}", row(2, "b", 2)),
        format!("I t: {}", row(9, "b", 9)),
        format!("D t: {}", row(1, "x", 1)),
        format!("D t: {}", row(3, "c", 3)),
        format!("I t: {}", row(3, "x", 0)),
        format!("D t: {}", row(9, "b", 9)),
        format!("U t: {} → {}", row(3, "x", 0), row(3, "b", 0)),
    ];
    let sorted = |from: &[String]| {
        // Two rows that one statement removes come in any order.
        let mut all = from.to_vec();
        all[4..6].sort();
        all
    };
    assert_eq!(sorted(&seen), sorted(&expected));
    assert_eq!(world.rows("t", 10).await.unwrap(), [row(3, "b", 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ignored_or_becomes_an_update_deletes_nothing() {
    let world = World::new(T);
    let db = world.writer();
    db.execute_batch("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)").unwrap();
    let mut follower = world.follow(&["t"]).await;
    db.execute_batch(
        "INSERT OR IGNORE INTO t VALUES (5, 'a', 5); UPDATE OR IGNORE t SET u = 'b' WHERE id = 1",
    )
    .unwrap();
    db.execute_batch("INSERT INTO t VALUES (2, 'q', 2) ON CONFLICT (id) DO UPDATE SET n = 20").unwrap();
    assert!(db.execute_batch("INSERT INTO t VALUES (6, 'a', 6)").is_err());
    db.execute_batch("UPDATE t SET id = 4 WHERE id = 1; INSERT INTO t VALUES (1, 'z', 0)").unwrap();
    let expected = [
        format!("U t: {} → {}", row(2, "b", 2), row(2, "b", 20)),
        format!("U t: {} → {}", row(1, "a", 1), row(4, "a", 1)),
        format!("I t: {}", row(1, "z", 0)),
    ];
    assert_eq!(follower.all(&world.endpoint).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_rows_are_told_once_where_recursive_triggers_are_on() {
    let world = World::new(T);
    let db = world.writer();
    db.pragma_update(None, "recursive_triggers", true).unwrap();
    db.execute_batch("INSERT INTO t VALUES (1, 'a', 1)").unwrap();
    let mut follower = world.follow(&["t"]).await;
    db.execute_batch("REPLACE INTO t VALUES (2, 'a', 2)").unwrap();
    let expected = [format!("D t: {}", row(1, "a", 1)), format!("I t: {}", row(2, "a", 2))];
    assert_eq!(follower.all(&world.endpoint).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_without_rowid_and_with_long_keys_are_followed() {
    let world = World::new(
        "CREATE TABLE \"odd \"\"name\" (a TEXT, b REAL, \"c d\" BLOB, PRIMARY KEY (b, a)) WITHOUT ROWID;
         CREATE TABLE u (x TEXT NOT NULL, y INTEGER NOT NULL, z, UNIQUE (x, y))",
    );
    let mut follower = world.follow(&["odd \"name", "u"]).await;
    let db = world.writer();
    db.execute_batch("INSERT INTO \"odd \"\"name\" VALUES ('k', 5, x'00'); UPDATE \"odd \"\"name\" SET \"c d\" = NULL; DELETE FROM \"odd \"\"name\"").unwrap();
    db.execute_batch("INSERT INTO u VALUES ('k', 1, 'z'); REPLACE INTO u VALUES ('k', 1, 2)").unwrap();
    let expected = [
        "I odd \"name: Text(\"k\"), Float64(5.0), Bytes([0])",
        "U odd \"name: Text(\"k\"), Float64(5.0), Bytes([0]) → Text(\"k\"), Float64(5.0), Null",
        "D odd \"name: Text(\"k\"), Float64(5.0), Null",
        "I u: Text(\"k\"), Int(1), Text(\"z\")",
        "D u: Text(\"k\"), Int(1), Text(\"z\")",
        "I u: Text(\"k\"), Int(1), Int(2)",
    ];
    assert_eq!(follower.changes(6).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_refused_as_a_way_of_capture() {
    let world = World::new(T);
    let Err(error) = world.endpoint.source(CaptureKind::Log).await else { panic!() };
    assert_eq!(error.code, "TL-SQLITE-CAPTURE");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_at_once_lose_nothing_and_keep_their_transactions_whole() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY, writer INTEGER, n INTEGER)");
    let mut follower = world.follow(&["t"]).await;
    const WRITERS: i64 = 4;
    const EACH: i64 = 40;
    let threads: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let db = world.writer();
            std::thread::spawn(move || {
                for n in 0..EACH {
                    let sql = format!(
                        "BEGIN IMMEDIATE; INSERT INTO t (writer, n) VALUES ({writer}, {n}); INSERT INTO t (writer, n) VALUES ({writer}, {n}); COMMIT"
                    );
                    db.execute_batch(&sql).unwrap();
                }
            })
        })
        .collect();
    let seen = follower.changes((2 * WRITERS * EACH) as usize).await;
    threads.into_iter().for_each(|t| t.join().unwrap());
    for pair in seen.chunks(2) {
        let of = |text: &str| text.split_once(", ").unwrap().1.to_owned();
        assert_eq!(of(&pair[0]), of(&pair[1]), "the two rows of a transaction stand together");
    }
    // Commits are told apart by the log, but for those that it no longer knew.
    assert!(follower.commits.len() > (WRITERS * EACH / 2) as usize, "{} commits", follower.commits.len());
}
