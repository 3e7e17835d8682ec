//! [`Value`] → the text that the server reads, in a COPY stream or in an array literal.
//!
//! Invariant: a value is written exactly or refused, by us, before the server could round it, cut it or take it for another: decimals and fractions of
//! seconds beyond the column's, texts longer than the column or with blanks that it would lose, NUL, dates that are none. What remains (numbers
//! out of range, unknown labels) is an error of the server.

mod temporal;

use crate::decode::Decoder;
use crate::types::Resolved;
use std::fmt::Write as _;
use tidelock_model::{Array, Decimal, Type, UuidText, Value, name_that_comes_twice, parse_uuid};

/// Why a value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub String);

type Done = Result<(), Refusal>;

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A field of COPY's text format.
    Copy,
    /// An element of an array, inside of a literal in single quotes.
    Element,
    /// The text itself: an element of an array that is itself quoted as a whole.
    Bare,
}

/// Appends `value` for a column of this type.
pub(crate) fn put(column: &Resolved, value: &Value<'_>, form: Form, out: &mut Vec<u8>) -> Done {
    let twice = match (value, column.cast.as_str()) {
        (Value::Json(text), "jsonb") => name_that_comes_twice(text),
        (Value::Array(array), "jsonb[]") => array.iter().find_map(|item| match item {
            Value::Json(text) => name_that_comes_twice(text),
            _ => None,
        }),
        _ => None,
    };
    if let Some(name) = twice {
        return Err(Refusal(format!("jsonb would keep one of the values named {name}")));
    }
    let between = if let Decoder::Array(_, delimiter) = column.decoder { delimiter } else { ',' };
    typed(&column.data_type, value, &mut Out { form, between, out })
}

fn typed(data_type: &Type, value: &Value<'_>, o: &mut Out<'_>) -> Done {
    if value.is_null() {
        o.out.extend_from_slice(if o.form == Form::Copy { b"\\N" } else { b"NULL" });
        return Ok(());
    }
    match data_type {
        Type::Bool => o.boolean(value),
        Type::Int { bits, unsigned } => o.int(value, *bits, *unsigned),
        Type::Decimal { precision, scale } => o.decimal(value, precision.map(|p| (p, *scale))),
        Type::Float32 => o.float(value, true),
        Type::Float64 => o.float(value, false),
        Type::Text { length, fixed } => o.text(value, *length, *fixed),
        Type::Bytes { .. } => match value {
            Value::Bytes(bytes) => o.octets(bytes),
            _ => refuse(value, "bytea"),
        },
        Type::Bits { length, varying } => o.bits(value, *length, *varying),
        Type::Date => o.date(value),
        Type::Time { fraction, zone } => o.time(value, *fraction, *zone),
        Type::DateTime { fraction } => o.datetime(value, *fraction),
        Type::Timestamp { fraction } => o.timestamp(value, *fraction),
        Type::Interval => match value {
            Value::Interval(interval) => o.display(interval),
            _ => refuse(value, "interval"),
        },
        Type::Uuid => match value {
            Value::Uuid(bytes) => o.plain(UuidText::new(bytes).as_str()),
            Value::Text(text) => match parse_uuid(text) {
                Some(bytes) if UuidText::new(&bytes).as_str() == *text => o.plain(text),
                Some(_) => {
                    Err(Refusal("a UUID is kept in small letters, and this one is not written so".into()))
                }
                None => Err(Refusal("it is no UUID".into())),
            },
            _ => refuse(value, "uuid"),
        },
        Type::Json => match value {
            Value::Json(text) => o.quoted(text),
            _ => refuse(value, "json"),
        },
        Type::Enum { labels } => match *value {
            Value::Enum(text) | Value::Text(text) if labels.iter().any(|l| l == text) => o.quoted(text),
            Value::Enum(_) | Value::Text(_) => Err(Refusal("the enumeration has no such label".into())),
            _ => refuse(value, "enum"),
        },
        Type::Array { element } => match value {
            Value::Array(array) => o.array(element, array),
            _ => refuse(value, "array"),
        },
        Type::Native { name, .. } => match value {
            Value::Text(text) => o.quoted(text),
            _ => refuse(value, name),
        },
        Type::Set { .. } | Type::Year | Type::Geometry | Type::Any => {
            refuse(value, "none of PostgreSQL's types")
        }
    }
}

fn refuse(value: &Value<'_>, column: &str) -> Done {
    Err(Refusal(format!("a value of kind {} does not go into a column of kind {column}", value.kind())))
}

/// A value for a message, shortened.
pub(crate) fn shown(value: &Value<'_>) -> String {
    crate::error::shortened(&value.to_string())
}

