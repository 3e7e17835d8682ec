//! Keys that are hard to tell rows apart by: of several columns, of texts, that change, that swap.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::{begin, rows, run_all};
use tidelock_testkit::{Family, Kind};

pairs! { composite:
    composite_keys_in_another_order_than_the_columns_postgres_to_mysql: Postgres18 => Mysql97;
    composite_keys_in_another_order_than_the_columns_mysql_to_postgres: Mysql97 => Postgres18;
    composite_keys_in_another_order_than_the_columns_mariadb_to_sqlite: Mariadb1011 => Sqlite;
    composite_keys_in_another_order_than_the_columns_sqlite_to_postgres: Sqlite => Postgres15;
}

async fn composite(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("composite", from, to, "[goods]").await else { return };
    side.run(&[
        "CREATE TABLE goods (qty integer, shop integer NOT NULL, day date NOT NULL, code varchar(20) NOT NULL, PRIMARY KEY (code, day, shop))",
        "INSERT INTO goods VALUES (1, 1, '2024-01-01', 'a'), (2, 2, '2024-01-01', 'a'), (3, 1, '2024-01-02', 'a'), (4, 1, '2024-01-01', 'b')",
    ])
    .await;
    let all = ["SELECT shop, day, code, qty FROM goods ORDER BY code, day, shop"];
    side.arrives(&all).await;
    side.run(&[
        "UPDATE goods SET qty = 20 WHERE shop = 2 AND day = '2024-01-01' AND code = 'a'",
        "UPDATE goods SET day = '2024-01-03' WHERE shop = 1 AND day = '2024-01-01' AND code = 'a'",
        "DELETE FROM goods WHERE shop = 1 AND day = '2024-01-02' AND code = 'a'",
        "INSERT INTO goods VALUES (5, 1, '2024-01-01', 'a')",
        "UPDATE goods SET code = 'c', shop = 7 WHERE code = 'b'",
    ])
    .await;
    side.arrives(&all).await;
}

pairs! { moving:
    keys_that_change_and_swap_inside_one_transaction_postgres_to_mysql: Postgres18 => Mysql97;
    keys_that_change_and_swap_inside_one_transaction_mysql_to_postgres: Mysql97 => Postgres18;
    keys_that_change_and_swap_inside_one_transaction_mariadb_to_sqlite: Mariadb1011 => Sqlite;
    keys_that_change_and_swap_inside_one_transaction_sqlite_to_mariadb: Sqlite => Mariadb1011;
}

async fn moving(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("moving", from, to, "[items, names]").await else { return };
    side.run(&[
        "CREATE TABLE items (id integer NOT NULL PRIMARY KEY, name varchar(20), place integer, UNIQUE (place))",
        "CREATE TABLE names (name varchar(20) NOT NULL PRIMARY KEY, qty integer)",
        "INSERT INTO items VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3), (4, 'four', 4), (5, 'five', 5)",
        "INSERT INTO names VALUES ('a', 1), ('b', 2), ('c', 3)",
    ])
    .await;
    let all = ["SELECT id, name, place FROM items ORDER BY id", "SELECT name, qty FROM names ORDER BY name"];
    side.arrives(&all).await;
    let move_key = |from: i32, to: i32| format!("UPDATE items SET id = {to} WHERE id = {from}");
    let circle = [move_key(1, 0), move_key(2, 1), move_key(3, 2), move_key(0, 3)];
    let others = [
        // A key that goes and comes back, one that is taken over by another row, and one that wanders further than it was told once.
        "DELETE FROM items WHERE id = 4",
        "INSERT INTO items VALUES (4, 'four again', 40)",
        "UPDATE items SET id = 6 WHERE id = 5",
        "INSERT INTO items VALUES (5, 'new five', 50)",
        "UPDATE items SET id = 7, name = 'wandered' WHERE id = 6",
        "UPDATE names SET name = 'x' WHERE name = 'a'",
        "UPDATE names SET name = 'a' WHERE name = 'b'",
        "UPDATE names SET name = 'b' WHERE name = 'x'",
        "DELETE FROM names WHERE name = 'c'",
    ];
    let all_at_once: Vec<String> = [begin(from).to_owned()]
        .into_iter()
        .chain(circle)
        .chain(others.map(str::to_owned))
        .chain(["COMMIT".to_owned()])
        .collect();
    side.run(&all_at_once).await;
    side.arrives(&all).await;
    // And values that must be unique, for which there is no free one meanwhile but NULL.
    side.run(&[
        begin(from),
        "UPDATE items SET place = NULL WHERE id = 1",
        "UPDATE items SET place = 2 WHERE id = 3",
        "UPDATE items SET place = 1 WHERE id = 1",
        "COMMIT",
    ])
    .await;
    side.arrives(&all).await;
}

pairs! { alike:
    text_keys_that_differ_by_letters_blanks_or_accents_stay_different_rows_postgres_to_mysql: Postgres18 => Mysql97;
    text_keys_that_differ_by_letters_blanks_or_accents_stay_different_rows_postgres_to_mariadb: Postgres15 => Mariadb1011;
    text_keys_that_differ_by_letters_blanks_or_accents_stay_different_rows_postgres_to_sqlite: Postgres18 => Sqlite;
    text_keys_that_differ_by_letters_blanks_or_accents_stay_different_rows_mysql_to_postgres: Mysql97 => Postgres18;
    text_keys_that_differ_by_letters_blanks_or_accents_stay_different_rows_sqlite_to_mysql: Sqlite => Mysql97;
}

