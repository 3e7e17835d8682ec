//! Whatever bytes come: an answer or an error, never a panic.

use crate::batches::{aloud, batches, history, tables};
use crate::values::value;
use proptest::prelude::*;
use tidelock_model::{Batch, Image, Record, Slot, Value, canonical_hash, canonical_value};

/// Looks at everything that can be looked at.
fn look(image: Image<'_>) {
    let mut scratch = Vec::new();
    canonical_hash(image.slots().map_while(Result::ok), &mut scratch);
    for slot in image.slots() {
        if let Ok(Slot::Value(value)) = slot {
            look_at(value);
        }
    }
    drop(image.is_complete());
    drop(image.slot(3));
    let mut raw = image.slots();
    while raw.next_raw().is_some() {}
}

fn look_at(value: Value<'_>) {
    let (mut form, kind) = (Vec::new(), value.kind());
    canonical_value(&value, &mut form);
    assert!(!form.is_empty() && !kind.is_empty());
    drop(format!("{value:?}"));
    match value {
        Value::Date(x) => drop(x.to_string()),
        Value::Time(x) => drop(x.to_string()),
        Value::DateTime(x) => drop(x.to_string()),
        Value::Timestamp(x) => drop(x.to_string()),
        Value::Interval(x) => drop(x.to_string()),
        Value::Bits(x) => drop(x.to_text()),
        Value::Decimal(x) => drop((x.fits(10, 2), x.compare(x), x.scale(), x.is_negative())),
        Value::Array(x) => {
            x.dimensions().for_each(drop);
            x.iter().for_each(look_at);
        }
        _ => {}
    }
}

fn look_at_batch(batch: &Batch) {
    for record in batch.records() {
        if let Record::Change(change) = record.unwrap() {
            change.before.into_iter().chain(change.after).for_each(look);
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(prop_oneof![0..32u8, any::<u8>()], 0..200)) {
        look(Image::from_bytes(&bytes));
        if let Ok(batch) = Batch::from_parts(tables(), bytes, None) {
            look_at_batch(&batch);
        }
    }

    #[test]
    fn a_damaged_value_is_an_answer_or_an_error(owned in value(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut bytes = owned.encode();
        let at = at.index(bytes.len());
        bytes[at] = with;
        look(Image::from_bytes(&bytes));
    }

    #[test]
    fn a_damaged_batch_is_an_answer_or_an_error(history in history(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        for batch in batches(&history) {
            let mut bytes = batch.bytes().to_vec();
            if bytes.is_empty() {
                continue;
            }
            let at = at.index(bytes.len());
            bytes[at] = with;
            if let Ok(batch) = Batch::from_parts(batch.tables().to_vec(), bytes, None) {
                look_at_batch(&batch);
            }
        }
    }

    #[test]
    fn the_beginning_of_a_batch_is_an_error_or_fewer_records(history in history(), at in any::<prop::sample::Index>()) {
        for batch in batches(&history) {
            let bytes = &batch.bytes()[..at.index(batch.bytes().len() + 1)];
            if let Ok(part) = Batch::from_parts(batch.tables().to_vec(), bytes.to_vec(), None) {
                let (part, all) = (aloud(&part), aloud(&batch));
                prop_assert_eq!(&part[..], &all[..part.len()]);
            }
        }
    }

    #[test]
    fn the_beginning_of_an_image_is_an_error_or_fewer_slots(row in prop::collection::vec(value(), 0..8), at in any::<prop::sample::Index>()) {
        let bytes: Vec<u8> = row.iter().flat_map(|v| v.encode()).collect();
        let part = Image::from_bytes(&bytes[..at.index(bytes.len() + 1)]);
        let (mut part, mut all) = (part.slots(), Image::from_bytes(&bytes).slots());
        while let Some(Ok(slot)) = part.next_raw() {
            prop_assert_eq!(slot, all.next_raw().unwrap().unwrap());
        }
        prop_assert!(part.next().is_none(), "it ends with the first error");
    }
}
