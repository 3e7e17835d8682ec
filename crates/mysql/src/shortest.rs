//! Doubles in the shortest digits.

/// The shortest digits that read back as `x`, with an exponent: `1.5e-7`. Of two that are as near it is the even one, as servers print it; Rust by itself takes
/// the greater one.
pub(crate) fn scientific(x: f64) -> String {
    let shortest = format!("{x:e}");
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let even = format!("{x:.*e}", digits.saturating_sub(1));
    if even.parse() == Ok(x) { even } else { shortest }
}

#[cfg(test)]
mod tests {
    use super::scientific;

    #[test]
    fn of_two_spellings_that_are_as_near_the_even_one_is_taken() {
        for (x, text) in [
            (886_902_643_530_018.0 + 0.25, "8.869026435300182e14"),
            (886_902_643_530_018.0 + 0.75, "8.869026435300188e14"),
            (-886_902_643_530_018.0 - 0.25, "-8.869026435300182e14"),
            (9_007_199_254_740_993.0, "9.007199254740992e15"),
            (5e-324, "5e-324"),
            (9.5, "9.5e0"),
            (0.1, "1e-1"),
            (-0.0, "-0e0"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ] {
            assert_eq!(scientific(x), text);
        }
    }

    #[test]
    fn every_double_reads_back() {
        for exponent in -1074..1024 {
            let x = 2_f64.powi(exponent);
            assert_eq!(scientific(x).parse(), Ok(x), "{x:e}");
            assert_eq!(scientific(x.next_down()).parse(), Ok(x.next_down()), "below {x:e}");
        }
    }
}
