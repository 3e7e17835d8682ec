//! Whatever a source sends of its changes, and wherever its batches end: the target has the rows that belong to it.

use crate::expression::{Expression, Kind};
use crate::fold::{Added, Choice, Fold};
use crate::mapping::TableMap;
use crate::rules::{Computed, Rules};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidelock_model::{
    Change, Column, Image, ImageWriter, Operation, RowsWriter, Slot, Table, TableName, Type, Value,
};

/// `id → (a, b)`; at the target `id → (b, c)`, where `a > 0` and `c` is `a + b`, or is made of `a` alone.
type Rows = BTreeMap<i64, (i64, i64)>;

fn table(columns: &[&str]) -> Arc<Table> {
    Arc::new(Table {
        name: TableName::new("t"),
        columns: columns.iter().map(|c| Column::new(*c, Type::int(64), "bigint")).collect(),
        key: vec![0],
        primary: true,
        indexes: vec![],
        foreign_keys: vec![],
    })
}

fn map(of_both: bool) -> Arc<TableMap> {
    let source = table(&["id", "a", "b"]);
    let expression = |text: &str| Expression::new(text, &source).unwrap();
    let computed = Computed {
        name: "c".into(),
        expression: expression(if of_both { "a + b" } else { "a * 2" }),
        kind: Kind::Int,
    };
    let rules =
        Rules { filter: Some(expression("a > 0")), masks: vec![None, None], computed: vec![computed] };
    Arc::new(TableMap::new(source.clone(), table(&["id", "b", "c"]), vec![0, 2]).ruled(Some(rules)))
}

fn belongs(source: &Rows, of_both: bool) -> Rows {
    let made = |a: i64, b: i64| (b, if of_both { a + b } else { a * 2 });
    source.iter().filter(|(_, (a, _))| *a > 0).map(|(id, (a, b))| (*id, made(*a, *b))).collect()
}

fn image(slots: [Option<i64>; 3]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ImageWriter::new(&mut out);
    slots.iter().for_each(|s| writer.slot(&s.map_or(Slot::NotSent, |v| Slot::Value(Value::Int(v)))));
    out
}

fn taken_apart(image: Image<'_>) -> [Option<i64>; 3] {
    let mut slots = image.slots().map(|s| match s.unwrap() {
        Slot::Value(Value::Int(v)) => Some(v),
        _ => None,
    });
    std::array::from_fn(|_| slots.next().unwrap())
}

/// What a writer does, and how much of it the source tells.
#[derive(Clone, Debug)]
struct Step {
    id: i64,
    becomes: Option<(i64, Option<i64>, Option<i64>)>,
    /// 0: no old row where the key stays, 1: its key, 2: all of it.
    before: u8,
    /// What did not change is not sent.
    sparse: bool,
    /// A batch ends here.
    ends: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let becomes = prop_oneof![
        1 => Just(None),
        5 => (0..4i64, proptest::option::of(-1..4i64), proptest::option::of(0..3i64)).prop_map(Some),
    ];
    (0..4i64, becomes, 0..3u8, any::<bool>(), any::<bool>())
        .prop_map(|(id, becomes, before, sparse, ends)| Step { id, becomes, before, sparse, ends })
}

/// Folds one step in and does it at the source.
fn write(step: &Step, source: &mut Rows, fold: &mut Fold, map: &Arc<TableMap>) {
    let sent = |id: i64, (a, b): (i64, i64)| match step.before {
        2 => image([Some(id), Some(a), Some(b)]),
        _ => image([Some(id), None, None]),
    };
    let (operation, before, after) = match (source.remove(&step.id), &step.becomes) {
        (None, None) => return,
        (Some(old), None) => (Operation::Delete, Some(sent(step.id, old)), None),
        (None, Some((_, a, b))) => {
            let new = (a.unwrap_or(1), b.unwrap_or(0));
            source.insert(step.id, new);
            (Operation::Insert, None, Some(image([Some(step.id), Some(new.0), Some(new.1)])))
        }
        (Some(old), Some((to, a, b))) => {
            let to = if source.contains_key(to) { step.id } else { *to };
            let new = (a.unwrap_or(old.0), b.unwrap_or(old.1));
            source.insert(to, new);
            let kept = |old, new| (!step.sparse || old != new).then_some(new);
            let after = image([Some(to), kept(old.0, new.0), kept(old.1, new.1)]);
            let before = (step.before > 0 || to != step.id).then(|| sent(step.id, old));
            (Operation::Update, before, Some(after))
        }
    };
    let change = Change {
        table: &map.source,
        operation,
        before: before.as_deref().map(Image::from_bytes),
        after: after.as_deref().map(Image::from_bytes),
    };
    assert_eq!(fold.add(map, &change).unwrap(), Added::Taken);
}

