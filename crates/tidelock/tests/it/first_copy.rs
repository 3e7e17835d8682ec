//! A first copy that was interrupted, and what was done meanwhile: it ends equal all the same.

use crate::service::{Service, phase};
use crate::sides::{config, pair, rows, run_all};
use crate::support::{Place, Ran, open, sql};
use std::time::Duration;
use tidelock_testkit::{Database, Kind};

const LONG: Duration = Duration::from_secs(60);
/// For a command that copies both ways, on a slow machine.
const COPY: Duration = Duration::from_secs(300);

const CONFIG: &str = "
endpoints: { shop: 'sqlite:./shop.db', crm: 'sqlite:./crm.db' }
jobs:
  job: { source: shop, target: crm, tables: [items] }
";

/// More than one chunk of `name`, which is made here.
fn fill(name: &str) -> String {
    format!(
        "CREATE TABLE {name} (id INTEGER PRIMARY KEY, name TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 130000) INSERT INTO {name} SELECT i, 'row' FROM n"
    )
}

/// No row of the second chunk can be written.
fn stumble(name: &str) -> String {
    format!(
        "CREATE TRIGGER stumble BEFORE INSERT ON {name} WHEN NEW.id = 120000 BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    )
}

/// The first chunk is loaded, the second one is refused.
fn interrupted(config: &str) -> Place {
    let place = Place::with_config(config);
    sql(&place, "shop", &fill("items"));
    sql(
        &place,
        "crm",
        &format!("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT); {}", stumble("items")),
    );
    stumbles(&place, &["sync"]);
    assert_eq!(number(&place, "crm", "SELECT count(*) FROM items"), 100_000);
    place
}

fn stumbles(place: &Place, arguments: &[&str]) -> Ran {
    let ran = place.run(arguments);
    assert!(ran.code == 1 && ran.err.contains("not this one"), "{}", ran.transcript());
    ran
}

fn number(place: &Place, name: &str, sql: &str) -> i64 {
    open(place, name).query_row(sql, [], |r| r.get(0)).unwrap()
}

fn is_copied(place: &Place, from: &str, to: &str) {
    let sum = "count(*) * 1000000 + coalesce(sum(id % 1000), 0)";
    let all = |name: &str, table: &str| {
        number(place, name, &format!("SELECT {sum} FROM {table} WHERE name IS NOT NULL"))
    };
    assert_eq!(all("crm", to), all("shop", from));
}

fn lanes(place: &Place) -> i64 {
    number(place, "crm", "SELECT count(*) FROM tidelock_checkpoint WHERE lane LIKE 'snapshot/%'")
}

#[test]
fn chunks_whose_table_was_dropped_are_loaded_again() {
    let place = interrupted(CONFIG);
    sql(&place, "crm", "DROP TABLE items");
    place.run(&["sync"]).done();
    is_copied(&place, "items", "items");
}

#[test]
fn chunks_whose_table_was_emptied_are_loaded_again_however_often_it_is_interrupted() {
    let place = interrupted(CONFIG);
    sql(&place, "crm", "DELETE FROM items");
    stumbles(&place, &["sync"]);
    stumbles(&place, &["sync"]);
    sql(&place, "crm", "DELETE FROM items WHERE id > 0; DROP TRIGGER stumble");
    place.run(&["sync"]).done();
    is_copied(&place, "items", "items");
    assert_eq!(lanes(&place), 0);
}

#[test]
fn chunks_that_went_to_a_table_of_another_name_are_loaded_again() {
    let place = interrupted(CONFIG);
    place.write("tidelock.yaml", &CONFIG.replace("[items]", "[{ name: items, to: goods }]"));
    place.run(&["sync"]).done();
    is_copied(&place, "items", "goods");
}

#[test]
fn chunks_that_lack_a_column_are_loaded_again() {
    let place = interrupted(&CONFIG.replace("[items]", "[{ name: items, columns: { exclude: [name] } }]"));
    sql(&place, "crm", "DROP TRIGGER stumble");
    place.write("tidelock.yaml", CONFIG);
    place.run(&["sync"]).done();
    is_copied(&place, "items", "items");
}

#[test]
fn a_copy_over_rows_that_is_interrupted_takes_what_was_deleted_before_it() {
    let place = Place::with_config(CONFIG);
    sql(&place, "shop", &fill("items"));
    sql(&place, "crm", "SELECT 1");
    place.run(&["sync"]).done();
    sql(&place, "shop", "DELETE FROM items WHERE id = 5");
    sql(&place, "crm", &stumble("items"));
    stumbles(&place, &["sync", "job", "--full", "--tables", "items"]);
    sql(&place, "crm", "DROP TRIGGER stumble");
    place.run(&["sync"]).done();
    is_copied(&place, "items", "items");
}

#[test]
fn rows_of_a_copy_that_was_given_up_do_not_stay_when_they_are_deleted() {
    let both =
        CONFIG.to_owned() + "  other: { source: shop, target: crm, tables: [{ name: items, to: copies }] }\n";
    let place = interrupted(&both);
    sql(&place, "shop", "CREATE TABLE more (id INTEGER PRIMARY KEY)");
    place.write("tidelock.yaml", &both.replace("[items]", "[more]"));
    place.run(&["sync"]).done();
    sql(&place, "shop", "DELETE FROM items WHERE id = 5");
    place.write("tidelock.yaml", &both);
    for _ in 0..2 {
        stumbles(&place, &["sync", "job"]);
    }
    sql(&place, "crm", "DROP TRIGGER stumble");
    place.run(&["sync"]).done();
    is_copied(&place, "items", "items");
}

#[test]
fn a_table_that_leaves_the_job_in_the_middle_of_its_copy_does_not_hold_the_job_up() {
    let with = CONFIG.replace("[items]", "[items, more]");
    let place = Place::with_config(&with);
    sql(&place, "shop", &fill("items"));
    sql(&place, "shop", &fill("more"));
    sql(
        &place,
        "crm",
        &format!("CREATE TABLE more (id INTEGER PRIMARY KEY, name TEXT); {}", stumble("more")),
    );
    stumbles(&place, &["sync"]);
    place.write("tidelock.yaml", CONFIG);
    place.run(&["sync"]).done();
    is_copied(&place, "items", "items");
    assert_eq!(lanes(&place), 0);
    sql(&place, "crm", "DROP TRIGGER stumble");
    sql(&place, "shop", "DELETE FROM more WHERE id = 120000");
    place.write("tidelock.yaml", &with);
    place.run(&["sync"]).done();
    is_copied(&place, "more", "more");
}

/// Both sides hold the same rows of `items`, some of which `there` has newer. A copy from `here` waits at the first of them until the session ends.
async fn both_sides(priority: &str) -> Option<(Place, Database, Database)> {
    let (here, there) = pair("first_copy", Kind::Sqlite, Kind::Postgres18).await?;
    for side in [&here, &there] {
        side.execute("CREATE TABLE items (id integer PRIMARY KEY, name varchar(200), version integer)")
            .await
            .unwrap();
    }
    here.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) \
         INSERT INTO items SELECT i, hex(zeroblob(60)), 1 FROM n",
    )
    .await
    .unwrap();
    let rows = "INSERT INTO items SELECT i, repeat('0', 120), 1 + i % 2 FROM generate_series(1, 60000) AS i";
    run_all(&there, &["ALTER TABLE items REPLICA IDENTITY FULL", rows]).await;
    // A server is captured that nobody holds up: what is open at PostgreSQL holds up a new slot.
    for side in [&here, &there] {
        side.execute("CREATE TABLE more (id integer PRIMARY KEY, version integer)").await.unwrap();
    }
    there.execute("ALTER TABLE more REPLICA IDENTITY FULL").await.unwrap();
    let job = format!(
        "{{ between: [here, there], tables: [more, items], conflicts: {{ resolve: last_update_wins, version: version, priority: {priority} }} }}"
    );
    let text = config(&here, &there, &job);
    let place = Place::with_config(&text.replace("[more, items]", "[more]"));
    place.run(&["sync"]).done();
    place.write("tidelock.yaml", &text);
    Some((place, here, there))
}

