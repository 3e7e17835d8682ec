//! Any value that is written is read back as it was, to the bit.

use proptest::prelude::*;
use tidelock_model::{
    Bits, Date, DateTime, Decimal, Geometry, Image, ImageWriter, Interval, Slot, Time, Timestamp, Value,
};

/// A value that owns what it tells.
#[derive(Clone, Debug)]
pub enum Owned {
    Plain(Value<'static>),
    Decimal(String),
    Text(String),
    Json(String),
    Enum(String),
    Set(String),
    Bytes(Vec<u8>),
    Bits(u32, Vec<u8>),
    Geometry(u32, Vec<u8>),
    Array(Vec<(i64, i64)>, Vec<Owned>),
}

impl Owned {
    /// The encoded slot.
    pub fn encode(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        let mut image = ImageWriter::new(&mut buffer);
        match self {
            Owned::Array(dimensions, items) => {
                let encoded: Vec<Vec<u8>> = items.iter().map(Owned::encode).collect();
                let items: Vec<Value<'_>> = encoded.iter().map(|bytes| only(bytes)).collect();
                image.array(dimensions, &items);
            }
            other => image.value(&other.view()),
        }
        buffer
    }

    fn view(&self) -> Value<'_> {
        match self {
            Owned::Plain(value) => *value,
            Owned::Decimal(text) => Value::Decimal(Decimal::parse(text).unwrap()),
            Owned::Text(text) => Value::Text(text),
            Owned::Json(text) => Value::Json(text),
            Owned::Enum(text) => Value::Enum(text),
            Owned::Set(text) => Value::Set(text),
            Owned::Bytes(bytes) => Value::Bytes(bytes),
            Owned::Bits(length, bytes) => Value::Bits(Bits { length: *length, bytes }),
            Owned::Geometry(srid, wkb) => Value::Geometry(Geometry { srid: *srid, wkb }),
            Owned::Array(..) => unreachable!("an array has no view but its encoding"),
        }
    }
}

/// The single value of an encoded image.
pub fn only(bytes: &[u8]) -> Value<'_> {
    let mut slots = Image::from_bytes(bytes).slots();
    let value = slots.next().unwrap().unwrap().value().unwrap();
    assert!(slots.next().is_none());
    value
}

/// Equal, floats by their bits, and of the same kind.
fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Float32(x), Value::Float32(y)) => x.to_bits() == y.to_bits(),
        (Value::Float64(x), Value::Float64(y)) => x.to_bits() == y.to_bits(),
        (Value::Array(x), Value::Array(y)) => {
            x.dimensions().eq(y.dimensions())
                && x.len() == y.len()
                && x.iter().zip(y.iter()).all(|(x, y)| same(&x, &y))
        }
        _ => a == b,
    }
}

fn decimal() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "-?[0-9]{1,40}(\\.[0-9]{1,40})?",
        1 => prop::sample::select(vec!["NaN", "Infinity", "-Infinity", "0", "-0", "0.00", "-0.0"]).prop_map(str::to_owned),
    ]
}

fn dates() -> impl Strategy<Value = Value<'static>> {
    let partial = (0..=9999u16, 0..=12u8, 0..=31u8);
    let micros = 0..86_400_000_000i64;
    let ends = [i64::MIN, i64::MAX].into_iter().flat_map(|micros| {
        [
            Value::DateTime(DateTime::Micros(micros)),
            Value::Timestamp(Timestamp::Micros(micros)),
            Value::Time(Time { micros, offset: Some(if micros < 0 { i32::MIN } else { i32::MAX }) }),
            Value::Interval(Interval { months: i32::MIN, days: i32::MAX, micros }),
            Value::Date(Date::Day(if micros < 0 { i32::MIN } else { i32::MAX })),
        ]
    });
    prop_oneof![
        prop::sample::select(ends.collect::<Vec<_>>()),
        any::<i32>().prop_map(|d| Value::Date(Date::Day(d))),
        prop::sample::select(vec![Date::NegInfinity, Date::Infinity]).prop_map(Value::Date),
        partial.clone().prop_map(|(year, month, day)| Value::Date(Date::Partial { year, month, day })),
        any::<i64>().prop_map(|m| Value::DateTime(DateTime::Micros(m))),
        prop::sample::select(vec![DateTime::NegInfinity, DateTime::Infinity]).prop_map(Value::DateTime),
        (partial, micros).prop_map(|((year, month, day), micros)| {
            Value::DateTime(DateTime::Partial { year, month, day, micros })
        }),
        any::<i64>().prop_map(|m| Value::Timestamp(Timestamp::Micros(m))),
        prop::sample::select(vec![Timestamp::NegInfinity, Timestamp::Zero, Timestamp::Infinity])
            .prop_map(Value::Timestamp),
        any::<i64>().prop_map(|m| Value::Time(Time::from_micros(m))),
        any::<(i64, i32)>().prop_map(|(micros, offset)| Value::Time(Time { micros, offset: Some(offset) })),
        any::<(i32, i32, i64)>().prop_map(|(months, days, micros)| Value::Interval(Interval {
            months,
            days,
            micros
        })),
    ]
}

