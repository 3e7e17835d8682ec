//! Tables that change while they are followed, or while nobody looks.

use crate::following::Chance;
use crate::service::{Service, phase};
use crate::sides::{config, pair, rows, run_all};
use crate::support::Place;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidelock_testkit::{Database, Family, Kind, Session};

pub const LONG: Duration = Duration::from_secs(120);
pub const JOB: &str = "{ source: here, target: there, tables: [items] }";

/// A table of two rows that was copied from one to the other.
pub async fn copied(test: &str, from: Kind, to: Kind, job: &str) -> Option<(Place, Database, Database)> {
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

pub async fn equal(here: &Database, there: &Database, columns: &str, what: &str) {
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
            (
                &["ALTER TABLE items ADD COLUMN more integer NOT NULL DEFAULT 4 AFTER id"],
                "id, more, name, qty",
            ),
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
pub struct Changing {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<u64>,
}

impl Changing {
    pub fn start(db: &Database) -> Changing {
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

    pub async fn finish(self) -> u64 {
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

/// A job over whatever tables are there.
const ALL: &str = "{ source: here, target: there, tables: all }";

pub async fn holds(service: &mut Service, db: &Database, sql: &str, value: &str) {
    let there = async |_: &Service| db.value(sql).await.is_ok_and(|v| v.as_deref() == Some(value));
    service.wait(&format!("{value} by {sql}"), LONG, there).await;
}

pub async fn tables_come_and_go(from: Kind, to: Kind) {
    let Some((place, here, there)) = copied("come_and_go", from, to, ALL).await else { return };
    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
    run_all(
        &here,
        &[
            "CREATE TABLE later (id integer PRIMARY KEY, note varchar(20))",
            "INSERT INTO later VALUES (1, 'with its first row')",
        ],
    )
    .await;
    holds(&mut service, &there, "SELECT note FROM later", "with its first row").await;
    here.execute("UPDATE later SET note = 'followed'").await.unwrap();
    holds(&mut service, &there, "SELECT note FROM later", "followed").await;

    run_all(
        &here,
        &[
            "INSERT INTO items VALUES (9, 'of the old table', 9)",
            "DROP TABLE items",
            "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20), qty integer)",
            "INSERT INTO items VALUES (7, 'of the new table', 7)",
        ],
    )
    .await;
    holds(&mut service, &there, "SELECT count(*) FROM items WHERE id <> 7", "0").await;
    holds(&mut service, &there, "SELECT name FROM items WHERE id = 7", "of the new table").await;
    here.execute("UPDATE items SET qty = 8").await.unwrap();
    holds(&mut service, &there, "SELECT qty FROM items", "8").await;

    here.execute("ALTER TABLE later RENAME TO renamed").await.unwrap();
    holds(&mut service, &there, "SELECT note FROM renamed", "followed").await;
    here.execute("UPDATE renamed SET note = 'under its new name'").await.unwrap();
    holds(&mut service, &there, "SELECT note FROM renamed", "under its new name").await;
    assert_eq!(there.value("SELECT note FROM later").await.unwrap().as_deref(), Some("followed"));
    service.stop();
    place.run(&["verify", "job"]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_come_are_replaced_or_get_another_name_are_followed_from_postgres_to_mysql() {
    tables_come_and_go(Kind::Postgres18, Kind::Mysql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_come_are_replaced_or_get_another_name_are_followed_from_mysql_to_postgres() {
    tables_come_and_go(Kind::Mysql97, Kind::Postgres15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ghost_table_that_is_swapped_in_is_followed_with_its_new_columns() {
    for (from, done) in [(Kind::Mysql97, "_items_del"), (Kind::Mariadb1011, "_items_old")] {
        let Some((place, here, there)) = copied("ghost", from, Kind::Postgres18, JOB).await else { return };
        let ghost = if done.ends_with("del") { "_items_gho" } else { "_items_new" };
        run_all(
            &here,
            &[
                &format!("CREATE TABLE {ghost} (id bigint PRIMARY KEY, name varchar(50), qty integer, more integer)"),
                &format!("INSERT INTO {ghost} SELECT id, name, qty, id * 100 FROM items"),
                "DELETE FROM items WHERE id = 2",
                &format!("DELETE FROM {ghost} WHERE id = 2"),
                &format!("RENAME TABLE items TO {done}, {ghost} TO items"),
                "UPDATE items SET name = 'behind the swap' WHERE id = 3",
            ],
        )
        .await;
        place.run(&["sync"]).done();
        equal(&here, &there, "id, name, qty, more", &format!("{from}")).await;
        place.run(&["verify", "job"]).done();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_an_enumeration_gets_is_followed() {
    for to in [Kind::Mysql97, Kind::Postgres18] {
        let Some((here, there)) = pair("label", Kind::Postgres15, to).await else { return };
        run_all(
            &here,
            &[
                "CREATE TYPE mood AS ENUM ('sad', 'happy')",
                "CREATE TABLE items (id integer PRIMARY KEY, m mood)",
                "INSERT INTO items VALUES (1, 'sad')",
            ],
        )
        .await;
        let place = Place::with_config(&config(&here, &there, JOB));
        let mut service = Service::start(&place);
        service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
        here.execute("ALTER TYPE mood ADD VALUE 'ok' BEFORE 'happy'").await.unwrap();
        here.execute("INSERT INTO items VALUES (2, 'ok')").await.unwrap();
        holds(&mut service, &there, "SELECT m FROM items WHERE id = 2", "ok").await;
        service.stop();
        equal(&here, &there, "id, m", &format!("{to}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_table_that_changed_before_and_after_is_empty_at_the_target() {
    for (from, to) in [(Kind::Postgres18, Kind::Mysql97), (Kind::Mysql97, Kind::Postgres18)] {
        let Some((place, here, there)) = copied("truncated", from, to, JOB).await else { return };
        run_all(
            &here,
            &[
                "ALTER TABLE items ADD COLUMN more integer",
                "UPDATE items SET more = 1",
                "TRUNCATE TABLE items",
                "INSERT INTO items VALUES (5, 'five', 5, 5)",
                "ALTER TABLE items ADD COLUMN evenmore integer",
                "INSERT INTO items VALUES (6, 'six', 6, 6, 6)",
            ],
        )
        .await;
        place.run(&["sync"]).done();
        equal(&here, &there, "id, name, qty, more, evenmore", &format!("{from}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_pauses_stops_with_the_words_until_the_target_fits() {
    let job = "{ source: here, target: there, tables: [items], schema_changes: pause }";
    for from in [Kind::Postgres18, Kind::Mysql97] {
        let Some((place, here, there)) = copied("pauses", from, Kind::Mariadb1011, job).await else { return };
        let mut service = Service::start(&place);
        service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
        here.execute("ALTER TABLE items ADD COLUMN more integer").await.unwrap();
        here.execute("UPDATE items SET more = 5 WHERE id = 1").await.unwrap();
        let (code, complaint) = service.ended(LONG);
        assert!(code == 1 && complaint.contains("TL-SYNC-SCHEMA-CHANGED"), "{from}: {complaint}");
        assert!(complaint.contains("changes come with column more"), "{from}: {complaint}");
        place.run(&["sync"]).refused("TL-PLAN-COLUMN-MISSING");
        there.execute("ALTER TABLE items ADD COLUMN more integer").await.unwrap();
        place.run(&["sync"]).done();
        equal(&here, &there, "id, name, qty, more", &format!("{from}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ignores_changes_goes_on_with_what_both_sides_have() {
    let job = "{ source: here, target: there, tables: [items], schema_changes: ignore }";
    for (from, to) in [(Kind::Postgres18, Kind::Sqlite), (Kind::Mysql97, Kind::Postgres18)] {
        let Some((place, here, there)) = copied("ignores", from, to, job).await else { return };
        run_all(
            &here,
            &[
                "ALTER TABLE items ADD COLUMN more integer",
                "UPDATE items SET more = 5, name = 'changed' WHERE id = 1",
                "ALTER TABLE items DROP COLUMN qty",
                "INSERT INTO items (id, name) VALUES (4, 'four')",
            ],
        )
        .await;
        for _ in 0..2 {
            place.run(&["sync"]).done();
            equal(&here, &there, "id, name", &format!("{from}")).await;
        }
        let qty = rows(&there, "SELECT qty FROM items WHERE id <= 2 ORDER BY id").await;
        assert_eq!(qty, [[Some("10".to_owned())], [Some("20".to_owned())]], "{from}");
        assert!(there.query("SELECT more FROM items").await.is_err(), "{from}");
        place.run(&["verify", "job"]).done();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_the_source_drops_stays_at_the_target_unless_the_job_names_it() {
    let drops =
        "{ source: here, target: there, tables: [items], schema_changes: { policy: apply, drop: true } }";
    for (from, to) in [(Kind::Postgres18, Kind::Mysql97), (Kind::Mysql97, Kind::Postgres18)] {
        for (job, kept) in [(JOB, true), (drops, false)] {
            let Some((here, there)) = pair("drops", from, to).await else { return };
            run_all(
                &here,
                &[
                    "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20) NOT NULL, qty integer)",
                    "INSERT INTO items VALUES (1, 'one', 10)",
                ],
            )
            .await;
            let place = Place::with_config(&config(&here, &there, job));
            place.run(&["sync"]).done();
            here.execute("ALTER TABLE items DROP COLUMN name").await.unwrap();
            here.execute("INSERT INTO items VALUES (2, 20)").await.unwrap();
            let plan = place.run(&["plan"]).done().out;
            let said = if kept { "NULL" } else { "DROP COLUMN" };
            assert!(plan.contains(said), "{from}: {plan}");
            place.run(&["sync"]).done();
            equal(&here, &there, "id, qty", &format!("{from}")).await;
            let name = there.value("SELECT name FROM items WHERE id = 1").await;
            assert_eq!(name.ok().flatten().as_deref(), kept.then_some("one"), "{from}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_changes_is_refused_with_the_words() {
    for (from, to) in [(Kind::Postgres18, Kind::Mysql97), (Kind::Mysql97, Kind::Postgres18)] {
        let Some((place, here, _there)) = copied("rekeyed", from, to, JOB).await else { return };
        let drop = match from.family() {
            Family::Postgres => "ALTER TABLE items DROP CONSTRAINT items_pkey",
            _ => "ALTER TABLE items DROP PRIMARY KEY",
        };
        run_all(&here, &[drop, "ALTER TABLE items ADD PRIMARY KEY (id, qty)"]).await;
        here.execute("UPDATE items SET name = 'behind' WHERE id = 1").await.unwrap();
        let ran = place.run(&["sync"]).refused("TL-PLAN-KEY-DIFFERS");
        assert!(ran.err.contains("make (id, qty) the primary key"), "{}", ran.transcript());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_table_with_other_columns_takes_the_place_of_the_old_one() {
    for (from, to) in [(Kind::Postgres18, Kind::Mysql97), (Kind::Mysql97, Kind::Postgres18)] {
        let Some((place, here, there)) = copied("another", from, to, JOB).await else { return };
        run_all(
            &here,
            &[
                "DROP TABLE items",
                "CREATE TABLE items (id integer PRIMARY KEY, more integer, name varchar(20), qty integer)",
                "INSERT INTO items VALUES (2, 2, 'of the new table', 2), (7, 7, 'seven', 7)",
            ],
        )
        .await;
        place.run(&["sync"]).done();
        equal(&here, &there, "id, name, qty, more", &format!("{from}")).await;
        place.run(&["verify", "job"]).done();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_changes_while_nothing_is_unread_is_copied_again() {
    let Some((place, here, there)) = copied("caught_up", Kind::Postgres15, Kind::Mysql97, JOB).await else {
        return;
    };
    here.execute("ALTER TABLE items ALTER qty TYPE bigint USING qty * 1000").await.unwrap();
    place.run(&["sync"]).done();
    equal(&here, &there, "id, name, qty", "between two runs").await;
    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
    here.execute("ALTER TABLE items ALTER qty TYPE numeric(12,2) USING qty / 8.0").await.unwrap();
    holds(&mut service, &there, "SELECT count(*) FROM items WHERE qty > 9999", "0").await;
    service.stop();
    equal(&here, &there, "id, name, qty", "while it runs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_another_job_in_the_same_target_are_not_swept_away() {
    let Some((here, there)) = pair("shared", Kind::Postgres18, Kind::Mysql97).await else { return };
    run_all(
        &here,
        &[
            "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20))",
            "CREATE TABLE others (id integer PRIMARY KEY, name varchar(20))",
            "INSERT INTO items VALUES (1, 'one'), (2, 'two')",
            "INSERT INTO others VALUES (100, 'a hundred')",
        ],
    )
    .await;
    let job = |table: &str| {
        format!("{{ source: here, target: there, tables: [{{ name: {table}, to: both_of }}] }}")
    };
    let text = config(&here, &there, &job("items")) + &format!("  other: {}\n", job("others"));
    let place = Place::with_config(&text);
    place.run(&["sync"]).done();
    run_all(
        &here,
        &[
            "DROP TABLE items",
            "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20))",
            "INSERT INTO items VALUES (2, 'another two')",
        ],
    )
    .await;
    let ran = place.run(&["sync", "job"]).refused("TL-SYNC-SHARED-TARGET");
    assert!(ran.err.contains("the job other may write too"), "{}", ran.transcript());
    there.execute("DELETE FROM both_of WHERE id = 1").await.unwrap();
    place.run(&["sync", "job", "--full", "--tables", "items"]).done();
    here.execute("UPDATE others SET name = 'still followed'").await.unwrap();
    place.run(&["sync"]).done();
    let all = rows(&there, "SELECT id, name FROM both_of ORDER BY id").await;
    let row = |id: &str, name: &str| vec![Some(id.to_owned()), Some(name.to_owned())];
    assert_eq!(all, [row("2", "another two"), row("100", "still followed")]);
}
