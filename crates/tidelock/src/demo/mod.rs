//! `demo`: the product in one command. Two SQLite databases with a small shop, a two-way job, and a writer that changes both sides at once.
//!
//! What runs is what a user would run: the demo writes a `tidelock.yaml`, loads it as any other, and lets the engine work. Only the writer
//! and the screen are its own.
//!
//! ```text
//!   shop.db ◀── writer thread        writer thread ──▶ till.db
//!      └────────────── tidelock, both ways ───────────────┘
//! ```

mod random;
mod screen;
mod shop;
mod writer;

use crate::app::App;
use crate::cli::DemoArgs;
use crate::commands::Outcome;
use crate::config::Config;
use crate::ui::{Colours, Ui, Usage, Watcher, print, text};
use anyhow::{Context, Result};
use screen::Screen;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidelock_sync::{SyncError, TableReport};
use tokio_util::sync::CancellationToken;
use writer::{Side, Writer};

const JOB: &str = "shop-and-till";
/// How often a difference is read again, half a second apart, before it counts as one: what was written last is still on its way.
const RECHECKS: u32 = 20;
/// How long the first copy may take.
const PATIENCE: Duration = Duration::from_secs(60);

const CONFIG: &str = "\
# The demo's configuration: two SQLite databases kept in step, both ways.
state: ./tidelock-state

endpoints:
  shop: sqlite:./shop.db
  till: sqlite:./till.db

jobs:
  shop-and-till:
    between: [shop, till]
    tables: all
    conflicts:
      resolve: last_update_wins   # by `version`; ties go to the first in `priority`
      version: updated_at
      priority: [shop, till]
";

/// Where the demo lives: kept, or removed at the end.
enum Home {
    Kept(PathBuf),
    Removed(tempfile::TempDir),
}

impl Home {
    fn path(&self) -> &Path {
        match self {
            Home::Kept(path) => path,
            Home::Removed(directory) => directory.path(),
        }
    }
}

/// Exit code 1 when both sides are not equal at the end.
pub async fn run(args: &DemoArgs, ui: Ui, cancel: &CancellationToken) -> Result<Outcome> {
    let home = home(args.keep.as_deref())?;
    let directory = home.path().to_owned();
    shop::create(&directory.join("shop.db"), &directory.join("till.db"))
        .context("making the demo's databases (TL-DEMO-MAKE)")?;
    let path = directory.join("tidelock.yaml");
    std::fs::write(&path, CONFIG).with_context(|| format!("writing {} (TL-DEMO-MAKE)", path.display()))?;
    let screen = Arc::new(Screen::new(ui));
    let app = App::with_watcher(&Config::load(&path)?, screen.clone() as Arc<dyn Watcher>)?;
    screen.say("two databases, one shop: shop.db has 2,000 rows, till.db is empty; tidelock keeps them in step, both ways");

    // Not a child of `cancel`: the engine ends after the writers, whatever ends them.
    let stop = CancellationToken::new();
    let engine = Arc::new(app.engine);
    let mut running = tokio::spawn({
        let (engine, stop) = (engine.clone(), stop.clone());
        async move { engine.run(&stop).await }
    });
    let worked = tokio::select! {
        worked = work(&directory, args.seconds, &screen, cancel) => worked,
        ended = &mut running => {
            screen.finish();
            ended.context("the engine broke (TL-DEMO-ENGINE)")??;
            anyhow::bail!("the engine ended before the demo did (TL-DEMO-ENGINE)");
        }
    };
    let verified = match &worked {
        Ok(_) if !cancel.is_cancelled() => {
            screen.phase("the writer has stopped; comparing both sides, row by row");
            Some(engine.verify(JOB, RECHECKS, cancel).await)
        }
        _ => None,
    };
    stop.cancel();
    let ended = running.await.context("the engine broke (TL-DEMO-ENGINE)")?;
    screen.finish();
    let written = worked?;
    match ended {
        Ok(()) | Err(SyncError::Cancelled) => {}
        Err(error) => return Err(error.into()),
    }
    let Some(tables) = verified.transpose()? else {
        anyhow::bail!("stopped before the demo was over; nothing was compared (TL-DEMO-STOPPED)");
    };
    close(&home, &screen, written, &tables, ui)
}

