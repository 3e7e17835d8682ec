//! Jobs: what the schema cannot say of them.

use super::Path;
use super::build::{Judge, known_endpoint, name_rule};
use super::fault::nearest;
use super::file::{self, Columns, Conflicts, Delivery, Resolve, TableDetails, Tables};
use super::tree::Value as Found;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use tidelock_sync::job::{ColumnSelection, ConflictPolicy, Job, Route, TableRule, TableSelection};

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
    let batch_size = raw.batch_size.unwrap_or(BATCH_SIZE) as usize;
    Some(Job { name: name.to_owned(), route, tables, capture: raw.capture, batch_size, conflicts })
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

fn tables(raw: Option<Tables>, at: &Path, judge: &mut Judge<'_>) -> TableSelection {
    let at = at.key("tables");
    match raw {
        None | Some(Tables::All(_)) => TableSelection::All,
        Some(Tables::Patterns(patterns)) => {
            for (key, names) in [("include", &patterns.include), ("exclude", &patterns.exclude)] {
                for (place, name) in names.iter().enumerate() {
                    not_empty(name, &at.key(key).item(place), judge);
                }
            }
            TableSelection::Patterns { include: patterns.include, exclude: patterns.exclude }
        }
        Some(Tables::Only(list)) => {
            if list.is_empty() {
                judge.refuse("TL-CFG-VALUE", &at, "the list is empty", "`all`, or at least one table");
            }
            let rules = list.into_iter().enumerate().map(|(place, table)| match table {
                file::Table::Name(name) => {
                    not_empty(&name, &at.item(place), judge);
                    TableRule::plain(name)
                }
                file::Table::Detailed(details) => rule(details, &at.item(place), judge),
            });
            let rules: Vec<TableRule> = rules.collect();
            one_name_each(&rules, &at, judge);
            TableSelection::Only(rules)
        }
    }
}

fn rule(raw: TableDetails, at: &Path, judge: &mut Judge<'_>) -> TableRule {
    not_empty(&raw.name, &at.key("name"), judge);
    if let Some(to) = &raw.to {
        not_empty(to, &at.key("to"), judge);
        if is_pattern(&raw.name) {
            let message = "a pattern may match several tables, which cannot all have one name at the target";
            judge.refuse("TL-CFG-CONFLICT", &at.key("to"), message, "the table's own name, or no `to`");
        } else if is_pattern(to) {
            judge.refuse(
                "TL-CFG-VALUE",
                &at.key("to"),
                format!("`{to}` is no table name"),
                "a name without `*` and `?`",
            );
        }
    }
    let columns = match raw.columns {
        None => ColumnSelection::All,
        Some(Columns::Only(names)) => {
            distinct(&names, &at.key("columns"), judge);
            ColumnSelection::Only(names)
        }
        Some(Columns::Except(except)) => {
            distinct(&except.exclude, &at.key("columns").key("exclude"), judge);
            ColumnSelection::Exclude(except.exclude)
        }
    };
    let rule = TableRule { name: raw.name, to: raw.to, columns, rename: raw.rename };
    renames(&rule, at, judge);
    rule
}

fn renames(rule: &TableRule, at: &Path, judge: &mut Judge<'_>) {
    let at = at.key("rename");
    let mut names = BTreeMap::new();
    for (from, to) in &rule.rename {
        let here = at.key(from);
        not_empty(to, &here, judge);
        if !rule.takes(from) {
            judge.refuse(
                "TL-CFG-CONFLICT",
                &here,
                format!("column {from} is renamed, but does not take part"),
                "a column that `columns` takes",
            );
        }
        let other = names.insert(to, from).map(String::as_str);
        let kept = match &rule.columns {
            ColumnSelection::Only(all) => all.iter().find(|c| *c == to && !rule.rename.contains_key(*c)),
            _ => None,
        };
        if let Some(other) = other.or(kept.map(String::as_str)) {
            judge.refuse(
                "TL-CFG-CONFLICT",
                &here,
                format!("columns {other} and {from} would both be called {to}"),
                "another name for one of them",
            );
        }
    }
}

fn one_name_each(rules: &[TableRule], at: &Path, judge: &mut Judge<'_>) {
    let mut sources = BTreeSet::new();
    let mut targets: BTreeMap<String, &str> = BTreeMap::new();
    for (place, rule) in rules.iter().enumerate() {
        let here = at.item(place);
        if !sources.insert(&rule.name) {
            judge.refuse(
                "TL-CFG-CONFLICT",
                &here,
                format!("`{}` stands in the list twice", rule.name),
                "each table once",
            );
            continue;
        }
        if is_pattern(&rule.name) {
            continue;
        }
        let target = rule.to.as_ref().unwrap_or(&rule.name).clone();
        if let Some(other) = targets.insert(target.clone(), &rule.name) {
            let message =
                format!("tables {other} and {} would both be called {target} at the target", rule.name);
            judge.refuse("TL-CFG-CONFLICT", &here, message, "another name for one of them, by `to`");
        }
    }
}

