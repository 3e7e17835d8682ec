//! Values in another type's nearest: only where a user allowed it, for something is lost.
//!
//! One function for all engines and both ways of a row, so that a value is converted alike by snapshot, stream and comparison.

use crate::{Array, Date, DateTime, Decimal, Time, Timestamp, Type, Value, day_and_clock};
use std::fmt::Write as _;

/// `value` as a column of type `to` takes it: rounded to its digits, written in UTC, or as text. A value for which there is nothing near is given back as
/// it is, to be refused by whoever writes it. `scratch` is room, overwritten.
pub fn converted<'a>(value: Value<'a>, to: &Type, scratch: &'a mut String) -> Value<'a> {
    scratch.clear();
    match (value, to) {
        (Value::Decimal(d), Type::Float64) => float(d).map_or(value, Value::Float64),
        (Value::Decimal(d), Type::Float32) => float(d).map_or(value, |x: f32| Value::Float32(x)),
        (Value::Int(i), Type::Float64) => Value::Float64(i as f64),
        (Value::Int(i), Type::Float32) => Value::Float32(i as f32),
        (Value::UInt(u), Type::Float64) => Value::Float64(u as f64),
        (Value::UInt(u), Type::Float32) => Value::Float32(u as f32),
        // A finite number that is too large would become infinite.
        (Value::Float64(x), Type::Float32) if (x as f32).is_finite() || !x.is_finite() => {
            Value::Float32(x as f32)
        }
        (Value::Float64(_) | Value::Float32(_), Type::Decimal { .. }) => {
            // The shortest digits that mean this number: what the databases print.
            let _ = write!(scratch, "{value}");
            decimal(scratch, to).unwrap_or(value)
        }
        (Value::Decimal(d), Type::Decimal { .. }) if d.is_finite() => {
            scratch.push_str(d.as_str());
            decimal(scratch, to).unwrap_or(value)
        }
        (Value::Time(t), Type::Time { fraction, .. }) => {
            let micros = t.micros.signum() * rounded(t.micros.abs(), *fraction);
            Value::Time(Time { micros, ..t })
        }
        (Value::DateTime(DateTime::Micros(m)), Type::DateTime { fraction }) => {
            Value::DateTime(DateTime::Micros(rounded(m, *fraction)))
        }
        (Value::Timestamp(Timestamp::Micros(m)), Type::Timestamp { fraction }) => {
            Value::Timestamp(Timestamp::Micros(rounded(m, *fraction)))
        }
        (Value::Timestamp(t), Type::DateTime { fraction }) => match t {
            Timestamp::Micros(m) => Value::DateTime(DateTime::Micros(rounded(m, *fraction))),
            Timestamp::Infinity => Value::DateTime(DateTime::Infinity),
            Timestamp::NegInfinity => Value::DateTime(DateTime::NegInfinity),
            Timestamp::Zero => Value::DateTime(DateTime::Partial { year: 0, month: 0, day: 0, micros: 0 }),
        },
        (Value::DateTime(t), Type::Date) => match t {
            DateTime::Micros(m) => {
                let day = i32::try_from(day_and_clock(m).0);
                day.map_or(value, |day| Value::Date(Date::Day(day)))
            }
            DateTime::Infinity => Value::Date(Date::Infinity),
            DateTime::NegInfinity => Value::Date(Date::NegInfinity),
            DateTime::Partial { year, month, day, .. } => Value::Date(Date::Partial { year, month, day }),
        },
        (Value::Array(array), Type::Json) => {
            json(&array, scratch);
            Value::Json(scratch)
        }
        (
            Value::Null | Value::Text(_) | Value::Enum(_) | Value::Set(_) | Value::Uuid(_),
            Type::Text { .. },
        ) => value,
        (Value::Geometry(_) | Value::Array(_), Type::Text { .. }) => value,
        (Value::Float32(x), Type::Float64) => Value::Float64(f64::from(x)),
        (Value::Json(text), Type::Text { .. }) => Value::Text(text),
        (_, Type::Text { .. }) => {
            let _ = write!(scratch, "{value}");
            Value::Text(scratch)
        }
        _ => value,
    }
}

