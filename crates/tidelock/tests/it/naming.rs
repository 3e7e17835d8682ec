//! Names that differ by the case of letters only, where the target takes them for one.

use crate::sides::{config, pair, rows, run_all};
use crate::support::Place;
use tidelock_testkit::Kind;

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_columns_that_would_meet_under_one_name_are_refused() {
    let Some((here, there)) = pair("folding", Kind::Postgres18, Kind::Sqlite).await else { return };
    let made = [
        r#"CREATE TABLE users (id integer PRIMARY KEY)"#,
        r#"CREATE TABLE "Users" (id integer PRIMARY KEY)"#,
        r#"CREATE TABLE prices (id integer PRIMARY KEY, "Net" integer, net integer)"#,
    ];
    run_all(&here, &made).await;
    let place = Place::with_config(&config(&here, &there, "{ source: here, target: there }"));
    let ran = place.run(&["check"]);
    let told = ["TL-PLAN-SAME-NAME", "TL-PLAN-SAME-COLUMN", "columns Net and net"];
    assert!(ran.code == 1 && told.iter().all(|t| ran.out.contains(t)), "{}", ran.transcript());
    let ran = place.run(&["sync"]);
    assert!(ran.code == 1 && told.iter().all(|t| ran.err.contains(t)), "{}", ran.transcript());
    assert!(rows(&there, "SELECT name FROM sqlite_schema").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_in_other_letters_is_written_to() {
    let Some((here, there)) = pair("other_letters", Kind::Postgres18, Kind::Sqlite).await else { return };
    run_all(&here, &[r#"CREATE TABLE "Items" (id integer PRIMARY KEY, "Name" text)"#]).await;
    run_all(&here, &[r#"INSERT INTO "Items" VALUES (1, 'one')"#]).await;
    run_all(&there, &["CREATE TABLE ITEMS (ID integer PRIMARY KEY, NAME text)"]).await;
    let place = Place::with_config(&config(&here, &there, "{ source: here, target: there }"));
    place.run(&["sync"]).done();
    run_all(&here, &[r#"UPDATE "Items" SET "Name" = 'uno'"#, r#"INSERT INTO "Items" VALUES (2, 'two')"#])
        .await;
    place.run(&["sync"]).done();
    place.run(&["verify", "job"]).done();
    assert_eq!(rows(&there, "SELECT ID, NAME FROM ITEMS").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_tells_both_ends_and_the_mapping() {
    let Some((here, there)) = pair("planned", Kind::Postgres18, Kind::Sqlite).await else { return };
    run_all(&here, &["CREATE TABLE items (id integer PRIMARY KEY, name text)"]).await;
    let job =
        "{ source: here, target: there, tables: [{ name: items, to: goods, rename: { name: title } }] }";
    let place = Place::with_config(&config(&here, &there, job));
    let ran = place.run(&["plan"]).done();
    let told = [
        "items → goods",
        "name → title",
        "CREATE PUBLICATION",
        "pg_create_logical_replication_slot",
        "CREATE TABLE",
    ];
    assert!(told.iter().all(|t| ran.out.contains(t)), "{}", ran.transcript());
    assert!(rows(&here, "SELECT 1 FROM pg_publication").await.is_empty());
    place.run(&["sync"]).done();
    let ran = place.run(&["plan"]).done();
    assert_eq!(ran.out.matches("-- nothing to create").count(), 2, "{}", ran.transcript());
}
