use super::*;
use tidelock_model::{Batch, BatchWriter, CodecError, Column, TableName, Type, Value};

fn table(name: &str) -> Arc<Table> {
    Arc::new(Table {
        name: TableName::new(name),
        columns: vec![Column::new("id", Type::int(64), "bigint")],
        key: vec![0],
        primary: true,
        indexes: vec![],
        foreign_keys: vec![],
    })
}

struct Transaction<'a> {
    at: &'a str,
    origin: Option<&'a str>,
    table: &'a str,
    rows: std::ops::Range<i64>,
}

fn batch(transactions: &[Transaction<'_>]) -> Batch {
    let mut w = BatchWriter::new();
    for t in transactions {
        let table = table(t.table);
        w.begin(t.at, t.origin, 7);
        for id in t.rows.clone() {
            w.insert(&table, |image| {
                image.value(&Value::Int(id));
                Ok::<_, CodecError>(())
            })
            .unwrap();
        }
        w.commit(&Position::new(format!("end {}", t.at)));
    }
    w.take()
}

/// What a runner was told to do: `apply n` rows, `commit sequence`.
fn run(assembler: &mut Assembler, batch: &Batch, covers: &Covers<'_>) -> Vec<String> {
    let mut log = Vec::new();
    for record in batch.records() {
        let record = record.unwrap();
        loop {
            let step = assembler.offer(&record, covers).unwrap();
            match step {
                Step::Taken => break,
                Step::TakenApply | Step::Apply => {
                    log.push(format!("apply {}", assembler.fold.rows()));
                    assembler.applied();
                }
                Step::TakenCommit | Step::Commit => {
                    log.push(format!("commit {} with {}", assembler.sequence, assembler.fold.rows()));
                    assembler.committed();
                }
            }
            if matches!(step, Step::TakenApply | Step::TakenCommit) {
                break;
            }
        }
    }
    log
}

fn assembler(limit: usize) -> Assembler {
    behind(limit, 1)
}

/// One that commits so many batches together while there is more to read.
fn behind(limit: usize, batches: usize) -> Assembler {
    let map = Arc::new(TableMap::unchanged(&table("t")));
    Assembler::new("crm", vec![map], 0, limit, batches)
}

fn unknown(_: &Position, _: &str) -> Result<Coverage> {
    Ok(Coverage::Unknown)
}

fn plain(at: &str, rows: std::ops::Range<i64>) -> Transaction<'_> {
    Transaction { at, origin: None, table: "t", rows }
}

#[test]
fn small_transactions_share_a_commit_and_none_is_cut() {
    let mut a = assembler(10);
    let log = run(
        &mut a,
        &batch(&[plain("1", 0..4), plain("2", 4..9), plain("3", 9..12), plain("4", 12..13)]),
        &unknown,
    );
    assert_eq!(log, ["apply 10", "commit 3 with 2"]);
    assert!(a.wants_commit_when_idle() && a.sequence == 4 && a.fold.rows() == 1);
}

#[test]
fn a_large_transaction_is_applied_in_pieces_and_committed_once() {
    let mut a = assembler(10);
    let log = run(&mut a, &batch(&[plain("1", 0..35)]), &unknown);
    assert_eq!(log, ["apply 10", "apply 10", "apply 10", "commit 1 with 5"]);
    assert!(!a.is_pending() && a.changes() == 0);
}

#[test]
fn a_delivery_that_is_behind_commits_some_batches_together_between_transactions_only() {
    let mut a = behind(10, 2);
    let log = run(&mut a, &batch(&[plain("1", 0..10), plain("2", 10..15)]), &unknown);
    assert_eq!(log, ["apply 10"]);
    assert_eq!(a.changes(), 15);
    assert!(a.wants_commit_when_idle(), "and at once where there is nothing more to read");
    let log = run(&mut a, &batch(&[plain("3", 15..38), plain("4", 38..39)]), &unknown);
    assert_eq!(log, ["apply 10", "apply 10", "commit 3 with 8"]);
    assert_eq!(a.fold.rows(), 1);
}

#[test]
fn what_was_first_made_at_the_target_is_passed_over_and_counted() {
    let mut a = assembler(10);
    let echo = Transaction { at: "1", origin: Some("crm"), table: "t", rows: 0..3 };
    let log = run(&mut a, &batch(&[echo, plain("2", 5..6)]), &unknown);
    assert!(log.is_empty());
    assert_eq!((a.sequence, a.fold.rows()), (2, 1));
}

