//! `cargo x check`: what must hold of every commit and needs no server.

use anyhow::Result;

use crate::deny;
use crate::run::{cargo, step};

/// Runs all checks; the quick ones first, and none after the first that fails.
pub fn run() -> Result<()> {
    step("format", cargo().args(["fmt", "--all", "--check"]))?;
    deny::run()?;
    step(
        "lints",
        cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    )?;
    let mut flags = std::env::var("RUSTDOCFLAGS").unwrap_or_default();
    flags.push_str(" -D warnings");
    let mut doc = cargo();
    doc.args(["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"])
        .env("RUSTDOCFLAGS", flags);
    step("documentation", &mut doc)
}
