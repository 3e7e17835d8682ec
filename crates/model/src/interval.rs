//! Reading intervals as [`Interval`] and PostgreSQL (`intervalstyle = iso_8601`) print them: `P1Y2M-3DT4H-5M6.789S`, every part with a sign of its own.

use crate::Interval;

impl Interval {
    /// Reads one; `None` for what is none (or infinite, for which there is no place).
    pub fn parse(text: &str) -> Option<Interval> {
        let mut rest = text.strip_prefix('P')?;
        let mut interval = Interval { months: 0, days: 0, micros: 0 };
        // `seen` has a bit for each unit, twice: of the date and of the clock.
        let (mut clock, mut seen) = (false, 0_u64);
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('T') {
                if clock || after.is_empty() {
                    return None;
                }
                (clock, rest) = (true, after);
            }
            let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let (number, unit) = (&rest[..end], rest.as_bytes()[end]);
            rest = &rest[end + 1..];
            let bit = 1 << (u32::from(unit & 31) + if clock { 32 } else { 0 });
            if number.starts_with('+') || seen & bit != 0 {
                return None;
            }
            seen |= bit;
            let whole = || number.parse::<i64>().ok();
            let months = |n: i64| i32::try_from(n).ok();
            match (clock, unit) {
                (false, b'Y') => {
                    interval.months = interval.months.checked_add(months(whole()?.checked_mul(12)?)?)?
                }
                (false, b'M') => interval.months = interval.months.checked_add(months(whole()?)?)?,
                (false, b'W') => {
                    interval.days = interval.days.checked_add(months(whole()?.checked_mul(7)?)?)?
                }
                (false, b'D') => interval.days = interval.days.checked_add(months(whole()?)?)?,
                (true, b'H') => {
                    interval.micros = interval.micros.checked_add(whole()?.checked_mul(3_600_000_000)?)?
                }
                (true, b'M') => {
                    interval.micros = interval.micros.checked_add(whole()?.checked_mul(60_000_000)?)?
                }
                (true, b'S') => interval.micros = interval.micros.checked_add(seconds(number)?)?,
                _ => return None,
            }
        }
        Some(interval)
    }
}

/// `-6.789` in microseconds.
fn seconds(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() > 6 || !fraction.bytes().chain(whole.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut micros = whole.parse::<i64>().ok()?.checked_mul(1_000_000)?;
    if !fraction.is_empty() {
        micros = micros.checked_add(fraction.parse::<i64>().ok()? * 10_i64.pow(6 - fraction.len() as u32))?;
    }
    Some(if negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_part_has_its_own_sign() {
        let read = |t| Interval::parse(t).map(|i| (i.months, i.days, i.micros));
        assert_eq!(read("P1Y2M-3DT4H5M6.789S"), Some((14, -3, 14_706_789_000)));
        assert_eq!(read("PT0S"), Some((0, 0, 0)));
        assert_eq!(read("PT-0.000001S"), Some((0, 0, -1)));
        assert_eq!(read("P-1Y1M"), Some((-11, 0, 0)));
        for bad in [
            "",
            "P",
            "PT",
            "1Y",
            "P1",
            "P1H",
            "PT1Y",
            "PT1.1234567S",
            "infinity",
            "P1YT",
            "P99999999999Y",
            "P1D2D",
            "P+1D",
            "PT+1S",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_the_model_prints_is_read_back(months: i32, days: i32, micros: i64) {
            let interval = Interval { months, days, micros };
            prop_assert_eq!(Interval::parse(&interval.to_string()), Some(interval));
        }

        #[test]
        fn random_text_never_panics(text in "\\PC*") {
            let _ = Interval::parse(&text);
            let _ = Interval::parse(&format!("P{text}"));
        }
    }
}
