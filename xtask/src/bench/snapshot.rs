//! The first copy: `tidelock copy` of one table beside the databases' own tools in a pipe, from the same source into a fresh target each.
//!
//! Our time is the whole command: connecting, looking, creating the table, copying, counting both sides. The pipe's is reading and loading.

use anyhow::{Result, ensure};
use tidelock_testkit::Family;

use super::figures::{Judged, Series, count, megabytes, rate, ratio};
use super::process::{Spent, output, pipe};
use super::report::Table;
use super::table::{SUMMARY, create, insert, load, read};
use super::world::{Base, Role};
use super::{Bench, Part, Way, memory};

/// At least so much of what the pipe does.
const FLOOR: f64 = 0.5;
/// Rows that one statement makes.
const PIECE: u64 = 250_000;

#[derive(Default)]
struct Figures {
    ours: Series,
    pipe: Series,
    ratio: Series,
    cpu: Series,
    peak: Series,
}

/// Measures every way.
pub async fn measure(bench: &Bench) -> Result<Table> {
    let rows = format!("{} rows", count(bench.rows as f64));
    let heads = [
        &rows,
        "tidelock rows/s",
        "pipe rows/s",
        "tidelock MB/s",
        "pipe MB/s",
        "ratio (floor 0.5)",
        "CPU s",
        "peak MB",
    ];
    let mut table = Table::new(Part::Snapshot, &heads);
    for family in [Family::Postgres, Family::Mysql] {
        let ways: Vec<Way> = bench.ways.iter().copied().filter(|way| way.from() == family).collect();
        if ways.is_empty() {
            continue;
        }
        let source = source(bench, family).await?;
        for way in ways {
            one(bench, way, &source, &mut table).await?;
        }
        source.remove().await?;
    }
    Ok(table)
}

async fn source(bench: &Bench, family: Family) -> Result<Base> {
    bench.say(&format!("making {} rows in {}", count(bench.rows as f64), super::name(family)));
    let source = bench.world.database(family, Role::Source).await?;
    let mut statements = vec![create(family).to_owned()];
    for first in (1..=bench.rows).step_by(PIECE as usize) {
        statements.push(insert(family, first, (first + PIECE - 1).min(bench.rows)));
    }
    statements.push(
        if family == Family::Mysql { "ANALYZE TABLE orders" } else { "VACUUM ANALYZE orders" }.to_owned(),
    );
    source.run(&statements).await?;
    source.settle().await?;
    Ok(source)
}

async fn one(bench: &Bench, way: Way, source: &Base, table: &mut Table) -> Result<()> {
    let reading = read(way.from(), way.into());
    let octets = output("reading the table", &mut source.client(&reading)?).await?;
    let wanted = source.text(SUMMARY).await?;
    let mut figures = Figures::default();
    for number in 0..bench.repeat {
        let (limit, ours) =
            bench.undisturbed(async || turn(bench, way, source, &wanted, number % 2 == 1).await).await?;
        figures.pipe.push(bench.rows as f64 / limit);
        let head = format!("snapshot {}, {} of {}: pipe {limit:.1} s", way.title(), number + 1, bench.repeat);
        match ours {
            Ok(spent) => {
                bench.say(&format!("{head}, tidelock {}", spent.text()));
                figures.add(bench.rows, limit, spent);
            }
            Err(error) => {
                bench.say(&format!("{head}, tidelock FAILED: {error:#}"));
                table.failure(way.title(), &error);
            }
        }
    }
    table.row(figures.cells(way, octets as f64 / bench.rows as f64));
    Ok(())
}

/// The pipe's seconds, and what came of ours. Whoever comes second finds the machine as the first one left it, so they take turns.
async fn turn(
    bench: &Bench,
    way: Way,
    source: &Base,
    wanted: &str,
    backwards: bool,
) -> Result<(f64, Result<Spent>)> {
    let (mut limit, mut ours) = (0.0, Ok(Spent::default()));
    for pipes in [!backwards, backwards] {
        let target = bench.world.database(way.into(), Role::Target).await?;
        target.settle().await?;
        if pipes {
            target.run(&[create(way.into())]).await?;
            let mut from = source.client(&read(way.from(), way.into()))?;
            let mut into = target.client(load(way.from(), way.into()))?;
            limit = pipe("the pipe", &mut from, &mut into).await?.as_secs_f64();
        } else {
            ours = bench.product.copy(source, &target).await;
        }
        if pipes || ours.is_ok() {
            let found = target.text(SUMMARY).await?;
            ensure!(found == wanted, "{}: the target has {found}, the source {wanted}", way.title());
        }
        target.remove().await?;
    }
    Ok((limit, ours))
}

impl Figures {
    fn add(&mut self, rows: u64, limit: f64, spent: Spent) {
        self.ours.push(rate(rows, spent.wall));
        self.ratio.push(limit / spent.wall.as_secs_f64());
        self.cpu.push(spent.cpu);
        self.peak.push(spent.peak as f64);
    }

    fn cells(&self, way: Way, row: f64) -> Vec<Judged> {
        let plain = |text: String| Judged::new(text, None);
        vec![
            plain(way.title().to_owned()),
            plain(self.ours.text(count)),
            plain(self.pipe.text(count)),
            plain(self.ours.middle(|rows| megabytes(rows * row))),
            plain(self.pipe.middle(|rows| megabytes(rows * row))),
            Judged::new(self.ratio.text(ratio), self.ratio.median().map(|ratio| ratio >= FLOOR)),
            plain(self.cpu.middle(|seconds| format!("{seconds:.1}"))),
            memory(&self.peak),
        ]
    }
}
