//! What a column's stored values become: chosen once for each column, used by the snapshot, by the stream and by whoever writes.
//!
//! Invariant: the two readers (this one for query results, `binlog::rows` for the log) give the same [`Value`] for the same stored value. Both end in the
//! functions of this file; what differs between them is only how a value travels.

use crate::charset::Charset;
use crate::connect::quoted;
use mysql_async::Value as Sent;
use std::borrow::Cow;
use std::sync::Arc;
use tidelock_model::{
    Bits, Date, DateTime, Decimal, Geometry, ImageWriter, TableName, Time, Timestamp, UuidText, Value,
    parse_uuid,
};

/// A value that is not what its column promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub Cow<'static, str>);

/// It would be written in small ones, which are another text to the database: rows would be there twice, or not be found by their key.
const CAPITALS: &str = "is a UUID in capital letters";

impl Fault {
    pub const fn new(what: &'static str) -> Fault {
        Fault(Cow::Borrowed(what))
    }

    /// What mends rows with such values in a column.
    pub fn remedy(&self, table: &TableName, column: &str) -> String {
        if !self.0.ends_with(CAPITALS) {
            return "mend such rows at the source".to_owned();
        }
        let schema = table.schema.as_ref().map_or(String::new(), |s| quoted(s) + ".");
        let column = quoted(column);
        format!("UPDATE {schema}{} SET {column} = LOWER({column})", quoted(&table.name))
    }
}

/// One kind of column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Codec {
    Int {
        bits: u8,
        unsigned: bool,
    },
    /// `tinyint(1)` that was made for a boolean.
    Bool,
    Year,
    Decimal {
        precision: u16,
        scale: u16,
    },
    Float {
        /// 64 bits wide, else 32.
        double: bool,
        /// Zero keeps its sign.
        signed_zero: bool,
    },
    Text {
        charset: Charset,
        fixed: bool,
    },
    /// `char(36)` that was made for a UUID.
    UuidText(Charset),
    /// `fixed`: zero octets up to this length.
    Bytes {
        fixed: Option<usize>,
    },
    Bits(u32),
    Date,
    Time {
        fraction: u8,
    },
    DateTime {
        fraction: u8,
    },
    /// `datetime` in UTC that was made for an instant.
    Instant {
        fraction: u8,
    },
    Timestamp {
        fraction: u8,
    },
    /// MySQL's own JSON: a binary tree in the log.
    Json,
    /// MariaDB's: a text with a check.
    JsonText(Charset),
    Enum(Arc<[String]>),
    Set(Arc<[String]>),
    Geometry,
    /// MariaDB's `uuid`.
    Uuid,
    /// MariaDB's `inet4` and `inet6`, by their octets: the server's text.
    Inet(usize),
    /// MySQL's `vector`: its floats, little-endian.
    Vector,
    /// Its text as the server prints it; the log cannot be read.
    Native(String),
}

/// Buffers that are used again for each value.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub text: String,
    pub bytes: Vec<u8>,
}

impl Codec {
    /// Of a text.
    pub fn charset(&self) -> Option<&Charset> {
        match self {
            Codec::Text { charset, .. } | Codec::UuidText(charset) | Codec::JsonText(charset) => {
                Some(charset)
            }
            _ => None,
        }
    }

    /// The expression that asks for the values of a column, to be read by [`Codec::sent`].
    pub fn asked(&self, column: &str) -> String {
        match self {
            Codec::Native(_) | Codec::Inet(_) => format!("CAST({column} AS CHAR)"),
            _ => self.charset().map_or_else(|| column.to_owned(), |charset| charset.asked(column)),
        }
    }