/// Applies a fold to a target whose source is at its end already.
fn apply(fold: &mut Fold, target: &mut Rows, end: &Rows, of_both: bool) {
    for (table, keys) in fold.questions().unwrap() {
        let mut found = RowsWriter::new(keys.table().clone());
        for key in keys.images() {
            let id = taken_apart(key.unwrap())[0].unwrap();
            if let Some((a, b)) = end.get(&id) {
                found.image(Image::from_bytes(&image([Some(id), Some(*a), Some(*b)])));
            }
        }
        fold.answer(table, found.take()).unwrap();
    }
    let belonging = belongs(end, of_both);
    for delta in fold.deltas(|_, _| Choice::Write) {
        for key in &delta.deletes {
            target.remove(&taken_apart(*key)[0].unwrap());
        }
        for update in &delta.updates {
            let [key, b, c] = taken_apart(update.set);
            assert_eq!(key, taken_apart(update.key)[0], "a key that moves is a delete and a row");
            match target.get_mut(&key.unwrap()) {
                Some(row) => *row = (b.unwrap_or(row.0), c.unwrap_or(row.1)),
                // A row that is not there is fetched from the source.
                None => target.extend(belonging.get_key_value(&key.unwrap()).map(|(k, v)| (*k, *v))),
            }
        }
        for row in &delta.upserts {
            let [id, b, c] = taken_apart(*row).map(Option::unwrap);
            target.insert(id, (b, c));
        }
    }
    fold.clear();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn rows_move_in_and_out_whatever_is_sent_of_them(steps in proptest::collection::vec(step(), 1..25), copied in 0..25usize, of_both: bool) {
        let map = map(of_both);
        let (mut end, mut copy) = (Rows::new(), Rows::new());
        let mut nowhere = Fold::default();
        for (place, step) in steps.iter().enumerate() {
            write(step, &mut end, &mut nowhere, &map);
            if place == copied {
                copy = end.clone();
            }
        }
        // The target was copied at any moment, and gets the whole history from its beginning.
        let (mut source, mut target, mut fold) = (Rows::new(), belongs(&copy, of_both), Fold::default());
        for step in &steps {
            write(step, &mut source, &mut fold, &map);
            if step.ends {
                apply(&mut fold, &mut target, &end, of_both);
            }
        }
        apply(&mut fold, &mut target, &end, of_both);
        prop_assert_eq!(target, belongs(&end, of_both));
    }
}

#[test]
fn nothing_is_asked_of_the_source_where_it_told_enough() {
    let map = map(true);
    let (mut source, mut fold) = (Rows::new(), Fold::default());
    let step = |becomes, before| Step { id: 1, becomes, before, sparse: false, ends: false };
    for (becomes, before) in
        [(Some((1, Some(1), Some(2))), 0), (Some((1, Some(-1), None)), 0), (Some((1, Some(1), None)), 0)]
    {
        write(&step(becomes, before), &mut source, &mut fold, &map);
    }
    assert!(fold.questions().unwrap().is_empty());
    let mut target = Rows::new();
    apply(&mut fold, &mut target, &source, true);
    assert_eq!(target, belongs(&source, true));
    // A row that was out and stays out is not even deleted.
    source.insert(1, (-1, 0));
    write(&step(Some((1, Some(0), None)), 2), &mut source, &mut fold, &map);
    write(&step(None, 2), &mut source, &mut fold, &map);
    assert!(fold.is_empty());
}

#[test]
fn a_row_that_went_out_or_was_asked_for_is_not_mended_by_what_came_later() {
    let map = map(false);
    let step = |a, b| Step { id: 1, becomes: Some((1, a, b)), before: 0, sparse: true, ends: false };
    // Out with another `b`; then `b` changes while nothing is told of `a`. Both times `a` comes back alone.
    for changes in [[(Some(-1), Some(2)), (Some(3), None)], [(None, Some(2)), (Some(3), None)]] {
        let (mut source, mut fold) = (Rows::from([(1, (1, 0))]), Fold::default());
        let mut target = belongs(&source, false);
        for (a, b) in changes {
            write(&step(a, b), &mut source, &mut fold, &map);
        }
        apply(&mut fold, &mut target, &source, false);
        assert_eq!(target, Rows::from([(1, (2, 6))]), "{changes:?}");
    }
}
