use crate::civil::{civil_from_days, days_from_civil};
use std::fmt;
use thiserror::Error;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;

/// The day (since 1970-01-01) and the microseconds since its midnight, of a moment as [`DateTime::Micros`] and [`Timestamp::Micros`] count.
pub fn day_and_clock(micros: i64) -> (i64, i64) {
    (micros.div_euclid(DAY) + EPOCH_DAYS, micros.rem_euclid(DAY))
}

/// The moment of a day (since 1970-01-01) at this time of day; `None` where it is out of range.
fn since_epoch(days: i32, clock: i64) -> Option<i64> {
    // In 128 bits: the sum may fit where the product does not.
    i64::try_from(i128::from(i64::from(days) - EPOCH_DAYS) * i128::from(DAY) + i128::from(clock)).ok()
}

/// A text that is not the date or time it was read as.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("'{text}' is not a {what}")]
pub struct TemporalError {
    text: String,
    what: &'static str,
}

/// A calendar day. BC years are zero and below, as in ISO 8601.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Date {
    /// Before every day (PostgreSQL `-infinity`).
    NegInfinity,
    /// What MySQL stores without it being a day: zero or partial dates such as `0000-00-00` and `2020-00-10`.
    Partial {
        /// 0–9999.
        year: u16,
        /// 0–12.
        month: u8,
        /// 0–31.
        day: u8,
    },
    /// Days since 1970-01-01.
    Day(i32),
    /// After every day (PostgreSQL `infinity`).
    Infinity,
}

/// A time of day, or a span as MySQL's `TIME` is: microseconds, from −838:59:59.999999 to 838:59:59.999999; 24:00 is 86,400 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time {
    /// Microseconds since midnight.
    pub micros: i64,
    /// Seconds east of UTC, for a time with a zone.
    pub offset: Option<i32>,
}

/// A civil date and time without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DateTime {
    /// Before all.
    NegInfinity,
    /// A zero or partial date (never a whole one) with a time of day in microseconds.
    Partial {
        /// 0–9999.
        year: u16,
        /// 0–12.
        month: u8,
        /// 0–31.
        day: u8,
        /// Microseconds since midnight.
        micros: i64,
    },
    /// Microseconds since 2000-01-01 00:00:00 on the same clock, as PostgreSQL counts: so its last year fits.
    Micros(i64),
    /// After all.
    Infinity,
}

/// An instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timestamp {
    /// Before all.
    NegInfinity,
    /// MySQL's `0000-00-00 00:00:00` in a `TIMESTAMP`.
    Zero,
    /// Microseconds since 2000-01-01 00:00:00 UTC.
    Micros(i64),
    /// After all.
    Infinity,
}

/// A span of months, days and microseconds, which do not convert into each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

impl Date {
    /// A day by its civil date when there is such a day, else the partial date where MySQL could hold it, else `None`.
    pub fn from_civil(year: i64, month: u32, day: u32) -> Option<Date> {
        if is_day(year, month, day) {
            return i32::try_from(days_from_civil(year, month, day)).ok().map(Date::Day);
        }
        ((0..=9999).contains(&year) && month <= 12 && day <= 31).then_some(Date::Partial {
            year: year as u16,
            month: month as u8,
            day: day as u8,
        })
    }

    /// Reads `YYYY-MM-DD` (four or more digits, a leading `-` for years below zero), `infinity`, `-infinity`, and the same
    /// with a trailing ` BC` as PostgreSQL prints it.
    pub fn parse(text: &str) -> Result<Date, TemporalError> {
        let error = || TemporalError { text: text.to_owned(), what: "date" };
        match text {
            "infinity" => return Ok(Date::Infinity),
            "-infinity" => return Ok(Date::NegInfinity),
            _ => {}
        }
        let (body, bc) = text.strip_suffix(" BC").map_or((text, false), |t| (t, true));
        let mut scan = Scan(body.as_bytes());
        let (y, m, d) = scan.date().filter(|_| scan.0.is_empty()).ok_or_else(error)?;
        Date::from_civil(if bc { 1 - y } else { y }, m, d).ok_or_else(error)
    }
}

impl Time {
    /// A time without a zone.
    pub fn from_micros(micros: i64) -> Time {
        Time { micros, offset: None }
    }

