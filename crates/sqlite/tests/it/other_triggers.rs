//! Triggers of the users that write the followed table too. SQLite fires what was made last first, and TEMP triggers before all others.

use crate::world::{World, until_true};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Rows by their first column, as a target has them after these changes.
fn follow_up(rows: &mut BTreeMap<String, String>, seen: &[String]) {
    let key = |row: &str| row.split_once(", ").map_or(row, |(key, _)| key).to_owned();
    for change in seen {
        let (what, images) = change.split_once(" t: ").unwrap();
        let (before, after) = images.split_once(" → ").unwrap_or((images, images));
        match what {
            "T" => rows.clear(),
            "D" => drop(rows.remove(&key(before))),
            "U" | "I" => {
                rows.remove(&key(before));
                rows.insert(key(after), after.to_owned());
            }
            other => panic!("{other}"),
        }
    }
}

struct Case {
    hazard: &'static str,
    table: &'static str,
    /// Behind `CREATE TRIGGER`.
    trigger: &'static str,
    writes: &'static str,
}

const PLAIN: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INTEGER); INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)";
const NO_ROWID: &str = "CREATE TABLE t (id TEXT PRIMARY KEY, u TEXT UNIQUE, n INTEGER) WITHOUT ROWID; INSERT INTO t VALUES ('1', 'a', 1), ('2', 'b', 2)";
const LOOSE: &str =
    "CREATE TABLE t (id TEXT COLLATE NOCASE PRIMARY KEY, n INTEGER); INSERT INTO t VALUES ('A', 1), ('B', 2)";

const CASES: &[Case] = &[
    Case {
        hazard: "an update of the updated row",
        table: PLAIN,
        trigger: "x AFTER UPDATE ON t WHEN NEW.u <> 'touched' BEGIN UPDATE t SET u = 'touched' WHERE id = NEW.id; END",
        writes: "UPDATE t SET n = 7 WHERE id = 1",
    },
    Case {
        hazard: "an update of the inserted row",
        table: PLAIN,
        trigger: "x AFTER INSERT ON t BEGIN UPDATE t SET u = 'touched' WHERE id = NEW.id; END",
        writes: "INSERT INTO t VALUES (5, 'e', 5)",
    },
    Case {
        hazard: "an update of the inserted row without a rowid",
        table: NO_ROWID,
        trigger: "x AFTER INSERT ON t BEGIN UPDATE t SET u = 'touched' WHERE id = NEW.id; END",
        writes: "INSERT INTO t VALUES ('5', 'e', 5); REPLACE INTO t VALUES ('2', 'c', 9)",
    },
    Case {
        hazard: "a deleted row that comes back",
        table: PLAIN,
        trigger: "x AFTER DELETE ON t BEGIN INSERT INTO t VALUES (OLD.id, 'back', OLD.n); END",
        writes: "DELETE FROM t WHERE id = 1",
    },
    Case {
        hazard: "an inserted row that goes",
        table: PLAIN,
        trigger: "x AFTER INSERT ON t BEGIN DELETE FROM t WHERE id = NEW.id; END",
        writes: "INSERT INTO t VALUES (5, 'e', 5)",
    },
    Case {
        hazard: "an updated row that goes",
        table: PLAIN,
        trigger: "x AFTER UPDATE ON t BEGIN DELETE FROM t WHERE id = NEW.id; END",
        writes: "UPDATE t SET n = 5 WHERE id = 1; UPDATE t SET id = 9 WHERE id = 2",
    },
    Case {
        hazard: "an inserted row that gets another key",
        table: PLAIN,
        trigger: "x AFTER INSERT ON t BEGIN UPDATE t SET id = NEW.id + 100 WHERE id = NEW.id; END",
        writes: "INSERT INTO t VALUES (5, 'e', 5)",
    },
    Case {
        hazard: "a row under the key that another one gave up",
        table: PLAIN,
        trigger: "x AFTER UPDATE OF id ON t BEGIN INSERT INTO t VALUES (OLD.id, 'heir', OLD.n); END",
        writes: "UPDATE t SET id = 9 WHERE id = 1",
    },
    Case {
        hazard: "a row under the key that a row gave up which then goes",
        table: PLAIN,
        trigger: "x AFTER UPDATE OF id ON t BEGIN INSERT INTO t VALUES (OLD.id, 'heir', OLD.n); DELETE FROM t WHERE id = NEW.id; END",
        writes: "UPDATE t SET id = 9 WHERE id = 1",
    },
    Case {
        hazard: "a replacement within a replacement",
        table: PLAIN,
        trigger: "x AFTER INSERT ON t WHEN NEW.id < 100 BEGIN REPLACE INTO t VALUES (NEW.id + 100, 'b', 0); END",
        writes: "REPLACE INTO t VALUES (9, 'a', 9)",
    },
    Case {
        hazard: "a key that becomes another one of the same collation",
        table: LOOSE,
        trigger: "x AFTER INSERT ON t BEGIN UPDATE t SET id = lower(NEW.id) WHERE id = NEW.id; END",
        writes: "INSERT INTO t VALUES ('C', 3); UPDATE t SET id = 'a' WHERE id = 'A'; REPLACE INTO t VALUES ('b', 4)",
    },
];

