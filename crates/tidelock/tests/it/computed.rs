//! Columns that the source computes, or hides: computed ones are nobody's to copy, hidden ones arrive like any other.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::{rows, run_all};
use tidelock_testkit::{Family, Kind};

/// In front, in the middle and behind.
fn computing(kind: Kind) -> &'static str {
    match kind {
        Kind::Postgres18 => {
            "CREATE TABLE items (gross numeric(12,2) GENERATED ALWAYS AS (net * 2) VIRTUAL, id integer PRIMARY KEY, \
             label varchar(80) GENERATED ALWAYS AS ('#' || name) STORED, name varchar(40), net numeric(10,2), double_id integer GENERATED ALWAYS AS (id * 2))"
        }
        kind if kind.family() == Family::Postgres => {
            "CREATE TABLE items (gross numeric(12,2) GENERATED ALWAYS AS (net * 2) STORED, id integer PRIMARY KEY, \
             label varchar(80) GENERATED ALWAYS AS ('#' || name) STORED, name varchar(40), net numeric(10,2), double_id integer GENERATED ALWAYS AS (id * 2) STORED)"
        }
        _ => {
            "CREATE TABLE items (gross decimal(12,2) AS (net * 2) VIRTUAL, id integer PRIMARY KEY, \
             label varchar(80) AS (concat('#', name)) STORED, name varchar(40), net decimal(10,2), double_id integer AS (id * 2) VIRTUAL)"
        }
    }
}

pairs! { made_here:
    a_target_that_is_made_for_computed_columns_has_none_of_them_postgres_to_mysql: Postgres18 => Mysql97;
    a_target_that_is_made_for_computed_columns_has_none_of_them_postgres_to_postgres: Postgres18 => Postgres15;
    a_target_that_is_made_for_computed_columns_has_none_of_them_from_an_older_postgres: Postgres15 => Postgres18;
    a_target_that_is_made_for_computed_columns_has_none_of_them_mysql_to_postgres: Mysql97 => Postgres18;
    a_target_that_is_made_for_computed_columns_has_none_of_them_postgres_to_sqlite: Postgres18 => Sqlite;
}

async fn made_here(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("computed", from, to, "[items]").await else { return };
    follows(&side, from).await;
    let all = rows(&side.there, "SELECT * FROM items WHERE id = 2").await;
    assert_eq!(all, [["2", "deux", "3.75"].map(|v| Some(v.to_owned()))]);
}

pairs! { both_compute:
    a_target_that_computes_for_itself_goes_on_doing_so_postgres_to_mysql: Postgres18 => Mysql97;
    a_target_that_computes_for_itself_goes_on_doing_so_postgres_to_postgres: Postgres15 => Postgres18;
    a_target_that_computes_for_itself_goes_on_doing_so_mysql_to_postgres: Mysql97 => Postgres18;
    a_target_that_computes_for_itself_goes_on_doing_so_mariadb_to_mysql: Mariadb1011 => Mysql97;
}

async fn both_compute(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("computed", from, to, "[items]").await else { return };
    side.there.execute(computing(to)).await.unwrap();
    follows(&side, from).await;
    side.arrives(&["SELECT id, gross, label, double_id FROM items ORDER BY id"]).await;
}

async fn follows(side: &Lockstep, from: Kind) {
    side.run(&[
        computing(from),
        "INSERT INTO items (id, name, net) VALUES (1, 'one', 1.25), (2, 'two', 2.50), (3, 'three', NULL)",
    ])
    .await;
    let all = ["SELECT id, name, net FROM items ORDER BY id"];
    side.arrives(&all).await;
    side.run(&[
        "UPDATE items SET name = 'deux', net = 3.75 WHERE id = 2",
        "DELETE FROM items WHERE id = 1",
        "UPDATE items SET id = 5 WHERE id = 3",
        "INSERT INTO items (id, name, net) VALUES (4, NULL, 4.25)",
    ])
    .await;
    side.arrives(&all).await;
}

pairs! { hidden:
    columns_that_are_not_shown_arrive_mysql_to_postgres: Mysql97 => Postgres18;
    columns_that_are_not_shown_arrive_mariadb_to_mysql: Mariadb1011 => Mysql97;
    columns_that_are_not_shown_arrive_mysql_to_mariadb: Mysql97 => Mariadb1011;
    columns_that_are_not_shown_arrive_mariadb_to_sqlite: Mariadb1011 => Sqlite;
}

