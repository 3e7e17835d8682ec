//! Users that may not do what they must: every right that is lacking is told at once, with the statement that grants it.

use crate::sides::{config, rows, run_all, things};
use crate::support::Place;
use tidelock_testkit::lab::Options;
use tidelock_testkit::{Database, Family, Kind, private_server, server};

const JOB: &str = "{ source: here, target: there, tables: [items] }";
const MADE: [&str; 2] = [
    "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20))",
    "INSERT INTO items VALUES (1, 'one'), (2, 'two')",
];

/// The url with another user.
pub fn url_of(db: &Database, user: &str, password: &str) -> String {
    let (scheme, rest) = db.url.split_once("://").unwrap();
    let (_, place) = rest.rsplit_once('@').unwrap();
    format!("{scheme}://{user}:{password}@{place}")
}

async fn file(test: &str) -> Database {
    server(Kind::Sqlite).expect("it needs no server").fresh_database(test).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_by_its_code_and_shown_nowhere() {
    for (kind, user, code) in [
        (Kind::Postgres15, "postgres", "TL-PG-AUTHENTICATION"),
        (Kind::Mysql97, "root", "TL-MY-AUTHENTICATION"),
        (Kind::Mariadb1011, "root", "TL-MY-AUTHENTICATION"),
    ] {
        let Some(server) = server(kind) else { continue };
        let (db, file) = (server.fresh_database("password").await, file("password").await);
        run_all(&file, &MADE).await;
        let url = url_of(&db, user, "hunter2-is-wrong");
        let wrong = format!("endpoints: {{ db: '{url}', file: '{}' }}\njobs:\n", file.url);
        for job in
            ["{ source: db, target: file, tables: [items] }", "{ source: file, target: db, tables: [items] }"]
        {
            let place = Place::with_config(&format!("{wrong}  job: {job}\n"));
            let checked = place.run(&["check"]);
            assert!(checked.code == 1 && checked.out.contains(code), "{kind}: {}", checked.transcript());
            let ran = place.run(&["sync"]).refused(code);
            for ran in [checked, ran] {
                assert!(!ran.transcript().contains("hunter2"), "{kind}: {}", ran.transcript());
            }
        }
        assert_eq!((things(&db).await.len(), things(&file).await.len()), (0, 1), "{kind}");
    }
}

/// `check` tells just these; `sync` refuses by each of them and makes nothing; once an administrator did what was told, all is well.
async fn lacking(place: &Place, [here, there]: [&Database; 2], admin: &Database, codes: &[&str]) {
    let before = [things(here).await, things(there).await];
    let ran = place.run(&["check", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    let answer = ran.json().pop().unwrap();
    let findings = answer["reports"][0]["findings"].as_array().unwrap().clone();
    let errors: Vec<_> = findings.iter().filter(|f| f["severity"] == "error").collect();
    let mut told: Vec<&str> = errors.iter().map(|f| f["code"].as_str().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, codes, "{}", ran.transcript());
    for code in codes {
        place.run(&["sync"]).refused(code);
    }
    assert_eq!([things(here).await, things(there).await], before, "something was made");

    for error in errors {
        let remedy = error["remedy"].as_str().unwrap();
        admin.execute(remedy.split(", or ").next().unwrap()).await.unwrap();
    }
    place.run(&["check"]).done();
    place.run(&["sync"]).done();
    here.execute("UPDATE items SET name = 'changed' WHERE id = 2").await.unwrap();
    place.run(&["sync"]).done();
    let all = "SELECT * FROM items ORDER BY id";
    assert_eq!(rows(there, all).await, rows(here, all).await);
}

/// A server of its own with a user who may connect, and a file: the user's url takes the place of the server's.
async fn as_a_user_without_rights(kind: Kind, source: bool, grant: &str, codes: &[&str]) {
    let Some(private) = private_server(kind, Options::default()).await else { return };
    let (db, file) = (private.server.fresh_database("rights").await, file("rights").await);
    let make = match kind.family() {
        Family::Postgres => "CREATE ROLE plain LOGIN PASSWORD 'secret'".to_owned(),
        _ => format!(
            "CREATE USER plain@'%' IDENTIFIED BY 'secret'; GRANT {grant} ON {}.* TO plain@'%'",
            db.name
        ),
    };
    db.execute(&make).await.unwrap();
    let (here, there) = if source { (&db, &file) } else { (&file, &db) };
    run_all(here, &MADE).await;
    let text = config(here, there, JOB).replace(&db.url, &url_of(&db, "plain", "secret"));
    lacking(&Place::with_config(&text), [here, there], &db, codes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_user_of_postgres_lacks_is_told_at_once_and_granting_it_is_enough() {
    let codes = [
        "TL-PG-PRIVILEGE-CREATE",
        "TL-PG-PRIVILEGE-OWNER",
        "TL-PG-PRIVILEGE-REPLICATION",
        "TL-PG-PRIVILEGE-SELECT",
    ];
    as_a_user_without_rights(Kind::Postgres15, true, "", &codes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_user_of_postgres_lacks_is_told_at_once_and_granting_it_is_enough() {
    as_a_user_without_rights(Kind::Postgres18, false, "", &["TL-PG-PRIVILEGE-CREATE"]).await;
}

const SOURCE: [&str; 3] =
    ["TL-MY-PRIVILEGE-MONITOR", "TL-MY-PRIVILEGE-REPLICATION", "TL-MY-PRIVILEGE-SELECT"];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_user_of_mysql_lacks_is_told_at_once_and_granting_it_is_enough() {
    as_a_user_without_rights(Kind::Mysql97, true, "INSERT", &SOURCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_user_of_mariadb_lacks_is_told_at_once_and_granting_it_is_enough() {
    let [monitor, replication, select] = SOURCE;
    // MySQL writes down what it is sent by its source; MariaDB only where it is told to, so that it must be asked whether it is a replica.
    let codes = [monitor, "TL-MY-PRIVILEGE-REPLICA", replication, select];
    as_a_user_without_rights(Kind::Mariadb1011, true, "INSERT", &codes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_user_of_mysql_lacks_is_told_at_once_and_granting_it_is_enough() {
    as_a_user_without_rights(Kind::Mysql97, false, "SELECT", &["TL-MY-PRIVILEGE-WRITE"]).await;
}
