//! Native ⇄ [`Position`].
//!
//! * a place in the stream: `0/16B3748`, the end of the last commit that was read, or what a keepalive told;
//! * a transaction's `at`: `0/16B3700 745`, where its commit record begins, and its xid (32 bits);
//! * a snapshot's mark: `730:745:731,740 0/16B3750`, the snapshot and a place in the log taken after it.
//!
//! The log's place alone does not tell whether a snapshot sees a transaction: a commit is in the log a moment before it is visible. The
//! snapshot's list of running transactions tells.

use crate::Result;
use std::cmp::Ordering;
use std::fmt;
use tidelock_endpoint::{Coverage, EndpointError, ErrorKind};
use tidelock_model::Position;

/// A place in the write-ahead log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 as u32)
    }
}

impl Lsn {
    /// Reads `16/B374D848`.
    pub fn parse(text: &str) -> Option<Lsn> {
        let (high, low) = text.split_once('/')?;
        let half = |s: &str| {
            (1..=8).contains(&s.len()).then(|| s.bytes().all(|b| b.is_ascii_hexdigit())).filter(|ok| *ok)?;
            u32::from_str_radix(s, 16).ok()
        };
        Some(Lsn(u64::from(half(high)?) << 32 | u64::from(half(low)?)))
    }

    pub fn of(position: &Position) -> Result<Lsn> {
        Lsn::parse(position.as_str()).ok_or_else(|| unreadable("position", position.as_str()))
    }

    pub fn position(self) -> Position {
        Position::new(self.to_string())
    }
}

fn unreadable(what: &str, text: &str) -> EndpointError {
    EndpointError::new(
        ErrorKind::PositionLost,
        "TL-PG-POSITION",
        format!("reading a {what}: '{text}' is not one of a PostgreSQL server"),
    )
    .hint("the state belongs to another endpoint, or is damaged; copy anew with `tidelock sync --full`")
}

pub(crate) fn compare(a: &Position, b: &Position) -> Result<Ordering> {
    Ok(Lsn::of(a)?.cmp(&Lsn::of(b)?))
}

/// What a snapshot sees: `pg_current_snapshot()`, and the log's place behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    xmin: u64,
    xmax: u64,
    running: Vec<u64>,
    lsn: Lsn,
}

impl Mark {
    pub fn parse(text: &str) -> Option<Mark> {
        let (snapshot, lsn) = text.split_once(' ')?;
        let mut parts = snapshot.split(':');
        let (xmin, xmax) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let running = parts.next()?;
        if parts.next().is_some() || xmin > xmax {
            return None;
        }
        let running = match running {
            "" => Vec::new(),
            list => list.split(',').map(|x| x.parse().ok()).collect::<Option<Vec<u64>>>()?,
        };
        Some(Mark { xmin, xmax, running, lsn: Lsn::parse(lsn)? })
    }

    /// A transaction's 64-bit id: the one nearest to the snapshot that has these 32 bits.
    fn widen(&self, xid: u32) -> u64 {
        let distance = xid.wrapping_sub(self.xmax as u32) as i32;
        self.xmax.saturating_add_signed(i64::from(distance))
    }

    fn sees(&self, xid: u32) -> bool {
        let xid = self.widen(xid);
        xid < self.xmin || xid < self.xmax && !self.running.contains(&xid)
    }
}

/// See `Endpoint::covers`.
pub(crate) fn covers(mark: &Position, at: &str) -> Result<Coverage> {
    let mark = Mark::parse(mark.as_str()).ok_or_else(|| unreadable("snapshot's mark", mark.as_str()))?;
    let parsed = at.split_once(' ').and_then(|(lsn, xid)| Some((Lsn::parse(lsn)?, xid.parse::<u32>().ok()?)));
    let (commit, xid) = parsed.ok_or_else(|| unreadable("transaction's place", at))?;
    Ok(if mark.sees(xid) && commit < mark.lsn {
        Coverage::Held
    } else if commit >= mark.lsn {
        Coverage::Past
    } else {
        Coverage::Missed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(mark: &str, at: &str) -> Coverage {
        covers(&Position::new(mark), at).unwrap()
    }

    #[test]
    fn places_are_read_and_printed_as_the_server_does() {
        assert_eq!(Lsn::parse("16/B374D848"), Some(Lsn(0x16_B374_D848)));
        assert_eq!(Lsn(0x16_0000_0848).to_string(), "16/848");
        for bad in ["", "0", "/", "0/", "x/1", "0/0/0", "+1/1", "123456789/0", "0/1 "] {
            assert_eq!(Lsn::parse(bad), None, "{bad}");
        }
        assert!(Lsn::parse("9/FFFFFFFF") < Lsn::parse("A/0"));
    }

    #[test]
    fn a_snapshot_holds_what_it_sees() {
        let mark = "730:745:731,740 0/100";
        assert_eq!(covered(mark, "0/80 729"), Coverage::Held);
        assert_eq!(covered(mark, "0/80 732"), Coverage::Held);
        assert_eq!(covered(mark, "0/F0 731"), Coverage::Missed);
        assert_eq!(covered(mark, "0/F0 745"), Coverage::Missed);
        assert_eq!(covered(mark, "0/100 745"), Coverage::Past);
        assert_eq!(covered("5:5: 0/100", "0/1 4"), Coverage::Held);
    }

    #[test]
    fn transaction_ids_wrap_around() {
        let epoch = 1_u64 << 32;
        let mark = format!("{}:{}: 0/100", epoch + 5, epoch + 10);
        assert_eq!(covered(&mark, "0/1 4294967290"), Coverage::Held);
        assert_eq!(covered(&mark, "0/1 12"), Coverage::Missed);
        let mark = format!("{}:{}: 0/100", epoch - 5, epoch - 2);
        assert_eq!(covered(&mark, "0/1 3"), Coverage::Missed);
    }

    #[test]
    fn nonsense_is_an_error() {
        for (mark, at) in [
            ("", "0/1 1"),
            ("1:2:3", "0/1 1"),
            ("5:4: 0/1", "0/1 1"),
            ("1:2: 0/1", "0/1"),
            ("1:2: 0/1", "x 1"),
        ] {
            assert!(covers(&Position::new(mark), at).is_err(), "{mark} {at}");
        }
    }
}
