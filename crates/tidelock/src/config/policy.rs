//! How a two-way job decides: what the schema cannot say.

use super::Path;
use super::build::Judge;
use super::fault::nearest;
use super::file::{Conflicts, Resolve};
use super::selection::names;
use std::collections::{BTreeMap, BTreeSet};
use tidelock_sync::job::{ConflictPolicy, TableSelection};

/// The policy of the job at `at`; of one that is not `whole`, nothing is said to be missing.
pub fn conflicts(
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
    let at = at.key("priority");
    let found: Vec<String> = (0..priority.len()).map(|place| judge.shown(&at.item(place))).collect();
    judge.refuse(
        "TL-CFG-VALUE",
        &at,
        format!("found [{}]", found.join(", ")),
        format!("{} and {}, each once, the stronger first", own[0], own[1]),
    );
    own
}
