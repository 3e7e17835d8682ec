//! A configuration with its endpoints opened: where most commands begin.

use crate::cli::Global;
use crate::config::{Config, Fault, Path, nearest};
use crate::registry;
use crate::ui::{Ui, Usage, Watcher};
use anyhow::Result;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidelock_endpoint::{CaptureKind, Endpoint};
use tidelock_sync::Engine;
use tidelock_sync::job::Job;
use tidelock_sync::observe::{Event, Observer};

/// The engine, and who watches it.
pub struct App {
    /// Ready to work; not connected.
    pub engine: Engine,
    /// Shows what happens.
    pub watcher: Arc<dyn Watcher>,
}

impl App {
    /// Loads the configuration and opens its endpoints, without connecting; all mistakes in one go.
    pub fn open(global: &Global, ui: Ui) -> Result<App> {
        App::with_watcher(&Config::load(&global.config)?, ui.watcher())
    }

    /// The same with a watcher of one's own.
    pub fn with_watcher(config: &Config, watcher: Arc<dyn Watcher>) -> Result<App> {
        let mut faults = Vec::new();
        let endpoints = open_all(config, &mut faults);
        captures(config, &endpoints, &mut faults);
        config.refuse(faults)?;
        let engine = Engine {
            endpoints,
            jobs: config.jobs.clone(),
            state: config.state.clone(),
            journal: config.journal,
            observer: observed(&watcher),
        };
        Ok(App { engine, watcher })
    }

    /// Refuses a job that the configuration does not have.
    pub fn known_job(&self, name: Option<&str>) -> Result<()> {
        let names: Vec<&str> = self.engine.jobs.iter().map(|j| j.name.as_str()).collect();
        match name {
            Some(name) if !names.contains(&name) => {
                let meant = nearest(name, names.iter().copied());
                let hint = match meant {
                    Some(meant) => format!("did you mean `{meant}`? there are: {}", names.join(", ")),
                    None => format!("there are: {}", names.join(", ")),
                };
                let message = format!("there is no job {name}");
                Err(Usage { code: "TL-CLI-NO-JOB", message, hint: Some(hint) }.into())
            }
            _ => Ok(()),
        }
    }
}

/// A watcher as the observer that the engine wants.
pub fn observed(watcher: &Arc<dyn Watcher>) -> Arc<dyn Observer> {
    Arc::new(Handed(watcher.clone()))
}

struct Handed(Arc<dyn Watcher>);

impl Observer for Handed {
    fn event(&self, event: &Event) {
        self.0.event(event);
    }
}

fn open_all(config: &Config, faults: &mut Vec<Fault>) -> BTreeMap<String, Arc<dyn Endpoint>> {
    let mut endpoints = BTreeMap::new();
    for (name, endpoint) in &config.endpoints {
        match registry::open(endpoint.clone()) {
            Ok(opened) => drop(endpoints.insert(name.clone(), opened)),
            Err(error) => {
                let mut fault = config.fault(error.code, &Path::of(&["endpoints", name]), error.message);
                fault.allowed = error.hint;
                faults.push(fault);
            }
        }
    }
    endpoints
}

/// A capture that an endpoint cannot offer, whatever its server says, is a mistake of the configuration.
fn captures(config: &Config, endpoints: &BTreeMap<String, Arc<dyn Endpoint>>, faults: &mut Vec<Fault>) {
    for job in &config.jobs {
        for (source, asked) in sources(job) {
            let Some(offered) = endpoints.get(source).map(|e| e.capabilities()) else { continue };
            if let Some(asked) = asked.filter(|a| !offered.captures.contains(a)) {
                let path = Path::of(&["jobs", &job.name, "capture"]);
                let message = format!("{source} ({}) cannot be read by {}", offered.engine, word(asked));
                let allowed: Vec<&str> = offered.captures.iter().copied().map(word).collect();
                faults.push(config.fault("TL-CFG-CAPTURE", &path, message).allowed(allowed.join(", ")));
            }
        }
    }
}

fn sources(job: &Job) -> impl Iterator<Item = (&str, Option<CaptureKind>)> {
    job.route.directions().into_iter().map(|(source, _)| (source, job.capture))
}

fn word(capture: CaptureKind) -> &'static str {
    match capture {
        CaptureKind::Log => "log",
        CaptureKind::Trigger => "trigger",
    }
}
