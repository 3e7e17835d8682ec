//! From a job and what both sides look like to what will flow: pure.
//!
//! A job makes one [`Flow`] for each direction. Planning finds **all** that is in the way, at both ends and between them, and says it in findings; a flow
//! is only good when none of them is an error.

mod rules;

use crate::checkpoint::CopiedColumn;
use crate::follows::Follows;
use crate::job::{ColumnSelection, ConflictPolicy, Conversion, Job, TableRule};
use crate::mapping::TableMap;
use crate::naming;
use crate::planning::Purpose;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidelock_endpoint::{Alteration, Endpoint, Finding, Inspection, Severity, Verdict, respelled};
use tidelock_model::{Column, ColumnDefault, ForeignKey, Index, Table, TableName, Type};

/// One direction of a job.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The job.
    pub job: String,
    /// The endpoint read from.
    pub source: String,
    /// The endpoint written to.
    pub target: String,
    /// What their changes are marked with.
    pub marks: Marks,
    /// What becomes of each table.
    pub tables: Vec<Arc<TableMap>>,
    /// What is to be altered at tables of the target that the job has written, as the source's have changed.
    pub alterations: Vec<Alteration>,
    /// Most rows applied together.
    pub batch_size: usize,
    /// How conflicts are decided, for a two-way job.
    pub two_way: Option<TwoWay>,
}

/// The marks of the two ends of a flow. A change is written with the marks of all endpoints that it came through, the one where it was made first: who reads
/// it back knows that it must not go to any of them again, however the jobs are tied together. See `Record::Begin`.
#[derive(Clone, Debug)]
pub struct Marks {
    /// The source's.
    pub source: String,
    /// The target's.
    pub target: String,
}

/// Between the marks of a way.
const THEN: char = '>';

impl Marks {
    /// What a change is written with that came to the source with `origin`; none: it was made there.
    pub fn through(&self, origin: Option<&str>) -> String {
        match origin {
            None => self.source.clone(),
            Some(origin) => format!("{origin}{THEN}{}", self.source),
        }
    }
}

/// Whether a change that comes with `origin` was at the endpoint of this mark already.
pub fn passed(origin: &str, mark: &str) -> bool {
    origin.split(THEN).any(|m| m == mark)
}

/// An endpoint's name says it to people; which database it is, in short, keeps endpoints of another configuration with the same name apart.
fn mark(side: Side<'_>) -> String {
    let server = &side.inspection.server;
    let which = format!("{}\0{}", server.product, server.id);
    format!("{}@{:08x}", side.endpoint.name(), xxhash_rust::xxh3::xxh3_64(which.as_bytes()) as u32)
}

impl Flow {
    /// The source's tables.
    pub fn source_tables(&self) -> Vec<TableName> {
        self.tables.iter().map(|t| t.source.name.clone()).collect()
    }
}

/// A two-way job's policy, seen from one direction.
#[derive(Clone, Debug)]
pub struct TwoWay {
    /// The place of the version column, by target table.
    pub version: BTreeMap<TableName, usize>,
    /// The source comes before the target in `priority`.
    pub source_first: bool,
}

/// One side of a flow, as it was found.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The endpoint.
    pub endpoint: &'a dyn Endpoint,
    /// What stands there.
    pub inspection: &'a Inspection,
}

/// The target's tables that a job has written, by the source's: see [`Progress::written`](crate::checkpoint::Progress::written).
pub type Written = BTreeMap<TableName, (TableName, Vec<CopiedColumn>)>;

/// Plans one direction of a job. `rules` are the tables of the source that the job asks for, with what the job says of each.
pub fn plan(
    job: &Job,
    purpose: Purpose,
    (source, target): (Side<'_>, Side<'_>),
    rules: &[(Arc<Table>, TableRule)],
    written: &Written,
) -> (Flow, Vec<Finding>) {
    let mut findings = Vec::new();
    if source.inspection.server.id == target.inspection.server.id
        && rules.iter().any(|(t, r)| naming::of_table(t, r, source, target) == t.name)
    {
        let message = format!(
            "{} and {} look like one and the same database: a table cannot be kept in step with itself",
            source.endpoint.name(),
            target.endpoint.name()
        );
        findings.push(
            Finding::new(Severity::Warning, "TL-PLAN-SAME-DATABASE", &job.name, message)
                .remedy("look at the URLs of both endpoints; give the tables other names at the target by `to` where it is meant so"),
        );
    }
    findings.extend(naming::same_tables(rules, source, target));
    let renamed: BTreeMap<TableName, (TableName, &TableRule)> =
        rules.iter().map(|(t, r)| (t.name.clone(), (naming::of_table(t, r, source, target), r))).collect();
    let mut alterations = Vec::new();
    let mut tables = Vec::with_capacity(rules.len());
    for (table, rule) in rules {
        let mut follows = Follows::new(job, written.get(&table.name), &renamed[&table.name].0);
        let map =
            map_table(job, purpose, table, rule, &renamed, &mut follows, (source, target), &mut findings);
        if let Some(map) = map {
            alterations.extend(follows.alteration(&map.target));
            tables.push(Arc::new(map));
        }
    }
    let two_way =
        job.conflicts.as_ref().map(|policy| two_way(&tables, policy, source.endpoint.name(), &mut findings));
    let flow = Flow {
        job: job.name.clone(),
        source: source.endpoint.name().to_owned(),
        target: target.endpoint.name().to_owned(),
        marks: Marks { source: mark(source), target: mark(target) },
        tables,
        alterations,
        batch_size: job.batch_size,
        two_way,
    };
    (flow, findings)
}

