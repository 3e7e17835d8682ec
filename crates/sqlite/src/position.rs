//! A place in the change table, as text: `seq:123@1732180000123000`.
//!
//! The number is the change's `seq`. Behind it stands that change's time: it tells this change from another one that got the same number after
//! the file was replaced by an older copy or lost its last commits, so that nothing resumes in another history. `seq:0` is before the first.

use std::cmp::Ordering;
use std::fmt;
use tidelock_endpoint::{Coverage, EndpointError, ErrorKind, Result};
use tidelock_model::Position;

/// A place behind change number `seq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The change's number; 0 before the first.
    pub seq: i64,
    /// The change's time in microseconds, 0 where not known.
    pub time: i64,
}

impl Place {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Result<Place> {
        let read = || {
            let rest = text.strip_prefix("seq:")?;
            let (seq, time) = rest.split_once('@').unwrap_or((rest, "0"));
            Some(Place { seq: seq.parse().ok().filter(|s| *s >= 0)?, time: time.parse().ok()? })
        };
        read().ok_or_else(|| unreadable(text))
    }

    /// As the contract carries it.
    pub fn position(self) -> Position {
        Position::new(self.to_string())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seq:{}", self.seq)?;
        if self.time == 0 { Ok(()) } else { write!(f, "@{}", self.time) }
    }
}

fn unreadable(text: &str) -> EndpointError {
    let message = format!("reading the position '{text}': it is none of SQLite's");
    EndpointError::new(ErrorKind::PositionLost, "TL-SQLITE-POSITION", message)
        .hint("the state belongs to another endpoint, or is damaged; copy anew with `tidelock sync --full`")
}

/// Which comes first.
pub fn compare(a: &Position, b: &Position) -> Result<Ordering> {
    Ok(Place::parse(a.as_str())?.seq.cmp(&Place::parse(b.as_str())?.seq))
}

/// What `Record::Begin` says of a run of changes: its first number and the last it may have.
pub fn span(first: i64, last: i64) -> String {
    format!("seq:{first}..{last}")
}

/// Whether a view at `mark` holds the run `at`. A run read late may hold several commits; when the view stands between them it is `Missed`.
pub fn covers(mark: &Position, at: &str) -> Result<Coverage> {
    let mark = Place::parse(mark.as_str())?.seq;
    let parts = at.strip_prefix("seq:").and_then(|rest| rest.split_once(".."));
    let numbers = parts.and_then(|(a, b)| Some((a.parse::<i64>().ok()?, b.parse::<i64>().ok()?)));
    let (first, last) = numbers.ok_or_else(|| unreadable(at))?;
    Ok(match () {
        () if last <= mark => Coverage::Held,
        () if first > mark => Coverage::Past,
        () => Coverage::Missed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_back_and_ordered_by_number() {
        for text in ["seq:0", "seq:12", "seq:12@1732180000123000"] {
            assert_eq!(Place::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "seq:", "seq:-1", "12", "seq:1@x", "0/16B3748"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
        let order = compare(&Position::new("seq:9@5"), &Position::new("seq:10@4")).unwrap();
        assert_eq!(order, Ordering::Less);
    }

    #[test]
    fn a_view_holds_whole_runs_up_to_its_mark() {
        let mark = Position::new("seq:7");
        for (at, expected) in
            [("seq:1..7", Coverage::Held), ("seq:7..8", Coverage::Missed), ("seq:8..9", Coverage::Past)]
        {
            assert_eq!(covers(&mark, at).unwrap(), expected);
        }
    }
}
