//! Two sides changed one row: which one stays.
//!
//! Every two-way change is held against the row that the target has now. If that is the row which the source saw before its change, nobody was
//! in between. If not, two sides changed one row, and the decision must be the same on both ends, whichever sees it first:
//!
//! * two rows: the greater version stays; equal versions: the endpoint that comes first in `priority`;
//! * a row and a delete: the row stays (a delete has no version of its own; a row lost cannot be got back, a row too many can be deleted again). This is decided
//!   where the row is. Where it is gone nobody can tell which row was deleted, perhaps a newer one; so that end waits for what the other end makes of the
//!   delete, and takes it over.
//!
//! Invariant: `resolve` looks only at the two rows and the policy, so that both ends pick the same winner without talking to each other.

use std::cmp::Ordering;
use tidelock_model::{Date, DateTime, Decimal, Timestamp, Value, canonical_value, day_and_clock};

/// What the source did.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The row that the source saw before its change is the one that the target has now: nobody was in between.
    pub uncrossed: bool,
    /// The row was made by this change.
    pub inserted: bool,
    /// The version of the row after the change; `None` for a delete.
    pub after: Option<Value<'a>>,
}

/// The names that PostgreSQL 18 gives to conflicts (29.8 *Conflicts*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Both sides made the row.
    InsertExists,
    /// Both sides changed the row.
    UpdateOriginDiffers,
    /// One side changed the row, the other deleted it; seen where it is gone.
    UpdateMissing,
    /// One side deleted the row, the other changed it; seen where it changed.
    DeleteOriginDiffers,
}

/// What is done with an incoming change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Write it; nobody was in between.
    Apply,
    /// There is nothing to do.
    Nothing,
    /// Two sides changed the row; the incoming change wins.
    Incoming(Conflict, Rule),
    /// Two sides changed the row; the row at the target stays.
    Current(Conflict, Rule),
    /// It is gone here: what the source makes of that decides.
    AskSource,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The greater version.
    LastUpdateWins,
    /// Equal versions: the order of `priority`.
    Priority,
    /// A row stays against a delete.
    UpdateBeatsDelete,
}

impl Conflict {
    /// As the log and the command line write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Conflict::InsertExists => "insert_exists",
            Conflict::UpdateOriginDiffers => "update_origin_differs",
            Conflict::UpdateMissing => "update_missing",
            Conflict::DeleteOriginDiffers => "delete_origin_differs",
        }
    }
}

impl Rule {
    /// As the log and the command line write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::LastUpdateWins => "last_update_wins",
            Rule::Priority => "priority",
            Rule::UpdateBeatsDelete => "update_beats_delete",
        }
    }
}

/// Decides over one row. `current` is the version of the target's row, outer `None` when there is no row; `source_first`: the source comes
/// before the target in `priority`.
pub fn resolve(incoming: &Incoming<'_>, current: Option<Value<'_>>, source_first: bool) -> Resolution {
    let (Some(after), Some(current)) = (incoming.after, current) else {
        return match (incoming.after, current) {
            (None, None) => Resolution::Nothing,
            (Some(_), None) if incoming.inserted => Resolution::Apply,
            (Some(_), None) => Resolution::AskSource,
            (None, Some(_)) if incoming.uncrossed => Resolution::Apply,
            (None, _) => Resolution::Current(Conflict::DeleteOriginDiffers, Rule::UpdateBeatsDelete),
            (Some(_), Some(_)) => unreachable!("taken by the pattern above"),
        };
    };
    if incoming.uncrossed {
        return Resolution::Apply;
    }
    let conflict = if incoming.inserted { Conflict::InsertExists } else { Conflict::UpdateOriginDiffers };
    match compare(&after, &current) {
        Ordering::Greater => Resolution::Incoming(conflict, Rule::LastUpdateWins),
        Ordering::Less => Resolution::Current(conflict, Rule::LastUpdateWins),
        Ordering::Equal if source_first => Resolution::Incoming(conflict, Rule::Priority),
        Ordering::Equal => Resolution::Current(conflict, Rule::Priority),
    }
}

