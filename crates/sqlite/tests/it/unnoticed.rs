//! What happens to a file or a table while it is followed, at a moment or in a way that triggers do not tell.

use crate::world::World;
use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};
use tidelock_endpoint::{Checkpoint, ErrorKind};

/// Until a count is what it should be.
async fn until(db: &Connection, sql: &str, expected: i64) {
    let begun = Instant::now();
    while db.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap() != expected {
        assert!(begun.elapsed() < Duration::from_secs(20), "never {expected}: {sql}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const OURS: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'tidelock_*'";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_renamed_away_and_made_again_in_two_commits_is_told_from_its_beginning() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
    let mut follower = world.follow(&["t"]).await;
    let db = world.writer();
    db.execute_batch("ALTER TABLE t RENAME TO t_old").unwrap();
    until(&db, OURS, 0).await;
    db.execute_batch("BEGIN; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (2); COMMIT")
        .unwrap();
    assert_eq!(follower.changes(2).await, ["T t: ", "I t: Int(2)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_renamed_away_written_and_renamed_back_is_told_from_its_beginning() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
    let mut follower = world.follow(&["t"]).await;
    let db = world.writer();
    db.execute_batch("ALTER TABLE t RENAME TO t_old").unwrap();
    until(&db, OURS, 0).await;
    db.execute_batch("INSERT INTO t_old VALUES (2); ALTER TABLE t_old RENAME TO t").unwrap();
    assert_eq!(follower.changes(3).await, ["T t: ", "I t: Int(1)", "I t: Int(2)"]);
}

const UNIQUE: &str =
    "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER); INSERT INTO t VALUES ('a', 1), ('b', 2)";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_replaced_through_an_index_that_our_triggers_do_not_know_yet_is_made_good() {
    let world = World::new(UNIQUE);
    let mut follower = world.follow(&["t"]).await;
    // In one transaction: nobody can remake the triggers in between.
    world
        .writer()
        .execute_batch("BEGIN; CREATE UNIQUE INDEX i ON t (n); REPLACE INTO t VALUES ('c', 2); COMMIT")
        .unwrap();
    let seen = follower.all(&world.endpoint).await;
    let from = seen.iter().position(|change| change.starts_with('T')).expect("told from its beginning");
    assert_eq!(seen[from + 1..], ["I t: Text(\"a\"), Int(1)", "I t: Text(\"c\"), Int(2)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_replaced_while_a_trigger_of_ours_is_dropped_is_made_good() {
    let world = World::new(UNIQUE);
    world.writer().execute_batch("CREATE UNIQUE INDEX i ON t (n)").unwrap();
    let mut follower = world.follow(&["t"]).await;
    world
        .writer()
        .execute_batch("BEGIN; DROP TRIGGER tidelock_1_before_insert; REPLACE INTO t VALUES ('c', 2); COMMIT")
        .unwrap();
    let seen = follower.all(&world.endpoint).await;
    let from = seen.iter().position(|change| change.starts_with('T')).expect("told from its beginning");
    assert_eq!(seen[from + 1..], ["I t: Text(\"a\"), Int(1)", "I t: Text(\"c\"), Int(2)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_change_by_which_nothing_can_be_lost_does_not_empty_the_table() {
    let world = World::new(
        "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER UNIQUE, m INTEGER); CREATE UNIQUE INDEX i ON t (m); INSERT INTO t VALUES ('a', 1, 1)",
    );
    let mut follower = world.follow(&["t"]).await;
    let db = world.writer();
    // A later trigger, an index less, another index, a column more and one renamed.
    for sql in [
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
        "DROP INDEX i",
        "CREATE INDEX j ON t (m)",
        "ALTER TABLE t ADD COLUMN o INTEGER",
        "ALTER TABLE t RENAME COLUMN n TO p",
    ] {
        db.execute_batch(sql).unwrap();
        let sql = "INSERT INTO t (k, m) VALUES (hex(randomblob(8)), abs(random()))";
        db.execute_batch(sql).unwrap();
        let seen = follower.all(&world.endpoint).await;
        assert!(seen.iter().all(|change| !change.starts_with('T')), "{sql}: {seen:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_replaced_by_their_rowid_are_told_as_deleted() {
    let world = World::new(
        "CREATE TABLE t (k TEXT PRIMARY KEY); CREATE TABLE own (id INTEGER PRIMARY KEY, rowid TEXT);
         INSERT INTO t VALUES ('a'), ('b'), ('c'); INSERT INTO own VALUES (1, 'a'), (2, 'b')",
    );
    let mut follower = world.follow(&["t", "own"]).await;
    let db = world.writer();
    db.execute_batch("REPLACE INTO t (rowid, k) VALUES (1, 'x')").unwrap();
    assert_eq!(follower.changes(2).await, ["D t: Text(\"a\")", "I t: Text(\"x\")"]);
    db.execute_batch("UPDATE OR REPLACE t SET _rowid_ = 3 WHERE k = 'b'").unwrap();
    assert_eq!(follower.changes(2).await, ["D t: Text(\"c\")", "U t: Text(\"b\") → Text(\"b\")"]);
    db.execute_batch("UPDATE OR REPLACE own SET oid = 2 WHERE id = 1").unwrap();
    let expected = ["D own: Int(2), Text(\"b\")", "U own: Int(1), Text(\"a\") → Int(2), Text(\"a\")"];
    assert_eq!(follower.changes(2).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_replaced_by_a_default_in_place_of_null_are_told_as_deleted() {
    let world = World::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT 'it''s', b INTEGER NOT NULL DEFAULT -7, c TEXT NOT NULL DEFAULT \"d\",
           UNIQUE (a), UNIQUE (b), UNIQUE (c));
         INSERT INTO t (id) VALUES (1)",
    );
    let mut follower = world.follow(&["t"]).await;
    let db = world.writer();
    let mut rows = world.rows("t", 10).await.unwrap();
    for values in
        ["2, NULL, 2, '2'", "3, '3', 2, '3'", "4, NULL, NULL, NULL", "5, '5', NULL, '5'", "6, '6', 6, NULL"]
    {
        db.execute_batch(&format!("REPLACE INTO t VALUES ({values})")).unwrap();
        for change in follower.all(&world.endpoint).await {
            match change.split_once(" t: ").unwrap() {
                ("D", row) => rows.retain(|there| there != row),
                (_, row) => rows.push(row.to_owned()),
            }
        }
        assert_eq!(rows, world.rows("t", 10).await.unwrap(), "after {values}");
    }
}

/// Moves the file away, with what SQLite keeps beside it.
fn move_away(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let of = |name: &str| path.with_file_name(format!("{name}{end}"));
        if of("till.db").exists() {
            std::fs::rename(of("till.db"), of("away.db")).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_while_it_is_followed_is_a_lost_position() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let mut follower = world.follow(&["t"]).await;
    // The stream has opened the file.
    world.writer().execute_batch("INSERT INTO t VALUES (1)").unwrap();
    follower.changes(1).await;
    move_away(&world.path);
    world.writer().execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY)").unwrap();
    let error = loop {
        if let Err(error) = follower.step().await {
            break error;
        }
    };
    let lost = (ErrorKind::PositionLost, "TL-SQLITE-FILE-REPLACED");
    // Between the two moves there was none.
    assert!(
        [lost, (ErrorKind::Unavailable, "TL-SQLITE-FILE-GONE")].contains(&(error.kind, error.code)),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_into_a_file_that_was_moved_away() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let mut target = world.endpoint.target("job").await.unwrap();
    target.prepare("sqlite", &[]).await.unwrap();
    let mut loader = target.loader().await.unwrap();
    let checkpoint = Checkpoint { job: "job".into(), lane: "stream".into(), state: "1".into() };
    target.begin("shop").await.unwrap();
    target.commit(&checkpoint, &[]).await.unwrap();
    move_away(&world.path);
    assert_eq!(target.begin("shop").await.unwrap_err().code, "TL-SQLITE-FILE-GONE");
    world.writer().execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY)").unwrap();
    let error = target.begin("shop").await.unwrap_err();
    assert_eq!((error.kind, error.code), (ErrorKind::Unavailable, "TL-SQLITE-FILE-REPLACED"));
    loader.begin(&world.table("t").await, tidelock_endpoint::WriteMode::Upsert, "shop").await.unwrap();
    assert_eq!(loader.commit(&checkpoint).await.unwrap_err().code, "TL-SQLITE-FILE-REPLACED");
    // A new session finds the file that is there now.
    let mut again = world.endpoint.target("job").await.unwrap();
    again.prepare("sqlite", &[]).await.unwrap();
    again.begin("shop").await.unwrap();
    again.commit(&checkpoint, &[]).await.unwrap();
}
