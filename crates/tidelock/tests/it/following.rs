//! `tidelock run` follows a source that others write to, and is killed again and again meanwhile.
//!
//! ```text
//!   writer        inserts, updates, deletes, key changes, counters ── all the time ──────────────────▶ the last mark
//!   big           ......... one transaction of 1,000,000 rows ........
//!   tidelock      start ✗ snapshot ✗ snapshot ✗ … ✗ snapshot │ follow ✗ follow ✗ … ✗ follow ──────────▶ in step
//! ```
//!
//! The first copy must not be over when the big transaction is committed: until then tidelock is killed in the copy. What came of it all is read by a
//! plain client, and by `tidelock verify`. Chance is seeded: a failure tells the seed, `TIDELOCK_TEST_SEED` brings it back.

use crate::service::{Service, failed, phase};
use crate::sides::{DIGITS, begin, config, fill, pair, rows, run_all, unknown};
use crate::support::Place;
use crate::writer::{BASE, Writer};
use std::time::{Duration, Instant};
use tidelock_testkit::{Database, Family, Kind, Session};

/// First and number of rows of the one large transaction.
const BIG: (u32, u32) = (1_000_000, 1_000_000);
/// A table of one row, for [`hold`].
const HELD: &str = "CREATE TABLE held (id integer PRIMARY KEY)";
/// How often tidelock is killed, at least.
const KILLS: usize = 10;
/// For what takes minutes on a slow machine, and never as long as this.
const LONG: Duration = Duration::from_secs(420);

macro_rules! pairs {
    ($($name:ident: $from:ident => $to:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            follows_and_survives(Kind::$from, Kind::$to).await;
        }
    )*};
}

pairs! {
    mariadb_to_sqlite_follows_whatever_is_killed: Mariadb1011 => Sqlite;
    mysql_to_mariadb_follows_whatever_is_killed: Mysql97 => Mariadb1011;
    sqlite_to_mysql_follows_whatever_is_killed: Sqlite => Mysql97;
    mariadb_to_mysql_follows_whatever_is_killed: Mariadb1011 => Mysql97;
    mysql_to_sqlite_follows_whatever_is_killed: Mysql97 => Sqlite;
    sqlite_to_mariadb_follows_whatever_is_killed: Sqlite => Mariadb1011;
    postgres_to_mysql_follows_whatever_is_killed: Postgres18 => Mysql97;
    mysql_to_postgres_follows_whatever_is_killed: Mysql97 => Postgres15;
    postgres_to_mariadb_follows_whatever_is_killed: Postgres15 => Mariadb1011;
    mariadb_to_postgres_follows_whatever_is_killed: Mariadb1011 => Postgres18;
    postgres_to_sqlite_follows_whatever_is_killed: Postgres18 => Sqlite;
    sqlite_to_postgres_follows_whatever_is_killed: Sqlite => Postgres15;
}

async fn follows_and_survives(from: Kind, to: Kind) {
    let Some((source, target)) = pair("following", from, to).await else { return };
    prepare(&source).await;
    let job = "{ source: here, target: there, tables: [items, customers, orders, counter, held] }";
    let place = Place::with_config(&config(&source, &target, job));
    let mut chance = Chance::new();
    let clock = Clock(Instant::now(), format!("{from} → {to}"));

    let writer = Writer::start(&source, chance.next());
    let (mut service, mut kills) = kill_while_copying(&place, (&source, &target), &mut chance, &clock).await;
    while kills < KILLS {
        let behind_copy = async |s: &Service| s.told(phase("catching up")) || s.told(phase("following"));
        service.wait("the end of the copy", LONG, behind_copy).await;
        chance.wait(3_000).await;
        let doing = if service.told(phase("following")) { "following" } else { "catching up" };
        clock.tell(&format!("killed {doing}"));
        service.kill();
        service = Service::start(&place);
        kills += 1;
    }
    let counted = writer.finish().await;
    clock.tell(&format!("{kills} kills; the writer made {} transactions", counted.transactions));
    in_step(&mut service, &target, counted.transactions).await;
    clock.tell("in step");
    assert!(!service.told(failed));
    service.stop();

    assert_eq!(counters(&source).await, counted.counters, "the source counts what was written");
    assert_eq!(counters(&target).await, counted.counters, "no step was lost or made twice");
    same_rows(&source, &target).await;
    clock.tell("read by a plain client");
    let verified = place.run(&["verify", "job", "--json"]).done();
    let answer = verified.json().pop().unwrap();
    assert_eq!(answer["equal"], true, "{}", verified.transcript());
    clock.tell("verified");
}

