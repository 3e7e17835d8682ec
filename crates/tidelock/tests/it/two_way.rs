//! Two-way jobs: both sides are written to at once, often the same rows; then it is quiet, both sides are equal, and nothing went round.
//!
//! ```text
//!   here ── own changes ──▶ tidelock ──▶ there        what `there` gets is what was changed `here`, each change once:
//!   here ◀── tidelock ◀── own changes ── there        a change that came back would be one too many
//! ```
//!
//! Two witnesses that are not tidelock count: the writers, how many rows they changed; triggers, how many rows anybody wrote at a side.

use crate::following::{Chance, Clock};
use crate::service::{Service, failed};
use crate::sides::{config, pair, rows, run_all, unknown};
use crate::support::Place;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidelock_testkit::{Database, Family, Kind, Session};

const LONG: Duration = Duration::from_secs(180);
/// Rows of each table at the beginning, at one side.
const ROWS: u64 = 300;
/// Transactions of each side.
const STEPS: u64 = 1_200;

macro_rules! pairs {
    ($($name:ident: $here:ident <=> $there:ident, kills $kills:literal;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            ends_equal(Kind::$here, Kind::$there, $kills).await;
        }
    )*};
}

pairs! {
    mysql_and_sqlite_end_equal_and_nothing_loops: Mysql97 <=> Sqlite, kills 0;
    mariadb_and_sqlite_end_equal_and_nothing_loops: Mariadb1011 <=> Sqlite, kills 0;
    mariadb_and_mysql_end_equal_and_nothing_loops: Mariadb1011 <=> Mysql97, kills 0;
    postgres_and_mysql_end_equal_and_nothing_loops: Postgres18 <=> Mysql97, kills 0;
    postgres_and_mariadb_end_equal_and_nothing_loops: Postgres15 <=> Mariadb1011, kills 0;
    postgres_and_sqlite_end_equal_and_nothing_loops: Postgres18 <=> Sqlite, kills 0;
    sqlite_and_mysql_end_equal_whatever_is_killed: Sqlite <=> Mysql97, kills 5;
    mysql_and_postgres_end_equal_whatever_is_killed: Mysql97 <=> Postgres18, kills 5;
    sqlite_and_postgres_end_equal_whatever_is_killed: Sqlite <=> Postgres15, kills 5;
}

