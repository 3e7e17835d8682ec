//! The endpoint contract, as checks that any engine runs against its real server.
//!
//! `tidelock_endpoint` says in prose what an engine must keep; every sentence of it that can be seen from outside is a [`Check`] here,
//! named by that sentence. An engine's test binary makes a [`Subject`] and calls [`all`]:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use tidelock_endpoint::{CaptureKind, Endpoint, EndpointConfig};
//! # fn connect(_: EndpointConfig) -> tidelock_endpoint::Result<Arc<dyn Endpoint>> { unimplemented!() }
//! # async fn test() {
//! use tidelock_testkit::{Kind, conformance, server};
//!
//! let Some(server) = server(Kind::Postgres18) else { return };
//! conformance::all(conformance::Subject::new(server, CaptureKind::Log, connect)).await;
//! # }
//! ```
//!
//! The test needs `flavor = "multi_thread"`: some checks write beside the code under test. Each check has a fresh database and
//! looks at it through [`Session`](crate::Session), never through the code under test. All are run, whatever fails, and each is
//! reported; `TIDELOCK_CONFORMANCE=words` runs only those whose name holds the words.

mod dialect;
mod follower;
mod following;
mod inspecting;
mod loading;
mod marks;
#[cfg(test)]
mod nothing;
mod origins;
mod refusing;
mod snapshots;
mod stage;
mod values;
mod writing;

use crate::Server;
use crate::kind::Dialect;
use anyhow::{Result, anyhow};
use stage::Stage;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidelock_endpoint::{CaptureKind, Endpoint, EndpointConfig};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// No check takes longer; what hangs has failed.
const LIMIT: Duration = Duration::from_secs(120);
/// Checks that run side by side.
const ABREAST: usize = 4;

type Connect = dyn Fn(EndpointConfig) -> tidelock_endpoint::Result<Arc<dyn Endpoint>> + Send + Sync;

/// What is held to the contract: an engine, at a server, by one way of capture.
#[derive(Clone)]
pub struct Subject {
    server: Server,
    capture: CaptureKind,
    connect: Arc<Connect>,
}

impl Subject {
    /// The engine that `connect` makes endpoints of (without touching the network), at `server`, read by `capture`.
    pub fn new(
        server: &Server,
        capture: CaptureKind,
        connect: impl Fn(EndpointConfig) -> tidelock_endpoint::Result<Arc<dyn Endpoint>> + Send + Sync + 'static,
    ) -> Subject {
        Subject { server: server.clone(), capture, connect: Arc::new(connect) }
    }

    fn dialect(&self) -> &'static Dialect {
        self.server.kind.language().dialect()
    }
}

type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A promise of the contract.
pub struct Check {
    /// The promise, as a sentence.
    pub name: &'static str,
    run: fn(Stage) -> Running,
    asked: fn(&Subject) -> bool,
}

impl Check {
    /// Not for subjects that cannot be asked this.
    const fn only(mut self, asked: fn(&Subject) -> bool) -> Check {
        self.asked = asked;
        self
    }
}

/// A check of an async function.
macro_rules! check {
    ($name:literal, $run:path) => {
        crate::conformance::Check { name: $name, run: |stage| Box::pin($run(stage)), asked: |_| true }
    };
}
use check;

/// Every check.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [
        inspecting::CHECKS,
        following::CHECKS,
        marks::CHECKS,
        snapshots::CHECKS,
        values::CHECKS,
        writing::CHECKS,
        loading::CHECKS,
        origins::CHECKS,
        refusing::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// Holds the subject to every promise that it can be asked for.
///
/// # Panics
/// When any was broken, with all of them.
pub async fn all(subject: Subject) {
    let words = std::env::var("TIDELOCK_CONFORMANCE").unwrap_or_default();
    let places = Arc::new(Semaphore::new(ABREAST));
    let mut running = JoinSet::new();
    for check in checks().filter(|check| (check.asked)(&subject) && check.name.contains(&words)) {
        let (subject, places) = (subject.clone(), places.clone());
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            (check.name, one(subject, check).await)
        });
    }
    assert!(!running.is_empty(), "no check's name holds '{words}'");
    let (mut kept, mut broken) = (0, Vec::new());
    while let Some(done) = running.join_next().await {
        match done {
            Ok((name, Ok(took))) => {
                kept += 1;
                println!("kept    {name} ({:.1} s)", took.as_secs_f64());
            }
            Ok((name, Err(error))) => {
                println!("BROKEN  {name}: {error:#}");
                broken.push(format!("{name}: {error:#}"));
            }
            Err(error) => broken.push(format!("a check ended without an answer: {error}")),
        }
    }
    let server = subject.server.kind;
    assert!(
        broken.is_empty(),
        "{server}: {kept} promises kept, {} broken:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

/// One check, in a task of its own, so that its panic is its own too.
async fn one(subject: Subject, check: &'static Check) -> Result<Duration> {
    let begun = Instant::now();
    let task = tokio::spawn(async move { (check.run)(Stage::new(subject, check.name).await?).await });
    let abort = task.abort_handle();
    match tokio::time::timeout(LIMIT, task).await {
        Ok(Ok(done)) => done.map(|()| begun.elapsed()),
        Ok(Err(panicked)) => Err(anyhow!("{panicked}")),
        Err(_) => {
            abort.abort();
            Err(anyhow!("no end after {} s", LIMIT.as_secs()))
        }
    }
}
