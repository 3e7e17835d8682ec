//! The reference pages that are made from the code: `TIDELOCK_UPDATE=1 cargo test -p tidelock` writes them anew, and a test fails when they are stale.

use crate::cli::Cli;
use crate::config::published_schema;
use clap::{Command, CommandFactory};
use std::path::Path;

fn fresh(name: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    if std::env::var_os("TIDELOCK_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/reference/{name} is stale: TIDELOCK_UPDATE=1 cargo test -p tidelock writes it anew"
    );
}

#[test]
fn the_schema_of_the_configuration_is_fresh() {
    fresh("tidelock.schema.json", &(serde_json::to_string_pretty(&published_schema()).unwrap() + "\n"));
}

#[test]
fn the_page_of_the_command_line_is_fresh() {
    let mut cli = Cli::command();
    cli.build();
    let mut page =
        "# The command line\n\nMade from the code; `tidelock COMMAND --help` says the same.\n".to_owned();
    section(&cli, &mut page);
    for command in cli.get_subcommands().filter(|c| c.get_name() != "help") {
        section(command, &mut page);
    }
    fresh("cli.md", &page);
}

fn section(command: &Command, page: &mut String) {
    let mut command = command.clone().term_width(100);
    let help = command.render_long_help().to_string();
    let title = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    page.push_str(&format!("\n## `{title}`\n\n```text\n{}\n```\n", help.join("\n").trim_end()));
}
