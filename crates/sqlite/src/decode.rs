//! What stands in a column → a neutral value. One function for snapshot, stream and reads by key, so that they agree on every value.

use crate::encode::{Bound, is_written_as};
use rusqlite::types::{Value as Stored, ValueRef};
use std::fmt::Write;
use tidelock_model::{
    Bits, Column, Date, DateTime, Decimal, ImageWriter, Interval, Time, Timestamp, Type, Value, parse_uuid,
};

/// Why a value cannot be taken: it is not of its column's declared type.
#[derive(Debug, PartialEq, Eq)]
pub struct NotOfType {
    /// What was found, with its storage class.
    pub found: String,
}

/// Puts one stored value as a slot of `column`. `scratch` is used and its content is of no meaning between calls.
pub fn slot(
    column: &Column,
    stored: ValueRef<'_>,
    scratch: &mut String,
    out: &mut ImageWriter<'_>,
) -> Result<(), NotOfType> {
    let refuse = || Err(NotOfType { found: kind_of(stored) });
    match stored {
        ValueRef::Null => out.value(&Value::Null),
        ValueRef::Integer(i) => match integer(&column.data_type, i, scratch) {
            Some(value) => out.value(&value),
            None => return refuse(),
        },
        ValueRef::Real(x) => match real(&column.data_type, x, scratch) {
            Some(value) => out.value(&value),
            None => return refuse(),
        },
        ValueRef::Text(bytes) => {
            let Ok(text) = std::str::from_utf8(bytes) else { return refuse() };
            match &column.data_type {
                Type::Bits { .. } => bits(text, out).ok_or_else(|| NotOfType { found: kind_of(stored) })?,
                data_type => match from_text(data_type, text, scratch) {
                    Some(value) => out.value(&value),
                    None => return refuse(),
                },
            }
        }
        ValueRef::Blob(bytes) => match column.data_type {
            Type::Bytes { .. } | Type::Any => out.value(&Value::Bytes(bytes)),
            _ => return refuse(),
        },
    }
    Ok(())
}

fn integer<'s>(data_type: &Type, i: i64, scratch: &'s mut String) -> Option<Value<'s>> {
    Some(match *data_type {
        Type::Int { bits: 64, unsigned: false } | Type::Any => Value::Int(i),
        Type::Int { bits, unsigned: false } => {
            let limit = 1i64 << (bits - 1);
            Value::Int(Some(i).filter(|i| (-limit..limit).contains(i))?)
        }
        Type::Int { bits, unsigned: true } => {
            let u = u64::try_from(i).ok()?;
            Value::UInt(Some(u).filter(|u| bits == 64 || *u < 1 << bits)?)
        }
        Type::Bool => Value::Bool(match i {
            0 => false,
            1 => true,
            _ => return None,
        }),
        Type::Year => Value::Int(Some(i).filter(|y| *y == 0 || (1901..=2155).contains(y))?),
        Type::Decimal { precision, scale } => {
            write_scratch(scratch, format_args!("{i}"));
            padded(scratch, precision, scale)?
        }
        Type::Float64 => Value::Float64(Some(i as f64).filter(|_| i.unsigned_abs() <= 1 << 53)?),
        Type::Float32 => Value::Float32(Some(i as f32).filter(|_| i.unsigned_abs() <= 1 << 24)?),
        Type::Json => {
            write_scratch(scratch, format_args!("{i}"));
            Value::Json(scratch)
        }
        _ => return None,
    })
}

fn real<'s>(data_type: &Type, x: f64, scratch: &'s mut String) -> Option<Value<'s>> {
    Some(match *data_type {
        Type::Float64 | Type::Any => Value::Float64(x),
        Type::Float32 => {
            let narrow = x as f32;
            Value::Float32(Some(narrow).filter(|n| f64::from(*n) == x || x.is_nan())?)
        }
        Type::Decimal { precision, scale } if x.is_finite() => {
            write_scratch(scratch, format_args!("{}", if x == 0.0 { 0.0 } else { x }));
            padded(scratch, precision, scale)?
        }
        Type::Json if x.is_finite() => {
            write_scratch(scratch, format_args!("{x:?}"));
            Value::Json(scratch)
        }
        _ => return None,
    })
}

fn from_text<'a>(data_type: &Type, text: &'a str, scratch: &'a mut String) -> Option<Value<'a>> {
    Some(match data_type {
        Type::Text { .. } | Type::Any => Value::Text(text),
        Type::Enum { .. } => Value::Enum(text),
        Type::Set { .. } => Value::Set(text),
        Type::Json => Value::Json(text),
        Type::Int { bits: 64, unsigned: true } => {
            let plain = !text.starts_with('+');
            Value::UInt(text.parse().ok().filter(|_| plain)?)
        }
        Type::Decimal { precision, scale } => {
            let number = Decimal::parse(text)?;
            if precision.is_none() || !number.is_finite() {
                return Some(Value::Decimal(number));
            }
            write_scratch(scratch, format_args!("{text}"));
            padded(scratch, *precision, *scale)?
        }
        Type::Date => Value::Date(Date::parse(text).ok()?),
        Type::Time { zone, .. } => {
            Value::Time(Time::parse(text).ok().filter(|t| t.offset.is_some() == *zone)?)
        }
        Type::DateTime { .. } => Value::DateTime(DateTime::parse(text).ok()?),
        Type::Timestamp { .. } => Value::Timestamp(Timestamp::parse(text).ok()?),
        Type::Interval => Value::Interval(Interval::parse(text)?),
        Type::Uuid => Value::Uuid(parse_uuid(text)?),
        _ => return None,
    })
}

