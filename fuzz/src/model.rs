//! The model's own readers: its encoding, its texts.

use std::sync::Arc;
use tidelock_model::{
    Batch, Change, Column, Date, DateTime, Decimal, Image, ImageWriter, Interval, Record, Slot, Table,
    TableName, Time, Timestamp, Type, UuidText, Value, canonical_value, converted, name_that_comes_twice,
    parse_uuid,
};

/// Dates, times, intervals, decimals and UUIDs as text.
pub fn temporal(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(date) = Date::parse(text) {
        assert_eq!(Date::parse(&date.to_string()), Ok(date));
    }
    if let Ok(time) = Time::parse(text) {
        assert_eq!(Time::parse(&time.to_string()), Ok(time));
    }
    if let Ok(at) = DateTime::parse(text) {
        assert_eq!(DateTime::parse(&at.to_string()), Ok(at));
        value(Value::DateTime(at));
    }
    if let Ok(at) = Timestamp::parse(text) {
        assert_eq!(Timestamp::parse(&at.to_string()), Ok(at));
        value(Value::Timestamp(at));
    }
    if let Some(span) = Interval::parse(text) {
        assert_eq!(Interval::parse(&span.to_string()), Some(span));
    }
    if let Some(uuid) = parse_uuid(text) {
        assert_eq!(UuidText::new(&uuid).as_str(), text.to_ascii_lowercase());
    }
    if let Some(number) = Decimal::parse(text) {
        assert!(number.compare(number).is_eq());
        value(Value::Decimal(number));
    }
}

/// Records as the journal holds them.
pub fn batch(data: &[u8]) {
    let tables = ["a", "b"].map(|name| {
        let columns = vec![Column::new("id", Type::Json, "json"), Column::new("n", Type::text(), "text")];
        let name = TableName::new(name);
        Arc::new(Table { name, columns, key: vec![0], primary: true, indexes: vec![], foreign_keys: vec![] })
    });
    let Ok(batch) = Batch::from_parts(tables.to_vec(), data.to_vec(), None) else { return };
    let (mut changes, mut commits) = (0, 0);
    for record in batch.records() {
        match record.expect("it was read through when it was taken") {
            Record::Change(Change { before, after, .. }) => {
                changes += 1;
                before.into_iter().chain(after).for_each(image);
            }
            Record::Commit { .. } => commits += 1,
            Record::Begin { .. } => {}
        }
    }
    assert_eq!((batch.changes(), batch.commits()), (changes, commits));
}

/// What is read and written anew is the same to the next reader.
fn image(read: Image<'_>) {
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    for slot in read.slots() {
        let slot = slot.expect("it was read through when it was taken");
        ImageWriter::new(&mut once).slot(&slot);
        slot.value().into_iter().for_each(value);
    }
    for slot in Image::from_bytes(&once).slots() {
        ImageWriter::new(&mut twice).slot(&slot.expect("what was written can be read"));
    }
    assert_eq!(once, twice);
}

/// What is done with a value on its way.
fn value(value: Value<'_>) {
    let (mut form, mut again, mut scratch) = (Vec::new(), Vec::new(), String::new());
    canonical_value(&value, &mut form);
    assert!(!form.is_empty());
    let number = |scale| Type::Decimal { precision: Some(30), scale };
    let time = Type::Time { fraction: 0, zone: false };
    let types =
        [Type::Json, Type::text(), Type::Date, Type::Float64, Type::Float32, number(0), number(3), time];
    let moments =
        [0, 3].into_iter().flat_map(|fraction| [Type::DateTime { fraction }, Type::Timestamp { fraction }]);
    for to in types.into_iter().chain(moments) {
        // What is converted is converted no further.
        let near = converted(value, &to, &mut scratch);
        form.clear();
        canonical_value(&near, &mut form);
        let mut scratch = String::new();
        again.clear();
        canonical_value(&converted(near, &to, &mut scratch), &mut again);
        assert_eq!(form, again, "{near:?}");
    }
    if let Value::Array(array) = value {
        assert_eq!(array.iter().count(), array.len());
    }
}

/// JSON texts.
pub fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let canonical = |text: &str| {
        let mut out = Vec::new();
        canonical_value(&Value::Json(text), &mut out);
        String::from_utf8(out.split_off(5)).expect("the form of a text is a text")
    };
    let form = canonical(text);
    assert!(form.len() <= text.len() * 6, "{form}");
    assert_eq!(canonical(&form), form);
    let twice = name_that_comes_twice(text);
    assert!(twice.is_none_or(|name| text.matches('"').count() >= 4 && text.contains(name)));
    // Of names that come twice one is left.
    if form != text || twice.is_none() {
        assert_eq!(name_that_comes_twice(&form), None, "{form}");
    }
    let mut scratch = String::new();
    let slot = Slot::Value(converted(Value::Json(text), &Type::text(), &mut scratch));
    assert_eq!(slot.value().map(|v| v.to_string()).as_deref(), Some(text));
}