    /// A value from the log, as octets in the column's own character set (`own`), or from a result.
    pub fn text(
        &self,
        bytes: &[u8],
        own: bool,
        scratch: &mut Scratch,
        out: &mut ImageWriter<'_>,
    ) -> Result<(), Fault> {
        let charset = self.charset().unwrap_or(&Charset::Utf8);
        let text = match own {
            true => charset.decode(bytes, &mut scratch.text)?,
            false => charset.decode_sent(bytes, &mut scratch.text)?,
        };
        match self {
            Codec::JsonText(_) | Codec::Json => out.value(&Value::Json(text)),
            Codec::UuidText(_) | Codec::Uuid => {
                let fault = || Fault("it is no UUID of 36 characters".into());
                let uuid = parse_uuid(text).ok_or_else(fault)?;
                if UuidText::new(&uuid).as_str() != text {
                    return Err(Fault(format!("it {CAPITALS}").into()));
                }
                out.value(&Value::Uuid(uuid));
            }
            Codec::Enum(_) => out.value(&Value::Enum(text)),
            Codec::Set(_) => out.value(&Value::Set(text)),
            _ => out.value(&Value::Text(text)),
        }
        Ok(())
    }

    /// Octets, with the zeros that the log leaves away.
    pub fn octets(&self, bytes: &[u8], scratch: &mut Scratch, out: &mut ImageWriter<'_>) {
        match self {
            Codec::Bytes { fixed: Some(length) } if bytes.len() < *length => {
                scratch.bytes.clear();
                scratch.bytes.extend_from_slice(bytes);
                scratch.bytes.resize(*length, 0);
                out.value(&Value::Bytes(&scratch.bytes));
            }
            _ => out.value(&Value::Bytes(bytes)),
        }
    }

    /// A whole number that the protocol or the log sent in the column's own width.
    pub fn int(&self, value: i128, out: &mut ImageWriter<'_>) -> Result<(), Fault> {
        let fault = |_| Fault::new("a number is out of range");
        match self {
            Codec::Bool => match value {
                0 | 1 => out.value(&Value::Bool(value == 1)),
                _ => return Err(Fault(format!("{value} in a column that was made for booleans").into())),
            },
            Codec::Int { unsigned: true, .. } => out.value(&Value::UInt(value.try_into().map_err(fault)?)),
            _ => out.value(&Value::Int(value.try_into().map_err(fault)?)),
        }
        Ok(())
    }

    /// A civil date and time: what it is, the column says.
    pub fn civil(&self, c: Civil, out: &mut ImageWriter<'_>) -> Result<(), Fault> {
        let (year, month, day) = (i64::from(c.year), u32::from(c.month), u32::from(c.day));
        let impossible = Fault::new("a date is out of range");
        let value = match self {
            Codec::Date => Value::Date(Date::from_civil(year, month, day).ok_or(impossible)?),
            Codec::DateTime { .. } => {
                Value::DateTime(DateTime::from_civil(year, month, day, c.micros).ok_or(impossible)?)
            }
            _ => match DateTime::from_civil(year, month, day, c.micros).ok_or(impossible.clone())? {
                DateTime::Micros(micros) => Value::Timestamp(Timestamp::Micros(micros)),
                _ if (year, month, day, c.micros) == (0, 0, 0, 0) => Value::Timestamp(Timestamp::Zero),
                _ => return Err(impossible),
            },
        };
        out.value(&value);
        Ok(())
    }

    /// A geometry as it is stored: the SRID in four octets, then WKB.
    pub fn geometry(&self, bytes: &[u8], out: &mut ImageWriter<'_>) -> Result<(), Fault> {
        let (srid, wkb) = bytes.split_first_chunk::<4>().ok_or(Fault::new("a geometry is too short"))?;
        out.value(&Value::Geometry(Geometry { srid: u32::from_le_bytes(*srid), wkb }));
        Ok(())
    }

