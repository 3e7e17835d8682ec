//! What would lose rows in silence: each is refused with what to do, or ends equal.

use crate::service::Service;
use crate::support::{Place, Ran, open, sql};
use std::process::Stdio;
use std::time::Duration;
use tidelock_testkit::{Kind, database, spawn_guarded, until};

const LONG: Duration = Duration::from_secs(60);

const ONE_WAY: &str = "
endpoints: { shop: 'sqlite:./shop.db', crm: 'sqlite:./crm.db' }
jobs:
  one-way: { source: shop, target: crm, tables: [items] }
";

const TWO_WAY: &str = "
endpoints: { shop: 'sqlite:./shop.db', crm: 'sqlite:./crm.db' }
jobs:
  both: { between: [shop, crm], tables: [items], conflicts: { resolve: last_update_wins, version: version } }
";

fn place(config: &str) -> Place {
    let place = Place::with_config(config);
    sql(
        &place,
        "shop",
        "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, version INTEGER); \
                         INSERT INTO items VALUES (1, 'one', 1), (2, 'two', 1), (3, 'three', NULL)",
    );
    sql(&place, "crm", "SELECT 1");
    place.run(&["sync"]).done();
    place
}

fn rows(place: &Place, name: &str, table: &str) -> String {
    let sql = format!(
        "SELECT coalesce(group_concat(id || name, ' '), '') FROM (SELECT * FROM {table} ORDER BY id)"
    );
    open(place, name).query_row(&sql, [], |r| r.get(0)).unwrap()
}

#[test]
fn a_table_that_is_gone_at_the_target_is_not_made_again_empty() {
    let place = place(ONE_WAY);
    sql(&place, "crm", "DROP TABLE items");
    sql(&place, "shop", "INSERT INTO items VALUES (4, 'four', 1)");
    place.run(&["sync"]).refused("TL-SYNC-TARGET-GONE");
    place.run(&["sync", "one-way", "--full", "--tables", "items"]).done();
    assert_eq!(rows(&place, "crm", "items"), rows(&place, "shop", "items"));
}

#[test]
fn a_table_that_gets_another_name_at_the_target_is_copied_there() {
    let place = place(ONE_WAY);
    sql(&place, "shop", "INSERT INTO items VALUES (4, 'four', 1)");
    place.write("tidelock.yaml", &ONE_WAY.replace("[items]", "[{ name: items, to: goods }]"));
    place.run(&["sync"]).done();
    assert_eq!(rows(&place, "crm", "goods"), rows(&place, "shop", "items"));
}

#[test]
fn a_table_that_left_the_job_and_comes_back_has_what_was_changed_meanwhile() {
    let place = place(ONE_WAY);
    let other = "  other: { source: shop, target: crm, tables: [{ name: items, to: copies }] }\n";
    let without = ONE_WAY.replace("[items]", "[more]") + other;
    sql(&place, "shop", "CREATE TABLE more (id INTEGER PRIMARY KEY, name TEXT)");
    for config in [ONE_WAY.to_owned() + other, without, ONE_WAY.to_owned() + other] {
        place.write("tidelock.yaml", &config);
        sql(&place, "shop", "UPDATE items SET name = name || '!' WHERE id = 1");
        place.run(&["sync"]).done();
    }
    assert_eq!(rows(&place, "crm", "items"), rows(&place, "shop", "items"));
    assert_eq!(rows(&place, "crm", "copies"), rows(&place, "shop", "items"));
}

#[test]
fn a_table_made_anew_at_one_side_of_a_two_way_job_does_not_empty_the_other() {
    let place = place(TWO_WAY);
    let before = rows(&place, "crm", "items");
    sql(
        &place,
        "shop",
        "BEGIN; CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT, version INTEGER); INSERT INTO new SELECT * FROM items; \
                         DROP TABLE items; ALTER TABLE new RENAME TO items; COMMIT",
    );
    place.run(&["sync"]).refused("TL-SYNC-TWO-WAY-TRUNCATE");
    assert_eq!(rows(&place, "crm", "items"), before);
    place.run(&["sync", "--full"]).done();
    assert_eq!((rows(&place, "crm", "items"), rows(&place, "shop", "items")), (before.clone(), before));
}

