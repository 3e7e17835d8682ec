//! The server's text → [`Value`]: one decoder, chosen once per column, for the snapshot, the stream and reads by key.

use tidelock_model::{
    Bits, Date, DateTime, Decimal, Image, ImageWriter, Interval, Time, Timestamp, Value, parse_uuid,
};

/// How a column's text is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decoder {
    Bool,
    Int,
    UInt,
    Decimal,
    Float32,
    Float64,
    Text,
    /// `char(n)`: the blanks at its end are no part of the value.
    Padded,
    Bytes,
    Bits,
    Date,
    Time,
    DateTime,
    Timestamp,
    Interval,
    Uuid,
    Json,
    Enum,
    /// Of elements, with the delimiter between them.
    Array(Box<Decoder>, char),
    /// As the server prints it.
    Native,
}

/// A text that is not what its column's type allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub String);

fn not_a(what: &str, text: &str) -> Fault {
    // The text itself may be one that a job masks.
    Fault(format!("a text of {} characters is not a {what}", text.chars().count()))
}

impl Decoder {
    /// Puts the value of `text`. `scratch` is only room, kept between calls.
    #[inline]
    pub fn put(&self, text: &str, scratch: &mut Vec<u8>, image: &mut ImageWriter<'_>) -> Result<(), Fault> {
        if let Decoder::Array(element, delimiter) = self {
            return array(element, *delimiter, text, image);
        }
        scratch.clear();
        let value = self.value(text, scratch)?;
        image.value(&value);
        Ok(())
    }

    /// The value of `text`; octets are put into `scratch`, behind what it holds.
    fn value<'a>(&self, text: &'a str, scratch: &'a mut Vec<u8>) -> Result<Value<'a>, Fault> {
        Ok(match self {
            Decoder::Bool => match text {
                "t" => Value::Bool(true),
                "f" => Value::Bool(false),
                _ => return Err(not_a("boolean", text)),
            },
            Decoder::Int => Value::Int(text.parse().map_err(|_| not_a("whole number", text))?),
            Decoder::UInt => Value::UInt(text.parse().map_err(|_| not_a("whole number", text))?),
            Decoder::Decimal => {
                Value::Decimal(Decimal::parse(text).ok_or_else(|| not_a("decimal number", text))?)
            }
            Decoder::Float32 => Value::Float32(text.parse().map_err(|_| not_a("number", text))?),
            Decoder::Float64 => Value::Float64(text.parse().map_err(|_| not_a("number", text))?),
            Decoder::Text | Decoder::Native => Value::Text(text),
            Decoder::Padded => Value::Text(text.trim_end_matches(' ')),
            Decoder::Bytes => Value::Bytes(octets(text, scratch)?),
            Decoder::Bits => Value::Bits(bits(text, scratch)?),
            Decoder::Date => Value::Date(match Date::parse(text) {
                Ok(Date::Partial { .. }) | Err(_) => return Err(not_a("date", text)),
                Ok(date) => date,
            }),
            Decoder::Time => Value::Time(Time::parse(text).map_err(|_| not_a("time", text))?),
            Decoder::DateTime => Value::DateTime(match DateTime::parse(text) {
                Ok(DateTime::Partial { .. }) | Err(_) => return Err(not_a("timestamp", text)),
                Ok(time) => time,
            }),
            Decoder::Timestamp => Value::Timestamp(match Timestamp::parse(text) {
                Ok(Timestamp::Zero) | Err(_) => return Err(not_a("timestamp with time zone", text)),
                Ok(time) => time,
            }),
            Decoder::Interval => {
                Value::Interval(Interval::parse(text).ok_or_else(|| not_a("finite interval", text))?)
            }
            Decoder::Uuid => Value::Uuid(parse_uuid(text).ok_or_else(|| not_a("uuid", text))?),
            Decoder::Json => Value::Json(text),
            Decoder::Enum => Value::Enum(text),
            Decoder::Array(..) => return Err(not_a("value: arrays stand in no arrays", text)),
        })
    }
}

/// `\x00ff`, as `bytea_output = hex` has it.
fn octets<'a>(text: &str, out: &'a mut Vec<u8>) -> Result<&'a [u8], Fault> {
    let fault = || not_a("bytea in hex", text);
    let digits = text.strip_prefix("\\x").filter(|d| d.len() % 2 == 0).ok_or_else(fault)?;
    let start = out.len();
    out.reserve(digits.len() / 2);
    for pair in digits.as_bytes().chunks_exact(2) {
        let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8).ok_or_else(fault);
        out.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    Ok(&out[start..])
}

