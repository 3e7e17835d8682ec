//! Jobs: what the schema cannot say of them.

use super::Path;
use super::build::{Judge, known_endpoint, name_rule};
use super::file::{self, Delivery, SchemaPolicyName};
use super::policy::conflicts;
use super::selection::{tables, two_way_tables};
use super::tree::Value as Found;
use serde_json::{Map, Value};
use tidelock_sync::job::{Conversion, Job, Route, SchemaChanges, SchemaPolicy};

const BATCH_SIZE: u32 = 1000;

/// The sound jobs, in the order of the file.
pub fn jobs(read: &Map<String, Value>, judge: &mut Judge<'_>) -> Vec<Job> {
    let root = Path::of(&["jobs"]);
    let Some(node) = judge.tree.get("jobs") else { return Vec::new() };
    if matches!(&node.value, Found::Mapping(m) if m.is_empty()) {
        judge.refuse("TL-CFG-MISSING", &root, "there is no job", "at least one");
    }
    let names: Vec<&str> = node.entries().iter().map(|(key, _)| key.name.as_str()).collect();
    let mut jobs = Vec::new();
    for name in names {
        let at = root.key(name);
        name_rule(name, &at, judge);
        let Some(value) = read.get("jobs").and_then(|jobs| jobs.get(name)) else { continue };
        if let Some(raw) = judge.take::<file::Job>(value.clone(), &at) {
            jobs.extend(job(name, raw, &at, judge));
        }
    }
    jobs
}

fn job(name: &str, raw: file::Job, at: &Path, judge: &mut Judge<'_>) -> Option<Job> {
    match raw.delivery {
        None | Some(Delivery::Automatic) => {}
    }
    // Of a job with a faulty key only what is there can be judged, not what seems to be missing.
    let whole = judge.is_sound(at);
    let route = route(&raw, whole, at, judge);
    let tables = tables(raw.tables, at, judge);
    let types = conversions(raw.types.keys(), &at.key("types"), judge);
    let route = route?;
    let conflicts = match &route {
        Route::OneWay { .. } => {
            if raw.conflicts.is_some() {
                let message = "`conflicts` is given, but in a one-way job only the source is changed";
                judge.refuse(
                    "TL-CFG-CONFLICT",
                    &at.key("conflicts"),
                    message,
                    "`between: […]` in place of `source` and `target`, or no `conflicts`",
                );
            }
            None
        }
        Route::Between(a, b) => {
            two_way_tables(&tables, at, judge);
            Some(conflicts(raw.conflicts, whole, [a, b], &tables, at, judge)?)
        }
    };
    let schema_changes = schema_changes(raw.schema_changes, &route, at, judge);
    let batch_size = raw.batch_size.unwrap_or(BATCH_SIZE) as usize;
    Some(Job {
        name: name.to_owned(),
        route,
        tables,
        capture: raw.capture,
        batch_size,
        types,
        schema_changes,
        conflicts,
    })
}

fn schema_changes(
    raw: Option<file::SchemaChanges>,
    route: &Route,
    at: &Path,
    judge: &mut Judge<'_>,
) -> SchemaChanges {
    let (policy, drop) = match raw {
        None => (None, false),
        Some(file::SchemaChanges::Policy(policy)) => (Some(policy), false),
        Some(file::SchemaChanges::Detailed(details)) => (details.policy, details.drop),
    };
    let at = at.key("schema_changes");
    let two_way = matches!(route, Route::Between(..));
    if two_way && policy.is_some_and(|p| p != SchemaPolicyName::Pause) {
        let message = "a two-way job pauses when a table changes: which side would follow which?";
        judge.refuse("TL-CFG-CONFLICT", &at, message, "pause, or no `schema_changes`");
    }
    if drop && policy.is_some_and(|p| p != SchemaPolicyName::Apply) {
        let message = "`drop` is given, but the target's tables do not follow";
        judge.refuse("TL-CFG-CONFLICT", &at.key("drop"), message, "`policy: apply`, or no `drop`");
    }
    let policy = match policy {
        None if two_way => SchemaPolicy::Pause,
        None | Some(SchemaPolicyName::Apply) => SchemaPolicy::Apply,
        Some(SchemaPolicyName::Pause) => SchemaPolicy::Pause,
        Some(SchemaPolicyName::Ignore) => SchemaPolicy::Ignore,
    };
    SchemaChanges { policy, drop }
}

fn conversions<'k>(
    keys: impl Iterator<Item = &'k String>,
    at: &Path,
    judge: &mut Judge<'_>,
) -> Vec<Conversion> {
    let mut conversions = Vec::new();
    for key in keys {
        match key.parse() {
            Ok(conversion) => conversions.push(conversion),
            Err(message) => {
                judge.refuse(
                    "TL-CFG-VALUE",
                    &at.key(key),
                    message,
                    "such as \"numeric -> double\"; `check` names the types",
                );
            }
        }
    }
    conversions
}

fn route(raw: &file::Job, whole: bool, at: &Path, judge: &mut Judge<'_>) -> Option<Route> {
    const SHAPES: &str = "`source: A` with `target: B` for one way, or `between: [A, B]` for two";
    for key in ["source", "target"] {
        let name = if key == "source" { &raw.source } else { &raw.target };
        if let Some(name) = name {
            known_endpoint(name, &at.key(key), judge);
        }
    }
    for (place, name) in raw.between.iter().flatten().enumerate() {
        known_endpoint(name, &at.key("between").item(place), judge);
    }
    match (&raw.source, &raw.target, raw.between.as_deref()) {
        (Some(source), Some(target), None) if source == target => {
            judge.refuse(
                "TL-CFG-CONFLICT",
                &at.key("target"),
                "source and target are one endpoint",
                "two different endpoints",
            );
            None
        }
        (Some(source), Some(target), None) => {
            Some(Route::OneWay { source: source.clone(), target: target.clone() })
        }
        (None, None, Some([a, b])) if a == b => {
            judge.refuse(
                "TL-CFG-CONFLICT",
                &at.key("between"),
                "both sides are one endpoint",
                "two different endpoints",
            );
            None
        }
        (None, None, Some([a, b])) => Some(Route::Between(a.clone(), b.clone())),
        _ if !whole => None,
        (None, None, Some(several)) => {
            let message = format!("found {} endpoints", several.len());
            judge.refuse("TL-CFG-VALUE", &at.key("between"), message, "exactly two different endpoints");
            None
        }
        (None, None, None) => {
            judge.refuse(
                "TL-CFG-MISSING",
                at,
                "the job does not say between which endpoints it runs",
                SHAPES,
            );
            None
        }
        (_, _, Some(_)) => {
            judge.refuse("TL-CFG-CONFLICT", at, "`between` stands beside `source` or `target`", SHAPES);
            None
        }
        (source, _, None) => {
            let missing = if source.is_none() { "source" } else { "target" };
            judge.refuse("TL-CFG-MISSING", at, format!("the key `{missing}` is missing here"), SHAPES);
            None
        }
    }
}
