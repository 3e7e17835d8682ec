//! Partitions that are dropped, truncated, detached or exchanged by themselves: PostgreSQL's log tells nothing of their rows and its catalogue does, MySQL and MariaDB tell the statement.

use crate::lockstep::{Lockstep, pairs};
use tidelock_testkit::Kind;

const TOLD: &str = "the log does not tell what is truncated, dropped, attached, detached or rewritten as a single partition; the whole table is copied again then";

pairs! { gone:
    rows_that_went_with_a_partition_go_at_the_target_postgres_to_mysql: Postgres18 => Mysql97;
    rows_that_went_with_a_partition_go_at_the_target_postgres_to_sqlite: Postgres15 => Sqlite;
}

async fn gone(from: Kind, to: Kind) {
    for statement in ["ALTER TABLE sales DETACH PARTITION low", "DROP TABLE low", "TRUNCATE low"] {
        println!("{statement}");
        let Some(side) = Lockstep::new("partition", from, to, "[sales]").await else { return };
        side.run(&[
            "CREATE TABLE sales (id integer PRIMARY KEY, amount integer) PARTITION BY RANGE (id)",
            "CREATE TABLE low PARTITION OF sales FOR VALUES FROM (0) TO (10)",
            "CREATE TABLE high PARTITION OF sales FOR VALUES FROM (10) TO (20)",
            "INSERT INTO sales VALUES (1, 10), (2, 20), (11, 110), (12, 120)",
        ])
        .await;
        let ran = side.place.run(&["check"]).done();
        assert!(ran.out.contains(TOLD) && ran.out.contains("TL-PG-PARTITIONED"), "{}", ran.transcript());
        let all = ["SELECT id, amount FROM sales ORDER BY id"];
        side.arrives(&all).await;
        side.run(&[
            "UPDATE sales SET amount = 11 WHERE id = 1",
            statement,
            "UPDATE sales SET amount = 111 WHERE id = 11",
        ])
        .await;
        side.arrives(&all).await;
        side.place.run(&["verify", "job"]).done();
        side.run(&["INSERT INTO sales VALUES (13, 130)", "DELETE FROM sales WHERE id = 12"]).await;
        side.arrives(&all).await;
    }
}

pairs! { told:
    rows_of_a_partition_that_is_truncated_or_exchanged_are_at_the_target_mysql_to_postgres: Mysql97 => Postgres18;
    rows_of_a_partition_that_is_truncated_or_exchanged_are_at_the_target_mariadb_to_mysql: Mariadb1011 => Mysql97;
    rows_of_a_partition_that_is_truncated_or_exchanged_are_at_the_target_mysql_to_sqlite: Mysql97 => Sqlite;
}

/// The table that it is exchanged with is followed, too.
async fn told(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("partition", from, to, "[sales, aside]").await else { return };
    side.run(&[
        "CREATE TABLE sales (id integer, year integer, amount integer, PRIMARY KEY (id, year)) PARTITION BY RANGE (year) \
         (PARTITION p2024 VALUES LESS THAN (2025), PARTITION p2025 VALUES LESS THAN (2026), PARTITION p2026 VALUES LESS THAN (2027))",
        "CREATE TABLE aside (id integer, year integer, amount integer, PRIMARY KEY (id, year))",
        "INSERT INTO sales VALUES (1, 2024, 10), (2, 2024, 20), (3, 2025, 30), (4, 2026, 40)",
        "INSERT INTO aside VALUES (7, 2025, 70), (8, 2025, 80)",
    ])
    .await;
    let all = ["sales", "aside"].map(|t| format!("SELECT id, year, amount FROM {t} ORDER BY id"));
    side.arrives(&all).await;
    side.run(&[
        "UPDATE sales SET amount = 11 WHERE id = 1",
        "ALTER TABLE sales TRUNCATE PARTITION p2024",
        "INSERT INTO sales VALUES (2, 2024, 21), (5, 2024, 50)",
    ])
    .await;
    side.arrives(&all).await;
    side.run(&[
        "UPDATE sales SET amount = 31 WHERE id = 3",
        "DELETE FROM aside WHERE id = 8",
        "ALTER TABLE sales EXCHANGE PARTITION p2025 WITH TABLE aside",
        "UPDATE sales SET amount = 71 WHERE id = 7",
        "INSERT INTO aside VALUES (9, 2025, 90)",
    ])
    .await;
    side.arrives(&all).await;
    side.run(&[
        "ALTER TABLE sales EXCHANGE PARTITION p2025 WITH TABLE aside",
        "ALTER TABLE sales REORGANIZE PARTITION p2025, p2026 INTO (PARTITION rest VALUES LESS THAN MAXVALUE)",
        "DELETE FROM sales WHERE id = 4",
    ])
    .await;
    side.arrives(&all).await;
}