/// Any value but an array.
fn scalar() -> impl Strategy<Value = Owned> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::UInt),
        any::<u32>().prop_map(|bits| Value::Float32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Value::Float64(f64::from_bits(bits))),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            f64::MIN_POSITIVE,
            f64::MAX
        ])
        .prop_map(Value::Float64),
        prop::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX]).prop_map(Value::Int),
        Just(Value::UInt(u64::MAX)),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        dates(),
    ];
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        6 => plain.prop_map(Owned::Plain),
        2 => decimal().prop_map(Owned::Decimal),
        1 => any::<String>().prop_map(Owned::Text),
        1 => any::<String>().prop_map(Owned::Json),
        1 => any::<String>().prop_map(Owned::Enum),
        1 => any::<String>().prop_map(Owned::Set),
        1 => bytes().prop_map(Owned::Bytes),
        1 => bytes().prop_flat_map(|b| {
            let most = b.len() as u32 * 8;
            (most.saturating_sub(7).min(most)..=most, Just(b)).prop_map(|(n, b)| Owned::Bits(n, b))
        }),
        1 => (any::<u32>(), bytes()).prop_map(|(srid, wkb)| Owned::Geometry(srid, wkb)),
    ]
}

/// Any value.
pub fn value() -> impl Strategy<Value = Owned> {
    let array = (prop::collection::vec(any::<i64>(), 1..4), prop::collection::vec(scalar(), 0..8)).prop_map(
        |(lower, items)| {
            // As many places as there are elements, all in one of the dimensions.
            let long = |n: usize| if n == 0 { items.len() as i64 } else { 1 };
            let dimensions = lower.into_iter().enumerate().map(|(n, lower)| (long(n), lower));
            Owned::Array(dimensions.collect(), items)
        },
    );
    prop_oneof![8 => scalar(), 1 => array]
}

proptest! {
    #[test]
    fn a_value_is_read_back_as_it_was_written(owned in value()) {
        let bytes = owned.encode();
        let read = only(&bytes);
        match &owned {
            Owned::Array(dimensions, items) => {
                let Value::Array(array) = read else { panic!("{read:?}") };
                prop_assert!(array.dimensions().eq(dimensions.iter().copied()));
                prop_assert_eq!(array.iter().count(), items.len());
                for (item, read) in items.iter().zip(array.iter()) {
                    prop_assert!(same(&item.view(), &read), "{:?} is not {:?}", read, item);
                }
            }
            other => prop_assert!(same(&other.view(), &read), "{:?} is not {:?}", read, owned),
        }
        let mut copy = Vec::new();
        ImageWriter::new(&mut copy).value(&read);
        prop_assert_eq!(copy, bytes, "a copy of what was read is the same");
    }

    #[test]
    fn an_image_keeps_its_slots_in_order(row in prop::collection::vec(prop::option::of(value()), 0..20)) {
        let encoded: Vec<Option<Vec<u8>>> = row.iter().map(|v| v.as_ref().map(Owned::encode)).collect();
        let mut buffer = Vec::new();
        let mut image = ImageWriter::new(&mut buffer);
        for slot in &encoded {
            match slot {
                Some(bytes) => image.slot(&Slot::Value(only(bytes))),
                None => image.not_sent(),
            }
        }
        let image = Image::from_bytes(&buffer);
        prop_assert_eq!(image.slots().count(), row.len());
        prop_assert_eq!(image.is_complete().unwrap(), row.iter().all(Option::is_some));
        prop_assert!(image.slot(row.len()).is_err());
        let mut raw = image.slots();
        for (i, slot) in encoded.iter().enumerate() {
            let read = image.slot(i).unwrap().value();
            prop_assert_eq!(read.is_some(), slot.is_some());
            if let (Some(read), Some(bytes)) = (read, slot) {
                prop_assert!(same(&read, &only(bytes)));
            }
            prop_assert_eq!(raw.next_raw().unwrap().unwrap(), slot.as_deref().unwrap_or(&[0]));
        }
    }
}
