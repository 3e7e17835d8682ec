//! Two databases of a test's own, and the job that keeps the second in step with the first: what comes by the snapshot and what comes by the stream is judged alike.

use crate::sides::{config, pair, rows, run_all};
use crate::support::Place;
use tidelock_testkit::{Database, Kind};

/// Makes a test of each pair of databases.
macro_rules! pairs {
    ($what:path: $($name:ident: $from:ident => $to:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            $what(tidelock_testkit::Kind::$from, tidelock_testkit::Kind::$to).await;
        }
    )*};
}
pub(crate) use pairs;

/// A source, a target, and a place with the job between them.
pub struct Lockstep {
    pub place: Place,
    pub here: Database,
    pub there: Database,
}

impl Lockstep {
    /// A job over `tables`, as the configuration has them: `all`, or a list.
    pub async fn new(test: &str, from: Kind, to: Kind, tables: &str) -> Option<Lockstep> {
        let (here, there) = pair(test, from, to).await?;
        let place = Place::with_config(&config(&here, &there, &one_way(tables)));
        Some(Lockstep { place, here, there })
    }

    /// The job over other tables.
    pub fn over(&self, tables: &str) {
        self.place.write("tidelock.yaml", &config(&self.here, &self.there, &one_way(tables)));
    }

    /// Runs statements at the source.
    pub async fn run(&self, statements: &[impl AsRef<str>]) {
        run_all(&self.here, statements).await;
    }

    /// Brings over what was committed: then both databases answer each question alike, with at least a row, and tidelock itself finds them equal.
    pub async fn arrives(&self, questions: &[impl AsRef<str>]) {
        self.place.run(&["sync"]).done();
        for question in questions.iter().map(AsRef::as_ref) {
            let (here, there) = (rows(&self.here, question).await, rows(&self.there, question).await);
            assert_eq!(there, here, "{question}");
            assert!(!here.is_empty(), "{question}");
        }
        self.place.run(&["verify", "job"]).done();
    }

    /// `check` and `sync` both end with 1 and tell all of these.
    pub fn refused(&self, told: &[&str]) {
        for command in ["check", "sync"] {
            let ran = self.place.run(&[command]);
            let lacking: Vec<_> = told.iter().filter(|words| !ran.transcript().contains(**words)).collect();
            assert!(ran.code == 1 && lacking.is_empty(), "{command}: {lacking:?}\n{}", ran.transcript());
        }
    }

    /// `sync` stops in the middle and tells all of these.
    pub fn stops(&self, told: &[&str]) {
        let ran = self.place.run(&["sync"]);
        let lacking: Vec<_> = told.iter().filter(|words| !ran.err.contains(**words)).collect();
        assert!(ran.code == 1 && lacking.is_empty(), "{lacking:?}\n{}", ran.transcript());
    }
}

fn one_way(tables: &str) -> String {
    format!("{{ source: here, target: there, tables: {tables} }}")
}
