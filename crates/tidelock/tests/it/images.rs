//! Rows of which the log tells only a part: large values that did not change, row images with less than all columns, replica identities.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::begin;
use tidelock_testkit::{Family, Kind};

pairs! { unchanged:
    a_large_value_that_does_not_change_stays_wherever_it_stands_postgres_to_mysql: Postgres18 => Mysql97;
    a_large_value_that_does_not_change_stays_wherever_it_stands_postgres_to_mariadb: Postgres15 => Mariadb1011;
    a_large_value_that_does_not_change_stays_wherever_it_stands_postgres_to_sqlite: Postgres18 => Sqlite;
    a_large_value_that_does_not_change_stays_wherever_it_stands_postgres_to_postgres: Postgres15 => Postgres18;
}

/// PostgreSQL keeps them beside the table (TOAST) and does not log them again: first, in the middle, last, all; in one update, several, behind an insert, with
/// the key, and where keys swap.
async fn unchanged(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("unchanged", from, to, "all").await else { return };
    let large = |n: u32| format!("repeat('{n}äx', {})", 3000 + n);
    for (table, identity) in [("key", "DEFAULT"), ("full", "FULL")] {
        let columns = ["big1", "big2", "big3"];
        side.run(&[format!(
            "CREATE TABLE {table}_told (big1 text, id integer PRIMARY KEY, n integer, big2 text, small varchar(10), big3 text)"
        )])
        .await;
        side.run(&columns.map(|c| format!("ALTER TABLE {table}_told ALTER {c} SET STORAGE EXTERNAL"))).await;
        side.run(&[format!("ALTER TABLE {table}_told REPLICA IDENTITY {identity}")]).await;
        for id in 1..=12 {
            let row = format!(
                "INSERT INTO {table}_told VALUES ({}, {id}, 1, {}, 's', {})",
                large(id),
                large(id + 20),
                large(id + 40)
            );
            side.run(&[row]).await;
        }
    }
    let all =
        ["key", "full"].map(|t| format!("SELECT id, n, small, big1, big2, big3 FROM {t}_told ORDER BY id"));
    side.arrives(&all).await;
    for table in ["key_told", "full_told"] {
        side.run(&[
            format!("UPDATE {table} SET n = 2 WHERE id = 1"),
            format!("UPDATE {table} SET big1 = 'now small' WHERE id = 2"),
            format!("UPDATE {table} SET big2 = NULL WHERE id = 3"),
            format!("UPDATE {table} SET big3 = {} WHERE id = 4", large(99)),
            format!("UPDATE {table} SET id = 50 WHERE id = 5"),
            format!("UPDATE {table} SET id = 60, n = 6, big2 = {} WHERE id = 6", large(98)),
            // In one transaction: folded with what came before it.
            begin(from).to_owned(),
            format!("UPDATE {table} SET big1 = {} WHERE id = 7", large(97)),
            format!("UPDATE {table} SET n = 70 WHERE id = 7"),
            format!("UPDATE {table} SET id = 71 WHERE id = 7"),
            format!("UPDATE {table} SET n = 71 WHERE id = 71"),
            format!("INSERT INTO {table} VALUES ({}, 100, 1, {}, 's', {})", large(3), large(4), large(5)),
            format!("UPDATE {table} SET n = 100 WHERE id = 100"),
            format!("UPDATE {table} SET id = 101 WHERE id = 100"),
            format!("DELETE FROM {table} WHERE id = 8"),
            format!("INSERT INTO {table} VALUES (NULL, 8, 1, {}, 's', NULL)", large(6)),
            format!("UPDATE {table} SET small = 'again' WHERE id = 8"),
            // Their keys swap, and neither large value is told.
            format!("UPDATE {table} SET id = 0 WHERE id = 9"),
            format!("UPDATE {table} SET id = 9 WHERE id = 10"),
            format!("UPDATE {table} SET id = 10 WHERE id = 0"),
            format!("UPDATE {table} SET n = 9 WHERE id = 9"),
            "COMMIT".to_owned(),
            format!("UPDATE {table} SET n = n + 1"),
        ])
        .await;
    }
    side.arrives(&all).await;
}