#[expect(clippy::too_many_arguments, reason = "what one table's mapping comes of")]
fn map_table(
    job: &Job,
    purpose: Purpose,
    table: &Arc<Table>,
    rule: &TableRule,
    renamed: &BTreeMap<TableName, (TableName, &TableRule)>,
    follows: &mut Follows<'_>,
    (source, target): (Side<'_>, Side<'_>),
    findings: &mut Vec<Finding>,
) -> Option<TableMap> {
    let subject = table.name.to_string();
    let before = findings.len();
    // Engines hand out images without generated columns.
    let read = table.without_generated();
    unknown_columns(table, rule, &subject, findings);
    let mut places: Vec<usize> =
        (0..read.columns.len()).filter(|i| rule.takes(&read.columns[*i].name)).collect();
    let missing_key = read.key.iter().filter(|k| !places.contains(k));
    for key in missing_key {
        let message = format!(
            "the key column {} is left out, so rows could not be told apart",
            read.columns[*key].name
        );
        let remedy = format!("take {} into `columns`", read.columns[*key].name);
        findings
            .push(Finding::new(Severity::Error, "TL-PLAN-KEY-LEFT-OUT", &subject, message).remedy(remedy));
    }
    let told = |f: &Finding| f.subject == subject && f.code.ends_with("-NO-KEY");
    if read.key.is_empty() && source.inspection.findings.iter().any(told) {
        return None;
    }
    if read.key.is_empty() && purpose != Purpose::Copy {
        let message = "the table has neither a primary key nor a unique index over NOT NULL columns, so its rows cannot be told apart";
        findings.push(
            Finding::new(Severity::Error, "TL-PLAN-NO-KEY", &subject, message)
                .remedy(format!("ALTER TABLE {} ADD PRIMARY KEY (…)", table.name)),
        );
    }
    let (to, _) = &renamed[&table.name];
    let existing = target.inspection.tables.iter().find(|t| t.name == *to);
    let mut taken = rule.columns.clone();
    if let Some(existing) = existing {
        let left_out = follows.left_out(&read, &places, rule, existing, target);
        places.retain(|place| !left_out.contains(place));
        if follows.ignores() {
            // Columns that come later are left out, too.
            taken = ColumnSelection::Only(places.iter().map(|p| read.columns[*p].name.clone()).collect());
        }
        for place in left_out {
            let message = format!(
                "it is new at {} and {} has no such column: it is left out",
                source.endpoint.name(),
                target.endpoint.name()
            );
            let subject = format!("{subject}.{}", read.columns[place].name);
            findings.push(Finding::new(Severity::Note, "TL-PLAN-COLUMN-IGNORED", subject, message));
        }
    }
    let (mut columns, mut turned) = (Vec::with_capacity(places.len()), Vec::with_capacity(places.len()));
    let mut ruling = rules::Ruling::new(rule, &read, existing.map(|t| &**t), (source, target));
    for place in &places {
        let from = &read.columns[*place];
        let name = naming::of_column(rule.target_column(&from.name), existing.map(|t| &**t), target);
        let there = existing.and_then(|t| t.columns.iter().find(|c| c.name == name));
        if let (Some(existing), None) = (existing, there)
            && !follows.adds(&from.name, columns.len())
        {
            findings.push(missing_column(existing, &name, &subject, target));
        }
        if let Some(generated) = there.filter(|c| c.generated) {
            findings.push(unwritten(generated, format!("{subject}.{}", from.name), target));
        }
        if let Some(masked) = ruling.masked(*place, &name, findings) {
            columns.push(masked);
            turned.push(None);
            continue;
        }
        let there = there.filter(|there| !follows.retypes(from, there, columns.len(), source, target));
        let becomes = verdict(from, there, &subject, source, target, findings);
        let word = Word {
            allowed: rule.types.contains(&from.name)
                || becomes.as_ref().is_some_and(|b| job.allows(from, &b.native)),
            two_way: job.conflicts.is_some(),
            key: read.key.contains(place),
        };
        let becomes = becomes.and_then(|b| word.given(from, b, &subject, target, findings));
        let mut to =
            Column { name, default: portable_default(from, source, target), number: None, ..from.clone() };
        if let Some(becomes) = &becomes {
            // Whatever the source calls it, it is made for what the values become.
            (to.data_type, to.native, to.default) = (becomes.becomes.clone(), becomes.native.clone(), None);
        }
        let respelled = there.map(|t| &t.data_type).filter(|t| respelled(&from.data_type, t));
        if let Some(there) = there.filter(|_| respelled.is_some() && read.key.contains(place)) {
            let message = format!(
                "{} would become {} at {}; keys are not converted",
                from.native,
                there.native,
                target.endpoint.name()
            );
            let finding = Finding::new(
                Severity::Error,
                "TL-PLAN-TYPE-REFUSED",
                format!("{subject}.{}", from.name),
                message,
            );
            findings.push(finding.remedy("give the key the same type at the target"));
        }
        turned.push(becomes.map(|b| b.becomes).or(respelled.cloned()));
        columns.push(to);
    }
    ruling.filter(findings);
    columns.extend(ruling.computed(findings));
    let shape = |wanted: &[usize]| {
        wanted.iter().map(|c| places.iter().position(|p| p == c)).collect::<Option<Vec<usize>>>()
    };
    if findings[before..].iter().any(|f| f.severity == Severity::Error) {
        return None;
    }
    let mapped = Table {
        name: to.clone(),
        key: shape(&read.key)?,
        primary: read.primary,
        indexes: read
            .indexes
            .iter()
            .filter(|i| ruling.keeps_index(i))
            .filter_map(|i| Some(Index { columns: shape(&i.columns)?, ..i.clone() }))
            .collect(),
        foreign_keys: read
            .foreign_keys
            .iter()
            .filter(|f| ruling.keeps_reference(f, renamed, findings))
            .filter_map(|f| foreign_key(f, &shape(&f.columns)?, renamed))
            .collect(),
        columns,
    };
    findings.extend(naming::same_columns(&mapped, &subject, target));
    match existing {
        Some(existing) => {
            follows.lets_go(&read, existing);
            compare_existing(&mapped, existing, follows, target, findings);
            ruling.collisions(&mapped, existing, findings);
        }
        None => {
            findings.extend(naming::impossible(&mapped, &subject, target));
            lost_defaults(&read, &places, &mapped, source, target, findings);
        }
    }
    if findings[before..].iter().any(|f| f.severity == Severity::Error) {
        return None;
    }
    let rules = ruling.rules;
    let mut map = TableMap::new(Arc::new(read), Arc::new(mapped), places);
    map.stored = source.inspection.stored.get(&table.name).cloned();
    Some(map.turning(turned).taking(taken).ruled(Some(rules)))
}

