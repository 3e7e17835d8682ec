//! Servers by `docker compose`, where an engine answers. Settings and images are in `lab/compose.*.yaml`; ports and the password
//! are handed in by environment.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::folders::Folders;
use super::process::wait_until;
use super::{template, tls};
use crate::kind::Kind;
use crate::server::{Server, version_of};

/// Whether there is an engine to talk to, and not only its client.
pub(crate) fn engine_answers() -> bool {
    let info = Command::new("docker").arg("info").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(mut info) = info else { return false };
    let mut ended = None;
    wait_until(Duration::from_secs(5), || {
        ended = info.try_wait().ok().flatten();
        ended.is_some()
    });
    if ended.is_none() {
        info.kill().ok();
        info.wait().ok();
    }
    ended.is_some_and(|status| status.success())
}

/// Starts containers for these kinds and waits until they answer.
pub(crate) fn up(folders: &Folders, kinds: &[Kind]) -> Result<Vec<Server>> {
    tls::prepare(&folders.tls())?;
    let password = template::password(folders)?;
    let mut command = compose(folders);
    command.env("TIDELOCK_LAB_PASSWORD", &password).env("TIDELOCK_LAB_TLS", folders.tls());
    command.args(["up", "--detach"]).args(kinds.iter().map(|kind| kind.name()));
    let mut servers = Vec::new();
    for kind in kinds {
        let port = free_port(&servers)?;
        command.env(format!("TIDELOCK_LAB_{}_PORT", kind.name().to_uppercase()), port.to_string());
        let url = kind.servers()?.url(port, &password);
        servers.push(Server {
            kind: *kind,
            url,
            version: String::new(),
            ca_file: Some(tls::authority_file(folders)),
        });
    }
    let ran = command.status().context("running docker compose up")?.success();
    let answered = if ran {
        servers.iter_mut().try_for_each(wait_for_answer)
    } else {
        Err(anyhow!("docker compose up failed; `TIDELOCK_LAB_WAY=packages` does without docker"))
    };
    if let Err(error) = answered {
        down(folders, kinds)?;
        return Err(error);
    }
    Ok(servers)
}

fn wait_for_answer(server: &mut Server) -> Result<()> {
    let mut last = None;
    wait_until(Duration::from_secs(180), || {
        last = Some(version_of(&server.url));
        matches!(last, Some(Ok(_)))
    });
    let version = last.unwrap_or_else(|| Err(anyhow!("it was not asked")));
    server.version = version.with_context(|| format!("the container of {} does not answer", server.kind))?;
    Ok(())
}

/// Removes the containers of these kinds and their data.
pub(crate) fn down(folders: &Folders, kinds: &[Kind]) -> Result<()> {
    let mut command = compose(folders);
    command.args(["down", "--volumes"]).args(kinds.iter().map(|kind| kind.name()));
    let status = command.status().context("running docker compose down")?;
    if !status.success() {
        bail!("docker compose down failed");
    }
    Ok(())
}

fn compose(folders: &Folders) -> Command {
    let mut checkout = DefaultHasher::new();
    folders.front.hash(&mut checkout);
    let project = format!("tidelock-lab-{:08x}", checkout.finish() as u32);
    let mut command = Command::new("docker");
    command.args(["compose", "--project-name", &project]);
    let files: BTreeSet<_> =
        Kind::SERVERS.iter().filter_map(|kind| kind.language().servers()).map(|s| s.compose()).collect();
    for file in files {
        command.arg("--file").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("lab").join(file));
    }
    for kind in Kind::SERVERS {
        // Every variable of the file must have a value, for services that are not started too. Zero: any port.
        command.env(format!("TIDELOCK_LAB_{}_PORT", kind.name().to_uppercase()), "0");
    }
    command.env("TIDELOCK_LAB_PASSWORD", "").env("TIDELOCK_LAB_TLS", folders.tls());
    command
}

fn free_port(taken: &[Server]) -> Result<u16> {
    let begin = (std::process::id() % 11_000) as u16;
    (20_000 + begin..32_000)
        .find(|port| {
            let used = taken.iter().any(|server| server.url.contains(&format!(":{port}/")));
            !used && TcpListener::bind(("127.0.0.1", *port)).is_ok()
        })
        .context("no port between 20000 and 32000 is free")
}