pairs! { partial:
    rows_of_which_the_log_tells_only_what_changed_are_whole_at_the_target_mysql_to_postgres: Mysql97 => Postgres18;
    rows_of_which_the_log_tells_only_what_changed_are_whole_at_the_target_mariadb_to_sqlite: Mariadb1011 => Sqlite;
    rows_of_which_the_log_tells_only_what_changed_are_whole_at_the_target_mysql_to_mariadb: Mysql97 => Mariadb1011;
}

/// `binlog_row_image` MINIMAL and NOBLOB, each set by the session that writes.
async fn partial(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("partial", from, to, "all").await else { return };
    for table in ["minimal", "noblob"] {
        side.run(&[
            format!("CREATE TABLE {table} (note text, id integer PRIMARY KEY, n integer, code varchar(20) NOT NULL, octets blob, UNIQUE (code))"),
            format!("INSERT INTO {table} VALUES ('one', 1, 1, 'a', x'01'), ('two', 2, 2, 'b', x'02'), (NULL, 3, NULL, 'c', NULL), ('four', 4, 4, 'd', x'04')"),
        ])
        .await;
    }
    let all = ["minimal", "noblob"].map(|t| format!("SELECT id, n, code, note FROM {t} ORDER BY id"));
    side.arrives(&all).await;
    for table in ["minimal", "noblob"] {
        side.run(&[
            format!("SET SESSION binlog_row_image = '{table}'"),
            format!("UPDATE {table} SET n = 10 WHERE id = 1"),
            format!("UPDATE {table} SET note = 'changed' WHERE id = 2"),
            format!("UPDATE {table} SET id = 30, n = 3 WHERE id = 3"),
            format!("DELETE FROM {table} WHERE id = 4"),
            format!("INSERT INTO {table} VALUES ('five', 5, NULL, 'e', NULL)"),
            begin(from).to_owned(),
            format!("UPDATE {table} SET note = NULL WHERE id = 5"),
            format!("UPDATE {table} SET n = 50 WHERE id = 5"),
            format!("UPDATE {table} SET id = 51 WHERE id = 5"),
            format!("UPDATE {table} SET code = 'x' WHERE id = 1"),
            format!("UPDATE {table} SET code = 'a' WHERE id = 2"),
            format!("UPDATE {table} SET code = 'b' WHERE id = 1"),
            format!("UPDATE {table} SET id = 0 WHERE id = 1"),
            format!("UPDATE {table} SET id = 1 WHERE id = 2"),
            format!("UPDATE {table} SET id = 2 WHERE id = 0"),
            "COMMIT".to_owned(),
        ])
        .await;
    }
    side.arrives(&all).await;
}

pairs! { left_to_default:
    a_new_row_whose_defaults_the_log_does_not_tell_stops_the_job_by_that_reason_mysql_to_postgres: Mysql97 => Postgres18;
    a_new_row_whose_defaults_the_log_does_not_tell_stops_the_job_by_that_reason_mariadb_to_sqlite: Mariadb1011 => Sqlite;
}

async fn left_to_default(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("left", from, to, "[items]").await else { return };
    side.run(&[
        "CREATE TABLE items (id integer PRIMARY KEY, n integer DEFAULT 7)",
        "INSERT INTO items VALUES (1, 1)",
    ])
    .await;
    let all = ["SELECT id, n FROM items ORDER BY id"];
    side.arrives(&all).await;
    side.run(&["SET SESSION binlog_row_image = 'MINIMAL'", "INSERT INTO items (id) VALUES (2)"]).await;
    side.stops(&["items", "binlog_row_image", "FULL"]);
    side.run(&["SET SESSION binlog_row_image = 'FULL'"]).await;
    side.place.run(&["sync", "--full"]).done();
    side.arrives(&all).await;
}

pairs! { identities:
    each_replica_identity_is_followed_or_refused_with_the_statement_that_mends_it_postgres_to_mysql: Postgres18 => Mysql97;
    each_replica_identity_is_followed_or_refused_with_the_statement_that_mends_it_postgres_to_sqlite: Postgres15 => Sqlite;
}