fn float<F: std::str::FromStr + Into<f64> + Copy>(d: Decimal<'_>) -> Option<F> {
    let x: F = d.as_str().parse().ok()?;
    (!d.is_finite() || x.into().is_finite()).then_some(x)
}

/// The number in `text`, rounded half away from zero to the digits behind the point that `to` has.
fn decimal<'a>(text: &'a mut String, to: &Type) -> Option<Value<'a>> {
    let Type::Decimal { precision, scale } = to else { return None };
    if precision.is_some() && *scale >= 0 {
        round(text, *scale as usize);
    }
    Decimal::parse(text).map(Value::Decimal)
}

fn round(text: &mut String, scale: usize) {
    let Some(point) = text.find('.') else { return };
    let (kept, more) = (point + 1 + scale, text.len());
    if more <= kept {
        return;
    }
    let up = text.as_bytes()[kept] >= b'5';
    text.truncate(if scale == 0 { point } else { kept });
    if !up {
        return;
    }
    let mut digits = std::mem::take(text).into_bytes();
    let mut carry = true;
    for digit in digits.iter_mut().rev().filter(|d| d.is_ascii_digit()) {
        carry = *digit == b'9';
        *digit = if carry { b'0' } else { *digit + 1 };
        if !carry {
            break;
        }
    }
    if carry {
        let first = digits.iter().position(u8::is_ascii_digit).unwrap_or(0);
        digits.insert(first, b'1');
    }
    text.extend(digits.into_iter().map(char::from));
}

/// To so many digits of a second's fraction; a half goes up.
fn rounded(micros: i64, fraction: u8) -> i64 {
    let unit = 10_i64.pow(6 - u32::from(fraction.min(6)));
    let below = micros.rem_euclid(unit);
    let up = if below * 2 >= unit && unit > 1 { unit } else { 0 };
    micros.checked_sub(below).and_then(|m| m.checked_add(up)).unwrap_or(micros)
}

/// An array as JSON: numbers and truth values as such, all else as text. Lower bounds are lost.
fn json(array: &Array<'_>, out: &mut String) {
    let lengths: Vec<i64> = array.dimensions().map(|(length, _)| length).collect();
    if lengths.is_empty() {
        out.push_str("[]");
        return;
    }
    level(&lengths, &mut array.iter(), out);
}

fn level<'a>(lengths: &[i64], items: &mut impl Iterator<Item = Value<'a>>, out: &mut String) {
    let Some((length, inner)) = lengths.split_first() else { return };
    out.push('[');
    for n in 0..*length {
        if n > 0 {
            out.push(',');
        }
        if inner.is_empty() {
            item(&items.next().unwrap_or(Value::Null), out);
        } else {
            level(inner, items, out);
        }
    }
    out.push(']');
}

