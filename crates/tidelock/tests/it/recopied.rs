//! Tables that are copied again over the rows that are there.

use crate::rights::url_of;
use crate::schema::{Changing, JOB, equal};
use crate::sides::{config, pair, run_all};
use crate::support::Place;
use tidelock_testkit::lab::Options;
use tidelock_testkit::{Kind, private_server, server};

/// What is unique of a new row, an old row at the target has still when the table is copied again.
async fn unique_values_wander(from: Kind, to: Kind) {
    let Some((here, there)) = pair("wander", from, to).await else { return };
    run_all(
        &here,
        &[
            "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20) NOT NULL, qty integer)",
            "CREATE UNIQUE INDEX items_name ON items (name)",
            "INSERT INTO items VALUES (1, 'one', 10), (2, 'two', 20), (3, 'three', 30), (4, 'four', 40)",
        ],
    )
    .await;
    let place = Place::with_config(&config(&here, &there, JOB));
    place.run(&["sync"]).done();
    run_all(
        &here,
        &[
            "DELETE FROM items WHERE id = 4",
            "UPDATE items SET name = 'for a moment' WHERE id = 1",
            "UPDATE items SET name = 'one' WHERE id = 2",
            "UPDATE items SET name = 'two' WHERE id = 1",
            "INSERT INTO items VALUES (0, 'four', 0)",
            "ALTER TABLE items ADD COLUMN more integer NOT NULL DEFAULT 5",
            "UPDATE items SET qty = 31 WHERE id = 3",
        ],
    )
    .await;
    place.run(&["sync"]).done();
    equal(&here, &there, "id, name, qty, more", &format!("{from} to {to}")).await;
    place.run(&["verify", "job"]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_value_that_an_old_row_still_has_is_not_in_the_way_of_another_copy() {
    for (from, to) in [
        (Kind::Postgres18, Kind::Postgres15),
        (Kind::Postgres15, Kind::Mysql97),
        (Kind::Mysql97, Kind::Postgres18),
        (Kind::Mariadb1011, Kind::Sqlite),
    ] {
        unique_values_wander(from, to).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_followed_where_the_place_of_a_view_is_not_known_exactly() {
    let Some(private) = private_server(Kind::Mysql97, Options::default()).await else { return };
    let here = private.server.fresh_database("unlocked").await;
    let Some(target) = server(Kind::Postgres18) else { return };
    let there = target.fresh_database("unlocked").await;
    let name = &here.name;
    here.execute(&format!(
        "CREATE USER plain@'%' IDENTIFIED BY 'secret'; GRANT SELECT ON {name}.* TO plain@'%'; \
         GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO plain@'%'; \
         CREATE TABLE items (id integer PRIMARY KEY, name varchar(20), qty integer); INSERT INTO items VALUES (1, 'one', 10), (2, 'two', 20)"
    ))
    .await
    .unwrap();
    let text = config(&here, &there, JOB).replace(&here.url, &url_of(&here, "plain", "secret"));
    let place = Place::with_config(&text);
    let ran = place.run(&["check"]).done();
    assert!(ran.transcript().contains("TL-MY-PRIVILEGE-RELOAD"), "{}", ran.transcript());
    let changing = Changing::start(&here);
    place.run(&["sync"]).done();
    for statement in [
        "ALTER TABLE items ADD COLUMN more integer NOT NULL DEFAULT 5",
        "ALTER TABLE items MODIFY qty varchar(20)",
        "ALTER TABLE items RENAME COLUMN more TO less",
    ] {
        here.execute(statement).await.unwrap();
        place.run(&["sync"]).done();
    }
    changing.finish().await;
    place.run(&["sync"]).done();
    equal(&here, &there, "id, name, qty, less", "without a lock").await;
}
