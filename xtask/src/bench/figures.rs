//! Measured values and how they are written: the median of the repetitions, and from which to which they went.

use std::fmt;
use std::time::Duration;

/// The same thing measured several times.
#[derive(Debug, Clone, Default)]
pub struct Series(Vec<f64>);

impl Series {
    /// Adds a measurement.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// The middle one; `None` when nothing was measured.
    pub fn median(&self) -> Option<f64> {
        let (count, middle) = (self.0.len(), self.0.len() / 2);
        match count {
            0 => None,
            _ if count % 2 == 1 => Some(self.0[middle]),
            _ => Some((self.0[middle - 1] + self.0[middle]) / 2.0),
        }
    }

    /// The largest.
    pub fn largest(&self) -> Option<f64> {
        self.0.last().copied()
    }

    /// The median with its spread, each written by `write`: `0.84 (0.80–0.91)`.
    pub fn text(&self, write: impl Fn(f64) -> String) -> String {
        match (self.median(), self.0.first(), self.0.last()) {
            (Some(median), Some(least), Some(most)) if least < most => {
                format!("{} ({}–{})", write(median), write(*least), write(*most))
            }
            (Some(median), ..) => write(median),
            (None, ..) => "–".to_owned(),
        }
    }

    /// Only the median.
    pub fn middle(&self, write: impl Fn(f64) -> String) -> String {
        self.median().map_or_else(|| "–".to_owned(), write)
    }
}

/// A value that is held against a floor: what is written into the table, and whether it is missed.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The text, loud when missed.
    pub text: String,
    /// The floor is missed.
    pub missed: bool,
}

impl Judged {
    /// `text`, marked unless `held`. A value that is not there holds nothing and misses nothing.
    pub fn new(text: String, held: Option<bool>) -> Judged {
        match held {
            Some(false) => Judged { text: format!("**{text} MISSED**"), missed: true },
            _ => Judged { text, missed: false },
        }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `2 M`, `412 k`, `950`: three digits that count.
pub fn count(value: f64) -> String {
    let (value, unit) = match value {
        v if v >= 999_500.0 => (v / 1e6, " M"),
        v if v >= 999.5 => (v / 1e3, " k"),
        v => (v, ""),
    };
    let digits = if value >= 99.95 || unit.is_empty() || value.fract() < 0.005 { 0 } else { 1 };
    format!("{value:.digits$}{unit}")
}

/// Octets in MB.
pub fn megabytes(value: f64) -> String {
    let megabytes = value / 1e6;
    if megabytes >= 10.0 { format!("{megabytes:.0}") } else { format!("{megabytes:.1}") }
}

/// A ratio.
pub fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

/// Seconds as milliseconds.
pub fn milliseconds(value: f64) -> String {
    let milliseconds = value * 1e3;
    if milliseconds >= 100.0 { format!("{milliseconds:.0}") } else { format!("{milliseconds:.1}") }
}

/// What there is of something in a second.
pub fn rate(amount: u64, time: Duration) -> f64 {
    amount as f64 / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_tells_its_median_and_its_spread() {
        let mut series = Series::default();
        assert_eq!(series.text(ratio), "–");
        series.push(0.9);
        assert_eq!(series.text(ratio), "0.90");
        series.push(0.7);
        series.push(0.8);
        assert_eq!(series.text(ratio), "0.80 (0.70–0.90)");
    }

    #[test]
    fn counts_have_three_digits_that_count() {
        for (value, text) in
            [(999.0, "999"), (1_000.0, "1 k"), (54_321.0, "54.3 k"), (412_345.0, "412 k"), (2e6, "2 M")]
        {
            assert_eq!(count(value), text);
        }
    }
}
