//! Masks: what stands at the target in place of a column's values.
//!
//! One function serves snapshot, stream and comparison. NULL stays NULL under every mask but `fixed`, which writes one and the same value into every row. Keys are never masked: a row
//! at the target is found by its key, and two rows could fall together.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use tidelock_model::{Date, DateTime, Decimal, ImageWriter, Timestamp, Type, Value};

/// What becomes of a column's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mask {
    /// 64 hexadecimal digits: SHA-256 of the salt and then the value's own octets; of what is neither text nor octets its text.
    Sha256(Salt),
    /// The last so many characters stay, the others become `*`; where there are no more than that, all do.
    Partial(u32),
    /// This text in every row, read as the column's type.
    Fixed(String),
    /// NULL in every row.
    Null,
}

/// Goes before what is hashed. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Salt(String);

impl Salt {
    /// This text.
    pub fn new(text: impl Into<String>) -> Salt {
        Salt(text.into())
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A mask, ready for a column.
#[derive(Clone, Debug)]
pub enum Masking {
    /// See [`Mask::Sha256`].
    Sha256(Salt),
    /// See [`Mask::Partial`].
    Partial(u32),
    /// This encoded value.
    Always(Vec<u8>),
}

impl Mask {
    /// What it is called in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Mask::Sha256(_) => "sha256",
            Mask::Partial(_) => "partial",
            Mask::Fixed(_) => "fixed",
            Mask::Null => "null",
        }
    }

    /// Two values may become one.
    pub fn collides(&self) -> bool {
        matches!(self, Mask::Partial(_) | Mask::Fixed(_))
    }

    /// The mask for a column of type `column`, and the type of what it gives; else why it cannot be.
    pub fn on(&self, column: &Type) -> Result<(Masking, Type), String> {
        match self {
            Mask::Sha256(salt) if has_one_form(column) => {
                Ok((Masking::Sha256(salt.clone()), Type::Text { length: Some(64), fixed: false }))
            }
            Mask::Partial(keep) if has_one_form(column) && !matches!(column, Type::Bytes { .. }) => {
                let becomes = match column {
                    Type::Text { length, .. } => Type::Text { length: *length, fixed: false },
                    _ => Type::text(),
                };
                Ok((Masking::Partial(*keep), becomes))
            }
            Mask::Sha256(_) | Mask::Partial(_) => {
                Err(format!("`{}` needs values that are always written alike", self.name()))
            }
            Mask::Fixed(text) => {
                let mut encoded = Vec::new();
                fixed(text, column, &mut encoded)?;
                Ok((Masking::Always(encoded), column.clone()))
            }
            Mask::Null => {
                let mut encoded = Vec::new();
                ImageWriter::new(&mut encoded).value(&Value::Null);
                Ok((Masking::Always(encoded), column.clone()))
            }
        }
    }
}

/// Whether a value has the same text whichever way it comes.
fn has_one_form(column: &Type) -> bool {
    !matches!(
        column,
        Type::Json
            | Type::Array { .. }
            | Type::Geometry
            | Type::Native { .. }
            | Type::Interval
            | Type::Bits { .. }
    )
}

/// Writes `text` as a value of this type.
fn fixed(text: &str, column: &Type, out: &mut Vec<u8>) -> Result<(), String> {
    let no = || format!("`{text}` is no value of this column");
    let value = match column {
        Type::Text { length, .. } if length.is_none_or(|n| text.chars().count() <= n as usize) => {
            Value::Text(text)
        }
        Type::Text { length, .. } => {
            return Err(format!("`{text}` is longer than {} characters", length.unwrap_or_default()));
        }
        Type::Any => Value::Text(text),
        Type::Json if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => Value::Json(text),
        Type::Enum { labels } if labels.iter().any(|l| l == text) => Value::Enum(text),
        Type::Bool => Value::Bool(text.parse().map_err(|_| no())?),
        Type::Int { bits: 64, unsigned: true } => Value::UInt(text.parse().map_err(|_| no())?),
        Type::Int { bits, unsigned } => whole(text, *bits, *unsigned).ok_or_else(no)?,
        Type::Decimal { precision, scale } => {
            let decimal = Decimal::parse(text).filter(|d| d.is_finite()).ok_or_else(no)?;
            if precision.is_some_and(|p| !decimal.fits(p, *scale)) {
                return Err(no());
            }
            Value::Decimal(decimal)
        }
        Type::Float64 => Value::Float64(text.parse().map_err(|_| no())?),
        Type::Float32 => Value::Float32(text.parse().map_err(|_| no())?),
        Type::Date => Value::Date(Date::parse(text).map_err(|_| no())?),
        Type::DateTime { .. } => Value::DateTime(DateTime::parse(text).map_err(|_| no())?),
        Type::Timestamp { .. } => Value::Timestamp(Timestamp::parse(text).map_err(|_| no())?),
        _ => return Err(no()),
    };
    ImageWriter::new(out).value(&value);
    Ok(())
}

fn whole(text: &str, bits: u8, unsigned: bool) -> Option<Value<'static>> {
    let number: i64 = text.parse().ok()?;
    let half = 1i64.checked_shl(u32::from(bits) - 1).filter(|h| *h > 0);
    let fits = match (half, unsigned) {
        (None, _) => true,
        (Some(half), false) => (-half..half).contains(&number),
        (Some(half), true) => (0..=half - 1 + half).contains(&number),
    };
    fits.then_some(if unsigned { Value::UInt(number as u64) } else { Value::Int(number) })
}