#[test]
fn sides_that_forget_to_raise_the_version_end_equal_all_the_same() {
    let place = place(TWO_WAY);
    for (name, side) in [("shop", "here"), ("crm", "there")] {
        sql(&place, name, &format!("UPDATE items SET name = '{side}'"));
    }
    place.run(&["sync"]).done();
    assert_eq!(rows(&place, "crm", "items"), "1here 2here 3here", "shop comes first");
    assert_eq!(rows(&place, "shop", "items"), "1here 2here 3here");
}

/// Puts the state directory in the place of `to`, or takes it from there.
fn back_up(place: &Place, from: &str, to: &str) {
    let to = place.path(to);
    assert!(!to.exists() || std::fs::remove_dir_all(&to).is_ok());
    let done = std::process::Command::new("cp").arg("-a").args([place.path(from), to]).status().unwrap();
    assert!(done.success());
}

/// The state directory is older than the target. A sync that took long has let the source forget what it knew to be durable: then that is told.
fn too_old(ran: &Ran) {
    let told = ["TL-SYNC-STATE-OLD", "TL-SQLITE-POSITION-LOST"].iter().any(|code| ran.err.contains(code));
    assert!(ran.code == 1 && told, "{}", ran.transcript());
}

#[test]
fn a_state_directory_from_a_backup_is_refused_until_everything_is_copied_anew() {
    let place = place(ONE_WAY);
    back_up(&place, "tidelock-state", "backup");
    for n in 4..8 {
        sql(&place, "shop", &format!("INSERT INTO items VALUES ({n}, 'new', 1)"));
        place.run(&["sync"]).done();
    }
    back_up(&place, "backup", "tidelock-state");
    for n in 8..14 {
        sql(&place, "shop", &format!("INSERT INTO items VALUES ({n}, 'newer', 1)"));
        too_old(&place.run(&["sync"]));
    }
    place.run(&["sync", "--full"]).done();
    assert_eq!(rows(&place, "crm", "items"), rows(&place, "shop", "items"));
}

/// What the journal lost and what came later are read as one transaction, which gets the number at which the target stands. A server's login takes so long that it is
/// in the journal before the flow looks; the second job looks only in the next run.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_that_is_one_transaction_too_old_is_refused_although_the_journal_has_that_number_again()
 {
    let Some(there) = database(Kind::Postgres18, "state_old").await else { return };
    let place = Place::with_config(&format!(
        "
endpoints: {{ shop: 'sqlite:./shop.db', there: '{}' }}
jobs:
  one: {{ source: shop, target: there, tables: [items] }}
  other: {{ source: shop, target: there, tables: [goods] }}
",
        there.url
    ));
    let both = |statement: &str| {
        let all = ["items", "goods"].map(|table| statement.replace("{}", table));
        sql(&place, "shop", &format!("BEGIN; {}; COMMIT", all.join("; ")));
    };
    both("CREATE TABLE {} (id INTEGER PRIMARY KEY, name TEXT)");
    both("INSERT INTO {} VALUES (1, 'one')");
    place.run(&["sync"]).done();
    back_up(&place, "tidelock-state", "backup");
    both("INSERT INTO {} VALUES (2, 'two')");
    place.run(&["sync"]).done();
    back_up(&place, "backup", "tidelock-state");
    both("INSERT INTO {} VALUES (3, 'three')");
    for job in ["one", "other", "one", "other"] {
        too_old(&place.run(&["sync", job]));
    }
    place.run(&["sync", "--full"]).done();
    for table in ["items", "goods"] {
        let all = format!("SELECT string_agg(id || name, ' ' ORDER BY id) FROM {table}");
        assert_eq!(there.value(&all).await.unwrap(), Some(rows(&place, "shop", table)));
    }
}

