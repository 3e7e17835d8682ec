//! [`Value`] → what is written: SQL literals for statements, fields for LOAD DATA.
//!
//! Invariant: a value is written exactly or refused, by us, before the server could round it, cut it or take it for another: decimals and
//! fractions of seconds beyond the column's, blanks that a CHAR would lose or a TEXT cut, labels that a SET would put into its own order, zeros that a BINARY would add, labels that differ by case, numbers in JSON that
//! a double cannot hold, instants outside of a TIMESTAMP. What remains (too long, out of range, unknown characters) is an error of the server in strict mode.

mod json_numbers;
mod labels;
mod temporal;
mod text;

use crate::codec::Codec;
use json_numbers::exact_numbers;
use labels::in_order;
use std::fmt::Write as _;
use tidelock_model::{Decimal, UuidText, Value, name_that_comes_twice, parse_uuid};

/// Why a value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub String);

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// In a statement.
    Sql,
    /// In a file of LOAD DATA (tabs, newlines, backslash), octets in hexadecimal digits: see [`field_expression`].
    Field,
}

/// The expression that turns a LOAD DATA field into the column's value, where it is not the field itself.
pub(crate) fn field_expression(codec: &Codec, variable: &str) -> Option<String> {
    match codec {
        Codec::Bytes { .. } | Codec::Geometry | Codec::Vector => Some(format!("UNHEX({variable})")),
        Codec::Bits(_) => Some(format!("CAST({variable} AS UNSIGNED)")),
        _ => None,
    }
}

/// How much a column holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Room {
    /// Most characters, for text.
    pub length: Option<u64>,
    /// Most octets.
    pub octets: Option<u64>,
}

/// Appends `value` for a column of this kind.
pub(crate) fn put(
    codec: &Codec,
    room: Room,
    value: &Value<'_>,
    form: Form,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if value.is_null() {
        out.extend_from_slice(if form == Form::Sql { b"NULL" } else { b"\\N" });
        return Ok(());
    }
    let mut o = Out { form, out };
    match codec {
        Codec::Bool if !matches!(value, Value::Bool(_) | Value::Int(0 | 1) | Value::UInt(0 | 1)) => {
            Err(Refusal("it is neither true nor false".into()))
        }
        Codec::Int { .. } | Codec::Bool => o.int(value),
        Codec::Year => o.year(value),
        Codec::Decimal { precision, scale } => o.decimal(value, *precision, *scale),
        Codec::Float { double, signed_zero } => o.float(value, !double, *signed_zero),
        Codec::Text { charset, fixed } => o.text(value, charset, *fixed, room),
        Codec::UuidText(_) | Codec::Uuid => o.uuid(value),
        Codec::Bytes { fixed } => o.bytes(value, *fixed, room.length),
        Codec::Vector => o.bytes(value, None, None),
        Codec::Bits(bits) => o.bits(value, *bits),
        Codec::Date => o.date(value),
        Codec::Time { fraction } => o.time(value, *fraction),
        Codec::DateTime { fraction } | Codec::Instant { fraction } => o.datetime(value, *fraction),
        Codec::Timestamp { fraction } => o.timestamp(value, *fraction),
        Codec::Json => match value {
            Value::Json(text) => {
                exact_numbers(text)?;
                match name_that_comes_twice(text) {
                    Some(name) => {
                        Err(Refusal(format!("MySQL's JSON would keep one of the values named {name}")))
                    }
                    None => o.quoted(text),
                }
            }
            _ => refuse(value, "json"),
        },
        Codec::JsonText(_) => match value {
            Value::Json(text) => o.quoted(text),
            _ => refuse(value, "json"),
        },
        Codec::Enum(labels) => match *value {
            Value::Enum(text) | Value::Text(text) => {
                if labels.iter().any(|l| l == text) {
                    return o.quoted(text);
                }
                // What an ENUM keeps of a value that was no label shows as an empty text, and strict mode writes none.
                Err(Refusal("the ENUM has no such label".into()))
            }
            _ => refuse(value, "enum"),
        },
        Codec::Set(labels) => match *value {
            Value::Set(text) | Value::Text(text) | Value::Enum(text) => {
                in_order(labels, text)?;
                o.quoted(text)
            }
            _ => refuse(value, "set"),
        },
        Codec::Geometry => match value {
            Value::Geometry(g) => {
                let mut stored = g.srid.to_le_bytes().to_vec();
                stored.extend_from_slice(g.wkb);
                o.octets(&stored);
                Ok(())
            }
            _ => refuse(value, "geometry"),
        },
        Codec::Native(_) | Codec::Inet(_) => match value {
            Value::Text(text) => o.quoted(text),
            _ => refuse(value, "native"),
        },
    }
}

fn refuse(value: &Value<'_>, column: &str) -> Result<(), Refusal> {
    Err(Refusal(format!("a value of kind {} does not go into a column of kind {column}", value.kind())))
}