fn foreign_key(
    key: &ForeignKey,
    columns: &[usize],
    renamed: &BTreeMap<TableName, (TableName, &TableRule)>,
) -> Option<ForeignKey> {
    let (to, rule) = renamed.get(&key.references)?;
    if !key.referenced_columns.iter().all(|c| rule.takes(c)) {
        return None;
    }
    let referenced_columns = key.referenced_columns.iter().map(|c| rule.target_column(c)).collect();
    Some(ForeignKey { columns: columns.to_vec(), references: to.clone(), referenced_columns, ..key.clone() })
}

fn unknown_columns(table: &Table, rule: &TableRule, subject: &str, findings: &mut Vec<Finding>) {
    for name in rule.named_columns().filter(|n| table.column(n).is_none()) {
        let has: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        let message =
            format!("the job names column {name}, which is not there; there are: {}", has.join(", "));
        findings.push(Finding::new(Severity::Error, "TL-PLAN-NO-COLUMN", subject, message));
    }
}

fn missing_column(existing: &Table, name: &str, subject: &str, target: Side<'_>) -> Finding {
    let has: Vec<&str> = existing.columns.iter().map(|c| c.name.as_str()).collect();
    let message = format!(
        "table {} is at {} already and has no column {name}; it has: {}",
        existing.name,
        target.endpoint.name(),
        has.join(", ")
    );
    Finding::new(Severity::Error, "TL-PLAN-COLUMN-MISSING", format!("{subject}.{name}"), message).remedy(
        "add the column there, name it with `rename:`, or leave it out with `columns: { exclude: […] }`",
    )
}

