//! `where`, `mask` and `compute`: what the schema cannot say. Whether the columns are there, and of the right types, shows when the endpoints are looked at.

use super::Path;
use super::build::Judge;
use super::file::{Mask as Raw, MaskDetails, MaskWord};
use super::selection::not_empty;
use std::collections::BTreeMap;
use tidelock_sync::expression::misspelt;
use tidelock_sync::job::TableRule;
use tidelock_sync::mask::{Mask, Salt};

/// The masks of the table at `at`; faulty ones are left out.
pub fn masks(raw: BTreeMap<String, Raw>, at: &Path, judge: &mut Judge<'_>) -> BTreeMap<String, Mask> {
    let at = at.key("mask");
    raw.into_iter()
        .filter_map(|(column, raw)| Some((column.clone(), mask(raw, &at.key(&column), judge)?)))
        .collect()
}

fn mask(raw: Raw, at: &Path, judge: &mut Judge<'_>) -> Option<Mask> {
    let MaskDetails { sha256, partial, fixed } = match raw {
        Raw::Word(MaskWord::Sha256) => return Some(Mask::Sha256(Salt::default())),
        Raw::Word(MaskWord::Null) => return Some(Mask::Null),
        Raw::Detailed(details) => details,
    };
    if sha256.as_ref().is_some_and(|s| s.salt.is_empty()) {
        judge.refuse(
            "TL-CFG-VALUE",
            &at.key("sha256").key("salt"),
            "the salt is empty",
            "a text, or plain `sha256`",
        );
        return None;
    }
    let mut given: Vec<Mask> = sha256.map(|s| Mask::Sha256(Salt::new(s.salt))).into_iter().collect();
    given.extend(partial.map(|p| Mask::Partial(p.keep)));
    given.extend(fixed.map(Mask::Fixed));
    if given.len() == 1 {
        return given.pop();
    }
    let found = if given.is_empty() { "no mask is named" } else { "several masks for one column" };
    judge.refuse("TL-CFG-CONFLICT", at, found, "one of sha256, partial and fixed");
    None
}

/// Refuses expressions that cannot be read.
pub fn expressions(rule: &TableRule, at: &Path, judge: &mut Judge<'_>) {
    let mut read = |text: &str, at: &Path, such_as: &str| {
        if let Some(fault) = misspelt(text) {
            let message = format!("{} is no expression: {fault}", judge.shown(at));
            judge.refuse(
                "TL-CFG-EXPRESSION",
                at,
                message,
                format!("an expression in CEL, such as {such_as}"),
            );
        }
    };
    if let Some(filter) = &rule.filter {
        read(filter, &at.key("where"), "\"amount > 0\"");
    }
    let at = at.key("compute");
    for (name, text) in &rule.compute {
        read(text, &at.key(name), "\"first + ' ' + last\"");
    }
    for name in rule.compute.keys() {
        not_empty(name, &at.key(name), judge);
    }
}

/// Refuses masks of columns that are not there to be masked.
pub fn masked_columns(rule: &TableRule, at: &Path, judge: &mut Judge<'_>) {
    for column in rule.mask.keys().filter(|c| !rule.takes(c)) {
        let message = format!("column {column} is masked, but does not take part");
        judge.refuse(
            "TL-CFG-CONFLICT",
            &at.key("mask").key(column),
            message,
            "a column that `columns` takes",
        );
    }
}

#[cfg(test)]
mod tests;
