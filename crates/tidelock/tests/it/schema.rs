//! Tables that change while they are followed, or while nobody looks.

use crate::following::Chance;
use crate::service::{Service, phase};
use crate::sides::{config, pair, rows, run_all};
use crate::support::Place;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidelock_testkit::{Database, Family, Kind, Session};

const LONG: Duration = Duration::from_secs(120);
const JOB: &str = "{ source: here, target: there, tables: [items] }";

/// A table of two rows that was copied from one to the other.
async fn copied(test: &str, from: Kind, to: Kind, job: &str) -> Option<(Place, Database, Database)> {
    let (here, there) = pair(test, from, to).await?;
    run_all(
        &here,
        &[
            "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20), qty integer)",
            "INSERT INTO items VALUES (1, 'one', 10), (2, 'two', 20), (3, 'three', 30)",
        ],
    )
    .await;
    let place = Place::with_config(&config(&here, &there, job));
    place.run(&["sync"]).done();
    Some((place, here, there))
}

async fn equal(here: &Database, there: &Database, columns: &str, what: &str) {
    let sql = format!("SELECT {columns} FROM items ORDER BY id");
    assert_eq!(rows(there, &sql).await, rows(here, &sql).await, "{what}");
}

/// Statements behind which the columns are these, where the kind has such a statement.
fn changes(kind: Kind) -> Vec<(&'static [&'static str], &'static str)> {
    let mut all: Vec<(&[&str], &str)> = vec![
        (&["ALTER TABLE items ADD COLUMN more integer"], "id, name, qty, more"),
        (&["ALTER TABLE items ADD COLUMN more integer NOT NULL DEFAULT 5"], "id, name, qty, more"),
        (&["ALTER TABLE items RENAME COLUMN qty TO quantity"], "id, name, quantity"),
    ];
    // SQLite itself refuses to drop a column that a trigger names.
    if kind.family() != Family::Sqlite {
        const OTHER: [&str; 2] =
            ["ALTER TABLE items DROP COLUMN qty", "ALTER TABLE items ADD COLUMN qty integer"];
        all.extend([(&["ALTER TABLE items DROP COLUMN qty"][..], "id, name"), (&OTHER, "id, name, qty")]);
    }
    match kind.family() {
        Family::Postgres => all.extend([
            (&["ALTER TABLE items ALTER qty TYPE bigint"][..], "id, name, qty"),
            (&["ALTER TABLE items ALTER qty TYPE bigint USING qty * 1000"], "id, name, qty"),
            (&["ALTER TABLE items ALTER qty TYPE varchar(20) USING 'n' || qty"], "id, name, qty"),
            (&["ALTER TABLE items ALTER name TYPE varchar(40)"], "id, name, qty"),
            (
                &["ALTER TABLE items ADD COLUMN at timestamp(0) DEFAULT clock_timestamp()"],
                "id, name, qty, at",
            ),
        ]),
        Family::Mysql => all.extend([
            (&["ALTER TABLE items MODIFY qty bigint"][..], "id, name, qty"),
            (&["ALTER TABLE items MODIFY qty varchar(20)"], "id, name, qty"),
            (&["ALTER TABLE items CHANGE qty quantity bigint"], "id, name, quantity"),
            (&["ALTER TABLE items ADD COLUMN more integer NOT NULL AFTER id"], "id, more, name, qty"),
            (
                &["ALTER TABLE items ADD COLUMN more integer DEFAULT 7 FIRST, ALGORITHM=INSTANT"],
                "id, more, name, qty",
            ),
        ]),
        _ => {}
    }
    all
}