async fn ends_equal(here: Kind, there: Kind, kills: usize) {
    let Some((here, there)) = pair("two_way", here, there).await else { return };
    prepare(&here).await;
    // A SQLite file has to be there: only a one-way job makes its target.
    there.execute("CREATE TABLE other (id integer PRIMARY KEY)").await.unwrap();
    let job = "{ between: [here, there], tables: [notes, tasks], conflicts: { resolve: last_update_wins, version: updated_at, priority: [there, here] } }";
    let place = Place::with_config(&config(&here, &there, job));
    let mut chance = Chance::new();
    let clock = Clock(Instant::now(), format!("{} ↔ {}", here.kind(), there.kind()));

    let mut service = Service::start(&place);
    both_follow(&mut service).await;
    clock.tell("both follow");
    for side in [&here, &there] {
        witness(side).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writers = [(&here, 1), (&there, 2)].map(|(db, first)| Writer::start(db, first, chance.next(), &stop));
    for _ in 0..kills {
        chance.wait(1_500).await;
        service.kill();
        clock.tell("killed");
        service = Service::start(&place);
        both_follow(&mut service).await;
    }
    if kills > 0 {
        stop.store(true, Ordering::Relaxed);
    }
    let mut changed = [0, 0];
    for (writer, changed) in writers.into_iter().zip(&mut changed) {
        *changed = writer.finish().await;
    }
    clock.tell(&format!("the writers changed {changed:?} rows"));

    // Order holds each way: what comes last is there when all that came before is, and so is what that may have sent back.
    for (id, from, to) in [(1, &here, &there), (2, &there, &here), (3, &here, &there), (4, &there, &here)] {
        let note = format!("INSERT INTO notes VALUES ({}, 'the last', {})", 900_000 + id, 1);
        from.execute(&note).await.unwrap();
        let came = format!("SELECT count(*) FROM notes WHERE id = {}", 900_000 + id);
        let came = async |_: &Service| to.value(&came).await.is_ok_and(|n| n.as_deref() == Some("1"));
        service.wait("the last note at the other side", LONG, came).await;
        changed[(id as usize + 1) % 2] += 1;
    }
    for side in [&here, &there] {
        // A row that one side changed and the other one deleted waits until both have heard of it.
        let open = "SELECT count(*) FROM tidelock_checkpoint WHERE state LIKE '%unsettled%'";
        let none = async |_: &Service| side.value(open).await.is_ok_and(|n| n.as_deref() == Some("0"));
        service.wait("what was deleted and changed to be settled", LONG, none).await;
    }
    clock.tell("quiet");
    assert!(!service.told(failed));
    same_rows(&here, &there).await;
    nothing_looped(&mut service, [&here, &there], changed, kills > 0).await;
    service.stop();
    let verified = place.run(&["verify", "job", "--json"]).done();
    let answer = verified.json().pop().unwrap();
    assert_eq!(answer["equal"], true, "{}", verified.transcript());
    clock.tell("verified");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_changed_and_deleted_while_the_other_side_changes_it_ends_equal_mariadb_and_sqlite() {
    deletes_against_changes(Kind::Mariadb1011, Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_changed_and_deleted_while_the_other_side_changes_it_ends_equal_postgres_and_mysql() {
    deletes_against_changes(Kind::Postgres18, Kind::Mysql97).await;
}

/// One side changes a row and deletes it while the other side changes it: what is kept on one side is kept on both, however it is cut into batches.
async fn deletes_against_changes(here: Kind, there: Kind) {
    let Some((here, there)) = pair("two_way", here, there).await else { return };
    prepare(&here).await;
    there.execute("CREATE TABLE other (id integer PRIMARY KEY)").await.unwrap();
    let job = "{ between: [here, there], tables: [notes, tasks], batch_size: 1, conflicts: { resolve: last_update_wins, version: updated_at } }";
    let place = Place::with_config(&config(&here, &there, job));
    place.run(&["sync"]).done();
    let change = |id: u64, version: u64| {
        format!("UPDATE notes SET note = 'v{version}', updated_at = {version} WHERE id = {id}")
    };
    let delete = |id: u64| format!("DELETE FROM notes WHERE id = {id}");
    let moved = |id: u64| format!("UPDATE notes SET id = {id} + 1000, updated_at = 9 WHERE id = {id}");
    let ours = [
        change(1, 3),
        delete(1),
        change(2, 2),
        delete(2),
        delete(3),
        change(4, 2),
        delete(4),
        delete(5),
        moved(6),
    ];
    let theirs = [
        change(1, 2),
        change(2, 3),
        change(3, 2),
        change(4, 3),
        delete(4),
        change(5, 2),
        delete(5),
        change(6, 2),
    ];
    run_all(&here, &ours).await;
    run_all(&there, &theirs).await;
    place.run(&["sync"]).done();
    let notes = rows(&here, "SELECT id, note FROM notes WHERE id < 7 OR id > 1000 ORDER BY id").await;
    let kept = |id: &str, note: &str| vec![Some(id.to_owned()), Some(note.to_owned())];
    assert_eq!(notes, [kept("2", "v3"), kept("3", "v2"), kept("6", "v2"), kept("1006", "old")]);
    same_rows(&here, &there).await;
    place.run(&["verify", "job"]).done();
}

async fn both_follow(service: &mut Service) {
    let flow =
        |name: &'static str| move |e: &serde_json::Value| e["phase"] == "following" && e["flow"] == name;
    let both = async |s: &Service| s.told(flow("here → there")) && s.told(flow("there → here"));
    service.wait("both ways to follow", LONG, both).await;
}

/// Rows on one side; the other one has not even the tables.
async fn prepare(db: &Database) {
    let instant = match db.kind().family() {
        Family::Postgres => "timestamp(6)",
        Family::Mysql => "datetime(6)",
        Family::Sqlite => "datetime",
        other => unknown(other),
    };
    let schema = [
        "CREATE TABLE notes (id integer PRIMARY KEY, note varchar(60), updated_at bigint NOT NULL)"
            .to_owned(),
        format!(
            "CREATE TABLE tasks (id integer PRIMARY KEY, note varchar(60), updated_at {instant} NOT NULL)"
        ),
    ];
    run_all(db, &schema).await;
    if db.kind().family() == Family::Postgres {
        let whole = ["notes", "tasks"].map(|table| format!("ALTER TABLE {table} REPLICA IDENTITY FULL"));
        run_all(db, &whole).await;
    }
    for id in 1..=ROWS {
        let rows = [
            format!("INSERT INTO notes VALUES ({id}, 'old', 0)"),
            format!("INSERT INTO tasks VALUES ({id}, 'old', '2001-01-01 00:00:00')"),
        ];
        run_all(db, &rows).await;
    }
}

/// Counts every row that anybody writes here, tidelock included.
async fn witness(db: &Database) {
    run_all(
        db,
        &[
            "CREATE TABLE touched (id integer PRIMARY KEY, n integer NOT NULL)",
            "INSERT INTO touched VALUES (1, 0)",
        ],
    )
    .await;
    let count = "UPDATE touched SET n = n + 1 WHERE id = 1";
    if db.kind().family() == Family::Postgres {
        let function = format!(
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {count}; RETURN NULL; END $$"
        );
        db.execute(&function).await.unwrap();
    }
    for table in ["notes", "tasks"] {
        for action in ["INSERT", "UPDATE", "DELETE"] {
            let head = format!("CREATE TRIGGER seen_{table}_{action} AFTER {action} ON {table}");
            let trigger = match db.kind().family() {
                // The second one fires for tidelock's sessions too.
                Family::Postgres => format!(
                    "{head} FOR EACH ROW EXECUTE FUNCTION touch(); ALTER TABLE {table} ENABLE ALWAYS TRIGGER seen_{table}_{action}"
                ),
                Family::Mysql => format!("{head} FOR EACH ROW {count}"),
                Family::Sqlite => format!("{head} BEGIN {count}; END"),
                other => unknown(other),
            };
            db.execute(&trigger).await.unwrap();
        }
    }
}

async fn same_rows(here: &Database, there: &Database) {
    for sql in [
        "SELECT id, note, updated_at FROM notes ORDER BY id",
        "SELECT id, note, updated_at FROM tasks ORDER BY id",
    ] {
        let (here, there) = (rows(here, sql).await, rows(there, sql).await);
        for (here, there) in here.iter().zip(&there) {
            assert_eq!(here, there, "{sql}");
        }
        assert_eq!(here.len(), there.len(), "rows of: {sql}");
        assert!(here.len() > 50, "{sql}");
    }
}

/// Each way brought what was changed at its beginning, once, and nothing else.
async fn nothing_looped(service: &mut Service, sides: [&Database; 2], changed: [u64; 2], killed: bool) {
    for side in sides {
        let touched = side.value("SELECT n FROM touched").await.unwrap().unwrap();
        let touched: u64 = touched.parse().unwrap();
        assert!(
            touched <= changed[0] + changed[1],
            "{touched} rows were written at {}, of {changed:?}",
            side.kind()
        );
    }
    if killed {
        return;
    }
    for (flow, changed) in [("here → there", changed[0]), ("there → here", changed[1])] {
        let brought = |s: &Service| s.sum("changes", |e| e["event"] == "applied" && e["flow"] == flow);
        // It tells what it applied when that is committed.
        service.wait("all is told", LONG, async |s| brought(s) >= changed).await;
        assert_eq!(brought(service), changed, "{flow}");
    }
    assert!(service.told(|e| e["event"] == "conflict"), "both sides never met at one row");
}

/// Changes one side on a thread of its own.
struct Writer(std::thread::JoinHandle<u64>);

impl Writer {
    /// `first`: 1 for odd ids, 2 for even ones. Ends after [`STEPS`] transactions, or with `stop` when that is how it is to end.
    fn start(db: &Database, first: u64, seed: u64, stop: &Arc<AtomicBool>) -> Writer {
        let (url, kind, stop) = (db.url.clone(), db.kind(), stop.clone());
        Writer(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut session = Session::connect(&url).await.unwrap();
                let mut chance = Chance::from(seed);
                let (mut changed, mut versions) = (0, Versions::default());
                for step in 0..STEPS {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let sql = statement(&mut chance, versions.next(), step, first);
                    changed += affected(&mut session, kind, &sql).await;
                    tokio::time::sleep(Duration::from_millis(2 + chance.below(6))).await;
                }
                changed
            })
        }))
    }

    /// Rows changed.
    async fn finish(self) -> u64 {
        tokio::task::spawn_blocking(|| self.0.join().unwrap()).await.unwrap()
    }
}

