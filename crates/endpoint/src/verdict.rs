use serde::Serialize;
use tidelock_model::Type;

/// What becomes of a column's values at another endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Every value arrives as it is; what the other engine has no place for (infinite dates, NaN, …) is refused when it comes.
    Exact {
        /// The type that holds it there, as that engine spells it.
        native: String,
    },
    /// As `Exact`, but the column there is narrower: ordinary values may be refused when they come.
    Narrow {
        /// The type that holds it there.
        native: String,
        /// Which values.
        reason: String,
    },
    /// Values would change; needs the user's word.
    Lossy {
        /// The type that would hold it.
        native: String,
        /// What would change.
        reason: String,
        /// What the values are converted to, see [`tidelock_model::converted`].
        #[serde(skip)]
        becomes: Type,
    },
    /// It cannot be held.
    Refused {
        /// Why not.
        reason: String,
    },
}

/// How a column of one neutral type takes the values of another, wherever both are: what the engines share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// All of them.
    All,
    /// Some, and refuses the others: which.
    Some(&'static str),
    /// When they are converted: what is lost.
    Converted(&'static str),
    /// None.
    None,
}

impl Holds {
    /// As the verdict on a column that is there.
    pub fn verdict(self, native: &str, existing: &Type) -> Verdict {
        let native = native.to_owned();
        match self {
            Holds::All => Verdict::Exact { native },
            Holds::Some(reason) => Verdict::Narrow { native, reason: reason.to_owned() },
            Holds::Converted(reason) => {
                Verdict::Lossy { native, reason: reason.to_owned(), becomes: existing.clone() }
            }
            Holds::None => Verdict::Refused { reason: format!("there is no conversion to {native}") },
        }
    }
}

/// The verdict on a column to be made whose type the engine does not have, for `reason`: what it could be made as after a conversion, where there is anything.
/// `native` spells the type made for a neutral one.
pub fn made_otherwise(
    source: &Type,
    reason: String,
    native: impl FnOnce(&Type) -> Result<String, String>,
) -> Verdict {
    let becomes = match source {
        Type::Array { .. } => Type::Json,
        Type::Decimal { .. }
        | Type::Interval
        | Type::Time { .. }
        | Type::Bits { .. }
        | Type::Any
        | Type::Native { .. } => Type::text(),
        _ => return Verdict::Refused { reason },
    };
    match native(&becomes) {
        Ok(native) => Verdict::Lossy { native, reason, becomes },
        Err(_) => Verdict::Refused { reason },
    }
}

const LONGER: &str = "longer values are refused";
const OTHER_LENGTH: &str = "values of another length are refused";
const LARGER: &str = "values outside of its range are refused";
const LABELS: &str = "other labels are refused";
const SET_LABELS: &str = "other labels, and labels in another order or twice, are refused";
const DIGITS: &str = "digits behind its last one are rounded away";
const NEAREST: &str = "numbers become the nearest that it has";
const ZONE: &str = "it holds no zone: instants are written in UTC and read back without one";

fn when(all: bool, reason: &'static str) -> Holds {
    if all { Holds::All } else { Holds::Some(reason) }
}

fn rounded(all: bool) -> Holds {
    if all { Holds::All } else { Holds::Converted(DIGITS) }
}

/// Whether all of `labels` are among `others`, in the same order: a SET gives them back in its own.
fn in_order(labels: &[String], others: &[String]) -> bool {
    let mut others = others.iter();
    labels.iter().all(|label| others.any(|other| other == label))
}

/// Most digits of a whole number of so many bits.
fn digits(bits: u8) -> i32 {
    [3, 5, 8, 10, 20][usize::from(bits.div_ceil(8).clamp(1, 5)) - 1]
}

/// Whether a column of type `existing` holds the values of type `source`, but as values of its own kind: `0.1` of single precision as the double that is the same number, JSON as
/// its text. They are turned into those on their way, so that both sides compare as equal.
pub fn respelled(source: &Type, existing: &Type) -> bool {
    matches!((source, existing), (Type::Float32, Type::Float64) | (Type::Json, Type::Text { .. }))
}

/// Whether a column of type `existing` takes all values of type `source`. An engine says first where it differs.
pub fn holds(source: &Type, existing: &Type) -> Holds {
    use Type::{
        Any, Array, Bits, Bool, Bytes, Date, DateTime, Decimal, Enum, Float32, Float64, Int, Interval, Json,
        Native, Set, Text, Time, Timestamp, Uuid, Year,
    };
    let fits = |n: &Option<u32>, m: &Option<u32>| m.is_none_or(|m| n.is_some_and(|n| n <= m));
    match (source, existing) {
        (a, b) if a == b => Holds::All,
        (Bool, Int { .. }) => Holds::All,
        (Int { .. }, Bool) => Holds::Some("numbers other than 0 and 1 are refused"),
        (Int { bits: a, unsigned: u }, Int { bits: b, unsigned: v }) => {
            when(if u == v { a <= b } else { *u && a < b }, LARGER)
        }
        (Int { .. } | Decimal { .. } | Year, Decimal { precision: None, .. }) => Holds::All,
        (Int { bits, .. }, Decimal { precision: Some(p), scale }) => {
            when(i32::from(*p) - i32::from(*scale) >= digits(*bits), LARGER)
        }
        (Int { bits, .. }, Float64) if *bits <= 32 => Holds::All,
        (Int { bits, .. }, Float32) if *bits <= 24 => Holds::All,
        (Int { .. } | Decimal { .. }, Float32 | Float64) => Holds::Converted(NEAREST),
        (Year, Int { bits, .. }) => when(*bits >= 16, LARGER),
        (Int { .. }, Year) => Holds::Some(LARGER),
        (Decimal { .. }, Int { .. }) => {
            Holds::Some("numbers that are not whole, or outside of its range, are refused")
        }
        (Decimal { precision: Some(p), scale: s }, Decimal { precision: Some(q), scale: t }) if s <= t => {
            when(i32::from(*p) - i32::from(*s) <= i32::from(*q) - i32::from(*t), LARGER)
        }
        (Decimal { .. }, Decimal { .. }) => Holds::Converted(DIGITS),
        (Float32, Float64) => Holds::All,
        (Float64, Float32) => Holds::Converted(NEAREST),
        (Float32 | Float64, Decimal { precision: None, .. }) => Holds::All,
        (Float32 | Float64, Decimal { .. }) => Holds::Converted(DIGITS),
        (Text { fixed: false, .. }, Text { fixed: true, .. }) => {
            Holds::Some("longer texts and texts with trailing blanks are refused")
        }
        (Text { length: n, .. }, Text { length: m, .. }) => when(fits(n, m), LONGER),
        (Enum { labels }, Text { length, fixed: false }) => {
            let longest = labels.iter().map(|l| l.chars().count() as u32).max().unwrap_or(0);
            when(length.is_none_or(|n| longest <= n), LONGER)
        }
        (Enum { .. } | Set { .. }, Text { length, .. }) => when(length.is_none(), LONGER),
        (Enum { labels: a }, Enum { labels: b }) => when(a.iter().all(|l| b.contains(l)), LABELS),
        (Set { labels: a }, Set { labels: b }) => when(in_order(a, b), SET_LABELS),
        (Text { .. }, Enum { .. }) => Holds::Some(LABELS),
        (Text { .. }, Set { .. }) => Holds::Some(SET_LABELS),
        (Uuid, Text { length, .. }) => when(length.is_none_or(|n| n >= 36), LONGER),
        (Text { .. }, Uuid) => {
            Holds::Some("what is no UUID, or not written in small letters and groups, is refused")
        }
        (Bytes { length: n, fixed: f }, Bytes { length: m, fixed: g }) => {
            when(fits(n, m) && (!g || *f && n == m), OTHER_LENGTH)
        }
        (Bits { length: n, .. }, Bits { length: m, varying: true }) => when(fits(n, m), LONGER),
        (Bits { .. }, Bits { .. }) => Holds::Some(OTHER_LENGTH),
        (Date, DateTime { .. }) => Holds::All,
        (DateTime { .. }, Date) => Holds::Converted("the time of day is lost"),
        (DateTime { fraction: f }, DateTime { fraction: g })
        | (Timestamp { fraction: f }, Timestamp { fraction: g }) => rounded(f <= g),
        (Timestamp { .. }, DateTime { .. }) => Holds::Converted(ZONE),
        (Time { fraction: f, zone: y }, Time { fraction: g, zone: z }) if y == z => rounded(f <= g),
        (Json, Text { length: None, fixed: false }) => Holds::All,
        // Single elements are not converted.
        (Array { element: a }, Array { element: b }) if respelled(a, b) => Holds::None,
        (Array { element: a }, Array { element: b }) => match holds(a, b) {
            Holds::Converted(_) => Holds::None,
            other => other,
        },
        (Array { .. }, Json) => Holds::Converted(
            "it becomes an array of JSON: lower bounds are lost, and what is no number becomes text",
        ),
        (
            Any | Decimal { .. } | Interval | Bits { .. } | Time { .. } | Native { .. },
            Text { length: None, fixed: false },
        ) => Holds::Converted("it becomes a text"),
        _ => Holds::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_takes_all_some_converted_or_none() {
        let decimal = |p, scale| Type::Decimal { precision: Some(p), scale };
        let text = |n| Type::Text { length: Some(n), fixed: false };
        for (source, existing) in [
            (Type::int(32), Type::int(64)),
            (Type::int(32), Type::Float64),
            (decimal(10, 2), decimal(12, 2)),
            (text(9), Type::text()),
            (Type::Json, Type::text()),
        ] {
            assert_eq!(holds(&source, &existing), Holds::All, "{source:?} in {existing:?}");
        }
        for (source, existing) in [
            (Type::int(64), Type::int(32)),
            (decimal(10, 2), decimal(8, 2)),
            (text(9), text(8)),
            (decimal(10, 2), Type::int(64)),
        ] {
            assert!(matches!(holds(&source, &existing), Holds::Some(_)), "{source:?} in {existing:?}");
        }
        for (source, existing) in [
            (Type::int(64), Type::Float64),
            (decimal(10, 2), Type::Float64),
            (decimal(10, 2), decimal(12, 1)),
            (Type::Timestamp { fraction: 6 }, Type::DateTime { fraction: 6 }),
            (Type::Interval, Type::text()),
        ] {
            assert!(matches!(holds(&source, &existing), Holds::Converted(_)), "{source:?} in {existing:?}");
        }
        let set = |labels: &[&str]| Type::Set { labels: labels.iter().map(|l| (*l).to_owned()).collect() };
        assert_eq!(holds(&set(&["a", "c"]), &set(&["a", "b", "c"])), Holds::All);
        for other in [&["b", "a"][..], &["a"]] {
            assert_eq!(holds(&set(&["a", "b"]), &set(other)), Holds::Some(SET_LABELS), "{other:?}");
        }
        assert_eq!(holds(&Type::Date, &Type::Bool), Holds::None);
        assert_eq!(holds(&Type::text(), &Type::int(8)), Holds::None);
    }
}
