use super::*;
use tidelock_model::{Batch, BatchWriter, CodecError, Column, Position, Record, TableName, Type, Value};

fn table() -> Arc<Table> {
    Arc::new(Table {
        name: TableName::new("t"),
        columns: ["id", "a", "b"].iter().map(|c| Column::new(*c, Type::int(64), "bigint")).collect(),
        key: vec![0],
        primary: true,
        indexes: vec![],
        foreign_keys: vec![],
    })
}

/// `None` is a column that was not sent.
type Row = [Option<i64>; 3];

fn write(row: Row) -> impl FnOnce(&mut ImageWriter<'_>) -> std::result::Result<(), CodecError> {
    move |w| {
        for slot in row {
            w.slot(&slot.map_or(Slot::NotSent, |v| Slot::Value(Value::Int(v))));
        }
        Ok(())
    }
}

enum Op {
    Insert(Row),
    Update(Option<Row>, Row),
    Delete(Row),
    Truncate,
}

fn batch(ops: &[Op]) -> Batch {
    let (table, mut w) = (table(), BatchWriter::new());
    w.begin("1", None, 0);
    for op in ops {
        match op {
            Op::Insert(row) => w.insert(&table, write(*row)).unwrap(),
            Op::Update(Some(before), after) => w.update(&table, write(*before), write(*after)).unwrap(),
            Op::Update(None, after) => w.update(&table, |_| Ok::<_, CodecError>(()), write(*after)).unwrap(),
            Op::Delete(row) => w.delete(&table, write(*row)).unwrap(),
            Op::Truncate => w.truncate(&table),
        }
    }
    w.commit(&Position::new("2"));
    w.take()
}

fn row(image: Image<'_>) -> Row {
    let mut slots = image.slots().map(|s| match s.unwrap() {
        Slot::Value(Value::Int(v)) => Some(v),
        Slot::NotSent => None,
        other => panic!("{other:?}"),
    });
    std::array::from_fn(|_| slots.next().unwrap())
}

/// Applies deltas to a model of a table, in the order promised by `Delta`.
fn apply(fold: &Fold, rows: &mut std::collections::BTreeMap<i64, [i64; 3]>) {
    for delta in fold.deltas(|_, _| Choice::Write) {
        if delta.truncate {
            rows.clear();
        }
        for key in &delta.deletes {
            rows.remove(&row(*key)[0].unwrap());
        }
        for update in &delta.updates {
            let (key, set) = (row(update.key)[0].unwrap(), row(update.set));
            if let Some(old) = rows.remove(&key) {
                let new: [i64; 3] = std::array::from_fn(|i| set[i].unwrap_or(old[i]));
                rows.insert(new[0], new);
            }
        }
        for upsert in &delta.upserts {
            let new = row(*upsert).map(|v| v.unwrap());
            rows.insert(new[0], new);
        }
    }
}

fn run(ops: &[Op], rows: &mut std::collections::BTreeMap<i64, [i64; 3]>) -> usize {
    let batch = batch(ops);
    let map = Arc::new(TableMap::new(table(), table(), vec![0, 1, 2]));
    let (mut fold, mut barriers) = (Fold::default(), 0);
    for record in batch.records() {
        if let Record::Change(change) = record.unwrap()
            && fold.add(&map, &change).unwrap() == Added::Barrier
        {
            apply(&fold, rows);
            fold.clear();
            barriers += 1;
            assert_eq!(fold.add(&map, &change).unwrap(), Added::Taken);
        }
    }
    apply(&fold, rows);
    barriers
}

#[test]
fn a_column_not_sent_keeps_what_the_run_or_the_target_has() {
    let mut rows = [(1, [1, 10, 11]), (2, [2, 20, 21])].into();
    run(
        &[
            Op::Update(None, [Some(1), None, Some(99)]),
            Op::Insert([Some(3), Some(30), Some(31)]),
            Op::Update(None, [Some(3), Some(33), None]),
            Op::Update(None, [Some(1), Some(98), None]),
        ],
        &mut rows,
    );
    assert_eq!(rows, [(1, [1, 98, 99]), (2, [2, 20, 21]), (3, [3, 33, 31])].into());
}

#[test]
fn a_key_that_moves_with_columns_not_sent_waits_for_what_is_before_it() {
    let mut rows = [(1, [1, 10, 11]), (2, [2, 20, 21])].into();
    let barriers = run(
        &[
            Op::Delete([Some(2), None, None]),
            Op::Update(Some([Some(1), None, None]), [Some(2), None, Some(7)]),
            Op::Update(None, [Some(2), Some(5), None]),
        ],
        &mut rows,
    );
    assert_eq!(rows, [(2, [2, 5, 7])].into());
    assert_eq!(barriers, 2);
}

#[test]
fn keys_swapped_inside_one_transaction_end_swapped() {
    let mut rows = [(1, [1, 10, 10]), (2, [2, 20, 20])].into();
    run(
        &[
            Op::Update(Some([Some(1), None, None]), [Some(0), Some(10), Some(10)]),
            Op::Update(Some([Some(2), None, None]), [Some(1), Some(20), Some(20)]),
            Op::Update(Some([Some(0), None, None]), [Some(2), Some(10), Some(10)]),
        ],
        &mut rows,
    );
    assert_eq!(rows, [(1, [1, 20, 20]), (2, [2, 10, 10])].into());
}

#[test]
fn what_came_before_a_truncate_is_forgotten() {
    let mut rows = [(1, [1, 10, 10])].into();
    run(
        &[Op::Insert([Some(5), Some(5), Some(5)]), Op::Truncate, Op::Insert([Some(6), Some(6), Some(6)])],
        &mut rows,
    );
    assert_eq!(rows, [(6, [6, 6, 6])].into());
}
