//! Tables that change at a source that tells it in a way of its own: SQLite by triggers that are made again, MariaDB by statements and rows without the columns'
//! names.

use crate::lockstep::pairs;
use crate::schema::{JOB, LONG, copied, equal, holds, tables_come_and_go};
use crate::service::{Service, phase};
use crate::sides::{rows, run_all};
use tidelock_testkit::{Family, Kind};

pairs! { tables_come_and_go:
    tables_that_come_are_replaced_or_get_another_name_are_followed_from_sqlite_to_mysql: Sqlite => Mysql97;
    tables_that_come_are_replaced_or_get_another_name_are_followed_from_sqlite_to_postgres: Sqlite => Postgres15;
    tables_that_come_are_replaced_or_get_another_name_are_followed_from_mariadb_to_postgres: Mariadb1011 => Postgres18;
    tables_that_come_are_replaced_or_get_another_name_are_followed_from_mariadb_to_mysql: Mariadb1011 => Mysql97;
}

/// What SQLite has for a change of a type: the table is made anew beside the old one, and takes its name.
fn rebuilt(kind: Kind) -> Vec<&'static str> {
    let begin = crate::sides::begin(kind);
    vec![
        begin,
        "CREATE TABLE new_items (id integer PRIMARY KEY, name varchar(40), qty varchar(20))",
        "INSERT INTO new_items SELECT id, name, 'n' || qty FROM items",
        "DROP TABLE items",
        "ALTER TABLE new_items RENAME TO items",
        "COMMIT",
    ]
}

pairs! { rebuilding:
    a_table_that_is_rebuilt_with_another_type_is_followed_sqlite_to_mysql: Sqlite => Mysql97;
    a_table_that_is_rebuilt_with_another_type_is_followed_sqlite_to_postgres: Sqlite => Postgres18;
}

/// Between two runs, then once more while it runs.
async fn rebuilding(from: Kind, to: Kind) {
    let Some((place, here, there)) = copied("rebuilt", from, to, JOB).await else { return };
    run_all(&here, &["UPDATE items SET qty = 11 WHERE id = 1", "DELETE FROM items WHERE id = 2"]).await;
    run_all(&here, &rebuilt(from)).await;
    run_all(&here, &["INSERT INTO items VALUES (4, 'four', 'many')", "UPDATE items SET id = 5 WHERE id = 3"])
        .await;
    place.run(&["sync"]).done();
    equal(&here, &there, "id, name, qty", "between two runs").await;
    place.run(&["verify", "job"]).done();

    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
    run_all(&here, &rebuilt(from)).await;
    here.execute("INSERT INTO items VALUES (6, 'six', 'last')").await.unwrap();
    holds(&mut service, &there, "SELECT qty FROM items WHERE id = 6", "last").await;
    holds(&mut service, &there, "SELECT qty FROM items WHERE id = 4", "nmany").await;
    service.stop();
    equal(&here, &there, "id, name, qty", "while it runs").await;
    place.run(&["verify", "job"]).done();
}

pairs! { while_it_runs:
    columns_that_change_while_it_runs_are_followed_sqlite_to_mysql: Sqlite => Mysql97;
    columns_that_change_while_it_runs_are_followed_sqlite_to_postgres: Sqlite => Postgres18;
    columns_that_change_while_it_runs_are_followed_mariadb_to_postgres: Mariadb1011 => Postgres15;
}