fn recursive(db: &Connection, on: bool) {
    db.pragma_update(None, "recursive_triggers", on).unwrap();
}

/// What is wrong, where something is.
async fn told(case: &Case, temporary: bool, with_recursion: bool) -> Option<String> {
    let world = World::new(case.table);
    let mut follower = world.follow(&["t"]).await;
    let mut rows = BTreeMap::new();
    let stored = world.rows("t", 10).await.unwrap();
    let inserts: Vec<String> = stored.iter().map(|row| format!("I t: {row}")).collect();
    follow_up(&mut rows, &inserts);
    let db = world.writer();
    recursive(&db, with_recursion);
    let temp = if temporary { "TEMP " } else { "" };
    // In one transaction: nobody can remake our triggers in between.
    db.execute_batch(&format!("BEGIN; CREATE {temp}TRIGGER {}; {}; COMMIT", case.trigger, case.writes))
        .unwrap();
    let seen = follower.all(&world.endpoint).await;
    follow_up(&mut rows, &seen);
    let mut there = world.rows("t", 10).await.unwrap();
    let mut told: Vec<String> = rows.into_values().collect();
    told.sort();
    there.sort();
    (told != there).then(|| {
        let kind = format!("{}, temporary {temporary}, recursive {with_recursion}", case.hazard);
        format!("{kind}: told {told:#?}, there {there:#?}, by {seen:#?}")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_change_told_is_what_stands_in_the_table_though_others_triggers_fire_first() {
    let mut wrong = Vec::new();
    for case in CASES {
        for (temporary, with_recursion) in [(true, false), (true, true), (false, false), (false, true)] {
            wrong.extend(told(case, temporary, with_recursion).await);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_foreign_key_changes_in_the_updated_row_itself_is_told() {
    let world = World::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES t (id) ON UPDATE CASCADE); INSERT INTO t VALUES (1, 1)",
    );
    let mut follower = world.follow(&["t"]).await;
    let db = world.writer();
    db.pragma_update(None, "foreign_keys", true).unwrap();
    db.execute_batch("UPDATE t SET id = 2").unwrap();
    let mut rows = BTreeMap::from([("Int(1)".to_owned(), "Int(1), Int(1)".to_owned())]);
    follow_up(&mut rows, &follower.all(&world.endpoint).await);
    assert_eq!(rows.into_values().collect::<Vec<_>>(), world.rows("t", 10).await.unwrap());
}

/// Until our triggers were made anew, behind that of the user.
async fn until_ours_are_later(db: &Connection) {
    let sql = "SELECT (SELECT min(rowid) FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'tidelock_*') > \
               (SELECT max(rowid) FROM sqlite_schema WHERE type = 'trigger' AND name NOT GLOB 'tidelock_*')";
    until_true(db, "our triggers are the later ones", sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_trigger_is_noticed_and_its_changes_come_behind_those_that_they_follow_from() {
    let world = World::new(PLAIN);
    let mut follower = world.follow(&["t"]).await;
    let db = world.writer();
    db.execute_batch(&format!("CREATE TRIGGER {}", CASES[0].trigger)).unwrap();
    until_ours_are_later(&db).await;
    db.execute_batch(CASES[0].writes).unwrap();
    let expected = [
        "U t: Int(1), Text(\"a\"), Int(1) → Int(1), Text(\"a\"), Int(7)",
        "U t: Int(1), Text(\"a\"), Int(7) → Int(1), Text(\"touched\"), Int(7)",
    ];
    assert_eq!(follower.changes(2).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_trigger_kept_from_us_is_made_good() {
    let world = World::new(PLAIN);
    let mut follower = world.follow(&["t"]).await;
    let db = world.writer();
    db.execute_batch(
        "BEGIN; CREATE TRIGGER x AFTER DELETE ON t BEGIN SELECT RAISE ( IGNORE ); END; DELETE FROM t WHERE id = 1; COMMIT",
    )
    .unwrap();
    assert_eq!(follower.changes(2).await, ["T t: ", "I t: Int(2), Text(\"b\"), Int(2)"]);
    db.execute_batch("DELETE FROM t").unwrap();
    assert_eq!(follower.changes(1).await, ["D t: Int(2), Text(\"b\"), Int(2)"]);
}
