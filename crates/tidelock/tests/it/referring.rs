//! Rows that refer to each other: to their own table, in circles, and to what comes only before the commit.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::begin;
use tidelock_testkit::{Family, Kind};

pairs! { own_table:
    rows_that_refer_to_their_own_table_postgres_to_mysql: Postgres18 => Mysql97;
    rows_that_refer_to_their_own_table_mysql_to_postgres: Mysql97 => Postgres18;
    rows_that_refer_to_their_own_table_mariadb_to_sqlite: Mariadb1011 => Sqlite;
    rows_that_refer_to_their_own_table_sqlite_to_mysql: Sqlite => Mysql97;
}

async fn own_table(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("own_table", from, to, "[tree]").await else { return };
    side.run(&[
        "CREATE TABLE tree (id integer NOT NULL PRIMARY KEY, parent integer, name varchar(20), FOREIGN KEY (parent) REFERENCES tree (id))",
        // Children have the lower keys.
        "INSERT INTO tree VALUES (9, NULL, 'root')",
        "INSERT INTO tree VALUES (5, 9, 'branch')",
        "INSERT INTO tree VALUES (1, 5, 'leaf')",
    ])
    .await;
    let all = ["SELECT id, parent, name FROM tree ORDER BY id"];
    side.arrives(&all).await;
    side.run(&[
        begin(from),
        "INSERT INTO tree VALUES (8, NULL, 'new root')",
        "INSERT INTO tree VALUES (2, 8, 'new branch')",
        "UPDATE tree SET parent = 2 WHERE id = 1",
        "DELETE FROM tree WHERE id = 5",
        "UPDATE tree SET parent = 8 WHERE id = 9",
        "INSERT INTO tree VALUES (0, 1, 'lowest')",
        "COMMIT",
    ])
    .await;
    side.arrives(&all).await;
    side.run(&[begin(from), "DELETE FROM tree WHERE id = 0", "DELETE FROM tree WHERE id = 1", "COMMIT"])
        .await;
    side.arrives(&all).await;
}

pairs! { circle:
    tables_that_refer_to_each_other_in_a_circle_postgres_to_mysql: Postgres18 => Mysql97;
    tables_that_refer_to_each_other_in_a_circle_mysql_to_postgres: Mysql97 => Postgres18;
    tables_that_refer_to_each_other_in_a_circle_sqlite_to_postgres: Sqlite => Postgres15;
    tables_that_refer_to_each_other_in_a_circle_postgres_to_sqlite: Postgres15 => Sqlite;
}

/// Where the database can wait with them (`DEFERRABLE`), the constraints wait for the commit, and the children come first.
async fn circle(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("circle", from, to, "[teams, people]").await else { return };
    let late = if from.family() == Family::Mysql { "" } else { " DEFERRABLE INITIALLY DEFERRED" };
    let people = format!(
        "CREATE TABLE people (id integer NOT NULL PRIMARY KEY, team integer, name varchar(20), CONSTRAINT of_team FOREIGN KEY (team) REFERENCES teams (id){late})"
    );
    let teams = "CREATE TABLE teams (id integer NOT NULL PRIMARY KEY, head integer";
    match from.family() {
        Family::Sqlite => {
            side.run(&[
                format!("{teams}, CONSTRAINT by_lead FOREIGN KEY (head) REFERENCES people (id){late})"),
                people,
            ])
            .await;
        }
        _ => {
            let key = format!(
                "ALTER TABLE teams ADD CONSTRAINT by_lead FOREIGN KEY (head) REFERENCES people (id){late}"
            );
            side.run(&[format!("{teams})"), people, key]).await;
        }
    }
    let both = |n: i32| -> Vec<String> {
        let rows = [
            format!("INSERT INTO people VALUES ({n}, {n}, 'person {n}')"),
            format!("INSERT INTO teams VALUES ({n}, {n})"),
        ];
        let all = match from.family() {
            Family::Mysql => vec![
                format!("INSERT INTO teams VALUES ({n}, NULL)"),
                rows[0].clone(),
                format!("UPDATE teams SET head = {n} WHERE id = {n}"),
            ],
            _ => rows.to_vec(),
        };
        [begin(from).to_owned()].into_iter().chain(all).chain(["COMMIT".to_owned()]).collect()
    };
    side.run(&both(1)).await;
    side.run(&both(2)).await;
    let all = ["SELECT id, team, name FROM people ORDER BY id", "SELECT id, head FROM teams ORDER BY id"];
    side.arrives(&all).await;
    side.run(&both(3)).await;
    side.run(&[
        begin(from),
        "UPDATE teams SET head = 3 WHERE id = 1",
        "UPDATE people SET team = 1",
        "UPDATE teams SET head = NULL WHERE id = 2",
        "DELETE FROM people WHERE id = 2",
        "DELETE FROM teams WHERE id = 2",
        "COMMIT",
    ])
    .await;
    side.arrives(&all).await;
    let keys = match to.family() {
        Family::Sqlite => {
            "SELECT (SELECT count(*) FROM pragma_foreign_key_list('people')) + (SELECT count(*) FROM pragma_foreign_key_list('teams'))"
        }
        Family::Mysql => {
            "SELECT count(*) FROM information_schema.table_constraints WHERE constraint_type = 'FOREIGN KEY' AND constraint_schema = database()"
        }
        _ => "SELECT count(*) FROM pg_constraint WHERE contype = 'f'",
    };
    assert_eq!(side.there.value(keys).await.unwrap().as_deref(), Some("2"), "the foreign keys came along");
}

pairs! { late:
    unique_values_that_are_checked_only_at_the_commit_postgres_to_mysql: Postgres18 => Mysql97;
    unique_values_that_are_checked_only_at_the_commit_postgres_to_sqlite: Postgres15 => Sqlite;
    unique_values_that_are_checked_only_at_the_commit_postgres_to_postgres: Postgres15 => Postgres18;
}

async fn late(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("late", from, to, "[items]").await else { return };
    side.run(&[
        "CREATE TABLE items (id integer PRIMARY KEY, place integer UNIQUE DEFERRABLE INITIALLY DEFERRED, name varchar(20))",
        "INSERT INTO items VALUES (1, 1, 'one'), (2, 2, 'two'), (3, 3, 'three')",
    ])
    .await;
    let all = ["SELECT id, place, name FROM items ORDER BY id"];
    side.arrives(&all).await;
    side.run(&["UPDATE items SET place = 4 - place"]).await;
    side.arrives(&all).await;
    side.run(&[
        "BEGIN",
        "UPDATE items SET place = 2",
        "UPDATE items SET place = id",
        "INSERT INTO items VALUES (4, 1, 'four')",
        "UPDATE items SET place = 5 WHERE id = 1",
        "COMMIT",
    ])
    .await;
    side.arrives(&all).await;
}
