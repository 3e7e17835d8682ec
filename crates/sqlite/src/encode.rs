//! A neutral value → what is bound to a statement. Exact, or refused.
//!
//! The column is the one that is really there, with its declared type: what we bind must come through its affinity unchanged.

use crate::types::Affinity;
use rusqlite::Statement;
use rusqlite::types::{ToSqlOutput, ValueRef};
use std::fmt::Write;
use tidelock_model::{Column, Decimal, Type, UuidText, Value};

/// A column as it is bound to.
#[derive(Clone, Debug)]
pub struct Bound {
    /// As the catalogue has it.
    pub column: Column,
    /// Of its declared type.
    pub affinity: Affinity,
}

impl Bound {
    /// Of a column that is there.
    pub fn new(column: Column) -> Bound {
        let affinity = Affinity::of(&column.native);
        Bound { column, affinity }
    }

    /// Binds one value; `Err` tells why it cannot be held.
    pub fn bind(
        &self,
        statement: &mut Statement<'_>,
        place: usize,
        value: &Value<'_>,
        scratch: &mut String,
    ) -> Result<(), Refused> {
        let stored = self.stored(value, scratch).map_err(Refused::Value)?;
        statement.raw_bind_parameter(place, ToSqlOutput::Borrowed(stored)).map_err(Refused::Sql)
    }

    /// What would be bound, as a value of its own.
    pub fn owned(&self, value: &Value<'_>) -> Result<rusqlite::types::Value, String> {
        let mut scratch = String::new();
        let stored = self.stored(value, &mut scratch)?;
        stored.try_into().map_err(|e| format!("it cannot be copied: {e}"))
    }

    fn stored<'a>(&self, value: &Value<'a>, scratch: &'a mut String) -> Result<ValueRef<'a>, String> {
        let stored = match *value {
            Value::Null => ValueRef::Null,
            Value::Bool(b) => ValueRef::Integer(i64::from(b)),
            Value::Int(i) => return self.integer(i128::from(i), scratch),
            Value::UInt(u) => return self.integer(i128::from(u), scratch),
            Value::Decimal(d) => return self.decimal(d, scratch),
            Value::Float32(x) => return self.float(f64::from(x), true, scratch),
            Value::Float64(x) => return self.float(x, false, scratch),
            Value::Text(t) | Value::Json(t) | Value::Enum(t) | Value::Set(t) => return self.text(t),
            Value::Bytes(b) => ValueRef::Blob(b),
            Value::Bits(b) => print(scratch, format_args!("{}", b.to_text())),
            Value::Date(d) => print(scratch, format_args!("{d}")),
            Value::Time(t) => print(scratch, format_args!("{t}")),
            Value::DateTime(d) => print(scratch, format_args!("{d}")),
            Value::Timestamp(t) => print(scratch, format_args!("{t}")),
            Value::Interval(i) => print(scratch, format_args!("{i}")),
            Value::Uuid(u) => print(scratch, format_args!("{}", UuidText::new(&u))),
            Value::Array(_) | Value::Geometry(_) => {
                return Err(format!("SQLite has no {} values", value.kind()));
            }
        };
        Ok(stored)
    }