async fn equal(here: &Database, there: &Database) {
    let sum = "SELECT count(*), sum(id), sum(version), sum(id * version % 1000) FROM items";
    assert_eq!(rows(here, sum).await, rows(there, sum).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_side_is_copied_before_both_are_captured() {
    let Some((place, here, there)) = both_sides("[here, there]").await else { return };
    let mut client = there.session().await.unwrap();
    // As long as this is open there is no slot.
    let slots = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
    place.run(&["cleanup", "--yes"]).done();
    client.execute("BEGIN; INSERT INTO more VALUES (1, 1)").await.unwrap();
    let mut service = Service::begin(&place, &["sync", "--json"]);
    let captured = |e: &serde_json::Value| e["event"] == "capture" && e["endpoint"] == "here";
    service.wait("one side to be captured", LONG, async |s| s.told(captured)).await;
    there.wait_for(slots, "1", LONG).await.unwrap();
    there.execute("DELETE FROM items WHERE id < 10").await.unwrap();
    assert!(!service.told(phase("snapshot")));
    client.execute("COMMIT").await.unwrap();
    let (code, told) = service.ended(COPY);
    assert_eq!(code, 0, "{told}");
    equal(&here, &there).await;
}

/// What one side deletes before the copy from the other one comes to the row.
async fn deletes_during_the_copy(priority: &str, full: bool) {
    let Some((place, here, there)) = both_sides(priority).await else { return };
    if full {
        place.run(&["sync"]).done();
    }
    let mut client = there.session().await.unwrap();
    client.execute("BEGIN").await.unwrap();
    client.query("SELECT id FROM items WHERE id = 1 FOR UPDATE").await.unwrap();
    let arguments: &[&str] =
        if full { &["sync", "job", "--full", "--tables", "items", "--json"] } else { &["sync", "--json"] };
    let mut service = Service::begin(&place, arguments);
    let planned = |e: &serde_json::Value| e["event"] == "table_planned";
    service.wait("both views", LONG, async |s| s.count(planned) >= 2).await;
    run_all(
        &there,
        &["DELETE FROM items WHERE id IN (50000, 50001)", "UPDATE items SET version = 7 WHERE id = 50003"],
    )
    .await;
    run_all(&here, &["UPDATE items SET version = 8 WHERE id = 50002", "DELETE FROM items WHERE id = 2"])
        .await;
    client.execute("COMMIT").await.unwrap();
    let (code, told) = service.ended(COPY);
    assert_eq!(code, 0, "{told}");
    equal(&here, &there).await;
    here.execute("UPDATE items SET version = 9 WHERE id = 50000").await.unwrap();
    place.run(&["sync"]).done();
    equal(&here, &there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_while_two_sides_are_copied_is_deleted_at_both_or_at_none() {
    deletes_during_the_copy("[here, there]", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_while_two_sides_are_copied_is_deleted_at_both_or_at_none_the_other_way_round() {
    deletes_during_the_copy("[there, here]", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_while_two_sides_are_copied_anew_is_deleted_at_both_or_at_none() {
    deletes_during_the_copy("[here, there]", true).await;
}
