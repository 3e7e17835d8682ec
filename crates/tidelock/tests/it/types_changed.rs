//! Columns that get a type that does not hold more than the one before: a shorter one, one of another family, or the same one with other values.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::rows;
use tidelock_testkit::{Family, Kind};

/// What the column `v` is, what is in it, and the statements that make it another one.
struct Change {
    before: &'static str,
    values: [&'static str; 3],
    postgres: &'static [&'static str],
    mysql: &'static [&'static str],
    /// The new type, where what the target has cannot become it.
    unlike: Option<&'static str>,
}

const CHANGES: &[Change] = &[
    // Every value fits at the source by then, and the target's does not yet.
    Change {
        before: "varchar(20)",
        values: ["'a long text'", "'abcd'", "NULL"],
        postgres: &["UPDATE items SET v = left(v, 3)", "ALTER TABLE items ALTER v TYPE varchar(3)"],
        mysql: &["UPDATE items SET v = left(v, 3)", "ALTER TABLE items MODIFY v varchar(3)"],
        unlike: None,
    },
    Change {
        before: "bigint",
        values: ["9007199254740993", "-4294967296", "NULL"],
        postgres: &["UPDATE items SET v = v / 4294967296", "ALTER TABLE items ALTER v TYPE integer"],
        mysql: &["UPDATE items SET v = v DIV 4294967296", "ALTER TABLE items MODIFY v integer"],
        unlike: None,
    },
    Change {
        before: "numeric(12,4)",
        values: ["1234.5678", "-0.0001", "99999999.9999"],
        postgres: &["ALTER TABLE items ALTER v TYPE numeric(10,1)"],
        mysql: &["ALTER TABLE items MODIFY v numeric(10,1)"],
        unlike: None,
    },
    // What the target has cannot be read as the new type.
    Change {
        before: "varchar(20)",
        values: ["'seven'", "'eleven'", "NULL"],
        postgres: &["ALTER TABLE items ALTER v TYPE integer USING length(v)"],
        mysql: &["UPDATE items SET v = char_length(v)", "ALTER TABLE items MODIFY v integer"],
        unlike: Some("integer"),
    },
    Change {
        before: "integer",
        values: ["10", "70000", "NULL"],
        postgres: &["ALTER TABLE items ALTER v TYPE date USING date '2024-01-01' + v"],
        mysql: &[
            "ALTER TABLE items MODIFY v varchar(20)",
            "UPDATE items SET v = date_add('2024-01-01', INTERVAL v DAY)",
            "ALTER TABLE items MODIFY v date",
        ],
        unlike: Some("date"),
    },
    Change {
        before: "integer",
        values: ["10", "70000", "NULL"],
        postgres: &["ALTER TABLE items ALTER v TYPE text USING 'n' || v"],
        mysql: &["ALTER TABLE items MODIFY v text", "UPDATE items SET v = concat('n', v)"],
        unlike: None,
    },
];

pairs! { otherwise:
    a_type_that_is_narrower_or_of_another_family_is_followed_with_all_values_postgres_to_mysql: Postgres18 => Mysql97;
    a_type_that_is_narrower_or_of_another_family_is_followed_with_all_values_mysql_to_postgres: Mysql97 => Postgres18;
    a_type_that_is_narrower_or_of_another_family_is_followed_with_all_values_mariadb_to_mysql: Mariadb1011 => Mysql97;
    a_type_that_is_narrower_or_of_another_family_is_followed_with_all_values_postgres_to_postgres: Postgres15 => Postgres18;
}

async fn otherwise(from: Kind, to: Kind) {
    for Change { before, values: [one, two, three], postgres, mysql, unlike } in CHANGES {
        let Some(side) = Lockstep::new("otherwise", from, to, "[items]").await else { return };
        let statements = if from.family() == Family::Postgres { postgres } else { mysql };
        println!("{from} to {to}: {before}, then {statements:?}");
        side.run(&[
            format!("CREATE TABLE items (id integer PRIMARY KEY, name varchar(20), v {before})"),
            format!("INSERT INTO items VALUES (1, 'one', {one}), (2, 'two', {two}), (3, 'three', {three}), (4, 'four', {one})"),
        ])
        .await;
        let all = ["SELECT id, name, v FROM items ORDER BY id"];
        side.arrives(&all).await;
        side.run(&["UPDATE items SET name = 'before' WHERE id = 1", "DELETE FROM items WHERE id = 4"]).await;
        side.run(statements).await;
        side.run(&["UPDATE items SET name = 'behind' WHERE id = 3", "UPDATE items SET id = 5 WHERE id = 2"])
            .await;
        if let Some(new) = unlike {
            by_hand(&side, to, new).await;
        }
        side.arrives(&all).await;
        side.run(&[
            "UPDATE items SET v = NULL WHERE id = 1",
            "INSERT INTO items SELECT 6, name, v FROM items WHERE id = 5",
        ])
        .await;
        side.arrives(&all).await;
    }
}

