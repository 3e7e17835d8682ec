//! The servers a test can ask for.
//!
//! A server is found, in this order: by `TIDELOCK_TEST_KIND_URL` in the environment (`cargo x test` sets them; whoever has a
//! server of their own can too), then by `target/lab/env` of a running lab. A server that is nowhere is a loud skip on a
//! developer's machine and a failure in CI, where a skipped test would look like a passed one.

use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::database::Database;
use crate::kind::{Family, Kind};
use crate::lab::{self, Options, Private};
use crate::session::Session;

/// A server that answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Server {
    /// What it is.
    pub kind: Kind,
    /// The administrator's url, such as `postgres://postgres:secret@127.0.0.1:20001/postgres`.
    pub url: String,
    /// Its version in its own words, such as `10.11.19-MariaDB-0+deb12u1`.
    pub version: String,
    /// The certificate authority that signed its certificate (for the host `localhost`), where the lab knows it.
    pub ca_file: Option<std::path::PathBuf>,
}

impl Server {
    /// Makes an empty database, used by nobody else and dropped with the returned value.
    ///
    /// # Panics
    /// When the server refuses: a test cannot go on then.
    pub async fn fresh_database(&self, test: &str) -> Database {
        match Database::create(self, test).await {
            Ok(database) => database,
            Err(error) => panic!("making a database for the test '{test}' on {}: {error:#}", self.kind),
        }
    }

    /// A connection as administrator.
    pub async fn connect(&self) -> Result<Session> {
        Session::connect(&self.url).await
    }
}

/// The server of a kind, or `None` (said on standard error once) where there is none.
///
/// The first call of a process makes sure that it answers. A kind whose databases are files is always there.
///
/// # Panics
/// When there is none and `CI=true`.
pub fn server(kind: Kind) -> Option<&'static Server> {
    static FOUND: [OnceLock<Option<Server>>; Kind::ALL.len()] = [const { OnceLock::new() }; Kind::ALL.len()];
    // Both ring and aws-lc-rs may be in the tree; with both, rustls wants to be told. A second telling is refused, rightly.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let found = FOUND[kind as usize].get_or_init(|| match find(kind) {
        Ok(server) => Some(server),
        Err(why) => {
            skip(&format!("tests on {kind}: {why:#}"));
            None
        }
    });
    assert!(
        found.is_some() || !in_ci(),
        "no {kind} to test against, and CI must not skip: run the tests by `cargo x test`"
    );
    found.as_ref()
}

/// A fresh database of a kind; `None` and panics as for [`server()`].
pub async fn database(kind: Kind, test: &str) -> Option<Database> {
    Some(server(kind)?.fresh_database(test).await)
}

/// A server of one test's own, started with these options: to be stopped under the product's feet, or to have the settings that
/// the product must refuse. `None` and panics as for [`server()`].
pub async fn private_server(kind: Kind, options: Options) -> Option<Private> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let started = tokio::task::spawn_blocking(move || lab::start(kind, options)).await;
    match started.unwrap_or_else(|panicked| Err(panicked.into())) {
        Ok(private) => Some(private),
        Err(why) if in_ci() => panic!("no private {kind}, and CI must not skip: {why:#}"),
        Err(why) => {
            skip(&format!("a test with a private {kind}: {why:#}"));
            None
        }
    }
}

/// Says that tests are skipped. Not by `eprintln!`, which the test harness keeps to itself for tests that pass.
fn skip(what: &str) {
    // A closed standard error is no reason to fail a test.
    let _ = writeln!(std::io::stderr(), "\n!!! SKIPPED: {what}\n");
}

fn in_ci() -> bool {
    matches!(std::env::var("CI").as_deref(), Ok("true" | "1"))
}

fn find(kind: Kind) -> Result<Server> {
    let language = kind.language();
    if language.servers().is_none() {
        let url = format!("{}:", language.schemes()[0]);
        return Ok(Server { kind, version: version_of(&url)?, url, ca_file: None });
    }
    let variable = kind.url_variable();
    let (url, origin) = match std::env::var(&variable) {
        Ok(url) => (url, variable),
        Err(_) => {
            let file = lab::env_file();
            let url = lab::read_env(&file, &variable).with_context(|| {
                format!("{variable} is not set and no lab runs; start one with `cargo x lab up`")
            })?;
            (url, file.display().to_string())
        }
    };
    let version = version_of(&url).with_context(|| {
        format!("{origin} names a server that does not answer; mend the url, or start the lab again with `cargo x lab up`")
    })?;
    let ca_file =
        std::env::var(lab::CA_VARIABLE).ok().or_else(|| lab::read_env(&lab::env_file(), lab::CA_VARIABLE));
    Ok(Server { kind, url, version, ca_file: ca_file.map(Into::into) })
}

/// Asks a server for its version; it answers if there is one. Blocks, and may be called from within a runtime.
pub(crate) fn version_of(url: &str) -> Result<String> {
    let (url, sql) = (url.to_string(), Family::of_url(url)?.language().version());
    blocking(Duration::from_secs(60), async move {
        let mut session = Session::connect(&url).await?;
        session.value(sql).await?.context("the server has no version")
    })
}

/// Runs a future to its end on a thread of its own, whether or not the caller is inside a runtime.
pub(crate) fn blocking<T: Send + 'static>(
    limit: Duration,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let done = runtime.block_on(async { tokio::time::timeout(limit, work).await });
        // What still hangs after the limit is left behind.
        runtime.shutdown_background();
        done.map_err(|_| anyhow!("no answer after {} s", limit.as_secs()))?
    });
    thread.join().map_err(|_| anyhow!("the helper thread panicked"))?
}

/// The url of a database on this server.
pub(crate) fn with_database(server: &Server, name: &str) -> Result<String> {
    let language = server.kind.language();
    if language.servers().is_none() {
        return Ok(format!("{}:{name}", language.schemes()[0]));
    }
    let mut parsed = url::Url::parse(&server.url).context("reading the server's url")?;
    parsed.set_path(name);
    Ok(parsed.to_string())
}
