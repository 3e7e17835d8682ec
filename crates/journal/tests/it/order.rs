use crate::support::{Checker, Maker, Place, durable, next, nothing_from, position, table};
use std::sync::Arc;
use tidelock_journal::{JournalError, JournalOptions, Origin};
use tidelock_model::Batch;

#[tokio::test]
async fn every_commit_has_the_next_sequence_and_progress_has_none() {
    let place = Place::new();
    let journal = place.open();
    let mut maker = Maker::new();
    journal.append(maker.transaction(2).transaction(1).take()).await.unwrap();
    assert_eq!(journal.tail().sequence, 2);
    assert_eq!(journal.tail().resume, Some(position(2)));
    journal.append(Arc::new(Batch::progress(position(77)))).await.unwrap();
    assert_eq!((journal.tail().sequence, journal.tail().resume), (2, Some(position(77))));
    let mut told = journal.durable();
    let told = told.wait_for(|d| d.resume == Some(position(77))).await.unwrap().clone();
    assert_eq!(told.sequence, 2);
    journal.close().await;
    let journal = place.open();
    assert_eq!((journal.tail().sequence, journal.tail().resume), (2, Some(position(77))));
    let mut reader = journal.reader("job", 0).unwrap();
    Checker::default().read_to(&mut reader, 2).await;
    nothing_from(&mut reader).await;
}

