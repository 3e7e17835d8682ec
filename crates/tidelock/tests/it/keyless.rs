//! Tables without a primary key: kept by a unique index, or refused with what mends it.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::{rows, run_all};
use tidelock_testkit::{Family, Kind};

pairs! { no_key:
    a_table_without_a_key_whose_log_tells_whole_rows_is_refused_with_the_statement_that_mends_it_postgres_to_mysql: Postgres18 => Mysql97;
    a_table_without_a_key_is_refused_with_the_statement_that_mends_it_mysql_to_postgres: Mysql97 => Postgres18;
    a_table_without_a_key_is_refused_with_the_statement_that_mends_it_mariadb_to_sqlite: Mariadb1011 => Sqlite;
}

/// Rows that are there twice cannot be told apart, whatever the log tells.
async fn no_key(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("no_key", from, to, "[notes]").await else { return };
    side.run(&["CREATE TABLE notes (id varchar(20), qty integer)"]).await;
    side.run(&["INSERT INTO notes VALUES ('twice', 1), ('twice', 1), ('once', NULL)"]).await;
    let (code, remedy) = match from.family() {
        Family::Postgres => {
            side.run(&["ALTER TABLE notes REPLICA IDENTITY FULL"]).await;
            let remedy = r#"ALTER TABLE "public"."notes" ADD COLUMN "row_id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"#;
            ("TL-PG-NO-KEY", remedy.to_owned())
        }
        _ => {
            let remedy = "ADD COLUMN `row_id` BIGINT AUTO_INCREMENT PRIMARY KEY";
            ("TL-MY-NO-KEY", format!("ALTER TABLE `{}`.`notes` {remedy}", side.here.name))
        }
    };
    let told =
        "it has neither a primary key nor a unique index over NOT NULL columns: rows cannot be told apart";
    side.refused(&["notes", told, code, &remedy]);
    side.run(&[remedy]).await;
    let all = ["SELECT row_id, id, qty FROM notes ORDER BY row_id"];
    side.arrives(&all).await;
    side.run(&["DELETE FROM notes WHERE row_id = 1", "UPDATE notes SET qty = 2 WHERE row_id = 2"]).await;
    side.run(&["INSERT INTO notes (id, qty) VALUES ('twice', 2)"]).await;
    side.arrives(&all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_table_that_has_only_its_rowid_is_refused_with_what_mends_it() {
    let Some(side) = Lockstep::new("rowid", Kind::Sqlite, Kind::Postgres18, "[notes]").await else { return };
    side.run(&[
        "CREATE TABLE notes (note TEXT, qty INTEGER)",
        "INSERT INTO notes VALUES ('twice', 1), ('twice', 1)",
    ])
    .await;
    let told = "the table has neither a primary key nor a unique index over NOT NULL columns, so its rows cannot be told apart";
    let remedy = r#"CREATE TABLE new (… PRIMARY KEY (…)); INSERT INTO new SELECT * FROM "notes"; DROP TABLE "notes"; ALTER TABLE new RENAME TO "notes""#;
    side.refused(&["notes", told, "TL-SQLITE-NO-KEY", remedy]);
    let filled = remedy
        .replace("(… PRIMARY KEY (…))", "(id INTEGER PRIMARY KEY, note TEXT, qty INTEGER)")
        .replace("INSERT INTO new SELECT *", "INSERT INTO new SELECT rowid, *");
    side.run(&[filled]).await;
    side.arrives(&["SELECT id, note, qty FROM notes ORDER BY id"]).await;
}

pairs! { unique_alone:
    a_table_that_has_only_a_unique_index_is_kept_by_it_postgres_to_mysql: Postgres18 => Mysql97;
    a_table_that_has_only_a_unique_index_is_kept_by_it_mysql_to_postgres: Mysql97 => Postgres18;
    a_table_that_has_only_a_unique_index_is_kept_by_it_sqlite_to_mariadb: Sqlite => Mariadb1011;
}

async fn unique_alone(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("unique", from, to, "[prices]").await else { return };
    side.run(&[
        "CREATE TABLE prices (shop integer NOT NULL, item varchar(20) NOT NULL, code varchar(20), price integer)",
        // The second one has a part that may be NULL: it tells rows apart only where it is not.
        "CREATE UNIQUE INDEX by_code ON prices (code, shop)",
        "CREATE UNIQUE INDEX by_item ON prices (item, shop)",
        "INSERT INTO prices VALUES (1, 'pen', NULL, 1), (2, 'pen', NULL, 2), (1, 'ink', 'i', 3)",
    ])
    .await;
    if from.family() == Family::Postgres {
        let remedy = r#"ALTER TABLE "public"."prices" REPLICA IDENTITY USING INDEX "by_item""#;
        let told = "its replica identity does not hold its key: the log would not tell which row was changed";
        side.refused(&["prices", "TL-PG-REPLICA-IDENTITY", told, remedy]);
        side.run(&[remedy]).await;
    }
    let all = ["SELECT item, shop, code, price FROM prices ORDER BY item, shop"];
    side.arrives(&all).await;
    side.run(&[
        "UPDATE prices SET price = 20 WHERE item = 'pen' AND shop = 2",
        "UPDATE prices SET item = 'pencil' WHERE item = 'pen' AND shop = 1",
        "DELETE FROM prices WHERE item = 'ink'",
        "INSERT INTO prices VALUES (3, 'pen', NULL, 4), (4, 'pen', NULL, 5)",
    ])
    .await;
    side.arrives(&all).await;
}

pairs! { nullable:
    a_unique_index_with_a_part_that_may_be_null_is_no_key_postgres_to_mysql: Postgres18 => Mysql97;
    a_unique_index_with_a_part_that_may_be_null_is_no_key_mysql_to_postgres: Mysql97 => Postgres18;
    a_unique_index_with_a_part_that_may_be_null_is_no_key_sqlite_to_postgres: Sqlite => Postgres15;
}

async fn nullable(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("nullable", from, to, "[prices]").await else { return };
    side.run(&[
        "CREATE TABLE prices (shop integer NOT NULL, item varchar(20), price integer)",
        "CREATE UNIQUE INDEX by_item ON prices (shop, item)",
        "INSERT INTO prices VALUES (1, NULL, 1), (1, NULL, 1), (1, 'ink', 3)",
    ])
    .await;
    let code = match from.family() {
        Family::Postgres => "TL-PG-NO-KEY",
        Family::Mysql => "TL-MY-NO-KEY",
        _ => "TL-SQLITE-NO-KEY",
    };
    side.refused(&["prices", code, "neither a primary key nor a unique index over NOT NULL columns"]);
    let made =
        rows(&side.there, "SELECT count(*) FROM information_schema.tables WHERE table_name = 'prices'").await;
    assert!(made.is_empty() || made == [[Some("0".to_owned())]], "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_key_that_is_checked_late_is_refused_by_that_reason() {
    let Some(side) = Lockstep::new("deferrable", Kind::Postgres18, Kind::Mysql97, "[items]").await else {
        return;
    };
    side.run(&[
        "CREATE TABLE items (id integer PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, name text)",
        "INSERT INTO items VALUES (1, 'one'), (2, 'two')",
    ])
    .await;
    let remedy = r#"ALTER TABLE "public"."items" DROP CONSTRAINT "items_pkey", ADD PRIMARY KEY ("id")"#;
    side.refused(&["TL-PG-NO-KEY", "its primary key is DEFERRABLE", "rows cannot be told apart", remedy]);
    side.run(&[remedy]).await;
    side.arrives(&["SELECT id, name FROM items ORDER BY id"]).await;
    side.run(&["UPDATE items SET id = id + 10"]).await;
    side.arrives(&["SELECT id, name FROM items ORDER BY id"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_the_sources_key_is_refused_with_what_to_make() {
    let Some(side) = Lockstep::new("other_key", Kind::Postgres18, Kind::Mysql97, "[items]").await else {
        return;
    };
    side.run(&["CREATE TABLE items (id integer PRIMARY KEY, code varchar(20))"]).await;
    run_all(&side.there, &["CREATE TABLE items (id integer, code varchar(20) NOT NULL PRIMARY KEY)"]).await;
    let remedy = "make (id) the primary key or a unique index there";
    side.refused(&["TL-PLAN-KEY-DIFFERS", "at there its key is (code), the source's is (id)", remedy]);
}
