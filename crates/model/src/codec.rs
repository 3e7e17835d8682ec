//! The encoding of values, images and records: what stands in a batch's buffer and, byte for byte, in the journal.
//!
//! Whole numbers are LEB128 varints (signed ones zig-zag); everything with a length carries it in front. A value is one
//! tag octet and its body. Tags are never used again for something else; a change of the format raises
//! [`FORMAT_VERSION`], and a reader refuses a version it does not know.
//!
//! Reading never panics and never allocates: what is short, unknown or not UTF-8 is a [`CodecError`].

use crate::value::{Array, Bits, Geometry};
use crate::{Date, DateTime, Decimal, Interval, Time, Timestamp, Value};
use thiserror::Error;

/// Version of the encoding; the journal stores it beside every segment.
pub const FORMAT_VERSION: u8 = 1;

/// Bytes that are not what the encoding allows: damage, or a newer version's work.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum CodecError {
    /// The buffer ended inside an item.
    #[error("the data ends in the middle of {0}")]
    Short(&'static str),
    /// A tag that this version does not know.
    #[error("unknown tag {tag:#04x} where {what} was expected")]
    Tag {
        /// What was being read.
        what: &'static str,
        /// The octet found.
        tag: u8,
    },
    /// A body that breaks the rules of its kind.
    #[error("malformed {0}")]
    Malformed(&'static str),
}

pub(crate) const NOT_SENT: u8 = 0;
const NULL: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const INT: u8 = 4;
const UINT: u8 = 5;
const DECIMAL: u8 = 6;
const FLOAT32: u8 = 7;
const FLOAT64: u8 = 8;
const TEXT: u8 = 9;
const BYTES: u8 = 10;
const BITS: u8 = 11;
const DATE: u8 = 12;
const DATE_SPECIAL: u8 = 13;
const TIME: u8 = 14;
const TIME_ZONE: u8 = 15;
const DATETIME: u8 = 16;
const DATETIME_SPECIAL: u8 = 17;
const TIMESTAMP: u8 = 18;
const TIMESTAMP_SPECIAL: u8 = 19;
const INTERVAL: u8 = 20;
const UUID: u8 = 21;
const JSON: u8 = 22;
const ARRAY: u8 = 23;
const ENUM: u8 = 24;
const SET: u8 = 25;
const GEOMETRY: u8 = 26;

/// More than any engine's arrays have (PostgreSQL's: six). They are written level by level, each a call deeper.
const DIMENSIONS: usize = 16;

const NEG_INFINITY: u8 = 0;
const INFINITY: u8 = 1;
const PARTIAL: u8 = 2;

pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub(crate) fn put_slice(out: &mut Vec<u8>, bytes: &[u8]) {
    put_unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn take<'a>(input: &mut &'a [u8], n: usize, what: &'static str) -> Result<&'a [u8], CodecError> {
    let (head, tail) = input.split_at_checked(n).ok_or(CodecError::Short(what))?;
    *input = tail;
    Ok(head)
}

pub(crate) fn get_byte(input: &mut &[u8], what: &'static str) -> Result<u8, CodecError> {
    let (&first, rest) = input.split_first().ok_or(CodecError::Short(what))?;
    *input = rest;
    Ok(first)
}

pub(crate) fn get_unsigned(input: &mut &[u8]) -> Result<u64, CodecError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = get_byte(input, "a number")?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return if shift == 63 && byte > 1 { Err(CodecError::Malformed("number")) } else { Ok(value) };
        }
    }
    Err(CodecError::Malformed("number"))
}

