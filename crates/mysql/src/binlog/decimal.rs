//! DECIMAL as MySQL stores it: nine digits in four octets, big-endian, the first bit flipped, all bits flipped when negative.

use super::Reader;
use crate::codec::Fault;
use std::fmt::Write;

/// Octets of a group of fewer than nine digits.
const OCTETS: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
/// 65 digits need 30 octets at most.
const MOST: usize = 40;

/// How many octets a number takes.
pub(crate) fn octets(precision: u16, scale: u16) -> Option<usize> {
    let (whole, scale) = (usize::from(precision.checked_sub(scale)?), usize::from(scale));
    let length = whole / 9 * 4 + OCTETS[whole % 9] + scale / 9 * 4 + OCTETS[scale % 9];
    (1..=MOST).contains(&length).then_some(length)
}

/// Reads one number and writes its digits, with exactly `scale` of them behind the point.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    precision: u16,
    scale: u16,
    out: &mut String,
) -> Result<(), Fault> {
    let length = octets(precision, scale).ok_or(Fault::new("a malformed decimal"))?;
    let (whole, scale) = (usize::from(precision - scale), usize::from(scale));
    let mut stored = [0; MOST];
    stored[..length].copy_from_slice(reader.take(length)?);
    let negative = stored[0] & 0x80 == 0;
    stored[0] ^= 0x80;
    if negative {
        stored[..length].iter_mut().for_each(|b| *b ^= 0xff);
    }
    let mut rest = Reader(&stored[..length]);
    out.clear();
    let mut group = |digits: usize| {
        let value = rest.be(OCTETS[digits])?;
        // The octets hold more than the digits do.
        let malformed = value >= 10_u64.pow(digits as u32);
        if malformed { Err(Fault::new("a malformed decimal")) } else { Ok(value) }
    };
    let mut zero = true;
    if negative {
        out.push('-');
    }
    let start = out.len();
    for digits in std::iter::once(whole % 9).chain(std::iter::repeat_n(9, whole / 9)).filter(|d| *d > 0) {
        let value = group(digits)?;
        zero &= value == 0;
        // Writing to a String does not fail.
        let _ = match out.len() > start {
            true => write!(out, "{value:09}"),
            false if value > 0 => write!(out, "{value}"),
            false => Ok(()),
        };
    }
    if out.len() == start {
        out.push('0');
    }
    if scale > 0 {
        out.push('.');
        for digits in std::iter::repeat_n(9, scale / 9).chain(std::iter::once(scale % 9)).filter(|d| *d > 0) {
            let value = group(digits)?;
            zero &= value == 0;
            let _ = write!(out, "{value:0digits$}");
        }
    }
    if negative && zero {
        out.remove(0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manuals_example_and_its_negative() {
        let mut out = String::new();
        read(&mut Reader(&[0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2]), 14, 4, &mut out).unwrap();
        assert_eq!(out, "1234567890.1234");
        read(&mut Reader(&[0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d]), 14, 4, &mut out).unwrap();
        assert_eq!(out, "-1234567890.1234");
        read(&mut Reader(&[0x80, 0x00, 0x05]), 4, 2, &mut out).unwrap_or_default();
        read(&mut Reader(&[0x80, 0x05]), 4, 2, &mut out).unwrap();
        assert_eq!(out, "0.05");
        assert!(read(&mut Reader(&[0x80]), 4, 2, &mut out).is_err());
        assert!(read(&mut Reader(&[0x80]), 2, 4, &mut out).is_err());
    }
}