/// Waits for the first copy, then lets the writers work; how many transactions each wrote.
async fn work(
    directory: &Path,
    seconds: u64,
    screen: &Arc<Screen>,
    cancel: &CancellationToken,
) -> Result<[u64; 2]> {
    screen.phase("copying shop.db into till.db");
    tokio::select! {
        () = screen.following(2) => {}
        () = cancel.cancelled() => return Ok([0, 0]),
        () = tokio::time::sleep(PATIENCE) => anyhow::bail!("the first copy took too long (TL-DEMO-COPY)"),
    }
    screen.phase("a writer changes both sides, now and then the same row at both");
    let writer = Writer::start([
        Side { name: "shop", file: directory.join("shop.db"), first_id: 1 },
        Side { name: "till", file: directory.join("till.db"), first_id: 2 },
    ]);
    let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
    loop {
        let now = tokio::time::Instant::now();
        screen.draw(Some(end.saturating_duration_since(now)), writer.written());
        if now >= end || cancel.is_cancelled() || writer.failed() {
            break;
        }
        let pause = Duration::from_millis(200).min(end - now);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cancel.cancelled() => {}
        }
    }
    let written = tokio::task::spawn_blocking(move || writer.stop())
        .await
        .context("the writer broke (TL-DEMO-WRITER)")?;
    let written = written.context("writing into the demo's databases (TL-DEMO-WRITER)")?;
    screen.draw(None, written);
    Ok(written)
}

fn home(keep: Option<&Path>) -> Result<Home> {
    let Some(path) = keep else {
        let directory = tempfile::Builder::new().prefix("tidelock-demo-").tempdir();
        return Ok(Home::Removed(directory.context("making a temporary directory (TL-DEMO-MAKE)")?));
    };
    let doing = || format!("making {} (TL-DEMO-MAKE)", path.display());
    std::fs::create_dir_all(path).with_context(doing)?;
    if std::fs::read_dir(path).with_context(doing)?.next().is_some() {
        let message = format!("{} is not empty", path.display());
        let hint = Some("name a directory that is empty or not there".to_owned());
        return Err(Usage { code: "TL-DEMO-KEEP", message, hint }.into());
    }
    Ok(Home::Kept(path.to_owned()))
}

fn close(home: &Home, screen: &Screen, written: [u64; 2], tables: &[TableReport], ui: Ui) -> Result<Outcome> {
    let equal = tables.iter().all(TableReport::is_clean);
    let conflicts = screen.conflicts();
    if ui.json {
        let answer = serde_json::json!({
            "event": "done", "equal": equal, "conflicts": conflicts,
            "transactions": { "shop": written[0], "till": written[1] }, "tables": tables,
        });
        print(&answer.to_string())?;
    } else {
        let colours = Colours::of(&std::io::stdout());
        print("")?;
        print(&crate::ui::report::verify(tables, colours))?;
        print(&format!(
            "{} written at shop and {} at till while both were kept in step; {} decided",
            text::count(written[0], "transaction"),
            text::number(written[1]),
            text::count(conflicts, "conflict")
        ))?;
        print(&next(home, colours))?;
    }
    Ok(if equal { Outcome::Done } else { Outcome::Unmet })
}

fn next(home: &Home, colours: Colours) -> String {
    let mut lines = vec![String::new(), colours.bold("what to type next")];
    let mut command = |typed: &str, what: &str| lines.push(format!("  {typed:<38} {what}"));
    match home {
        Home::Kept(path) => {
            command(&format!("cd {}", path.display()), "shop.db, till.db and their tidelock.yaml");
            command("tidelock run", "keep them in step; change them with any SQLite client");
            command(&format!("tidelock verify {JOB}"), "compare them again");
        }
        Home::Removed(_) => {
            command("tidelock demo --keep DIR", "the same, and keep the databases to go on with")
        }
    }
    command("tidelock copy FROM_URL TO_URL", "copy a database of yours into another");
    command("tidelock init FROM_URL TO_URL", "write a tidelock.yaml for two databases of yours");
    command("tidelock --help", "everything else");
    if !std::io::stdout().is_terminal() {
        lines.iter_mut().for_each(|l| l.truncate(l.trim_end().len()));
    }
    lines.join("\n")
}