pub(crate) fn get_signed(input: &mut &[u8]) -> Result<i64, CodecError> {
    let raw = get_unsigned(input)?;
    Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

fn get_i32(input: &mut &[u8]) -> Result<i32, CodecError> {
    i32::try_from(get_signed(input)?).map_err(|_| CodecError::Malformed("number"))
}

pub(crate) fn get_slice<'a>(input: &mut &'a [u8], what: &'static str) -> Result<&'a [u8], CodecError> {
    let length = usize::try_from(get_unsigned(input)?).map_err(|_| CodecError::Short(what))?;
    take(input, length, what)
}

pub(crate) fn get_text<'a>(input: &mut &'a [u8], what: &'static str) -> Result<&'a str, CodecError> {
    std::str::from_utf8(get_slice(input, what)?).map_err(|_| CodecError::Malformed(what))
}

fn put_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    put_slice(out, text.as_bytes());
}

pub(crate) fn put_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match *value {
        Value::Null => out.push(NULL),
        Value::Bool(b) => out.push(if b { TRUE } else { FALSE }),
        Value::Int(i) => {
            out.push(INT);
            put_signed(out, i);
        }
        Value::UInt(u) => {
            out.push(UINT);
            put_unsigned(out, u);
        }
        Value::Decimal(d) => put_text(out, DECIMAL, d.as_str()),
        Value::Float32(x) => {
            out.push(FLOAT32);
            out.extend_from_slice(&x.to_bits().to_le_bytes());
        }
        Value::Float64(x) => {
            out.push(FLOAT64);
            out.extend_from_slice(&x.to_bits().to_le_bytes());
        }
        Value::Text(t) => put_text(out, TEXT, t),
        Value::Json(t) => put_text(out, JSON, t),
        Value::Enum(t) => put_text(out, ENUM, t),
        Value::Set(t) => put_text(out, SET, t),
        Value::Bytes(b) => {
            out.push(BYTES);
            put_slice(out, b);
        }
        Value::Bits(b) => {
            out.push(BITS);
            put_unsigned(out, u64::from(b.length));
            put_slice(out, b.bytes);
        }
        Value::Uuid(u) => {
            out.push(UUID);
            out.extend_from_slice(&u);
        }
        Value::Geometry(g) => {
            out.push(GEOMETRY);
            put_unsigned(out, u64::from(g.srid));
            put_slice(out, g.wkb);
        }
        Value::Array(a) => {
            out.push(ARRAY);
            put_unsigned(out, a.dimensions as u64);
            put_unsigned(out, a.items as u64);
            put_slice(out, a.body);
        }
        Value::Date(_) | Value::Time(_) | Value::DateTime(_) | Value::Timestamp(_) | Value::Interval(_) => {
            put_temporal(out, value);
        }
    }
}

fn put_temporal(out: &mut Vec<u8>, value: &Value<'_>) {
    match *value {
        Value::Date(Date::Day(days)) => {
            out.push(DATE);
            put_signed(out, i64::from(days));
        }
        Value::Date(Date::NegInfinity) => out.extend([DATE_SPECIAL, NEG_INFINITY]),
        Value::Date(Date::Infinity) => out.extend([DATE_SPECIAL, INFINITY]),
        Value::Date(Date::Partial { year, month, day }) => {
            out.extend([DATE_SPECIAL, PARTIAL]);
            put_unsigned(out, u64::from(year));
            out.extend([month, day]);
        }
        Value::Time(Time { micros, offset: None }) => {
            out.push(TIME);
            put_signed(out, micros);
        }
        Value::Time(Time { micros, offset: Some(offset) }) => {
            out.push(TIME_ZONE);
            put_signed(out, micros);
            put_signed(out, i64::from(offset));
        }
        Value::DateTime(DateTime::Micros(micros)) => {
            out.push(DATETIME);
            put_signed(out, micros);
        }
        Value::DateTime(DateTime::NegInfinity) => out.extend([DATETIME_SPECIAL, NEG_INFINITY]),
        Value::DateTime(DateTime::Infinity) => out.extend([DATETIME_SPECIAL, INFINITY]),
        Value::DateTime(DateTime::Partial { year, month, day, micros }) => {
            out.extend([DATETIME_SPECIAL, PARTIAL]);
            put_unsigned(out, u64::from(year));
            out.extend([month, day]);
            put_signed(out, micros);
        }
        Value::Timestamp(Timestamp::Micros(micros)) => {
            out.push(TIMESTAMP);
            put_signed(out, micros);
        }
        Value::Timestamp(Timestamp::NegInfinity) => out.extend([TIMESTAMP_SPECIAL, NEG_INFINITY]),
        Value::Timestamp(Timestamp::Infinity) => out.extend([TIMESTAMP_SPECIAL, INFINITY]),
        Value::Timestamp(Timestamp::Zero) => out.extend([TIMESTAMP_SPECIAL, PARTIAL]),
        Value::Interval(Interval { months, days, micros }) => {
            out.push(INTERVAL);
            put_signed(out, i64::from(months));
            put_signed(out, i64::from(days));
            put_signed(out, micros);
        }
        _ => unreachable!("only temporal values come here"),
    }
}