fn bits<'a>(text: &str, out: &'a mut Vec<u8>) -> Result<Bits<'a>, Fault> {
    let length = u32::try_from(text.len()).map_err(|_| not_a("string of bits", text))?;
    let start = out.len();
    out.resize(start + text.len().div_ceil(8), 0);
    for (i, b) in text.bytes().enumerate() {
        match b {
            b'1' => out[start + i / 8] |= 0x80 >> (i % 8),
            b'0' => {}
            _ => return Err(not_a("string of bits", text)),
        }
    }
    Ok(Bits { length, bytes: &out[start..] })
}

/// `[0:1][2:3]={{1,NULL},{"a b",4}}` (manual, "Array Input and Output Syntax").
fn array(element: &Decoder, delimiter: char, text: &str, image: &mut ImageWriter<'_>) -> Result<(), Fault> {
    let malformed = || not_a("array", text);
    let mut scan = Scan {
        rest: text,
        delimiter,
        element,
        count: 0,
        items: Vec::new(),
        lengths: Vec::new(),
        unquoted: String::new(),
        scratch: Vec::new(),
        fault: None,
    };
    let bounds = scan.bounds().ok_or_else(malformed)?;
    if scan.level(0).is_none() {
        return Err(scan.fault.unwrap_or_else(malformed));
    }
    if !scan.rest.is_empty() {
        return Err(malformed());
    }
    if scan.count == 0 {
        image.array(&[], &[]);
        return Ok(());
    }
    let told = bounds.is_empty() || bounds.len() == scan.lengths.len();
    let lower = bounds.iter().copied().chain(std::iter::repeat(1));
    let dimensions: Option<Vec<(i64, i64)>> =
        scan.lengths.iter().zip(lower).map(|(n, lower)| Some(((*n)? as i64, lower))).collect();
    // Levels of another depth among elements would leave places without one.
    let places = |d: &[(i64, i64)]| d.iter().try_fold(1_i64, |n, (length, _)| n.checked_mul(*length));
    let dimensions = dimensions.filter(|d| told && places(d) == Some(scan.count as i64));
    image.encoded_array(&dimensions.ok_or_else(malformed)?, scan.count, Image::from_bytes(&scan.items));
    Ok(())
}

struct Scan<'t> {
    rest: &'t str,
    delimiter: char,
    element: &'t Decoder,
    count: usize,
    /// The elements, encoded: a text of a gigabyte may be half a thousand million of them.
    items: Vec<u8>,
    /// The length of each dimension, once its first level is read.
    lengths: Vec<Option<usize>>,
    /// Room for an element that was quoted, and for its octets.
    unquoted: String,
    scratch: Vec<u8>,
    /// Of the element that cannot be read.
    fault: Option<Fault>,
}

