//! A backlog of changes: `tidelock sync` beside whoever only reads it, and beside PostgreSQL's own subscription.
//!
//! ```text
//! copy the empty table once ──► write the backlog ──► only read it │ the subscription applies it │ tidelock applies it
//! ```
//!
//! Time runs from the start of the program (or from the moment the subscription is enabled) until a query at the target sees the last row.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tidelock_testkit::{Family, Session};

use super::figures::{Judged, Series, count, megabytes, rate, ratio};
use super::process::{Spent, time};
use super::product::Job;
use super::report::Table;
use super::subscription::Subscription;
use super::table::{SUMMARY, create, insert, insert_singly};
use super::world::{Base, Role};
use super::{Bench, Part, Way, memory};

/// At least so much of what the subscription does.
const FLOOR: f64 = 0.5;
/// Rows of a large transaction.
const TRANSACTION: u64 = 1000;
/// How long to wait for a backlog to arrive.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often the target is asked whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// How the backlog is cut into transactions.
#[derive(Debug, Clone, Copy)]
struct Shape {
    rows: u64,
    single: bool,
}

impl Shape {
    fn title(self) -> String {
        let each = if self.single { "1".to_owned() } else { count(TRANSACTION as f64) };
        format!("{} in transactions of {each}", count(self.rows as f64))
    }
}

#[derive(Default)]
struct Figures {
    ours: Series,
    reading: Series,
    subscription: Series,
    of_reading: Series,
    of_subscription: Series,
    cpu: Series,
    peak: Series,
    journal: Series,
}

/// One repetition's seconds.
struct Turn {
    reading: f64,
    subscription: Option<f64>,
    ours: Result<(f64, Spent)>,
    journal: u64,
}

/// Measures every way with both shapes.
pub async fn measure(bench: &Bench) -> Result<Table> {
    let heads = [
        "way",
        "inserts",
        "tidelock /s",
        "only reading /s",
        "PostgreSQL's subscription /s",
        "of reading",
        "of the subscription (floor 0.5)",
        "CPU s",
        "peak MB",
        "journal MB",
    ];
    let mut table = Table::new(Part::Drain, &heads);
    for (full, single) in [(300_000, false), (100_000, true)] {
        let shape = Shape { rows: bench.scaled(full), single };
        // MariaDB has no subscription of PostgreSQL's: it is held against the one measured with the same backlog in this run.
        let mut native = None;
        for way in &bench.ways {
            let figures = one(bench, *way, shape, native, &mut table).await?;
            native = figures.subscription.median().or(native);
            table.row(figures.cells(*way, shape));
        }
    }
    Ok(table)
}

async fn one(
    bench: &Bench,
    way: Way,
    shape: Shape,
    native: Option<f64>,
    table: &mut Table,
) -> Result<Figures> {
    let mut figures = Figures::default();
    for number in 0..bench.repeat {
        let turn = bench.undisturbed(async || turn(bench, way, shape, number % 2 == 1).await).await?;
        let mut line =
            format!("drain {}, {}, {} of {}: ", way.title(), shape.title(), number + 1, bench.repeat);
        line += &format!("only reading {:.2} s", turn.reading);
        line += &turn.subscription.map_or(String::new(), |seconds| format!(", subscription {seconds:.2} s"));
        figures.reading.push(shape.rows as f64 / turn.reading);
        if let Some(seconds) = turn.subscription {
            figures.subscription.push(shape.rows as f64 / seconds);
        }
        match turn.ours {
            Ok((seconds, spent)) => {
                bench.say(&format!("{line}, tidelock {seconds:.2} s, whole command {}", spent.text()));
                let ours = rate(shape.rows, Duration::from_secs_f64(seconds));
                figures.ours.push(ours);
                figures.of_reading.push(turn.reading / seconds);
                if let Some(native) = turn.subscription.map(|seconds| shape.rows as f64 / seconds).or(native)
                {
                    figures.of_subscription.push(ours / native);
                }
                figures.cpu.push(spent.cpu);
                figures.peak.push(spent.peak as f64);
                figures.journal.push(turn.journal as f64);
            }
            Err(error) => {
                bench.say(&format!("{line}, tidelock FAILED: {error:#}"));
                table.failure(&format!("{}, {}", way.title(), shape.title()), &error);
            }
        }
    }
    Ok(figures)
}

async fn turn(bench: &Bench, way: Way, shape: Shape, backwards: bool) -> Result<Turn> {
    let source = bench.world.database(way.from(), Role::Source).await?;
    let target = bench.world.database(way.into(), Role::Target).await?;
    source.run(&[create(way.from())]).await?;
    let job = bench.product.job(&source, &target)?;
    let prepared = job.sync().await;
    let subscription = match way.from() {
        Family::Postgres => Some(Subscription::prepare(&bench.world, &source).await?),
        _ => None,
    };
    let reader = Reader::prepare(&source).await?;
    backlog(&source, shape).await?;
    let wanted = source.text(SUMMARY).await?;

    let mut turn =
        Turn { reading: 0.0, subscription: None, ours: Err(anyhow::anyhow!("not run")), journal: 0 };
    let mut steps = [0, 1, 2];
    if backwards {
        steps.reverse();
    }
    let mut prepared = Some(prepared);
    for step in steps {
        match (step, &subscription) {
            (0, _) => turn.reading = reader.time(&source).await?.as_secs_f64(),
            (1, Some(subscription)) => {
                let begun = Instant::now();
                subscription.enable().await?;
                let arrived = arrival(&subscription.subscriber, shape.rows).await?;
                turn.subscription = Some((arrived - begun).as_secs_f64());
                same(&subscription.subscriber, &wanted).await?;
            }
            (1, None) => {}
            _ => {
                turn.ours = match prepared.take() {
                    Some(Err(error)) => Err(error.context("copying the empty table")),
                    _ => ours(&job, &target, shape.rows).await,
                };
                if turn.ours.is_ok() {
                    same(&target, &wanted).await?;
                }
                turn.journal = job.journal();
            }
        }
    }
    if let Some(subscription) = subscription {
        subscription.remove().await?;
    }
    source.remove().await?;
    target.remove().await?;
    Ok(turn)
}

