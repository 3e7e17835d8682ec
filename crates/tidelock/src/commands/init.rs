//! `init`: a commented `tidelock.yaml` for two databases, from what is really there.

mod url;
mod yaml;

use super::Outcome;
use super::copy::pair;
use crate::cli::{Global, InitArgs};
use crate::config::{directory, shown};
use crate::registry;
use crate::ui::{Ui, Usage};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tidelock_endpoint::{Ask, Endpoint, EndpointError, Inspection, Role, Severity};
use tidelock_sync::job::{Job, Route, SchemaChanges, TableSelection};
use tidelock_sync::observe::Silent;
use tidelock_sync::{Engine, Report, SyncError};
use url::SafeUrl;

/// One side as it was found.
struct Side {
    name: String,
    url: SafeUrl,
    found: Inspection,
}

/// Connects to both, looks, and writes the file; never over one that is there, unless told to.
pub async fn run(global: &Global, args: &InitArgs, ui: Ui) -> Result<Outcome> {
    let path = &global.config;
    if path.exists() && !args.force {
        let message = format!("{} is there already", shown(path));
        let hint = Some("--force overwrites it, --config FILE names another".to_owned());
        return Err(Usage { code: "TL-INIT-EXISTS", message, hint }.into());
    }
    let names = url::names(&args.from, &args.to);
    let (source, target) = pair(&args.from, &args.to, [&names[0], &names[1]])?;
    let from = side(&*source, &placed(&args.from, path)?, Role::SnapshotSource).await?;
    if let Some(fault) = from.found.findings.iter().find(|f| f.severity == Severity::Error)
        && from.found.tables.is_empty()
    {
        let message = format!("{}: {}", fault.subject, fault.message);
        return Err(Usage { code: "TL-INIT-SOURCE", message, hint: fault.remedy.clone() }.into());
    }
    let to = side(&*target, &placed(&args.to, path)?, Role::Target).await?;
    let report = report(source, target).await?;
    let text = yaml::write(&from, &to, &report);
    write(path, &text, args.force)?;
    let secrets: Vec<&str> = [&from, &to].iter().filter_map(|s| s.url.variable.as_deref()).collect();
    let answer = serde_json::json!({ "written": path, "variables": secrets, "job": report.job });
    ui.result(&answer, |_, colours| {
        let mut lines = vec![colours.green(&format!("wrote {}", shown(path)))];
        if !secrets.is_empty() {
            let names = secrets.iter().map(|s| format!("{s}=…")).collect::<Vec<_>>().join(" and ");
            lines.push(format!(
                "passwords are not in it: put {names} into a file .env beside it, or into the environment"
            ));
        }
        lines.push("next: tidelock check, then tidelock sync or tidelock run".to_owned());
        lines.join("\n")
    })?;
    Ok(Outcome::Done)
}

/// A URL as it must stand in `configuration`: a file is relative to that, and was given as seen from here.
fn placed(url: &str, configuration: &Path) -> Result<String> {
    let is_file = registry::engine_of(url).is_ok_and(|e| !e.network);
    if !is_file || directory(configuration).as_os_str().is_empty() {
        return Ok(url.to_owned());
    }
    let here = std::env::current_dir().context("looking where this is (TL-INIT-DIRECTORY)")?;
    Ok(registry::file_url(url, &here))
}

async fn side(endpoint: &dyn Endpoint, url: &str, role: Role) -> Result<Side> {
    let at = |source: EndpointError| SyncError::Endpoint { endpoint: endpoint.name().to_owned(), source };
    let found = endpoint.inspect(&Ask { role, tables: None }).await.map_err(at)?;
    let name = endpoint.name().to_owned();
    let url = SafeUrl::of(url, &name);
    Ok(Side { name, url, found })
}

/// What `check` would say of the job that is about to be written.
async fn report(source: Arc<dyn Endpoint>, target: Arc<dyn Endpoint>) -> Result<Report> {
    let route = Route::OneWay { source: source.name().to_owned(), target: target.name().to_owned() };
    let name = format!("{}-to-{}", source.name(), target.name());
    let job = Job {
        name: name.chars().take(50).collect(),
        route,
        tables: TableSelection::All,
        capture: None,
        batch_size: 1000,
        types: Vec::new(),
        schema_changes: SchemaChanges::default(),
        conflicts: None,
    };
    let endpoints =
        [source, target].into_iter().map(|e| (e.name().to_owned(), e)).collect::<BTreeMap<_, _>>();
    let engine = Engine {
        endpoints,
        jobs: vec![job],
        state: "tidelock-state".into(),
        journal: Default::default(),
        observer: Arc::new(Silent),
    };
    let mut reports = engine.check(None, false).await?;
    reports.pop().context("the engine reported nothing (TL-INIT-REPORT)")
}

fn write(path: &Path, text: &str, force: bool) -> Result<()> {
    let doing = || format!("writing {} (TL-INIT-WRITE)", path.display());
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(path).with_context(doing)?;
    file.write_all(text.as_bytes()).with_context(doing)
}