/// The job says what is in the way and stays as it is until somebody did what it says.
async fn by_hand(side: &Lockstep, to: Kind, new: &str) {
    let before = rows(&side.there, "SELECT id, name, v FROM items ORDER BY id").await;
    for _ in 0..2 {
        side.stops(&["hold what cannot become the new type", "then start again", "ALTER TABLE"]);
        assert_eq!(rows(&side.there, "SELECT id, name, v FROM items ORDER BY id").await, before);
    }
    let statement = match to.family() {
        Family::Postgres => format!("ALTER TABLE items ALTER COLUMN v TYPE {new} USING NULL"),
        _ => "UPDATE items SET v = NULL".to_owned(),
    };
    side.there.execute(&statement).await.unwrap();
}

pairs! { implicit:
    what_a_new_column_without_a_default_is_filled_with_arrives_mysql_to_postgres: Mysql97 => Postgres18;
    what_a_new_column_without_a_default_is_filled_with_arrives_mariadb_to_mysql: Mariadb1011 => Mysql97;
    what_a_new_column_without_a_default_is_filled_with_arrives_mysql_to_sqlite: Mysql97 => Sqlite;
}

/// MySQL gives the rows that are there a zero, an empty text, or the first label.
async fn implicit(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("implicit", from, to, "[items]").await else { return };
    side.run(&["CREATE TABLE items (id integer PRIMARY KEY)", "INSERT INTO items VALUES (1), (2)"]).await;
    side.arrives(&["SELECT id FROM items ORDER BY id"]).await;
    side.run(&[
        "INSERT INTO items VALUES (3)",
        "ALTER TABLE items ADD COLUMN n integer NOT NULL, ADD COLUMN t varchar(20) NOT NULL, ADD COLUMN d decimal(5,2) NOT NULL FIRST, \
         ADD COLUMN e enum('first', 'second') NOT NULL",
        "UPDATE items SET t = 'filled' WHERE id = 2",
        "INSERT INTO items (id, n, t, d, e) VALUES (4, 4, 'four', 4, 'second')",
    ])
    .await;
    let all = ["SELECT id, n, t, d, e FROM items ORDER BY id"];
    side.arrives(&all).await;
    let first = ["1", "0", "", "0", "first"].map(|v| Some(v.to_owned()));
    assert_eq!(rows(&side.here, all[0]).await[0][..4], rows(&side.there, all[0]).await[0][..4]);
    assert_eq!(rows(&side.there, "SELECT id, n, t, d + 0, e FROM items WHERE id = 1").await, [first]);
    side.run(&["UPDATE items SET n = n + 1"]).await;
    side.arrives(&all).await;
}

pairs! { untold:
    values_that_become_others_while_the_type_stays_are_copied_again_postgres_to_mysql: Postgres18 => Mysql97;
    values_that_become_others_while_the_type_stays_are_copied_again_postgres_to_sqlite: Postgres15 => Sqlite;
}

/// PostgreSQL writes nothing of it into the log: the table's file and its column are others in the catalogue. One of these alone is nothing.
async fn untold(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("untold", from, to, "[items, others]").await else { return };
    side.run(&[
        "CREATE TABLE items (id integer PRIMARY KEY, qty integer)",
        "CREATE TABLE others (id integer PRIMARY KEY)",
        "INSERT INTO items VALUES (1, 10), (2, 20), (3, NULL)",
        "INSERT INTO others VALUES (1)",
    ])
    .await;
    let all = ["SELECT id, qty FROM items ORDER BY id"];
    side.arrives(&all).await;
    side.run(&[
        "ALTER TABLE items ALTER qty TYPE integer USING qty * 1000",
        "INSERT INTO items VALUES (4, 4)",
        "UPDATE items SET qty = qty + 1 WHERE id = 2",
    ])
    .await;
    side.arrives(&all).await;
    side.place.run(&["verify", "job"]).done();
    for alone in ["VACUUM FULL items", "ALTER TABLE items ALTER qty SET STATISTICS 10"] {
        side.run(&[alone, "UPDATE items SET qty = qty + 1"]).await;
        let ran = side.place.run(&["sync"]).done();
        assert!(!ran.transcript().contains("copied anew"), "{alone}: {}", ran.transcript());
        side.arrives(&all).await;
    }
}