fn two_way_tables(tables: &TableSelection, at: &Path, judge: &mut Judge<'_>) {
    let TableSelection::Only(rules) = tables else { return };
    for (place, rule) in rules.iter().enumerate() {
        let here = at.key("tables").item(place);
        for (key, given) in [("to", rule.to.is_some()), ("rename", !rule.rename.is_empty())] {
            if given {
                let message = format!("`{key}` in a two-way job is not supported in this version");
                judge.refuse("TL-CFG-LATER", &here.key(key), message, "the same names on both sides");
            }
        }
    }
}

fn conflicts(
    raw: Option<Conflicts>,
    whole: bool,
    between: [&String; 2],
    tables: &TableSelection,
    at: &Path,
    judge: &mut Judge<'_>,
) -> Option<ConflictPolicy> {
    let Some(raw) = raw else {
        let message = "a two-way job must say what happens when both sides change one row";
        if whole {
            let allowed = "conflicts: { resolve: last_update_wins, version: COLUMN }";
            judge.refuse("TL-CFG-MISSING", at, message, allowed);
        }
        return None;
    };
    let at = at.key("conflicts");
    match raw.resolve {
        Resolve::LastUpdateWins => {}
    }
    let priority = priority(raw.priority, between, &at, judge);
    let named = names(tables);
    let mut own = BTreeMap::new();
    for (table, rule) in &raw.tables {
        let here = at.key("tables").key(table);
        if let Some(named) = &named
            && !named.contains(&table.as_str())
        {
            let suggestion = nearest(table, named.iter().copied()).map(str::to_owned);
            let fault = judge.fault("TL-CFG-CONFLICT", &here, format!("`{table}` is no table of this job"));
            fault.suggestion = suggestion;
            fault.allowed = Some(named.join(", "));
        }
        match rule.resolve {
            None | Some(Resolve::LastUpdateWins) => {}
        }
        if let Some(version) = &rule.version {
            own.insert(table.clone(), version.clone());
        }
    }
    let all_have_own = named.is_some_and(|named| named.iter().all(|n| own.contains_key(*n)));
    if raw.version.is_none() && !all_have_own {
        let message = "last_update_wins needs a column that tells which row is newer";
        judge.refuse("TL-CFG-MISSING", &at, message, "version: COLUMN, such as updated_at");
    }
    Some(ConflictPolicy { version: raw.version, tables: own, priority })
}

fn priority(
    raw: Option<Vec<String>>,
    between: [&String; 2],
    at: &Path,
    judge: &mut Judge<'_>,
) -> Vec<String> {
    let own = vec![between[0].clone(), between[1].clone()];
    let Some(priority) = raw else { return own };
    let (given, wanted): (BTreeSet<&String>, BTreeSet<&String>) =
        (priority.iter().collect(), between.into_iter().collect());
    if priority.len() == 2 && given == wanted {
        return priority;
    }
    let message = format!("found [{}]", priority.join(", "));
    judge.refuse(
        "TL-CFG-VALUE",
        &at.key("priority"),
        message,
        format!("{} and {}, each once, the stronger first", own[0], own[1]),
    );
    own
}

/// The tables that are spelled out, where no pattern adds others.
fn names(tables: &TableSelection) -> Option<Vec<&str>> {
    match tables {
        TableSelection::Only(rules) if !rules.iter().any(|r| is_pattern(&r.name)) => {
            Some(rules.iter().map(|r| r.name.as_str()).collect())
        }
        _ => None,
    }
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

fn not_empty(name: &str, at: &Path, judge: &mut Judge<'_>) {
    if name.trim().is_empty() {
        judge.refuse("TL-CFG-VALUE", at, "the name is empty", "a name");
    }
}

fn distinct(names: &[String], at: &Path, judge: &mut Judge<'_>) {
    if names.is_empty() {
        judge.refuse("TL-CFG-VALUE", at, "the list is empty", "at least one column, or leave the key out");
    }
    let mut seen = BTreeSet::new();
    for (place, name) in names.iter().enumerate() {
        not_empty(name, &at.item(place), judge);
        if !seen.insert(name) {
            judge.refuse(
                "TL-CFG-DUPLICATE",
                &at.item(place),
                format!("`{name}` stands in the list twice"),
                "each column once",
            );
        }
    }
}