    /// A bit field; `bytes` big-endian, the bits at the low end.
    pub fn bits(&self, bytes: &[u8], out: &mut ImageWriter<'_>) -> Result<(), Fault> {
        let Codec::Bits(length) = *self else { return Err(Fault::new("bits in a column of another type")) };
        if bytes.len() > 8 || length > 64 || bytes.len() != length.div_ceil(8) as usize {
            return Err(Fault::new("a bit field of another length"));
        }
        let number = bytes.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
        let unused = length.div_ceil(8) * 8 - length;
        let moved = (number << unused).to_be_bytes();
        out.value(&Value::Bits(Bits { length, bytes: &moved[8 - bytes.len()..] }));
        Ok(())
    }

    /// A value of a query's result (binary protocol), asked for by [`Codec::asked`].
    pub fn sent(&self, value: &Sent, scratch: &mut Scratch, out: &mut ImageWriter<'_>) -> Result<(), Fault> {
        match (self, value) {
            (_, Sent::NULL) => out.value(&Value::Null),
            (Codec::Decimal { .. }, Sent::Bytes(bytes)) => {
                let text = std::str::from_utf8(bytes).ok().map(without_zerofill).and_then(Decimal::parse);
                out.value(&Value::Decimal(text.ok_or(Fault::new("a decimal cannot be read"))?));
            }
            (Codec::Bytes { .. } | Codec::Vector, Sent::Bytes(bytes)) => self.octets(bytes, scratch, out),
            (Codec::Bits(_), Sent::Bytes(bytes)) => self.bits(bytes, out)?,
            (Codec::Geometry, Sent::Bytes(bytes)) => self.geometry(bytes, out)?,
            (
                Codec::Text { .. }
                | Codec::UuidText(_)
                | Codec::Json
                | Codec::JsonText(_)
                | Codec::Enum(_)
                | Codec::Set(_)
                | Codec::Uuid
                | Codec::Inet(_)
                | Codec::Native(_),
                Sent::Bytes(bytes),
            ) => self.text(bytes, false, scratch, out)?,
            (Codec::Int { .. } | Codec::Bool | Codec::Year, Sent::Int(i)) => self.int(i128::from(*i), out)?,
            (Codec::Int { .. } | Codec::Bool | Codec::Year, Sent::UInt(u)) => {
                self.int(i128::from(*u), out)?
            }
            (Codec::Float { .. }, Sent::Float(x)) => out.value(&Value::Float32(*x)),
            (Codec::Float { .. }, Sent::Double(x)) => out.value(&Value::Float64(*x)),
            (
                Codec::Date | Codec::DateTime { .. } | Codec::Instant { .. } | Codec::Timestamp { .. },
                Sent::Date(year, month, day, h, m, s, micros),
            ) => {
                let micros = clock(u32::from(*h), u32::from(*m), u32::from(*s), *micros);
                self.civil(Civil { year: *year, month: *month, day: *day, micros }, out)?;
            }
            (Codec::Time { .. }, Sent::Time(negative, days, h, m, s, micros)) => {
                let micros =
                    i64::from(*days) * DAY + clock(u32::from(*h), u32::from(*m), u32::from(*s), *micros);
                out.value(&Value::Time(Time::from_micros(if *negative { -micros } else { micros })));
            }
            _ => return Err(Fault::new("the server sent a value of another type than the column's")),
        }
        Ok(())
    }
}

/// `0001.50` → `1.50`; ZEROFILL columns are never negative.
fn without_zerofill(text: &str) -> &str {
    let whole = text.find('.').unwrap_or(text.len());
    let zeros = text.bytes().take(whole.saturating_sub(1)).take_while(|b| *b == b'0').count();
    &text[zeros..]
}

/// A civil date, and microseconds of the day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Civil {
    pub year: u16,
    pub month: u8,
    pub day: u8,
    pub micros: i64,
}

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Microseconds of a time.
pub(crate) fn clock(hours: u32, minutes: u32, seconds: u32, micros: u32) -> i64 {
    ((i64::from(hours) * 60 + i64::from(minutes)) * 60 + i64::from(seconds)) * 1_000_000 + i64::from(micros)
}