#[test]
fn another_file_in_the_place_of_the_one_that_was_followed_is_refused_until_all_is_copied_anew() {
    let place = place(ONE_WAY);
    for end in ["", "-wal", "-shm"] {
        let file = place.path(&format!("shop.db{end}"));
        assert!(!file.exists() || std::fs::rename(&file, place.path(&format!("old.db{end}"))).is_ok());
    }
    sql(
        &place,
        "shop",
        "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, version INTEGER); INSERT INTO items VALUES (1, 'other', 1)",
    );
    for _ in 0..2 {
        let ran = place.run(&["sync"]);
        assert!(ran.code == 1 && ran.err.contains("sync --full"), "{}", ran.transcript());
    }
    sql(&place, "crm", "DELETE FROM items");
    place.run(&["sync", "--full"]).done();
    sql(&place, "shop", "INSERT INTO items VALUES (2, 'more', 1)");
    place.run(&["sync"]).done();
    assert_eq!(rows(&place, "crm", "items"), "1other 2more");
}

#[test]
fn two_configurations_that_use_one_name_for_two_databases_do_not_take_each_others_changes_for_their_own() {
    let first = place(ONE_WAY);
    let (crm, archive) = (first.path("crm.db"), first.path("archive.db"));
    let second = Place::with_config(&format!(
        "endpoints: {{ crm: 'sqlite:{}', shop: 'sqlite:{}' }}\njobs:\n  on: {{ source: crm, target: shop, tables: [items] }}\n",
        crm.display(),
        archive.display()
    ));
    sql(&first, "archive", "SELECT 1");
    second.run(&["sync"]).done();
    sql(&first, "shop", "INSERT INTO items VALUES (4, 'four', 1)");
    first.run(&["sync"]).done();
    second.run(&["sync"]).done();
    assert_eq!(rows(&first, "archive", "items"), rows(&first, "shop", "items"));
}

#[test]
fn a_job_that_left_the_configuration_holds_the_journal_no_more() {
    let config =
        ONE_WAY.to_owned() + "  left: { source: shop, target: crm, tables: [{ name: items, to: copies }] }\n";
    let place = place(&config);
    let readers = || {
        let status = place.run(&["status", "--json"]).done().json().pop().unwrap();
        status["journals"]["shop"]["readers"].as_array().unwrap().len()
    };
    assert_eq!(readers(), 2);
    place.write("tidelock.yaml", ONE_WAY);
    place.run(&["sync"]).done();
    assert_eq!(readers(), 1);
}

#[tokio::test]
async fn a_full_copy_that_was_broken_off_is_not_taken_for_whole() {
    let place = place(ONE_WAY);
    let lock = open(&place, "crm");
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let journal =
        || std::fs::metadata(place.path("tidelock-state/journal/shop.db")).and_then(|m| m.modified()).ok();
    let before = journal();
    let mut copying = spawn_guarded(&place.command(&["sync", "--full"]), Stdio::inherit()).unwrap();
    let made_anew = async || {
        assert!(copying.try_wait().unwrap().is_none(), "it ended before the target was free");
        let now = journal();
        now.is_some() && now != before
    };
    until("the journal is made anew", made_anew).await;
    copying.kill().unwrap();
    copying.wait().unwrap();
    lock.execute_batch("ROLLBACK").unwrap();
    for _ in 0..2 {
        place.run(&["sync"]).refused("TL-SYNC-STATE-OLD");
    }
    place.run(&["sync", "--full"]).done();
    place.run(&["sync"]).done();
}