struct Out<'o> {
    form: Form,
    /// What stands between two elements of an array: the element type's delimiter.
    between: char,
    out: &'o mut Vec<u8>,
}

impl Out<'_> {
    /// A text that needs no escape in any form.
    fn plain(&mut self, text: &str) -> Done {
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn display(&mut self, value: &impl std::fmt::Display) -> Done {
        self.plain(&value.to_string())
    }

    /// Any text; the server cannot hold NUL.
    fn quoted(&mut self, text: &str) -> Done {
        if memchr::memchr(0, text.as_bytes()).is_some() {
            return Err(Refusal("PostgreSQL's text cannot hold the character NUL".into()));
        }
        match self.form {
            Form::Bare => self.out.extend_from_slice(text.as_bytes()),
            Form::Copy => copy_text(text, self.out),
            Form::Element => element_text(text, self.out),
        }
        Ok(())
    }

    fn boolean(&mut self, value: &Value<'_>) -> Done {
        match value {
            Value::Bool(true) | Value::Int(1) | Value::UInt(1) => self.plain("t"),
            Value::Bool(false) | Value::Int(0) | Value::UInt(0) => self.plain("f"),
            Value::Int(_) | Value::UInt(_) => Err(Refusal("it is neither true nor false".into())),
            _ => refuse(value, "boolean"),
        }
    }

    fn int(&mut self, value: &Value<'_>, bits: u8, unsigned: bool) -> Done {
        let number = match value {
            Value::Int(n) => i128::from(*n),
            Value::UInt(n) => i128::from(*n),
            Value::Bool(b) => i128::from(*b),
            Value::Decimal(d) if d.is_finite() && d.fraction().is_empty() => {
                let whole = d.whole();
                let number: i128 = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(i128::MAX) };
                if d.is_negative() { -number } else { number }
            }
            Value::Decimal(_) => return Err(Refusal("it is no whole number".into())),
            _ => return refuse(value, "integer"),
        };
        let bits = u32::from(bits);
        let (least, most) =
            if unsigned { (0, (1 << bits) - 1) } else { (-(1_i128 << (bits - 1)), (1 << (bits - 1)) - 1) };
        if !(least..=most).contains(&number) {
            return Err(Refusal(format!("it is out of the range of {bits} bits")));
        }
        // Every range is within 64 bits, one sign aside.
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        Ok(())
    }

    fn decimal(&mut self, value: &Value<'_>, limits: Option<(u16, i16)>) -> Done {
        let float;
        let decimal = match value {
            Value::Int(n) => {
                float = n.to_string();
                Decimal::parse(&float)
            }
            Value::UInt(n) => {
                float = n.to_string();
                Decimal::parse(&float)
            }
            Value::Float64(n) if n.is_finite() => {
                float = n.to_string();
                Decimal::parse(&float)
            }
            Value::Float32(n) if n.is_finite() => {
                float = n.to_string();
                Decimal::parse(&float)
            }
            Value::Decimal(d) => Some(*d),
            _ => return refuse(value, "numeric"),
        };
        let Some(decimal) = decimal else { return refuse(value, "numeric") };
        match limits {
            // NaN is a value of every numeric; infinity is not.
            Some((precision, scale)) if decimal.as_str() != "NaN" && !decimal.fits(precision, scale) => {
                Err(Refusal(format!("it does not fit into numeric({precision},{scale})")))
            }
            _ => self.plain(decimal.as_str()),
        }
    }

    fn float(&mut self, value: &Value<'_>, single: bool) -> Done {
        let number = match value {
            Value::Float64(n) => *n,
            Value::Float32(n) if single => {
                return self.plain(ryu::Buffer::new().format(*n)).map(|()| self.infinite(f64::from(*n)));
            }
            Value::Float32(n) => f64::from(*n),
            Value::Int(n) if (*n as f64) as i128 == i128::from(*n) => *n as f64,
            Value::UInt(n) if (*n as f64) as i128 == i128::from(*n) => *n as f64,
            Value::Decimal(d) => match d.as_str().parse::<f64>() {
                Ok(n)
                    if n.is_nan()
                        || Decimal::parse(&n.to_string()).is_some_and(|back| back.compare(*d).is_eq()) =>
                {
                    n
                }
                _ => return Err(Refusal("a floating point number does not hold it exactly".into())),
            },
            Value::Int(_) | Value::UInt(_) => {
                return Err(Refusal("a floating point number does not hold it exactly".into()));
            }
            _ => return refuse(value, "double precision"),
        };
        if single && !number.is_nan() && f64::from(number as f32) != number {
            return Err(Refusal("a real does not hold it exactly".into()));
        }
        self.plain(ryu::Buffer::new().format(number))?;
        self.infinite(number);
        Ok(())
    }

    /// `inf`, as the formatter has it, is `Infinity` here.
    fn infinite(&mut self, number: f64) {
        if number.is_infinite() {
            self.out.truncate(self.out.len() - 3);
            self.out.extend_from_slice(b"Infinity");
        }
    }

    fn text(&mut self, value: &Value<'_>, length: Option<u32>, fixed: bool) -> Done {
        let owned;
        let text = match value {
            Value::Text(text) | Value::Enum(text) | Value::Set(text) | Value::Json(text) => text,
            Value::Uuid(uuid) => {
                owned = UuidText::new(uuid);
                owned.as_str()
            }
            _ => return refuse(value, "text"),
        };
        // The server drops blanks behind the length of a varchar, and all of those at the end of a char.
        if length.is_some_and(|most| text.len() > most as usize && text.chars().count() > most as usize) {
            return Err(Refusal(format!("it has more than {} characters", length.unwrap_or_default())));
        }
        if fixed && text.ends_with(' ') {
            return Err(Refusal("a char(n) loses the blanks at its end".into()));
        }
        self.quoted(text)
    }

    fn octets(&mut self, bytes: &[u8]) -> Done {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.out.extend_from_slice(match self.form {
            Form::Bare => b"\\x".as_slice(),
            Form::Copy | Form::Element => b"\\\\x",
        });
        self.out.reserve(bytes.len() * 2);
        for b in bytes {
            self.out.extend([HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        }
        Ok(())
    }

    fn bits(&mut self, value: &Value<'_>, length: Option<u32>, varying: bool) -> Done {
        let Value::Bits(bits) = value else { return refuse(value, "bit") };
        let fits = length.is_none_or(|n| if varying { bits.length <= n } else { bits.length == n });
        if !fits {
            return Err(Refusal(format!("the column does not hold {} bits", bits.length)));
        }
        if bits.length == 0 {
            return self.quoted("");
        }
        self.plain(&bits.to_text())
    }

    /// `[0:1]={…}`; quoted as a whole where the form asks for it.
    fn array(&mut self, element: &Type, array: &Array<'_>) -> Done {
        let dimensions: Vec<(i64, i64)> = array.dimensions().collect();
        let mut text = String::new();
        if dimensions.iter().any(|(_, lower)| *lower != 1) {
            for (length, lower) in &dimensions {
                // Writing to a String does not fail.
                let _ = write!(text, "[{lower}:{}]", lower + length - 1);
            }
            text.push('=');
        }
        let mut items = array.iter();
        level(element, self.between, &dimensions, &mut items, &mut text)?;
        self.quoted(&text)
    }
}

fn level<'a>(
    element: &Type,
    between: char,
    dimensions: &[(i64, i64)],
    items: &mut impl Iterator<Item = Value<'a>>,
    text: &mut String,
) -> Done {
    text.push('{');
    if let Some(((length, _), inner)) = dimensions.split_first() {
        for n in 0..*length {
            if n > 0 {
                text.push(between);
            }
            if inner.is_empty() {
                item(element, &items.next().unwrap_or(Value::Null), text)?;
            } else {
                level(element, between, inner, items, text)?;
            }
        }
    }
    text.push('}');
    Ok(())
}