/// Writes an array from its parts; `items` must encode exactly `count` values.
pub(crate) fn put_array(out: &mut Vec<u8>, dimensions: &[(i64, i64)], count: usize, items: &[u8]) {
    let mut head = Vec::with_capacity(dimensions.len() * 4);
    for (length, lower) in dimensions {
        put_signed(&mut head, *length);
        put_signed(&mut head, *lower);
    }
    out.push(ARRAY);
    put_unsigned(out, dimensions.len() as u64);
    put_unsigned(out, count as u64);
    put_unsigned(out, (head.len() + items.len()) as u64);
    out.extend_from_slice(&head);
    out.extend_from_slice(items);
}

pub(crate) fn get_value<'a>(input: &mut &'a [u8]) -> Result<Value<'a>, CodecError> {
    let tag = get_byte(input, "a value")?;
    get_tagged(tag, input)
}

pub(crate) fn get_tagged<'a>(tag: u8, input: &mut &'a [u8]) -> Result<Value<'a>, CodecError> {
    Ok(match tag {
        NULL => Value::Null,
        FALSE => Value::Bool(false),
        TRUE => Value::Bool(true),
        INT => Value::Int(get_signed(input)?),
        UINT => Value::UInt(get_unsigned(input)?),
        DECIMAL => Value::Decimal(
            Decimal::parse(get_text(input, "decimal")?).ok_or(CodecError::Malformed("decimal"))?,
        ),
        FLOAT32 => Value::Float32(f32::from_bits(u32::from_le_bytes(fixed(input, "float32")?))),
        FLOAT64 => Value::Float64(f64::from_bits(u64::from_le_bytes(fixed(input, "float64")?))),
        TEXT => Value::Text(get_text(input, "text")?),
        BYTES => Value::Bytes(get_slice(input, "bytes")?),
        BITS => {
            let length = u32::try_from(get_unsigned(input)?).map_err(|_| CodecError::Malformed("bits"))?;
            let bytes = get_slice(input, "bits")?;
            if bytes.len() != length.div_ceil(8) as usize {
                return Err(CodecError::Malformed("bits"));
            }
            Value::Bits(Bits { length, bytes })
        }
        UUID => Value::Uuid(fixed(input, "uuid")?),
        JSON => Value::Json(get_text(input, "json")?),
        ENUM => Value::Enum(get_text(input, "enum")?),
        SET => Value::Set(get_text(input, "set")?),
        GEOMETRY => {
            let srid = u32::try_from(get_unsigned(input)?).map_err(|_| CodecError::Malformed("geometry"))?;
            Value::Geometry(Geometry { srid, wkb: get_slice(input, "geometry")? })
        }
        ARRAY => Value::Array(get_array(input)?),
        DATE..=INTERVAL => get_temporal(tag, input)?,
        tag => return Err(CodecError::Tag { what: "a value", tag }),
    })
}