#[tokio::test]
async fn the_journal_keeps_its_id_and_where_it_began() {
    let place = Place::new();
    let journal = place.open();
    let id = journal.id().to_owned();
    assert_eq!(journal.origin().unwrap(), None);
    assert_eq!(journal.tail().resume, None);
    let origin = Origin { server: r#"{"id":"7"}"#.to_owned(), start: position(0) };
    journal.begin_at(&origin).unwrap();
    assert_eq!(journal.tail().resume, Some(position(0)));
    assert!(matches!(journal.begin_at(&origin), Err(JournalError::NotEmpty { .. })), "once");
    let crashed = place.crashed().open_elsewhere();
    assert_eq!((crashed.0.id(), crashed.0.origin().unwrap()), (&*id, Some(origin)));
    assert_eq!(crashed.0.tail().resume, Some(position(0)));
}

#[tokio::test]
async fn a_second_opener_is_refused_and_told_who_has_it() {
    let place = Place::new();
    let journal = place.open();
    let refused = tidelock_journal::Journal::open(&place.path(), JournalOptions::default()).err().unwrap();
    assert!(matches!(refused, JournalError::Locked { .. }), "{refused}");
    assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
    journal.close().await;
    place.open();
}

#[tokio::test]
async fn who_keeps_up_is_handed_the_same_batch_even_before_it_is_durable() {
    let place = Place::new();
    let journal = place.open();
    let mut reader = journal.reader("job", 0).unwrap();
    let blocker = place.sql();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let batch = Maker::new().transaction(3).take();
    journal.append(batch.clone()).await.unwrap();
    let segment = next(&mut reader).await.unwrap();
    assert!(Arc::ptr_eq(&segment.batch, &batch));
    assert_eq!(journal.durable().borrow().sequence, 0, "nobody can write now");
    blocker.execute_batch("ROLLBACK").unwrap();
    durable(&journal, 1).await;
}

#[tokio::test]
async fn an_appender_waits_when_the_disk_does_not_keep_up() {
    let place = Place::new();
    let journal = place.open_with(JournalOptions { memory_bytes: 64 << 10, ..JournalOptions::default() });
    let blocker = place.sql();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let appending = tokio::spawn({
        let journal = journal.clone();
        async move {
            let mut maker = Maker::new();
            for _ in 0..100 {
                journal.append(maker.transaction(100).take()).await.unwrap();
            }
        }
    });
    crate::support::until("the queue fills", || journal.status().queued > 16 << 10).await;
    // Nobody writes now: it comes no further once it has had so many turns without a step.
    let (mut reached, mut turns) = (journal.tail().sequence, 0);
    while turns < 1000 {
        tokio::task::yield_now().await;
        let now = journal.tail().sequence;
        turns = if now == reached { turns + 1 } else { 0 };
        reached = now;
    }
    assert!(journal.status().queued <= 64 << 10, "bounded: {:?}", journal.status());
    assert!(journal.tail().sequence < 100);
    blocker.execute_batch("ROLLBACK").unwrap();
    appending.await.unwrap();
    durable(&journal, 100).await;
}

#[tokio::test]
async fn a_reader_that_is_behind_catches_up_from_the_file_and_goes_on_in_memory() {
    let place = Place::new();
    let journal = place.open_with(JournalOptions { memory_bytes: 64 << 10, ..JournalOptions::default() });
    let mut maker = Maker::new();
    for _ in 0..200 {
        journal.append(maker.transaction(50).take()).await.unwrap();
    }
    durable(&journal, 200).await;
    let mut reader = journal.reader("late", 0).unwrap();
    let appending = tokio::spawn({
        let journal = journal.clone();
        async move {
            for _ in 0..300 {
                journal.append(maker.transaction(20).take()).await.unwrap();
                tokio::task::yield_now().await;
            }
            maker
        }
    });
    let mut checker = Checker::default();
    checker.read_to(&mut reader, 500).await;
    let mut maker = appending.await.unwrap();
    let batch = maker.transaction(1).take();
    journal.append(batch.clone()).await.unwrap();
    let segment = next(&mut reader).await.unwrap();
    checker.take(&segment);
    assert!(Arc::ptr_eq(&segment.batch, &batch), "it reads from memory again");
}

#[tokio::test]
async fn a_table_is_the_same_from_the_file_and_from_memory() {
    let place = Place::new();
    let journal = place.open_with(JournalOptions { memory_bytes: 0, ..JournalOptions::default() });
    let mut maker = Maker::new();
    journal.append(maker.transaction(1).take()).await.unwrap();
    maker.table = table("orders");
    journal.append(maker.transaction(1).take()).await.unwrap();
    maker.table = table("customers");
    journal.append(maker.transaction(1).take()).await.unwrap();
    durable(&journal, 3).await;
    let mut reader = journal.reader("job", 0).unwrap();
    let mut tables = Vec::new();
    for _ in 0..3 {
        tables.push(next(&mut reader).await.unwrap().batch.tables()[0].clone());
    }
    assert!(Arc::ptr_eq(&tables[0], &tables[1]), "equal tables are stored once");
    assert_eq!(*tables[2], *table("customers"));
    let stored: i64 = place.sql().query_row("SELECT count(*) FROM table_version", [], |r| r.get(0)).unwrap();
    assert_eq!(stored, 2);
}

#[tokio::test]
async fn a_large_transaction_streams_through_in_pieces() {
    let place = Place::new();
    let journal = place.open_with(JournalOptions { memory_bytes: 256 << 10, ..JournalOptions::default() });
    let mut maker = Maker::new();
    journal.append(maker.transaction(1).take()).await.unwrap();
    let mut early = journal.reader("early", 0).unwrap();
    let mut seen = Checker::default();
    maker.begin();
    for piece in 0..100 {
        journal.append(maker.rows(200).take()).await.unwrap();
        if piece == 50 {
            while seen.rows < 50 * 200 {
                seen.take(&next(&mut early).await.unwrap());
            }
            assert_eq!(journal.durable().borrow().sequence.max(1), 1, "it is not committed");
            assert_eq!(journal.tail().resume, Some(position(1)));
        }
    }
    journal.append(maker.commit().transaction(1).take()).await.unwrap();
    seen.read_to(&mut early, 3).await;
    durable(&journal, 3).await;
    assert!(seen.segments > 100);
    let mut late = journal.reader("late", 0).unwrap();
    Checker::default().read_to(&mut late, 3).await;
    let mut later = journal.reader("later", 1).unwrap();
    Checker::after(1).read_to(&mut later, 3).await;
}

#[tokio::test]
async fn a_reader_begins_exactly_behind_its_place_even_inside_a_batch() {
    let place = Place::new();
    let journal = place.open_with(JournalOptions { memory_bytes: 0, ..JournalOptions::default() });
    let mut maker = Maker::new();
    for _ in 0..3 {
        for _ in 0..10 {
            maker.transaction(3);
        }
        journal.append(maker.take()).await.unwrap();
    }
    durable(&journal, 30).await;
    let reopened = place.crashed().open_elsewhere();
    for journal in [&journal, &reopened.0] {
        for after in 0..=30 {
            let mut reader = journal.reader("job", after).unwrap();
            Checker::after(after).read_to(&mut reader, 30).await;
            nothing_from_quickly(&mut reader).await;
        }
    }
}

async fn nothing_from_quickly(reader: &mut tidelock_journal::Reader) {
    let answer = tokio::time::timeout(std::time::Duration::from_millis(1), reader.next()).await;
    assert!(answer.is_err());
}

#[tokio::test]
async fn records_out_of_order_are_refused_and_not_taken() {
    let place = Place::new();
    let journal = place.open();
    let mut maker = Maker::new();
    maker.begin().rows(1);
    let piece = maker.take();
    journal.append(piece.clone()).await.unwrap();
    let inside = journal.append(piece).await.unwrap_err();
    assert!(inside.to_string().contains("begins inside another"), "{inside}");
    let progress = journal.append(Arc::new(Batch::progress(position(9)))).await.unwrap_err();
    assert!(matches!(progress, JournalError::Order(_)), "{progress}");
    let end = maker.commit().take();
    journal.append(end.clone()).await.unwrap();
    assert!(matches!(journal.append(end).await, Err(JournalError::Order(_))));
    assert_eq!(journal.tail().sequence, 1);
    durable(&journal, 1).await;
}

#[tokio::test]
async fn close_makes_all_durable_and_what_was_accepted_can_still_be_read() {
    let place = Place::new();
    let journal = place.open();
    let mut reader = journal.reader("job", 0).unwrap();
    let mut maker = Maker::new();
    for _ in 0..50 {
        journal.append(maker.transaction(10).take()).await.unwrap();
    }
    let other = journal.clone();
    journal.close().await;
    assert_eq!(other.durable().borrow().sequence, 50);
    assert!(matches!(other.append(maker.transaction(1).take()).await, Err(JournalError::Closed)));
    Checker::default().read_to(&mut reader, 50).await;
    assert!(matches!(next(&mut reader).await, Err(JournalError::Closed)));
    assert_eq!(place.open().tail().sequence, 50);
}

#[tokio::test]
async fn dropping_the_last_handle_makes_all_durable_too() {
    let place = Place::new();
    let journal = place.open();
    journal.append(Maker::new().transaction(10).take()).await.unwrap();
    drop(journal);
    assert_eq!(place.open().tail().sequence, 1);
}

#[tokio::test]
async fn who_only_ever_looks_for_a_moment_gets_on_all_the_same() {
    let place = Place::new();
    let journal = place.open_with(JournalOptions { memory_bytes: 0, ..JournalOptions::default() });
    let mut maker = Maker::new();
    for _ in 0..300 {
        journal.append(maker.transaction(200).take()).await.unwrap();
    }
    durable(&journal, 300).await;
    let mut reader = journal.reader("job", 0).unwrap();
    let mut checker = Checker::default();
    let began = std::time::Instant::now();
    while checker.last < 300 {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "at {} of 300", checker.last);
        let moment = std::time::Duration::from_micros(100);
        if let Ok(segment) = tokio::time::timeout(moment, reader.next()).await {
            checker.take(&segment.unwrap());
        }
    }
}
