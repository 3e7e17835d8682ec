//! Columns and values that need more than a literal: columns that `SELECT *` does not show, and the label that an ENUM gives to what is none.

use crate::lockstep::{Lockstep, pairs};
use tidelock_testkit::Kind;

pairs! { invisible:
    an_invisible_column_arrives_with_the_others_mysql_to_postgres: Mysql97 => Postgres18;
    an_invisible_column_arrives_with_the_others_mysql_to_mysql: Mysql97 => Mysql97;
    an_invisible_column_arrives_with_the_others_mariadb_to_mariadb: Mariadb1011 => Mariadb1011;
    an_invisible_column_arrives_with_the_others_mariadb_to_sqlite: Mariadb1011 => Sqlite;
}

async fn invisible(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("invisible", from, to, "[items]").await else { return };
    side.run(&[
        "CREATE TABLE items (id int PRIMARY KEY, hidden varchar(20) INVISIBLE, name varchar(20))",
        "INSERT INTO items (id, hidden, name) VALUES (1, 'h1', 'one'), (2, NULL, 'two'), (3, 'h3', 'three')",
    ])
    .await;
    let all = ["SELECT id, hidden, name FROM items ORDER BY id"];
    side.arrives(&all).await;
    side.run(&[
        "INSERT INTO items VALUES (4, 'four')",
        "INSERT INTO items (id, hidden) VALUES (5, 'h5')",
        "UPDATE items SET hidden = 'h2' WHERE id = 2",
        "UPDATE items SET name = 'un' WHERE id = 1",
        "DELETE FROM items WHERE hidden = 'h3'",
    ])
    .await;
    side.arrives(&all).await;
}

pairs! { no_label:
    what_an_enum_holds_of_a_value_that_is_no_label_arrives_as_the_empty_text_mysql_to_postgres: Mysql97 => Postgres18;
    what_an_enum_holds_of_a_value_that_is_no_label_arrives_as_the_empty_text_mariadb_to_sqlite: Mariadb1011 => Sqlite;
}

/// Without strict mode MySQL keeps it as the number 0, and shows an empty text.
async fn no_label(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("no_label", from, to, "[items]").await else { return };
    side.run(&[
        "SET sql_mode = ''",
        "CREATE TABLE items (id int PRIMARY KEY, v enum('a','b'))",
        "INSERT INTO items VALUES (1, 'none'), (2, 'a'), (3, NULL)",
    ])
    .await;
    let all = ["SELECT id, v FROM items ORDER BY id"];
    side.arrives(&all).await;
    side.run(&["INSERT INTO items VALUES (4, 'none'), (5, 'b')", "UPDATE items SET v = 'none' WHERE id = 2"])
        .await;
    side.arrives(&all).await;
    side.run(&["UPDATE items SET v = 'b' WHERE id = 1", "DELETE FROM items WHERE id = 4"]).await;
    side.arrives(&all).await;
}

pairs! { no_label_there:
    what_an_enum_holds_of_a_value_that_is_no_label_is_refused_by_another_enum_mysql_to_mysql: Mysql97 => Mysql97;
    what_an_enum_holds_of_a_value_that_is_no_label_is_refused_by_another_enum_mysql_to_mariadb: Mysql97 => Mariadb1011;
    what_an_enum_holds_of_a_value_that_is_no_label_is_refused_by_another_enum_mariadb_to_mysql: Mariadb1011 => Mysql97;
}

async fn no_label_there(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("no_label_there", from, to, "[]").await else { return };
    let ways = [
        ("by_snapshot", ""),
        ("by_insert", "INSERT INTO by_insert VALUES (1, 'none')"),
        ("by_update", "UPDATE by_update SET v = 'none' WHERE id = 2"),
    ];
    for (table, changed) in ways {
        let made = format!("CREATE TABLE {table} (id int PRIMARY KEY, v enum('a','b'))");
        let value = if changed.is_empty() { "none" } else { "a" };
        side.run(&["SET sql_mode = ''", &made, &format!("INSERT INTO {table} VALUES (2, '{value}')")]).await;
        side.over(&format!("[{table}]"));
        if !changed.is_empty() {
            side.arrives(&[format!("SELECT id, v FROM {table}")]).await;
            side.run(&[changed]).await;
        }
        side.stops(&[&format!("{table}.v"), "the ENUM has no such label", "TL-MY-VALUE-REFUSED"]);
    }
}
