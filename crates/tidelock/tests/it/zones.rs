//! Servers that live in New York: an instant is the same instant whichever way it came, in the hour that a clock leaves out, in the one that it shows twice, and in a stream as in a copy.

use crate::lockstep::{Lockstep, pairs};
use crate::sides::{config, rows, run_all};
use crate::support::Place;
use tidelock_testkit::lab::Options;
use tidelock_testkit::{Database, Family, Kind, private_server, server};

/// Around both changes of the clock, in UTC.
const INSTANTS: [&str; 8] = [
    "2024-03-10 06:59:59.999999",
    "2024-03-10 07:00:00",
    "2024-03-10 07:30:00.5",
    "2024-11-03 05:30:00",
    "2024-11-03 06:00:00",
    "2024-11-03 06:30:00.123456",
    "2024-07-01 12:00:00",
    "2024-12-31 23:59:59.5",
];

/// What clocks showed; at half past two in March none in New York did.
const CLOCKS: [&str; 3] = ["2024-03-10 02:30:00", "2024-11-03 01:30:00.25", "2024-01-02 03:04:05"];

pairs! { postgres:
    instants_of_a_postgres_in_new_york_are_what_they_are_in_utc_to_mysql: Postgres18 => Mysql97;
    instants_of_a_postgres_in_new_york_are_what_they_are_in_utc_to_postgres: Postgres15 => Postgres18;
    instants_of_a_postgres_in_new_york_are_what_they_are_in_utc_to_sqlite: Postgres18 => Sqlite;
}

/// Everything that a server may print otherwise is set for the database and for whoever connects to it.
async fn moved_to_new_york(db: &Database) {
    let name = &db.name;
    for (setting, value) in
        [("TimeZone", "America/New_York"), ("DateStyle", "SQL, DMY"), ("IntervalStyle", "iso_8601")]
    {
        db.execute(&format!("ALTER DATABASE {name} SET {setting} = '{value}'")).await.unwrap();
    }
    let mut session = db.session().await.unwrap();
    assert_eq!(session.value("SHOW DateStyle").await.unwrap().as_deref(), Some("SQL, DMY"));
}

async fn postgres(from: Kind, to: Kind) {
    let Some(side) = Lockstep::new("new_york", from, to, "[moments]").await else { return };
    moved_to_new_york(&side.here).await;
    if to.family() == Family::Postgres {
        moved_to_new_york(&side.there).await;
    }
    // Only PostgreSQL has these.
    let (more, values) = match to.family() {
        Family::Postgres => (
            ", span interval, during tstzrange, hours timetz",
            ", '1 mon -2 days 03:04:05.5', '[2024-03-10 06:30+00,2024-03-10 07:30+00)', '02:30:00-05'",
        ),
        _ => ("", ""),
    };
    let row = |id: usize, instant: &str, clock: &str| {
        format!(
            "INSERT INTO moments VALUES ({id}, '{instant}+00', '{clock}', date '2024-02-01', time '02:30:00.5'{values})"
        )
    };
    side.run(&[format!("CREATE TABLE moments (id integer PRIMARY KEY, at timestamptz(6), clock timestamp(6), day date, hour time(6){more})")]).await;
    let all = |first: usize| -> Vec<String> {
        INSTANTS
            .iter()
            .enumerate()
            .map(|(n, at)| row(first + n, &at.replace(' ', "T"), CLOCKS[n % 3]))
            .collect()
    };
    // The one to be changed, a half hour that is not there: PostgreSQL takes it as three.
    let missing = |id: usize| {
        row(id, "2024-01-01T00:00:00", CLOCKS[0]).replacen(
            "'2024-01-01T00:00:00+00'",
            "'2024-03-10T02:30:00'",
            1,
        )
    };
    side.run(&all(1)).await;
    side.run(&[missing(9)]).await;
    same_instants(&side).await;
    side.run(&all(11)).await;
    side.run(&[
        missing(19),
        "UPDATE moments SET at = at + interval '1 hour', clock = clock + interval '1 hour' WHERE id <= 9"
            .to_owned(),
    ])
    .await;
    same_instants(&side).await;
}

async fn same_instants(side: &Lockstep) {
    side.place.run(&["sync"]).done();
    let here = "SELECT id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), to_char(clock, 'YYYY-MM-DD HH24:MI:SS.US'), to_char(day, 'YYYY-MM-DD'), hour::text FROM moments ORDER BY id";
    let there = match side.there.kind().family() {
        Family::Postgres => here,
        _ => "SELECT id, at, clock, day, hour FROM moments ORDER BY id",
    };
    let mut seen = rows(&side.there, there).await;
    // SQLite keeps the zone beside an instant.
    seen.iter_mut().for_each(|row| {
        row[1] = row[1].take().map(|at| {
            at.trim_end_matches('Z')
                .trim_end_matches("+00:00")
                .replace('T', " ")
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
        })
    });
    let mut expected = rows(&side.here, here).await;
    expected.iter_mut().for_each(|row| {
        row[1] = row[1].take().map(|at| at.trim_end_matches('0').trim_end_matches('.').to_owned())
    });
    assert_eq!(seen, expected);
    if side.there.kind().family() == Family::Postgres {
        let more = "SELECT id, extract(epoch FROM span), extract(epoch FROM lower(during)), extract(epoch FROM upper(during)), extract(epoch FROM hours), extract(timezone FROM hours) FROM moments ORDER BY id";
        assert_eq!(rows(&side.there, more).await, rows(&side.here, more).await);
    }
    side.place.run(&["verify", "job"]).done();
}

