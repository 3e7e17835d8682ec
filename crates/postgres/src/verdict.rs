//! Neutral types → what holds them here: in a column to be made, and in one that is there.

use crate::ENGINE;
use tidelock_endpoint::Verdict;
use tidelock_model::{Column, Type};

/// The type that holds the source column in a new table.
pub(crate) fn made(from: &str, column: &Column) -> Result<String, String> {
    if from == ENGINE { Ok(column.native.clone()) } else { native(&column.data_type) }
}

fn native(data_type: &Type) -> Result<String, String> {
    Ok(match data_type {
        Type::Bool => "boolean".into(),
        Type::Int { bits, unsigned } => match (bits, unsigned) {
            (0..=16, false) | (0..=8, true) => "smallint".into(),
            (17..=32, false) | (9..=24, true) => "integer".into(),
            (_, false) | (25..=32, true) => "bigint".into(),
            (_, true) => "numeric(20,0)".into(),
        },
        Type::Decimal { precision: Some(p), scale } if *p <= 1000 => format!("numeric({p},{scale})"),
        Type::Decimal { .. } => "numeric".into(),
        Type::Float32 => "real".into(),
        Type::Float64 => "double precision".into(),
        // The limits of a char or varchar; longer ones are texts.
        Type::Text { length: Some(n), fixed: true } if (1..=10_485_760).contains(n) => {
            format!("character({n})")
        }
        Type::Text { length: Some(n), .. } if (1..=10_485_760).contains(n) => {
            format!("character varying({n})")
        }
        Type::Text { .. } | Type::Set { .. } | Type::Enum { .. } => "text".into(),
        Type::Bytes { .. } => "bytea".into(),
        Type::Bits { length, varying } => {
            let name = if *varying { "bit varying" } else { "bit" };
            length.filter(|n| *n > 0).map_or_else(|| "bit varying".to_owned(), |n| format!("{name}({n})"))
        }
        Type::Date => "date".into(),
        Type::Time { fraction, zone: false } => format!("time({fraction})"),
        Type::Time { fraction, zone: true } => format!("time({fraction}) with time zone"),
        Type::DateTime { fraction } => format!("timestamp({fraction})"),
        Type::Timestamp { fraction } => format!("timestamp({fraction}) with time zone"),
        Type::Interval => "interval".into(),
        Type::Uuid => "uuid".into(),
        Type::Json => "jsonb".into(),
        Type::Year => "smallint".into(),
        Type::Array { element } => format!("{}[]", native(element)?),
        Type::Geometry => return Err("geometries need PostGIS, which is not supported".into()),
        Type::Any => {
            return Err(
                "a column of any type has no counterpart in PostgreSQL; give it a type at the source".into(),
            );
        }
        Type::Native { engine, name } => {
            return Err(format!("{engine}'s {name} has no counterpart in PostgreSQL"));
        }
    })
}

/// What becomes of the column's values: in a new table, or in the column that is there.
pub(crate) fn verdict(from: &str, column: &Column, existing: Option<&Column>) -> Verdict {
    let Some(existing) = existing else {
        return match made(from, column) {
            Err(reason) => Verdict::Refused { reason },
            Ok(native) => Verdict::Exact { native },
        };
    };
    let native = existing.native.clone();
    if from == ENGINE && normalised(&column.native, &native) {
        let reason = "jsonb keeps neither blanks, the order of names, nor names that come twice";
        return Verdict::Lossy { native, reason: reason.into() };
    }
    match holds(&column.data_type, &existing.data_type) {
        Holds::All => Verdict::Exact { native },
        Holds::Some(reason) => Verdict::Lossy { native, reason: reason.into() },
        Holds::None => Verdict::Refused { reason: format!("there is no exact conversion to {native}") },
    }
}

/// The same neutral type, and yet the server writes the value anew.
fn normalised(source: &str, existing: &str) -> bool {
    matches!((source, existing), ("json", "jsonb") | ("json[]", "jsonb[]"))
}

