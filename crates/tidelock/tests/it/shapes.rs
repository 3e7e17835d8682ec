//! Tables that are no plain tables: in parts, inheriting, unlogged, temporary, views.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::{rows, run_all};
use tidelock_testkit::{Family, Kind};

pairs! { partitioned_postgres:
    a_partitioned_table_is_one_and_goes_on_with_partitions_that_come_later_postgres_to_mysql: Postgres18 => Mysql97;
    a_partitioned_table_is_one_and_goes_on_with_partitions_that_come_later_postgres_to_sqlite: Postgres15 => Sqlite;
}

async fn partitioned_postgres(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("partitioned", from, to, "all").await else { return };
    side.run(&[
        "CREATE TABLE sales (id integer, year integer, amount integer, PRIMARY KEY (id, year)) PARTITION BY RANGE (year)",
        "CREATE TABLE sales_2024 PARTITION OF sales FOR VALUES FROM (2024) TO (2025)",
        "CREATE TABLE sales_2025 PARTITION OF sales FOR VALUES FROM (2025) TO (2026) PARTITION BY RANGE (year)",
        "CREATE TABLE sales_2025_all PARTITION OF sales_2025 FOR VALUES FROM (2025) TO (2026)",
        "INSERT INTO sales VALUES (1, 2024, 10), (2, 2025, 20)",
    ])
    .await;
    let ran = side.place.run(&["check"]);
    let told = "it is partitioned: the log does not tell what is truncated, dropped, attached, detached or rewritten as a single partition; the whole table is copied again then";
    assert!(
        ran.code == 0 && ran.out.contains(told) && ran.out.contains("TL-PG-PARTITIONED"),
        "{}",
        ran.transcript()
    );
    let all = ["SELECT id, year, amount FROM sales ORDER BY id, year"];
    side.arrives(&all).await;
    side.run(&[
        // From one part to another, and into one that was not there.
        "UPDATE sales SET year = 2025 WHERE id = 1",
        "CREATE TABLE sales_2026 PARTITION OF sales FOR VALUES FROM (2026) TO (2027)",
        "INSERT INTO sales VALUES (3, 2026, 30), (4, 2024, 40)",
        "UPDATE sales SET year = 2026, amount = 21 WHERE id = 2",
        "DELETE FROM sales WHERE id = 4",
    ])
    .await;
    side.arrives(&all).await;
    side.over("[sales_2024]");
    side.refused(&["sales_2024", "a single partition of sales", "name the table that it is a part of"]);
    let only = rows(&side.there, match to.family() {
        Family::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name LIKE 'sales%'",
        _ => "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND table_name LIKE 'sales%'",
    })
    .await;
    assert_eq!(only, [[Some("1".to_owned())]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_in_a_partition_before_it_was_attached_come_and_one_that_is_made_costs_nothing() {
    let Some(side) = Lockstep::new("attached", Kind::Postgres18, Kind::Mysql97, "[sales]").await else {
        return;
    };
    side.run(&[
        "CREATE TABLE sales (id integer PRIMARY KEY, amount integer) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF sales FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE high (id integer PRIMARY KEY, amount integer)",
        "INSERT INTO sales VALUES (1, 10), (2, 20)",
        "INSERT INTO high VALUES (11, 110)",
    ])
    .await;
    let all = ["SELECT id, amount FROM sales ORDER BY id"];
    side.arrives(&all).await;
    let made = "CREATE TABLE middle PARTITION OF sales FOR VALUES FROM (20) TO (30)";
    side.run(&[made, "INSERT INTO sales VALUES (21, 210)"]).await;
    let ran = side.place.run(&["sync"]).done();
    assert!(!ran.transcript().contains("copied anew"), "{}", ran.transcript());
    side.arrives(&all).await;
    let moved = [
        &[
            "ALTER TABLE sales ATTACH PARTITION high FOR VALUES FROM (10) TO (20)",
            "INSERT INTO sales VALUES (12, 120)",
        ][..],
        // Made and filled where it was attached.
        &[
            "BEGIN; CREATE TABLE later (id integer NOT NULL, amount integer); INSERT INTO later VALUES (31, 310); \
           ALTER TABLE sales ATTACH PARTITION later FOR VALUES FROM (30) TO (40); COMMIT",
        ],
        // Nobody saw it go.
        &[
            "ALTER TABLE sales DETACH PARTITION high",
            "UPDATE high SET amount = 111 WHERE id = 11",
            "ALTER TABLE sales ATTACH PARTITION high FOR VALUES FROM (10) TO (20)",
        ],
        // It was not there yet when the table was copied for the first time.
        &["DROP TABLE middle", "UPDATE sales SET amount = 11 WHERE id = 1"],
    ];
    for statements in moved {
        side.run(statements).await;
        let ran = side.place.run(&["sync"]).done();
        let told = "its rows were moved or rewritten as a whole";
        assert!(ran.transcript().contains(told), "{statements:?}: {}", ran.transcript());
        side.arrives(&all).await;
        side.place.run(&["verify", "job"]).done();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_went_with_a_partition_stop_a_job_that_pauses() {
    let Some(side) = Lockstep::new("paused", Kind::Postgres15, Kind::Mysql97, "[sales]").await else {
        return;
    };
    side.run(&[
        "CREATE TABLE sales (id integer PRIMARY KEY, amount integer) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF sales FOR VALUES FROM (0) TO (10)",
        "INSERT INTO sales VALUES (1, 10)",
    ])
    .await;
    let job = "{ source: here, target: there, tables: [sales], schema_changes: pause }";
    let place = crate::support::Place::with_config(&crate::sides::config(&side.here, &side.there, job));
    place.run(&["sync"]).done();
    side.run(&["TRUNCATE low", "INSERT INTO sales VALUES (2, 20)"]).await;
    for _ in 0..2 {
        let ran = place.run(&["sync"]).refused("TL-SYNC-SCHEMA-CHANGED");
        assert!(ran.err.contains("the rows of table sales were moved"), "{}", ran.transcript());
    }
    place.run(&["sync", "--full", "--tables", "sales"]).done();
    place.run(&["sync"]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_table_of_mysql_is_one_and_goes_on_with_partitions_that_come_later() {
    for kind in [Kind::Mysql97, Kind::Mariadb1011] {
        let Some(side) = Lockstep::new("partitioned", kind, Kind::Postgres18, "all").await else { continue };
        side.run(&[
            "CREATE TABLE sales (id integer, year integer, amount integer, PRIMARY KEY (id, year)) PARTITION BY RANGE (year) \
             (PARTITION p2024 VALUES LESS THAN (2025), PARTITION p2025 VALUES LESS THAN (2026))",
            "INSERT INTO sales VALUES (1, 2024, 10), (2, 2025, 20)",
        ])
        .await;
        let all = ["SELECT id, year, amount FROM sales ORDER BY id, year"];
        side.arrives(&all).await;
        side.run(&[
            "UPDATE sales SET year = 2025 WHERE id = 1",
            "ALTER TABLE sales ADD PARTITION (PARTITION p2026 VALUES LESS THAN (2027))",
            "INSERT INTO sales VALUES (3, 2026, 30), (4, 2024, 40)",
            "UPDATE sales SET year = 2026, amount = 21 WHERE id = 2",
            "DELETE FROM sales WHERE id = 4",
        ])
        .await;
        side.arrives(&all).await;
        // What takes rows away without telling which is not passed over.
        side.run(&["ALTER TABLE sales DROP PARTITION p2026"]).await;
        side.arrives(&all).await;
    }
}

pairs! { inheriting:
    rows_of_an_inheriting_table_are_its_own_and_not_its_parents_postgres_to_mysql: Postgres18 => Mysql97;
    rows_of_an_inheriting_table_are_its_own_and_not_its_parents_postgres_to_postgres: Postgres15 => Postgres18;
}

/// Both have a row 1: read through the parent it would come twice.
async fn inheriting(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("inheriting", from, to, "all").await else { return };
    side.run(&[
        "CREATE TABLE cities (id integer PRIMARY KEY, name varchar(20))",
        "CREATE TABLE capitals (state varchar(20), PRIMARY KEY (id)) INHERITS (cities)",
        "INSERT INTO cities VALUES (1, 'Bonn'), (2, 'Köln')",
        "INSERT INTO capitals VALUES (1, 'Berlin', 'DE'), (3, 'Wien', 'AT')",
    ])
    .await;
    let arrived = async || {
        side.place.run(&["sync"]).done();
        for (table, list) in [("cities", "id, name"), ("capitals", "id, name, state")] {
            let here = rows(&side.here, &format!("SELECT {list} FROM ONLY {table} ORDER BY id")).await;
            let there = rows(&side.there, &format!("SELECT {list} FROM {table} ORDER BY id")).await;
            assert_eq!(there, here, "{table}");
        }
        side.place.run(&["verify", "job"]).done();
    };
    arrived().await;
    side.run(&[
        "UPDATE cities SET name = name || '!' WHERE id = 1",
        "UPDATE ONLY cities SET name = 'Bonn am Rhein' WHERE id = 1",
        "DELETE FROM cities WHERE id = 3",
        "INSERT INTO capitals VALUES (2, 'Paris', 'FR')",
    ])
    .await;
    arrived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlogged_table_is_refused_with_the_statement_that_mends_it() {
    let Some(side) = Lockstep::new("unlogged", Kind::Postgres18, Kind::Mysql97, "all").await else { return };
    side.run(&["CREATE UNLOGGED TABLE cache (id integer PRIMARY KEY)", "INSERT INTO cache VALUES (1)"]).await;
    let remedy = r#"ALTER TABLE "public"."cache" SET LOGGED"#;
    side.refused(&["cache", "it is unlogged: its changes are in no log", "TL-PG-UNLOGGED", remedy]);
    side.run(&[remedy]).await;
    side.arrives(&["SELECT id FROM cache"]).await;
}

pairs! { temporary:
    temporary_tables_are_passed_over_postgres_to_mysql: Postgres18 => Mysql97;
    temporary_tables_are_passed_over_mysql_to_postgres: Mysql97 => Postgres18;
    temporary_tables_are_passed_over_mariadb_to_sqlite: Mariadb1011 => Sqlite;
    temporary_tables_are_passed_over_sqlite_to_postgres: Sqlite => Postgres15;
}

/// Also one that stands in front of the followed table, under its name.
async fn temporary(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("temporary", from, to, "all").await else { return };
    side.run(&["CREATE TABLE items (id integer PRIMARY KEY)", "INSERT INTO items VALUES (1)"]).await;
    let mut other = side.here.session().await.unwrap();
    let hidden = [
        "CREATE TEMPORARY TABLE passing (id integer)",
        "CREATE TEMPORARY TABLE items (id integer, other integer)",
    ];
    for statement in
        hidden.into_iter().chain(["INSERT INTO passing VALUES (7)", "INSERT INTO items VALUES (7, 7)"])
    {
        other.execute(statement).await.unwrap();
    }
    side.arrives(&["SELECT id FROM items ORDER BY id"]).await;
    other.execute("INSERT INTO items VALUES (8, 8)").await.unwrap();
    other.execute("UPDATE items SET id = 9").await.unwrap();
    other.execute("DROP TABLE passing").await.unwrap();
    side.run(&["INSERT INTO items VALUES (2)"]).await;
    side.arrives(&["SELECT id FROM items ORDER BY id"]).await;
    assert_eq!(crate::catalog::tables(&side.there).await, ["items"]);
}

pairs! { views:
    views_take_no_part_and_one_that_is_named_is_refused_as_what_it_is_postgres_to_mysql: Postgres18 => Mysql97;
    views_take_no_part_and_one_that_is_named_is_refused_as_what_it_is_mysql_to_postgres: Mysql97 => Postgres18;
    views_take_no_part_and_one_that_is_named_is_refused_as_what_it_is_sqlite_to_postgres: Sqlite => Postgres18;
}

async fn views(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("views", from, to, "all").await else { return };
    side.run(&["CREATE TABLE items (id integer PRIMARY KEY)", "INSERT INTO items VALUES (1)"]).await;
    side.run(&["CREATE VIEW seen AS SELECT id FROM items"]).await;
    if from.family() == Family::Postgres {
        side.run(&["CREATE MATERIALIZED VIEW kept AS SELECT id FROM items"]).await;
    }
    side.arrives(&["SELECT id FROM items"]).await;
    assert_eq!(crate::catalog::tables(&side.there).await, ["items"]);
    side.over("[items, seen]");
    side.refused(&["seen", "is a view", "name the tables that it reads"]);
    if from.family() == Family::Postgres {
        side.over("[items, kept]");
        side.refused(&["kept", "is a materialised view", "name the tables that it reads"]);
    }
}

pairs! { in_the_way:
    a_view_where_a_table_is_to_be_written_is_refused_postgres_to_mysql: Postgres18 => Mysql97;
    a_view_where_a_table_is_to_be_written_is_refused_mysql_to_postgres: Mysql97 => Postgres18;
    a_view_where_a_table_is_to_be_written_is_refused_sqlite_to_mariadb: Sqlite => Mariadb1011;
}

async fn in_the_way(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("in_the_way", from, to, "[items]").await else { return };
    side.run(&["CREATE TABLE items (id integer PRIMARY KEY)", "INSERT INTO items VALUES (1)"]).await;
    run_all(
        &side.there,
        &["CREATE TABLE goods (id integer PRIMARY KEY)", "CREATE VIEW items AS SELECT id FROM goods"],
    )
    .await;
    side.refused(&["items", "is a view", "NOT-A-TABLE", "give the table another name with `to:`"]);
    assert_eq!(rows(&side.there, "SELECT count(*) FROM goods").await, [[Some("0".to_owned())]]);
}
