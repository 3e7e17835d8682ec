//! Dates and times: years before Christ are told with ` BC`, fractions only as far as the column keeps them.

use super::{Done, Out, Refusal, refuse};
use tidelock_model::{Date, DateTime, Time, Timestamp, Value, civil_from_days, day_and_clock};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

impl Out<'_> {
    pub(super) fn date(&mut self, value: &Value<'_>) -> Done {
        let Value::Date(date) = value else { return refuse(value, "date") };
        match date {
            Date::Day(days) => {
                let bc = self.civil(i64::from(*days));
                self.era(bc)
            }
            Date::Infinity => self.plain("infinity"),
            Date::NegInfinity => self.plain("-infinity"),
            Date::Partial { .. } => Err(Refusal("PostgreSQL has no zero or partial dates".into())),
        }
    }

    pub(super) fn time(&mut self, value: &Value<'_>, fraction: u8, zone: bool) -> Done {
        let Value::Time(Time { micros, offset }) = value else { return refuse(value, "time") };
        if !(0..=DAY).contains(micros) {
            return Err(Refusal("a time of day is between 00:00 and 24:00".into()));
        }
        if zone != offset.is_some() {
            let has = if zone { "needs" } else { "has no" };
            return Err(Refusal(format!("the column {has} offset from UTC")));
        }
        exact(*micros, fraction)?;
        self.clock(*micros);
        let Some(offset) = offset else { return Ok(()) };
        self.out.push(if *offset < 0 { b'-' } else { b'+' });
        let offset = u64::from(offset.unsigned_abs());
        self.digits(offset / 3600, 2);
        self.out.push(b':');
        self.digits(offset / 60 % 60, 2);
        if offset % 60 != 0 {
            self.out.push(b':');
            self.digits(offset % 60, 2);
        }
        Ok(())
    }

    pub(super) fn datetime(&mut self, value: &Value<'_>, fraction: u8) -> Done {
        match value {
            Value::DateTime(DateTime::Micros(micros)) => self.moment(day_and_clock(*micros), fraction, b""),
            Value::DateTime(DateTime::Infinity) | Value::Date(Date::Infinity) => self.plain("infinity"),
            Value::DateTime(DateTime::NegInfinity) | Value::Date(Date::NegInfinity) => {
                self.plain("-infinity")
            }
            Value::DateTime(DateTime::Partial { .. }) | Value::Date(Date::Partial { .. }) => {
                Err(Refusal("PostgreSQL has no zero or partial dates".into()))
            }
            Value::Date(Date::Day(days)) => self.moment((i64::from(*days), 0), fraction, b""),
            // An instant in a column without a zone is kept in UTC.
            Value::Timestamp(Timestamp::Micros(micros)) => self.moment(day_and_clock(*micros), fraction, b""),
            Value::Timestamp(Timestamp::Zero) => Err(Refusal("PostgreSQL has no zero timestamp".into())),
            _ => refuse(value, "timestamp"),
        }
    }

    pub(super) fn timestamp(&mut self, value: &Value<'_>, fraction: u8) -> Done {
        let Value::Timestamp(timestamp) = value else { return refuse(value, "timestamp with time zone") };
        match timestamp {
            Timestamp::Micros(micros) => self.moment(day_and_clock(*micros), fraction, b"+00"),
            Timestamp::Infinity => self.plain("infinity"),
            Timestamp::NegInfinity => self.plain("-infinity"),
            Timestamp::Zero => Err(Refusal("PostgreSQL has no zero timestamp".into())),
        }
    }

    fn moment(&mut self, (days, clock): (i64, i64), fraction: u8, zone: &[u8]) -> Done {
        exact(clock, fraction)?;
        let bc = self.civil(days);
        self.out.push(b' ');
        self.clock(clock);
        self.out.extend_from_slice(zone);
        self.era(bc)
    }

    /// `2024-02-29`; whether the year is before Christ.
    fn civil(&mut self, days: i64) -> bool {
        let (year, month, day) = civil_from_days(days);
        let (year, bc) = if year <= 0 { (1 - year, true) } else { (year, false) };
        self.digits(year.unsigned_abs(), 4);
        self.out.push(b'-');
        self.digits(u64::from(month), 2);
        self.out.push(b'-');
        self.digits(u64::from(day), 2);
        bc
    }

    fn era(&mut self, bc: bool) -> Done {
        self.plain(if bc { " BC" } else { "" })
    }

    /// `12:34:56.000001`, without a fraction of zero.
    fn clock(&mut self, micros: i64) {
        let (seconds, fraction) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
        self.digits(seconds / 3600, 2);
        self.out.push(b':');
        self.digits(seconds / 60 % 60, 2);
        self.out.push(b':');
        self.digits(seconds % 60, 2);
        if fraction != 0 {
            self.out.push(b'.');
            self.digits(fraction, 6);
        }
    }

    /// A number with at least so many digits.
    fn digits(&mut self, number: u64, width: usize) {
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(number);
        self.out.extend(std::iter::repeat_n(b'0', width.saturating_sub(text.len())));
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// The server would round what the column does not keep.
fn exact(micros: i64, fraction: u8) -> Done {
    let unit = 10_i64.pow(6 - u32::from(fraction.min(6)));
    if micros % unit == 0 {
        return Ok(());
    }
    Err(Refusal(format!("the column keeps {fraction} digits of a second's fraction")))
}
