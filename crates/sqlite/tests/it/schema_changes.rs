use crate::world::{World, until_true};

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_added_is_captured_with_nothing_lost_in_between() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'a')");
    let mut follower = world.follow(&["t"]).await;
    let db = world.writer();
    // In one transaction: nobody can remake the triggers in between.
    db.execute_batch(
        "BEGIN; ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 5; INSERT INTO t VALUES (2, 'b', 7); COMMIT",
    )
    .unwrap();
    let seen = follower.changes(3).await;
    assert_eq!(seen[0], "I t: Int(2), Text(\"b\")");
    assert!(seen[1].ends_with("→ Int(1), Text(\"a\"), Int(5)"), "{seen:?}");
    assert!(seen[2].ends_with("→ Int(2), Text(\"b\"), Int(7)"), "{seen:?}");
    db.execute_batch("UPDATE t SET b = 8 WHERE id = 2").unwrap();
    assert_eq!(follower.changes(1).await, ["U t: Int(2), Text(\"b\"), Int(7) → Int(2), Text(\"b\"), Int(8)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_made_anew_under_its_name_is_told_from_its_beginning() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'a')");
    let mut follower = world.follow(&["t"]).await;
    let db = world.writer();
    db.execute_batch(
        "BEGIN; CREATE TABLE n (id INTEGER PRIMARY KEY, a VARCHAR(9)); INSERT INTO n SELECT * FROM t; INSERT INTO n VALUES (2, 'b');
         DROP TABLE t; ALTER TABLE n RENAME TO t; COMMIT",
    )
    .unwrap();
    let expected = ["T t: ", "I t: Int(1), Text(\"a\")", "I t: Int(2), Text(\"b\")"];
    assert_eq!(follower.changes(3).await, expected);
    db.execute_batch("DELETE FROM t WHERE id = 1").unwrap();
    assert_eq!(follower.changes(1).await, ["D t: Int(1), Text(\"a\")"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_renamed_is_not_told_under_its_old_name() {
    let world =
        World::new("CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TABLE s (id INTEGER PRIMARY KEY)");
    let mut follower = world.follow(&["t", "s"]).await;
    let db = world.writer();
    db.execute_batch("ALTER TABLE t RENAME TO other").unwrap();
    let none = "SELECT count(*) = 0 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'other'";
    until_true(&db, "the triggers are removed", none).await;
    db.execute_batch("INSERT INTO other VALUES (1); INSERT INTO s VALUES (2)").unwrap();
    assert_eq!(follower.changes(1).await, ["I s: Int(2)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_index_and_a_vacuum_disturb_nothing_and_a_unique_one_is_watched() {
    let world = World::new("CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER); INSERT INTO t VALUES ('a', 1)");
    let mut follower = world.follow(&["t"]).await;
    let db = world.writer();
    db.execute_batch("CREATE INDEX j ON t (n); VACUUM; INSERT INTO t VALUES ('b', 2)").unwrap();
    assert_eq!(follower.changes(1).await, ["I t: Text(\"b\"), Int(2)"]);
    // What was replaced through a unique index before our triggers watched it is not known.
    db.execute_batch("CREATE UNIQUE INDEX i ON t (n)").unwrap();
    assert_eq!(follower.changes(3).await[0], "T t: ");
    db.execute_batch("REPLACE INTO t VALUES ('c', 2)").unwrap();
    assert_eq!(follower.changes(2).await, ["D t: Text(\"b\"), Int(2)", "I t: Text(\"c\"), Int(2)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_may_join_the_capture_while_it_runs() {
    let world = World::new("CREATE TABLE t0 (id INTEGER PRIMARY KEY)");
    let mut follower = world.follow(&["t0"]).await;
    let db = world.writer();
    for n in 1..20 {
        db.execute_batch(&format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY, x{n})")).unwrap();
        world.captured(&[&format!("t{n}")]).await;
        db.execute_batch(&format!("INSERT INTO t{n} VALUES (1, 2); INSERT INTO t0 VALUES ({n})")).unwrap();
    }
    let expected: Vec<_> = (1..20).map(|n| format!("I t0: Int({n})")).collect();
    assert_eq!(follower.changes(19).await, expected);
}
