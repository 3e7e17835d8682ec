use crate::support::{Checker, Maker, Place, durable, next, nothing_from, position};
use tidelock_journal::{JournalError, JournalOptions};

const SMALL: JournalOptions =
    JournalOptions { max_bytes: 1 << 30, max_age: std::time::Duration::from_secs(3600), memory_bytes: 0 };

/// One batch that ends inside transaction 2, and three more pieces of it.
async fn broken(journal: &tidelock_journal::Journal) -> Maker {
    let mut maker = Maker::new();
    journal.append(maker.transaction(5).begin().rows(5).take()).await.unwrap();
    for _ in 0..3 {
        journal.append(maker.rows(5).take()).await.unwrap();
    }
    maker.break_off();
    maker
}

#[tokio::test]
async fn who_was_handed_pieces_is_told_once_and_goes_on_behind_the_last_commit() {
    for options in [JournalOptions::default(), SMALL] {
        let place = Place::new();
        let journal = place.open_with(options);
        let (mut some, mut all, mut none) = (
            journal.reader("some", 0).unwrap(),
            journal.reader("all", 0).unwrap(),
            journal.reader("none", 0).unwrap(),
        );
        let (mut saw_some, mut saw_all) = (Checker::default(), Checker::default());
        let mut maker = broken(&journal).await;
        for _ in 0..2 {
            saw_some.take(&next(&mut some).await.unwrap());
        }
        for _ in 0..4 {
            saw_all.take(&next(&mut all).await.unwrap());
        }
        journal.abandon().await.unwrap();
        assert_eq!((journal.tail().sequence, journal.tail().resume), (1, Some(position(1))));
        for (reader, checker) in [(&mut some, &mut saw_some), (&mut all, &mut saw_all)] {
            assert!(matches!(next(reader).await, Err(JournalError::Abandoned)));
            checker.abandoned();
            nothing_from(reader).await;
        }
        journal.append(maker.begin().rows(3).take()).await.unwrap();
        journal.append(maker.rows(1).commit().take()).await.unwrap();
        saw_some.read_to(&mut some, 2).await;
        saw_all.read_to(&mut all, 2).await;
        Checker::default().read_to(&mut none, 2).await;
        durable(&journal, 2).await;
        assert_eq!(saw_all.rows, 4);
    }
}

#[tokio::test]
async fn abandoning_outside_a_transaction_changes_nothing() {
    let place = Place::new();
    let journal = place.open();
    journal.abandon().await.unwrap();
    journal.append(Maker::new().transaction(1).take()).await.unwrap();
    journal.abandon().await.unwrap();
    let mut reader = journal.reader("job", 0).unwrap();
    Checker::default().read_to(&mut reader, 1).await;
}

#[tokio::test]
async fn a_reader_inside_an_older_transaction_is_not_disturbed() {
    for options in [JournalOptions::default(), SMALL] {
        let place = Place::new();
        let journal = place.open_with(options);
        let mut maker = Maker::new();
        for pieces in [6, 1, 1] {
            maker.begin();
            for _ in 0..pieces {
                journal.append(maker.rows(10).take()).await.unwrap();
            }
            journal.append(maker.commit().take()).await.unwrap();
        }
        let (mut reader, mut checker) = (journal.reader("slow", 0).unwrap(), Checker::default());
        for _ in 0..3 {
            checker.take(&next(&mut reader).await.unwrap());
        }
        journal.append(maker.begin().rows(1).take()).await.unwrap();
        maker.break_off();
        journal.abandon().await.unwrap();
        checker.read_to(&mut reader, 3).await;
        nothing_from(&mut reader).await;
    }
}

#[tokio::test]
async fn a_reader_that_slept_through_two_attempts_is_told() {
    for options in [JournalOptions::default(), SMALL] {
        let place = Place::new();
        let journal = place.open_with(options);
        let (mut reader, mut checker) = (journal.reader("sleepy", 0).unwrap(), Checker::default());
        let mut maker = broken(&journal).await;
        for _ in 0..2 {
            checker.take(&next(&mut reader).await.unwrap());
        }
        journal.abandon().await.unwrap();
        journal.append(maker.transaction(2).begin().rows(2).take()).await.unwrap();
        maker.break_off();
        journal.abandon().await.unwrap();
        journal.append(maker.transaction(1).take()).await.unwrap();
        assert!(matches!(next(&mut reader).await, Err(JournalError::Abandoned)));
        checker.abandoned();
        checker.read_to(&mut reader, 3).await;
    }
}

#[tokio::test]
async fn the_very_first_transaction_can_be_abandoned() {
    let place = Place::new();
    let journal = place.open();
    let mut maker = Maker::new();
    journal.append(maker.begin().rows(2).take()).await.unwrap();
    journal.append(maker.rows(2).take()).await.unwrap();
    maker.break_off();
    journal.abandon().await.unwrap();
    assert_eq!((journal.tail().sequence, journal.tail().resume), (0, None));
    journal.append(maker.transaction(3).take()).await.unwrap();
    let mut reader = journal.reader("job", 0).unwrap();
    Checker::default().read_to(&mut reader, 1).await;
}

#[tokio::test]
async fn a_crash_inside_a_transaction_leaves_what_was_committed() {
    for closed in [false, true] {
        let place = Place::new();
        let journal = place.open();
        broken(&journal).await;
        durable(&journal, 1).await;
        let place = if closed {
            journal.close().await;
            place
        } else {
            place.crashed()
        };
        let journal = place.open();
        assert_eq!((journal.tail().sequence, journal.tail().resume), (1, Some(position(1))));
        let (mut reader, mut checker) = (journal.reader("job", 0).unwrap(), Checker::default());
        checker.read_to(&mut reader, 1).await;
        nothing_from(&mut reader).await;
        journal.append(Maker::behind(1).transaction(2).take()).await.unwrap();
        checker.read_to(&mut reader, 2).await;
    }
}

#[tokio::test]
async fn a_reader_that_slept_through_two_attempts_is_told_though_nothing_follows() {
    for options in [JournalOptions::default(), SMALL] {
        let place = Place::new();
        let journal = place.open_with(options);
        let (mut reader, mut checker) = (journal.reader("sleepy", 0).unwrap(), Checker::default());
        let mut maker = broken(&journal).await;
        for _ in 0..2 {
            checker.take(&next(&mut reader).await.unwrap());
        }
        journal.abandon().await.unwrap();
        journal.append(maker.begin().rows(2).take()).await.unwrap();
        maker.break_off();
        journal.abandon().await.unwrap();
        assert!(matches!(next(&mut reader).await, Err(JournalError::Abandoned)));
        checker.abandoned();
        nothing_from(&mut reader).await;
        journal.append(maker.transaction(1).take()).await.unwrap();
        checker.read_to(&mut reader, 2).await;
    }
}

#[tokio::test]
async fn who_has_all_commits_of_a_batch_that_was_shortened_is_handed_nothing_of_it() {
    for options in [JournalOptions::default(), SMALL] {
        let place = Place::new();
        let journal = place.open_with(options);
        let mut maker = broken(&journal).await;
        let mut reader = journal.reader("job", 1).unwrap();
        journal.abandon().await.unwrap();
        nothing_from(&mut reader).await;
        journal.append(maker.transaction(1).take()).await.unwrap();
        Checker::after(1).read_to(&mut reader, 2).await;
    }
}
