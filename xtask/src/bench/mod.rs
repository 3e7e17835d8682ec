//! `cargo x bench`: our speed beside the raw limit of the same machine, in one run, back to back, as ratios.
//!
//! Absolute figures of one machine say nothing about another; what they are of what the databases' own tools do there says much. Each measurement
//! (`snapshot`, `drain`, `latency`) gives a table; `report` puts it on the terminal and into docs/bench.md.

mod drain;
mod figures;
mod latency;
mod process;
mod product;
mod report;
mod snapshot;
mod stolen;
mod subscription;
mod table;
mod world;

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use figures::{Judged, Series, megabytes};
use product::Product;
use report::Table;
use stolen::Stolen;
use tidelock_testkit::Family;
use world::World;

use crate::run::root;

/// Rows of the full measurement.
const ROWS: u64 = 2_000_000;
/// A repetition in which others had more of the processors than this is made again, so often at most.
const DISTURBED: f64 = 0.03;
const AGAIN: usize = 4;
/// The most memory that any run of tidelock may take, in octets.
const MEMORY: f64 = 150e6;

/// What to measure.
#[derive(Args)]
pub struct Arguments {
    /// Only these measurements
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    only: Vec<Part>,
    /// Only these ways
    #[arg(long, value_name = "WAY,…", value_delimiter = ',')]
    ways: Vec<Way>,
    /// Rows of the snapshot; the other measurements grow and shrink with it
    #[arg(long, default_value_t = ROWS, value_parser = clap::value_parser!(u64).range(1000..))]
    rows: u64,
    /// How often each is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Measure this tidelock instead of building one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Exit with 1 when a floor is missed
    #[arg(long)]
    floors: bool,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The first copy of a table
    Snapshot,
    /// A backlog of changes
    Drain,
    /// From commit to visible
    Latency,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 3] = [Part::Snapshot, Part::Drain, Part::Latency];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Part::Snapshot => "snapshot",
            Part::Drain => "drain",
            Part::Latency => "latency",
        }
    }
}

/// From where to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// PostgreSQL → PostgreSQL
    PgPg,
    /// PostgreSQL → MariaDB
    PgMariadb,
    /// MariaDB → PostgreSQL
    MariadbPg,
    /// MariaDB → MariaDB: only when asked for
    MariadbMariadb,
}

impl Way {
    const USUAL: [Way; 3] = [Way::PgPg, Way::PgMariadb, Way::MariadbPg];

    fn from(self) -> Family {
        match self {
            Way::PgPg | Way::PgMariadb => Family::Postgres,
            Way::MariadbPg | Way::MariadbMariadb => Family::Mysql,
        }
    }

    fn into(self) -> Family {
        match self {
            Way::PgPg | Way::MariadbPg => Family::Postgres,
            Way::PgMariadb | Way::MariadbMariadb => Family::Mysql,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Way::PgPg => "PostgreSQL → PostgreSQL",
            Way::PgMariadb => "PostgreSQL → MariaDB",
            Way::MariadbPg => "MariaDB → PostgreSQL",
            Way::MariadbMariadb => "MariaDB → MariaDB",
        }
    }
}

/// What all measurements share.
pub struct Bench {
    world: World,
    product: Product,
    ways: Vec<Way>,
    rows: u64,
    repeat: u64,
    /// The largest share that others had of the processors in a repetition that counts.
    stolen: Cell<f64>,
}

impl Bench {
    /// A line on the terminal, as it goes.
    fn say(&self, line: &str) {
        eprintln!("{line}");
    }

    /// One repetition, made again when the machine was not ours alone meanwhile.
    async fn undisturbed<T>(&self, mut repetition: impl AsyncFnMut() -> Result<T>) -> Result<T> {
        for again in 0.. {
            let begun = Stolen::now();
            let done = repetition().await?;
            let share = begun.since();
            if share <= DISTURBED || again == AGAIN {
                self.stolen.set(self.stolen.get().max(share));
                return Ok(done);
            }
            self.say(&format!("others had {:.0} % of the processors meanwhile: once more", share * 100.0));
        }
        unreachable!("the loop has no other end")
    }

    /// `full` of the full measurement, as much as is measured now.
    fn scaled(&self, full: u64) -> u64 {
        (full * self.rows / ROWS).max(1)
    }
}

/// Measures, prints, writes the page. The exit code is 1 when a floor is missed and `--floors` asks for it.
pub fn run(arguments: &Arguments) -> ExitCode {
    match measure(arguments) {
        Ok(missed) if missed > 0 && arguments.floors => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<usize> {
    let folder = root().join("target/bench");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let lock = fs::File::create(folder.join("lock")).context("making the bench's lock")?;
    if lock.try_lock().is_err() {
        bail!("another bench is running; two at once measure each other");
    }
    let runs = folder.join("runs");
    // What a killed bench left.
    fs::remove_dir_all(&runs).ok();
    let program = match &arguments.program {
        Some(path) => path.canonicalize().with_context(|| format!("looking for {}", path.display()))?,
        None => product::build()?,
    };
    // One thread: programs that are started live as long as the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let missed = runtime.block_on(async {
        tokio::select! {
            done = everything(arguments, Product::new(program, &runs)) => done,
            _ = tokio::signal::ctrl_c() => bail!("stopped; the page is as it was"),
        }
    });
    fs::remove_dir_all(&runs).ok();
    missed
}

async fn everything(arguments: &Arguments, product: Product) -> Result<usize> {
    let world = tokio::task::spawn_blocking(World::start).await??;
    let ways = if arguments.ways.is_empty() { Way::USUAL.to_vec() } else { arguments.ways.clone() };
    let stolen = Cell::default();
    let bench = Bench { world, product, ways, rows: arguments.rows, repeat: arguments.repeat, stolen };
    let mut tables = Vec::new();
    for part in
        Part::ALL.into_iter().filter(|part| arguments.only.is_empty() || arguments.only.contains(part))
    {
        let table = match part {
            Part::Snapshot => snapshot::measure(&bench).await?,
            Part::Drain => drain::measure(&bench).await?,
            Part::Latency => latency::measure(&bench).await?,
        };
        println!("\n{}", table.markdown());
        tables.push(table);
    }
    let missed = tables.iter().map(Table::missed).sum();
    if missed > 0 {
        println!("!!! {missed} FLOORS MISSED");
    }
    if arguments.rows == ROWS && arguments.ways.is_empty() && arguments.program.is_none() {
        let command = if arguments.only.is_empty() { "cargo x bench".to_owned() } else { command(&tables) };
        report::write(
            &tables,
            &report::circumstances(&bench.world.versions(), bench.stolen.get(), &command),
        )?;
        println!("written: {}", report::PAGE);
    } else {
        println!("{} stays as it is: it holds full measurements of all ways only", report::PAGE);
    }
    Ok(missed)
}

fn command(tables: &[Table]) -> String {
    let parts: Vec<&str> = tables.iter().map(|table| table.part.name()).collect();
    format!("cargo x bench --only {}", parts.join(","))
}

/// A database's name for people.
fn name(family: Family) -> &'static str {
    match family {
        Family::Postgres => "PostgreSQL",
        Family::Mysql => "MariaDB",
        other => unmeasured(other),
    }
}

/// For a family that no measurement has been written for.
fn unmeasured(family: Family) -> ! {
    panic!("there is no measurement of {family:?} yet")
}

/// The cell of peak memory: the most that any repetition took counts.
fn memory(peak: &Series) -> Judged {
    let most = peak.largest();
    Judged::new(most.map_or_else(|| "–".to_owned(), megabytes), most.map(|most| most < MEMORY))
}