/// Every change, made behind changes that were not read yet and before others, is at the target with all values, between two runs of `sync`.
async fn followed_between(test: &str, from: Kind, to: Kind) {
    for (statements, columns) in changes(from) {
        let Some((place, here, there)) = copied(test, from, to, JOB).await else { return };
        run_all(
            &here,
            &[
                "UPDATE items SET name = 'changed' WHERE id = 1",
                "DELETE FROM items WHERE id = 2",
                "INSERT INTO items (id, name) VALUES (4, 'four')",
            ],
        )
        .await;
        run_all(&here, statements).await;
        run_all(
            &here,
            &[
                "UPDATE items SET name = 'again' WHERE id = 3",
                "INSERT INTO items (id, name) VALUES (5, 'five')",
                "UPDATE items SET id = 6 WHERE id = 4",
            ],
        )
        .await;
        let what = format!("{from} to {to}: {statements:?}");
        let ran = place.run(&["sync"]);
        assert_eq!(ran.code, 0, "{what}: {}", ran.transcript());
        equal(&here, &there, columns, &what).await;
        here.execute("UPDATE items SET name = 'later'").await.unwrap();
        place.run(&["sync"]).done();
        equal(&here, &there, columns, &what).await;
        place.run(&["verify", "job"]).done();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_change_between_two_syncs_are_followed_from_postgres_to_mysql() {
    followed_between("between", Kind::Postgres18, Kind::Mysql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_change_between_two_syncs_are_followed_from_mysql_to_postgres() {
    followed_between("between", Kind::Mysql97, Kind::Postgres15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_change_between_two_syncs_are_followed_from_mariadb_to_mysql() {
    followed_between("between", Kind::Mariadb1011, Kind::Mysql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_change_between_two_syncs_are_followed_from_sqlite_to_postgres() {
    followed_between("between", Kind::Sqlite, Kind::Postgres18).await;
}

/// Changes rows of `items` all the time, by columns that are always there.
struct Changing {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<u64>,
}

impl Changing {
    fn start(db: &Database) -> Changing {
        let stop = Arc::new(AtomicBool::new(false));
        let (url, asked) = (db.url.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let mut session = Session::connect(&url).await.unwrap();
            let (mut chance, mut done) = (Chance::from(7), 0);
            while !asked.load(Ordering::Relaxed) {
                let id = chance.below(200);
                let statement = match chance.below(4) {
                    0 => format!("DELETE FROM items WHERE id = {id}"),
                    1 => format!("UPDATE items SET id = id + 1000 WHERE id = {id} AND NOT id >= 1000"),
                    2 => format!("UPDATE items SET name = 'n{done}' WHERE id = {id}"),
                    _ => format!("INSERT INTO items (id, name) VALUES ({}, 'new {done}')", 2000 + done),
                };
                // A key that is taken, a table that is being altered: then it is another one's turn.
                done += u64::from(session.execute(&statement).await.is_ok());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            done
        });
        Changing { stop, task }
    }

    async fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

/// Twenty changes, of which each finds the table as the one before left it.
fn twenty(kind: Kind) -> Vec<String> {
    let retype = |column: &str, to: &str| match kind.family() {
        Family::Postgres => format!("ALTER TABLE items ALTER {column} TYPE {to}"),
        _ => format!("ALTER TABLE items MODIFY {column} {to}"),
    };
    let mut all = vec![
        "ALTER TABLE items ADD COLUMN a integer".to_owned(),
        "ALTER TABLE items ADD COLUMN b integer NOT NULL DEFAULT 3".to_owned(),
        "ALTER TABLE items RENAME COLUMN a TO c".to_owned(),
        retype("qty", "bigint"),
        "UPDATE items SET c = qty".to_owned(),
        "ALTER TABLE items DROP COLUMN b".to_owned(),
        "ALTER TABLE items ADD COLUMN b varchar(30) DEFAULT 'was a number'".to_owned(),
        retype("name", "varchar(60)"),
        "CREATE INDEX items_name ON items (name)".to_owned(),
        "ALTER TABLE items RENAME COLUMN c TO a".to_owned(),
        "ALTER TABLE items RENAME COLUMN b TO c".to_owned(),
        "ALTER TABLE items ADD COLUMN d numeric(10,2) DEFAULT 1.25".to_owned(),
        retype("d", "numeric(12,2)"),
        "ALTER TABLE items DROP COLUMN c".to_owned(),
        "ALTER TABLE items ADD COLUMN e timestamp NULL DEFAULT CURRENT_TIMESTAMP".to_owned(),
        "UPDATE items SET d = d + 1".to_owned(),
        retype("a", "varchar(20)"),
        "ALTER TABLE items DROP COLUMN d".to_owned(),
        "ALTER TABLE items ADD COLUMN d text".to_owned(),
        "ALTER TABLE items DROP COLUMN e".to_owned(),
        "ALTER TABLE items RENAME COLUMN qty TO quantity".to_owned(),
        "ALTER TABLE items ADD COLUMN qty integer DEFAULT 9".to_owned(),
    ];
    all.push("UPDATE items SET d = 'the last'".to_owned());
    all
}

async fn twenty_changes(from: Kind, to: Kind) {
    let Some((place, here, there)) = copied("twenty", from, to, JOB).await else { return };
    for id in 4..300 {
        here.execute(&format!("INSERT INTO items VALUES ({id}, 'row {id}', {id})")).await.unwrap();
    }
    let changing = Changing::start(&here);
    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
    for (n, statement) in twenty(from).iter().enumerate() {
        here.execute(statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
        // Every third one is waited for, the others come while the ones before are still on their way.
        if n % 3 == 0 {
            let mark = format!("mark {n}");
            here.execute(&format!("INSERT INTO items (id, name) VALUES ({}, '{mark}')", 900_000 + n))
                .await
                .unwrap();
            let there = &there;
            let arrived = async |_: &Service| {
                let sql = format!("SELECT count(*) FROM items WHERE name = '{mark}'");
                there.value(&sql).await.is_ok_and(|n| n.as_deref() == Some("1"))
            };
            service.wait(&format!("what came behind: {statement}"), LONG, arrived).await;
        }
    }
    let written = changing.finish().await;
    assert!(written > 50, "{written} changes were made");
    service.stop();
    place.run(&["sync"]).done();
    equal(&here, &there, "id, name, quantity, a, d, qty", &format!("{from} to {to}")).await;
    place.run(&["verify", "job"]).done();
    let status = place.run(&["status"]).done().out;
    assert!(status.contains("schema changes") && status.contains("table items is copied anew"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_changes_under_a_running_writer_end_with_both_sides_equal_from_postgres_to_mysql() {
    twenty_changes(Kind::Postgres18, Kind::Mysql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_changes_under_a_running_writer_end_with_both_sides_equal_from_mysql_to_postgres() {
    twenty_changes(Kind::Mysql97, Kind::Postgres18).await;
}
