//! MySQL's binary JSON → its text, letter for letter as the server prints it: keys in stored order (by length, then octets), a blank behind
//! `:` and `,`, floating-point numbers with the shortest digits.
//!
//! Layout: a type octet, then the value. Objects and arrays: count, size, entries (key offsets and lengths; values inline when they fit), bodies; offsets count from
//! the count. Small ones have offsets of two octets, large ones of four.

use super::{Reader, decimal};
use crate::codec::Fault;
use crate::shortest::scientific;
use std::fmt::Write;

/// MySQL's own limit of nesting.
const DEEPEST: usize = 100;
/// No stored octet becomes more letters than this: a control character six, a short number with its comma less.
const LETTERS: usize = 8;

/// Renders a stored value; an empty one stands for JSON's null.
pub(crate) fn render(bytes: &[u8], out: &mut String) -> Result<(), Fault> {
    out.clear();
    match bytes.split_first() {
        None => out.push_str("null"),
        Some((kind, body)) => {
            let mut bounds = Bounds { depth: 0, most: bytes.len() * LETTERS };
            value(*kind, body, &mut bounds, out)?;
            bounds.hold(out)?;
        }
    }
    Ok(())
}

/// What no tree of the server goes beyond.
struct Bounds {
    depth: usize,
    /// Letters of the whole: a tree whose parts lie over each other could grow without end.
    most: usize,
}

impl Bounds {
    fn hold(&self, out: &str) -> Result<(), Fault> {
        if out.len() > self.most {
            Err(Fault::new("parts of a JSON value lie over each other"))
        } else {
            Ok(())
        }
    }
}

fn malformed() -> Fault {
    Fault::new("a malformed JSON value")
}

fn value(kind: u8, body: &[u8], bounds: &mut Bounds, out: &mut String) -> Result<(), Fault> {
    let mut r = Reader(body);
    // Writing to a String does not fail.
    let _ = match kind {
        0..=3 => return container(body, kind & 1 == 1, kind < 2, bounds, out),
        4 => {
            out.push_str(scalar_literal(r.byte()?)?);
            Ok(())
        }
        5 => write!(out, "{}", r.le(2)? as i16),
        6 => write!(out, "{}", r.le(2)?),
        7 => write!(out, "{}", r.le(4)? as i32),
        8 => write!(out, "{}", r.le(4)?),
        9 => write!(out, "{}", r.le(8)? as i64),
        10 => write!(out, "{}", r.le(8)?),
        11 => {
            let number = f64::from_bits(r.le(8)?);
            if !number.is_finite() {
                return Err(malformed());
            }
            double(number, out);
            Ok(())
        }
        12 => {
            let text = variable(&mut r)?;
            quote(std::str::from_utf8(text).map_err(|_| malformed())?, out);
            Ok(())
        }
        15 => return opaque(&mut r, out),
        _ => return Err(malformed()),
    };
    Ok(())
}

fn scalar_literal(code: u8) -> Result<&'static str, Fault> {
    match code {
        0 => Ok("null"),
        1 => Ok("true"),
        2 => Ok("false"),
        _ => Err(malformed()),
    }
}

/// An object (kinds 0 and 1) or an array (2 and 3); odd kinds are large.
fn container(
    body: &[u8],
    large: bool,
    object: bool,
    bounds: &mut Bounds,
    out: &mut String,
) -> Result<(), Fault> {
    if bounds.depth >= DEEPEST {
        return Err(Fault::new("a JSON value is nested too deep"));
    }
    let width = if large { 4 } else { 2 };
    let mut r = Reader(body);
    let count = r.le(width)? as usize;
    let size = r.le(width)? as usize;
    let body = body.get(..size).ok_or_else(malformed)?;
    let key_entry = width + 2;
    let keys = r.take(if object { count.checked_mul(key_entry).ok_or_else(malformed)? } else { 0 })?;
    let mut entries = Reader(r.take(count.checked_mul(width + 1).ok_or_else(malformed)?)?);
    let mut keys = Reader(keys);
    out.push(if object { '{' } else { '[' });
    bounds.depth += 1;
    for i in 0..count {
        bounds.hold(out)?;
        if i > 0 {
            out.push_str(", ");
        }
        if object {
            let (offset, length) = (keys.le(width)? as usize, keys.le(2)? as usize);
            let key = body.get(offset..).and_then(|b| b.get(..length)).ok_or_else(malformed)?;
            quote(std::str::from_utf8(key).map_err(|_| malformed())?, out);
            out.push_str(": ");
        }
        let kind = entries.byte()?;
        let entry = entries.take(width)?;
        let inline = matches!(kind, 4..=6) || large && matches!(kind, 7 | 8);
        if inline {
            value(kind, entry, bounds, out)?;
        } else {
            let offset = Reader(entry).le(width)? as usize;
            value(kind, body.get(offset..).ok_or_else(malformed)?, bounds, out)?;
        }
    }
    bounds.depth -= 1;
    out.push(if object { '}' } else { ']' });
    Ok(())
}