/// The parents were copied under one view, their children under a later one that has a child of a parent made in between: only the stream brings that parent.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_keys_wait_until_the_stream_is_past_every_view() {
    let Some((source, target)) = pair("views", Kind::Sqlite, Kind::Postgres18).await else { return };
    prepare(&source).await;
    run_all(&source, &["INSERT INTO customers VALUES (1, 'one')", "DELETE FROM items WHERE id > 5"]).await;
    let orders = fill("orders", 1, 1_000).replace("(id, note, qty)", "(id, amount, customer_id)");
    source
        .execute(
            &orders
                .replace("'a note that takes some room in the log'", "1.5")
                .replace("* 7 % 100003", "* 0 + 1"),
        )
        .await
        .unwrap();
    let job = "{ source: here, target: there, tables: [items, customers, orders, counter] }";
    let place = Place::with_config(&config(&source, &target, job));
    // Until the lock is gone no child is copied.
    let made =
        "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, amount numeric(10,2))";
    target.execute(made).await.unwrap();
    let mut lock = target.session().await.unwrap();
    lock.execute("BEGIN").await.unwrap();
    lock.execute("LOCK TABLE orders IN EXCLUSIVE MODE").await.unwrap();

    let mut service = Service::start(&place);
    let parents = "SELECT count(*) FROM tidelock_checkpoint WHERE lane LIKE 'snapshot/%customers%'";
    let parents = async |_: &Service| target.value(parents).await.is_ok_and(|n| n.as_deref() == Some("1"));
    service.wait("the parents at the target", LONG, parents).await;
    service.kill();
    drop(lock);
    run_all(
        &source,
        &["INSERT INTO customers VALUES (2, 'two')", "INSERT INTO orders VALUES (1000000, 2, 2.5)"],
    )
    .await;
    let mut service = Service::start(&place);
    service.wait("following", LONG, async |s| s.told(phase("following"))).await;
    service.stop();
    let keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f'";
    assert_eq!(target.value(keys).await.unwrap().as_deref(), Some("1"));
    place.run(&["verify", "job"]).done();
}

async fn prepare(db: &Database) {
    run_all(db, &DIGITS).await;
    let schema = [
        "CREATE TABLE items (id integer PRIMARY KEY, note varchar(60) NOT NULL, qty integer)",
        "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(40) NOT NULL)",
        "CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer NOT NULL, amount numeric(10,2), FOREIGN KEY (customer_id) REFERENCES customers (id))",
        "CREATE TABLE counter (id integer PRIMARY KEY, n integer NOT NULL)",
        "INSERT INTO counter SELECT d, 0 FROM digits",
        HELD,
        "INSERT INTO held VALUES (1)",
    ];
    run_all(db, &schema).await;
    db.execute(&fill("items", 1, BASE)).await.unwrap();
}

/// Kills tidelock at its start and in its first copy, while the big transaction works. Gives one that was in its copy when that was committed, and
/// the number of kills. A part of the copy was at the target before: so the stream, too, has to bring what was committed.
async fn kill_while_copying(
    place: &Place,
    (source, target): (&Database, &Database),
    chance: &mut Chance,
    clock: &Clock,
) -> (Service, usize) {
    let mut held = hold(target).await;
    let service = Service::start(place);
    chance.wait(300).await;
    service.kill();
    let mut service = Service::start(place);
    let loaded = "SELECT count(*) > 0 FROM tidelock_checkpoint WHERE lane LIKE 'snapshot/%items%'";
    let part =
        async |_: &Service| target.value(loaded).await.is_ok_and(|v| matches!(v.as_deref(), Some("1" | "t")));
    service.wait("a part of the copy at the target", LONG, part).await;
    let big = big_transaction(source);
    clock.tell("the big transaction begins");
    for kills in 1.. {
        if kills >= 5 && held.is_none() {
            let mut file = target.session().await.unwrap();
            file.execute("BEGIN IMMEDIATE").await.unwrap();
            held = Some(file);
        }
        let moment = Instant::now() + chance.up_to(1_500);
        let done = async |s: &Service| {
            (kills >= 5 && big.is_finished())
                || (held.is_none() && copied(s) > 60_000)
                || (kills < 5 && Instant::now() > moment)
        };
        service.wait("a moment to kill", LONG, done).await;
        assert!(!service.told(phase("catching up")), "the copy is whole before the big transaction");
        if kills >= 5 && big.is_finished() {
            clock.tell("the big transaction is committed while the copy goes on");
            drop(held);
            return (service, kills);
        }
        clock.tell("killed copying");
        service.kill();
        service = Service::start(place);
        service.wait("the first copy", LONG, async |s| s.told(phase("snapshot"))).await;
    }
    unreachable!("the loop has no end")
}

