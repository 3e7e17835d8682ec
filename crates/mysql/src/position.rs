//! Places in the binary log ⇄ [`Position`].
//!
//! `binlog.000003:1234`, and where the server has GTIDs, ` gtid=` and the set of all transactions before that place; ` xa=` and the prepared XA
//! transactions whose decision is still to come. Places are ordered by the file's
//! number and the offset. The mark of a snapshot that could not be taken under a lock carries ` inexact`: the view was there *before* that
//! place was read, so nothing at or behind it is in the view, and of what lies before nobody can tell.

use crate::Result;
use crate::binlog::xa::Prepared;
use std::cmp::Ordering;
use std::fmt;
use tidelock_endpoint::{Coverage, EndpointError, ErrorKind};
use tidelock_model::Position;

/// A server that writes no log has no places; a copy from it needs none.
const NO_LOG: &str = "no-binlog";

/// A place between two events of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub file: String,
    pub offset: u64,
}

impl Place {
    pub fn new(file: impl Into<String>, offset: u64) -> Place {
        Place { file: file.into(), offset }
    }

    fn parse(text: &str) -> Option<Place> {
        let (file, offset) = text.rsplit_once(':')?;
        let place = Place::new(file, offset.parse().ok()?);
        if place.number().is_some() { Some(place) } else { None }
    }

    /// The name of the log without its number, and the number.
    fn number(&self) -> Option<(&str, u64)> {
        let (base, number) = self.file.rsplit_once('.')?;
        Some((base, number.parse().ok()?))
    }

    /// Which one comes first; `None` for places of different logs.
    pub fn compare(&self, other: &Place) -> Option<Ordering> {
        let ((a, x), (b, y)) = (self.number()?, other.number()?);
        (a == b).then(|| x.cmp(&y).then(self.offset.cmp(&other.offset)))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

/// What a [`Position`] of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogPosition {
    pub place: Place,
    pub gtid: Option<String>,
    /// Prepared before it, not decided, and without rows of followed tables.
    pub prepared: Prepared,
    /// The prepared ones may have such rows: whoever reads from here waits until they are decided, and copies what they brought.
    pub undecided: bool,
    pub inexact: bool,
}

impl LogPosition {
    pub fn new(place: Place, gtid: Option<String>) -> LogPosition {
        LogPosition { place, gtid, prepared: Prepared::default(), undecided: false, inexact: false }
    }

    pub fn parse(position: &Position) -> Result<LogPosition> {
        let mut words = position.as_str().split(' ');
        let place = words.next().and_then(Place::parse);
        let mut parsed = match place {
            Some(place) => LogPosition::new(place, None),
            None => return Err(unreadable(position.as_str())),
        };
        for word in words {
            match word.split_once('=') {
                Some(("gtid", gtid)) => parsed.gtid = Some(gtid.to_owned()),
                Some(("xa", prepared)) => parsed.prepared = Prepared::parse(prepared),
                None if word == "undecided" => parsed.undecided = true,
                None if word == "inexact" => parsed.inexact = true,
                _ => return Err(unreadable(position.as_str())),
            }
        }
        Ok(parsed)
    }

    pub fn position(&self) -> Position {
        let mut text = self.place.to_string();
        if let Some(gtid) = &self.gtid {
            text.push_str(" gtid=");
            text.push_str(gtid);
        }
        if !self.prepared.is_empty() {
            text.push_str(&format!(" xa={}", self.prepared));
        }
        if self.undecided {
            text.push_str(" undecided");
        }
        if self.inexact {
            text.push_str(" inexact");
        }
        Position::new(text)
    }
}

/// The mark of a view of a server without a log.
pub(crate) fn no_log() -> Position {
    Position::new(NO_LOG)
}

/// Which one comes first.
pub(crate) fn compare(a: &Position, b: &Position) -> Result<Ordering> {
    let (x, y) = (LogPosition::parse(a)?, LogPosition::parse(b)?);
    x.place.compare(&y.place).ok_or_else(|| {
        let message =
            format!("comparing positions: {} and {} are places of different logs", x.place, y.place);
        EndpointError::new(ErrorKind::PositionLost, "TL-MY-POSITION-OTHER-LOG", message)
    })
}

/// Whether the view at `mark` holds the transaction that begins at `at`.
pub(crate) fn covers(mark: &Position, at: &str) -> Result<Coverage> {
    if mark.as_str() == NO_LOG {
        return Ok(Coverage::Unknown);
    }
    let parsed = LogPosition::parse(mark)?;
    let at = Place::parse(at).ok_or_else(|| unreadable(at))?;
    let order = at.compare(&parsed.place).ok_or_else(|| {
        let message =
            format!("the snapshot was read at {}, and {at} is a place of another log", parsed.place);
        EndpointError::new(ErrorKind::PositionLost, "TL-MY-POSITION-OTHER-LOG", message)
    })?;
    Ok(match (order, parsed.inexact) {
        (Ordering::Less, false) => Coverage::Held,
        (Ordering::Less, true) => Coverage::Unknown,
        _ => Coverage::Past,
    })
}

fn unreadable(text: &str) -> EndpointError {
    let message = format!("'{text}' is no place in a binary log");
    EndpointError::new(ErrorKind::PositionLost, "TL-MY-POSITION-UNREADABLE", message)
        .hint("the state belongs to another endpoint, or is damaged; copy anew with `tidelock sync --full`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> Position {
        Position::new(text)
    }

    #[test]
    fn positions_are_read_back_and_ordered_by_file_number() {
        let text = "mysql-bin.000009:5000000000 gtid=a:1-5,b:7 xa=1-61-,1-62-ff undecided";
        assert_eq!(LogPosition::parse(&p(text)).unwrap().position().as_str(), text);
        assert_eq!(compare(&p("b.999999:9"), &p("b.1000000:4")).unwrap(), Ordering::Less);
        assert_eq!(compare(&p("b.000001:9 gtid=x"), &p("b.000001:9")).unwrap(), Ordering::Equal);
        assert!(compare(&p("b.000001:9"), &p("c.000001:9")).is_err());
        for bad in ["", "b.000001", "b:4", "b.000001:4 x", "0/16B3748"] {
            assert!(LogPosition::parse(&p(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_view_holds_what_began_before_it_and_nothing_else() {
        let exact = p("b.000002:100 gtid=0-1-5");
        assert_eq!(covers(&exact, "b.000001:900").unwrap(), Coverage::Held);
        assert_eq!(covers(&exact, "b.000002:99").unwrap(), Coverage::Held);
        assert_eq!(covers(&exact, "b.000002:100").unwrap(), Coverage::Past);
        let inexact = p("b.000002:100 inexact");
        assert_eq!(covers(&inexact, "b.000002:99").unwrap(), Coverage::Unknown);
        assert_eq!(covers(&inexact, "b.000002:100").unwrap(), Coverage::Past);
        assert_eq!(covers(&no_log(), "b.000002:100").unwrap(), Coverage::Unknown);
    }
}