    /// Reads `[-]H…:MM:SS[.f…][±HH[:MM[:SS]]]`, or `Z` for the zone; up to six digits of fraction.
    pub fn parse(text: &str) -> Result<Time, TemporalError> {
        let error = || TemporalError { text: text.to_owned(), what: "time" };
        let mut scan = Scan(text.as_bytes());
        let negative = scan.eat(b'-');
        let micros = scan.clock().ok_or_else(error)?;
        let offset = scan.offset().ok_or_else(error)?;
        Ok(Time { micros: if negative { -micros } else { micros }, offset })
    }
}

impl DateTime {
    /// Of a civil date and a time of day in microseconds; `None` where neither a day nor a partial date.
    pub fn from_civil(year: i64, month: u32, day: u32, micros: i64) -> Option<DateTime> {
        Some(match Date::from_civil(year, month, day)? {
            Date::Day(days) => DateTime::Micros(since_epoch(days, micros)?),
            Date::Partial { year, month, day } => DateTime::Partial { year, month, day, micros },
            _ => return None,
        })
    }

    /// Reads a date, a blank or `T`, a time without a zone; also `infinity`, `-infinity` and a trailing ` BC`. A bare date is midnight.
    pub fn parse(text: &str) -> Result<DateTime, TemporalError> {
        let error = || TemporalError { text: text.to_owned(), what: "date and time" };
        match text {
            "infinity" => return Ok(DateTime::Infinity),
            "-infinity" => return Ok(DateTime::NegInfinity),
            _ => {}
        }
        let (y, m, d, micros, offset) = date_and_time(text).ok_or_else(error)?;
        if offset.is_some() {
            return Err(error());
        }
        DateTime::from_civil(y, m, d, micros).ok_or_else(error)
    }
}

impl Timestamp {
    /// Of seconds since 1970-01-01 00:00:00 UTC, and microseconds within the last one.
    pub fn from_unix(seconds: u32, micros: u32) -> Timestamp {
        Timestamp::Micros((i64::from(seconds) - EPOCH_DAYS * 86_400) * 1_000_000 + i64::from(micros))
    }

    /// Reads a date and time with its offset from UTC (`Z`, `+02`, `+05:30`); without an offset it is taken as UTC.
    pub fn parse(text: &str) -> Result<Timestamp, TemporalError> {
        let error = || TemporalError { text: text.to_owned(), what: "timestamp" };
        match text {
            "infinity" => return Ok(Timestamp::Infinity),
            "-infinity" => return Ok(Timestamp::NegInfinity),
            _ => {}
        }
        let (y, m, d, micros, offset) = date_and_time(text).ok_or_else(error)?;
        match DateTime::from_civil(y, m, d, micros) {
            Some(DateTime::Micros(civil)) => civil
                .checked_sub(i64::from(offset.unwrap_or(0)) * 1_000_000)
                .map(Timestamp::Micros)
                .ok_or_else(error),
            Some(DateTime::Partial { year: 0, month: 0, day: 0, micros: 0 }) => Ok(Timestamp::Zero),
            _ => Err(error()),
        }
    }
}

fn is_day(year: i64, month: u32, day: u32) -> bool {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    };
    (1..=length).contains(&day) && year.abs() < 6_000_000
}

/// Year, month, day, microseconds of the day, offset in seconds.
fn date_and_time(text: &str) -> Option<(i64, u32, u32, i64, Option<i32>)> {
    let (body, bc) = text.strip_suffix(" BC").map_or((text, false), |t| (t, true));
    let mut scan = Scan(body.as_bytes());
    let (y, m, d) = scan.date()?;
    let y = if bc { 1 - y } else { y };
    if scan.0.is_empty() {
        return Some((y, m, d, 0, None));
    }
    if !(scan.eat(b' ') || scan.eat(b'T')) {
        return None;
    }
    let micros = scan.clock().filter(|clock| *clock < DAY)?;
    Some((y, m, d, micros, scan.offset()?))
}

