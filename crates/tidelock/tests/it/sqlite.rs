//! The commands on the engine that needs no server.

use crate::support::Place;
use rusqlite::Connection;

const CONFIG: &str = "
endpoints: { shop: 'sqlite:./shop.db', crm: 'sqlite:./crm.db' }
jobs:
  shop-to-crm: { source: shop, target: crm, tables: [users, orders] }
";

fn shop() -> Place {
    let place = Place::with_config(CONFIG);
    open(&place, "shop.db")
        .execute_batch(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL);
             CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id), amount DECIMAL(10,2));
             CREATE TABLE notes (text TEXT);
             INSERT INTO users VALUES (1, 'Ada'), (2, 'Bo');
             INSERT INTO orders VALUES (1, 1, 9.5), (2, 2, 12), (3, 1, NULL);",
        )
        .unwrap();
    open(&place, "crm.db");
    place
}

fn open(place: &Place, name: &str) -> Connection {
    let connection = Connection::open(place.path(name)).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection
}

fn count(place: &Place, name: &str, what: &str) -> i64 {
    open(place, name).query_row(&format!("SELECT count(*) FROM {what}"), [], |r| r.get(0)).unwrap()
}

#[test]
fn check_and_plan_touch_nothing() {
    let place = shop();
    let ran = place.run(&["check"]).done();
    assert!(ran.out.contains("shop-to-crm: shop → crm") && ran.out.contains("ready"), "{}", ran.transcript());
    let ran = place.run(&["plan"]).done();
    assert!(ran.out.contains("CREATE TABLE"), "{}", ran.transcript());
    assert_eq!(count(&place, "crm.db", "sqlite_schema"), 0);
    assert_eq!(count(&place, "shop.db", "sqlite_schema WHERE type = 'trigger'"), 0);
}

#[test]
fn sync_brings_over_what_was_committed_and_verify_says_so() {
    let place = shop();
    place.run(&["sync"]).done();
    assert_eq!(count(&place, "crm.db", "orders"), 3);
    open(&place, "shop.db")
        .execute_batch("INSERT INTO orders VALUES (4, 2, 1); DELETE FROM orders WHERE id = 1; UPDATE users SET name = 'Bob' WHERE id = 2;")
        .unwrap();
    let ran = place.run(&["verify", "shop-to-crm"]);
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    place.run(&["sync", "shop-to-crm"]).done();
    let ran = place.run(&["verify", "shop-to-crm", "--json"]).done();
    let lines = ran.json();
    assert_eq!(lines.last().unwrap()["equal"], true, "{}", ran.transcript());
    assert_eq!(count(&place, "crm.db", "users WHERE name = 'Bob'"), 1);
    let ran = place.run(&["status"]).done();
    assert!(ran.out.contains("shop-to-crm") && !ran.out.contains("never ran"), "{}", ran.transcript());
}

#[test]
fn a_table_to_copy_again_that_is_not_there_is_refused() {
    let place = shop();
    place.run(&["sync", "--full", "--tables", "orders"]).done();
    let ran = place.run(&["sync", "--full", "--tables", "users,odrers"]);
    assert_eq!(ran.code, 2, "{}", ran.transcript());
    assert!(ran.err.contains("did you mean `orders`?"), "{}", ran.transcript());
}

#[test]
fn cleanup_shows_first_and_removes_when_told() {
    let place = shop();
    place.run(&["sync"]).done();
    let triggers = "sqlite_schema WHERE type = 'trigger'";
    assert_ne!(count(&place, "shop.db", triggers), 0);
    let ran = place.run(&["cleanup"]).done();
    assert!(ran.out.contains("--yes"), "{}", ran.transcript());
    assert_ne!(count(&place, "shop.db", triggers), 0);
    place.run(&["cleanup", "--yes"]).done();
    assert_eq!(count(&place, "shop.db", triggers), 0);
    assert_eq!(count(&place, "crm.db", "sqlite_schema WHERE name LIKE 'tidelock%'"), 0);
    assert_eq!(count(&place, "crm.db", "orders"), 3);
}

