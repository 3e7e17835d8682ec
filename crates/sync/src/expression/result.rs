//! What an expression gives, as a kind and as a value.

use super::number::Number;
use cel::common::types::{CelBool, CelBytes, CelDouble, CelInt, CelNull, CelString, CelTimestamp, CelUInt};
use cel::common::value::Val;
use tidelock_model::{Timestamp, Type, Value};

/// The kinds of values that expressions know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// One without a sign.
    UInt,
    /// A number of binary64.
    Double,
    /// A decimal number, exact.
    Decimal,
    /// Characters.
    Text,
    /// Octets.
    Bytes,
    /// An instant.
    Moment,
    /// Always NULL.
    Null,
    /// Decided value by value.
    Any,
}

impl Kind {
    /// Of a column; `None` where expressions have no value for it.
    pub fn of(column: &Type) -> Option<Kind> {
        Some(match column {
            Type::Bool => Kind::Bool,
            Type::Int { bits: 33.., unsigned: true } => Kind::UInt,
            Type::Int { .. } | Type::Year => Kind::Int,
            Type::Decimal { .. } => Kind::Decimal,
            Type::Float32 | Type::Float64 => Kind::Double,
            Type::Text { .. } | Type::Enum { .. } | Type::Set { .. } | Type::Uuid => Kind::Text,
            Type::Bytes { .. } => Kind::Bytes,
            Type::Date | Type::DateTime { .. } | Type::Timestamp { .. } => Kind::Moment,
            Type::Any => Kind::Any,
            _ => return None,
        })
    }

    /// Of a value.
    pub fn of_value(value: &dyn Val) -> Kind {
        let is = [
            (value.downcast_ref::<CelBool>().is_some(), Kind::Bool),
            (value.downcast_ref::<CelInt>().is_some(), Kind::Int),
            (value.downcast_ref::<CelUInt>().is_some(), Kind::UInt),
            (value.downcast_ref::<CelDouble>().is_some(), Kind::Double),
            (value.downcast_ref::<Number>().is_some(), Kind::Decimal),
            (value.downcast_ref::<CelString>().is_some(), Kind::Text),
            (value.downcast_ref::<CelBytes>().is_some(), Kind::Bytes),
            (value.downcast_ref::<CelTimestamp>().is_some(), Kind::Moment),
            (value.downcast_ref::<CelNull>().is_some(), Kind::Null),
        ];
        is.into_iter().find(|(is, _)| *is).map_or(Kind::Any, |(_, kind)| kind)
    }

    /// What CEL calls it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::UInt => "uint",
            Kind::Double => "double",
            Kind::Decimal => "decimal",
            Kind::Text => "string",
            Kind::Bytes => "bytes",
            Kind::Moment => "timestamp",
            Kind::Null => "null",
            Kind::Any => "any",
        }
    }

    /// The neutral type of a column for such values; `None` where there is none.
    pub fn column(self) -> Option<Type> {
        Some(match self {
            Kind::Bool => Type::Bool,
            Kind::Int => Type::int(64),
            Kind::UInt => Type::Int { bits: 64, unsigned: true },
            Kind::Double => Type::Float64,
            Kind::Decimal => Type::Decimal { precision: None, scale: 0 },
            Kind::Text => Type::text(),
            Kind::Bytes => Type::bytes(),
            Kind::Moment => Type::Timestamp { fraction: 6 },
            Kind::Null | Kind::Any => return None,
        })
    }

    /// Numbers are compared with each other, whatever kind they are of.
    pub fn is_number(self) -> bool {
        matches!(self, Kind::Int | Kind::UInt | Kind::Double | Kind::Decimal)
    }
}

/// A result as a value of a row, when it is of this kind or null; `take` gets it.
pub fn as_value<T>(value: &dyn Val, kind: Kind, take: impl FnOnce(&Value<'_>) -> T) -> Result<T, String> {
    let found = Kind::of_value(value);
    if found == Kind::Null {
        return Ok(take(&Value::Null));
    }
    let wrong = || format!("it gives {} where {} is expected", found.name(), kind.name());
    if found != kind {
        return Err(wrong());
    }
    if let Some(text) = value.downcast_ref::<CelString>() {
        return Ok(take(&Value::Text(text.inner())));
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        return Ok(take(&Value::Bytes(bytes.inner())));
    }
    if let Some(number) = value.downcast_ref::<Number>() {
        return Ok(take(&Value::Decimal(number.decimal())));
    }
    let plain = value.downcast_ref::<CelBool>().map(|b| Value::Bool(*b.inner()));
    let plain = plain.or_else(|| value.downcast_ref::<CelInt>().map(|i| Value::Int(*i.inner())));
    let plain = plain.or_else(|| value.downcast_ref::<CelUInt>().map(|u| Value::UInt(*u.inner())));
    let plain = plain.or_else(|| value.downcast_ref::<CelDouble>().map(|x| Value::Float64(*x.inner())));
    let plain = plain.or_else(|| {
        let micros = value.downcast_ref::<CelTimestamp>()?.inner().timestamp_micros();
        let micros = micros.checked_sub(super::EPOCH_SECONDS * 1_000_000)?;
        Some(Value::Timestamp(Timestamp::Micros(micros)))
    });
    plain.map(|v| take(&v)).ok_or_else(wrong)
}
