//! Results as text: findings, plans, comparisons, what tidelock left behind, how the jobs are.

use super::Colours;
use super::text;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidelock_endpoint::{CaptureKind, Cleanup, Finding, Severity};
use tidelock_sync::{Copied, FlowStatus, JobStatus, Planned, PlannedTable, Report, Status, TableReport};

/// One finding: what it weighs, what it is about, what was found; the statement that mends it stands below.
pub fn finding(finding: &Finding, colours: Colours) -> String {
    let weight = match finding.severity {
        Severity::Error => colours.red("error  "),
        Severity::Warning => colours.yellow("warning"),
        Severity::Note => colours.dim("note   "),
    };
    let code = colours.dim(&format!("({})", finding.code));
    let mut text = format!("  {weight}  {}: {} {code}", colours.bold(&finding.subject), finding.message);
    for line in finding.remedy.iter().flat_map(|r| r.lines()) {
        text += &format!("\n             {}", colours.green(line));
    }
    text
}

/// How the source is read, and why.
pub fn capture(report: &Report) -> String {
    let name = match report.capture {
        CaptureKind::Log => "log",
        CaptureKind::Trigger => "trigger",
    };
    let why = if report.capture_asked { "as configured" } else { "the best that the engine offers" };
    format!("{name} ({why})")
}

/// What `check` found for one direction of a job.
pub fn check(report: &Report, colours: Colours) -> String {
    let head = format!("{}: {} → {}", report.job, report.source, report.target);
    let mut lines = vec![
        colours.bold(&head),
        format!("  capture: {}", capture(report)),
        format!("  tables:  {}", tables(&report.tables)),
    ];
    lines.extend(report.findings.iter().map(|f| finding(f, colours)));
    let errors = report.findings.iter().filter(|f| f.severity == Severity::Error).count() as u64;
    lines.push(match errors {
        0 => format!("  {}", colours.green("ready")),
        errors => format!("  {}", colours.red(&format!("not ready: {}", text::count(errors, "error")))),
    });
    lines.join("\n")
}

fn tables(names: &[String]) -> String {
    const SHOWN: usize = 12;
    match names.len() {
        0 => "none yet".to_owned(),
        count if count <= SHOWN => format!("{count}: {}", names.join(", ")),
        count => format!("{count}: {}, and {} more", names[..SHOWN].join(", "), count - SHOWN),
    }
}

/// What `plan` found.
pub fn plan(planned: &[Planned], colours: Colours) -> String {
    let each = planned.iter().map(|p| {
        let mut lines = vec![colours.bold(&format!("-- {}: {} → {}", p.job, p.source, p.target))];
        lines.extend(p.tables.iter().map(mapping));
        for (endpoint, statements) in [(&p.source, &p.at_source), (&p.target, &p.at_target)] {
            lines.push(colours.bold(&format!("-- at {endpoint}")));
            match statements.is_empty() {
                true => lines.push("-- nothing to create".to_owned()),
                false => lines
                    .extend(statements.iter().map(|s| format!("{};", s.trim_end().trim_end_matches(';')))),
            }
        }
        lines.join("\n")
    });
    each.collect::<Vec<_>>().join("\n\n")
}

/// A table with what is called otherwise at the target.
fn mapping(table: &PlannedTable) -> String {
    let to = if table.to == table.table { String::new() } else { format!(" → {}", table.to) };
    let renamed = table.columns.iter().filter(|(from, to)| from != to);
    let renamed: Vec<String> = renamed.map(|(from, to)| format!("{from} → {to}")).collect();
    let renamed =
        if renamed.is_empty() { String::new() } else { format!(", of which {}", renamed.join(", ")) };
    let rules: String = table.rules.iter().map(|rule| format!("\n--   {rule}")).collect();
    format!("-- {}{to}: {}{renamed}{rules}", table.table, text::count(table.columns.len() as u64, "column"))
}

/// What `verify` found.
pub fn verify(tables: &[TableReport], colours: Colours) -> String {
    let head = ["table", "matched", "different", "missing", "extra"].map(str::to_owned).to_vec();
    let rows = tables.iter().map(|t| {
        let counts = [t.matched, t.different, t.missing, t.extra].map(text::number);
        std::iter::once(t.table.clone()).chain(counts).collect::<Vec<_>>()
    });
    let mut lines = text::columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
    for table in tables {
        lines.extend(table.examples.iter().map(|e| format!("  {}: {e}", table.table)));
    }
    let equal: u64 = tables.iter().map(|t| t.matched).sum();
    let drift: u64 = tables.iter().map(|t| t.different + t.missing + t.extra).sum();
    let (equal, count) = (text::count(equal, "row"), text::count(tables.len() as u64, "table"));
    lines.push(match drift {
        0 => colours.green(&format!("both sides are equal: {equal} in {count}")),
        drift => colours.red(&format!("both sides differ in {}", text::count(drift, "row"))),
    });
    lines.join("\n")
}

/// What `copy` did.
pub fn copied(copied: &Copied, time: Duration, colours: Colours) -> String {
    let mut lines: Vec<String> = copied.remarks.iter().map(|f| finding(f, colours)).collect();
    let rows: u64 = copied.tables.iter().map(|(_, rows)| rows).sum();
    let cells: Vec<Vec<String>> =
        copied.tables.iter().map(|(name, rows)| vec![name.clone(), text::number(*rows)]).collect();
    lines.extend(text::columns(&cells));
    let count = text::count(copied.tables.len() as u64, "table");
    lines.push(colours.green(&format!(
        "copied {} in {count} in {}; the counts on both sides agree",
        text::count(rows, "row"),
        text::duration(time)
    )));
    lines.join("\n")
}

