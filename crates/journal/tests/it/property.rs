use crate::support::{Checker, Maker, Place, next};
use proptest::prelude::*;
use std::time::Duration;
use tidelock_journal::{Journal, JournalError, JournalOptions, Reader};

/// What capture does next.
#[derive(Clone, Debug)]
enum Step {
    Transactions(u8, u8),
    /// One transaction in so many pieces; when told so, it breaks off, is abandoned, and comes again.
    Pieces(u8, u8, bool),
    Breathe,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..6u8, 0..40u8).prop_map(|(n, rows)| Step::Transactions(n, rows)),
        2 => (1..8u8, 0..40u8, any::<bool>()).prop_map(|(n, rows, broken)| Step::Pieces(n, rows, broken)),
        1 => Just(Step::Breathe),
    ]
}

async fn perform(journal: &Journal, maker: &mut Maker, step: &Step) {
    match *step {
        Step::Transactions(n, rows) => {
            for _ in 0..n {
                maker.transaction(usize::from(rows));
            }
            journal.append(maker.take()).await.unwrap();
        }
        Step::Pieces(n, rows, broken) => {
            for last in if broken { [true, false].iter() } else { [false].iter() } {
                maker.transaction(1).begin();
                for _ in 0..n {
                    journal.append(maker.rows(usize::from(rows)).take()).await.unwrap();
                }
                if *last {
                    maker.break_off();
                    journal.abandon().await.unwrap();
                }
            }
            journal.append(maker.commit().transaction(1).take()).await.unwrap();
        }
        Step::Breathe => tokio::time::sleep(Duration::from_millis(2)).await,
    }
}

/// Reads to the end at its own speed, now and then giving up in the middle of `next`, now and then starting anew.
async fn read(journal: Journal, name: String, speed: u64) -> u64 {
    let (mut checker, mut turn) = (Checker::default(), speed);
    let mut reader: Reader = journal.reader(&name, 0).unwrap();
    loop {
        turn += 1;
        if speed > 0 && turn.is_multiple_of(37) {
            // As after a restart of the job: behind what it had whole.
            match journal.reader(&name, checker.last) {
                Ok(anew) => (reader, checker) = (anew, Checker::after(checker.last)),
                Err(JournalError::Closed) => {}
                Err(error) => panic!("{error}"),
            }
        }
        if speed > 0 && turn.is_multiple_of(7) {
            let answer = tokio::time::timeout(Duration::ZERO, reader.next()).await;
            match answer {
                Err(_) => {}
                Ok(Ok(segment)) => checker.take(&segment),
                Ok(Err(JournalError::Abandoned)) => checker.abandoned(),
                Ok(Err(JournalError::Closed)) => return checker.last,
                Ok(Err(error)) => panic!("{error}"),
            }
            continue;
        }
        match next(&mut reader).await {
            Ok(segment) => checker.take(&segment),
            Err(JournalError::Abandoned) => checker.abandoned(),
            Err(JournalError::Closed) => return checker.last,
            Err(error) => panic!("{error}"),
        }
        journal.confirm(&name, checker.last);
        if speed > 0 && turn.is_multiple_of(speed) {
            tokio::time::sleep(Duration::from_millis(speed % 5)).await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn every_reader_sees_every_transaction_once_and_in_order(
        steps in prop::collection::vec(step(), 1..60),
        speeds in prop::collection::vec(0..6u64, 1..4),
        memory in prop_oneof![Just(0usize), Just(8 << 10), Just(32 << 20)],
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let place = Place::new();
            let journal = place.open_with(JournalOptions { memory_bytes: memory, ..JournalOptions::default() });
            let readers: Vec<_> = (0..).zip(speeds)
                .map(|(i, speed)| tokio::spawn(read(journal.clone(), format!("job-{i}"), speed)))
                .collect();
            // Readers register before anything can be trimmed.
            let registered = readers.len();
            crate::support::until("all are registered", || journal.status().readers.len() == registered).await;
            let mut maker = Maker::new();
            for step in &steps {
                perform(&journal, &mut maker, step).await;
            }
            let end = journal.tail().sequence;
            journal.close().await;
            for reader in readers {
                assert_eq!(reader.await.unwrap(), end);
            }
        });
    }
}
