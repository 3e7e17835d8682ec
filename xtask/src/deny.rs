//! `cargo x deny`: what a dependency may be.
//!
//! Two halves. Licences and sources are checked here, from `cargo metadata`, so that they hold on every machine and offline.
//! Where `cargo-deny` is installed it runs as well, with `deny.toml`: it knows bans, and advisories where their database can
//! be had. `deny.toml` repeats the licences; a test keeps both lists equal.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::{cargo, root, step};

/// Licences a dependency may be under. All allow use in a product under Apache-2.0 OR MIT.
const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "NCSA",
    "Unicode-3.0",
    "Zlib",
];

/// Checks every package that the lock file names.
pub fn run() -> Result<()> {
    eprintln!("── licences and sources");
    // Only what is built here: packages for other platforms would have to be downloaded first.
    let platform = host()?;
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform]);
    let output = metadata.stderr(Stdio::inherit()).output().context("starting cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed ({}): is Cargo.lock up to date?", output.status);
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("reading what cargo metadata printed")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let complaints: Vec<String> = packages.iter().filter_map(complaint).collect();
    if !complaints.is_empty() {
        bail!("{} of {} packages:\n  {}", complaints.len(), packages.len(), complaints.join("\n  "));
    }
    eprintln!("   {} packages are as they may be", packages.len());
    cargo_deny()
}

/// The platform that the compiler builds for.
pub fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .current_dir(root())
        .output()
        .context("asking rustc for its platform")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_string).context("rustc -vV names no host")
}

/// What is wrong with a package.
fn complaint(package: &Value) -> Option<String> {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    let name = format!("{} {}", text("name"), text("version"));
    let licence = text("license");
    // A package of this workspace has no source; everything else must come from the registry.
    if !text("source").is_empty() && !text("source").starts_with("registry+") {
        return Some(format!("{name} comes from {}; only the registry is allowed", text("source")));
    }
    match allows(licence) {
        Ok(true) => None,
        Ok(false) => Some(format!(
            "{name} is under '{licence}'; drop it, or, if that licence is acceptable, add it to xtask/src/deny.rs and deny.toml"
        )),
        Err(why) => Some(format!("{name} has the licence '{licence}', which cannot be read: {why}")),
    }
}

/// Whether a licence expression can be met by allowed licences only.
fn allows(expression: &str) -> Result<bool> {
    // The old way to write OR.
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let allowed = either(&mut words)?;
    match words.next() {
        None => Ok(allowed),
        Some(word) => bail!("'{word}' was not expected"),
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>) -> Result<bool> {
    let mut allowed = both(words)?;
    while words.next_if_eq(&"OR").is_some() {
        allowed |= both(words)?;
    }
    Ok(allowed)
}

fn both(words: &mut Words<'_>) -> Result<bool> {
    let mut allowed = one(words)?;
    while words.next_if_eq(&"AND").is_some() {
        allowed &= one(words)?;
    }
    Ok(allowed)
}

fn one(words: &mut Words<'_>) -> Result<bool> {
    match words.next() {
        Some("(") => {
            let allowed = either(words)?;
            if words.next() != Some(")") {
                bail!("a bracket is not closed");
            }
            Ok(allowed)
        }
        Some(name) => {
            let name = match words.next_if_eq(&"WITH") {
                Some(_) => format!("{name} WITH {}", words.next().context("WITH what?")?),
                None => name.to_string(),
            };
            Ok(ALLOWED.contains(&name.as_str()))
        }
        None => bail!("a licence is missing"),
    }
}

/// Runs cargo-deny where it is installed.
fn cargo_deny() -> Result<()> {
    let asked =
        Command::new("cargo-deny").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !asked.is_ok_and(|status| status.success()) {
        eprintln!("   cargo-deny is not installed: bans and advisories are not checked");
        return Ok(());
    }
    let deny = |checks: &[&str]| {
        let mut command = Command::new("cargo-deny");
        command.current_dir(root()).arg("check").args(checks);
        command
    };
    step("cargo deny", &mut deny(&["licenses", "bans", "sources"]))?;
    let mut fetch = Command::new("cargo-deny");
    fetch.current_dir(root()).args(["fetch", "db"]);
    // That the database is out of reach is no fault of the tree.
    if step("fetching advisories", &mut fetch).is_err() {
        eprintln!("   the database of advisories is out of reach: they are not checked");
        return Ok(());
    }
    step("advisories", &mut deny(&["--disable-fetch", "advisories"]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_expression_is_allowed_when_allowed_licences_can_meet_it() {
        assert!(allows("MIT OR GPL-3.0").unwrap());
        assert!(allows("MIT/Apache-2.0").unwrap());
        assert!(allows("(GPL-3.0 OR ISC) AND Unicode-3.0").unwrap());
        assert!(allows("Apache-2.0 WITH LLVM-exception OR MIT").unwrap());
        assert!(!allows("Apache-2.0 WITH Other-exception").unwrap());
        assert!(!allows("MIT AND GPL-3.0").unwrap());
        assert!(!allows("GPL-3.0 OR MIT AND GPL-2.0").unwrap());
        assert!(allows("").is_err());
        assert!(allows("(MIT").is_err());
    }

    #[test]
    fn a_dependency_from_elsewhere_is_refused() {
        let package =
            serde_json::json!({"name": "x", "version": "1", "license": "MIT", "source": "git+https://x"});
        assert!(complaint(&package).unwrap().contains("only the registry"));
    }

    #[test]
    fn deny_toml_allows_the_same_licences() {
        let file = std::fs::read_to_string(root().join("deny.toml")).unwrap();
        let list = file.split_once("allow = [").unwrap().1.split_once(']').unwrap().0;
        let listed: Vec<_> = list.split('"').skip(1).step_by(2).collect();
        assert_eq!(listed, ALLOWED);
    }
}
