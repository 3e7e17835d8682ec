//! The reference pages that are made from the code: `TIDELOCK_UPDATE=1 cargo test -p tidelock` writes them anew, and a test fails when they are stale.

use crate::cli::Cli;
use crate::config::published_schema;
use crate::registry::{PRODUCTS, endpoint_from_url};
use clap::{Command, CommandFactory};
use std::fmt::Write;
use std::path::Path;
use tidelock_endpoint::{ServerIdentity, Verdict};

fn fresh(name: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("TIDELOCK_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/{name} is stale: TIDELOCK_UPDATE=1 cargo test -p tidelock writes it anew");
}

#[test]
fn the_schema_of_the_configuration_is_fresh() {
    fresh(
        "reference/tidelock.schema.json",
        &(serde_json::to_string_pretty(&published_schema()).unwrap() + "\n"),
    );
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
    fresh("reference/cli.md", &page);
}

const TYPES: &str = "# What becomes of each type

Made from the tables that the code runs on: for each type of a source, the column that tidelock makes at a target, as `plan` shows it. A value arrives exactly or
not at all; what one target has no place for is refused when it comes, and `check` says it of a type beforehand:

* **exact**: the type alone. Every value arrives as it is, but for the few that the other database cannot have at all (below).
* **narrow** (a number): ordinary values may be refused when they come.
* **lossy** (*italic*): values would change; refused unless the job says `types: { \"numeric -> double\": allow }`, or the table `types: { column: allow }`.
* **–**: there is nothing to hold it: leave the column out, or give it another type.

Into a column that is there already, `check` judges the column as it is. Between two databases of one product types stay as they are, word for word.

Values that are refused wherever they come from:

| into | values |
|---|---|
| PostgreSQL | text with the character NUL; days that are none (`0000-00-00`, `2020-00-10`); times of day below 0:00 or above 24:00; JSON in which a name comes twice |
| MySQL | infinite dates, years outside of 0–9999; NaN and infinite numbers; decimals of more than 35 digits before or 30 behind the point; JSON with a number that a double does not hold, in which a name comes twice, or of more than 100 levels; what an ENUM keeps of a value that was no label |
| MariaDB | as MySQL, but any JSON of up to 32 levels; and -0 of a floating-point number |
| SQLite | NaN of a floating-point number; -0 in a column with the affinity REAL, INTEGER or NUMERIC |
| any of them | PostgreSQL's infinite intervals (from 17 on); SQLite's values that are not what their column is declared as, and its TEXT that is not UTF-8 |
";

#[test]
fn the_page_of_types_is_fresh() {
    let mut page = TYPES.to_owned();
    for (product, url, types) in PRODUCTS {
        let engine = endpoint_from_url("here", url).unwrap().capabilities().engine;
        let targets: Vec<_> = PRODUCTS.iter().filter(|(name, ..)| name != product).collect();
        let names: Vec<&str> = targets.iter().map(|(name, ..)| *name).collect();
        writeln!(
            page,
            "\n## From {product}\n\n| type | {} |\n|---|{}",
            names.join(" | "),
            "---|".repeat(names.len())
        )
        .unwrap();
        let mut notes: Vec<String> = Vec::new();
        for column in types() {
            write!(page, "| {} |", code(&column.native)).unwrap();
            for (name, url, _) in &targets {
                let at =
                    ServerIdentity { product: (*name).into(), version: String::new(), id: String::new() };
                let verdict =
                    endpoint_from_url("there", url).unwrap().column_verdict(engine, &at, &column, None);
                write!(page, " {} |", cell(verdict, &mut notes)).unwrap();
            }
            page.push('\n');
        }
        page.push('\n');
        for (n, note) in notes.iter().enumerate() {
            writeln!(page, "{}. {note}", n + 1).unwrap();
        }
    }
    fresh("types.md", &page);
}

fn code(native: &str) -> String {
    if native.is_empty() { "(none)".to_owned() } else { format!("`{native}`") }
}

fn cell(verdict: Verdict, notes: &mut Vec<String>) -> String {
    let mut note = |text: String| {
        let place = notes.iter().position(|n| *n == text).unwrap_or_else(|| {
            notes.push(text);
            notes.len() - 1
        });
        place + 1
    };
    match verdict {
        Verdict::Exact { native } => code(&native),
        Verdict::Narrow { native, reason } => format!("{} ({})", code(&native), note(reason)),
        Verdict::Lossy { native, reason, .. } => format!("*{}* ({})", code(&native), note(reason)),
        Verdict::Refused { reason } => format!("– ({})", note(reason)),
    }
}

fn section(command: &Command, page: &mut String) {
    let mut command = command.clone().term_width(100);
    let help = command.render_long_help().to_string();
    let title = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    page.push_str(&format!("\n## `{title}`\n\n```text\n{}\n```\n", help.join("\n").trim_end()));
}
