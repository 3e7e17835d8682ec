use super::*;
use crate::types::Types;
use tidelock_model::{Bits, Date, DateTime, Image, ImageWriter, Interval, Slot, Time, Timestamp};

fn write(data_type: Type, value: &Value<'_>, form: Form) -> Result<String, Refusal> {
    let mut out = Vec::new();
    let column = Resolved { data_type, ..Types::default().resolve(25, -1) };
    put(&column, value, form, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn copy(data_type: Type, value: &Value<'_>) -> Result<String, Refusal> {
    write(data_type, value, Form::Copy)
}

#[test]
fn text_is_escaped_for_where_it_stands() {
    let value = Value::Text("a\\b\t\"it's\"\n");
    assert_eq!(copy(Type::text(), &value).unwrap(), "a\\\\b\\t\"it's\"\\n");
    assert_eq!(write(Type::text(), &value, Form::Element).unwrap(), "\"a\\\\b\t\\\"it''s\\\"\n\"");
    assert_eq!(copy(Type::text(), &Value::Null).unwrap(), "\\N");
    assert_eq!(write(Type::text(), &Value::Null, Form::Element).unwrap(), "NULL");
    assert_eq!(write(Type::text(), &Value::Text("NULL"), Form::Element).unwrap(), "\"NULL\"");
    assert_eq!(copy(Type::bytes(), &Value::Bytes(&[0, 255])).unwrap(), "\\\\x00ff");
    assert!(copy(Type::text(), &Value::Text("a\0b")).is_err());
}

#[test]
fn nothing_is_cut_or_rounded() {
    let short = || Type::Text { length: Some(3), fixed: false };
    assert!(copy(short(), &Value::Text("äöü")).is_ok());
    assert!(copy(short(), &Value::Text("abc ")).is_err(), "the server would drop the blank");
    assert!(copy(Type::Text { length: Some(5), fixed: true }, &Value::Text("a ")).is_err());
    let money = || Type::Decimal { precision: Some(5), scale: 2 };
    let decimal = |text| Value::Decimal(Decimal::parse(text).unwrap());
    assert_eq!(copy(money(), &decimal("1.50")).unwrap(), "1.50");
    assert!(copy(money(), &decimal("1.505")).is_err());
    assert_eq!(copy(money(), &decimal("NaN")).unwrap(), "NaN");
    assert!(copy(Type::int(16), &Value::Int(40_000)).is_err());
    assert!(copy(Type::int(64), &Value::UInt(u64::MAX)).is_err());
    assert_eq!(copy(Type::int(32), &decimal("-7.0")).unwrap(), "-7");
    assert!(copy(Type::Float64, &Value::Int(9_007_199_254_740_993)).is_err());
    assert!(copy(Type::DateTime { fraction: 3 }, &Value::DateTime(DateTime::Micros(1))).is_err());
}

#[test]
fn floats_are_written_as_the_server_reads_them() {
    assert_eq!(copy(Type::Float64, &Value::Float64(f64::NEG_INFINITY)).unwrap(), "-Infinity");
    assert_eq!(copy(Type::Float32, &Value::Float32(f32::INFINITY)).unwrap(), "Infinity");
    assert_eq!(copy(Type::Float64, &Value::Float64(f64::NAN)).unwrap(), "NaN");
    assert_eq!(copy(Type::Float64, &Value::Float64(1e300)).unwrap(), "1e300");
    assert_eq!(copy(Type::Float32, &Value::Float32(0.1)).unwrap(), "0.1");
    assert!(copy(Type::Float32, &Value::Float64(0.1)).is_err());
}

#[test]
fn times_are_of_this_calendar_or_refused() {
    let day = |y, m, d| Value::Date(Date::from_civil(y, m, d).unwrap());
    assert_eq!(copy(Type::Date, &day(2024, 2, 29)).unwrap(), "2024-02-29");
    assert_eq!(copy(Type::Date, &day(-43, 3, 15)).unwrap(), "0044-03-15 BC");
    assert!(copy(Type::Date, &day(0, 0, 0)).is_err());
    let time = Value::Time(Time { micros: 86_400_000_000, offset: None });
    assert_eq!(copy(Type::Time { fraction: 6, zone: false }, &time).unwrap(), "24:00:00");
    assert!(copy(Type::Time { fraction: 6, zone: true }, &time).is_err());
    assert!(copy(Type::Time { fraction: 6, zone: false }, &Value::Time(Time::from_micros(-1))).is_err());
    let zoned = Value::Time(Time { micros: 1, offset: Some(-30) });
    assert_eq!(copy(Type::Time { fraction: 6, zone: true }, &zoned).unwrap(), "00:00:00.000001-00:00:30");
    let instant = Value::Timestamp(Timestamp::parse("0000-12-31 23:59:59.999999").unwrap());
    assert_eq!(copy(Type::Timestamp { fraction: 6 }, &instant).unwrap(), "0001-12-31 23:59:59.999999+00 BC");
    assert!(copy(Type::Timestamp { fraction: 6 }, &Value::Timestamp(Timestamp::Zero)).is_err());
    assert!(copy(Type::Timestamp { fraction: 6 }, &Value::DateTime(DateTime::Micros(0))).is_err());
    let interval = Value::Interval(Interval { months: 1, days: -2, micros: 3 });
    assert_eq!(copy(Type::Interval, &interval).unwrap(), "P1M-2DT0.000003S");
}

#[test]
fn arrays_and_bits() {
    let mut buffer = Vec::new();
    let items = [Value::Text("a,\"b"), Value::Null, Value::Text("NULL"), Value::Text("")];
    ImageWriter::new(&mut buffer).array(&[(2, 0), (2, 1)], &items);
    let Slot::Value(array) = Image::from_bytes(&buffer).slot(0).unwrap() else { panic!("an array") };
    let texts = || Type::Array { element: Box::new(Type::text()) };
    assert_eq!(write(texts(), &array, Form::Bare).unwrap(), r#"[0:1][1:2]={{"a,\"b",NULL},{"NULL",""}}"#);
    let bits = Value::Bits(Bits { length: 3, bytes: &[0b1010_0000] });
    assert_eq!(copy(Type::Bits { length: Some(3), varying: false }, &bits).unwrap(), "101");
    assert!(copy(Type::Bits { length: Some(4), varying: false }, &bits).is_err());
    let none = Value::Bits(Bits { length: 0, bytes: &[] });
    assert_eq!(write(Type::Bits { length: None, varying: true }, &none, Form::Element).unwrap(), "\"\"");
}