impl Scan<'_> {
    fn take(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Lower bounds, where they are told.
    fn bounds(&mut self) -> Option<Vec<i64>> {
        let mut lower = Vec::new();
        while self.take('[') {
            let (inside, rest) = self.rest.split_once(']')?;
            lower.push(inside.split_once(':')?.0.parse().ok()?);
            self.rest = rest;
        }
        (lower.is_empty() || self.take('=')).then_some(lower)
    }

    fn level(&mut self, depth: usize) -> Option<()> {
        if !self.take('{') || depth > 6 {
            return None;
        }
        if self.lengths.len() <= depth {
            self.lengths.push(None);
        }
        let mut length = 0;
        if !self.take('}') {
            loop {
                if self.rest.starts_with('{') {
                    self.level(depth + 1)?
                } else {
                    self.item()?
                }
                length += 1;
                if self.take('}') {
                    break;
                }
                if !self.take(self.delimiter) {
                    return None;
                }
            }
        }
        match self.lengths[depth] {
            None => self.lengths[depth] = Some(length),
            Some(before) if before == length => {}
            Some(_) => return None,
        }
        Some(())
    }

    fn item(&mut self) -> Option<()> {
        if !self.take('"') {
            let end = self.rest.find([self.delimiter, '}'])?;
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest;
            return self.put((!text.eq_ignore_ascii_case("NULL")).then_some(text));
        }
        let (mut text, mut escaped) = (std::mem::take(&mut self.unquoted), false);
        text.clear();
        for (i, c) in self.rest.char_indices() {
            match c {
                _ if escaped => {
                    text.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    self.rest = &self.rest[i + 1..];
                    let done = self.put(Some(&text));
                    self.unquoted = text;
                    return done;
                }
                c => text.push(c),
            }
        }
        None
    }

    /// One element more; `None` stands for NULL.
    fn put(&mut self, text: Option<&str>) -> Option<()> {
        self.scratch.clear();
        let value = match text {
            None => Ok(Value::Null),
            Some(text) => self.element.value(text, &mut self.scratch),
        };
        match value {
            Ok(value) => ImageWriter::new(&mut self.items).value(&value),
            Err(fault) => {
                self.fault = Some(fault);
                return None;
            }
        }
        self.count += 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidelock_model::Slot;

    fn read(decoder: &Decoder, text: &str) -> Result<String, Fault> {
        let mut buffer = Vec::new();
        decoder.put(text, &mut Vec::new(), &mut ImageWriter::new(&mut buffer))?;
        Ok(match Image::from_bytes(&buffer).slot(0).unwrap() {
            Slot::Value(Value::Array(a)) => {
                format!("{:?} {:?}", a.dimensions().collect::<Vec<_>>(), a.iter().collect::<Vec<_>>())
            }
            Slot::Value(value) => format!("{value:?}"),
            Slot::NotSent => "not sent".into(),
        })
    }

    #[test]
    fn arrays_keep_bounds_nulls_and_quotes() {
        let ints = Decoder::Array(Box::new(Decoder::Int), ',');
        assert_eq!(read(&ints, "{}").unwrap(), "[] []");
        assert_eq!(read(&ints, "{1,NULL,3}").unwrap(), "[(3, 1)] [Int(1), Null, Int(3)]");
        assert_eq!(
            read(&ints, "[0:1][2:3]={{1,2},{3,4}}").unwrap(),
            "[(2, 0), (2, 2)] [Int(1), Int(2), Int(3), Int(4)]"
        );
        let texts = Decoder::Array(Box::new(Decoder::Text), ',');
        assert_eq!(
            read(&texts, r#"{"a,b","c\"d","NULL",NULL,""}"#).unwrap(),
            r#"[(5, 1)] [Text("a,b"), Text("c\"d"), Text("NULL"), Null, Text("")]"#
        );
        for bad in ["", "{", "{1", "1}", "{{1},{2,3}}", "{1}x", "[0:1={1}", "{\"a}"] {
            assert!(read(&ints, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn padding_is_no_part_of_a_value() {
        assert_eq!(read(&Decoder::Padded, "ab   ").unwrap(), "Text(\"ab\")");
        assert_eq!(read(&Decoder::Text, "ab   ").unwrap(), "Text(\"ab   \")");
    }

    #[test]
    fn octets_and_bits() {
        assert_eq!(read(&Decoder::Bytes, "\\x00ff5c").unwrap(), "Bytes([0, 255, 92])");
        assert_eq!(
            read(&Decoder::Bits, "1010000001").unwrap(),
            "Bits(Bits { length: 10, bytes: [160, 64] })"
        );
        assert!(read(&Decoder::Bytes, "abc").is_err() && read(&Decoder::Bits, "12").is_err());
    }

    proptest! {
        #[test]
        fn random_text_never_panics(text in "\\PC*", which in 0..20_usize) {
            let all = [
                Decoder::Bool, Decoder::Int, Decoder::UInt, Decoder::Decimal, Decoder::Float32, Decoder::Float64, Decoder::Text,
                Decoder::Padded, Decoder::Bytes, Decoder::Bits, Decoder::Date, Decoder::Time, Decoder::DateTime, Decoder::Timestamp,
                Decoder::Interval, Decoder::Uuid, Decoder::Json, Decoder::Enum, Decoder::Native,
                Decoder::Array(Box::new(Decoder::Text), ','),
            ];
            let _ = read(&all[which], &text);
        }

        #[test]
        fn random_arrays_never_panic(text in "[{}\\[\\]\",\\\\=:0-9aN]*") {
            let _ = read(&Decoder::Array(Box::new(Decoder::Text), ','), &text);
        }
    }
}
