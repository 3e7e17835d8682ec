//! What each table and column is called at the target.
//!
//! A server may take `Users` and `users` for one name. What would then meet under one name is refused, and what stands there already is called as it is
//! called there, so that everything behind the plan can compare names letter for letter.

use crate::job::TableRule;
use crate::plan::Side;
use std::collections::BTreeMap;
use tidelock_endpoint::{Finding, Severity};
use tidelock_model::{Table, TableName};

/// Engines of one kind keep schemas apart; between different ones a table of another schema keeps only its name.
pub fn of_table(table: &Table, rule: &TableRule, source: Side<'_>, target: Side<'_>) -> TableName {
    let same_engine = source.endpoint.capabilities().engine == target.endpoint.capabilities().engine;
    let wanted = match &rule.to {
        Some(to) => TableName::new(to),
        None if same_engine => table.name.clone(),
        None => TableName::new(&table.name.name),
    };
    let there = |t: &&std::sync::Arc<Table>| folded(&t.name, target) == folded(&wanted, target);
    let existing = target.inspection.tables.iter();
    match existing.clone().find(|t| t.name == wanted).or_else(|| existing.clone().find(there)) {
        Some(existing) => existing.name.clone(),
        None => TableName {
            schema: wanted.schema.map(|s| target.inspection.names.tables.stored(s)),
            name: target.inspection.names.tables.stored(wanted.name),
        },
    }
}

/// What a column is called in `existing`, or will be.
pub fn of_column(wanted: String, existing: Option<&Table>, target: Side<'_>) -> String {
    let Some(existing) = existing.filter(|e| e.column(&wanted).is_none()) else { return wanted };
    let same = |name: &str| {
        target.inspection.names.columns.key(name) == target.inspection.names.columns.key(&wanted)
    };
    existing.columns.iter().find(|c| same(&c.name)).map_or(wanted.clone(), |c| c.name.clone())
}

/// Tables that would meet under one name.
pub fn same_tables(
    rules: &[(std::sync::Arc<Table>, TableRule)],
    source: Side<'_>,
    target: Side<'_>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut names: BTreeMap<TableName, TableName> = BTreeMap::new();
    for (table, rule) in rules {
        let to = of_table(table, rule, source, target);
        if let Some(other) = names.insert(folded(&to, target), table.name.clone()) {
            let message =
                format!("{other} and {} would both become {to} at {}", table.name, target.endpoint.name());
            let finding = Finding::new(Severity::Error, "TL-PLAN-SAME-NAME", to.to_string(), message);
            findings.push(finding.remedy("give one of them another name with `to:` in the job's tables"));
        }
    }
    findings
}

/// Columns of one table that would meet under one name.
pub fn same_columns(mapped: &Table, subject: &str, target: Side<'_>) -> Vec<Finding> {
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for column in &mapped.columns {
        if let Some(other) = names.insert(target.inspection.names.columns.key(&column.name), &column.name) {
            let message =
                format!("columns {other} and {} would be one at {}", column.name, target.endpoint.name());
            let finding = Finding::new(Severity::Error, "TL-PLAN-SAME-COLUMN", subject, message);
            findings.push(finding.remedy("give one of them another name with `rename:` in the job's tables"));
        }
    }
    findings
}

/// What cannot be made at the target: names of the table or of its columns, or so many of these.
pub fn impossible(mapped: &Table, subject: &str, target: Side<'_>) -> Vec<Finding> {
    let limit = target.inspection.names.limit;
    let fault = |name: &str, what: &str, remedy: &str| {
        let at = target.endpoint.name();
        let message = format!("{what} {name} cannot be made at {at}: {}", limit.fault(name)?);
        Some(Finding::new(Severity::Error, "TL-PLAN-NAME", subject, message).remedy(remedy))
    };
    let other = "give the table another name with `to:` in the job's tables";
    let schema = mapped.name.schema.as_deref().and_then(|s| fault(s, "schema", other));
    let mut findings: Vec<Finding> =
        schema.into_iter().chain(fault(&mapped.name.name, "table", other)).collect();
    let column = |c: &tidelock_model::Column| {
        fault(&c.name, "column", "give the column another name with `rename:` in the job's tables")
    };
    findings.extend(mapped.columns.iter().filter_map(column));
    let (columns, widest) = (mapped.columns.len(), target.inspection.names.widest);
    if columns > widest {
        let message = format!("it has {columns} columns, and a table has at most {widest} there");
        let finding = Finding::new(Severity::Error, "TL-PLAN-TOO-WIDE", subject, message);
        findings
            .push(finding.remedy("leave columns out with `columns: [ … ]` or `columns: { exclude: […] }`"));
    }
    findings
}

fn folded(name: &TableName, target: Side<'_>) -> TableName {
    let case = target.inspection.names.tables;
    TableName { schema: name.schema.as_deref().map(|s| case.key(s)), name: case.key(&name.name) }
}