    fn integer<'a>(&self, i: i128, scratch: &'a mut String) -> Result<ValueRef<'a>, String> {
        if self.affinity == Affinity::Text {
            return Ok(print(scratch, format_args!("{i}")));
        }
        if self.affinity == Affinity::Real && i.unsigned_abs() > 1 << 53 {
            return Err(format!("{i} is more than a float holds exactly"));
        }
        let stored = i64::try_from(i).map_err(|_| format!("{i} is more than SQLite's 64 bits hold"))?;
        Ok(ValueRef::Integer(stored))
    }

    fn decimal<'a>(&self, d: Decimal<'a>, scratch: &'a mut String) -> Result<ValueRef<'a>, String> {
        if !d.is_finite() && self.affinity != Affinity::Real && self.affinity != Affinity::Integer {
            return Ok(ValueRef::Text(d.as_str().as_bytes()));
        }
        if let Type::Decimal { precision: Some(p), scale } = self.column.data_type
            && !d.fits(p, scale)
        {
            return Err(format!("{d:?} does not fit into {}", self.column.native));
        }
        if matches!(self.affinity, Affinity::Text | Affinity::Blob) {
            return Ok(ValueRef::Text(d.as_str().as_bytes()));
        }
        let refused = || format!("{d:?} has more digits than SQLite's {} keeps", self.column.native);
        if d.is_finite() && d.fraction().is_empty() {
            let sign = if d.is_negative() { "-" } else { "" };
            scratch.clear();
            scratch.push_str(sign);
            scratch.push_str(if d.whole().is_empty() { "0" } else { d.whole() });
            let whole: i64 = scratch.parse().map_err(|_| refused())?;
            let kept = self.affinity != Affinity::Real || whole.unsigned_abs() <= 1 << 53;
            return if kept { Ok(ValueRef::Integer(whole)) } else { Err(refused()) };
        }
        let float: f64 = d.as_str().parse().map_err(|_| refused())?;
        if !d.is_finite() {
            return Err(format!("{} holds no {d:?}", self.column.native));
        }
        print(scratch, format_args!("{float}"));
        match Decimal::parse(scratch) {
            Some(kept) if kept.compare(d).is_eq() => Ok(ValueRef::Real(float)),
            _ => Err(refused()),
        }
    }

    fn float<'a>(&self, x: f64, narrow: bool, scratch: &'a mut String) -> Result<ValueRef<'a>, String> {
        if x.is_nan() {
            return Err("SQLite has no NaN; it would become NULL".into());
        }
        if x == 0.0 && x.is_sign_negative() && !matches!(self.affinity, Affinity::Blob | Affinity::Text) {
            return Err(format!("{} keeps no sign of zero", self.column.native));
        }
        match self.column.data_type {
            Type::Float32 | Type::Float64 | Type::Any => {}
            Type::Decimal { .. } => {
                let shortest = if narrow { (x as f32).to_string() } else { x.to_string() };
                let number =
                    Decimal::parse(&shortest).ok_or_else(|| format!("a decimal column holds no {x}"))?;
                let text = matches!(self.affinity, Affinity::Text | Affinity::Blob);
                let owned = match self.decimal(number, scratch)? {
                    ValueRef::Integer(i) => return Ok(ValueRef::Integer(i)),
                    ValueRef::Real(x) => return Ok(ValueRef::Real(x)),
                    _ => shortest.clone(),
                };
                debug_assert!(text);
                return Ok(print(scratch, format_args!("{owned}")));
            }
            _ => return Err(format!("{} holds no floats", self.column.native)),
        }
        let turned = match self.affinity {
            Affinity::Blob | Affinity::Real => false,
            // Whole floats become integers there, and text where the affinity is text.
            Affinity::Integer | Affinity::Numeric => x.fract() == 0.0,
            Affinity::Text => true,
        };
        if turned {
            return Err(format!("{x} would not stay a float in {}", self.column.native));
        }
        Ok(ValueRef::Real(x))
    }

    fn text<'a>(&self, text: &'a str) -> Result<ValueRef<'a>, String> {
        let keeps = matches!(self.affinity, Affinity::Text | Affinity::Blob);
        if keeps || !looks_numeric(text) {
            return Ok(ValueRef::Text(text.as_bytes()));
        }
        let number = if self.column.data_type == Type::Json { number(text) } else { None };
        number.ok_or_else(|| format!("{} would turn this text into a number", self.column.native))
    }
}

/// The number that a JSON column keeps of this text, where that is read as the same text again.
fn number(text: &str) -> Option<ValueRef<'static>> {
    if let Ok(i) = text.parse::<i64>() {
        return (i.to_string() == text).then_some(ValueRef::Integer(i));
    }
    let x: f64 = text.parse().ok()?;
    (x.fract() != 0.0 && format!("{x:?}") == text).then_some(ValueRef::Real(x))
}

/// Why a value was not bound.
#[derive(Debug)]
pub enum Refused {
    /// It cannot be held; why.
    Value(String),
    /// What SQLite said.
    Sql(rusqlite::Error),
}