async fn alike(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("alike", from, to, "[words]").await else { return };
    let exact = if from.family() == Family::Mysql { " COLLATE utf8mb4_0900_bin" } else { "" };
    side.run(&[
        format!("CREATE TABLE words (word varchar(20){exact} NOT NULL PRIMARY KEY, qty integer)"),
        "INSERT INTO words VALUES ('a', 1), ('A', 2), ('a ', 3), ('ä', 4), ('', 5), (' ', 6), ('ß', 7), ('ss', 8)".to_owned(),
    ])
    .await;
    let all = ["SELECT qty, word FROM words ORDER BY qty"];
    side.arrives(&all).await;
    side.run(&[
        "UPDATE words SET qty = 10 WHERE word = 'A' AND qty = 2",
        "DELETE FROM words WHERE qty = 3",
        "UPDATE words SET word = 'SS' WHERE qty = 8",
        "INSERT INTO words VALUES ('Ä', 9), ('a  ', 11)",
        "DELETE FROM words WHERE qty = 6",
    ])
    .await;
    side.arrives(&all).await;
}

pairs! { respelled:
    a_key_that_changes_only_in_what_its_collation_does_not_see_mysql_to_postgres: Mysql97 => Postgres18;
    a_key_that_changes_only_in_what_its_collation_does_not_see_mysql_to_mariadb: Mysql97 => Mariadb1011;
    a_key_that_changes_only_in_what_its_collation_does_not_see_mariadb_to_sqlite: Mariadb1011 => Sqlite;
    a_key_that_changes_only_in_what_its_collation_does_not_see_mariadb_to_mariadb: Mariadb1011 => Mariadb1011;
    a_key_that_changes_only_in_what_its_collation_does_not_see_sqlite_to_postgres: Sqlite => Postgres18;
}

async fn respelled(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("respelled", from, to, "[words]").await else { return };
    // MySQL's and MariaDB's own collation takes these for one; so does NOCASE.
    let loose = match from.family() {
        Family::Mysql => " COLLATE utf8mb4_general_ci",
        _ => " COLLATE NOCASE",
    };
    side.run(&[
        format!("CREATE TABLE words (word varchar(20){loose} NOT NULL PRIMARY KEY, qty integer)"),
        "INSERT INTO words VALUES ('anna', 1), ('bob', 2), ('carl', 3)".to_owned(),
    ])
    .await;
    let all = ["SELECT qty, word FROM words ORDER BY qty"];
    side.arrives(&all).await;
    side.run(&[
        "UPDATE words SET word = 'Anna' WHERE word = 'ANNA'",
        "UPDATE words SET qty = 20 WHERE word = 'BOB'",
        "DELETE FROM words WHERE word = 'CARL'",
        "INSERT INTO words VALUES ('Carl', 4)",
    ])
    .await;
    side.arrives(&all).await;
    assert_eq!(rows(&side.there, "SELECT count(*) FROM words").await, [[Some("3".to_owned())]]);
}

pairs! { fall_together:
    keys_that_the_target_takes_for_one_stop_the_job_by_both_names_postgres_to_mysql: Postgres18 => Mysql97;
    keys_that_the_target_takes_for_one_stop_the_job_by_both_names_postgres_to_mariadb: Postgres15 => Mariadb1011;
    keys_that_the_target_takes_for_one_stop_the_job_by_both_names_postgres_to_sqlite: Postgres18 => Sqlite;
    keys_that_the_target_takes_for_one_stop_the_job_by_both_names_sqlite_to_mysql: Sqlite => Mysql97;
}

/// Two rows of the source that can only be one at the target: by the stream, and by the snapshot. Neither is written over the other.
async fn fall_together(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("together", from, to, "[words]").await else { return };
    let loose = match to.family() {
        Family::Mysql => "COLLATE utf8mb4_general_ci",
        _ => "COLLATE NOCASE",
    };
    let made = |loose: &str| {
        format!("CREATE TABLE words (word varchar(20) {loose} NOT NULL PRIMARY KEY, qty integer)")
    };
    side.run(&[made(""), "INSERT INTO words VALUES ('anna', 1)".to_owned()]).await;
    run_all(&side.there, &[made(loose)]).await;
    let all = "SELECT word, qty FROM words ORDER BY qty";
    side.arrives(&[all]).await;
    side.run(&["INSERT INTO words VALUES ('Anna', 2)"]).await;
    let only = [["anna", "1"].map(|v| Some(v.to_owned()))];
    let both = ["table words", "word='Anna'", "word='anna'", "takes them for one"];
    side.stops(&both);
    side.stops(&both);
    assert_eq!(rows(&side.there, all).await, only);
    let ran = side.place.run(&["check", "--data"]);
    let told = ["TL-PLAN-SAME-KEY", "word='Anna'", "word='anna'", "one and the same"];
    assert!(ran.code == 1 && told.iter().all(|told| ran.transcript().contains(told)), "{}", ran.transcript());
    // A new copy into an empty table is no way around it.
    run_all(&side.there, &["DELETE FROM words"]).await;
    let ran = side.place.run(&["sync", "--full"]);
    assert!(ran.code == 1 && both.iter().all(|told| ran.err.contains(told)), "{}", ran.transcript());
    side.run(&["DELETE FROM words WHERE qty = 2"]).await;
    side.place.run(&["check", "--data"]).done();
    side.place.run(&["sync", "--full"]).done();
    side.arrives(&[all]).await;
}
