//! What goes wrong at a source while nobody looks: it is told, and what is told to be done mends it.

use crate::service::Service;
use crate::sides::{config, pair, rows, run_all};
use crate::support::Place;
use std::process::Stdio;
use std::time::Duration;
use tidelock_testkit::{Database, Kind, Way, server, spawn_guarded, until};

const LONG: Duration = Duration::from_secs(60);
const JOB: &str = "{ source: here, target: there, tables: [items] }";
const PAUSES: &str = "{ source: here, target: there, tables: [items], schema_changes: pause }";

/// A table of two rows that was copied from one to the other.
async fn copied(test: &str, from: Kind) -> Option<(Place, Database, Database)> {
    let (here, there) = pair(test, from, Kind::Sqlite).await?;
    run_all(&here, &["CREATE TABLE items (id integer PRIMARY KEY, name varchar(20))"]).await;
    run_all(&here, &["INSERT INTO items VALUES (1, 'one'), (2, 'two')"]).await;
    let place = Place::with_config(&config(&here, &there, JOB));
    place.run(&["sync"]).done();
    Some((place, here, there))
}

async fn equal(here: &Database, there: &Database) {
    let sql = "SELECT * FROM items ORDER BY id";
    assert_eq!(rows(there, sql).await, rows(here, sql).await);
}