/// SQLite takes blanks, a sign, digits with a point and an exponent for a number; we refuse a little more than that.
fn looks_numeric(text: &str) -> bool {
    let trimmed = text.trim();
    trimmed.bytes().any(|b| b.is_ascii_digit())
        && trimmed.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E' | b'_'))
        && trimmed.parse::<f64>().is_ok()
}

fn print<'a>(scratch: &'a mut String, text: std::fmt::Arguments<'_>) -> ValueRef<'a> {
    scratch.clear();
    scratch.write_fmt(text).expect("writing to a string does not fail");
    ValueRef::Text(scratch.as_bytes())
}

/// Whether `text` is, letter for letter, what is written for `value`.
pub fn is_written_as(value: &Value<'_>, text: &str) -> bool {
    let mut rest = Rest(text);
    let same = match value {
        Value::UInt(u) => write!(rest, "{u}"),
        Value::Date(d) => write!(rest, "{d}"),
        Value::Time(t) => write!(rest, "{t}"),
        Value::DateTime(d) => write!(rest, "{d}"),
        Value::Timestamp(t) => write!(rest, "{t}"),
        Value::Interval(i) => write!(rest, "{i}"),
        Value::Uuid(u) => write!(rest, "{}", UuidText::new(u)),
        Value::Decimal(d) => rest.write_str(d.as_str()),
        _ => return true,
    };
    same.is_ok() && rest.0.is_empty()
}

/// What of a text is still to be written; another text is refused.
struct Rest<'t>(&'t str);

impl Write for Rest<'_> {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        self.0 = self.0.strip_prefix(part).ok_or(std::fmt::Error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(declared: &str, value: Value<'_>) -> Result<String, String> {
        let bound = Bound::new(Column::new("c", crate::types::neutral(declared).unwrap(), declared));
        let mut scratch = String::new();
        bound.stored(&value, &mut scratch).map(crate::decode::describe)
    }

    fn dec(text: &str) -> Value<'_> {
        Value::Decimal(Decimal::parse(text).unwrap())
    }

    #[test]
    fn decimals_are_stored_exactly_or_refused() {
        assert_eq!(stored("NUMERIC(10,2)", dec("0.99")).unwrap(), "the REAL 0.99");
        assert_eq!(stored("NUMERIC(10,2)", dec("5.00")).unwrap(), "the INTEGER 5");
        assert_eq!(stored("DECIMAL_TEXT(20,2)", dec("5.00")).unwrap(), "the TEXT \"5.00\"");
        assert!(stored("NUMERIC", dec("12345678901234567.89")).is_err());
        assert!(stored("NUMERIC(10,2)", dec("0.999")).is_err());
        assert!(stored("NUMERIC", dec("NaN")).is_ok());
        assert_eq!(stored("DECIMAL_TEXT", dec("NaN")).unwrap(), "the TEXT \"NaN\"");
    }

    #[test]
    fn what_an_affinity_would_change_is_refused() {
        assert!(stored("JSON", Value::Json("1.0")).is_err());
        assert!(stored("JSON", Value::Json("0.50")).is_err() && stored("JSON", Value::Json("007")).is_err());
        assert_eq!(stored("JSON", Value::Json("7")).unwrap(), "the INTEGER 7");
        assert_eq!(stored("JSON", Value::Json("-0.5")).unwrap(), "the REAL -0.5");
        assert_eq!(stored("JSON_TEXT", Value::Json("1.0")).unwrap(), "the TEXT \"1.0\"");
        assert!(stored("BIGINT", Value::UInt(u64::MAX)).is_err());
        assert_eq!(
            stored("UNSIGNED_TEXT(20)", Value::UInt(u64::MAX)).unwrap(),
            "the TEXT \"18446744073709551615\""
        );
        assert!(stored("DOUBLE", Value::Float64(f64::NAN)).is_err());
        assert_eq!(stored("DOUBLE", Value::Float64(f64::INFINITY)).unwrap(), "the REAL inf");
    }
}