/// What says which change is newer: grows with every change of a side, and is often the same at both.
#[derive(Default)]
struct Versions(u64);

impl Versions {
    fn next(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        self.0 = (self.0 + 1).max(now / 40 * 40_000);
        self.0
    }
}

fn statement(chance: &mut Chance, version: u64, step: u64, first: u64) -> String {
    let table = if chance.below(2) == 0 { "notes" } else { "tasks" };
    let at = if table == "notes" { version.to_string() } else { format!("'{}'", instant(version)) };
    // Half of what is changed is changed by both sides all the time: a few rows at a time, which are others a second later.
    let few = version / 1_000_000 * 7 % (ROWS - 10);
    let id = 1 + if chance.below(2) == 0 { few + chance.below(10) } else { chance.below(ROWS) };
    let note = format!("'by {first} in step {step}'");
    match chance.below(10) {
        0 => format!("DELETE FROM {table} WHERE id = {id}"),
        1 => format!("INSERT INTO {table} VALUES ({}, {note}, {at})", 10_000 + 2 * step + first),
        2 if step.is_multiple_of(5) => {
            format!("UPDATE {table} SET note = {note}, updated_at = {at} WHERE id > 290 AND id < 300")
        }
        // At nearly the same time the other side makes the same row.
        3 => {
            let id = 20_000 + version / 100_000 % 10_000;
            let absent = format!("NOT EXISTS (SELECT 1 FROM {table} WHERE id = {id})");
            format!(
                "INSERT INTO {table} SELECT {id}, {note}, {at} FROM (SELECT 1 AS a) AS one WHERE {absent}"
            )
        }
        _ => format!("UPDATE {table} SET note = {note}, updated_at = {at} WHERE id = {id}"),
    }
}