enum Holds {
    All,
    Some(&'static str),
    None,
}

fn when(all: bool, reason: &'static str) -> Holds {
    if all { Holds::All } else { Holds::Some(reason) }
}

const LONGER: &str = "longer values are refused";
const LARGER: &str = "values outside of its range are refused";
const FINER: &str = "values with more digits are refused";
const LABELS: &str = "other labels are refused";

fn holds(source: &Type, existing: &Type) -> Holds {
    use Type::{
        Array, Bits, Bool, Bytes, Date, DateTime, Decimal, Enum, Float32, Float64, Int, Json, Set, Text,
        Time, Timestamp, Uuid, Year,
    };
    let fits = |n: &Option<u32>, m: &Option<u32>| m.is_none_or(|m| n.is_some_and(|n| n <= m));
    match (source, existing) {
        (a, b) if a == b => Holds::All,
        (Bool, Int { .. }) => Holds::All,
        (Int { .. }, Bool) => Holds::Some("numbers other than 0 and 1 are refused"),
        (Int { bits: a, unsigned: u }, Int { bits: b, unsigned: v }) => {
            when(if u == v { a <= b } else { *u && a < b }, LARGER)
        }
        (Int { .. } | Decimal { .. } | Float32 | Float64 | Year, Decimal { precision: None, .. }) => {
            Holds::All
        }
        (Int { bits, .. }, Decimal { precision: Some(p), scale }) => {
            let digits = [3, 5, 8, 10, 20][usize::from(bits.div_ceil(8).clamp(1, 5)) - 1];
            when(i32::from(*p) - i32::from(*scale) >= digits, LARGER)
        }
        (Int { bits, .. }, Float64) => when(*bits <= 32, LARGER),
        (Int { bits, .. }, Float32) => when(*bits <= 16, LARGER),
        (Year, Int { bits, .. }) => when(*bits >= 16, LARGER),
        (Decimal { .. }, Int { .. } | Float32 | Float64) => Holds::Some(LARGER),
        (Decimal { precision: Some(p), scale: s }, Decimal { precision: Some(q), scale: t }) => {
            when(s <= t && i32::from(*p) - i32::from(*s) <= i32::from(*q) - i32::from(*t), FINER)
        }
        (Decimal { .. }, Decimal { .. }) => Holds::Some(FINER),
        (Float32, Float64) => Holds::All,
        (Float64, Float32) | (Float32 | Float64, Decimal { .. }) => Holds::Some(FINER),
        (Text { fixed: false, .. }, Text { fixed: true, .. }) => {
            Holds::Some("longer texts and texts with trailing blanks are refused")
        }
        (Text { length: n, .. }, Text { length: m, .. }) => when(fits(n, m), LONGER),
        (Enum { labels }, Text { length, fixed: false }) => {
            let longest = labels.iter().map(|l| l.chars().count() as u32).max().unwrap_or(0);
            when(length.is_none_or(|n| longest <= n), LONGER)
        }
        (Set { .. }, Text { length, fixed: false }) => when(length.is_none(), LONGER),
        (Enum { labels: a }, Enum { labels: b }) => when(a.iter().all(|l| b.contains(l)), LABELS),
        (Text { .. }, Enum { .. }) => Holds::Some(LABELS),
        (Uuid, Text { length, .. }) => when(length.is_none_or(|n| n >= 36), LONGER),
        (Text { .. }, Uuid) => Holds::Some("what is no UUID is refused"),
        (Bytes { .. }, Bytes { .. }) => Holds::All,
        (Bits { length: n, .. }, Bits { length: m, varying: true }) => when(fits(n, m), LONGER),
        (Bits { .. }, Bits { .. }) => Holds::Some("values of another length are refused"),
        (Date, DateTime { .. }) => Holds::All,
        (DateTime { fraction: f }, DateTime { fraction: g }) => when(f <= g, FINER),
        (Timestamp { fraction: f }, Timestamp { fraction: g }) => when(f <= g, FINER),
        (Timestamp { .. }, DateTime { .. }) => {
            Holds::Some("it holds no zone: instants are kept in UTC and read back without one")
        }
        (Time { fraction: f, zone: y }, Time { fraction: g, zone: z }) if y == z => when(f <= g, FINER),
        (Json, Text { length: None, fixed: false }) => Holds::Some("it is kept as a text"),
        (Array { element: a }, Array { element: b }) => holds(a, b),
        _ => Holds::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_of(data_type: Type) -> Result<String, String> {
        made("mysql", &Column::new("c", data_type, "x"))
    }

    #[test]
    fn new_columns_hold_everything_their_type_allows() {
        assert_eq!(made_of(Type::Int { bits: 64, unsigned: true }).unwrap(), "numeric(20,0)");
        assert_eq!(made_of(Type::Int { bits: 24, unsigned: true }).unwrap(), "integer");
        assert_eq!(made_of(Type::Int { bits: 8, unsigned: true }).unwrap(), "smallint");
        assert_eq!(made_of(Type::Text { length: Some(20), fixed: false }).unwrap(), "character varying(20)");
        assert_eq!(made_of(Type::Timestamp { fraction: 0 }).unwrap(), "timestamp(0) with time zone");
        assert_eq!(made_of(Type::Array { element: Box::new(Type::int(32)) }).unwrap(), "integer[]");
        assert!(made_of(Type::Any).is_err() && made_of(Type::Geometry).is_err());
        let own = made(ENGINE, &Column::new("c", Type::Interval, "interval day to second")).unwrap();
        assert_eq!(own, "interval day to second");
    }

    #[test]
    fn json_becomes_jsonb_with_a_loss_and_back_without() {
        let to = |from: &str, there: &str| {
            verdict(ENGINE, &Column::new("c", Type::Json, from), Some(&Column::new("c", Type::Json, there)))
        };
        assert!(matches!(to("json", "jsonb"), Verdict::Lossy { .. }));
        assert!(matches!(to("jsonb", "json"), Verdict::Exact { .. }));
        assert!(matches!(to("json", "json"), Verdict::Exact { .. }));
    }

    #[test]
    fn a_column_that_is_there_is_exact_lossy_or_refused() {
        let to = |existing: Type| {
            let source = Column::new("c", Type::int(32), "int");
            verdict("mysql", &source, Some(&Column::new("c", existing, "there")))
        };
        assert!(matches!(to(Type::int(64)), Verdict::Exact { .. }));
        assert!(matches!(to(Type::int(16)), Verdict::Lossy { .. }));
        assert!(matches!(to(Type::text()), Verdict::Refused { .. }));
    }
}