async fn ours(job: &Job, target: &Base, rows: u64) -> Result<(f64, Spent)> {
    let begun = Instant::now();
    let (spent, arrived) = tokio::try_join!(job.sync(), arrival(target, rows))?;
    Ok(((arrived - begun).as_secs_f64(), spent))
}

async fn same(target: &Base, wanted: &str) -> Result<()> {
    let found = target.text(SUMMARY).await?;
    ensure!(found == wanted, "the target has {found}, the source {wanted}");
    Ok(())
}

/// When a query at the target sees row number `last`.
async fn arrival(target: &Base, last: u64) -> Result<Instant> {
    let mut session = target.session().await?;
    let begun = Instant::now();
    loop {
        let highest = session.value("SELECT max(id) FROM orders").await?;
        if highest.is_some_and(|id| id == last.to_string()) {
            return Ok(Instant::now());
        }
        if begun.elapsed() > PATIENCE {
            bail!("row {last} has not arrived after {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Writes it, without waiting for the disk: what is measured is how it is read.
async fn backlog(source: &Base, shape: Shape) -> Result<()> {
    let mut session = source.session().await?;
    let relaxed = ["SET GLOBAL sync_binlog = 0", "SET GLOBAL innodb_flush_log_at_trx_commit = 0"];
    let durable = ["SET GLOBAL sync_binlog = 1", "SET GLOBAL innodb_flush_log_at_trx_commit = 1"];
    match source.family() {
        Family::Mysql => all(&mut session, &relaxed).await?,
        _ => session.execute("SET synchronous_commit = off").await?,
    }
    if shape.single {
        session.execute(&insert_singly(source.family(), shape.rows)).await?;
    } else {
        for first in (1..=shape.rows).step_by(TRANSACTION as usize) {
            let last = (first + TRANSACTION - 1).min(shape.rows);
            session.execute(&insert(source.family(), first, last)).await?;
        }
    }
    match source.family() {
        Family::Mysql => all(&mut session, &durable).await?,
        _ => session.execute("SET synchronous_commit = on").await?,
    }
    source.settle().await
}

async fn all(session: &mut Session, statements: &[&str]) -> Result<()> {
    for statement in statements {
        session.execute(statement).await?;
    }
    Ok(())
}

/// Who only reads the backlog.
enum Reader {
    /// A replication slot and the publication that it is read with.
    Slot,
    /// The first file of the binary log that holds it.
    Log(String),
}

const SLOT: &str = "bench_reading";

impl Reader {
    /// Notes the place at which the backlog begins.
    async fn prepare(source: &Base) -> Result<Reader> {
        match source.family() {
            Family::Mysql => {
                source.settle().await?;
                let status = source.text("SHOW MASTER STATUS").await?;
                let file = status.split(' ').next().context("the server writes no binary log")?;
                Ok(Reader::Log(file.to_owned()))
            }
            _ => {
                let publication = format!("CREATE PUBLICATION {SLOT} FOR TABLE orders");
                let slot = format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')");
                source.run(&[publication, slot]).await?;
                Ok(Reader::Slot)
            }
        }
    }

    /// Reads it to its end; gives how long it took.
    async fn time(&self, source: &Base) -> Result<Duration> {
        match self {
            Reader::Log(file) => {
                let mut binlog = source.tool("mariadb-binlog")?;
                binlog.args(["--read-from-remote-server", "--to-last-log", file]);
                time("mariadb-binlog", &mut binlog).await
            }
            Reader::Slot => {
                let end = source.text("SELECT pg_current_wal_lsn()").await?;
                // Something behind the end, so that the end is passed.
                source.text("SELECT pg_logical_emit_message(true, 'bench', '')").await?;
                let mut receive = source.tool("pg_recvlogical")?;
                receive.args(["--dbname", source.name()]);
                receive.args(["--slot", SLOT, "--start", "--no-loop", "--file", "-", "--endpos", &end]);
                receive.args(["--fsync-interval", "0", "--option", "proto_version=1"]);
                receive.args(["--option", &format!("publication_names={SLOT}")]);
                time("pg_recvlogical", &mut receive).await
            }
        }
    }
}

impl Figures {
    fn cells(&self, way: Way, shape: Shape) -> Vec<Judged> {
        let plain = |text: String| Judged::new(text, None);
        let held = self.of_subscription.median().map(|ratio| ratio >= FLOOR);
        vec![
            plain(way.title().to_owned()),
            plain(shape.title()),
            plain(self.ours.text(count)),
            plain(self.reading.text(count)),
            plain(self.subscription.text(count)),
            plain(self.of_reading.text(ratio)),
            Judged::new(self.of_subscription.text(ratio), held),
            plain(self.cpu.middle(|seconds| format!("{seconds:.1}"))),
            memory(&self.peak),
            plain(self.journal.middle(megabytes)),
        ]
    }
}