/// Copied anew it is equal, and it goes on from there.
async fn healed(place: &Place, here: &Database, there: &Database) {
    place.run(&["sync", "--full"]).done();
    equal(here, there).await;
    here.execute("UPDATE items SET name = 'later'").await.unwrap();
    place.run(&["sync"]).done();
    equal(here, there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_is_gone_is_told_until_all_is_copied_anew() {
    let Some((place, here, there)) = copied("slot_gone", Kind::Postgres15).await else { return };
    let slots = "FROM pg_replication_slots WHERE database = current_database()";
    // The server notices a little later that the process which held it has ended.
    here.wait_for(&format!("SELECT count(*) {slots} AND active"), "0", LONG).await.unwrap();
    here.execute(&format!("SELECT pg_drop_replication_slot(slot_name) {slots}")).await.unwrap();
    here.execute("INSERT INTO items VALUES (3, 'three')").await.unwrap();
    place.run(&["sync"]).refused("TL-SYNC-CAPTURE-LOST");
    place.run(&["sync"]).refused("TL-PG-SLOT-AHEAD");
    healed(&place, &here, &there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_is_held_for_another_moment_is_removed_all_the_same() {
    let Some((place, here, there)) = copied("slot_held", Kind::Postgres15).await else { return };
    let mut service = Service::start(&place);
    let slot = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
    here.wait_for(&format!("{slot} AND active"), "1", LONG).await.unwrap();
    service.wait("it follows", LONG, async |s| s.told(crate::service::phase("following"))).await;
    // With a state directory of its own, so that only the server is in the way.
    let other = Place::with_config(&config(&here, &there, JOB));
    let tries = async || {
        let sql = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
        here.value(sql).await.unwrap().unwrap().parse::<u32>().unwrap()
    };
    let before = tries().await;
    let mut cleanup = spawn_guarded(&other.command(&["cleanup", "--yes"]), Stdio::null()).unwrap();
    let some = async || tries().await > before + 3 || cleanup.try_wait().unwrap().is_some();
    until("it has tried more than once", some).await;
    service.stop();
    assert_eq!(cleanup.wait().unwrap().code(), Some(0));
    assert_eq!(here.value(slot).await.unwrap().as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_is_gone_is_told_until_all_is_copied_anew() {
    let Some((place, here, there)) = copied("publication_gone", Kind::Postgres18).await else { return };
    let name = here.value("SELECT pubname FROM pg_publication").await.unwrap().unwrap();
    here.execute(&format!("DROP PUBLICATION {name}")).await.unwrap();
    here.execute("INSERT INTO items VALUES (3, 'three')").await.unwrap();
    place.run(&["sync"]).refused("TL-PG-PUBLICATION-GONE");
    healed(&place, &here, &there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_out_of_the_publication_for_a_while_is_told_until_it_is_copied_anew() {
    let Some((place, here, there)) = copied("published_again", Kind::Postgres15).await else { return };
    let name = here.value("SELECT pubname FROM pg_publication").await.unwrap().unwrap();
    here.execute(&format!("ALTER PUBLICATION {name} DROP TABLE ONLY items")).await.unwrap();
    here.execute("INSERT INTO items VALUES (3, 'three')").await.unwrap();
    here.execute(&format!("ALTER PUBLICATION {name} ADD TABLE ONLY items")).await.unwrap();
    for _ in 0..2 {
        place.run(&["sync"]).refused("TL-SYNC-NOT-CAPTURED");
    }
    healed(&place, &here, &there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_table_of_the_same_name_takes_the_place_of_the_old_one() {
    let Some((place, here, there)) = copied("table_replaced", Kind::Postgres15).await else { return };
    let anew = ["DROP TABLE items", "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20))"];
    for also in [&["sync"][..], &["sync", "job", "--full", "--tables", "items"]] {
        here.execute("INSERT INTO items VALUES (8, 'never read')").await.unwrap();
        run_all(&here, &anew).await;
        here.execute("INSERT INTO items VALUES (7, 'seven')").await.unwrap();
        place.run(also).done();
        equal(&here, &there).await;
    }
    healed(&place, &here, &there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_renamed_while_it_is_followed_stops_the_job_and_status_says_why() {
    let Some((place, here, _there)) = copied("table_renamed", Kind::Postgres18).await else { return };
    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(crate::service::phase("following"))).await;
    here.execute("ALTER TABLE items RENAME TO goods").await.unwrap();
    let (code, complaint) = service.ended(LONG);
    assert!(code == 1 && complaint.contains("TL-PLAN-NO-TABLE"), "exit code {code}: {complaint}");
    let ran = place.run(&["status"]).done();
    assert!(ran.out.contains("TL-PLAN-NO-TABLE"), "{}", ran.transcript());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_came_behind_unread_changes_postgres() {
    a_column_that_came(Kind::Postgres18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_came_behind_unread_changes_mysql() {
    a_column_that_came(Kind::Mysql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_came_behind_unread_changes_mariadb() {
    a_column_that_came(Kind::Mariadb1011).await;
}

async fn a_column_that_came(kind: Kind) {
    let Some((_, here, there)) = copied("column_came", kind).await else { return };
    let place = Place::with_config(&config(&here, &there, PAUSES));
    place.run(&["sync", "--full"]).done();
    run_all(&here, &["UPDATE items SET name = 'changed' WHERE id = 1", "DELETE FROM items WHERE id = 2"])
        .await;
    run_all(&here, &["ALTER TABLE items ADD COLUMN more integer", "UPDATE items SET more = 5"]).await;
    place.run(&["sync"]).refused("TL-PLAN-COLUMN-MISSING");
    there.execute("ALTER TABLE items ADD COLUMN more integer").await.unwrap();
    place.run(&["sync"]).done();
    equal(&here, &there).await;
    run_all(&here, &["INSERT INTO items VALUES (9, 'nine', 9)"]).await;
    place.run(&["sync"]).done();
    equal(&here, &there).await;
}

/// A service with two jobs, one of which waits for a target that turns everybody away until [`Late::answers`].
struct Late {
    here: Database,
    there: Database,
    late: Database,
    service: Service,
    way: Way,
    _place: Place,
}

impl Late {
    async fn start(test: &str, late: Kind) -> Option<Late> {
        let (_, here, there) = copied(test, Kind::Mariadb1011).await?;
        let late = server(late)?.fresh_database(test).await;
        let way = Way::closed();
        let through = way.through(&late.url);
        let text = config(&here, &there, JOB).replace(
            "}\njobs:",
            &format!(
                ", late: '{through}' }}\njobs:\n  late: {{ source: here, target: late, tables: [items] }}"
            ),
        );
        let place = Place::with_config(&text);
        let mut service = Service::start(&place);
        service.wait("it is told", LONG, async |s| s.told(|e| told(e, "retrying", "late"))).await;
        Some(Late { here, there, late, service, way, _place: place })
    }

    /// The target answers from now on; waits until it has so many rows.
    async fn answers(&mut self, rows: &str) {
        self.way.lead(&self.late.url);
        let late = &self.late;
        let arrived = async |_: &Service| {
            late.value("SELECT count(*) FROM items").await.is_ok_and(|n| n.as_deref() == Some(rows))
        };
        self.service.wait("the rows at the late one", LONG, arrived).await;
    }
}

fn told(event: &serde_json::Value, what: &str, job: &str) -> bool {
    event["event"] == what && event["job"] == job
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_server_is_away_at_the_start_joins_the_others_when_it_answers() {
    let Some(mut all) = Late::start("server_away", Kind::Postgres15).await else { return };
    all.here.execute("INSERT INTO items VALUES (3, 'three')").await.unwrap();
    all.there.wait_for("SELECT count(*) FROM items", "3", LONG).await.unwrap();
    all.answers("3").await;
    all.here.execute("INSERT INTO items VALUES (4, 'four')").await.unwrap();
    for target in [&all.there, &all.late] {
        target.wait_for("SELECT count(*) FROM items", "4", LONG).await.unwrap();
    }
    all.service.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_server_is_away_is_waited_for_when_all_others_have_failed() {
    let Some(mut all) = Late::start("others_failed", Kind::Mysql97).await else { return };
    all.there.execute("DROP TABLE items").await.unwrap();
    all.here.execute("INSERT INTO items VALUES (3, 'three')").await.unwrap();
    all.service.wait("the other has failed", LONG, async |s| s.told(|e| told(e, "failed", "job"))).await;
    all.answers("3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_had_another_name_for_a_while_is_not_followed_past_what_was_done_to_it_then() {
    let Some((place, here, there)) = copied("renamed_and_back", Kind::Postgres15).await else { return };
    let away = ["ALTER TABLE items RENAME TO other", "UPDATE other SET name = 'lost' WHERE id = 1"];
    run_all(&here, &away).await;
    run_all(&here, &["ALTER TABLE other RENAME TO items", "UPDATE items SET name = 'seen' WHERE id = 2"])
        .await;
    place.run(&["sync"]).done();
    equal(&here, &there).await;
    healed(&place, &here, &there).await;
}
