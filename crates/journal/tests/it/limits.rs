use crate::support::{Checker, Maker, Place, durable, next, nothing_from, until};
use std::time::Duration;
use tidelock_journal::{JournalError, JournalOptions};

#[tokio::test]
async fn trimming_follows_the_slowest_reader_and_forgets_tables_nobody_needs() {
    let place = Place::new();
    let journal = place.open();
    let (_fast, mut slow) = (journal.reader("fast", 0).unwrap(), journal.reader("slow", 0).unwrap());
    let mut maker = Maker::new();
    for _ in 0..20 {
        journal.append(maker.transaction(5).take()).await.unwrap();
    }
    maker.table = crate::support::table("customers");
    for _ in 0..20 {
        journal.append(maker.transaction(5).take()).await.unwrap();
    }
    durable(&journal, 40).await;
    let full = journal.status().bytes;
    journal.confirm("fast", 40);
    journal.confirm("slow", 10);
    until("what both confirmed is trimmed", || journal.status().first == 11).await;
    let mut checker = Checker::default();
    checker.read_to(&mut slow, 40).await;
    assert!(journal.status().bytes < full);
    let lost = journal.reader("new", 9).err().unwrap();
    assert!(matches!(lost, JournalError::PositionLost { after: 9, first: 11, last: 40, .. }), "{lost}");
    journal.reader("new", 10).unwrap();
    journal.forget_reader("new");
    journal.confirm("slow", 25);
    until("more is trimmed", || journal.status().first == 26).await;
    let sql = place.sql();
    let tables = || sql.query_row("SELECT count(*) FROM table_version", [], |r| r.get::<_, i64>(0)).unwrap();
    until("the first table is forgotten", || tables() == 1).await;
    maker.table = crate::support::table("orders");
    journal.append(maker.transaction(5).take()).await.unwrap();
    let mut last = journal.reader("last", 25).unwrap();
    Checker::after(25).read_to(&mut last, 41).await;
    journal.confirm("fast", 41);
    journal.confirm("slow", 41);
    journal.confirm("last", 41);
    until("all is trimmed", || journal.status().first == 42 && journal.status().bytes == 0).await;
    assert_eq!(journal.status().oldest_seconds, None);
    journal.close().await;
    let journal = place.open();
    assert_eq!(journal.tail().sequence, 41);
    assert!(journal.reader("last", 40).is_err());
    nothing_from(&mut journal.reader("last", 41).unwrap()).await;
}

#[tokio::test]
async fn a_reader_that_has_not_come_back_yet_holds_the_trimming_after_a_restart() {
    let place = Place::new();
    let journal = place.open();
    drop(journal.reader("a", 0).unwrap());
    drop(journal.reader("b", 0).unwrap());
    let mut maker = Maker::new();
    for _ in 0..10 {
        journal.append(maker.transaction(5).take()).await.unwrap();
    }
    journal.confirm("a", 7);
    journal.confirm("b", 3);
    journal.close().await;
    let journal = place.open();
    let confirmed: Vec<_> = journal.status().readers.iter().map(|r| (r.name.clone(), r.confirmed)).collect();
    assert_eq!(confirmed, [("a".to_owned(), 7), ("b".to_owned(), 3)]);
    journal.confirm("a", 10);
    until("only what b confirmed is trimmed", || journal.status().first == 4).await;
    let mut b = journal.reader("b", 3).unwrap();
    Checker::after(3).read_to(&mut b, 10).await;
    journal.forget_reader("b");
    until("nobody needs it", || journal.status().first == 11).await;
}

#[tokio::test]
async fn pieces_of_a_transaction_that_is_not_confirmed_are_never_trimmed() {
    let place = Place::new();
    let journal = place.open_with(JournalOptions { memory_bytes: 0, ..JournalOptions::default() });
    let mut maker = Maker::new();
    journal.append(maker.transaction(1).take()).await.unwrap();
    journal.append(maker.transaction(1).begin().rows(10).take()).await.unwrap();
    for _ in 0..10 {
        journal.append(maker.rows(10).take()).await.unwrap();
    }
    let mut reader = journal.reader("job", 0).unwrap();
    let mut seen = Checker::default();
    for _ in 0..12 {
        seen.take(&next(&mut reader).await.unwrap());
    }
    journal.confirm("job", 2);
    until("the first is trimmed", || journal.status().first == 2).await;
    journal.append(maker.commit().take()).await.unwrap();
    durable(&journal, 3).await;
    let mut again = journal.reader("job", 2).unwrap();
    let mut checker = Checker::after(2);
    checker.read_to(&mut again, 3).await;
    assert_eq!(checker.rows, 110);
}