async fn hidden(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("hidden", from, to, "[items]").await else { return };
    side.run(&[
        "CREATE TABLE items (secret integer DEFAULT 7 INVISIBLE, id integer PRIMARY KEY, name varchar(20), more varchar(20) INVISIBLE)",
        "INSERT INTO items VALUES (1, 'one'), (2, 'two')",
        "INSERT INTO items (id, name, secret, more) VALUES (3, 'three', 30, 'told')",
    ])
    .await;
    let all = ["SELECT id, name, secret, more FROM items ORDER BY id"];
    side.arrives(&all).await;
    side.run(&[
        "UPDATE items SET secret = 20 WHERE id = 2",
        "UPDATE items SET id = 4, more = NULL WHERE id = 3",
        "INSERT INTO items VALUES (5, 'five')",
        "ALTER TABLE items ADD COLUMN late integer NOT NULL DEFAULT 9 INVISIBLE",
        "UPDATE items SET late = 10 WHERE id = 1",
    ])
    .await;
    side.arrives(&["SELECT id, name, secret, more, late FROM items ORDER BY id"]).await;
}

pairs! { hidden_there:
    columns_that_the_target_does_not_show_are_written_postgres_to_mysql: Postgres18 => Mysql97;
    columns_that_the_target_does_not_show_are_written_mysql_to_mariadb: Mysql97 => Mariadb1011;
}

async fn hidden_there(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("hidden", from, to, "[items]").await else { return };
    side.run(&[
        "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20), secret integer)",
        "INSERT INTO items VALUES (1, 'one', 10), (2, 'two', 20)",
    ])
    .await;
    let made = "CREATE TABLE items (secret integer INVISIBLE, name varchar(20), id integer PRIMARY KEY)";
    side.there.execute(made).await.unwrap();
    let all = ["SELECT id, name, secret FROM items ORDER BY id"];
    side.arrives(&all).await;
    side.run(&["UPDATE items SET secret = 21 WHERE id = 2", "INSERT INTO items VALUES (3, 'three', 30)"])
        .await;
    side.arrives(&all).await;
}

pairs! { given_key:
    a_key_that_the_server_gave_and_hides_tells_rows_apart_mysql_to_postgres: Mysql97 => Postgres18;
    a_key_that_the_server_gave_and_hides_tells_rows_apart_mysql_to_mysql: Mysql97 => Mysql97;
    a_key_that_the_server_gave_and_hides_tells_rows_apart_mysql_to_sqlite: Mysql97 => Sqlite;
}

/// `sql_generate_invisible_primary_key`: two rows are alike in all that is shown.
async fn given_key(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("given_key", from, to, "[items]").await else { return };
    run_all(
        &side.here,
        &[
            "SET SESSION sql_generate_invisible_primary_key = ON",
            "CREATE TABLE items (name varchar(20), qty integer)",
            "INSERT INTO items VALUES ('one', 1), ('twin', 2), ('twin', 2)",
        ],
    )
    .await;
    let told = side.place.run(&["check"]).done().out;
    assert_eq!(told.contains("TL-PLAN-DEFAULT"), to.family() == Family::Postgres, "{told}");
    let all = ["SELECT my_row_id, name, qty FROM items ORDER BY my_row_id"];
    side.arrives(&all).await;
    side.run(&[
        "UPDATE items SET qty = 3 WHERE my_row_id = 2",
        "DELETE FROM items WHERE name = 'one'",
        "INSERT INTO items VALUES ('new', 4)",
    ])
    .await;
    side.arrives(&all).await;
    // An unsigned number of 64 bits is a numeric at PostgreSQL, which gives no numbers by itself.
    if to.family() == Family::Postgres {
        return;
    }
    side.there.execute("INSERT INTO items (name, qty) VALUES ('own', 5)").await.unwrap();
    assert_eq!(
        rows(&side.there, "SELECT my_row_id FROM items WHERE name = 'own'").await,
        [[Some("5".to_owned())]]
    );
}