#[test]
fn origins_never_share_a_commit() {
    let mut a = assembler(10);
    let other = Transaction { at: "2", origin: Some("till"), table: "t", rows: 5..6 };
    let log = run(&mut a, &batch(&[plain("1", 0..1), other]), &unknown);
    assert_eq!(log, ["commit 1 with 1"]);
    assert_eq!(a.origin(), Some("till"));
}

#[test]
fn a_transaction_is_passed_over_only_when_all_views_of_the_table_hold_it() {
    let covers = |mark: &Position, at: &str| {
        let (mark, at): (u32, u32) = (mark.as_str().parse().unwrap(), at.parse().unwrap());
        Ok(if at <= mark { Coverage::Held } else { Coverage::Past })
    };
    let mut a = assembler(100);
    let marks = vec![Position::new("2"), Position::new("4")];
    a.set_marks(vec![TableMark { table: TableName::new("t"), marks, kept: false, told: None }]);
    run(&mut a, &batch(&[plain("1", 0..1), plain("2", 1..2), plain("3", 2..3), plain("4", 3..4)]), &covers);
    assert_eq!(a.fold.rows(), 2, "1 and 2 are in both views, 3 and 4 only in one");
    assert_eq!(a.marks().len(), 1);
    run(&mut a, &batch(&[plain("5", 4..5)]), &covers);
    assert!(a.marks().is_empty(), "past both views");
}

#[test]
fn rows_that_went_are_told_to_a_two_way_job_although_a_view_holds_that() {
    let covers = |_: &Position, _: &str| Ok(Coverage::Held);
    let (held, other) =
        (table("t"), Arc::new(Table { columns: vec![], key: vec![], ..(*table("t")).clone() }));
    let mut w = BatchWriter::new();
    let row = |id: i64| {
        move |image: &mut tidelock_model::ImageWriter<'_>| {
            image.value(&Value::Int(id));
            Ok::<_, CodecError>(())
        }
    };
    w.begin("1", None, 7);
    w.insert(&held, row(1)).unwrap();
    w.update(&held, row(2), row(2)).unwrap();
    w.update(&held, row(3), row(4)).unwrap();
    w.delete(&held, row(5)).unwrap();
    w.delete(&other, |_| Ok::<_, CodecError>(())).unwrap();
    w.commit(&Position::new("end 1"));
    let batch = w.take();
    for two_way in [false, true] {
        let mut a = assembler(100);
        if two_way {
            a.each_key_once();
        }
        a.set_marks(vec![TableMark {
            table: TableName::new("t"),
            marks: vec![Position::new("1")],
            kept: false,
            told: None,
        }]);
        run(&mut a, &batch, &covers);
        let entries: Vec<_> = a.fold.tables().flat_map(|(_, entries)| entries.to_vec()).collect();
        assert!(entries.iter().all(|e| e.after == crate::fold::After::Gone));
        let id = |e: &crate::fold::Entry| a.fold.image(&e.key).slot(0).unwrap().value().unwrap().to_string();
        assert_eq!(entries.iter().map(id).collect::<Vec<_>>(), if two_way { vec!["3", "5"] } else { vec![] });
    }
}

#[test]
fn a_journal_that_begins_earlier_than_the_job_is_passed_over_up_to_its_place() {
    let mut a = assembler(10);
    let compare = |p: &Position| Ok(p.as_str().cmp("end 2"));
    a.skip_to(Some(Skip { to: Position::new("end 2"), compare: Box::new(compare) }));
    run(&mut a, &batch(&[plain("1", 0..1), plain("2", 1..2), plain("3", 2..3)]), &unknown);
    assert_eq!((a.sequence, a.fold.rows()), (3, 1));
}

#[test]
fn tables_of_other_jobs_are_not_touched() {
    let mut a = assembler(10);
    let other = Transaction { at: "1", origin: None, table: "other", rows: 0..3 };
    run(&mut a, &batch(&[other]), &unknown);
    assert!(!a.is_pending() && a.sequence == 1);
}

