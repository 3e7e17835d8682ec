//! Planning `where`, `mask` and `compute`: what can be known to be wrong is refused here, before a row is read.

use super::{Side, verdict};
use crate::expression::{Expression, Kind, Trial, trial};
use crate::job::TableRule;
use crate::mask::{Mask, Masking};
use crate::naming;
use crate::rules::{Computed, Rules};
use std::collections::BTreeMap;
use tidelock_endpoint::{Finding, Severity, Verdict};
use tidelock_model::{Column, ForeignKey, Index, Table, TableName, Type};

/// Columns that are made here are of no engine's own type.
const NO_ENGINE: &str = "";

/// One table's rules while it is planned.
pub struct Ruling<'a> {
    /// What came of them so far.
    pub rules: Rules,
    rule: &'a TableRule,
    read: &'a Table,
    existing: Option<&'a Table>,
    source: Side<'a>,
    target: Side<'a>,
    subject: String,
}

impl<'a> Ruling<'a> {
    /// For the source's table `read`, which goes to `existing` or to a table to be made.
    pub fn new(
        rule: &'a TableRule,
        read: &'a Table,
        existing: Option<&'a Table>,
        (source, target): (Side<'a>, Side<'a>),
    ) -> Ruling<'a> {
        let subject = read.name.to_string();
        Ruling { rules: Rules::default(), rule, read, existing, source, target, subject }
    }

    /// The target's column for a masked column of the source, to be called for every column that takes part; `None` where it has no mask.
    pub fn masked(&mut self, place: usize, name: &str, findings: &mut Vec<Finding>) -> Option<Column> {
        let from = &self.read.columns[place];
        let mask = self.rule.mask.get(&from.name);
        let Some(mask) = mask else {
            self.rules.masks.push(None);
            return None;
        };
        let subject = format!("{}.{}", self.subject, from.name);
        let refuse = |code, message: String, remedy: &str, findings: &mut Vec<Finding>| {
            findings.push(Finding::new(Severity::Error, code, &subject, message).remedy(remedy));
        };
        let mut column = Column { name: name.to_owned(), default: None, ..from.clone() };
        if self.read.key.contains(&place) {
            let message = format!(
                "`mask: {{ {}: {} }}`: it is of the table's key, by which a row is found at the target",
                from.name,
                mask.name()
            );
            refuse(
                "TL-PLAN-MASK-KEY",
                message,
                "take the mask away, or give the table another key",
                findings,
            );
            self.rules.masks.push(None);
            return Some(column);
        }
        let masking = match mask.on(&from.data_type) {
            Ok((masking, becomes)) => {
                self.fits(mask, from, &mut column, becomes, findings);
                Some(masking)
            }
            Err(reason) => {
                let message = format!(
                    "`mask: {{ {}: {} }}`: the column is {}: {reason}",
                    from.name,
                    mask.name(),
                    from.native
                );
                refuse(
                    "TL-PLAN-MASK-TYPE",
                    message,
                    "use another mask, or leave the column out with `columns: { exclude: […] }`",
                    findings,
                );
                None::<Masking>
            }
        };
        self.rules.masks.push(masking);
        Some(column)
    }

    /// Whether the target's column takes what the mask gives; `column` becomes the one that would be made.
    fn fits(
        &self,
        mask: &Mask,
        from: &Column,
        column: &mut Column,
        becomes: Type,
        findings: &mut Vec<Finding>,
    ) {
        let subject = format!("{}.{}", self.subject, from.name);
        let there = self.existing.and_then(|t| t.columns.iter().find(|c| c.name == column.name));
        if *mask == Mask::Null {
            column.nullable = true;
            if let Some(there) = there.filter(|c| !c.nullable) {
                let message = format!(
                    "`null` is written into every row, but at {} it is NOT NULL",
                    self.target.endpoint.name()
                );
                findings.push(
                    Finding::new(Severity::Error, "TL-PLAN-MASK-TYPE", subject, message)
                        .remedy(format!("allow NULL in {} there, or use `fixed`", there.name)),
                );
                return;
            }
        }
        if becomes == from.data_type {
            if let Some(lossy) = verdict(from, there, &self.subject, self.source, self.target, findings) {
                let message = format!(
                    "{} would become {}; a masked column is not converted",
                    from.native, lossy.native
                );
                findings.push(
                    Finding::new(Severity::Error, "TL-PLAN-MASK-TYPE", subject, message)
                        .remedy(format!("give the column at the target a type that holds {}", from.native)),
                );
            }
            return;
        }
        column.data_type = becomes;
        column.native = mask.name().to_owned();
        let holds_digits = |c: &&Column| matches!(c.data_type, Type::Text { length: Some(64..), .. });
        if let Some(there) = there.filter(holds_digits).filter(|_| matches!(mask, Mask::Sha256(_))) {
            // Also one that is padded with blanks, which digits never end with.
            column.native.clone_from(&there.native);
            return;
        }
        let what = format!("`mask: {{ {}: {} }}`", from.name, mask.name());
        self.made(column, &what, matches!(mask, Mask::Sha256(_)), &subject, findings);
    }

    /// A column whose values come from here and not from the source: its type at the target. `all`: a column that takes only some of the values is refused.
    fn made(&self, column: &mut Column, what: &str, all: bool, subject: &str, findings: &mut Vec<Finding>) {
        let target = self.target;
        let there = self.existing.and_then(|t| t.columns.iter().find(|c| c.name == column.name));
        let refused =
            match target.endpoint.column_verdict(NO_ENGINE, &target.inspection.server, column, there) {
                Verdict::Exact { native } => {
                    column.native = native;
                    return;
                }
                Verdict::Narrow { native, reason } if !all => {
                    let message = format!(
                        "{what} gives {}, which would become {native} at {}: {reason}",
                        column.native,
                        target.endpoint.name()
                    );
                    findings.push(Finding::new(
                        Severity::Warning,
                        "TL-PLAN-TYPE-NARROW",
                        subject,
                        message + "; values that do not fit are refused one by one",
                    ));
                    column.native = native;
                    return;
                }
                Verdict::Narrow { native, reason } | Verdict::Lossy { native, reason, .. } => {
                    format!("{native} does not hold that: {reason}")
                }
                Verdict::Refused { reason } => reason,
            };
        let message = format!(
            "{what} gives {}, which cannot be held at {}: {refused}",
            column.native,
            target.endpoint.name()
        );
        let finding = Finding::new(Severity::Error, "TL-PLAN-TYPE-REFUSED", subject, message);
        findings.push(finding.remedy("give the column at the target another type, or let the expression give another one by string(…), double(…) or int(…)"));
    }

    /// The filter.
    pub fn filter(&mut self, findings: &mut Vec<Finding>) {
        let Some(text) = &self.rule.filter else { return };
        let Some((expression, tried)) = self.tried("where", text, &self.subject, findings) else { return };
        if tried.gives.is_some_and(|kind| kind != Kind::Bool) {
            let gives = tried.gives.map_or("", Kind::name);
            let message = format!("`where: {text}` gives {gives}, not true or false");
            findings.push(
                Finding::new(Severity::Error, "TL-PLAN-EXPRESSION", &self.subject, message)
                    .remedy("compare it with something"),
            );
        }
        self.rules.filter = Some(expression);
    }

    /// The computed columns, as the target has them.
    pub fn computed(&mut self, findings: &mut Vec<Finding>) -> Vec<Column> {
        let mut columns = Vec::new();
        for (name, text) in &self.rule.compute {
            let subject = format!("{}.{name}", self.subject);
            let Some((expression, tried)) = self.tried(name, text, &subject, findings) else { continue };
            let Some((kind, becomes)) = tried.gives.and_then(|kind| Some((kind, kind.column()?))) else {
                let message = format!(
                    "`{name}: {text}` does not give values of one type, so there is no column for them"
                );
                let remedy =
                    "wrap it, or both sides of its `? :`, in string(…), int(…), double(…) or timestamp(…)";
                findings.push(
                    Finding::new(Severity::Error, "TL-PLAN-EXPRESSION", subject, message).remedy(remedy),
                );
                continue;
            };
            let name = naming::of_column(name.clone(), self.existing, self.target);
            if self.existing.is_some_and(|t| t.columns.iter().any(|c| c.name == name && c.generated)) {
                let message = format!(
                    "column {name} is generated at {}: it cannot be written",
                    self.target.endpoint.name()
                );
                findings.push(Finding::new(Severity::Error, "TL-PLAN-GENERATED", &subject, message));
            }
            if let Some(existing) = self.existing.filter(|t| t.column(&name).is_none()) {
                findings.push(super::missing_column(existing, &name, &self.subject, self.target));
                continue;
            }
            let mut column = Column::new(&name, becomes, kind.name());
            self.made(&mut column, &format!("`{name}: {text}`"), false, &subject, findings);
            columns.push(column);
            self.rules.computed.push(Computed { name, expression, kind });
        }
        columns
    }

    /// An expression that may work, and what is known of it.
    fn tried(
        &self,
        what: &str,
        text: &str,
        subject: &str,
        findings: &mut Vec<Finding>,
    ) -> Option<(Expression, Trial)> {
        let told = |fault: String| {
            Finding::new(Severity::Error, "TL-PLAN-EXPRESSION", subject, format!("`{what}: {text}`: {fault}"))
        };
        let expression = match Expression::new(text, self.read) {
            Ok(expression) => expression,
            Err(faults) => {
                findings.extend(faults.into_iter().map(told));
                return None;
            }
        };
        let mut tried = trial(&expression);
        findings.extend(std::mem::take(&mut tried.faults).into_iter().map(told));
        for column in &tried.fails_with_null {
            let message = format!(
                "`{what}: {text}` cannot be decided for a row whose {column} is NULL: such a row stops the job"
            );
            findings.push(
                Finding::new(Severity::Warning, "TL-PLAN-EXPRESSION-NULL", subject, message).remedy(format!(
                    "say what becomes of it: `{column} != null && …`, or `{column} == null ? … : …`"
                )),
            );
        }
        Some((expression, tried))
    }

    fn mask_of(&self, place: usize) -> Option<&Mask> {
        self.rule.mask.get(&self.read.columns[place].name)
    }

    /// Rows that the source keeps apart may be equal behind a mask.
    pub fn keeps_index(&self, index: &Index) -> bool {
        !index.unique || !index.columns.iter().any(|c| self.mask_of(*c).is_some_and(Mask::collides))
    }

    /// A reference holds only where both ends keep their values and no row that is referred to is left out.
    pub fn keeps_reference(
        &self,
        key: &ForeignKey,
        renamed: &BTreeMap<TableName, (TableName, &TableRule)>,
        findings: &mut Vec<Finding>,
    ) -> bool {
        let Some((_, rule)) = renamed.get(&key.references) else { return true };
        let masked = key.columns.iter().any(|c| self.mask_of(*c).is_some())
            || key.referenced_columns.iter().any(|c| rule.mask.contains_key(c));
        if rule.filter.is_none() && !masked {
            return true;
        }
        let why =
            if masked { "its columns are masked" } else { "rows of that table are left out by `where`" };
        let message = format!(
            "its foreign key to {} is not made at {}: {why}",
            key.references,
            self.target.endpoint.name()
        );
        findings.push(Finding::new(Severity::Note, "TL-PLAN-REFERENCE-LEFT-OUT", &self.subject, message));
        false
    }

    /// Unique indexes that are at the target already, and under which two rows could be taken for one.
    pub fn collisions(&self, mapped: &Table, existing: &Table, findings: &mut Vec<Finding>) {
        let copied = self.rules.masks.len();
        let key: Vec<&str> = mapped.key_columns().map(|c| c.name.as_str()).collect();
        for index in existing.indexes.iter().filter(|i| i.unique) {
            let names: Vec<&str> = index.columns.iter().map(|c| existing.columns[*c].name.as_str()).collect();
            if key.iter().all(|k| names.contains(k)) {
                continue;
            }
            let collides = |(place, column): &(usize, &Column)| {
                let source =
                    self.read.columns.iter().find(|c| self.rule.target_column(&c.name) == column.name);
                let mask = source.and_then(|c| self.rule.mask.get(&c.name));
                names.contains(&column.name.as_str())
                    && (*place >= copied || mask.is_some_and(Mask::collides))
            };
            if let Some((_, column)) = mapped.columns.iter().enumerate().find(collides) {
                let message = format!(
                    "at {} the index {} allows each value of {} once, but several rows may have the same",
                    self.target.endpoint.name(),
                    index.name,
                    names.join(", ")
                );
                let subject = format!("{}.{}", self.subject, column.name);
                findings.push(
                    Finding::new(Severity::Error, "TL-PLAN-MASK-UNIQUE", subject, message)
                        .remedy("drop that index there"),
                );
            }
        }
    }
}