#[tokio::test]
async fn a_full_journal_refuses_loudly_takes_nothing_and_goes_on_when_a_reader_confirms() {
    let place = Place::new();
    let journal = place.open_with(JournalOptions { max_bytes: 100_000, ..JournalOptions::default() });
    let mut reader = journal.reader("slow", 0).unwrap();
    let mut maker = Maker::new().filler(1000);
    let (mut taken, mut batch) = (0, maker.transaction(5).take());
    let refused = loop {
        match journal.append(batch.clone()).await {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        batch = maker.transaction(5).take();
    };
    assert!(matches!(refused, JournalError::Full { max: 100_000, .. }), "{refused}");
    assert!(refused.to_string().contains("'slow'"), "it names who is behind: {refused}");
    assert!(taken > 10 && journal.status().full && journal.status().bytes <= 100_000);
    assert_eq!(journal.tail().sequence, taken);
    assert!(journal.append(batch.clone()).await.is_err(), "still");
    journal.confirm("slow", 4);
    journal.append(batch).await.unwrap();
    assert!(!journal.status().full);
    Checker::default().read_to(&mut reader, taken + 1).await;
}

#[tokio::test]
async fn a_single_batch_above_the_limit_is_taken_by_an_empty_journal() {
    let place = Place::new();
    let journal = place.open_with(JournalOptions { max_bytes: 1000, ..JournalOptions::default() });
    let mut maker = Maker::new();
    let _reader = journal.reader("job", 0).unwrap();
    journal.append(maker.transaction(100).take()).await.unwrap();
    let next = maker.transaction(100).take();
    assert!(journal.append(next.clone()).await.is_err());
    journal.confirm("job", 1);
    journal.append(next).await.unwrap();
}

#[tokio::test]
async fn a_transaction_above_the_limit_is_taken_whole_when_it_is_all_there_is() {
    let place = Place::new();
    let journal = place.open_with(JournalOptions { max_bytes: 100_000, ..JournalOptions::default() });
    let mut maker = Maker::new();
    let mut reader = journal.reader("job", 0).unwrap();
    journal.append(maker.transaction(100).take()).await.unwrap();
    journal.append(maker.transaction(1).begin().rows(100).take()).await.unwrap();
    let piece = loop {
        let piece = maker.rows(100).take();
        if journal.append(piece.clone()).await.is_err() {
            break piece;
        }
    };
    journal.confirm("job", 2);
    journal.append(piece).await.unwrap();
    for _ in 0..50 {
        journal.append(maker.rows(100).take()).await.unwrap();
    }
    assert!(journal.status().full && journal.status().bytes > 100_000);
    journal.append(maker.commit().take()).await.unwrap();
    Checker::default().read_to(&mut reader, 3).await;
    let next = maker.transaction(100).take();
    assert!(journal.append(next.clone()).await.is_err(), "the limit holds again");
    journal.confirm("job", 3);
    journal.append(next).await.unwrap();
    assert!(!journal.status().full);
}

#[tokio::test]
async fn what_is_too_old_is_kept_and_told() {
    let place = Place::new();
    let journal = place.open_with(JournalOptions { max_age: Duration::ZERO, ..JournalOptions::default() });
    let mut reader = journal.reader("job", 0).unwrap();
    journal.append(Maker::new().transaction(1).take()).await.unwrap();
    until("it is told", || journal.status().over_age).await;
    Checker::default().read_to(&mut reader, 1).await;
    assert_eq!(journal.status().first, 1, "kept");
    journal.confirm("job", 1);
    until("it is over", || !journal.status().over_age).await;
}

#[tokio::test]
async fn a_place_the_journal_has_not_reached_is_refused() {
    let place = Place::new();
    let journal = place.open();
    journal.append(Maker::new().transaction(1).take()).await.unwrap();
    let refused = journal.reader("job", 2).err().unwrap();
    assert!(matches!(refused, JournalError::PositionLost { after: 2, last: 1, .. }), "{refused}");
    assert!(journal.status().readers.is_empty(), "who was refused holds nothing");
}

#[tokio::test]
async fn space_is_given_back_when_the_journal_has_been_trimmed() {
    let place = Place::new();
    let journal = place.open();
    drop(journal.reader("job", 0).unwrap());
    let mut maker = Maker::new().filler(10_000);
    for _ in 0..60 {
        journal.append(maker.transaction(100).take()).await.unwrap();
    }
    durable(&journal, 60).await;
    journal.confirm("job", 60);
    until("all is trimmed", || journal.status().bytes == 0).await;
    let sql = place.sql();
    let pages = || sql.query_row("PRAGMA page_count", [], |r| r.get::<_, i64>(0)).unwrap();
    until("the file shrinks", || pages() < 5000).await;
}