/// A reader over ASCII digits and marks.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn eat(&mut self, byte: u8) -> bool {
        let hit = self.0.first() == Some(&byte);
        if hit {
            self.0 = &self.0[1..];
        }
        hit
    }

    /// A run of at least `least` digits, at most nine, and how many there were.
    fn number(&mut self, least: usize) -> Option<(i64, usize)> {
        let n = self.0.iter().take(9).take_while(|b| b.is_ascii_digit()).count();
        if n < least {
            return None;
        }
        let value = self.0[..n].iter().fold(0, |x, b| x * 10 + i64::from(b - b'0'));
        self.0 = &self.0[n..];
        Some((value, n))
    }

    /// Exactly two digits.
    fn two(&mut self) -> Option<i64> {
        self.number(2).filter(|(_, n)| *n == 2).map(|(value, _)| value)
    }

    fn date(&mut self) -> Option<(i64, u32, u32)> {
        let negative = self.eat(b'-');
        let (year, _) = self.number(4)?;
        let month = self.eat(b'-').then(|| self.number(2)).flatten()?;
        let day = self.eat(b'-').then(|| self.number(2)).flatten()?;
        if month.1 > 2 || day.1 > 2 {
            return None;
        }
        Some((if negative { -year } else { year }, month.0 as u32, day.0 as u32))
    }

    fn clock(&mut self) -> Option<i64> {
        let (hours, digits) = self.number(1)?;
        let minutes = self.eat(b':').then(|| self.two()).flatten()?;
        let seconds = if self.eat(b':') { self.two()? } else { 0 };
        if minutes > 59 || seconds > 59 || digits > 4 {
            return None;
        }
        let mut micros = 0;
        if self.eat(b'.') {
            let (value, n) = self.number(1)?;
            if n > 6 {
                return None;
            }
            micros = value * 10_i64.pow(6 - n as u32);
        }
        Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros)
    }

    /// The rest must be a zone or nothing: outer `None` is a fault.
    fn offset(&mut self) -> Option<Option<i32>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if self.0 == b"Z" {
            return Some(Some(0));
        }
        let negative = self.eat(b'-');
        if !negative && !self.eat(b'+') {
            return None;
        }
        // PostgreSQL takes offsets below 16 hours.
        let mut seconds = self.two().filter(|n| *n < 16)? * 3600;
        for unit in [60, 1] {
            if self.eat(b':') {
                seconds += self.two().filter(|n| *n < 60)? * unit;
            }
        }
        let seconds = seconds as i32;
        self.0.is_empty().then_some(Some(if negative { -seconds } else { seconds }))
    }
}

fn write_date(f: &mut fmt::Formatter<'_>, year: i64, month: u32, day: u32) -> fmt::Result {
    let sign = if year < 0 { "-" } else { "" };
    write!(f, "{sign}{:04}-{month:02}-{day:02}", year.abs())
}

fn write_clock(f: &mut fmt::Formatter<'_>, micros: u64) -> fmt::Result {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    if fraction == 0 {
        return Ok(());
    }
    let (mut digits, mut width) = (fraction, 6);
    while digits % 10 == 0 {
        digits /= 10;
        width -= 1;
    }
    write!(f, ".{digits:0width$}")
}

fn write_micros(f: &mut fmt::Formatter<'_>, micros: i64) -> fmt::Result {
    let (days, clock) = day_and_clock(micros);
    let (y, m, d) = civil_from_days(days);
    write_date(f, y, m, d)?;
    f.write_str(" ")?;
    write_clock(f, clock as u64)
}

/// ISO 8601 with years below zero for BC; no trailing zeros in a fraction; read back by `parse`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Date::NegInfinity => f.write_str("-infinity"),
            Date::Infinity => f.write_str("infinity"),
            Date::Partial { year, month, day } => {
                write_date(f, i64::from(year), u32::from(month), u32::from(day))
            }
            Date::Day(days) => {
                let (y, m, d) = civil_from_days(i64::from(days));
                write_date(f, y, m, d)
            }
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.micros < 0 {
            f.write_str("-")?;
        }
        write_clock(f, self.micros.unsigned_abs())?;
        let Some(offset) = self.offset else { return Ok(()) };
        let (sign, o) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
        write!(f, "{sign}{:02}:{:02}", o / 3600, o / 60 % 60)?;
        if o % 60 != 0 { write!(f, ":{:02}", o % 60) } else { Ok(()) }
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            DateTime::NegInfinity => f.write_str("-infinity"),
            DateTime::Infinity => f.write_str("infinity"),
            DateTime::Partial { year, month, day, micros } => {
                write_date(f, i64::from(year), u32::from(month), u32::from(day))?;
                f.write_str(" ")?;
                write_clock(f, micros.unsigned_abs())
            }
            DateTime::Micros(micros) => write_micros(f, micros),
        }
    }
}

