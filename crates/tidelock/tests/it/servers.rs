//! What servers do while they are kept in step: they crash and come back, and another one answers in their place.

use crate::service::{Service, phase};
use crate::sides::{config, rows, run_all};
use crate::support::Place;
use serde_json::Value;
use std::time::Duration;
use tidelock_testkit::lab::Options;
use tidelock_testkit::{Database, Kind, Session, Way, private_server, server};

const LONG: Duration = Duration::from_secs(120);
const JOB: &str = "{ source: here, target: there, tables: [counter, items] }";
const MADE: [&str; 3] = [
    "CREATE TABLE counter (id integer PRIMARY KEY, n integer NOT NULL)",
    "INSERT INTO counter VALUES (1, 0)",
    "CREATE TABLE items (id integer PRIMARY KEY, name varchar(20))",
];

/// Which end crashes.
#[derive(PartialEq)]
enum End {
    Source,
    Target,
}

macro_rules! crashes {
    ($($name:ident: $kind:ident, $end:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            a_crash(Kind::$kind, End::$end).await;
        }
    )*};
}

crashes! {
    a_postgres_source_that_crashes_is_waited_for_and_nothing_is_lost_or_doubled: Postgres18, Source;
    a_postgres_target_that_crashes_is_waited_for_and_nothing_is_lost_or_doubled: Postgres15, Target;
    a_mysql_source_that_crashes_is_waited_for_and_nothing_is_lost_or_doubled: Mysql97, Source;
    a_mysql_target_that_crashes_is_waited_for_and_nothing_is_lost_or_doubled: Mysql97, Target;
    a_mariadb_source_that_crashes_is_waited_for_and_nothing_is_lost_or_doubled: Mariadb1011, Source;
    a_mariadb_target_that_crashes_is_waited_for_and_nothing_is_lost_or_doubled: Mariadb1011, Target;
}

async fn a_crash(kind: Kind, end: End) {
    let options = Options { durable: true, ..Options::default() };
    let Some(mut private) = private_server(kind, options).await else { return };
    let fragile = private.server.fresh_database("crash").await;
    let file = server(Kind::Sqlite).expect("it needs no server").fresh_database("crash").await;
    let (here, there) = if end == End::Source { (&fragile, &file) } else { (&file, &fragile) };
    run_all(here, &MADE).await;
    let place = Place::with_config(&config(here, there, JOB));
    let mut service = Service::start(&place);
    service.wait("following", LONG, async |s| s.told(phase("following"))).await;

    count(here, 1..=50).await;
    private.crash();
    if end == End::Target {
        count(here, 51..=80).await;
    }
    service.wait("it is told", LONG, async |s| s.told(retried)).await;
    let code = service.find(retried, code_of).unwrap();
    let told = async |_: &Service| place.run(&["status"]).done().out.contains(&code);
    service.wait("status tells it", LONG, told).await;

    private.restart().unwrap();
    count(here, if end == End::Target { 81..=100 } else { 51..=100 }).await;
    let arrived = async |_: &Service| value(there, "SELECT n FROM counter").await.as_deref() == Some("100");
    service.wait("the last step at the target", LONG, arrived).await;
    let well = async |_: &Service| !place.run(&["status"]).done().out.contains(&code);
    service.wait("status tells that all is well", LONG, well).await;
    service.stop();

    let all = "SELECT count(*), min(id), max(id), count(DISTINCT name) FROM items";
    let expected = Some(["100", "1", "100", "100"].map(|v| Some(v.to_owned())).to_vec());
    for db in [here, there] {
        assert_eq!(session(db).await.unwrap().query(all).await.unwrap().pop(), expected);
    }
    place.run(&["verify", "job"]).done();
}

/// A failure that is tried again, of the capture or of a flow.
fn retried(event: &Value) -> bool {
    let known = event["event"] == "retrying" || event["event"] == "capture";
    known && event["error"].is_string() && event["milliseconds"].is_u64()
}

fn code_of(event: &Value) -> Option<String> {
    let error = event["error"].as_str()?;
    let code = &error[error.find("TL-")?..];
    Some(code.split(|c: char| c != '-' && !c.is_ascii_alphanumeric()).next()?.to_owned())
}

/// A new one: that of before a crash is broken.
async fn session(db: &Database) -> Option<Session> {
    db.session().await.ok()
}

async fn value(db: &Database, sql: &str) -> Option<String> {
    session(db).await?.value(sql).await.ok()?
}

/// One transaction for each number: a step of the counter, and a row.
async fn count(db: &Database, numbers: std::ops::RangeInclusive<u32>) {
    let mut session = session(db).await.unwrap();
    for n in numbers {
        let step = crate::sides::begin(db.kind());
        for statement in [
            step,
            "UPDATE counter SET n = n + 1",
            &format!("INSERT INTO items VALUES ({n}, 'row {n}')"),
            "COMMIT",
        ] {
            session.execute(statement).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mysql_behind_the_same_url_is_refused_until_the_url_points_back() {
    another_server(Kind::Mysql97, Kind::Mysql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mariadb_behind_the_same_url_is_refused_until_the_url_points_back() {
    another_server(Kind::Mariadb1011, Kind::Mariadb1011).await;
}

/// Two of one kind would come from one template, with one system identifier.
#[tokio::test(flavor = "multi_thread")]
async fn another_postgres_behind_the_same_url_is_refused_until_the_url_points_back() {
    another_server(Kind::Postgres15, Kind::Postgres18).await;
}

async fn another_server(kind: Kind, other: Kind) {
    let Some(first) = private_server(kind, Options::default()).await else { return };
    let Some(second) = private_server(other, Options::default()).await else { return };
    let here = first.server.fresh_database("exchanged").await;
    let there = server(Kind::Sqlite).expect("it needs no server").fresh_database("exchanged").await;
    run_all(&here, &MADE).await;
    count(&here, 1..=3).await;
    let way = Way::to(&here.url);
    let text = config(&here, &there, JOB).replace(&here.url, &way.through(&here.url));
    let place = Place::with_config(&text);
    place.run(&["sync"]).done();
    let before = rows(&there, "SELECT * FROM items ORDER BY id").await;
    assert_eq!(before.len(), 3);

    let make = format!("CREATE DATABASE {}", here.name);
    second.server.connect().await.unwrap().execute(&make).await.unwrap();
    way.lead(&second.server.url);
    let mut other = Session::connect(&way.through(&here.url)).await.unwrap();
    for statement in MADE.iter().chain(&["INSERT INTO items VALUES (77, 'of another')"]) {
        other.execute(statement).await.unwrap();
    }
    for _ in 0..2 {
        place.run(&["sync"]).refused("TL-SYNC-OTHER-SERVER");
    }
    assert_eq!(rows(&there, "SELECT * FROM items ORDER BY id").await, before);

    way.lead(&first.server.url);
    count(&here, 4..=6).await;
    place.run(&["sync"]).done();
    let all = "SELECT * FROM items ORDER BY id";
    assert_eq!(rows(&there, all).await, rows(&here, all).await);
    assert_eq!(value(&there, "SELECT n FROM counter").await.as_deref(), Some("6"));
}