async fn while_it_runs(from: Kind, to: Kind) {
    let Some((place, here, there)) = copied("running", from, to, JOB).await else { return };
    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
    let changes = [
        ("ALTER TABLE items ADD COLUMN more integer", "id, name, qty, more"),
        ("ALTER TABLE items RENAME COLUMN qty TO quantity", "id, name, quantity, more"),
        (
            "ALTER TABLE items ADD COLUMN kind varchar(20) NOT NULL DEFAULT 'plain'",
            "id, name, quantity, more, kind",
        ),
        ("ALTER TABLE items RENAME COLUMN more TO qty", "id, name, quantity, qty, kind"),
    ];
    for (n, (statement, columns)) in changes.into_iter().enumerate() {
        let id = 10 + n;
        run_all(
            &here,
            &[
                "UPDATE items SET name = 'before' WHERE id = 1",
                statement,
                &format!("INSERT INTO items (id, name) VALUES ({id}, '{id}')"),
            ],
        )
        .await;
        holds(&mut service, &there, &format!("SELECT name FROM items WHERE id = {id}"), &id.to_string())
            .await;
        let all = format!("SELECT {columns} FROM items ORDER BY id");
        let here = rows(&here, &all).await;
        let arrived = async |_: &Service| there.query(&all).await.is_ok_and(|rows| rows == here);
        service.wait(statement, LONG, arrived).await;
    }
    service.stop();
    place.run(&["verify", "job"]).done();
}

pairs! { rekeyed:
    another_key_is_refused_with_the_words_sqlite_to_postgres: Sqlite => Postgres18;
    another_key_is_refused_with_the_words_mariadb_to_mysql: Mariadb1011 => Mysql97;
}

/// It is made at the target first; then everything is copied.
async fn rekeyed(from: Kind, to: Kind) {
    let Some((place, here, there)) = copied("rekeyed", from, to, JOB).await else { return };
    match from.family() {
        Family::Sqlite => {
            let made = [
                "CREATE TABLE new_items (id integer NOT NULL, name varchar(20), qty integer NOT NULL, PRIMARY KEY (id, qty))",
                "INSERT INTO new_items SELECT id, name, qty FROM items",
                "DROP TABLE items",
                "ALTER TABLE new_items RENAME TO items",
            ];
            run_all(&here, &made).await;
        }
        _ => run_all(&here, &["ALTER TABLE items DROP PRIMARY KEY, ADD PRIMARY KEY (id, qty)"]).await,
    }
    run_all(&here, &["INSERT INTO items VALUES (1, 'one more', 11)"]).await;
    let ran = place.run(&["sync"]).refused("TL-PLAN-KEY-DIFFERS");
    assert!(ran.err.contains("make (id, qty) the primary key"), "{}", ran.transcript());
    match to.family() {
        Family::Postgres => {
            let made = [
                "ALTER TABLE items DROP CONSTRAINT items_pkey",
                "ALTER TABLE items ADD PRIMARY KEY (id, qty)",
            ];
            run_all(&there, &made).await;
        }
        _ => run_all(&there, &["ALTER TABLE items DROP PRIMARY KEY, ADD PRIMARY KEY (id, qty)"]).await,
    }
    place.run(&["sync"]).done();
    run_all(&here, &["UPDATE items SET name = 'behind' WHERE id = 1 AND qty = 11"]).await;
    place.run(&["sync"]).done();
    equal(&here, &there, "id, qty, name", &format!("{from}")).await;
    place.run(&["verify", "job"]).done();
}

pairs! { pausing:
    a_job_that_pauses_stops_until_the_target_fits_sqlite_to_postgres: Sqlite => Postgres18;
    a_job_that_pauses_stops_until_the_target_fits_mariadb_to_postgres: Mariadb1011 => Postgres18;
}

async fn pausing(from: Kind, to: Kind) {
    let job = "{ source: here, target: there, tables: [items], schema_changes: pause }";
    let Some((place, here, there)) = copied("pauses", from, to, job).await else { return };
    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
    here.execute("ALTER TABLE items ADD COLUMN more integer").await.unwrap();
    here.execute("UPDATE items SET more = 5 WHERE id = 1").await.unwrap();
    let (code, complaint) = service.ended(LONG);
    assert!(code == 1 && complaint.contains("TL-SYNC-SCHEMA-CHANGED"), "{complaint}");
    place.run(&["sync"]).refused("TL-PLAN-COLUMN-MISSING");
    there.execute("ALTER TABLE items ADD COLUMN more integer").await.unwrap();
    place.run(&["sync"]).done();
    equal(&here, &there, "id, name, qty, more", &format!("{from}")).await;
    place.run(&["verify", "job"]).done();
}

