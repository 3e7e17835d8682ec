//! `check`: everything that is in the way of the jobs, in one go.
//!
//! The engine looks at a job's endpoints together and stops at one that does not answer. So each endpoint is asked first, and one that does
//! not answer is a finding of its own: the others are still looked at.

use super::Outcome;
use crate::app::App;
use crate::cli::{CheckArgs, Global};
use crate::ui::{Ui, report};
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use tidelock_endpoint::{Ask, Finding, Role};
use tidelock_sync::Report;

#[derive(Serialize)]
struct Checked {
    ready: bool,
    /// Endpoints that do not answer, and why.
    unreachable: BTreeMap<String, Finding>,
    reports: Vec<Report>,
}

/// Exit code 1 when anything is in the way.
pub async fn run(global: &Global, args: &CheckArgs, ui: Ui) -> Result<Outcome> {
    let app = App::open(global, ui)?;
    let job = args.job.as_deref();
    app.known_job(job)?;
    let unreachable = unreachable(&app, job).await?;
    let mut reports = Vec::new();
    for job in app.engine.select(job)? {
        let answers = |name: &str| !unreachable.contains_key(name);
        if job.route.directions().iter().all(|(source, target)| answers(source) && answers(target)) {
            reports.extend(app.engine.check(Some(&job.name), args.data).await?);
        }
    }
    app.watcher.finish();
    let ready = unreachable.is_empty() && reports.iter().all(Report::is_ready);
    let checked = Checked { ready, unreachable, reports };
    ui.result(&checked, |checked, colours| {
        let mut parts: Vec<String> = checked
            .unreachable
            .iter()
            .map(|(name, finding)| format!("{}\n{}", colours.bold(name), report::finding(finding, colours)))
            .collect();
        parts.extend(checked.reports.iter().map(|r| report::check(r, colours)));
        parts.join("\n\n")
    })?;
    Ok(if ready { Outcome::Done } else { Outcome::Unmet })
}

async fn unreachable(app: &App, job: Option<&str>) -> Result<BTreeMap<String, Finding>> {
    let mut all = BTreeMap::new();
    let jobs = app.engine.select(job)?;
    let names = jobs.iter().flat_map(|j| j.route.directions()).flat_map(|(a, b)| [a, b]);
    for name in names {
        let Some(endpoint) = app.engine.endpoints.get(name).filter(|_| !all.contains_key(name)) else {
            continue;
        };
        let ask = Ask { role: Role::SnapshotSource, tables: Some(Vec::new()) };
        if let Err(error) = endpoint.inspect(&ask).await {
            all.insert(name.to_owned(), error.finding(name));
        }
    }
    Ok(all)
}
