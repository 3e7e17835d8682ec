//! A followed table of which the source computes columns: they are copied to nobody, and its changes go on to the target.

use crate::service::{Service, phase};
use crate::sides::{config, pair, rows, run_all};
use crate::support::Place;
use std::time::Duration;
use tidelock_testkit::Kind;

const LONG: Duration = Duration::from_secs(120);

macro_rules! pairs {
    ($($name:ident: $from:ident => $to:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            follows_what_is_not_computed(Kind::$from, Kind::$to).await;
        }
    )*};
}

pairs! {
    mariadb_to_sqlite_follows_a_table_with_generated_columns: Mariadb1011 => Sqlite;
    mysql_to_postgres_follows_a_table_with_generated_columns: Mysql97 => Postgres18;
}

async fn follows_what_is_not_computed(from: Kind, to: Kind) {
    let Some((source, target)) = pair("generated", from, to).await else { return };
    let made = [
        "CREATE TABLE items (gross decimal(12,2) AS (net * 2) VIRTUAL, id int PRIMARY KEY, label varchar(80) AS (concat('#', name)) STORED, \
         name varchar(40), net decimal(10,2))",
        "INSERT INTO items (id, name, net) VALUES (1, 'one', 1.25), (2, 'two', 2.50), (3, 'three', NULL)",
    ];
    run_all(&source, &made).await;
    let place =
        Place::with_config(&config(&source, &target, "{ source: here, target: there, tables: [items] }"));
    let mut service = Service::start(&place);
    service.wait("it follows", LONG, async |s| s.told(phase("following"))).await;
    let changes = [
        "UPDATE items SET name = 'deux', net = 3.75 WHERE id = 2",
        "DELETE FROM items WHERE id = 1",
        "UPDATE items SET id = 5 WHERE id = 3",
        "INSERT INTO items (id, name, net) VALUES (4, 'four', 4.25)",
    ];
    run_all(&source, &changes).await;
    let all = "SELECT id, name, net FROM items ORDER BY id";
    let expected = rows(&source, all).await;
    service.wait("the changes at the target", LONG, async |_| rows(&target, all).await == expected).await;
    service.stop();
    let verified = place.run(&["verify", "job", "--json"]).done();
    assert_eq!(verified.json().pop().unwrap()["equal"], true, "{}", verified.transcript());
}