pairs! { ignoring:
    a_job_that_ignores_changes_goes_on_with_what_both_have_sqlite_to_mysql: Sqlite => Mysql97;
    a_job_that_ignores_changes_goes_on_with_what_both_have_mariadb_to_postgres: Mariadb1011 => Postgres15;
}

async fn ignoring(from: Kind, to: Kind) {
    let job = "{ source: here, target: there, tables: [items], schema_changes: ignore }";
    let Some((place, here, there)) = copied("ignores", from, to, job).await else { return };
    run_all(
        &here,
        &[
            "ALTER TABLE items ADD COLUMN more integer",
            "UPDATE items SET more = 5, name = 'changed' WHERE id = 1",
            "ALTER TABLE items RENAME COLUMN qty TO quantity",
            "INSERT INTO items (id, name) VALUES (4, 'four')",
        ],
    )
    .await;
    for _ in 0..2 {
        place.run(&["sync"]).done();
        equal(&here, &there, "id, name", &format!("{from}")).await;
    }
    assert_eq!(there.value("SELECT qty FROM items WHERE id = 2").await.unwrap().as_deref(), Some("20"));
    assert!(
        there.query("SELECT more FROM items").await.is_err()
            && there.query("SELECT quantity FROM items").await.is_err()
    );
    place.run(&["verify", "job"]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_mariadb_drops_goes_where_the_job_says_so_and_stays_where_it_does_not() {
    let drops =
        "{ source: here, target: there, tables: [items], schema_changes: { policy: apply, drop: true } }";
    for to in [Kind::Mysql97, Kind::Postgres18] {
        for (job, kept) in [(JOB, true), (drops, false)] {
            let Some((place, here, there)) = copied("drops", Kind::Mariadb1011, to, job).await else {
                return;
            };
            run_all(
                &here,
                &[
                    "UPDATE items SET name = 'changed' WHERE id = 1",
                    "ALTER TABLE items DROP COLUMN qty",
                    "INSERT INTO items VALUES (4, 'four')",
                ],
            )
            .await;
            place.run(&["sync"]).done();
            equal(&here, &there, "id, name", &format!("{to}")).await;
            let qty = there.value("SELECT qty FROM items WHERE id = 2").await;
            assert_eq!(qty.ok().flatten().as_deref(), kept.then_some("20"), "{to}");
            place.run(&["verify", "job"]).done();
        }
    }
}

pairs! { truncated:
    a_table_truncated_between_two_changes_has_only_what_came_behind_mariadb_to_mysql: Mariadb1011 => Mysql97;
    a_table_truncated_between_two_changes_has_only_what_came_behind_mariadb_to_postgres: Mariadb1011 => Postgres18;
    a_table_emptied_between_two_changes_has_only_what_came_behind_sqlite_to_postgres: Sqlite => Postgres18;
}

async fn truncated(from: Kind, to: Kind) {
    let Some((place, here, there)) = copied("truncated", from, to, JOB).await else { return };
    let empty = if from.family() == Family::Sqlite { "DELETE FROM items" } else { "TRUNCATE TABLE items" };
    run_all(
        &here,
        &[
            "ALTER TABLE items ADD COLUMN more integer",
            "UPDATE items SET more = 1",
            empty,
            "INSERT INTO items VALUES (5, 'five', 5, 5)",
            "ALTER TABLE items ADD COLUMN evenmore integer",
            "INSERT INTO items VALUES (6, 'six', 6, 6, 6)",
        ],
    )
    .await;
    place.run(&["sync"]).done();
    equal(&here, &there, "id, name, qty, more, evenmore", &format!("{from}")).await;
    assert_eq!(there.value("SELECT count(*) FROM items").await.unwrap().as_deref(), Some("2"));
    place.run(&["verify", "job"]).done();
}
