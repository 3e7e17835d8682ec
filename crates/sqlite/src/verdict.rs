//! What becomes of a source's column here: the types side by side.

use crate::types::{Affinity, FLOAT_DIGITS, declared};
use tidelock_endpoint::{Verdict, holds, made_otherwise};
use tidelock_model::{Column, Type};

/// See `Endpoint::column_verdict`.
pub fn column_verdict(from: &str, column: &Column, existing: Option<&Column>) -> Verdict {
    if let Some(existing) = existing {
        return held_by(&column.data_type, existing);
    }
    if from == "sqlite" {
        return Verdict::Exact { native: column.native.clone() };
    }
    match declared(column) {
        Ok(native) => Verdict::Exact { native },
        Err(reason) => made_otherwise(&column.data_type, reason, |becomes| {
            declared(&Column { data_type: becomes.clone(), ..column.clone() })
        }),
    }
}

fn held_by(from: &Type, existing: &Column) -> Verdict {
    let native = || existing.native.clone();
    let exact = || Verdict::Exact { native: native() };
    let narrow = |reason: &str| Verdict::Narrow { native: native(), reason: reason.to_owned() };
    let numeric = Affinity::of(&existing.native) != Affinity::Text;
    match (from, &existing.data_type) {
        (Type::Int { bits: 64, unsigned: true }, Type::Int { bits: 64, unsigned: false }) => {
            narrow("numbers above 9223372036854775807 are refused")
        }
        (Type::Int { bits, unsigned }, Type::Int { bits: to, unsigned: to_unsigned }) => {
            let fits = bits < to && (*unsigned || !to_unsigned) || bits == to && unsigned == to_unsigned;
            if fits { exact() } else { narrow("numbers outside of its range are refused") }
        }
        (Type::Bool | Type::Year, Type::Int { .. }) => exact(),
        (Type::Int { .. } | Type::Decimal { .. }, Type::Decimal { precision, scale }) => {
            decimal(from, *precision, *scale, numeric).map_or_else(exact, |reason| narrow(&reason))
        }
        (Type::Decimal { .. }, Type::Float64) => Verdict::Lossy {
            native: native(),
            reason: "numbers become the nearest that a float has".into(),
            becomes: Type::Float64,
        },
        (Type::Float32 | Type::Float64, Type::Decimal { .. }) => {
            narrow("NaN, infinities and numbers with more digits than it has are refused")
        }
        (Type::Float32, Type::Float64) => exact(),
        (Type::Float32, Type::Float32) | (Type::Float64, Type::Float64) => exact(),
        (Type::Text { .. } | Type::Enum { .. } | Type::Set { .. }, Type::Text { .. }) => exact(),
        (Type::Uuid | Type::Json | Type::Bits { .. }, Type::Text { .. }) => exact(),
        (Type::Bytes { .. }, Type::Bytes { .. }) | (Type::Bits { .. }, Type::Bits { .. }) => exact(),
        (Type::Date, Type::Date | Type::DateTime { .. }) | (Type::DateTime { .. }, Type::DateTime { .. }) => {
            exact()
        }
        (Type::Timestamp { .. }, Type::Timestamp { .. }) | (Type::Interval, Type::Interval) => exact(),
        (Type::Time { zone, .. }, Type::Time { zone: to, .. }) if zone == to => exact(),
        (Type::Array { .. }, Type::Json) | (Type::Native { .. }, Type::Text { .. }) => {
            holds(from, &existing.data_type).verdict(&existing.native, &existing.data_type)
        }
        (Type::Array { .. } | Type::Geometry | Type::Native { .. }, _) => Verdict::Refused {
            reason: declared(&Column::new("", from.clone(), "")).err().unwrap_or_default(),
        },
        (from, Type::Any) if any_holds(from) => exact(),
        (from, to) if from == to => exact(),
        _ => Verdict::Refused {
            reason: format!("the column is declared {}, which is another kind of value", existing.native),
        },
    }
}

fn decimal(from: &Type, precision: Option<u16>, scale: i16, numeric: bool) -> Option<String> {
    let (digits, point) = match from {
        Type::Int { bits, .. } => (Some((f32::from(*bits) * 0.302).ceil() as u16), 0),
        Type::Decimal { precision, scale } => (*precision, *scale),
        _ => (None, 0),
    };
    let whole = |p: u16, s: i16| i32::from(p) - i32::from(s);
    if let Some(p) = precision {
        let fits = digits.is_some_and(|d| point <= scale && whole(d, point) <= whole(p, scale));
        if !fits {
            return Some("numbers with more digits than it has are refused".into());
        }
    }
    let wide = numeric && !matches!(from, Type::Int { .. }) && digits.is_none_or(|d| d > FLOAT_DIGITS);
    wide.then(|| {
        format!("numbers of more than {FLOAT_DIGITS} digits are refused: SQLite makes floats of them")
    })
}

fn any_holds(from: &Type) -> bool {
    match from {
        Type::Int { bits, unsigned } => !(*bits == 64 && *unsigned),
        Type::Float64 | Type::Text { .. } | Type::Bytes { .. } | Type::Bool | Type::Any => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(from: Type, native: &str) -> Verdict {
        let to = Column::new("c", crate::types::neutral(native).unwrap(), native);
        column_verdict("postgres", &Column::new("c", from, "?"), Some(&to))
    }

    #[test]
    fn what_the_column_may_not_hold_is_not_called_exact() {
        let exact = |v: Verdict| matches!(v, Verdict::Exact { .. });
        let dec = |p, scale| Type::Decimal { precision: Some(p), scale };
        assert!(exact(verdict(dec(10, 2), "NUMERIC(10,2)")) && !exact(verdict(dec(10, 3), "NUMERIC(10,2)")));
        assert!(
            !exact(verdict(dec(20, 2), "NUMERIC(20,2)")) && exact(verdict(dec(20, 2), "DECIMAL_TEXT(20,2)"))
        );
        assert!(exact(verdict(Type::int(32), "INTEGER")) && !exact(verdict(Type::int(64), "INT_32BIT")));
        assert!(matches!(verdict(Type::Date, "INTEGER"), Verdict::Refused { .. }));
        assert!(matches!(verdict(Type::Geometry, "BLOB"), Verdict::Refused { .. }));
    }
}
