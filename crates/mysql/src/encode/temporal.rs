//! Dates and times, as MySQL reads them.

use super::{Form, Out, Refusal, refuse, shown};
use std::io::Write as _;
use tidelock_model::{Date, DateTime, Time, Timestamp, Value, civil_from_days, day_and_clock};

const HOUR: i64 = 3_600_000_000;

impl Out<'_> {
    pub(super) fn date(&mut self, value: &Value<'_>) -> Result<(), Refusal> {
        match *value {
            Value::Date(Date::Day(days)) => self.civil(i64::from(days), None),
            Value::Date(Date::Partial { .. }) => self.quoted(&shown(value)),
            Value::DateTime(DateTime::Micros(micros)) if day_and_clock(micros).1 == 0 => {
                self.civil(day_and_clock(micros).0, None)
            }
            Value::Date(_) => Err(Refusal("MySQL has no infinite dates".into())),
            Value::DateTime(_) => Err(Refusal("a DATE column would lose its time of day".into())),
            _ => refuse(value, "date"),
        }
    }

    /// A day within the years 0–9999, with a time of day where there is one.
    fn civil(&mut self, days: i64, time: Option<i64>) -> Result<(), Refusal> {
        let (year, month, day) = civil_from_days(days);
        if !(0..=9999).contains(&year) {
            return Err(Refusal("MySQL's dates end at the years 0 and 9999".into()));
        }
        let start = self.open();
        let _ = write!(self.out, "{year:04}-{month:02}-{day:02}");
        if let Some(micros) = time {
            self.out.push(b' ');
            clock(self.out, micros);
        }
        self.close(start);
        Ok(())
    }

    fn moment(&mut self, micros: i64, fraction: u8) -> Result<(), Refusal> {
        rounds(micros, fraction)?;
        let (days, clock) = day_and_clock(micros);
        self.civil(days, Some(clock))
    }

    fn open(&mut self) -> bool {
        if self.form == Form::Sql {
            self.out.push(b'\'');
        }
        self.form == Form::Sql
    }

    fn close(&mut self, opened: bool) {
        if opened {
            self.out.push(b'\'');
        }
    }

    pub(super) fn time(&mut self, value: &Value<'_>, fraction: u8) -> Result<(), Refusal> {
        let Value::Time(Time { micros, offset }) = *value else { return refuse(value, "time") };
        if offset.is_some() {
            return Err(Refusal("a TIME column has no zone".into()));
        }
        if micros.abs() >= 839 * HOUR {
            return Err(Refusal("TIME ends at 838:59:59".into()));
        }
        rounds(micros, fraction)?;
        let opened = self.open();
        if micros < 0 {
            self.out.push(b'-');
        }
        clock(self.out, micros.abs());
        self.close(opened);
        Ok(())
    }

    pub(super) fn datetime(&mut self, value: &Value<'_>, fraction: u8) -> Result<(), Refusal> {
        match *value {
            Value::DateTime(DateTime::Micros(micros)) | Value::Timestamp(Timestamp::Micros(micros)) => {
                self.moment(micros, fraction)
            }
            Value::Date(Date::Day(days)) => self.civil(i64::from(days), Some(0)),
            Value::DateTime(DateTime::Partial { micros, .. }) => {
                rounds(micros, fraction)?;
                self.quoted(&shown(value))
            }
            Value::Date(Date::Partial { .. }) | Value::Timestamp(Timestamp::Zero) => {
                self.quoted(&shown(value))
            }
            Value::DateTime(_) | Value::Timestamp(_) | Value::Date(_) => {
                Err(Refusal("MySQL has no infinite dates".into()))
            }
            _ => refuse(value, "datetime"),
        }
    }

    pub(super) fn timestamp(&mut self, value: &Value<'_>, fraction: u8) -> Result<(), Refusal> {
        match *value {
            Value::Timestamp(Timestamp::Micros(micros)) => {
                let at = |seconds| Timestamp::from_unix(seconds, 0);
                if !(at(1)..at(1 << 31)).contains(&Timestamp::Micros(micros)) {
                    return Err(Refusal("a TIMESTAMP column ends at 1970-01-01 and 2038-01-19".into()));
                }
                self.moment(micros, fraction)
            }
            Value::Timestamp(Timestamp::Zero) => self.quoted("0000-00-00 00:00:00"),
            Value::Timestamp(_) => Err(Refusal("MySQL has no infinite dates".into())),
            _ => refuse(value, "timestamp"),
        }
    }
}

fn rounds(micros: i64, fraction: u8) -> Result<(), Refusal> {
    let unit = 10_i64.pow(6 - u32::from(fraction.min(6)));
    if micros % unit == 0 {
        return Ok(());
    }
    Err(Refusal(format!("a column with {fraction} digits of fraction would round it")))
}

fn clock(out: &mut Vec<u8>, micros: i64) {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    // Writing to a Vec does not fail.
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        let _ = write!(out, ".{fraction:06}");
    }
}