fn item(value: &Value<'_>, out: &mut String) {
    // Writing to a String does not fail.
    let _ = match value {
        Value::Null => write!(out, "null"),
        Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Json(_) => write!(out, "{value}"),
        Value::Decimal(d) if d.is_finite() => write!(out, "{value}"),
        Value::Float32(x) if x.is_finite() => write!(out, "{value}"),
        Value::Float64(x) if x.is_finite() => write!(out, "{value}"),
        other => {
            out.push('"');
            for c in other.to_string().chars() {
                let _ = match c {
                    '"' | '\\' => write!(out, "\\{c}"),
                    c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)),
                    c => write!(out, "{c}"),
                };
            }
            write!(out, "\"")
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Image, ImageWriter, Slot};

    fn shown(value: Value<'_>, to: Type) -> String {
        let mut scratch = String::new();
        let value = converted(value, &to, &mut scratch);
        format!("{} {value}", value.kind())
    }

    #[test]
    fn numbers_are_rounded_half_away_from_zero() {
        let to = |scale| Type::Decimal { precision: Some(10), scale };
        let number = |text| Value::Decimal(Decimal::parse(text).unwrap());
        for (from, scale, expected) in [
            ("1.005", 2, "1.01"),
            ("-1.005", 2, "-1.01"),
            ("9.99", 1, "10.0"),
            ("-0.5", 0, "-1"),
            ("1.4", 0, "1"),
            ("7", 2, "7"),
        ] {
            assert_eq!(shown(number(from), to(scale)), format!("decimal {expected}"), "{from}");
        }
        assert_eq!(shown(Value::Float64(0.1), to(3)), "decimal 0.1");
        assert_eq!(shown(number("0.1000000000000000055511151231257827"), Type::Float64), "float64 0.1");
        assert_eq!(shown(number("NaN"), Type::Float64), "float64 NaN");
        let large = "1".to_owned() + &"0".repeat(400);
        assert!(shown(number(&large), Type::Float64).starts_with("decimal 1"));
        assert!(shown(Value::Float64(1e300), Type::Float32).starts_with("float64 1"));
        assert_eq!(shown(Value::Float64(f64::NEG_INFINITY), Type::Float32), "float32 -Infinity");
        assert_eq!(shown(Value::Int(9_007_199_254_740_993), Type::Float64), "float64 9007199254740992");
        assert_eq!(shown(Value::Float64(f64::NAN), to(2)), "decimal NaN");
    }

    #[test]
    fn moments_are_rounded_and_lose_their_zone() {
        let at = |text| Value::DateTime(DateTime::parse(text).unwrap());
        let to = |fraction| Type::DateTime { fraction };
        assert_eq!(shown(at("2024-01-01 00:00:00.9995"), to(3)), "datetime 2024-01-01 00:00:01");
        assert_eq!(shown(at("1999-12-31 23:59:59.4"), to(0)), "datetime 1999-12-31 23:59:59");
        assert_eq!(shown(at("infinity"), Type::Date), "date infinity");
        assert_eq!(shown(at("2020-00-10 01:00:00"), Type::Date), "date 2020-00-10");
        let instant = Value::Timestamp(Timestamp::parse("2024-06-01 12:00:00+02").unwrap());
        assert_eq!(shown(instant, to(6)), "datetime 2024-06-01 10:00:00");
        assert_eq!(shown(at("2024-01-01 23:00:00"), Type::Date), "date 2024-01-01");
        let time = |text| Value::Time(Time::parse(text).unwrap());
        let whole = Type::Time { fraction: 0, zone: false };
        assert_eq!(shown(time("12:34:56.5"), whole.clone()), "time 12:34:57");
        assert_eq!(shown(time("-12:34:56.5"), whole.clone()), "time -12:34:57");
        assert_eq!(shown(time("-12:34:56.4"), whole), "time -12:34:56");
    }

    #[test]
    fn arrays_become_json_and_all_else_text() {
        let mut buffer = Vec::new();
        let items = [Value::Int(1), Value::Null, Value::Text("a\"\n"), Value::Float64(f64::NAN)];
        ImageWriter::new(&mut buffer).array(&[(2, 1), (2, 0)], &items);
        let Slot::Value(array) = Image::from_bytes(&buffer).slot(0).unwrap() else { panic!() };
        assert_eq!(shown(array, Type::Json), r#"json [[1,null],["a\"\u000a","NaN"]]"#);
        assert_eq!(shown(Value::Bytes(&[1, 255]), Type::text()), "text 0x01ff");
        assert_eq!(shown(Value::Float32(f32::NEG_INFINITY), Type::text()), "text -Infinity");
    }

    #[test]
    fn an_array_of_uuids_becomes_json_of_their_usual_text() {
        let mut buffer = Vec::new();
        ImageWriter::new(&mut buffer).array(&[(1, 1)], &[Value::Uuid([0xa0; 16])]);
        let Slot::Value(array) = Image::from_bytes(&buffer).slot(0).unwrap() else { panic!() };
        assert_eq!(shown(array, Type::Json), r#"json ["a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0"]"#);
    }
}
