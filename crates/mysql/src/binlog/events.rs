//! The small events around the rows: queries, GTIDs, the change to the next file.

use super::{Reader, compressed, kind};
use crate::codec::Fault;

/// A statement in the log: BEGIN, COMMIT, DDL, and row changes of servers that do not log rows.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    pub schema: &'a [u8],
    pub text: &'a [u8],
    pub spoken: Spoken,
}

/// How the client wrote a statement, as far as its event tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spoken {
    /// The number of a collation of the character set; 0 where it is not told.
    pub collation: u16,
    /// A backslash in a literal stands for itself.
    pub plain_backslash: bool,
}

impl<'a> Query<'a> {
    /// `unpacked` holds the statement when it was compressed.
    pub fn parse(code: u8, event: &'a [u8], unpacked: &'a mut Vec<u8>) -> Result<Query<'a>, Fault> {
        let (packed, load) = (code == kind::MARIA_QUERY_COMPRESSED, code == kind::EXECUTE_LOAD_QUERY);
        let mut r = Reader(event);
        r.take(8)?;
        let schema_length = usize::from(r.byte()?);
        r.take(2)?;
        let status_length = r.le(2)? as usize;
        r.take(if load { 13 } else { 0 })?;
        let spoken = spoken(Reader(r.take(status_length)?));
        let schema = r.take(schema_length)?;
        r.take(1)?;
        if packed {
            compressed::unpack(r.0, unpacked)?;
            return Ok(Query { schema, text: unpacked, spoken });
        }
        Ok(Query { schema, text: r.0, spoken })
    }
}

/// `sql_mode`'s NO_BACKSLASH_ESCAPES, of both products.
const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

/// From the variables in front of a statement: flags, modes, catalog and increments come before the character set.
fn spoken(mut r: Reader<'_>) -> Spoken {
    let mut spoken = Spoken::default();
    // What is not understood ends the variables; so does their end.
    let mut next = || -> Result<bool, Fault> {
        match r.byte()? {
            0 | 3 => drop(r.take(4)?),
            1 => spoken.plain_backslash = r.le(8)? & NO_BACKSLASH_ESCAPES != 0,
            2 => {
                let length = usize::from(r.byte()?);
                r.take(length + 1)?;
            }
            6 => drop(r.sized(1)?),
            4 => {
                spoken.collation = r.le(2)? as u16;
                return Ok(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    };
    while next().unwrap_or(false) {}
    spoken
}

/// What begins a group of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gtid {
    /// MySQL's, with its commit time in microseconds (0: unknown).
    MySql { uuid: [u8; 16], number: u64, time: i64 },
    /// MySQL with GTIDs off.
    Anonymous { time: i64 },
    /// A kind that only tells that a transaction begins (MySQL 8.3 and later, with a tag).
    Tagged,
    /// MariaDB's. `standalone`: one event follows and no commit.
    MariaDb { domain: u32, number: u64, standalone: bool },
}

impl Gtid {
    pub fn mysql(event: &[u8], anonymous: bool) -> Result<Gtid, Fault> {
        let mut r = Reader(event);
        r.take(1)?;
        let mut uuid = [0; 16];
        uuid.copy_from_slice(r.take(16)?);
        let number = r.le(8)?;
        // Behind the logical clock (1 + 16 octets) stands the commit time, since 8.0; its highest bit tells that the original server's follows.
        let time = r.take(17).and_then(|_| r.le(7)).map_or(0, |t| (t & !(1 << 55)) as i64);
        Ok(if anonymous { Gtid::Anonymous { time } } else { Gtid::MySql { uuid, number, time } })
    }

    pub fn mariadb(event: &[u8]) -> Result<Gtid, Fault> {
        let mut r = Reader(event);
        let (number, domain) = (r.le(8)?, r.le(4)? as u32);
        let flags = r.byte()?;
        Ok(Gtid::MariaDb { domain, number, standalone: flags & 1 == 1 })
    }
}

/// The next file and the place in it.
pub(crate) fn rotate(event: &[u8]) -> Result<(&[u8], u64), Fault> {
    let mut r = Reader(event);
    let offset = r.le(8)?;
    Ok((r.0, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mariadb_gtid_as_captured() {
        // 0-29956-12026, a transaction with a group commit id.
        let event = [0xfa, 0x2e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0e, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(Gtid::mariadb(&event), Ok(Gtid::MariaDb { domain: 0, number: 12026, standalone: false }));
        assert!(Gtid::mariadb(&event[..9]).is_err());
    }

    #[test]
    fn a_query_tells_its_schema_and_statement() {
        let mut event = vec![0; 8];
        event.extend([4, 0, 0, 2, 0, 9, 9]);
        event.extend(b"shop\0BEGIN");
        let mut unpacked = Vec::new();
        let query = Query::parse(kind::QUERY, &event, &mut unpacked).unwrap();
        assert_eq!(
            (query.schema, query.text, query.spoken),
            (&b"shop"[..], &b"BEGIN"[..], Spoken::default())
        );
        let variables =
            [0, 0, 0, 0, 0, 1, 0, 0, 0x30, 0, 0, 0, 0, 0, 6, 3, b's', b't', b'd', 4, 8, 0, 8, 0, 255, 0];
        let mut event = vec![0; 8];
        event.extend([4, 0, 0, variables.len() as u8, 0]);
        event.extend(variables);
        event.extend(b"shop\0BEGIN");
        let mut unpacked = Vec::new();
        let spoken = Spoken { collation: 8, plain_backslash: true };
        // Behind the client's stand the connection's and the server's, whose octets are no codes.
        assert_eq!(super::spoken(Reader(&[4, 45, 0, 0, 9, 1, 0, 0, 0x10, 0, 0, 0, 0])).collation, 45);
        assert!(!super::spoken(Reader(&[4, 45, 0, 1, 0, 0, 0x10, 0, 0, 0, 0, 0])).plain_backslash);
        assert_eq!(Query::parse(kind::QUERY, &event, &mut unpacked).unwrap().spoken, spoken);
    }
}
