//! From commit to visible: a writer at a steady pace, and a query at the target asked again and again what has arrived.
//!
//! Writer, query and clock are one process. A row's time runs from just before its INSERT is sent to the source, which commits it durably,
//! until an answer of the target holds it; so the source's own commit is in it, and up to one round of the query.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;
use tidelock_testkit::{Family, Session};
use tokio::time::{Instant, sleep, sleep_until};

use super::figures::{Judged, Series, count, megabytes, milliseconds};
use super::process::Spent;
use super::report::Table;
use super::subscription::Subscription;
use super::table::{TABLE, create, values};
use super::world::{Base, Role};
use super::{Bench, Part, Way, memory};

/// Transactions in a second.
const PACE: u64 = 500;
/// Seconds that the writer writes.
const SECONDS: u64 = 30;
/// Connections that take turns: one alone would wait for its own commits.
const WRITERS: u64 = 8;
/// The pause between two questions.
const LOOK: Duration = Duration::from_millis(1);
/// How long the last rows may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most of the 99th percentile, in seconds.
const FLOOR: f64 = 0.1;

/// One repetition.
struct Measured {
    half: f64,
    most: f64,
    longest: f64,
    pace: f64,
}

#[derive(Default)]
struct Figures {
    half: Series,
    most: Series,
    longest: Series,
    pace: Series,
    cpu: Series,
    peak: Series,
    journal: Series,
}

/// Measures every way, and PostgreSQL's own subscription first.
pub async fn measure(bench: &Bench) -> Result<Table> {
    let heads =
        ["way", "tx/s", "p50 ms", "p99 ms (floor 100)", "longest ms", "CPU s", "peak MB", "journal MB"];
    let mut table = Table::new(Part::Latency, &heads);
    if bench.ways.iter().any(|way| way.from() == Family::Postgres) {
        let mut figures = Figures::default();
        for turn in 0..bench.repeat {
            let measured = bench.undisturbed(async || native(bench).await).await?;
            bench.say(&measured.line("PostgreSQL's subscription", turn, bench.repeat));
            figures.add(&measured);
        }
        table.row(figures.cells("PostgreSQL's own subscription", false));
    }
    for way in &bench.ways {
        let mut figures = Figures::default();
        for turn in 0..bench.repeat {
            match bench.undisturbed(async || ours(bench, *way).await).await {
                Ok((measured, spent, journal)) => {
                    bench.say(&format!(
                        "{}, {}",
                        measured.line(way.title(), turn, bench.repeat),
                        spent.text()
                    ));
                    figures.add(&measured);
                    figures.cpu.push(spent.cpu);
                    figures.peak.push(spent.peak as f64);
                    figures.journal.push(journal as f64);
                }
                Err(error) => {
                    bench.say(&format!("latency {}: FAILED: {error:#}", way.title()));
                    table.failure(way.title(), &error);
                    break;
                }
            }
        }
        table.row(figures.cells(way.title(), true));
    }
    Ok(table)
}

async fn native(bench: &Bench) -> Result<Measured> {
    let source = bench.world.database(Family::Postgres, Role::Source).await?;
    source.run(&[create(Family::Postgres)]).await?;
    let subscription = Subscription::prepare(&bench.world, &source).await?;
    subscription.enable().await?;
    let measured = paced(bench, &source, &subscription.subscriber).await?;
    subscription.remove().await?;
    source.remove().await?;
    Ok(measured)
}

async fn ours(bench: &Bench, way: Way) -> Result<(Measured, Spent, u64)> {
    let source = bench.world.database(way.from(), Role::Source).await?;
    let target = bench.world.database(way.into(), Role::Target).await?;
    source.run(&[create(way.from())]).await?;
    target.run(&[create(way.into())]).await?;
    let job = bench.product.job(&source, &target)?;
    let (measured, spent) = job.run_during(paced(bench, &source, &target)).await?;
    let journal = job.journal();
    source.remove().await?;
    target.remove().await?;
    Ok((measured, spent, journal))
}