fn fixed<const N: usize>(input: &mut &[u8], what: &'static str) -> Result<[u8; N], CodecError> {
    take(input, N, what)?.try_into().map_err(|_| CodecError::Short(what))
}

fn get_temporal<'a>(tag: u8, input: &mut &'a [u8]) -> Result<Value<'a>, CodecError> {
    Ok(match tag {
        DATE => Value::Date(Date::Day(get_i32(input)?)),
        TIME => Value::Time(Time::from_micros(get_signed(input)?)),
        TIME_ZONE => Value::Time(Time { micros: get_signed(input)?, offset: Some(get_i32(input)?) }),
        DATETIME => Value::DateTime(DateTime::Micros(get_signed(input)?)),
        TIMESTAMP => Value::Timestamp(Timestamp::Micros(get_signed(input)?)),
        INTERVAL => Value::Interval(Interval {
            months: get_i32(input)?,
            days: get_i32(input)?,
            micros: get_signed(input)?,
        }),
        DATE_SPECIAL => Value::Date(match get_byte(input, "date")? {
            NEG_INFINITY => Date::NegInfinity,
            INFINITY => Date::Infinity,
            PARTIAL => {
                let (year, month, day) = get_partial(input)?;
                Date::Partial { year, month, day }
            }
            tag => return Err(CodecError::Tag { what: "a date", tag }),
        }),
        DATETIME_SPECIAL => Value::DateTime(match get_byte(input, "datetime")? {
            NEG_INFINITY => DateTime::NegInfinity,
            INFINITY => DateTime::Infinity,
            PARTIAL => {
                let (year, month, day) = get_partial(input)?;
                DateTime::Partial { year, month, day, micros: get_signed(input)? }
            }
            tag => return Err(CodecError::Tag { what: "a datetime", tag }),
        }),
        TIMESTAMP_SPECIAL => Value::Timestamp(match get_byte(input, "timestamp")? {
            NEG_INFINITY => Timestamp::NegInfinity,
            INFINITY => Timestamp::Infinity,
            PARTIAL => Timestamp::Zero,
            tag => return Err(CodecError::Tag { what: "a timestamp", tag }),
        }),
        tag => return Err(CodecError::Tag { what: "a temporal value", tag }),
    })
}

fn get_partial(input: &mut &[u8]) -> Result<(u16, u8, u8), CodecError> {
    let year = u16::try_from(get_unsigned(input)?).map_err(|_| CodecError::Malformed("year"))?;
    Ok((year, get_byte(input, "month")?, get_byte(input, "day")?))
}

/// Reads an array and checks every element, so that looking at it later cannot fail.
fn get_array<'a>(input: &mut &'a [u8]) -> Result<Array<'a>, CodecError> {
    let malformed = |_| CodecError::Malformed("array");
    let dimensions = usize::try_from(get_unsigned(input)?).map_err(malformed)?;
    let items = usize::try_from(get_unsigned(input)?).map_err(malformed)?;
    let body = get_slice(input, "array")?;
    let mut rest = body;
    if dimensions > DIMENSIONS {
        return Err(CodecError::Malformed("array"));
    }
    let mut places = Some(usize::from(dimensions > 0));
    for _ in 0..dimensions {
        let (length, _lower) = (get_signed(&mut rest)?, get_signed(&mut rest)?);
        // Nor may a level alone have more than there are elements: the one below it may be empty.
        places = places.and_then(|n| n.checked_mul(usize::try_from(length).ok()?)).filter(|n| *n <= items);
    }
    // Who writes it level by level would otherwise write places without end.
    if places != Some(items) {
        return Err(CodecError::Malformed("array"));
    }
    for _ in 0..items {
        if matches!(rest.first(), Some(&ARRAY)) {
            return Err(CodecError::Malformed("array"));
        }
        get_value(&mut rest)?;
    }
    if !rest.is_empty() {
        return Err(CodecError::Malformed("array"));
    }
    Ok(Array { dimensions, items, body })
}