/// New York in the year 2024, as the server's own tables of zones have it. They are not filled by default.
const ZONE: [&str; 5] = [
    "INSERT INTO mysql.time_zone (Time_zone_id, Use_leap_seconds) VALUES (4711, 'N')",
    "INSERT INTO mysql.time_zone_name (Name, Time_zone_id) VALUES ('America/New_York', 4711)",
    "INSERT INTO mysql.time_zone_transition_type (Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation) VALUES (4711, 0, -18000, 0, 'EST'), (4711, 1, -14400, 1, 'EDT')",
    "INSERT INTO mysql.time_zone_transition (Time_zone_id, Transition_time, Transition_type_id) VALUES (4711, 1699164000, 0), (4711, 1710054000, 1), (4711, 1730613600, 0)",
    "SET GLOBAL time_zone = 'America/New_York'",
];

#[tokio::test(flavor = "multi_thread")]
async fn instants_of_a_mysql_in_new_york_are_what_they_are_in_utc() {
    mysql(Kind::Mysql97).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instants_of_a_mariadb_in_new_york_are_what_they_are_in_utc() {
    mysql(Kind::Mariadb1011).await;
}

/// To PostgreSQL and SQLite, which keep the instant, and to another database of the server itself.
async fn mysql(kind: Kind) {
    let Some(private) = private_server(kind, Options::default()).await else { return };
    let mut admin = private.server.connect().await.unwrap();
    for statement in ZONE {
        admin.execute(statement).await.unwrap();
    }
    for to in [Kind::Postgres18, Kind::Sqlite, kind] {
        let Some(other) = server(to) else { return };
        let here = private.server.fresh_database("new_york").await;
        let there = if to == kind {
            private.server.fresh_database("new_york_too").await
        } else {
            other.fresh_database("new_york").await
        };
        assert_eq!(here.value("SELECT @@time_zone").await.unwrap().as_deref(), Some("America/New_York"));
        let place =
            Place::with_config(&config(&here, &there, "{ source: here, target: there, tables: [moments] }"));
        run_all(&here, &["CREATE TABLE moments (id integer PRIMARY KEY, at timestamp(6) NULL, clock datetime(6), day date, hour time(6))"]).await;
        fill(&here, 1).await;
        same_as_in_utc(&place, &here, &there).await;
        fill(&here, 20).await;
        run_all(
            &here,
            &[
                "SET time_zone = '+00:00'",
                "UPDATE moments SET at = at + INTERVAL 1 HOUR, clock = clock + INTERVAL 1 HOUR WHERE id < 10",
            ],
        )
        .await;
        same_as_in_utc(&place, &here, &there).await;
    }
}

/// By a session in UTC, and by one that lives there and is not strict: it is given three o'clock for the hour that is not there.
async fn fill(here: &Database, first: usize) {
    let row = |id: usize, at: &str, clock: &str| {
        format!("INSERT INTO moments VALUES ({id}, '{at}', '{clock}', '2024-02-01', '02:30:00.5')")
    };
    let (mut utc, mut local) = (here.session().await.unwrap(), here.session().await.unwrap());
    utc.execute("SET time_zone = '+00:00'").await.unwrap();
    for (n, at) in INSTANTS.iter().enumerate() {
        utc.execute(&row(first + n, at, CLOCKS[n % 3])).await.unwrap();
    }
    local.execute("SET sql_mode = ''").await.unwrap();
    for (n, clock) in CLOCKS.iter().enumerate() {
        local.execute(&row(first + 10 + n, clock, clock)).await.unwrap();
    }
}

async fn same_as_in_utc(place: &Place, here: &Database, there: &Database) {
    place.run(&["sync"]).done();
    let utc = async |db: &Database| {
        let mut session = db.session().await.unwrap();
        let sql = match db.kind().family() {
            Family::Postgres => {
                "SELECT id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), clock, day, hour FROM moments ORDER BY id"
            }
            Family::Mysql => {
                session.execute("SET time_zone = '+00:00'").await.unwrap();
                "SELECT id, at, clock, day, hour FROM moments ORDER BY id"
            }
            _ => "SELECT id, at, clock, day, hour FROM moments ORDER BY id",
        };
        let mut rows = session.query(sql).await.unwrap();
        for value in rows.iter_mut().flatten().flatten() {
            *value = value.replace('T', " ").trim_end_matches('Z').trim_end_matches("+00:00").to_owned();
            if value.contains('.') {
                value.truncate(value.trim_end_matches('0').trim_end_matches('.').len());
            }
        }
        rows
    };
    let (expected, seen) = (utc(here).await, utc(there).await);
    assert_eq!(seen, expected);
    assert!(expected[0][1].as_deref().is_some_and(|at| at.starts_with("2024-03-10 0")), "{expected:?}");
    place.run(&["verify", "job"]).done();
}
