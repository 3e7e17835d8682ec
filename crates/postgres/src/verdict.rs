//! Neutral types → what holds them here: in a column to be made, and in one that is there.

use crate::ENGINE;
use tidelock_endpoint::{Holds, Verdict, holds, made_otherwise};
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
            return Err("a column of any type has no counterpart here; give it a type at the source".into());
        }
        Type::Native { engine, .. } => return Err(format!("only {engine} knows this type")),
    })
}

/// `interval(0)`, `interval day to minute`; also as an array.
fn limited_interval(native: &str) -> bool {
    native.strip_prefix("interval").is_some_and(|rest| !rest.trim_end_matches("[]").is_empty())
}

/// What becomes of the column's values: in a new table, or in the column that is there.
pub(crate) fn verdict(from: &str, column: &Column, existing: Option<&Column>) -> Verdict {
    let Some(existing) = existing else {
        return match made(from, column) {
            Err(reason) => made_otherwise(&column.data_type, reason, native),
            Ok(native) => Verdict::Exact { native },
        };
    };
    let held = match (column.native.as_str(), existing.native.as_str()) {
        ("json", "jsonb") | ("json[]", "jsonb[]") if from == ENGINE => Holds::Some(
            "jsonb keeps neither blanks nor the order of names, and texts in which a name comes twice are refused",
        ),
        // The server rounds and cuts values to such a column's fields without a word.
        (source, there) if limited_interval(there) && source != there => {
            return Verdict::Refused {
                reason: format!("{there} rounds, or cuts off, what it has no field for"),
            };
        }
        _ => holds(&column.data_type, &existing.data_type),
    };
    held.verdict(&existing.native, &existing.data_type)
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
    fn json_becomes_jsonb_with_a_word_and_back_without() {
        let to = |from: &str, there: &str| {
            verdict(ENGINE, &Column::new("c", Type::Json, from), Some(&Column::new("c", Type::Json, there)))
        };
        assert!(matches!(to("json", "jsonb"), Verdict::Narrow { .. }));
        assert!(matches!(to("jsonb", "json"), Verdict::Exact { .. }));
        assert!(matches!(to("json", "json"), Verdict::Exact { .. }));
    }

    #[test]
    fn an_interval_of_fewer_fields_takes_only_its_like() {
        let to = |from: &str, there: &str| {
            let column = |native| Column::new("c", Type::Interval, native);
            verdict(ENGINE, &column(from), Some(&column(there)))
        };
        assert!(matches!(to("interval", "interval(0)"), Verdict::Refused { .. }));
        assert!(matches!(to("interval day to second", "interval day"), Verdict::Refused { .. }));
        assert!(matches!(to("interval(3)", "interval(3)"), Verdict::Exact { .. }));
        assert!(matches!(to("interval(3)", "interval"), Verdict::Exact { .. }));
    }

    #[test]
    fn a_column_that_is_there_is_exact_lossy_or_refused() {
        let to = |existing: Type| {
            let source = Column::new("c", Type::int(32), "int");
            verdict("mysql", &source, Some(&Column::new("c", existing, "there")))
        };
        assert!(matches!(to(Type::int(64)), Verdict::Exact { .. }));
        assert!(matches!(to(Type::int(16)), Verdict::Narrow { .. }));
        assert!(matches!(to(Type::Float32), Verdict::Lossy { becomes: Type::Float32, .. }));
        assert!(matches!(to(Type::text()), Verdict::Refused { .. }));
    }
}