/// Octets behind a length in groups of seven bits, lowest first.
fn variable<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Fault> {
    let mut length = 0_usize;
    for shift in (0..35).step_by(7) {
        let octet = r.byte()?;
        length |= usize::from(octet & 0x7f) << shift;
        if octet < 0x80 {
            return r.take(length);
        }
    }
    Err(malformed())
}

/// A value of an SQL type: decimals are numbers, times are texts, anything else is base64 behind its type's number.
fn opaque(r: &mut Reader<'_>, out: &mut String) -> Result<(), Fault> {
    let kind = r.byte()?;
    let body = variable(r)?;
    match kind {
        246 => {
            let mut r = Reader(body);
            let (precision, scale) = (r.byte()?, r.byte()?);
            let mut text = String::new();
            decimal::read(&mut r, precision.into(), scale.into(), &mut text)?;
            out.push_str(&text);
        }
        7 | 10 | 11 | 12 => temporal(kind, Reader(body).le(8)? as i64, out),
        _ => {
            let _ = write!(out, "\"base64:type{kind}:");
            base64(body, out);
            out.push('"');
        }
    }
    Ok(())
}

fn temporal(kind: u8, packed: i64, out: &mut String) {
    let negative = packed < 0;
    let size = packed.unsigned_abs();
    let (whole, micros) = (size >> 24, size & 0xff_ffff);
    out.push('"');
    let _ = if kind == 11 {
        let (h, m, s) = (whole >> 12 & 0x3ff, whole >> 6 & 63, whole & 63);
        write!(out, "{}{h:02}:{m:02}:{s:02}.{micros:06}", if negative { "-" } else { "" })
    } else {
        let (date, time) = (whole >> 17, whole & 0x1_ffff);
        let (year, month, day) = ((date >> 5) / 13, (date >> 5) % 13, date & 31);
        let (h, m, s) = (time >> 12, time >> 6 & 63, time & 63);
        match kind {
            10 => write!(out, "{year:04}-{month:02}-{day:02}"),
            _ => write!(out, "{year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}.{micros:06}"),
        }
    };
    out.push('"');
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The shortest digits that read back as `x`: plain up to 15 digits before the point (more when digits follow behind it) and 14 zeros behind it, else
/// with an exponent; whole numbers keep `.0`.
fn double(x: f64, out: &mut String) {
    let scientific = scientific(x.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if x.is_sign_negative() {
        out.push('-');
    }
    let point = exponent + 1;
    if x == 0.0 {
        out.push_str("0.0");
    } else if point >= -14 && (point <= 15 || digits.len() as i64 > i64::from(point)) {
        if point <= 0 {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
            out.push_str(&digits);
        } else {
            let point = point as usize;
            let whole = &digits[..point.min(digits.len())];
            out.push_str(whole);
            out.extend(std::iter::repeat_n('0', point - whole.len()));
            out.push('.');
            out.push_str(digits.get(point..).filter(|f| !f.is_empty()).unwrap_or("0"));
        }
    } else {
        let _ = write!(out, "{mantissa}e{exponent}");
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8], out: &mut String) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for three in bytes.chunks(3) {
        let n = three.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let letter = LETTERS[(n >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= three.len() { char::from(letter) } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_printed_as_the_server_prints_them() {
        for (x, text) in [
            (1.0, "1.0"),
            (-0.5, "-0.5"),
            (1e20, "1e20"),
            (1.5e-15, "0.0000000000000015"),
            (1.5e-16, "1.5e-16"),
            (123456789012345.0, "123456789012345.0"),
            (0.000001, "0.000001"),
            (3.25e200, "3.25e200"),
            (1536234243126633.5, "1536234243126633.5"),
            (1.234567890123456e15, "1.234567890123456e15"),
            (886_902_643_530_018.0 + 0.25, "886902643530018.2"),
        ] {
            let mut out = String::new();
            double(x, &mut out);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn base64_pads() {
        let mut out = String::new();
        for bytes in [&b"a"[..], b"ab", b"abc"] {
            base64(bytes, &mut out);
        }
        assert_eq!(out, "YQ==YWI=YWJj");
    }

    proptest! {
        #[test]
        fn random_octets_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0_u8..16) {
            let mut out = String::new();
            let mut all = vec![kind];
            all.extend(bytes);
            let _ = render(&all, &mut out);
        }
    }
}