/// `2026-11-21 10:00:00.123456`.
fn instant(micros: u64) -> String {
    let (days, rest) = (micros / 86_400_000_000, micros % 86_400_000_000);
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    // Years need not be those of a calendar: a day more is a later one.
    let (month, day) = (1 + days % 336 / 28, 1 + days % 28);
    let (year, hour) = (1970 + days / 336, seconds / 3600);
    format!("{year}-{month:02}-{day:02} {hour:02}:{:02}:{:02}.{micros:06}", seconds % 3600 / 60, seconds % 60)
}

/// Runs one statement and tells how many rows it changed. One that the server gave up (a deadlock, a busy file) is made again.
async fn affected(session: &mut Session, kind: Kind, sql: &str) -> u64 {
    for _ in 0..50 {
        let done = match kind.family() {
            Family::Postgres => {
                session.value(&format!("WITH done AS ({sql} RETURNING 1) SELECT count(*) FROM done")).await
            }
            Family::Mysql => match session.execute(sql).await {
                Ok(()) => session.value("SELECT row_count()").await,
                Err(error) => Err(error),
            },
            Family::Sqlite => match session.execute(sql).await {
                Ok(()) => session.value("SELECT changes()").await,
                Err(error) => Err(error),
            },
            other => unknown(other),
        };
        match done {
            Ok(count) => return count.unwrap().parse().unwrap(),
            Err(error) => println!("a writer tries again: {error:#}"),
        }
    }
    panic!("a writer cannot write: {sql}");
}