/// What `cleanup` found or removed.
pub fn cleanup(found: &[(String, Cleanup)], job: Option<&str>, removed: bool, colours: Colours) -> String {
    let shared = "slots, publications, triggers and change tables serve all jobs: `tidelock cleanup` without a job lists them";
    match job {
        Some(job) if found.is_empty() => {
            return format!("{job} has put no checkpoint into these databases; {shared}");
        }
        None if found.is_empty() => return "tidelock has put nothing into these databases".to_owned(),
        _ => {}
    }
    let mut by_endpoint: BTreeMap<&str, Vec<&Cleanup>> = BTreeMap::new();
    for (endpoint, cleanup) in found {
        by_endpoint.entry(endpoint).or_default().push(cleanup);
    }
    let mut lines = Vec::new();
    for (endpoint, all) in by_endpoint {
        lines.push(colours.bold(endpoint));
        for cleanup in all {
            lines.push(format!("  {} {}", cleanup.kind, cleanup.name));
            lines.extend(cleanup.statement.lines().map(|l| format!("      {}", colours.dim(l))));
        }
    }
    lines.push(match (removed, job) {
        (true, _) => format!("removed {}", text::count(found.len() as u64, "thing")),
        (false, None) => "nothing was removed; `tidelock cleanup --yes` removes all of it".to_owned(),
        (false, Some(job)) => {
            format!("nothing was removed; `tidelock cleanup {job} --yes` removes all of it")
        }
    });
    if job.is_some() {
        lines.push(colours.dim(shared));
    }
    lines.join("\n")
}

/// Schema changes that are shown, of those that are kept.
const SCHEMA_CHANGES: usize = 20;

/// How the jobs are.
pub fn status(status: &Status, configured: &[String], colours: Colours) -> String {
    let mut lines = vec![match status.running {
        true => colours.green("a tidelock is at work with this state"),
        false => "no tidelock is at work with this state".to_owned(),
    }];
    for name in configured {
        match status.jobs.iter().find(|j| j.job == *name) {
            Some(job) => lines.extend(job_lines(job, status.running, colours)),
            None => lines.push(format!("{}: never ran", colours.bold(name))),
        }
    }
    if !status.schema_changes.is_empty() {
        lines.push("schema changes".to_owned());
    }
    for change in status.schema_changes.iter().rev().take(SCHEMA_CHANGES).rev() {
        let when = ago(change.at).map(|a| format!("{a} ago: ")).unwrap_or_default();
        lines.push(format!("  {when}{}: {}", change.flow, text::schema_change(change)));
    }
    for (endpoint, journal) in &status.journals {
        let count = |key: &str| journal[key].as_u64().unwrap_or_default();
        let mut line = format!("journal of {endpoint}: {}", text::bytes(count("bytes")));
        if let Some(oldest) = journal["oldest_seconds"].as_u64() {
            line += &format!(", the oldest {} old", text::duration(Duration::from_secs(oldest)));
        }
        if journal["full"] == true {
            line += &colours.red(", full: reading waits");
        }
        if journal["over_age"] == true {
            line += &colours.yellow(", older than its limit");
        }
        lines.push(line);
        if let Some(error) = journal["error"].as_str() {
            lines.push(format!("  {} {error}", colours.red("error:")));
        }
    }
    lines.join("\n")
}

fn job_lines(job: &JobStatus, running: bool, colours: Colours) -> Vec<String> {
    let told = ago(job.at).map(|a| format!(" (as of {a} ago)")).unwrap_or_default();
    let mut lines = vec![format!("{}{}", colours.bold(&job.job), colours.dim(&told))];
    for (name, flow) in &job.flows {
        lines.push(format!("  {name}: {}", flow_line(flow, running)));
        if let Some(error) = &flow.error {
            lines.push(format!("    {} {error}", colours.red("error:")));
        }
    }
    if job.rows_copied > 0 {
        lines.push(format!("  first copy: {}", text::count(job.rows_copied, "row")));
    }
    if job.conflicts > 0 {
        lines.push(format!("  conflicts: {}", text::number(job.conflicts)));
    }
    if let Some(error) = &job.error {
        lines.push(format!("  {} {error}", colours.red("error:")));
    }
    lines
}

fn flow_line(flow: &FlowStatus, running: bool) -> String {
    let phase = if running { flow.phase.as_str() } else { "stopped" };
    if flow.transactions == 0 {
        return phase.to_owned();
    }
    let (transactions, changes) =
        (text::count(flow.transactions, "transaction"), text::count(flow.changes, "change"));
    let last = ago(flow.delivered_at).map(|a| format!(", the last {a} ago")).unwrap_or_default();
    format!("{phase}, {transactions} with {changes}, {} behind{last}", text::lag(flow.lag_micros))
}

fn ago(micros: i64) -> Option<String> {
    let then = UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).ok().filter(|m| *m > 0)?);
    Some(text::duration(SystemTime::now().duration_since(then).unwrap_or_default()))
}
