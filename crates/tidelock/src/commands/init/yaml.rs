//! The text of the configuration: what is there, what was found about it, and what else could be said.

use super::Side;
use crate::ui::text;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_endpoint::{Finding, Severity};
use tidelock_sync::Report;

/// Tables told by name in the comments.
const SHOWN: usize = 60;

/// The whole file.
pub fn write(from: &Side, to: &Side, report: &Report) -> String {
    let mut out = String::new();
    out += "# Written by `tidelock init` from what is there. Next: `tidelock check`, then `tidelock sync` (once) or `tidelock run`.\n";
    out += "# ${NAME} is taken from the environment, or from a file .env beside this one. `tidelock schema` describes every key.\n\n";
    out += "# Journal, conflict log and run history; relative to this file.\nstate: ./tidelock-state\n\n";
    out += "endpoints:\n";
    for side in [from, to] {
        let server = &side.found.server;
        out += &format!("  # {} {}\n", comment(&server.product), comment(&server.version));
        out += &format!("  {}: {}\n", side.name, scalar(&side.url.text));
    }
    out += &format!("\njobs:\n  {}:\n    source: {}\n    target: {}\n", report.job, from.name, to.name);
    out += &tables(from, to, report);
    out += &format!("    # Changes are read by: {}.\n\n", crate::ui::report::capture(report));
    out += "    # Most rows applied together.\n    # batch_size: 1000\n";
    let general = report.findings.iter().filter(|f| table_of(f, from).is_none());
    let general: Vec<String> = general.map(|f| remark(f, "    ")).collect();
    if !general.is_empty() {
        out += "    #\n    # What `tidelock check` says today:\n";
        out += &general.concat();
    }
    out + &two_way(from, to)
}

/// `all`, or all but those that cannot take part as they are.
fn tables(from: &Side, to: &Side, report: &Report) -> String {
    let mut findings: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
    for finding in &report.findings {
        if let Some(table) = table_of(finding, from) {
            findings.entry(table).or_default().push(finding);
        }
    }
    let faulty: BTreeSet<&str> = findings
        .iter()
        .filter(|(_, all)| all.iter().any(|f| f.severity == Severity::Error))
        .map(|(table, _)| table.as_str())
        .collect();
    let mut out = String::new();
    if faulty.is_empty() {
        out += "    tables: all\n";
    } else {
        out += "    # These cannot take part as they are; mended, they may go from the list.\n    tables:\n      exclude:\n";
        for table in &faulty {
            out += &format!("        - {}\n", scalar(&table.replace("${", "$${")));
            out += &findings[*table].iter().map(|f| remark(f, "          ")).collect::<String>();
        }
    }
    out += &format!(
        "    # {} at {} now, some of them could be chosen: tables: [users, \"log_*\"]\n",
        text::count(from.found.tables.len() as u64, "table"),
        from.name
    );
    for table in from.found.tables.iter().take(SHOWN) {
        let name = table.name.to_string();
        let columns = text::count(table.columns.len() as u64, "column");
        let key = table.key_columns().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        let key = if key.is_empty() { "no key".to_owned() } else { format!("key {key}") };
        let there = match to.found.tables.iter().any(|t| t.name.name == table.name.name) {
            true => format!("; there is one at {} already", to.name),
            false => String::new(),
        };
        out += &format!("    #   {}\n", comment(&format!("{name}: {columns}, {key}{there}")));
        if !faulty.contains(name.as_str()) {
            out +=
                &findings.get(&name).into_iter().flatten().map(|f| remark(f, "    #   ")).collect::<String>();
        }
    }
    if from.found.tables.len() > SHOWN {
        out += &format!("    #   and {} more\n", from.found.tables.len() - SHOWN);
    }
    out
}

fn two_way(from: &Side, to: &Side) -> String {
    let (a, b) = (&from.name, &to.name);
    format!(
        "\n  # Both ways, in place of the job above: every table needs a column that tells which row is newer.\n  \
         # {a}-and-{b}:\n  #   between: [{a}, {b}]\n  #   tables: all\n  #   conflicts:\n  #     resolve: last_update_wins\n  \
         #     version: updated_at\n  #     priority: [{a}, {b}]\n"
    )
}

/// The source's table that a finding is about: its subject is the table, or a column of it.
fn table_of(finding: &Finding, from: &Side) -> Option<String> {
    let about = |name: &String| {
        let rest = finding.subject.strip_prefix(name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    from.found.tables.iter().map(|t| t.name.to_string()).filter(about).max_by_key(String::len)
}

fn remark(finding: &Finding, indent: &str) -> String {
    let weight = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let indent = indent.trim_end_matches("#   ");
    let mut out =
        format!("{indent}#   {weight}: {}\n", comment(&format!("{}: {}", finding.subject, finding.message)));
    for line in finding.remedy.iter().flat_map(|r| r.lines()) {
        out += &format!("{indent}#     {}\n", comment(line));
    }
    out
}

/// Text that stays within its comment.
fn comment(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || c == '\u{2028}' || c == '\u{2029}' || c == '\u{85}' { ' ' } else { c })
        .collect()
}

/// Text as a YAML scalar: plain where that is safe beyond doubt.
fn scalar(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_./:@-${}%?&=+~".contains(c);
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(safe)
        && !text.ends_with(':')
        && !matches!(text.to_lowercase().as_str(), "null" | "true" | "false" | "yes" | "no" | "on" | "off");
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests;