/// What we would write for this text of the column, where that is not the text itself: nothing would be found by it.
pub fn rewritten(column: &Column, text: &[u8], scratch: &mut String) -> Option<String> {
    if matches!(column.data_type, Type::Text { .. } | Type::Any) {
        return None;
    }
    let value = from_text(&column.data_type, std::str::from_utf8(text).ok()?, scratch)?;
    if std::str::from_utf8(text).is_ok_and(|text| is_written_as(&value, text)) {
        return None;
    }
    Some(match Bound::new(column.clone()).owned(&value) {
        Ok(Stored::Text(text)) => text,
        Ok(other) => format!("{other:?}"),
        Err(why) => why,
    })
}

fn write_scratch(scratch: &mut String, text: std::fmt::Arguments<'_>) {
    scratch.clear();
    scratch.write_fmt(text).expect("writing to a string does not fail");
}

/// The number in `scratch` with as many digits behind the point as the column declares. More than those are refused: elsewhere they would be
/// rounded in silence. More digits in front are left to the target, which refuses them aloud.
fn padded(scratch: &mut String, precision: Option<u16>, scale: i16) -> Option<Value<'_>> {
    if precision.is_some() {
        let number = Decimal::parse(scratch)?;
        let (has, digits, wanted) = (number.scale(), number.fraction().len(), scale.max(0) as usize);
        if digits > wanted {
            return None;
        }
        if has > wanted {
            scratch.truncate(scratch.len() - (has - wanted));
            scratch.truncate(scratch.trim_end_matches('.').len());
        } else if wanted > has {
            if has == 0 {
                scratch.push('.');
            }
            scratch.extend(std::iter::repeat_n('0', wanted - has));
        }
    }
    Decimal::parse(scratch).map(Value::Decimal)
}

fn bits(text: &str, out: &mut ImageWriter<'_>) -> Option<()> {
    let mut bytes = vec![0u8; text.len().div_ceil(8)];
    for (i, bit) in text.bytes().enumerate() {
        match bit {
            b'0' => {}
            b'1' => bytes[i / 8] |= 0x80 >> (i % 8),
            _ => return None,
        }
    }
    out.value(&Value::Bits(Bits { length: u32::try_from(text.len()).ok()?, bytes: &bytes }));
    Some(())
}

/// The storage class and the size of a value: the value itself may be one that a job masks.
fn kind_of(stored: ValueRef<'_>) -> String {
    match stored {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(_) => "an INTEGER that it does not take".into(),
        ValueRef::Real(_) => "a REAL that it does not take".into(),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("a TEXT of {} characters that it does not take", text.chars().count()),
            Err(_) => format!("a TEXT of {} bytes that is not UTF-8", bytes.len()),
        },
        ValueRef::Blob(bytes) => format!("a BLOB of {} bytes", bytes.len()),
    }
}

/// The storage class and the beginning of a value of a key, for messages.
pub fn describe(stored: ValueRef<'_>) -> String {
    match stored {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(i) => format!("the INTEGER {i}"),
        ValueRef::Real(x) => format!("the REAL {x:?}"),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("the TEXT {:?}", text.chars().take(40).collect::<String>()),
            Err(_) => format!("a TEXT of {} bytes that is not UTF-8", bytes.len()),
        },
        ValueRef::Blob(bytes) => format!("a BLOB of {} bytes", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelock_model::{Image, Slot};

    fn read(declared: &str, stored: ValueRef<'_>) -> Result<String, NotOfType> {
        let column = Column::new("c", crate::types::neutral(declared).unwrap(), declared);
        let mut buffer = Vec::new();
        slot(&column, stored, &mut String::new(), &mut ImageWriter::new(&mut buffer))?;
        let Slot::Value(value) = Image::from_bytes(&buffer).slot(0).unwrap() else { panic!() };
        Ok(format!("{value:?}"))
    }

    #[test]
    fn numbers_in_decimal_columns_get_their_declared_scale() {
        for (stored, expected) in [
            (ValueRef::Real(0.99), "Decimal(0.99)"),
            (ValueRef::Integer(5), "Decimal(5.00)"),
            (ValueRef::Real(-0.5), "Decimal(-0.50)"),
            (ValueRef::Text(b"1.500"), "Decimal(1.50)"),
        ] {
            assert_eq!(read("NUMERIC(10,2)", stored).unwrap(), expected);
        }
        assert_eq!(read("NUMERIC", ValueRef::Real(1e21)).unwrap(), "Decimal(1000000000000000000000)");
        assert_eq!(read("NUMERIC(3)", ValueRef::Text(b"7.0")).unwrap(), "Decimal(7)");
        assert!(read("NUMERIC(10,2)", ValueRef::Real(0.125)).is_err());
        assert!(read("NUMERIC(10,2)", ValueRef::Real(f64::INFINITY)).is_err());
    }

    #[test]
    fn a_value_that_is_not_of_its_type_is_refused_and_described() {
        for (declared, stored) in [
            ("INTEGER", ValueRef::Real(5.5)),
            ("INTEGER", ValueRef::Text(b"abc")),
            ("BOOLEAN", ValueRef::Integer(2)),
            ("DATETIME", ValueRef::Integer(1_700_000_000)),
            ("DATE", ValueRef::Text(b"tomorrow")),
            ("TEXT", ValueRef::Blob(b"x")),
            ("TEXT", ValueRef::Text(b"\xff")),
            ("INT_8BIT", ValueRef::Integer(128)),
            ("UUID", ValueRef::Text(b"00000000-0000-0000-0000-00000000000")),
        ] {
            assert!(!read(declared, stored).unwrap_err().found.is_empty(), "{declared} {stored:?}");
        }
    }
}
