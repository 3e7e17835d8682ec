//! Any history that is written into batches is read back from their parts as it was.

use crate::values::{Owned, only, value};
use proptest::prelude::*;
use std::convert::Infallible;
use std::sync::Arc;
use tidelock_model::{
    Batch, BatchWriter, Column, ImageWriter, Position, Record, Rows, RowsWriter, Slot, Table, TableName, Type,
};

pub type Row = Vec<Option<Owned>>;

/// One change: the table's place, and the images.
#[derive(Clone, Debug)]
pub enum Act {
    Insert(usize, Row),
    Update(usize, Row, Row),
    Delete(usize, Row),
    Truncate(usize),
    /// Hands out what was collected so far.
    Take,
}

/// What a transaction tells of itself, and its changes.
pub type Transaction = (String, Option<String>, i64, Vec<Act>);

fn row() -> impl Strategy<Value = Row> {
    prop::collection::vec(prop::option::of(value()), 1..4)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..3usize, row()).prop_map(|(t, after)| Act::Insert(t, after)),
        2 => (0..3usize, row(), row()).prop_map(|(t, before, after)| Act::Update(t, before, after)),
        1 => (0..3usize, row()).prop_map(|(t, after)| Act::Update(t, Vec::new(), after)),
        2 => (0..3usize, row()).prop_map(|(t, before)| Act::Delete(t, before)),
        1 => (0..3usize).prop_map(Act::Truncate),
        1 => Just(Act::Take),
    ]
}

pub fn history() -> impl Strategy<Value = Vec<Transaction>> {
    prop::collection::vec(
        (any::<String>(), any::<Option<String>>(), any::<i64>(), prop::collection::vec(act(), 0..6)),
        0..6,
    )
}

pub fn tables() -> Vec<Arc<Table>> {
    let table = |name: &str| Table {
        name: TableName::qualified("s", name),
        columns: vec![Column::new("id", Type::Array { element: Box::new(Type::Any) }, "any[]")],
        key: vec![0],
        primary: false,
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
    };
    ["a", "b", "a"].map(|name| Arc::new(table(name))).to_vec()
}

fn write(row: &Row) -> impl FnOnce(&mut ImageWriter<'_>) -> Result<(), Infallible> {
    move |image| {
        for slot in row {
            match slot {
                Some(value) => image.slot(&Slot::Value(only(&value.encode()))),
                None => image.not_sent(),
            }
        }
        Ok(())
    }
}

/// The batches of a history.
pub fn batches(history: &[Transaction]) -> Vec<Batch> {
    let (tables, mut writer, mut batches) = (tables(), BatchWriter::new(), Vec::new());
    for (i, (at, origin, time, acts)) in history.iter().enumerate() {
        writer.begin(at, origin.as_deref(), *time);
        for act in acts {
            match act {
                Act::Insert(t, after) => writer.insert(&tables[*t], write(after)).unwrap(),
                Act::Update(t, before, after) => {
                    writer.update(&tables[*t], write(before), write(after)).unwrap()
                }
                Act::Delete(t, before) => writer.delete(&tables[*t], write(before)).unwrap(),
                Act::Truncate(t) => writer.truncate(&tables[*t]),
                Act::Take => batches.push(writer.take()),
            }
        }
        let failed: Result<(), &str> = writer.insert(&tables[0], |image| {
            image.not_sent();
            Err("a row that cannot be read leaves nothing behind")
        });
        assert!(failed.is_err());
        writer.commit(&Position::new(format!("p{i}")));
    }
    writer.reached(Position::new("end"));
    batches.push(writer.take());
    batches
}

/// The records, said aloud; images with all their octets.
pub fn aloud(batch: &Batch) -> Vec<String> {
    batch.records().map(|record| format!("{:?}", record.unwrap())).collect()
}

proptest! {
    #[test]
    fn a_batch_is_the_same_when_it_comes_back_from_its_parts(history in history()) {
        let batches = batches(&history);
        let (mut commits, mut changes) = (0, 0);
        for batch in &batches {
            let json = serde_json::to_string(batch.tables()).unwrap();
            let tables: Vec<Arc<Table>> = serde_json::from_str(&json).unwrap();
            let back = Batch::from_parts(tables, batch.bytes().to_vec(), batch.resume().cloned()).unwrap();
            prop_assert_eq!(aloud(&back), aloud(batch));
            prop_assert_eq!((back.changes(), back.commits(), back.is_empty()), (batch.changes(), batch.commits(), batch.is_empty()));
            prop_assert_eq!(back.bytes(), batch.bytes());
            commits += back.commits();
            changes += back.changes();
        }
        let acts = history.iter().flat_map(|t| &t.3).filter(|act| !matches!(act, Act::Take)).count();
        prop_assert_eq!((commits, changes), (history.len(), acts));
        prop_assert_eq!(batches.last().unwrap().resume().map(Position::as_str), Some("end"));
    }

    #[test]
    fn a_history_reads_the_same_however_it_is_cut(history in history()) {
        let whole: Vec<Transaction> = history.iter().cloned().map(|(at, origin, time, mut acts)| {
            acts.retain(|act| !matches!(act, Act::Take));
            (at, origin, time, acts)
        }).collect();
        let read = |history: &[Transaction]| batches(history).iter().flat_map(aloud).collect::<Vec<_>>();
        prop_assert_eq!(read(&history), read(&whole));
    }

    #[test]
    fn what_remains_tells_where_a_record_ends(history in history()) {
        for batch in batches(&history) {
            let (mut records, mut ends) = (batch.records(), Vec::new());
            while records.next().is_some() {
                ends.push(batch.bytes().len() - records.remaining());
            }
            let all = aloud(&batch);
            for (n, end) in ends.into_iter().enumerate() {
                let (head, rest) = batch.bytes().split_at(end);
                let part = |bytes: &[u8]| aloud(&Batch::from_parts(batch.tables().to_vec(), bytes.to_vec(), None).unwrap());
                prop_assert_eq!(part(head), &all[..=n]);
                prop_assert_eq!(part(rest), &all[n + 1..]);
            }
        }
    }

    #[test]
    fn rows_come_back_in_their_order(rows in prop::collection::vec(row(), 0..20)) {
        let mut writer = RowsWriter::new(tables().remove(0));
        for row in &rows {
            writer.row(write(row)).unwrap();
        }
        let failed: Result<(), ()> = writer.row(|_| Err(()));
        prop_assert!(failed.is_err());
        let written: Rows = writer.take();
        prop_assert_eq!((written.len(), writer.len()), (rows.len(), 0));
        let mut again = RowsWriter::new(written.table().clone());
        written.images().for_each(|image| again.image(image.unwrap()));
        let again = again.take();
        prop_assert!(written.images().eq(again.images()));
        for (row, image) in rows.iter().zip(again.images()) {
            let raw: Vec<u8> = row.iter().flat_map(|slot| slot.as_ref().map_or(vec![0], Owned::encode)).collect();
            prop_assert_eq!(image.unwrap().as_bytes(), &raw[..]);
        }
    }
}

#[test]
fn an_update_without_a_before_image_has_none() {
    let history = [("at".to_owned(), None, 0, vec![Act::Update(0, Vec::new(), vec![None])])];
    let batch = batches(&history).remove(0);
    let Some(Ok(Record::Change(change))) = batch.records().nth(1) else { panic!("a change") };
    assert!(change.before.is_none() && change.after.is_some());
}
