//! When two values of different engines are the same: the question of verify, of conflict detection and of folding by key.
//!
//! A value's canonical form is a byte string; two values are the same when their forms are. What differs only by the
//! spelling that a type forces is the same: `1`, `1.0` and TRUE (where no boolean exists), `2024-01-01` as a date
//! and as a date and time at midnight, JSON with other blanks and another order of keys, a UUID as text.
//! What carries information is not: text with and without trailing blanks, NULL and the empty string.

use crate::canonical_json::canonical_json;
use crate::{Date, DateTime, Decimal, Slot, Timestamp, UuidText, Value, day_and_clock};
use std::io::Write;
use xxhash_rust::xxh3::Xxh3Default;

const NULL: u8 = 0;
const NUMBER: u8 = 1;
const FLOAT: u8 = 2;
const TEXT: u8 = 3;
const BYTES: u8 = 4;
const CIVIL: u8 = 5;
const INSTANT: u8 = 6;
const OTHER: u8 = 7;

/// Appends the canonical form of `value` to `out`. A form is never the beginning of another one.
pub fn canonical_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match *value {
        Value::Null => out.push(NULL),
        Value::Bool(b) => number(out, if b { "1" } else { "0" }),
        Value::Int(i) => integer(out, i < 0, i.unsigned_abs()),
        Value::UInt(u) => integer(out, false, u),
        Value::Decimal(d) => decimal(out, d),
        Value::Float32(x) => float(out, f64::from(x), |out| drop(write!(out, "{x}"))),
        Value::Float64(x) => float(out, x, |out| drop(write!(out, "{x}"))),
        Value::Text(t) | Value::Enum(t) | Value::Set(t) => {
            framed(out, TEXT, |out| out.extend_from_slice(t.as_bytes()))
        }
        Value::Json(t) => framed(out, TEXT, |out| canonical_json(t, out)),
        Value::Uuid(u) => {
            framed(out, TEXT, |out| out.extend_from_slice(UuidText::new(&u).as_str().as_bytes()))
        }
        Value::Bytes(b) => framed(out, BYTES, |out| out.extend_from_slice(b)),
        Value::Bits(b) => framed(out, TEXT, |out| out.extend_from_slice(b.to_text().as_bytes())),
        Value::Date(Date::Day(days)) => civil(out, i64::from(days), 0),
        Value::DateTime(DateTime::Micros(micros)) => {
            let (days, clock) = day_and_clock(micros);
            civil(out, days, clock);
        }
        Value::Timestamp(Timestamp::Micros(micros)) => {
            out.push(INSTANT);
            out.extend_from_slice(&micros.to_be_bytes());
        }
        Value::Date(d) => framed(out, OTHER, |out| drop(write!(out, "{d}"))),
        Value::DateTime(DateTime::Partial { year, month, day, micros: 0 }) => {
            framed(out, OTHER, |out| drop(write!(out, "{}", Date::Partial { year, month, day })));
        }
        Value::DateTime(d) => framed(out, OTHER, |out| drop(write!(out, "{d}"))),
        Value::Timestamp(t) => framed(out, OTHER, |out| drop(write!(out, "{t}"))),
        Value::Time(t) => framed(out, OTHER, |out| drop(write!(out, "{t}"))),
        Value::Interval(i) => framed(out, OTHER, |out| drop(write!(out, "{i}"))),
        Value::Geometry(g) => framed(out, OTHER, |out| {
            out.extend_from_slice(&g.srid.to_be_bytes());
            out.extend_from_slice(g.wkb);
        }),
        Value::Array(a) => framed(out, OTHER, |out| {
            for (length, lower) in a.dimensions() {
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(&lower.to_be_bytes());
            }
            a.iter().for_each(|item| canonical_value(&item, out));
        }),
    }
}

/// A 128-bit hash of the canonical forms of some slots, in order. A slot that was not sent counts as itself.
pub fn canonical_hash<'a>(slots: impl Iterator<Item = Slot<'a>>, scratch: &mut Vec<u8>) -> u128 {
    let mut hasher = Xxh3Default::new();
    for slot in slots {
        scratch.clear();
        match slot {
            Slot::Value(value) => canonical_value(&value, scratch),
            Slot::NotSent => scratch.push(0xff),
        }
        hasher.update(scratch);
    }
    hasher.digest128()
}

/// Four octets of length in front, so that no form is the beginning of another.
fn framed(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn number(out: &mut Vec<u8>, text: &str) {
    framed(out, NUMBER, |out| out.extend_from_slice(text.as_bytes()));
}

fn integer(out: &mut Vec<u8>, negative: bool, magnitude: u64) {
    framed(out, NUMBER, |out| drop(write!(out, "{}{magnitude}", if negative { "-" } else { "" })));
}

fn decimal(out: &mut Vec<u8>, d: Decimal<'_>) {
    if !d.is_finite() {
        let special = match d.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            _ => f64::NEG_INFINITY,
        };
        return float(out, special, |_| {});
    }
    framed(out, NUMBER, |out| {
        if d.is_negative() {
            out.push(b'-');
        }
        let (whole, fraction) = (d.whole(), d.fraction());
        out.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction.as_bytes());
        }
    });
}

/// A finite float is its shortest decimal text: equal to the decimal that an engine without floats would hold.
fn float(out: &mut Vec<u8>, x: f64, shortest: impl FnOnce(&mut Vec<u8>)) {
    if x == 0.0 {
        number(out, "0");
    } else if x.is_finite() {
        framed(out, NUMBER, shortest);
    } else {
        out.push(FLOAT);
        out.push(if x.is_nan() {
            0
        } else if x > 0.0 {
            1
        } else {
            2
        });
    }
}

fn civil(out: &mut Vec<u8>, days: i64, clock: i64) {
    out.push(CIVIL);
    out.extend_from_slice(&days.to_be_bytes());
    out.extend_from_slice(&clock.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;

    fn form(value: Value<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        canonical_value(&value, &mut out);
        out
    }

    fn dec(text: &str) -> Value<'_> {
        Value::Decimal(Decimal::parse(text).unwrap())
    }

    #[test]
    fn spelling_does_not_count() {
        for same in [
            [Value::Int(1), dec("1.00")],
            [Value::UInt(7), Value::Int(7)],
            [Value::Bool(true), Value::Int(1)],
            [Value::Float64(0.99), dec("0.990")],
            [Value::Float64(-0.0), dec("0")],
            [Value::Float64(1e20), dec("100000000000000000000")],
            [Value::Enum("a"), Value::Text("a")],
            [Value::Date(Date::Day(1)), Value::DateTime(DateTime::parse("1970-01-02").unwrap())],
        ] {
            assert_eq!(form(same[0]), form(same[1]), "{same:?}");
        }
    }

    #[test]
    fn information_counts() {
        for other in [
            [Value::Null, Value::Text("")],
            [Value::Text("a"), Value::Text("a ")],
            [Value::Int(-1), Value::Int(1)],
            [Value::Text("1"), Value::Int(1)],
            [Value::Bytes(b"a"), Value::Text("a")],
            [Value::Time(Time::from_micros(0)), Value::Time(Time { micros: 0, offset: Some(0) })],
        ] {
            assert_ne!(form(other[0]), form(other[1]), "{other:?}");
        }
    }
}
