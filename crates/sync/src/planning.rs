//! Looking at both sides of a job and planning its flows, with everything that is in the way.

use crate::checkpoint::Progress;
use crate::context::FlowContext;
use crate::job::{Job, Route};
use crate::observe::Observer;
use crate::plan::{Flow, Side, Written, plan};
use crate::{Result, SyncError};
use serde::Serialize;
use std::sync::Arc;
use tidelock_endpoint::{Ask, CaptureKind, Endpoint, Finding, Inspection, Role, Severity};
use tidelock_model::TableName;
use tokio_util::sync::CancellationToken;

/// What `check` found for one direction of a job.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The job.
    pub job: String,
    /// Read from.
    pub source: String,
    /// Written to.
    pub target: String,
    /// How the source is read.
    pub capture: CaptureKind,
    /// Whether the configuration asks for that; else it is the best that the engine offers.
    pub capture_asked: bool,
    /// The tables that would flow.
    pub tables: Vec<String>,
    /// Everything found, at either end and between them.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Nothing is in the way.
    pub fn is_ready(&self) -> bool {
        self.findings.iter().all(|f| f.severity != Severity::Error)
    }
}

/// One direction of a job, planned.
pub struct Planning {
    /// What would flow.
    pub flow: Flow,
    /// What was found.
    pub report: Report,
    /// The flow with its endpoints.
    pub context: FlowContext,
}

/// What a job is planned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be followed: the log and the privileges for it must be there.
    Follow,
    /// To be compared: the tables must be readable, no more.
    Compare,
    /// To be copied once into tables without rows: so there needs to be no key, and views that are named are copied, too.
    Copy,
}

/// Plans one direction of a job. `opposite` are the other side's tables that a two-way job will make on this side, where they are absent.
pub async fn direction(
    job: &Job,
    purpose: Purpose,
    opposite: &[TableName],
    source: &Arc<dyn Endpoint>,
    target: &Arc<dyn Endpoint>,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<Planning> {
    let capture = capture_of(&**source, job.capture);
    let role = match (purpose, &job.route) {
        (Purpose::Compare | Purpose::Copy, _) => Role::SnapshotSource,
        (Purpose::Follow, Route::OneWay { .. }) => Role::Source(capture),
        (Purpose::Follow, Route::Between(..)) => Role::TwoWaySource(capture),
    };
    let all = |role| Ask { role, tables: None };
    let (mut there, here) = tokio::try_join!(inspect(source, all(role)), inspect(target, all(Role::Target)))?;
    if purpose == Purpose::Copy {
        add_views(job, source, &mut there).await?;
    }
    let (rules, mut findings) = select_tables(job, source.name(), &there, opposite);
    // Findings about tables that are none of this job's are not its business: look again, at its own only.
    let own = rules.iter().map(|(t, _)| t.name.clone()).collect();
    let there = inspect(source, Ask { role, tables: Some(own) }).await?;
    let sides =
        (Side { endpoint: &**source, inspection: &there }, Side { endpoint: &**target, inspection: &here });
    let (flow, between) = plan(job, purpose, sides, &rules, &written(job, target).await?);
    let own = flow.tables.iter().map(|t| t.target.name.clone()).collect();
    let here = inspect(target, Ask { role: Role::Target, tables: Some(own) }).await?;
    findings.extend(there.findings);
    findings.extend(here.findings);
    findings.extend(between);
    dedup(&mut findings);
    let report = Report {
        job: job.name.clone(),
        source: source.name().to_owned(),
        target: target.name().to_owned(),
        capture,
        capture_asked: job.capture.is_some(),
        tables: rules.iter().map(|(t, _)| t.name.to_string()).collect(),
        findings,
    };
    let context = FlowContext {
        flow: Arc::new(flow.clone()),
        source: source.clone(),
        target: target.clone(),
        capture,
        observer: observer.clone(),
        cancel: cancel.clone(),
    };
    Ok(Planning { flow, report, context })
}

/// What the job has written at the target, and is still its own to alter.
async fn written(job: &Job, target: &Arc<dyn Endpoint>) -> Result<Written> {
    if matches!(job.route, Route::Between(..)) {
        return Ok(Written::new());
    }
    let at = SyncError::at(target.name());
    let mut session = target.target(&job.name).await.map_err(&at)?;
    Ok(Progress::read(&session.checkpoints().await.map_err(&at)?)?.written())
}

/// Refuses the job in one error that lists everything in the way.
pub fn refuse_errors(job: &Job, plannings: &[Planning]) -> Result<()> {
    let mut errors: Vec<String> = plannings
        .iter()
        .flat_map(|p| &p.report.findings)
        .filter(|f| f.severity == Severity::Error)
        .map(sentence)
        .collect();
    errors.dedup();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(SyncError::Refused { job: job.name.clone(), findings: errors })
    }
}

async fn inspect(endpoint: &Arc<dyn Endpoint>, ask: Ask) -> Result<Inspection> {
    endpoint.inspect(&ask).await.map_err(SyncError::at(endpoint.name()))
}