#[tokio::test]
async fn a_journal_that_is_full_before_the_first_copy_is_whole_holds_nothing_up() {
    let place = Place::with_config(&format!("journal: {{ max_size: 1MiB }}{ONE_WAY}"));
    sql(
        &place,
        "shop",
        "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, version INTEGER); \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) INSERT INTO items SELECT i, 'row', 1 FROM n",
    );
    sql(&place, "crm", "SELECT 1");
    let mut service = Service::start(&place);
    service.wait("the copy", LONG, async |s| s.told(|e| e["event"] == "rows")).await;
    for part in 0..40 {
        let first = 1_000_000 + part * 1000;
        sql(
            &place,
            "shop",
            &format!(
                "WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {first} + 999) \
                 INSERT INTO items SELECT i, hex(zeroblob(50)), 1 FROM n"
            ),
        );
    }
    let count = || open(&place, "crm").query_row("SELECT count(*) FROM items", [], |r| r.get::<_, i64>(0));
    // What finds the journal full tries again after pauses of up to half a minute.
    service.wait("all rows", 3 * LONG, async |_| count().is_ok_and(|n| n == 440_000)).await;
    service.stop();
}

#[tokio::test]
async fn jobs_that_form_a_ring_do_not_send_a_change_round_it() {
    let place = Place::with_config(
        "
endpoints: { aa: 'sqlite:./aa.db', shop: 'sqlite:./shop.db', crm: 'sqlite:./crm.db' }
jobs:
  into: { source: aa, target: shop, tables: [items] }
  both: { between: [shop, crm], tables: [items], conflicts: { resolve: last_update_wins, version: version } }
",
    );
    for name in ["aa", "shop", "crm"] {
        sql(&place, name, "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, version INTEGER)");
    }
    let mut service = Service::start(&place);
    service.wait("all follow", LONG, async |s| s.count(crate::service::phase("following")) >= 3).await;
    for id in 1..=20 {
        sql(
            &place,
            "aa",
            &format!(
                "INSERT INTO items VALUES ({id}, 'new', 1); UPDATE items SET name = 'changed' WHERE id = {id}"
            ),
        );
    }
    let arrived = |id: i64| {
        let sql = format!("SELECT count(*) FROM items WHERE id = {id}");
        open(&place, "crm").query_row(&sql, [], |r| r.get::<_, i64>(0)).is_ok_and(|n| n == 1)
    };
    service.wait("the last change", LONG, async |_| arrived(20)).await;
    for id in 21..=23 {
        sql(&place, "aa", &format!("INSERT INTO items VALUES ({id}, 'later', 1)"));
        service.wait("one more", LONG, async |_| arrived(id)).await;
    }
    let changes = service.sum("changes", |e| e["event"] == "applied");
    assert!(changes <= 2 * 43, "43 changes over two jobs, {changes} were applied");
    service.stop();
}

#[tokio::test]
async fn a_job_that_waits_for_its_server_does_not_hold_ctrl_c_up() {
    let config = "
endpoints: { shop: 'sqlite:./shop.db', crm: 'sqlite:./crm.db', away: 'postgres://nobody:none@127.0.0.1:1/none' }
jobs:
  here: { source: shop, target: crm, tables: [items] }
  there: { source: shop, target: away, tables: [items] }
";
    let place = place(ONE_WAY);
    place.write("tidelock.yaml", config);
    let mut service = Service::start(&place);
    service
        .wait("both are told", LONG, async |s| {
            s.told(crate::service::phase("following")) && s.told(|e| e["event"] == "retrying")
        })
        .await;
    service.stop();
}

#[test]
fn a_view_where_a_table_is_to_be_written_is_told_before() {
    let place = Place::with_config(ONE_WAY);
    sql(&place, "shop", "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, version INTEGER)");
    sql(
        &place,
        "crm",
        "CREATE TABLE goods (id INTEGER PRIMARY KEY); CREATE VIEW items AS SELECT * FROM goods",
    );
    for command in ["check", "sync"] {
        let ran = place.run(&[command]);
        assert!(ran.code == 1 && ran.transcript().contains("TL-SQLITE-NOT-A-TABLE"), "{}", ran.transcript());
    }
}
