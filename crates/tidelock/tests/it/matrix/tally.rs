//! What became of all values: told whatever the test harness keeps to itself, so that nothing is left out without a word.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use tidelock_testkit::Kind;

/// Values by what became of them.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// At the target as at the source.
    pub equal: usize,
    /// At home again as they left it.
    pub home: usize,
    /// Arrived and not brought home again, by the reason.
    pub away: BTreeMap<&'static str, usize>,
    /// Converted, and as the conversion says.
    pub lossy: usize,
    /// Refused when they came, by what is told.
    pub refused: BTreeMap<&'static str, usize>,
    /// Types that `check` refuses.
    pub types: usize,
}

impl Tally {
    const fn new() -> Tally {
        Tally { equal: 0, home: 0, away: BTreeMap::new(), lossy: 0, refused: BTreeMap::new(), types: 0 }
    }

    fn add(&mut self, other: &Tally) {
        self.equal += other.equal;
        self.home += other.home;
        self.lossy += other.lossy;
        self.types += other.types;
        for (sum, counts) in [(&mut self.away, &other.away), (&mut self.refused, &other.refused)] {
            for (reason, n) in counts {
                *sum.entry(reason).or_default() += n;
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { equal, home, lossy, types, .. } = self;
        write!(
            f,
            "{equal} equal, {home} equal at home again, {lossy} lossy by consent, {types} types refused"
        )?;
        for (what, counts) in [("refused", &self.refused), ("not home again", &self.away)] {
            write!(f, ", {} {what}", counts.values().sum::<usize>())?;
            let reasons: Vec<String> = counts.iter().map(|(reason, n)| format!("{n} “{reason}”")).collect();
            if !reasons.is_empty() {
                write!(f, " ({})", reasons.join(", "))?;
            }
        }
        Ok(())
    }
}

/// With the sum over all pairs of this process.
pub fn told(from: Kind, to: Kind, tally: &Tally) {
    static SUM: Mutex<Tally> = Mutex::new(Tally::new());
    let mut sum = SUM.lock().unwrap_or_else(PoisonError::into_inner);
    sum.add(tally);
    // A closed standard error is no reason to fail a test.
    let _ = writeln!(std::io::stderr(), "matrix: {from} → {to}: {tally}\nmatrix: so far: {sum}");
}
