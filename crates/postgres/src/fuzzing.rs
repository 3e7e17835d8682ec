//! The readers of what a server sends, as functions that take anything: for the crate `tidelock-fuzz` alone. Each panics where something does not hold.

use crate::decode::Decoder;
use crate::replication::{Field, Message, Tuple};
use tidelock_model::{Image, ImageWriter, Slot, Value};

/// One message of `pgoutput`.
pub fn pgoutput(data: &[u8]) {
    let Ok(message) = Message::parse(data) else { return };
    match &message {
        Message::Relation(relation) => {
            let names: usize = relation.columns.iter().map(|c| c.name.len() + 10).sum();
            assert!(names + relation.schema.len() + relation.name.len() < data.len());
        }
        Message::Insert { new, .. } => tuple(new, data),
        Message::Update { old, new, .. } => {
            old.iter().for_each(|(_, old)| tuple(old, data));
            tuple(new, data);
        }
        Message::Delete { old: (_, old), .. } => tuple(old, data),
        Message::Truncate { relations } => assert_eq!(relations.len() * 4 + 6, data.len()),
        Message::Logical { prefix, content, .. } => {
            assert_eq!(prefix.len() + content.len() + 15, data.len());
        }
        Message::Begin { .. } | Message::Commit { .. } | Message::Origin | Message::Type => {}
    }
    // One octet less or more is no message.
    assert!(Message::parse(&data[..data.len() - 1]).is_err());
    assert!(Message::parse(&[data, &[0]].concat()).is_err());
}

/// All that a row tells lies in its message, each octet once.
fn tuple(tuple: &Tuple<'_>, data: &[u8]) {
    let (mut count, mut octets) = (0, 0);
    for field in tuple.fields() {
        count += 1;
        octets += if let Ok(Field::Text(text)) = field { text.len() + 5 } else { 1 };
    }
    assert_eq!(count, tuple.len());
    assert!(octets < data.len());
}

/// A value's text: the first octet chooses the decoder, and for arrays that of the elements.
pub fn text(data: &[u8]) {
    let Some((which, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let element = match which % 20 {
        0 => Decoder::Bool,
        1 => Decoder::Int,
        2 => Decoder::UInt,
        3 => Decoder::Decimal,
        4 => Decoder::Float32,
        5 => Decoder::Float64,
        6 => Decoder::Padded,
        7 => Decoder::Bytes,
        8 => Decoder::Bits,
        9 => Decoder::Date,
        10 => Decoder::Time,
        11 => Decoder::DateTime,
        12 => Decoder::Timestamp,
        13 => Decoder::Interval,
        14 => Decoder::Uuid,
        15 => Decoder::Json,
        16 => Decoder::Enum,
        17 => Decoder::Native,
        _ => Decoder::Text,
    };
    let decoder = match which / 20 {
        0 => element,
        1 => Decoder::Array(Box::new(element), ';'),
        _ => Decoder::Array(Box::new(element), ','),
    };
    let (mut scratch, mut image) = (Vec::new(), Vec::new());
    if decoder.put(text, &mut scratch, &mut ImageWriter::new(&mut image)).is_err() {
        return;
    }
    assert!(image.len() <= 6 * text.len() + 32, "{} octets became {}", text.len(), image.len());
    let mut slots = Image::from_bytes(&image).slots();
    let slot = slots.next().expect("one value was put").expect("what was put can be read");
    assert!(slots.next().is_none());
    if let Slot::Value(Value::Array(array)) = slot {
        let held: i64 = array.dimensions().map(|(length, _)| length).product();
        assert!(array.is_empty() || held == array.len() as i64, "{held} places for {} elements", array.len());
        assert_eq!(array.iter().count(), array.len());
    }
}