/// Two digits for each octet.
pub(crate) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(bytes.len() * 2 + 1);
    for b in bytes {
        out.extend([HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
    }
}

struct Out<'o> {
    form: Form,
    out: &'o mut Vec<u8>,
}

impl Out<'_> {
    fn plain(&mut self, text: &str) -> Result<(), Refusal> {
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn quoted(&mut self, text: &str) -> Result<(), Refusal> {
        match self.form {
            Form::Sql => sql_text(text, self.out),
            Form::Field => field_text(text, self.out),
        }
        Ok(())
    }

    fn octets(&mut self, bytes: &[u8]) {
        if self.form == Form::Sql {
            self.out.extend_from_slice(b"X'");
        }
        hex(bytes, self.out);
        if self.form == Form::Sql {
            self.out.push(b'\'');
        }
    }

    fn int(&mut self, value: &Value<'_>) -> Result<(), Refusal> {
        match *value {
            Value::Int(i) => self.plain(itoa::Buffer::new().format(i)),
            Value::UInt(u) => self.plain(itoa::Buffer::new().format(u)),
            Value::Bool(b) => self.plain(if b { "1" } else { "0" }),
            Value::Decimal(d) if d.is_finite() && d.fraction().is_empty() => {
                self.plain(d.as_str().split('.').next().unwrap_or("0"))
            }
            Value::Decimal(_) => Err(Refusal("a whole-number column would round it".into())),
            _ => refuse(value, "int"),
        }
    }

    /// One or two digits would mean another year, and so would the text `0`.
    fn year(&mut self, value: &Value<'_>) -> Result<(), Refusal> {
        let year = match *value {
            Value::Int(year) => year,
            Value::UInt(year) => i64::try_from(year).unwrap_or(i64::MAX),
            _ => return refuse(value, "year"),
        };
        match (year, self.form) {
            (0 | 1901..=2155, Form::Field) => self.plain(&format!("{year:04}")),
            (0 | 1901..=2155, Form::Sql) => self.plain(itoa::Buffer::new().format(year)),
            _ => Err(Refusal("a YEAR is 0, or 1901 to 2155".into())),
        }
    }

    fn decimal(&mut self, value: &Value<'_>, precision: u16, scale: u16) -> Result<(), Refusal> {
        let mut buffer = itoa::Buffer::new();
        let mut shortest = String::new();
        let text = match *value {
            Value::Decimal(d) => d.as_str(),
            Value::Int(i) => buffer.format(i),
            Value::UInt(u) => buffer.format(u),
            Value::Bool(b) => {
                if b {
                    "1"
                } else {
                    "0"
                }
            }
            Value::Float64(x) if x.is_finite() => {
                let _ = write!(shortest, "{x}");
                &shortest
            }
            _ => return refuse(value, "decimal"),
        };
        match Decimal::parse(text) {
            Some(d) if d.fits(precision, scale as i16) => self.plain(text),
            _ => Err(Refusal(format!("decimal({precision},{scale}) does not hold it exactly"))),
        }
    }

    fn float(&mut self, value: &Value<'_>, single: bool, signed_zero: bool) -> Result<(), Refusal> {
        let inexact = || Refusal("the floating-point column does not hold it exactly".into());
        let x = match *value {
            Value::Float32(x) => f64::from(x),
            Value::Float64(x) => x,
            Value::Int(i) if i.unsigned_abs() <= 1 << 53 => i as f64,
            Value::UInt(u) if u <= 1 << 53 => u as f64,
            Value::Decimal(d) if d.is_finite() => {
                let x: f64 = d.as_str().parse().map_err(|_| inexact())?;
                let same = Decimal::parse(&x.to_string()).is_some_and(|back| back.compare(d).is_eq());
                if !same {
                    return Err(inexact());
                }
                x
            }
            _ => return refuse(value, "float"),
        };
        if !x.is_finite() {
            return Err(Refusal("MySQL has neither NaN nor infinity".into()));
        }
        if x == 0.0 && x.is_sign_negative() && !signed_zero {
            return Err(Refusal("MariaDB keeps no sign of zero".into()));
        }
        if single && f64::from(x as f32) != x {
            return Err(inexact());
        }
        // With an exponent it is a double to the parser, and not a decimal that is rounded later.
        let mut buffer = ryu::Buffer::new();
        let text = buffer.format_finite(x);
        self.plain(text)?;
        if text.contains(['e', 'E']) { Ok(()) } else { self.plain("e0") }
    }

    fn uuid(&mut self, value: &Value<'_>) -> Result<(), Refusal> {
        let octets = match *value {
            Value::Uuid(u) => u,
            Value::Text(t) => {
                let octets = parse_uuid(t).ok_or_else(|| Refusal("it is no UUID".into()))?;
                if UuidText::new(&octets).as_str() != t {
                    return Err(Refusal(
                        "a UUID is kept in small letters, and this one is not written so".into(),
                    ));
                }
                octets
            }
            _ => return refuse(value, "uuid"),
        };
        self.quoted(UuidText::new(&octets).as_str())
    }

    fn bytes(&mut self, value: &Value<'_>, fixed: Option<usize>, length: Option<u64>) -> Result<(), Refusal> {
        let Value::Bytes(bytes) = *value else { return refuse(value, "bytes") };
        match (fixed, length) {
            (Some(n), _) if n != bytes.len() => {
                Err(Refusal(format!("a BINARY({n}) column would add zero octets or cut it")))
            }
            (_, Some(n)) if bytes.len() as u64 > n => Err(Refusal(format!("it is longer than {n} octets"))),
            _ => {
                self.octets(bytes);
                Ok(())
            }
        }
    }

    fn bits(&mut self, value: &Value<'_>, length: u32) -> Result<(), Refusal> {
        let Value::Bits(bits) = value else { return refuse(value, "bits") };
        if bits.length != length {
            return Err(Refusal(format!("it has {} bits and the column {length}", bits.length)));
        }
        let text = bits.to_text();
        if self.form == Form::Sql {
            return self.plain(&format!("b'{text}'"));
        }
        let number = text.bytes().fold(0_u64, |n, b| n << 1 | u64::from(b == b'1'));
        self.plain(itoa::Buffer::new().format(number))
    }
}