/// A column that only the target's server fills.
fn unwritten(column: &Column, subject: String, target: Side<'_>) -> Finding {
    let (name, at) = (&column.name, target.endpoint.name());
    let leave = "leave it out with `columns: { exclude: […] }`";
    let (message, remedy) = match column.default {
        Some(ColumnDefault::AutoIncrement) => (
            format!("column {name} is GENERATED ALWAYS AS IDENTITY at {at}: its values cannot be changed"),
            format!(
                "{leave}, or let it take values there: ALTER TABLE … ALTER COLUMN {name} SET GENERATED BY DEFAULT"
            ),
        ),
        _ => (format!("column {name} is generated at {at}: it cannot be written"), leave.to_owned()),
    };
    Finding::new(Severity::Error, "TL-PLAN-GENERATED", subject, message).remedy(remedy)
}

fn verdict(
    column: &Column,
    existing: Option<&Column>,
    subject: &str,
    source: Side<'_>,
    target: Side<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Becomes> {
    let name = format!("{subject}.{}", column.name);
    let from = source.endpoint.capabilities().engine;
    match target.endpoint.column_verdict(from, &target.inspection.server, column, existing) {
        Verdict::Exact { .. } => {}
        Verdict::Lossy { native, reason, becomes } => return Some(Becomes { native, reason, becomes }),
        Verdict::Narrow { native, reason } => {
            let message =
                format!("{} would become {native} at {}: {reason}", column.native, target.endpoint.name());
            findings.push(Finding::new(
                Severity::Warning,
                "TL-PLAN-TYPE-NARROW",
                name,
                message + "; values that do not fit are refused one by one",
            ));
        }
        Verdict::Refused { reason } => {
            let message = format!("{} cannot be held at {}: {reason}", column.native, target.endpoint.name());
            findings.push(
                Finding::new(Severity::Error, "TL-PLAN-TYPE-REFUSED", name, message)
                    .remedy("leave the column out with `columns: { exclude: […] }`"),
            );
        }
    }
    None
}

/// A conversion with a loss.
struct Becomes {
    native: String,
    reason: String,
    becomes: Type,
}

/// Whether a conversion with a loss may be.
struct Word {
    /// The user said so.
    allowed: bool,
    two_way: bool,
    key: bool,
}

impl Word {
    /// What the column's values are converted to; a finding either way.
    fn given(
        &self,
        column: &Column,
        to: Becomes,
        subject: &str,
        target: Side<'_>,
        findings: &mut Vec<Finding>,
    ) -> Option<Becomes> {
        let name = format!("{subject}.{}", column.name);
        let becomes = format!(
            "{} would become {} at {}: {}",
            column.native,
            to.native,
            target.endpoint.name(),
            to.reason
        );
        let finding = |severity, message| Finding::new(severity, "TL-PLAN-TYPE-LOSSY", name, message);
        let (message, remedy) = if self.key {
            (
                format!("{becomes}; keys are not converted: two of them could become one"),
                "give the key a type that holds it at the target".to_owned(),
            )
        } else if self.two_way {
            (format!("{becomes}; a two-way job converts nothing with a loss: the two sides could never be equal"), "give both columns types that hold each other's values, or leave the column out with `columns: { exclude: […] }`".to_owned())
        } else if self.allowed {
            findings.push(finding(Severity::Warning, becomes + ", as the job allows"));
            return Some(to);
        } else {
            let conversion = Conversion::of(&column.native, &to.native);
            (
                becomes,
                format!(
                    "allow it in the job by `types: {{ \"{conversion}\": allow }}`, or for this column by `types: {{ {}: allow }}` at its table; or leave the \
                     column out with `columns: {{ exclude: […] }}`",
                    column.name
                ),
            )
        };
        findings.push(finding(Severity::Error, message).remedy(remedy));
        None
    }
}

fn portable_default(column: &Column, source: Side<'_>, target: Side<'_>) -> Option<ColumnDefault> {
    match &column.default {
        Some(ColumnDefault::Expression { .. })
            if source.endpoint.capabilities().engine != target.endpoint.capabilities().engine =>
        {
            None
        }
        other => other.clone(),
    }
}

/// Defaults that a table to be made does not get.
fn lost_defaults(
    read: &Table,
    places: &[usize],
    mapped: &Table,
    source: Side<'_>,
    target: Side<'_>,
    findings: &mut Vec<Finding>,
) {
    let (from, at) = (source.endpoint.capabilities().engine, &target.inspection.server);
    // Those that are computed come behind.
    for (place, column) in mapped.columns.iter().take(places.len()).enumerate() {
        let Some(default) = &read.columns[places[place]].default else { continue };
        if column.default.is_some() && target.endpoint.keeps_default(from, at, mapped, place) {
            continue;
        }
        let said = match default {
            ColumnDefault::Literal(text) => format!("'{text}'"),
            ColumnDefault::Expression { sql, .. } => sql.clone(),
            ColumnDefault::Now => "the present moment".to_owned(),
            ColumnDefault::AutoIncrement => "the next number".to_owned(),
        };
        let name = &read.columns[places[place]].name;
        let message = format!(
            "its default, {said}, does not come along: {} has none that is sure to mean the same",
            target.endpoint.name()
        );
        let severity = if column.nullable { Severity::Note } else { Severity::Warning };
        findings.push(
            Finding::new(severity, "TL-PLAN-DEFAULT", format!("{}.{name}", read.name), message).remedy(
                "rows bring their values along; give the column a default there if others write to the table",
            ),
        );
    }
}

fn compare_existing(
    mapped: &Table,
    existing: &Table,
    follows: &Follows<'_>,
    target: Side<'_>,
    findings: &mut Vec<Finding>,
) {
    let names = |t: &Table| {
        let mut names: Vec<String> = t.key_columns().map(|c| c.name.clone()).collect();
        names.sort();
        names
    };
    let unique = |t: &Table, wanted: &[String]| {
        t.indexes.iter().filter(|i| i.unique).any(|i| {
            let mut names: Vec<String> = i.columns.iter().map(|c| t.columns[*c].name.clone()).collect();
            names.sort();
            names == wanted
        })
    };
    let wanted = names(mapped);
    if !wanted.is_empty() && names(existing) != wanted && !unique(existing, &wanted) {
        let message = format!(
            "at {} its key is ({}), the source's is ({})",
            target.endpoint.name(),
            names(existing).join(", "),
            wanted.join(", ")
        );
        findings.push(
            Finding::new(Severity::Error, "TL-PLAN-KEY-DIFFERS", existing.name.to_string(), message)
                .remedy(format!("make ({}) the primary key or a unique index there", wanted.join(", "))),
        );
    }
    let unfed =
        |c: &&Column| mapped.column(&c.name).is_none() && !c.nullable && c.default.is_none() && !c.generated;
    let needs_value = |c: &&Column| unfed(c) && !follows.freed(&c.name);
    for column in existing.columns.iter().filter(needs_value) {
        let message = format!(
            "at {} it is NOT NULL without a default, and the source has nothing for it",
            target.endpoint.name()
        );
        findings.push(
            Finding::new(
                Severity::Error,
                "TL-PLAN-COLUMN-UNFED",
                format!("{}.{}", existing.name, column.name),
                message,
            )
            .remedy("give it a default or allow NULL there"),
        );
    }
}

fn two_way(
    tables: &[Arc<TableMap>],
    policy: &ConflictPolicy,
    source: &str,
    findings: &mut Vec<Finding>,
) -> TwoWay {
    let mut version = BTreeMap::new();
    for map in tables {
        let columns = |t: &Table| t.columns.iter().map(|c| c.name.clone()).collect::<BTreeSet<_>>();
        if map.source.name != map.target.name || columns(&map.source) != columns(&map.target) {
            let message = format!(
                "{source} and the other side call it or its columns differently ({}); a two-way job needs the same names on both sides",
                map.target.name
            );
            let subject = map.source.name.to_string();
            findings.push(Finding::new(Severity::Error, "TL-PLAN-TWO-WAY-NAMES", subject, message));
        }
        let column = policy.version_for(&map.source.name);
        match column.and_then(|c| map.target.column(c)) {
            Some(place) => {
                version.insert(map.target.name.clone(), place);
            }
            None => {
                let message = format!(
                    "the version column {} is not there, and last_update_wins needs it",
                    column.unwrap_or("(none named)")
                );
                findings.push(Finding::new(Severity::Error, "TL-PLAN-NO-VERSION", map.source.name.to_string(), message).remedy("add the column, or name another with `conflicts: { tables: { …: { version: … } } }`"));
            }
        }
    }
    TwoWay { version, source_first: policy.priority.first().is_none_or(|first| first == source) }
}

#[cfg(test)]
mod tests;