fn capture_of(endpoint: &dyn Endpoint, asked: Option<CaptureKind>) -> CaptureKind {
    let best = endpoint.capabilities().captures.first().copied();
    asked.or(best).unwrap_or(CaptureKind::Log)
}

type Selected = Vec<(Arc<tidelock_model::Table>, crate::job::TableRule)>;

/// The tables of the source that a job asks for, and what it asks for in vain.
fn select_tables(
    job: &Job,
    source: &str,
    inspection: &Inspection,
    opposite: &[TableName],
) -> (Selected, Vec<Finding>) {
    let rules: Selected =
        inspection.tables.iter().filter_map(|t| Some((t.clone(), job.tables.rule(&t.name)?))).collect();
    let mut findings = Vec::new();
    let is_there = |name: &str| inspection.tables.iter().any(|t| crate::job::matches(name, &t.name));
    for name in job.tables.spelled_out().into_iter().filter(|n| !is_there(n)) {
        if opposite.iter().any(|t| crate::job::matches(name, t)) {
            let message = format!("it is not at {source} yet and will be made there");
            findings.push(Finding::new(Severity::Note, "TL-PLAN-TO-BE-MADE", name, message));
            continue;
        }
        // What is there under that name and is no table, as the engine tells it where all tables are asked for.
        let no_table = |f: &&Finding| f.code.ends_with("-NO-TABLE") && f.subject == name;
        if let Some(other) = inspection.findings.iter().find(no_table) {
            let finding = Finding::new(Severity::Error, "TL-PLAN-NO-TABLE", name, &other.message);
            findings.push(Finding { remedy: other.remedy.clone(), ..finding });
            continue;
        }
        let has: Vec<String> = inspection.tables.iter().map(|t| t.name.to_string()).take(30).collect();
        let message = format!("{source} has no such table; it has: {}", has.join(", "));
        findings.push(
            Finding::new(Severity::Error, "TL-PLAN-NO-TABLE", name, message)
                .remedy("name one that is there, or make it; the user must be allowed to see it"),
        );
    }
    // What could not be looked at at all is told already.
    let unseen =
        inspection.tables.is_empty() && inspection.findings.iter().any(|f| f.severity == Severity::Error);
    if rules.is_empty() && findings.is_empty() && opposite.is_empty() && !unseen {
        let message = format!("no table of {source} is selected");
        findings.push(Finding::new(Severity::Error, "TL-PLAN-NOTHING", &job.name, message).remedy(
            "name tables that are there by `tables`, or make some; the user must be allowed to see them",
        ));
    }
    (rules, findings)
}

/// Adds the views that the job names: what the engine told as no table is one to be read.
async fn add_views(job: &Job, source: &Arc<dyn Endpoint>, there: &mut Inspection) -> Result<()> {
    let named = job.tables.spelled_out();
    let no_table = |f: &&Finding| f.code.ends_with("-NO-TABLE") && named.contains(&f.subject.as_str());
    let names = there.findings.iter().filter(no_table).flat_map(|f| {
        let qualified = f.subject.split_once('.').map(|(schema, name)| TableName::qualified(schema, name));
        std::iter::once(TableName::new(&f.subject)).chain(qualified)
    });
    let names: Vec<TableName> = names.collect();
    if names.is_empty() {
        return Ok(());
    }
    let views = inspect(source, Ask { role: Role::SnapshotSource, tables: Some(names) }).await?.tables;
    there.findings.retain(|f| !views.iter().any(|v| v.name.to_string() == f.subject));
    there.tables.extend(views);
    Ok(())
}

/// The tables of `source` that a job asks for, by name.
pub async fn tables_of(job: &Job, source: &Arc<dyn Endpoint>) -> Result<Vec<TableName>> {
    let there = inspect(source, Ask { role: Role::SnapshotSource, tables: None }).await?;
    Ok(select_tables(job, source.name(), &there, &[]).0.into_iter().map(|(t, _)| t.name.clone()).collect())
}

/// The tables of `source` that a job asks for and that can be captured as they are.
pub async fn followable(job: &Job, source: &Arc<dyn Endpoint>) -> Result<Vec<TableName>> {
    let role = Role::Source(capture_of(&**source, job.capture));
    let tables = tables_of(job, source).await?;
    let found = inspect(source, Ask { role, tables: Some(tables.clone()) }).await?;
    let of = |subject: &str, t: &TableName| subject == t.to_string() || subject.starts_with(&format!("{t}."));
    let faulty =
        |t: &TableName| found.findings.iter().any(|f| f.severity == Severity::Error && of(&f.subject, t));
    Ok(tables.into_iter().filter(|t| !faulty(t)).collect())
}

fn dedup(findings: &mut Vec<Finding>) {
    let mut seen = Vec::new();
    findings.retain(|f| {
        let new = !seen.contains(f);
        seen.push(f.clone());
        new
    });
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
}

fn sentence(finding: &Finding) -> String {
    let remedy = finding.remedy.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
    format!("{}: {} ({}){remedy}", finding.subject, finding.message, finding.code)
}
