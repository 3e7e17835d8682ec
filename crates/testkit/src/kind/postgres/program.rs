//! Its servers run with the settings that synchronisation needs and nothing else out of the ordinary: passwords by SCRAM over TCP only, TLS on, logical decoding on, room for many tests at once.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::Signal;

use async_trait::async_trait;

use crate::kind::{Kind, Servers};
use crate::lab::{Folders, Launch, Options, as_server_user, run, write_secret};
use crate::session::Session;

const HBA: &str = "\
host all         all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
";

pub(super) struct Program;

#[async_trait]
impl Servers for Program {
    fn compose(&self) -> &'static str {
        "compose.postgres.yaml"
    }

    fn url(&self, port: u16, password: &str) -> String {
        format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres")
    }

    fn initialise(&self, folders: &Folders, kind: Kind, data: &Path, password: &str) -> Result<()> {
        initialise(folders, kind, data, password)
    }

    fn prepare(&self, folders: &Folders, _kind: Kind, run: &Path, _password: &str) -> Result<()> {
        let file = run.join("data/pg_hba.conf");
        fs::write(&file, HBA).with_context(|| format!("writing {}", file.display()))?;
        folders.hand_over(&file)
    }

    fn launch(&self, _kind: Kind, home: &Path, run: &Path, port: u16, options: &Options) -> Launch {
        launch(home, run, port, options)
    }

    /// Its processes share memory: its own "immediate shutdown" is its crash.
    fn crash(&self) -> Signal {
        Signal::QUIT
    }

    fn create(&self, name: &str) -> String {
        format!("CREATE DATABASE {name}")
    }

    fn databases(&self) -> &'static str {
        "SELECT datname FROM pg_database"
    }

    async fn remove(&self, session: &mut Session, name: &str) -> Result<()> {
        super::release_slots(session, name).await?;
        session.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
    }
}

fn launch(home: &Path, run: &Path, port: u16, options: &Options) -> Launch {
    let file = |name: &str| run.join(name).display().to_string();
    let port = port.to_string();
    let (certificate, key) = (file("server.pem"), file("server.key"));
    let mut settings = vec![
        ("listen_addresses", "127.0.0.1"),
        ("port", &port),
        ("unix_socket_directories", ""),
        ("ssl", "on"),
        ("ssl_cert_file", &certificate),
        ("ssl_key_file", &key),
        ("wal_level", "logical"),
        ("max_replication_slots", "100"),
        ("max_wal_senders", "100"),
        ("max_connections", "300"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("jit", "off"),
    ];
    if !options.durable {
        settings.extend([("fsync", "off"), ("full_page_writes", "off")]);
    }
    settings.extend(options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut arguments = vec!["-D".into(), run.join("data").into()];
    for (name, value) in settings {
        arguments.extend(["-c".into(), format!("{name}={value}").into()]);
    }
    // INT ends it without waiting for clients; TERM would wait.
    Launch { program: home.join("bin/postgres"), arguments, stop: Signal::INT }
}

fn initialise(folders: &Folders, kind: Kind, data: &Path, password: &str) -> Result<()> {
    let file = data.with_extension("password");
    write_secret(&file, password)?;
    folders.hand_over(&file)?;
    let mut initdb = as_server_user(folders, &folders.server(kind).join("bin/initdb"), None);
    initdb.arg("-D").arg(data).arg("--pwfile").arg(&file);
    initdb.args(["-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-sync"]);
    run(initdb)?;
    fs::remove_file(&file).context("removing the password for initdb")
}