/// Makes the table `held` at the target and keeps everybody from writing to it until the session is dropped: so the copy cannot be whole. SQLite has no
/// such lock: there the copy, which is made chunk by chunk, is killed before it has the rows of another chunk, and at last the whole file is locked.
async fn hold(target: &Database) -> Option<Session> {
    let (before, lock) = match target.kind().family() {
        Family::Postgres => ("BEGIN", "LOCK TABLE held IN EXCLUSIVE MODE"),
        Family::Mysql => ("DO 1", "LOCK TABLES held READ"),
        Family::Sqlite => return None,
        other => unknown(other),
    };
    target.execute(HELD).await.unwrap();
    let mut session = target.session().await.unwrap();
    session.execute(before).await.unwrap();
    session.execute(lock).await.unwrap();
    Some(session)
}

/// Rows that it told to have read; a chunk has 100,000.
fn copied(service: &Service) -> u64 {
    service.sum("rows", |event| event["event"] == "rows")
}

/// One transaction of a million rows, and of one in the table that is copied last, by a client of its own. The view that this table is read from may be
/// opened while the transaction works: then only the stream brings the row.
fn big_transaction(source: &Database) -> std::thread::JoinHandle<()> {
    let (url, kind) = (source.url.clone(), source.kind());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut session = Session::connect(&url).await.unwrap();
            for statement in
                [begin(kind), "INSERT INTO held VALUES (2)", &fill("items", BIG.0, BIG.1), "COMMIT"]
            {
                session.execute(statement).await.unwrap();
            }
        });
    })
}

/// The writer's last transaction is at the target, and so is everything before it.
async fn in_step(service: &mut Service, target: &Database, transactions: u64) {
    let last = format!("SELECT count(*) FROM counter WHERE id = 0 AND n = {transactions}");
    let there = async |_: &Service| target.value(&last).await.is_ok_and(|n| n.as_deref() == Some("1"));
    service.wait("the last transaction at the target", LONG, there).await;
}

async fn counters(db: &Database) -> Vec<u64> {
    let rows = db.query("SELECT n FROM counter ORDER BY id").await.unwrap();
    rows.into_iter().map(|row| row[0].as_deref().unwrap().parse().unwrap()).collect()
}

/// Both sides hold the same rows, as a plain client reads them: the large transaction by sums over every thousand rows, everything else whole.
async fn same_rows(source: &Database, target: &Database) {
    let end = BIG.0 + BIG.1;
    let big = format!("SELECT count(*) FROM items WHERE id >= {} AND id < {end}", BIG.0);
    assert_eq!(source.value(&big).await.unwrap().as_deref(), Some("1000000"));
    let sums = format!(
        "SELECT id - id % 1000, count(*), sum(id), sum(qty), sum(length(note)), sum((id % 9973) * (qty % 9967))
         FROM items WHERE id >= {} AND id < {end} GROUP BY id - id % 1000 ORDER BY 1",
        BIG.0
    );
    let whole = [
        "SELECT id FROM held ORDER BY id".to_owned(),
        "SELECT id, name FROM customers ORDER BY id".to_owned(),
        "SELECT id, customer_id, amount FROM orders ORDER BY id".to_owned(),
        format!("SELECT id, note, qty FROM items WHERE id < {} OR id >= {end} ORDER BY id", BIG.0),
    ];
    for sql in std::iter::once(sums).chain(whole) {
        let (here, there) = (rows(source, &sql).await, rows(target, &sql).await);
        assert_eq!(here.len(), there.len(), "rows of: {sql}");
        for (here, there) in here.iter().zip(&there) {
            assert_eq!(here, there, "{sql}");
        }
        assert!(!here.is_empty(), "{sql}");
    }
}

/// Seeded, so that a failure can be brought back as far as other processes allow.
pub struct Chance(u64);

impl Chance {
    pub fn new() -> Chance {
        let given = std::env::var("TIDELOCK_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seed = given.unwrap_or(now.as_nanos() as u64 | 1);
        println!("TIDELOCK_TEST_SEED={seed}");
        Chance(seed)
    }

    pub fn from(seed: u64) -> Chance {
        Chance(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn up_to(&mut self, milliseconds: u64) -> Duration {
        Duration::from_millis(self.below(milliseconds))
    }

    /// A random moment later.
    pub async fn wait(&mut self, milliseconds: u64) {
        tokio::time::sleep(self.up_to(milliseconds)).await;
    }
}

/// Tells what happened when; seen with `--nocapture` and where a test fails.
pub struct Clock(pub Instant, pub String);

impl Clock {
    pub fn tell(&self, what: &str) {
        println!("{}: {:6.1} s: {what}", self.1, self.0.elapsed().as_secs_f64());
    }
}
