//! Dates and times, as MySQL reads them.

use super::{Form, Out, Refusal, refuse, shown};
use std::io::Write as _;
use tidelock_model::{Date, DateTime, Time, Timestamp, Value, civil_from_days};

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = 3_600_000_000;

impl Out<'_> {
    pub(super) fn date(&mut self, value: &Value<'_>) -> Result<(), Refusal> {
        match *value {
            Value::Date(Date::Day(days)) => self.civil(i64::from(days) * DAY, true),
            Value::Date(Date::Partial { .. }) => self.quoted(&shown(value)),
            Value::DateTime(DateTime::Micros(micros)) if micros % DAY == 0 => self.civil(micros, true),
            Value::Date(_) => Err(Refusal("MySQL has no infinite dates".into())),
            Value::DateTime(_) => Err(Refusal("a DATE column would lose its time of day".into())),
            _ => refuse(value, "date"),
        }
    }

    /// Within the years 0–9999, written as a date and time or as a date.
    fn civil(&mut self, micros: i64, date_only: bool) -> Result<(), Refusal> {
        let (year, month, day) = civil_from_days(micros.div_euclid(DAY));
        if !(0..=9999).contains(&year) {
            return Err(Refusal("MySQL's dates end at the years 0 and 9999".into()));
        }
        let start = self.open();
        let _ = write!(self.out, "{year:04}-{month:02}-{day:02}");
        if !date_only {
            self.out.push(b' ');
            clock(self.out, micros.rem_euclid(DAY));
        }
        self.close(start);
        Ok(())
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
                rounds(micros, fraction)?;
                self.civil(micros, false)
            }
            Value::Date(Date::Day(days)) => self.civil(i64::from(days) * DAY, false),
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
                if !(1_000_000..2_147_483_648_000_000).contains(&micros) {
                    return Err(Refusal("a TIMESTAMP column ends at 1970-01-01 and 2038-01-19".into()));
                }
                rounds(micros, fraction)?;
                self.civil(micros, false)
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