fn item(element: &Type, value: &Value<'_>, text: &mut String) -> Done {
    if value.is_null() {
        text.push_str("NULL");
        return Ok(());
    }
    let mut bytes = Vec::new();
    typed(element, value, &mut Out { form: Form::Bare, between: ',', out: &mut bytes })?;
    let plain = String::from_utf8(bytes).map_err(|_| Refusal("it is not UTF-8".into()))?;
    text.push('"');
    for c in plain.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    Ok(())
}

/// A field of COPY: backslash, newline, carriage return and tab are escaped (manual, COPY, "Text Format").
fn copy_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for (i, b) in bytes.iter().enumerate() {
        let letter = match b {
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => continue,
        };
        out.extend_from_slice(&bytes[start..i]);
        out.extend([b'\\', letter]);
        start = i + 1;
    }
    out.extend_from_slice(&bytes[start..]);
}

/// An element in double quotes, inside of a literal in single quotes.
fn element_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut start = 0;
    out.push(b'"');
    for (i, b) in bytes.iter().enumerate() {
        let escape = match b {
            b'\\' | b'"' => b'\\',
            b'\'' => b'\'',
            _ => continue,
        };
        out.extend_from_slice(&bytes[start..i]);
        out.extend([escape, *b]);
        start = i + 1;
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests;
