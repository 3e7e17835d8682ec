//! What can be copied although it cannot be followed: tables without a key, and views.

use crate::lockstep::pairs;
use crate::sides::{pair, rows, run_all};
use crate::support::Place;
use tidelock_testkit::{Family, Kind};

pairs! { keyless:
    a_table_without_a_key_is_copied_row_by_row_and_never_twice_postgres_to_mysql: Postgres18 => Mysql97;
    a_table_without_a_key_is_copied_row_by_row_and_never_twice_postgres_to_postgres: Postgres15 => Postgres18;
    a_table_without_a_key_is_copied_row_by_row_and_never_twice_mysql_to_postgres: Mysql97 => Postgres18;
    a_table_without_a_key_is_copied_row_by_row_and_never_twice_mariadb_to_sqlite: Mariadb1011 => Sqlite;
    a_table_without_a_key_is_copied_row_by_row_and_never_twice_sqlite_to_mariadb: Sqlite => Mariadb1011;
}

async fn keyless(from: Kind, to: Kind) {
    let Some((here, there)) = pair("keyless_copy", from, to).await else { return };
    run_all(
        &here,
        &[
            "CREATE TABLE notes (name varchar(20), qty integer)",
            "INSERT INTO notes VALUES ('twice', 1), ('twice', 1), ('once', NULL), (NULL, NULL), (NULL, NULL)",
        ],
    )
    .await;
    let place = Place::new();
    place.run(&["copy", &here.url, &there.url]).done();
    let all = "SELECT name, qty, count(*) FROM notes GROUP BY name, qty ORDER BY 3, 1";
    let there_are = rows(&there, all).await;
    assert_eq!(there_are.len(), 3);
    assert_eq!(
        rows(&there, "SELECT count(*) FROM notes").await,
        rows(&here, "SELECT count(*) FROM notes").await
    );
    let ran = place.run(&["copy", &here.url, &there.url]).refused("TL-COPY-NOT-EMPTY");
    assert!(
        ran.err.contains("notes has no key") && ran.err.contains("empty it first"),
        "{}",
        ran.transcript()
    );
    assert_eq!(rows(&there, all).await, there_are);
}

pairs! { views:
    a_view_that_is_named_is_copied_as_it_shows_itself_postgres_to_mysql: Postgres18 => Mysql97;
    a_view_that_is_named_is_copied_as_it_shows_itself_mysql_to_postgres: Mysql97 => Postgres18;
    a_view_that_is_named_is_copied_as_it_shows_itself_mariadb_to_postgres: Mariadb1011 => Postgres15;
    a_view_that_is_named_is_copied_as_it_shows_itself_sqlite_to_postgres: Sqlite => Postgres18;
}

async fn views(from: Kind, to: Kind) {
    let Some((here, there)) = pair("view_copy", from, to).await else { return };
    run_all(
        &here,
        &[
            "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20), price decimal(10,2))",
            "INSERT INTO items VALUES (1, 'pen', 1.50), (2, 'ink', 20.25), (3, NULL, 3)",
            "CREATE VIEW dear AS SELECT name, price FROM items WHERE price > 2",
        ],
    )
    .await;
    let place = Place::new();
    place.run(&["copy", &here.url, &there.url]).done();
    assert_eq!(crate::catalog::tables(&there).await, ["items"], "a view that is not named takes no part");
    let mut names = vec!["dear"];
    if from.family() == Family::Postgres {
        run_all(&here, &["CREATE MATERIALIZED VIEW kept AS SELECT id, price FROM items"]).await;
        names.push("kept");
    }
    place.run(&["copy", &here.url, &there.url, "--tables", &names.join(",")]).done();
    for name in names {
        let all = format!("SELECT * FROM {name} ORDER BY price");
        assert_eq!(rows(&there, &all).await, rows(&here, &all).await, "{name}");
    }
    place.run(&["copy", &here.url, &there.url, "--tables", "dear"]).refused("TL-COPY-NOT-EMPTY");
}
