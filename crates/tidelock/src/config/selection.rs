//! Which tables and columns of a job take part: what the schema cannot say.

use super::Path;
use super::build::Judge;
use super::file::{self, Columns, TableDetails, Tables};
use super::rules;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_sync::job::{ColumnSelection, TableRule, TableSelection};

/// The tables of the job at `at`.
pub fn tables(raw: Option<Tables>, at: &Path, judge: &mut Judge<'_>) -> TableSelection {
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
            let message = format!("{} is no table name", judge.shown(&at.key("to")));
            judge.refuse("TL-CFG-VALUE", &at.key("to"), message, "a name without `*` and `?`");
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
    let rule = TableRule {
        name: raw.name,
        to: raw.to,
        columns,
        rename: raw.rename,
        types: raw.types.into_keys().collect(),
        filter: raw.filter,
        mask: rules::masks(raw.mask, at, judge),
        compute: raw.compute,
    };
    renames(&rule, at, judge);
    rules::expressions(&rule, at, judge);
    rules::masked_columns(&rule, at, judge);
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
            let message = format!("columns {other} and {from} would both be called {}", judge.shown(&here));
            judge.refuse("TL-CFG-CONFLICT", &here, message, "another name for one of them");
        }
    }
}

fn one_name_each(rules: &[TableRule], at: &Path, judge: &mut Judge<'_>) {
    let mut sources = BTreeSet::new();
    let mut targets: BTreeMap<&str, String> = BTreeMap::new();
    for (place, rule) in rules.iter().enumerate() {
        let here = at.item(place);
        // Of a table that is only a name the nearest thing to its `name` is itself.
        let shown = judge.shown(&here.key("name"));
        if !sources.insert(&rule.name) {
            let message = format!("{shown} stands in the list twice");
            judge.refuse("TL-CFG-CONFLICT", &here, message, "each table once");
            continue;
        }
        if is_pattern(&rule.name) {
            continue;
        }
        let target = rule.to.as_ref().unwrap_or(&rule.name);
        if let Some(other) = targets.insert(target, shown.clone()) {
            let key = if rule.to.is_some() { "to" } else { "name" };
            let target = judge.shown(&here.key(key));
            let message = format!("tables {other} and {shown} would both be called {target} at the target");
            judge.refuse("TL-CFG-CONFLICT", &here, message, "another name for one of them, by `to`");
        }
    }
}

/// Refuses what a two-way job cannot do with its tables.
pub fn two_way_tables(tables: &TableSelection, at: &Path, judge: &mut Judge<'_>) {
    let TableSelection::Only(rules) = tables else { return };
    for (place, rule) in rules.iter().enumerate() {
        let here = at.key("tables").item(place);
        let given = [
            ("to", rule.to.is_some()),
            ("rename", !rule.rename.is_empty()),
            ("columns", rule.columns != ColumnSelection::All),
            ("where", rule.filter.is_some()),
            ("mask", !rule.mask.is_empty()),
            ("compute", !rule.compute.is_empty()),
        ];
        for (key, given) in given {
            if given {
                let message = format!("`{key}` in a two-way job is not supported in this version");
                judge.refuse(
                    "TL-CFG-LATER",
                    &here.key(key),
                    message,
                    "the same names, columns and rows on both sides",
                );
            }
        }
    }
}

/// The tables that are spelled out, where no pattern adds others.
pub fn names(tables: &TableSelection) -> Option<Vec<&str>> {
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

/// Refuses an empty name.
pub fn not_empty(name: &str, at: &Path, judge: &mut Judge<'_>) {
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
            let message = format!("{} stands in the list twice", judge.shown(&at.item(place)));
            judge.refuse("TL-CFG-DUPLICATE", &at.item(place), message, "each column once");
        }
    }
}