/// Waits until a first row arrives, then writes at the pace and watches.
async fn paced(bench: &Bench, source: &Base, target: &Base) -> Result<Measured> {
    let mut eye = Eye { session: target.session().await?, floor: -1 };
    source.run(&[insert(source.family(), 0)]).await?;
    let begun = Instant::now();
    while eye.look().await?.is_empty() {
        if begun.elapsed() > PATIENCE {
            bail!("nothing arrives at the target after {} s", PATIENCE.as_secs());
        }
        sleep(LOOK).await;
    }
    let rows = PACE * bench.scaled(SECONDS);
    let begin = Instant::now() + Duration::from_millis(100);
    let writers = (0..WRITERS).map(|first| write(source, begin, first, rows));
    let (sent, seen) = tokio::try_join!(try_join_all(writers), eye.watch(rows))?;
    let mut sent: Vec<(u64, Instant)> = sent.into_iter().flatten().collect();
    sent.sort_unstable();
    let last = sent.iter().map(|(_, at)| *at).max().context("nothing was written")?;
    let mut delays: Vec<f64> =
        sent.iter().zip(&seen).map(|((_, sent), seen)| (*seen - *sent).as_secs_f64()).collect();
    delays.sort_by(f64::total_cmp);
    let part = |part: f64| delays[((delays.len() as f64 * part).ceil() as usize).clamp(1, delays.len()) - 1];
    let pace = rows as f64 / (last - begin).as_secs_f64().max(1.0 / PACE as f64);
    Ok(Measured { half: part(0.5), most: part(0.99), longest: part(1.0), pace })
}

fn insert(family: Family, row: u64) -> String {
    format!("INSERT INTO {TABLE} SELECT {}", values(family, &row.to_string()))
}

/// Writes every eighth row, each when its time has come; gives when each was sent.
async fn write(source: &Base, begin: Instant, first: u64, rows: u64) -> Result<Vec<(u64, Instant)>> {
    let mut session = source.session().await?;
    let mut sent = Vec::new();
    for row in (first + 1..=rows).step_by(WRITERS as usize) {
        sleep_until(begin + Duration::from_micros(row * 1_000_000 / PACE)).await;
        let statement = insert(source.family(), row);
        sent.push((row, Instant::now()));
        session.execute(&statement).await?;
    }
    Ok(sent)
}

/// Sees what arrives at the target.
struct Eye {
    session: Session,
    /// Every row up to here has been seen.
    floor: i64,
}

impl Eye {
    /// The rows above the floor.
    async fn look(&mut self) -> Result<Vec<i64>> {
        let rows = self
            .session
            .query(&format!("SELECT id FROM {TABLE} WHERE id > {} ORDER BY id", self.floor))
            .await?;
        rows.into_iter().flatten().map(|id| Ok(id.context("an id is NULL")?.parse()?)).collect()
    }

    /// When each of the rows 1 to `rows` was first seen.
    async fn watch(mut self, rows: u64) -> Result<Vec<Instant>> {
        self.floor = 0;
        let mut seen: Vec<Option<Instant>> = vec![None; rows as usize];
        let mut news = Instant::now();
        while (self.floor as u64) < rows {
            let ids = self.look().await?;
            let now = Instant::now();
            for id in ids {
                let seen =
                    seen.get_mut(id as usize - 1).with_context(|| format!("row {id} was never written"))?;
                if seen.is_none() {
                    (*seen, news) = (Some(now), now);
                }
            }
            while seen.get(self.floor as usize).is_some_and(Option::is_some) {
                self.floor += 1;
            }
            if news.elapsed() > PATIENCE {
                bail!("row {} has not arrived after {} s", self.floor + 1, PATIENCE.as_secs());
            }
            sleep(LOOK).await;
        }
        Ok(seen.into_iter().flatten().collect())
    }
}

impl Measured {
    fn line(&self, what: &str, turn: u64, of: u64) -> String {
        let [half, most, longest] = [self.half, self.most, self.longest].map(milliseconds);
        format!(
            "latency {what}, {} of {of}: p50 {half} ms, p99 {most} ms, longest {longest} ms at {:.0} tx/s",
            turn + 1,
            self.pace
        )
    }
}

impl Figures {
    fn add(&mut self, measured: &Measured) {
        self.half.push(measured.half);
        self.most.push(measured.most);
        self.longest.push(measured.longest);
        self.pace.push(measured.pace);
    }

    fn cells(&self, what: &str, judged: bool) -> Vec<Judged> {
        let plain = |text: String| Judged::new(text, None);
        let held = self.most.median().map(|most| most < FLOOR).filter(|_| judged);
        vec![
            plain(what.to_owned()),
            plain(self.pace.middle(count)),
            plain(self.half.text(milliseconds)),
            Judged::new(self.most.text(milliseconds), held),
            plain(self.longest.text(milliseconds)),
            plain(self.cpu.middle(|seconds| format!("{seconds:.1}"))),
            memory(&self.peak),
            plain(self.journal.middle(megabytes)),
        ]
    }
}