fn row(id: i64) -> impl FnOnce(&mut tidelock_model::ImageWriter<'_>) -> std::result::Result<(), CodecError> {
    move |image| {
        image.value(&Value::Int(id));
        Ok(())
    }
}

/// One transaction at `1`, of the table `t` as `write` has it.
fn told(write: impl FnOnce(&mut BatchWriter, &Arc<Table>)) -> Batch {
    let mut w = BatchWriter::new();
    w.begin("1", None, 7);
    write(&mut w, &table("t"));
    w.commit(&Position::new("end 1"));
    w.take()
}

fn first_error(a: &mut Assembler, batch: &Batch, covers: &Covers<'_>) -> Option<Reshaped> {
    batch.records().find_map(|record| match a.offer(&record.unwrap(), covers) {
        Err(SyncError::Reshaped(reshaped)) => Some(reshaped),
        Err(error) => panic!("{error}"),
        Ok(_) => None,
    })
}

#[test]
fn of_what_a_table_went_through_before_it_was_copied_again_only_the_rows_that_went_are_of_interest() {
    let covers = |_: &Position, _: &str| Ok(Coverage::Held);
    let batch = told(|w, t| {
        w.insert(t, row(1)).unwrap();
        w.update(t, row(2), row(2)).unwrap();
        w.update(t, row(3), row(4)).unwrap();
        w.rewrite(t);
        w.delete(t, row(5)).unwrap();
    });
    for kept in [true, false] {
        let mut a = assembler(100);
        let marks = vec![Position::new("1")];
        a.set_marks(vec![TableMark { table: TableName::new("t"), marks, kept, told: None }]);
        run(&mut a, &batch, &covers);
        assert!(a.fold.is_empty() && a.is_pending() == kept);
        let key = |image: &[u8]| Image::from_bytes(image).slot(0).unwrap().value().unwrap().to_string();
        let keys: Vec<_> = a.take_doubtful().iter().map(|(_, image)| key(image)).collect();
        assert_eq!(keys, if kept { vec!["3", "5"] } else { vec![] });
    }
}

#[test]
fn what_cannot_be_told_of_a_table_asks_for_another_plan_unless_a_view_holds_it() {
    let (held, not_held): (Box<Covers<'_>>, Box<Covers<'_>>) =
        (Box::new(|_, _| Ok(Coverage::Held)), Box::new(|_, _| Ok(Coverage::Past)));
    let other = |columns: &[(&str, Type)]| {
        let columns = columns.iter().map(|(n, t)| Column::new(*n, t.clone(), "any")).collect();
        Arc::new(Table { columns, ..(*table("t")).clone() })
    };
    let wider = other(&[("id", Type::int(64)), ("more", Type::int(64))]);
    let retyped = other(&[("id", Type::text())]);
    let other_key = told(|w, _| w.delete(&retyped, row(1)).unwrap());
    for (batch, kept, anew) in [
        (told(|w, t| w.rewrite(t)), true, None),
        (told(|w, t| w.replace(t)), false, Some(false)),
        (told(|w, _| w.insert(&wider, row(1)).unwrap()), true, None),
        (other_key, true, Some(false)),
    ] {
        let found = first_error(&mut assembler(9), &batch, &*not_held);
        assert_eq!(found.map(|r| (r.sequence, r.kept)), Some((0, kept)));
        for (marked, expected) in [(true, anew), (false, None)] {
            let mut a = assembler(9);
            let marks = vec![Position::new("1")];
            a.set_marks(vec![TableMark { table: TableName::new("t"), marks, kept: marked, told: None }]);
            assert_eq!(first_error(&mut a, &batch, &*held).map(|r| r.kept), expected);
        }
    }
}

#[test]
fn a_view_without_an_exact_place_holds_what_was_before_a_change_that_was_told_when_it_was_opened() {
    for (told_at, rows) in [(None, 4), (Some(1), 2)] {
        let mut a = assembler(9);
        let marks = vec![Position::new("1")];
        a.set_marks(vec![TableMark { table: TableName::new("t"), marks, kept: true, told: told_at }]);
        let transactions = [plain("1", 0..1), plain("2", 1..2), plain("3", 2..3), plain("4", 3..4)];
        run(&mut a, &batch(&transactions), &unknown);
        assert_eq!(a.fold.rows(), rows, "the second one told it");
    }
}