impl Masking {
    /// Writes what stands for `value`. `scratch` is room, overwritten.
    pub fn write(&self, value: &Value<'_>, out: &mut ImageWriter<'_>, scratch: &mut String) {
        match self {
            Masking::Always(encoded) => out.raw(encoded),
            Masking::Sha256(_) | Masking::Partial(_) if value.is_null() => out.value(&Value::Null),
            Masking::Sha256(salt) => {
                let mut hash = Sha256::new();
                hash.update(&salt.0);
                match value {
                    Value::Bytes(bytes) => hash.update(bytes),
                    other => hash.update(text(other, scratch)),
                }
                let digest = hash.finalize();
                scratch.clear();
                for octet in digest {
                    let _ = write!(scratch, "{octet:02x}");
                }
                out.value(&Value::Text(scratch));
            }
            Masking::Partial(keep) => {
                let mut room = String::new();
                let whole = text(value, &mut room);
                let length = whole.chars().count();
                let keep = if length > *keep as usize { *keep as usize } else { 0 };
                let shown = whole.char_indices().nth(length - keep).map_or("", |(at, _)| &whole[at..]);
                scratch.clear();
                scratch.extend(std::iter::repeat_n('*', length - keep));
                scratch.push_str(shown);
                out.value(&Value::Text(scratch));
            }
        }
    }

    /// For people.
    pub fn name(&self) -> &'static str {
        match self {
            Masking::Sha256(_) => "sha256",
            Masking::Partial(_) => "partial",
            Masking::Always(_) => "always the same",
        }
    }

    /// Tells one mask from another; for the shape of a mapping, which hashes it.
    pub fn shape(&self) -> String {
        match self {
            Masking::Sha256(salt) => format!("sha256 {}", salt.0),
            Masking::Partial(keep) => format!("partial {keep}"),
            Masking::Always(encoded) => format!("always {encoded:?}"),
        }
    }
}

/// A value's text; where it is one already, nothing is copied.
fn text<'a>(value: &Value<'a>, scratch: &'a mut String) -> &'a str {
    match value {
        Value::Text(t) | Value::Enum(t) | Value::Set(t) => t,
        other => {
            scratch.clear();
            let _ = write!(scratch, "{other}");
            scratch
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelock_model::{Image, Slot};

    fn masked(mask: &Mask, column: &Type, value: Value<'_>) -> String {
        let mut out = Vec::new();
        mask.on(column).unwrap().0.write(&value, &mut ImageWriter::new(&mut out), &mut String::new());
        match Image::from_bytes(&out).slot(0).unwrap() {
            Slot::Value(value) => value.to_string(),
            Slot::NotSent => panic!("it is always sent"),
        }
    }

    #[test]
    fn a_hash_is_that_of_salt_and_value() {
        let plain = Mask::Sha256(Salt::default());
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(masked(&plain, &Type::text(), Value::Text("abc")), abc);
        assert_eq!(masked(&plain, &Type::bytes(), Value::Bytes(b"abc")), abc);
        assert_eq!(masked(&Mask::Sha256(Salt::new("ab")), &Type::text(), Value::Text("c")), abc);
        let of_number = masked(&plain, &Type::int(32), Value::Int(12));
        assert_eq!(of_number, masked(&plain, &Type::text(), Value::Text("12")));
        assert_eq!(masked(&plain, &Type::text(), Value::Null), "NULL");
        assert_eq!(format!("{:?}", Mask::Sha256(Salt::new("pepper"))), "Sha256(***)");
    }

    #[test]
    fn a_part_stays_only_where_there_is_more() {
        let mask = Mask::Partial(4);
        for (value, shown) in
            [("0301234567", "******4567"), ("45678", "*5678"), ("4567", "****"), ("", ""), ("äöüß€", "*öüß€")]
        {
            assert_eq!(masked(&mask, &Type::text(), Value::Text(value)), shown);
        }
        assert_eq!(masked(&mask, &Type::int(64), Value::Int(123_456)), "**3456");
        assert_eq!(masked(&mask, &Type::text(), Value::Null), "NULL");
        assert_eq!(masked(&Mask::Partial(0), &Type::text(), Value::Text("abc")), "***");
    }

    #[test]
    fn a_fixed_value_is_of_the_columns_type_and_stands_in_every_row() {
        let fixed = |text: &str| Mask::Fixed(text.to_owned());
        assert_eq!(masked(&fixed("***"), &Type::text(), Value::Null), "***");
        assert_eq!(masked(&fixed("0"), &Type::int(16), Value::Int(5)), "0");
        assert_eq!(masked(&fixed("1970-01-01"), &Type::Date, Value::Null), "1970-01-01");
        assert_eq!(masked(&fixed("{}"), &Type::Json, Value::Null), "{}");
        assert_eq!(masked(&Mask::Null, &Type::Json, Value::Json("{}")), "NULL");
        let short = Type::Text { length: Some(2), fixed: false };
        let decimal = Type::Decimal { precision: Some(3), scale: 1 };
        for (text, column) in [
            ("abc", short),
            ("x", Type::int(32)),
            ("300", Type::int(8)),
            ("1.25", decimal),
            ("x", Type::Json),
        ] {
            assert!(fixed(text).on(&column).is_err(), "{text}");
        }
        assert!(fixed("127").on(&Type::int(8)).is_ok() && fixed("-9").on(&Type::int(64)).is_ok());
    }

    #[test]
    fn what_has_several_forms_is_not_hashed() {
        assert!(Mask::Sha256(Salt::default()).on(&Type::Json).is_err());
        assert!(Mask::Partial(2).on(&Type::bytes()).is_err());
    }
}
