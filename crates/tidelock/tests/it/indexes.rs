//! Indexes that come and go at the source while it is followed: they are the target's own business, and rows go on to arrive.

use crate::lockstep::{Lockstep, pairs};
use crate::schema::{JOB, LONG, copied, equal, holds};
use crate::service::{Service, phase};
use crate::sides::run_all;
use tidelock_testkit::{Family, Kind};

pairs! { come_and_go:
    indexes_that_come_and_go_at_the_source_do_not_disturb_postgres_to_mysql: Postgres18 => Mysql97;
    indexes_that_come_and_go_at_the_source_do_not_disturb_mysql_to_postgres: Mysql97 => Postgres18;
    indexes_that_come_and_go_at_the_source_do_not_disturb_mariadb_to_sqlite: Mariadb1011 => Sqlite;
}

async fn come_and_go(from: Kind, to: Kind) {
    let Some((place, here, there)) = copied("indexes", from, to, JOB).await else { return };
    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
    let (concurrently, gone, gone_too) = match from.family() {
        Family::Postgres => (
            "CREATE INDEX CONCURRENTLY late ON items (qty, name)",
            "DROP INDEX by_name",
            "DROP INDEX one_qty",
        ),
        _ => (
            "ALTER TABLE items ADD INDEX late (qty, name), ALGORITHM=INPLACE, LOCK=NONE",
            "DROP INDEX by_name ON items",
            "ALTER TABLE items DROP INDEX one_qty",
        ),
    };
    let statements = [
        "CREATE INDEX by_name ON items (name)",
        "CREATE UNIQUE INDEX one_qty ON items (qty)",
        concurrently,
        gone,
        gone_too,
    ];
    for (n, statement) in statements.into_iter().enumerate() {
        let id = 10 + n;
        run_all(
            &here,
            &[
                &format!("UPDATE items SET name = 'before {n}' WHERE id = 1"),
                statement,
                &format!("INSERT INTO items VALUES ({id}, 'behind', {id}00)"),
            ],
        )
        .await;
        holds(&mut service, &there, &format!("SELECT qty FROM items WHERE id = {id}"), &format!("{id}00"))
            .await;
    }
    // The source's is gone, so it takes it twice, and so must the target.
    run_all(&here, &["INSERT INTO items VALUES (20, 'twice', 10)"]).await;
    holds(&mut service, &there, "SELECT name FROM items WHERE id = 20", "twice").await;
    service.stop();
    equal(&here, &there, "id, name, qty", &format!("{from}")).await;
    place.run(&["verify", "job"]).done();
}

pairs! { only_there:
    rows_that_only_the_source_takes_since_its_index_is_gone_stop_the_job_by_name_postgres_to_mysql: Postgres18 => Mysql97;
    rows_that_only_the_source_takes_since_its_index_is_gone_stop_the_job_by_name_mysql_to_postgres: Mysql97 => Postgres18;
}

/// The unique index that came with the first copy stays until somebody drops it.
async fn only_there(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("only_there", from, to, "[items]").await else { return };
    side.run(&[
        "CREATE TABLE items (id integer PRIMARY KEY, qty integer)",
        "CREATE UNIQUE INDEX one_qty ON items (qty)",
        "INSERT INTO items VALUES (1, 10), (2, 20)",
    ])
    .await;
    let all = ["SELECT id, qty FROM items ORDER BY id"];
    side.arrives(&all).await;
    let sentences = crate::catalog::sentences(&side.there).await;
    assert!(sentences.iter().any(|s| s == "unique index items qty"), "{sentences:?}");
    side.run(&[if from.family() == Family::Postgres {
        "DROP INDEX one_qty"
    } else {
        "DROP INDEX one_qty ON items"
    }])
    .await;
    side.run(&["INSERT INTO items VALUES (3, 10)"]).await;
    for _ in 0..2 {
        side.stops(&["items", "uplicate", "10", "qty"]);
    }
    // PostgreSQL's was given a name there, for names of indexes are the schema's.
    side.there
        .execute(if to.family() == Family::Postgres {
            "DROP INDEX items_qty_idx"
        } else {
            "DROP INDEX one_qty ON items"
        })
        .await
        .unwrap();
    side.arrives(&all).await;
}

pairs! { twice:
    columns_that_are_indexed_twice_are_no_obstacle_mysql_to_postgres: Mysql97 => Postgres18;
    columns_that_are_indexed_twice_are_no_obstacle_mysql_to_sqlite: Mysql97 => Sqlite;
    columns_that_are_indexed_twice_are_no_obstacle_postgres_to_mariadb: Postgres15 => Mariadb1011;
    columns_that_are_indexed_twice_are_no_obstacle_postgres_to_postgres: Postgres15 => Postgres18;
}

/// Plain and plain, plain and unique: what the target has serves for both.
async fn twice(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("twice", from, to, "[items]").await else { return };
    side.run(&[
        "CREATE TABLE items (id integer PRIMARY KEY, qty integer, name varchar(20))",
        "CREATE INDEX one ON items (qty)",
        "CREATE INDEX two ON items (qty)",
        "CREATE INDEX three ON items (name)",
        "CREATE UNIQUE INDEX four ON items (name)",
        "INSERT INTO items VALUES (1, 10, 'one')",
    ])
    .await;
    let all = ["SELECT id, qty, name FROM items ORDER BY id"];
    side.arrives(&all).await;
    let sentences = crate::catalog::sentences(&side.there).await;
    for index in ["index items qty", "unique index items name"] {
        assert!(sentences.iter().any(|s| s == index), "{index}: {sentences:?}");
    }
    side.run(&["INSERT INTO items VALUES (2, 10, 'two')"]).await;
    side.arrives(&all).await;
}