/// A value as people read it, cut after 80 characters.
pub(crate) fn shown(value: &Value<'_>) -> String {
    let text = value.to_string();
    if text.chars().count() <= 80 { text } else { text.chars().take(80).chain("…".chars()).collect() }
}

fn sql_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'\'');
    let mut rest = text.as_bytes();
    while let Some(place) = rest.iter().position(|b| matches!(b, b'\'' | b'\\' | 0)) {
        out.extend_from_slice(&rest[..place]);
        out.extend_from_slice(match rest[place] {
            b'\'' => b"''",
            b'\\' => b"\\\\",
            _ => b"\\0",
        });
        rest = &rest[place + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'\'');
}

fn field_text(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(place) = rest.iter().position(|b| matches!(b, b'\t' | b'\n' | b'\\' | 0)) {
        out.extend_from_slice(&rest[..place]);
        out.extend_from_slice(match rest[place] {
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            b'\\' => b"\\\\",
            _ => b"\\0",
        });
        rest = &rest[place + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charset::Charset;
    use tidelock_model::{Date, DateTime, Time, Timestamp};

    const FLOAT: Codec = Codec::Float { double: false, signed_zero: true };
    const DOUBLE: Codec = Codec::Float { double: true, signed_zero: true };

    fn sql(codec: &Codec, value: Value<'_>) -> Result<String, Refusal> {
        let mut out = Vec::new();
        let room = Room { length: Some(5), octets: Some(9) };
        put(codec, room, &value, Form::Sql, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_fits_is_written_exactly() {
        let text = Codec::Text { charset: Charset::Utf8, fixed: false };
        assert_eq!(sql(&text, Value::Text("a'\\\0")).unwrap(), "'a''\\\\\\0'");
        assert_eq!(sql(&Codec::Bytes { fixed: None }, Value::Bytes(&[0, 255])).unwrap(), "X'00FF'");
        assert_eq!(sql(&FLOAT, Value::Float32(1.1)).unwrap(), "1.100000023841858e0");
        assert_eq!(
            sql(&Codec::Time { fraction: 1 }, Value::Time(Time::from_micros(-500_000))).unwrap(),
            "'-00:00:00.500000'"
        );
        assert_eq!(sql(&Codec::Int { bits: 8, unsigned: false }, Value::Bool(true)).unwrap(), "1");
    }

    #[test]
    fn what_would_change_is_refused() {
        let decimal = Decimal::parse("1.005").unwrap();
        for (codec, value) in [
            (Codec::Decimal { precision: 10, scale: 2 }, Value::Decimal(decimal)),
            (Codec::DateTime { fraction: 0 }, Value::DateTime(DateTime::Micros(1))),
            (Codec::Timestamp { fraction: 6 }, Value::Timestamp(Timestamp::Micros(i64::MAX / 2))),
            (Codec::Date, Value::Date(Date::Infinity)),
            (Codec::Date, Value::Date(Date::Day(-800_000))),
            (DOUBLE, Value::Float64(f64::NAN)),
            (FLOAT, Value::Float64(0.1)),
            (Codec::Float { double: true, signed_zero: false }, Value::Float64(-0.0)),
            (Codec::Text { charset: Charset::Utf8, fixed: true }, Value::Text("a ")),
            (Codec::Text { charset: Charset::Utf8, fixed: false }, Value::Text("abcde ")),
            (Codec::Text { charset: Charset::Utf8, fixed: false }, Value::Text("€€€ ")),
            (Codec::Set(["a".to_owned(), "b".to_owned()].into()), Value::Text("b,a")),
            (Codec::Bytes { fixed: Some(2) }, Value::Bytes(&[1])),
            (Codec::Enum(["a".to_owned()].into()), Value::Enum("A")),
            (Codec::Enum(["a".to_owned()].into()), Value::Enum("")),
        ] {
            assert!(sql(&codec, value).is_err(), "{codec:?} took {value:?}");
        }
    }
}
