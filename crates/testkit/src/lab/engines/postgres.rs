//! PostgreSQL: passwords by SCRAM over TCP only, TLS on, logical decoding on, room for many tests at once.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::super::folders::{Folders, write_secret};
use super::{Launch, Options, as_server_user, run};
use crate::kind::Kind;

const HBA: &str = "\
host all         all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
";

pub(super) fn launch(home: &Path, run: &Path, port: u16, options: &Options) -> Launch {
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

pub(super) fn initialise(folders: &Folders, kind: Kind, data: &Path, password: &str) -> Result<()> {
    let file = data.with_extension("password");
    write_secret(&file, password)?;
    folders.hand_over(&file)?;
    let mut initdb = as_server_user(folders, &folders.server(kind).join("bin/initdb"), None);
    initdb.arg("-D").arg(data).arg("--pwfile").arg(&file);
    initdb.args(["-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-sync"]);
    run(initdb)?;
    fs::remove_file(&file).context("removing the password for initdb")
}

pub(super) fn prepare(folders: &Folders, run: &Path) -> Result<()> {
    let file = run.join("data/pg_hba.conf");
    fs::write(&file, HBA).with_context(|| format!("writing {}", file.display()))?;
    folders.hand_over(&file)
}
