//! One part that fails or takes no part, and what becomes of the others.

use crate::sides::{pair, run_all};
use crate::support::{Place, open, sql};
use tidelock_testkit::Kind;

const ONE_WAY: &str = "
endpoints: { shop: 'sqlite:./shop.db', crm: 'sqlite:./crm.db', far: 'sqlite:./far.db' }
jobs:
  near: { source: shop, target: crm, tables: [items] }
  far: { source: shop, target: far, tables: [items] }
";
const TWO_WAY: &str = "
endpoints: { shop: 'sqlite:./shop.db', crm: 'sqlite:./crm.db' }
jobs:
  both: { between: [shop, crm], tables: [items], conflicts: { resolve: last_update_wins, version: version } }
";

fn place(config: &str) -> Place {
    let place = Place::with_config(config);
    sql(&place, "shop", "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, version INTEGER)");
    sql(&place, "shop", "INSERT INTO items VALUES (1, 'one', 1), (2, 'two', 1), (3, 'three', 1)");
    for name in ["crm", "far"] {
        sql(&place, name, "SELECT 1");
    }
    place.run(&["sync"]).done();
    place
}

fn count(place: &Place, name: &str, what: &str) -> i64 {
    open(place, name)
        .query_row(&format!("SELECT count(*) FROM items WHERE {what}"), [], |r| r.get(0))
        .unwrap()
}

#[test]
fn a_job_that_fails_does_not_keep_the_others_from_arriving() {
    let place = place(ONE_WAY);
    sql(&place, "crm", "CREATE UNIQUE INDEX one_name ON items (name)");
    sql(&place, "shop", "INSERT INTO items VALUES (4, 'one', 1)");
    sql(
        &place,
        "shop",
        "INSERT INTO items SELECT 10 + value, 'more' || value, 1 FROM json_each('[1,2,3,4,5,6,7,8,9]')",
    );
    let ran = place.run(&["sync"]);
    assert!(ran.code == 1 && ran.err.contains("TL-SQLITE-DUPLICATE"), "{}", ran.transcript());
    assert_eq!(count(&place, "far", "true"), 13);
    assert_eq!(count(&place, "crm", "true"), 3);
}

#[test]
fn a_direction_that_waits_for_one_that_failed_is_not_waited_for() {
    let place = place(TWO_WAY);
    let refusing =
        "CREATE TRIGGER no BEFORE INSERT ON items WHEN NEW.id = 4 BEGIN SELECT RAISE(ABORT, 'no'); END";
    sql(&place, "shop", &format!("{refusing}; UPDATE items SET version = 2 WHERE id = 2"));
    sql(&place, "crm", "INSERT INTO items VALUES (4, 'one', 1); DELETE FROM items WHERE id = 2");
    let ran = place.run(&["sync"]);
    assert!(ran.code == 1 && ran.err.contains("TL-SQLITE-CONSTRAINT"), "{}", ran.transcript());
    sql(&place, "shop", "DROP TRIGGER no");
    place.run(&["sync"]).done();
    place.run(&["verify", "both"]).done();
    assert_eq!(count(&place, "crm", "id = 2 AND version = 2"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_did_not_run_after_the_state_was_lost_has_lost_nothing() {
    let Some((here, near)) = pair("state_lost", Kind::Mariadb1011, Kind::Sqlite).await else { return };
    let Some((_, far)) = pair("state_lost_far", Kind::Mariadb1011, Kind::Sqlite).await else { return };
    run_all(&here, &["CREATE TABLE items (id integer PRIMARY KEY, version integer)"]).await;
    run_all(&here, &["INSERT INTO items VALUES (1, 1), (2, 1), (3, 1)"]).await;
    let job = |to: &str| format!("{{ source: here, target: {to}, tables: [items] }}");
    let text = format!(
        "endpoints: {{ here: '{}', near: '{}', far: '{}' }}\njobs: {{ near: {}, far: {} }}\n",
        here.url,
        near.url,
        far.url,
        job("near"),
        job("far")
    );
    let place = Place::with_config(&text);
    place.run(&["sync"]).done();
    run_all(&here, &["UPDATE items SET version = 2"]).await;
    place.run(&["sync", "near"]).done();
    run_all(&here, &["INSERT INTO items VALUES (4, 1)"]).await;
    std::fs::remove_dir_all(place.path("tidelock-state")).unwrap();
    place.run(&["sync", "near"]).done();
    run_all(&here, &["DELETE FROM items WHERE id = 1"]).await;
    place.run(&["sync", "near"]).done();
    for job in ["far", "near"] {
        place.run(&["sync", job]).done();
        place.run(&["verify", job]).done();
    }
}
