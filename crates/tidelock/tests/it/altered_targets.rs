//! Tables that change at the source while the target is a SQLite file, which alters little of a table that is there: what it can is done, what it cannot is
//! refused in words, and the statement that is named there mends it.

use crate::lockstep::{Lockstep, pairs};
use crate::schema::{JOB, copied, equal};
use crate::sides::{rows, run_all};
use crate::support::Place;
use tidelock_testkit::{Database, Family, Kind};

const DROPS: &str =
    "{ source: here, target: there, tables: [items], schema_changes: { policy: apply, drop: true } }";
const REMEDY: &str = "DROP TABLE \"items\"";

/// One change of `items`, and the columns behind it.
struct Change {
    statements: Vec<String>,
    columns: &'static str,
}

fn change(columns: &'static str, statements: &[&str]) -> Change {
    Change { statements: statements.iter().map(|s| (*s).to_owned()).collect(), columns }
}

/// A column gets another type.
fn retype(kind: Kind, column: &str, to: &str) -> String {
    match kind.family() {
        Family::Postgres => format!("ALTER TABLE items ALTER {column} TYPE {to}"),
        _ => format!("ALTER TABLE items MODIFY {column} {to}"),
    }
}

/// Makes it between changes that were not read yet and others.
async fn make(here: &Database, change: &Change) {
    run_all(here, &["UPDATE items SET name = 'changed' WHERE id = 1", "DELETE FROM items WHERE id = 2"])
        .await;
    run_all(here, &change.statements).await;
    run_all(
        here,
        &["INSERT INTO items (id, name) VALUES (5, 'five')", "UPDATE items SET id = 6 WHERE id = 3"],
    )
    .await;
}

async fn arrived(place: &Place, here: &Database, there: &Database, change: &Change) {
    let what = format!("{:?}", change.statements);
    equal(here, there, change.columns, &what).await;
    here.execute("UPDATE items SET name = 'later' WHERE id = 6").await.unwrap();
    place.run(&["sync"]).done();
    equal(here, there, change.columns, &what).await;
    place.run(&["verify", "job"]).done();
}

pairs! { possible:
    what_sqlite_can_alter_follows_with_all_values_postgres_to_sqlite: Postgres18 => Sqlite;
    what_sqlite_can_alter_follows_with_all_values_mysql_to_sqlite: Mysql97 => Sqlite;
}

async fn possible(from: Kind, to: Kind) {
    let longer = retype(from, "name", "varchar(40)");
    let changes = [
        (JOB, change("id, name, qty, more", &["ALTER TABLE items ADD COLUMN more integer"])),
        (
            JOB,
            change("id, name, qty, more", &["ALTER TABLE items ADD COLUMN more integer NOT NULL DEFAULT 5"]),
        ),
        (
            JOB,
            change("id, name, qty, more", &["ALTER TABLE items ADD COLUMN more varchar(20) DEFAULT 'it''s'"]),
        ),
        (JOB, change("id, name, quantity", &["ALTER TABLE items RENAME COLUMN qty TO quantity"])),
        (DROPS, change("id, name, quantity", &["ALTER TABLE items RENAME COLUMN qty TO quantity"])),
        (JOB, change("id, name", &["ALTER TABLE items DROP COLUMN qty"])),
        (DROPS, change("id, name", &["ALTER TABLE items DROP COLUMN qty"])),
        // A text of SQLite holds any length.
        (
            JOB,
            change(
                "id, name, qty",
                &[&longer, "UPDATE items SET name = 'a name of more than twenty letters' WHERE id = 3"],
            ),
        ),
    ];
    for (job, change) in &changes {
        let Some((place, here, there)) = copied("can", from, to, job).await else { return };
        make(&here, change).await;
        place.run(&["sync"]).done();
        arrived(&place, &here, &there, change).await;
        let dropped = *job == DROPS;
        assert_eq!(there.query("SELECT qty FROM items").await.is_err(), dropped, "{:?}", change.statements);
    }
}

pairs! { impossible:
    what_sqlite_cannot_alter_is_refused_with_the_statement_that_mends_it_postgres_to_sqlite: Postgres15 => Sqlite;
    what_sqlite_cannot_alter_is_refused_with_the_statement_that_mends_it_mysql_to_sqlite: Mysql97 => Sqlite;
}

/// The job's rows stay as they were until somebody did what is said.
async fn impossible(from: Kind, to: Kind) {
    let (text, wider) = (retype(from, "qty", "varchar(20)"), retype(from, "qty", "bigint"));
    let changes = [
        (
            "its column qty gets another type",
            change("id, name, qty", &[&text, "UPDATE items SET qty = 'ten' WHERE id = 1"]),
        ),
        (
            "its column qty gets another type",
            change("id, name, qty", &[&wider, "UPDATE items SET qty = 9007199254740993 WHERE id = 1"]),
        ),
        (
            "its column must_have must allow NULL now",
            change("id, name, qty", &["ALTER TABLE items DROP COLUMN must_have"]),
        ),
    ];
    for (told, change) in &changes {
        let Some(side) = Lockstep::new("cannot", from, to, "[items]").await else { return };
        side.run(&[
            "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20), qty integer, must_have integer NOT NULL)",
            "INSERT INTO items VALUES (1, 'one', 10, 1), (2, 'two', 20, 2), (3, 'three', 30, 3)",
        ])
        .await;
        let all = ["SELECT id, name, qty FROM items ORDER BY id"];
        side.arrives(&all).await;
        let before = rows(&side.there, all[0]).await;
        side.run(&change.statements).await;
        side.run(&["UPDATE items SET name = 'behind' WHERE id = 3"]).await;
        for _ in 0..2 {
            side.stops(&["TL-SQLITE-ALTER", told, REMEDY, "copy it anew"]);
            assert_eq!(rows(&side.there, all[0]).await, before);
        }
        side.there.execute(REMEDY).await.unwrap();
        side.place.run(&["sync", "--full", "--tables", "items"]).done();
        side.run(&["DELETE FROM items WHERE id = 2", "UPDATE items SET id = 4 WHERE id = 3"]).await;
        side.arrives(&all).await;
    }
}
