use std::fmt;

use crate::{Date, DateTime, Decimal, Interval, Time, Timestamp, UuidText, codec};

/// One value of a row, as a view into the buffer that owns it.
///
/// Neutral: no variant is shaped after one engine, and nothing is "a string for now". SQL NULL is a value; a column that
/// was *not sent* is a state of the image (see [`Slot`](crate::Slot)) and never a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// SQL NULL. (JSON's null is `Json("null")`.)
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number from an unsigned column, whatever its size.
    UInt(u64),
    /// An exact decimal number.
    Decimal(Decimal<'a>),
    /// IEEE 754 binary32; NaN and infinities included.
    Float32(f32),
    /// IEEE 754 binary64; NaN and infinities included.
    Float64(f64),
    /// Characters, already in UTF-8.
    Text(&'a str),
    /// Octets.
    Bytes(&'a [u8]),
    /// A string of bits.
    Bits(Bits<'a>),
    /// A calendar day.
    Date(Date),
    /// A time of day or span.
    Time(Time),
    /// A civil date and time.
    DateTime(DateTime),
    /// An instant.
    Timestamp(Timestamp),
    /// Months, days, microseconds.
    Interval(Interval),
    /// 128 bits in network order.
    Uuid([u8; 16]),
    /// A JSON text, spelled as the source rendered it.
    Json(&'a str),
    /// An array.
    Array(Array<'a>),
    /// The label of an enumeration.
    Enum(&'a str),
    /// The labels of a set, joined by commas, in the order of the type.
    Set(&'a str),
    /// A geometry.
    Geometry(Geometry<'a>),
}

/// A string of bits: the first bit is the highest of the first octet; unused low bits of the last octet are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits<'a> {
    /// Number of bits.
    pub length: u32,
    /// `length.div_ceil(8)` octets.
    pub bytes: &'a [u8],
}

impl Bits<'_> {
    /// The bits as `0` and `1`, first bit first.
    pub fn to_text(&self) -> String {
        let bit = |i: u32| self.bytes.get(i as usize / 8).is_some_and(|b| b >> (7 - i % 8) & 1 == 1);
        (0..self.length).map(|i| if bit(i) { '1' } else { '0' }).collect()
    }
}

/// A geometry in well-known binary (OGC 06-103r4, section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry<'a> {
    /// Spatial reference system, 0 where none is told.
    pub srid: u32,
    /// Standard WKB, without an embedded SRID.
    pub wkb: &'a [u8],
}

/// An array of any number of dimensions, its elements in row-major order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Array<'a> {
    pub(crate) dimensions: usize,
    pub(crate) items: usize,
    /// `dimensions` pairs of zig-zag (length, lower bound), then the elements.
    pub(crate) body: &'a [u8],
}

impl<'a> Array<'a> {
    /// Length and lower bound of each dimension; none for an empty array.
    pub fn dimensions(&self) -> impl Iterator<Item = (i64, i64)> + 'a {
        let mut rest = self.body;
        (0..self.dimensions).map_while(move |_| {
            let length = codec::get_signed(&mut rest).ok()?;
            Some((length, codec::get_signed(&mut rest).ok()?))
        })
    }

    /// Number of elements, over all dimensions.
    pub fn len(&self) -> usize {
        self.items
    }

    /// No elements.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// The elements; they were checked when the array was read.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + 'a {
        let mut rest = self.body;
        for _ in 0..self.dimensions * 2 {
            if codec::get_signed(&mut rest).is_err() {
                rest = &[];
            }
        }
        (0..self.items).map_while(move |_| codec::get_value(&mut rest).ok())
    }
}

impl Value<'_> {
    /// SQL NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The kind of value, for messages: `text`, `decimal`, …
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::UInt(_) => "unsigned int",
            Value::Decimal(_) => "decimal",
            Value::Float32(_) => "float32",
            Value::Float64(_) => "float64",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
            Value::Bits(_) => "bits",
            Value::Date(_) => "date",
            Value::Time(_) => "time",
            Value::DateTime(_) => "datetime",
            Value::Timestamp(_) => "timestamp",
            Value::Interval(_) => "interval",
            Value::Uuid(_) => "uuid",
            Value::Json(_) => "json",
            Value::Array(_) => "array",
            Value::Enum(_) => "enum",
            Value::Set(_) => "set",
            Value::Geometry(_) => "geometry",
        }
    }
}

/// For people, in messages and logs; never an encoding.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Bool(b) => b.fmt(f),
            Value::Int(i) => i.fmt(f),
            Value::UInt(u) => u.fmt(f),
            Value::Decimal(d) => f.write_str(d.as_str()),
            Value::Float32(x) if x.is_infinite() => infinite(*x > 0.0, f),
            Value::Float64(x) if x.is_infinite() => infinite(*x > 0.0, f),
            Value::Float32(x) => x.fmt(f),
            Value::Float64(x) => x.fmt(f),
            Value::Text(t) | Value::Json(t) | Value::Enum(t) | Value::Set(t) => f.write_str(t),
            Value::Bytes(b) => {
                f.write_str("0x")?;
                b.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
            Value::Bits(b) => f.write_str(&b.to_text()),
            Value::Date(d) => d.fmt(f),
            Value::Time(t) => t.fmt(f),
            Value::DateTime(d) => d.fmt(f),
            Value::Timestamp(t) => t.fmt(f),
            Value::Interval(i) => i.fmt(f),
            Value::Uuid(u) => f.write_str(UuidText::new(u).as_str()),
            Value::Array(a) => write!(f, "array of {}", a.len()),
            Value::Geometry(g) => write!(f, "geometry of {} bytes", g.wkb.len()),
        }
    }
}

/// As decimals have it.
fn infinite(positive: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(if positive { "Infinity" } else { "-Infinity" })
}
