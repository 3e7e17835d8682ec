use super::*;
use Judgement::{RetryLater, RetryNow, Stop};

fn journal(error: JournalError) -> SyncError {
    SyncError::Journal(error)
}

#[test]
fn what_an_endpoint_says_is_tried_again_only_where_that_can_help() {
    for (kind, judgement) in [
        (ErrorKind::Contention, RetryNow),
        (ErrorKind::Unavailable, RetryLater),
        (ErrorKind::Target, RetryLater),
        (ErrorKind::Authentication, Stop),
        (ErrorKind::Privilege, Stop),
        (ErrorKind::PositionLost, Stop),
        (ErrorKind::Precondition, Stop),
        (ErrorKind::Row, Stop),
        (ErrorKind::Protocol, Stop),
        (ErrorKind::Unsupported, Stop),
        (ErrorKind::Configuration, Stop),
    ] {
        let error = SyncError::at("shop")(EndpointError::new(kind, "TL-X", "it is so"));
        assert_eq!(error.judge(), judgement, "{kind:?}");
    }
}

#[test]
fn what_happens_on_our_side_is_tried_again_only_where_nothing_is_wrong_with_it() {
    let lost = JournalError::PositionLost { reader: "job".into(), after: 9, first: 1, last: 3 };
    let damaged = JournalError::Damaged { path: "j".into(), place: "the head".into(), what: "zeros".into() };
    for (error, judgement) in [
        (journal(JournalError::Abandoned), RetryNow),
        (journal(JournalError::Full { bytes: 2, max: 1, slowest: "job".into() }), RetryLater),
        (journal(lost), Stop),
        (journal(damaged), Stop),
        (journal(JournalError::Version { path: "j".into(), found: 9, known: 1 }), Stop),
        (journal(JournalError::Locked { path: "j".into(), by: String::new() }), Stop),
        (journal(JournalError::Order("two begins".into())), Stop),
        (journal(JournalError::NotEmpty { start: "1".into() }), Stop),
        (journal(JournalError::Failed("no space".into())), Stop),
        (journal(JournalError::Closed), Stop),
        (SyncError::State(StateError::Version { path: "s".into(), found: 9, known: 1 }), Stop),
        (SyncError::Codec(CodecError::Malformed("a row")), Stop),
        (SyncError::Refused { job: "job".into(), findings: vec!["no key".into()] }, Stop),
        (SyncError::stopped("TL-X", "it is so"), Stop),
        (SyncError::Cancelled, Stop),
    ] {
        assert_eq!(error.judge(), judgement, "{error}");
    }
}

#[test]
fn pauses_grow_up_to_half_a_minute_and_contention_waits_hardly_at_all_at_first() {
    for judgement in [RetryNow, RetryLater] {
        let pauses: Vec<Duration> = (0..40).map(|attempt| backoff(judgement, attempt)).collect();
        assert!(pauses.is_sorted(), "{judgement:?}: {pauses:?}");
        assert_eq!(pauses.last(), Some(&Duration::from_secs(30)), "{judgement:?}");
    }
    assert!(backoff(RetryNow, 0) < Duration::from_millis(50));
    assert!(backoff(RetryLater, 0) >= Duration::from_millis(500));
}