#[test]
fn copy_needs_no_configuration_and_can_choose_tables() {
    let place = shop();
    let ran = place.run(&["copy", "sqlite:./shop.db", "sqlite:./crm.db", "--tables", "users,ord*"]).done();
    assert!(ran.out.contains("copied 5 rows in 2 tables"), "{}", ran.transcript());
    assert_eq!(count(&place, "crm.db", "orders"), 3);
    assert_eq!(count(&place, "crm.db", "sqlite_schema WHERE name = 'notes'"), 0);
}

#[test]
fn init_writes_what_check_takes() {
    let place = shop();
    std::fs::remove_file(place.path("tidelock.yaml")).unwrap();
    place.run(&["init", "sqlite:./shop.db", "sqlite:./crm.db"]).done();
    let text = std::fs::read_to_string(place.path("tidelock.yaml")).unwrap();
    assert!(text.contains("orders: 3 columns, key id"), "{text}");
    let ran = place.run(&["check"]).done();
    assert!(ran.out.contains("shop-to-crm"), "{}", ran.transcript());

    std::fs::create_dir(place.path("sub")).unwrap();
    place.run(&["init", "sqlite:./shop.db", "sqlite:crm.db", "--config", "sub/other.yaml"]).done();
    place.run(&["sync", "--config", "sub/other.yaml"]).done();
    assert_eq!(count(&place, "crm.db", "orders"), 3);
}

#[test]
fn a_row_that_the_target_does_not_take_is_named() {
    let place = shop();
    place.run(&["sync"]).done();
    let crm = rusqlite::Connection::open(place.path("crm.db")).unwrap();
    crm.execute_batch("CREATE UNIQUE INDEX one_name ON users (name)").unwrap();
    let shop = rusqlite::Connection::open(place.path("shop.db")).unwrap();
    shop.execute_batch("INSERT INTO users (id, name) SELECT 77, name FROM users LIMIT 1").unwrap();
    let ran = place.run(&["sync"]);
    assert!(ran.code == 1 && ran.err.contains("the row id=77 of table users"), "{}", ran.transcript());
}

#[test]
fn a_database_that_is_not_there_is_a_finding_and_the_others_are_still_looked_at() {
    let place = shop();
    place.write(
        "tidelock.yaml",
        "endpoints: { shop: 'sqlite:./shop.db', crm: 'sqlite:./crm.db', gone: 'mysql://nobody@127.0.0.1:1/gone' }
jobs: { one: { source: shop, target: gone, tables: [users] }, two: { source: shop, target: crm, tables: [users] } }\n",
    );
    let ran = place.run(&["check", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    let lines = ran.json();
    let answer = lines.last().unwrap();
    assert_eq!(answer["ready"], false);
    assert!(answer["unreachable"]["gone"]["code"].is_string(), "{}", ran.transcript());
    assert_eq!(answer["reports"][0]["job"], "two", "{}", ran.transcript());
}

#[test]
fn the_demo_ends_with_both_sides_equal() {
    let place = Place::new();
    let ran = place.run(&["demo", "--seconds", "4", "--keep", "kept"]).done();
    assert!(ran.out.contains("both sides are equal"), "{}", ran.transcript());
    assert!(ran.out.contains("what to type next"), "{}", ran.transcript());
    // Each is told as it is decided. On a slow machine the sides may not meet in so short a time.
    let told = ran.out.lines().any(|line| line.starts_with("  conflict: "));
    assert_ne!(told, ran.out.contains("; 0 conflicts decided"), "{}", ran.transcript());
    let ran = place.run(&["verify", "shop-and-till", "--config", "kept/tidelock.yaml"]).done();
    assert!(ran.out.contains("both sides are equal"), "{}", ran.transcript());
}

#[test]
fn a_demo_that_is_interrupted_stops_cleanly_and_says_so() {
    use std::io::{BufRead, BufReader, Read};
    let place = Place::new();
    let demo = place.command(&["demo", "--seconds", "60"]);
    let mut child = tidelock_testkit::spawn_guarded(&demo, std::process::Stdio::piped()).unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let working = out.lines().map_while(Result::ok).any(|line| line.contains("a writer changes both sides"));
    assert!(working);
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(err.contains("TL-DEMO-STOPPED"), "{err}");
}