async fn identities(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("identities", from, to, "all").await else { return };
    let told = "its replica identity does not hold its key: the log would not tell which row was changed";
    for (table, identity) in [
        ("by_default", "DEFAULT"),
        ("by_full", "FULL"),
        ("by_index", "USING INDEX by_index_code"),
        ("by_nothing", "NOTHING"),
    ] {
        side.run(&[
            format!("CREATE TABLE {table} (id integer PRIMARY KEY, code varchar(20) NOT NULL, n integer)"),
            format!("CREATE UNIQUE INDEX {table}_code ON {table} (code)"),
            format!("ALTER TABLE {table} REPLICA IDENTITY {identity}"),
            format!("INSERT INTO {table} VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)"),
        ])
        .await;
    }
    // The rows of `by_index` would be told by their codes, and those of `by_nothing` not at all.
    let remedies =
        ["by_index", "by_nothing"].map(|t| format!(r#"ALTER TABLE "public"."{t}" REPLICA IDENTITY DEFAULT"#));
    side.refused(&["by_index", "by_nothing", told, "TL-PG-REPLICA-IDENTITY", &remedies[0], &remedies[1]]);
    let errors = side.place.run(&["check"]).out.matches("TL-PG-REPLICA-IDENTITY").count();
    assert_eq!(errors, 2);
    side.run(&remedies).await;
    let all = ["by_default", "by_full", "by_index", "by_nothing"];
    let questions = all.map(|t| format!("SELECT id, code, n FROM {t} ORDER BY id"));
    side.arrives(&questions).await;
    for table in all {
        side.run(&[
            format!("UPDATE {table} SET n = 10 WHERE id = 1"),
            format!("UPDATE {table} SET id = 20, code = 'z' WHERE id = 2"),
            format!("DELETE FROM {table} WHERE id = 3"),
        ])
        .await;
    }
    side.arrives(&questions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_is_taken_away_while_the_table_is_followed_stops_the_job_or_the_writer() {
    for (kind, identity) in [(Kind::Postgres18, "NOTHING"), (Kind::Postgres15, "USING INDEX items_code")] {
        let Some(side) = Lockstep::new("taken_away", kind, Kind::Mysql97, "[items]").await else { continue };
        side.run(&[
            "CREATE TABLE items (id integer PRIMARY KEY, code varchar(20) NOT NULL UNIQUE, n integer)",
            "ALTER TABLE items RENAME CONSTRAINT items_code_key TO items_code",
            "INSERT INTO items VALUES (1, 'a', 1), (2, 'b', 2)",
        ])
        .await;
        let all = ["SELECT id, code, n FROM items ORDER BY id"];
        side.arrives(&all).await;
        side.run(&[format!("ALTER TABLE items REPLICA IDENTITY {identity}")]).await;
        let written = side.here.execute("UPDATE items SET n = 10, code = 'x' WHERE id = 1").await;
        match identity {
            // The server lets nobody change what it could not tell.
            "NOTHING" => assert!(format!("{:#}", written.unwrap_err()).contains("replica identity")),
            _ => written.unwrap(),
        }
        side.refused(&["items", "TL-PG-REPLICA-IDENTITY", "REPLICA IDENTITY DEFAULT"]);
        side.run(&["ALTER TABLE items REPLICA IDENTITY DEFAULT", "INSERT INTO items VALUES (3, 'c', 3)"])
            .await;
        // What was told by the other identity is in the log as it was: the table is copied again.
        side.arrives(&all).await;
    }
}

pairs! { both_ways:
    a_two_way_job_wants_whole_rows_in_the_log_mysql_and_postgres: Mysql97 => Postgres18;
}

async fn both_ways(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("whole", from, to, "[items]").await else { return };
    let made = "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20), version integer)";
    side.run(&[made]).await;
    side.there.execute(made).await.unwrap();
    let job = "{ between: [here, there], tables: [items], conflicts: { resolve: last_update_wins, version: version } }";
    side.place.write("tidelock.yaml", &crate::sides::config(&side.here, &side.there, job));
    let told = "the log tells only the key of a row that was there, and a two-way job needs the whole row";
    let remedy = r#"ALTER TABLE "public"."items" REPLICA IDENTITY FULL"#;
    side.refused(&["items", told, "TL-PG-REPLICA-IDENTITY", remedy]);
    assert_eq!(to.family(), Family::Postgres);
    side.there.execute(remedy).await.unwrap();
    side.run(&["INSERT INTO items VALUES (1, 'here', 1)"]).await;
    side.there.execute("INSERT INTO items VALUES (2, 'there', 1)").await.unwrap();
    side.arrives(&["SELECT id, name FROM items ORDER BY id"]).await;
}