/// In UTC, with a trailing `+00:00`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Timestamp::NegInfinity => f.write_str("-infinity"),
            Timestamp::Infinity => f.write_str("infinity"),
            Timestamp::Zero => f.write_str("0000-00-00 00:00:00"),
            Timestamp::Micros(micros) => {
                write_micros(f, micros)?;
                f.write_str("+00:00")
            }
        }
    }
}

/// ISO 8601 with designators: `P1Y2M3DT4H5M6.789S`; every part may carry its own sign; zero is `PT0S`.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P")?;
        let mut part = |n: i64, unit: char| if n != 0 { write!(f, "{n}{unit}") } else { Ok(()) };
        part(i64::from(self.months / 12), 'Y')?;
        part(i64::from(self.months % 12), 'M')?;
        part(i64::from(self.days), 'D')?;
        if self.micros == 0 {
            return if self.months == 0 && self.days == 0 { f.write_str("T0S") } else { Ok(()) };
        }
        f.write_str("T")?;
        let (hours, rest) = (self.micros / 3_600_000_000, self.micros % 3_600_000_000);
        let mut part = |n: i64, unit: char| if n != 0 { write!(f, "{n}{unit}") } else { Ok(()) };
        part(hours, 'H')?;
        part(rest / 60_000_000, 'M')?;
        let seconds = rest % 60_000_000;
        if seconds == 0 {
            return Ok(());
        }
        let (whole, fraction) = (seconds.abs() / 1_000_000, seconds.abs() % 1_000_000);
        write!(f, "{}{whole}", if seconds < 0 { "-" } else { "" })?;
        if fraction != 0 {
            write!(f, ".{}", format!("{fraction:06}").trim_end_matches('0'))?;
        }
        f.write_str("S")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for text in [
            "2024-02-29",
            "0001-01-01",
            "-0043-03-15",
            "9999-12-31",
            "0000-00-00",
            "2020-00-10",
            "infinity",
            "294276-12-31",
        ] {
            assert_eq!(Date::parse(text).unwrap().to_string(), text);
        }
        for text in
            ["00:00:00", "24:00:00", "-838:59:59", "12:34:56.000001", "10:20:30.5+05:30", "01:02:03-00:00:09"]
        {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "1969-12-31 23:59:59.999999",
            "0000-00-00 00:00:00",
            "-4712-01-01 00:00:00",
            "294276-12-31 23:59:59.999999",
            "-infinity",
        ] {
            assert_eq!(DateTime::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Timestamp::parse("2024-01-01 02:00:00.5+02").unwrap().to_string(),
            "2024-01-01 00:00:00.5+00:00"
        );
    }

    #[test]
    fn bc_as_postgres_prints_it_is_year_zero_and_below() {
        assert_eq!(Date::parse("0001-12-31 BC").unwrap().to_string(), "0000-12-31");
        assert_eq!(
            Timestamp::parse("0044-03-15 00:00:00+00 BC").unwrap().to_string(),
            "-0043-03-15 00:00:00+00:00"
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "2024-13-01", "24-01-01", "2024-01-32", "2024-01-01x", "2024-1-1", "9999999999-01-01"]
        {
            assert!(Date::parse(text).is_err(), "{text}");
        }
        for text in ["12", "12:60:00", "12:00:61", "12:00:00.1234567", "12:00:00+2", "x"] {
            assert!(Time::parse(text).is_err(), "{text}");
        }
        for text in
            ["2024-01-01 24:00:00", "2024-01-01 99:30:00", "2024-01-01 10:005:07", "2024-01-01 10:05:007"]
        {
            assert!(DateTime::parse(text).is_err() && Timestamp::parse(text).is_err(), "{text}");
        }
        assert!(Timestamp::parse("2024-01-01 10:00:00+16").is_err());
    }
}
