//! How a table of the target follows what became of the source's table since the job wrote it.
//!
//! Only what changed **since then** is followed: a column that the target's owner made otherwise, or left out, is his, and told as ever. Nothing is taken away at
//! the target that the job does not name (`drop: true`).

use crate::checkpoint::CopiedColumn;
use crate::job::{Job, SchemaPolicy, TableRule};
use crate::naming;
use crate::plan::Side;
use std::sync::Arc;
use tidelock_endpoint::{Alteration, ColumnChange, Verdict};
use tidelock_model::{Column, Table, TableName};

/// What is to be changed at one table of the target, while it is planned.
pub struct Follows<'a> {
    policy: SchemaPolicy,
    drop: bool,
    /// The columns as they were copied; none for a table that the job has not written.
    before: &'a [CopiedColumn],
    changes: Vec<ColumnChange>,
}

impl<'a> Follows<'a> {
    /// For the table `to`; `written` is what the job wrote, and where.
    pub fn new(
        job: &Job,
        written: Option<&'a (TableName, Vec<CopiedColumn>)>,
        to: &TableName,
    ) -> Follows<'a> {
        let before = written.filter(|(table, _)| table == to).map_or(&[][..], |(_, columns)| columns);
        let policy = if job.conflicts.is_some() { SchemaPolicy::Pause } else { job.schema_changes.policy };
        Follows { policy, drop: job.schema_changes.drop, before, changes: Vec::new() }
    }

    fn applies(&self) -> bool {
        self.policy == SchemaPolicy::Apply && !self.before.is_empty()
    }

    /// The target's table stays as it is.
    pub fn ignores(&self) -> bool {
        self.policy == SchemaPolicy::Ignore && !self.before.is_empty()
    }

    fn known(&self, source: &str) -> Option<&CopiedColumn> {
        self.before.iter().find(|c| c.source == source)
    }

    /// Of the source's columns those that are new, and that the target's table does not have and shall not get.
    pub fn left_out(
        &self,
        read: &Table,
        places: &[usize],
        rule: &TableRule,
        existing: &Arc<Table>,
        target: Side<'_>,
    ) -> Vec<usize> {
        let lacks = |place: &&usize| {
            let column = &read.columns[**place];
            let name = naming::of_column(rule.target_column(&column.name), Some(existing), target);
            self.known(&column.name).is_none() && existing.column(&name).is_none()
        };
        if !self.ignores() { Vec::new() } else { places.iter().filter(lacks).copied().collect() }
    }

    /// The target's table gets a column for this one, which is new at the source; at `place` of the target's.
    pub fn adds(&mut self, source: &str, place: usize) -> bool {
        let adds = self.applies() && self.known(source).is_none();
        if adds {
            self.changes.push(ColumnChange::Add(place));
        }
        adds
    }

    /// The target's column gets another type, as the source's did, and what it has does not hold every value.
    pub fn retypes(
        &mut self,
        from: &Column,
        there: &Column,
        place: usize,
        source: Side<'_>,
        target: Side<'_>,
    ) -> bool {
        let changed = self.known(&from.name).is_none_or(|c| c.data_type != from.data_type);
        if !self.applies() || !changed {
            return false;
        }
        let engine = source.endpoint.capabilities().engine;
        let verdict = |there| target.endpoint.column_verdict(engine, &target.inspection.server, from, there);
        let better = !matches!(verdict(Some(there)), Verdict::Exact { .. })
            && matches!(verdict(None), Verdict::Exact { .. } | Verdict::Narrow { .. });
        if better {
            self.changes.push(ColumnChange::Retype(place));
        }
        better
    }

    /// The target's columns that nothing writes any more, because the source dropped theirs.
    pub fn lets_go(&mut self, read: &Table, existing: &Table) {
        if !self.applies() {
            return;
        }
        for column in self.before.iter().filter(|c| read.column(&c.source).is_none()) {
            let there = existing.columns.iter().find(|c| c.name == column.target && !c.generated);
            let Some(there) = there else { continue };
            if self.drop {
                self.changes.push(ColumnChange::Drop(there.name.clone()));
            } else if !there.nullable && there.default.is_none() {
                self.changes.push(ColumnChange::Relax(there.name.clone()));
            }
        }
    }

    /// The target's column needs no value any more.
    pub fn freed(&self, name: &str) -> bool {
        let named = |change: &ColumnChange| matches!(change, ColumnChange::Drop(column) | ColumnChange::Relax(column) if column == name);
        self.changes.iter().any(named)
    }

    /// What is to be changed, if anything is.
    pub fn alteration(self, table: &Arc<Table>) -> Option<Alteration> {
        let Follows { changes, .. } = self;
        (!changes.is_empty()).then(|| Alteration { table: table.clone(), changes })
    }
}
