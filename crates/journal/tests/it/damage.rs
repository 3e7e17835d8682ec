use crate::support::{Maker, Place, durable, next, until};
use tidelock_journal::{Journal, JournalError, JournalOptions};

async fn closed_with(rows: usize) -> Place {
    let place = Place::new();
    let journal = place.open();
    let mut maker = Maker::new();
    for _ in 0..3 {
        journal.append(maker.transaction(rows).take()).await.unwrap();
    }
    journal.close().await;
    place
}

fn refused(place: &Place) -> JournalError {
    Journal::open(&place.path(), JournalOptions::default()).err().expect("it is refused")
}

#[tokio::test]
async fn a_flipped_byte_is_found_and_the_segment_is_named() {
    let place = closed_with(3).await;
    let mut bytes = std::fs::read(place.path()).unwrap();
    let at = bytes.windows(4).position(|w| w == b"at-2").unwrap();
    bytes[at + 40] ^= 1;
    std::fs::write(place.path(), bytes).unwrap();
    let journal = place.open();
    let mut reader = journal.reader("job", 0).unwrap();
    let error = next(&mut reader).await.unwrap_err();
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("segment 2 ") && text.contains("checksum") && text.contains("--full"), "{text}");
    let mut behind = journal.reader("behind", 2).unwrap();
    next(&mut behind).await.unwrap();
}

#[tokio::test]
async fn a_changed_column_is_found_too() {
    for change in ["first = 1, last = 1", "open = 1", "resume = 'p-9'", "tables = '[1,1]'", "time = time + 1"]
    {
        let place = closed_with(1).await;
        place.sql().execute(&format!("UPDATE segment SET {change} WHERE id = 2"), []).unwrap();
        let journal = place.open();
        let mut reader = journal.reader("job", 1).unwrap();
        let error = next(&mut reader).await.unwrap_err();
        assert!(error.to_string().contains("segment 2 "), "{change}: {error}");
    }
}

#[tokio::test]
async fn a_changed_table_is_found() {
    let place = closed_with(1).await;
    place.sql().execute("UPDATE table_version SET json = replace(json, 'orders', 'Orders')", []).unwrap();
    let journal = place.open();
    let error = next(&mut journal.reader("job", 0).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("table version 1"), "{error}");
}

#[tokio::test]
async fn missing_segments_are_found() {
    let place = closed_with(1).await;
    place.sql().execute("DELETE FROM segment WHERE id = 2", []).unwrap();
    let journal = place.open();
    let mut reader = journal.reader("job", 0).unwrap();
    next(&mut reader).await.unwrap();
    assert!(matches!(next(&mut reader).await, Err(JournalError::PositionLost { after: 1, .. })));
    drop((reader, journal));
    place.sql().execute("DELETE FROM segment WHERE id = 3", []).unwrap();
    assert!(matches!(refused(&place), JournalError::Damaged { .. }));
}

#[tokio::test]
async fn other_versions_and_other_files_are_refused() {
    let place = closed_with(1).await;
    place.sql().execute("UPDATE head SET encoding = 200", []).unwrap();
    assert!(matches!(refused(&place), JournalError::Version { found: 200, .. }));
    let place = closed_with(1).await;
    place.sql().pragma_update(None, "user_version", 9).unwrap();
    assert!(matches!(refused(&place), JournalError::Version { found: 9, .. }));
    let place = Place::new();
    place.sql().execute_batch("CREATE TABLE shop (id)").unwrap();
    assert!(matches!(refused(&place), JournalError::Damaged { .. }));
    std::fs::write(place.path(), "not a database at all, but long enough to be looked at").unwrap();
    assert!(matches!(refused(&place), JournalError::Damaged { .. }));
}

#[tokio::test]
async fn when_writing_fails_everybody_is_told() {
    let place = Place::new();
    let journal = place.open();
    let mut reader = journal.reader("job", 0).unwrap();
    let mut maker = Maker::new();
    journal.append(maker.transaction(1).take()).await.unwrap();
    durable(&journal, 1).await;
    next(&mut reader).await.unwrap();
    place.sql().execute_batch("DROP TABLE segment").unwrap();
    // What it does when it is idle may have failed already.
    drop(journal.append(maker.transaction(1).take()).await);
    until("it has failed", || journal.status().failed.is_some()).await;
    let append = journal.append(maker.transaction(1).take()).await.unwrap_err();
    assert!(matches!(&append, JournalError::Failed(text) if text.contains("segment")), "{append}");
    assert!(matches!(next(&mut reader).await, Err(JournalError::Failed(_))));
    assert!(matches!(
        journal.begin_at(&tidelock_journal::Origin {
            server: String::new(),
            start: crate::support::position(1)
        }),
        Err(JournalError::Failed(_))
    ));
    assert!(matches!(journal.abandon().await, Err(JournalError::Failed(_))));
    assert_eq!(journal.durable().borrow().sequence, 1);
    let mut told = journal.durable();
    told.mark_unchanged();
    assert!(told.changed().await.is_err(), "nothing will become durable any more");
    journal.close().await;
}
