use std::cmp::Ordering;
use std::fmt;

/// A decimal number as validated text: `-?digits[.digits]`, `NaN`, `Infinity` or `-Infinity`.
///
/// No arithmetic is done on it, so that no digit can be lost; the scale that the source wrote is kept (`1.50` stays
/// `1.50`). Neither exponents, nor a leading `+`, nor a bare `.5` occur: [`Decimal::parse`] refuses them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal<'a>(&'a str);

impl<'a> Decimal<'a> {
    /// Takes `text` when it has the form above, else `None`.
    pub fn parse(text: &'a str) -> Option<Self> {
        if matches!(text, "NaN" | "Infinity" | "-Infinity") {
            return Some(Decimal(text));
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
        let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        (plain(whole) && fraction.is_none_or(plain)).then_some(Decimal(text))
    }

    /// The text itself.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Neither NaN nor infinite.
    pub fn is_finite(self) -> bool {
        !self.0.ends_with(['N', 'y'])
    }

    /// The number of digits after the point, trailing zeros included.
    pub fn scale(self) -> usize {
        self.0.split_once('.').map_or(0, |(_, f)| f.len())
    }

    /// The digits before the point without leading zeros; empty for a number below one. Only for finite numbers.
    pub fn whole(self) -> &'a str {
        let digits = self.0.strip_prefix('-').unwrap_or(self.0);
        digits.split_once('.').map_or(digits, |(w, _)| w).trim_start_matches('0')
    }

    /// The digits after the point without trailing zeros. Only for finite numbers.
    pub fn fraction(self) -> &'a str {
        self.0.split_once('.').map_or("", |(_, f)| f.trim_end_matches('0'))
    }

    /// Below zero; `-0` and `-0.00` are not.
    pub fn is_negative(self) -> bool {
        self.0.starts_with('-')
            && (!self.is_finite() || !self.whole().is_empty() || !self.fraction().is_empty())
    }

    /// Whether a column of this precision and scale holds the number without rounding.
    pub fn fits(self, precision: u16, scale: i16) -> bool {
        if !self.is_finite() {
            return false;
        }
        let (whole, fraction) = (self.whole(), self.fraction());
        if scale < 0 {
            let zeros = whole.len() - whole.trim_end_matches('0').len();
            let drop = usize::from(scale.unsigned_abs());
            return fraction.is_empty()
                && (whole.is_empty() || zeros >= drop)
                && whole.len() <= usize::from(precision) + drop;
        }
        let scale = scale as usize;
        fraction.len() <= scale && whole.len() + scale <= usize::from(precision).max(scale)
    }

    /// Compares by value: `1.50` equals `1.5`, `-0` equals `0`; NaN is above everything, as PostgreSQL sorts it.
    pub fn compare(self, other: Decimal<'_>) -> Ordering {
        let class = |d: Decimal<'_>| match d.0 {
            "NaN" => 2,
            "Infinity" => 1,
            "-Infinity" => -1,
            _ => 0,
        };
        let by_class = class(self).cmp(&class(other));
        if by_class != Ordering::Equal || !self.is_finite() {
            return by_class;
        }
        match (self.is_negative(), other.is_negative()) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (true, true) => magnitude(other, self),
            (false, false) => magnitude(self, other),
        }
    }
}

fn magnitude(a: Decimal<'_>, b: Decimal<'_>) -> Ordering {
    let (x, y) = (a.whole(), b.whole());
    x.len().cmp(&y.len()).then_with(|| x.cmp(y)).then_with(|| a.fraction().cmp(b.fraction()))
}

impl fmt::Debug for Decimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal<'_> {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn only_plain_decimal_text_is_taken() {
        for bad in ["", "-", ".5", "5.", "+1", "1e5", "1 ", "0x1", "nan", "--1", "1.2.3"] {
            assert!(Decimal::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn numbers_compare_by_value_not_by_spelling() {
        assert_eq!(d("1.50").compare(d("1.5")), Ordering::Equal);
        assert_eq!(d("-0.00").compare(d("0")), Ordering::Equal);
        assert_eq!(d("9").compare(d("10")), Ordering::Less);
        assert_eq!(d("-9").compare(d("-10")), Ordering::Greater);
        assert_eq!(d("0.09").compare(d("0.1")), Ordering::Less);
        assert_eq!(d("NaN").compare(d("Infinity")), Ordering::Greater);
    }

    #[test]
    fn a_number_fits_only_without_rounding() {
        assert!(d("123.45").fits(5, 2) && !d("1234.5").fits(5, 2) && !d("1.234").fits(5, 2));
        assert!(d("1.500").fits(2, 1) && d("0.001").fits(3, 3) && !d("1.001").fits(3, 3));
        assert!(d("1200").fits(2, -2) && !d("1250").fits(2, -2) && !d("NaN").fits(9, 0));
    }
}