/// A total order of versions: NULL first; numbers by value; dates and times by time (a civil time against an instant as if in UTC); all else by its
/// canonical bytes, which is at least the same at both ends.
pub fn compare(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    if let (Some(x), Some(y)) = (moment(a), moment(b)) {
        return x.cmp(&y);
    }
    if let (Some(x), Some(y)) = (number(a), number(b))
        && let (Some(x), Some(y)) = (Decimal::parse(&x), Decimal::parse(&y))
    {
        return x.compare(y);
    }
    if let (Value::Text(x), Value::Text(y)) = (a, b) {
        return x.cmp(y);
    }
    let (mut x, mut y) = (Vec::new(), Vec::new());
    canonical_value(a, &mut x);
    canonical_value(b, &mut y);
    x.cmp(&y)
}

/// The day and the time of day.
fn moment(value: &Value<'_>) -> Option<(i64, i64)> {
    match value {
        Value::Date(Date::Day(days)) => Some((i64::from(*days), 0)),
        Value::DateTime(DateTime::Micros(micros)) | Value::Timestamp(Timestamp::Micros(micros)) => {
            Some(day_and_clock(*micros))
        }
        _ => None,
    }
}

fn number(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Int(i) => Some(i.to_string()),
        Value::UInt(u) => Some(u.to_string()),
        Value::Decimal(d) => Some(d.as_str().to_owned()),
        Value::Float64(f) => Some(f.to_string()),
        Value::Float32(f) => Some(f.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(uncrossed: bool, after: i64) -> Incoming<'static> {
        Incoming { uncrossed, inserted: false, after: Some(Value::Int(after)) }
    }

    /// What both ends have in the end when each made its change at the same time and sees the other's.
    fn converge(a: Option<i64>, b: Option<i64>, was: Option<i64>) -> (Option<i64>, Option<i64>) {
        let change = |to: Option<i64>| Incoming {
            uncrossed: false,
            inserted: was.is_none(),
            after: to.map(Value::Int),
        };
        let end = |incoming: Option<i64>, current: Option<i64>, source_first| match resolve(
            &change(incoming),
            current.map(Value::Int),
            source_first,
        ) {
            Resolution::Apply | Resolution::Incoming(..) => incoming,
            Resolution::Nothing | Resolution::Current(..) => current,
            Resolution::AskSource => match resolve(&change(current), incoming.map(Value::Int), !source_first)
            {
                Resolution::Current(..) => incoming,
                other => panic!("{other:?}"),
            },
        };
        (end(b, a, false), end(a, b, true))
    }

    #[test]
    fn both_ends_pick_the_same_winner() {
        for was in [None, Some(5)] {
            for a in [None, Some(4), Some(6), Some(7)] {
                for b in [None, Some(4), Some(6), Some(7)] {
                    if was.is_none() && (a.is_none() || b.is_none()) {
                        continue;
                    }
                    let (left, right) = converge(a, b, was);
                    assert_eq!(left, right, "{was:?} → {a:?} and {b:?}");
                }
            }
        }
    }

    #[test]
    fn a_change_that_nobody_crossed_is_no_conflict() {
        assert_eq!(resolve(&update(true, 6), Some(Value::Int(5)), false), Resolution::Apply);
        assert_eq!(resolve(&update(true, 4), Some(Value::Int(5)), false), Resolution::Apply);
    }

    #[test]
    fn changes_that_crossed_with_equal_versions_go_by_priority() {
        let crossed = update(false, 5);
        let (here, there) = (Some(Value::Int(5)), Some(Value::Int(5)));
        assert!(matches!(resolve(&crossed, here, true), Resolution::Incoming(_, Rule::Priority)));
        assert!(matches!(resolve(&crossed, there, false), Resolution::Current(_, Rule::Priority)));
    }

    #[test]
    fn versions_compare_across_the_types_of_two_engines() {
        let text = Value::Timestamp(Timestamp::Micros(1_000_000));
        assert_eq!(compare(&text, &Value::DateTime(DateTime::Micros(1_000_000))), Ordering::Equal);
        assert_eq!(compare(&Value::Int(2), &Value::Decimal(Decimal::parse("10.0").unwrap())), Ordering::Less);
        assert_eq!(compare(&Value::Null, &Value::Int(i64::MIN)), Ordering::Less);
    }
}
