use crate::support::{Checker, Maker, Place, durable, nothing_from};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use tidelock_journal::{Journal, JournalOptions};

impl Place {
    /// Opens the copy; the place lives as long as the journal.
    pub fn open_elsewhere(self) -> (Journal, Place) {
        (self.open(), self)
    }
}

#[tokio::test]
async fn what_was_told_durable_is_there_after_a_crash_at_any_moment() {
    let place = Place::new();
    let journal = place.open();
    let mut maker = Maker::new();
    for round in 1..=20 {
        for _ in 0..round {
            journal.append(maker.transaction(round).take()).await.unwrap();
        }
        let told = journal.durable().borrow().sequence;
        let (copy, _place) = place.crashed().open_elsewhere();
        let found = copy.tail().sequence;
        assert!(found >= told, "{told} were durable, {found} are there");
        let mut reader = copy.reader("job", 0).unwrap();
        Checker::default().read_to(&mut reader, found).await;
        nothing_from(&mut reader).await;
        copy.append(Maker::behind(found).transaction(1).take()).await.unwrap();
        durable(&copy, found + 1).await;
    }
}

const CHILD: &str = "TIDELOCK_TEST_JOURNAL_CHILD";

/// Not a test by itself: what the parent below starts and kills. Appends in pieces, always with some not yet durable, and prints what is durable.
#[tokio::test]
async fn child_that_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let journal = Journal::open(path.as_ref(), JournalOptions::default()).unwrap();
    let mut maker = Maker::behind(journal.tail().sequence);
    let (mut told, mut printed) = (journal.durable(), 0);
    for size in (1..40).cycle() {
        journal.append(maker.begin().rows(size).take()).await.unwrap();
        journal.append(maker.rows(size).commit().transaction(1).begin().rows(2).take()).await.unwrap();
        journal.append(maker.commit().take()).await.unwrap();
        let lagging = journal.tail().sequence.saturating_sub(100);
        let sequence = told.wait_for(|d| d.sequence >= lagging).await.unwrap().sequence;
        if std::mem::replace(&mut printed, sequence) != sequence {
            println!("durable {sequence}");
        }
    }
}

#[tokio::test]
async fn what_was_told_durable_survives_kill_9() {
    let place = Place::new();
    for _ in 0..5 {
        let before = place.open().tail().sequence;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child_that_is_killed", "--exact", "--nocapture"])
            .env(CHILD, place.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut told, mut lines) = (0, 0);
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let Some(sequence) = line.unwrap().strip_prefix("durable ").map(|n| n.parse::<u64>().unwrap())
            else {
                continue;
            };
            (told, lines) = (sequence, lines + 1);
            if lines == 30 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let journal = place.open();
        let found = journal.tail().sequence;
        assert!(lines >= 30 && told > before && found >= told, "{told} were durable, {found} are there");
        let mut reader = journal.reader("job", 0).unwrap();
        Checker::default().read_to(&mut reader, found).await;
        nothing_from(&mut reader).await;
    }
}
