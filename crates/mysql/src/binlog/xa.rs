//! XA transactions that are prepared and not decided yet.
//!
//! The log holds their rows where they are prepared, and later, in a group of its own, only the name of what is committed. Rows of a followed table
//! that are prepared stop the stream. What was prepared **before** the stream began was not seen, so its commit brings rows that nobody told of: it
//! stops the stream too, unless its name goes with the position. There stand those that came by without such rows, and at the very start those that were
//! prepared just then: reading begins only once they are decided, so the copy that follows holds what they brought.

use super::Reader;
use crate::Result;
use crate::connect::{Answer, Session};
use crate::error::{from_driver, server_code};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tidelock_endpoint::{EndpointError, ErrorKind};

/// More are forgotten, which stops the stream when they are committed.
const MOST: usize = 200;

/// So long the opening of a stream waits by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Names of prepared transactions without rows of followed tables, as `format-gtrid-bqual`, in hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prepared(BTreeSet<String>);

impl Prepared {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Prepared {
        Prepared(text.split(',').filter(|n| !n.is_empty()).map(str::to_owned).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// And these.
    pub fn join(&mut self, others: Prepared) {
        self.0.extend(others.0);
    }

    /// Takes an XA_PREPARE event.
    pub fn prepared(&mut self, event: &[u8]) {
        if self.0.len() < MOST {
            self.0.extend(named(event));
        }
    }

    /// Takes `XA COMMIT …` or `XA ROLLBACK …`; the name of a commit of something that was not seen.
    pub fn decided(&mut self, statement: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(statement);
        let mut words = text.split_whitespace();
        let decision = words.nth(1).unwrap_or_default().to_owned();
        let name = words.collect::<String>();
        let known = read(&name).is_some_and(|name| self.0.remove(&name));
        (!known && !decision.eq_ignore_ascii_case("ROLLBACK")).then_some(name)
    }
}

impl std::fmt::Display for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, n)| write!(f, "{}{n}", if i == 0 { "" } else { "," }))
    }
}

/// What is prepared at the server now; nothing where the user may not ask, and then such a commit stops the stream.
pub(crate) async fn undecided(session: &mut Session) -> Result<Prepared> {
    let rows: Vec<Row> = match session.conn.query("XA RECOVER").await {
        Ok(rows) => rows,
        // MySQL says so to whom XA_RECOVER_ADMIN was not granted.
        Err(error) if server_code(&error) == Some(1401) => return Ok(Prepared::default()),
        Err(error) => match from_driver("looking for prepared XA transactions", error) {
            refused if refused.kind == ErrorKind::Privilege => return Ok(Prepared::default()),
            error => return Err(error),
        },
    };
    let mut names = BTreeSet::new();
    for row in rows.into_iter().map(Answer) {
        let (format, gtrid) = (row.number(0)?, row.number(1)? as usize);
        let Some(Value::Bytes(data)) = row.0.as_ref(3) else { continue };
        let (gtrid, bqual) = data.split_at(gtrid.min(data.len()));
        names.insert(format!("{format}-{}-{}", hex(gtrid), hex(bqual)));
    }
    Ok(Prepared(names))
}

/// Waits for those of which is not known whether they have rows of followed tables.
pub(crate) async fn decided(session: &mut Session, names: &Prepared) -> Result<()> {
    let begun = Instant::now();
    loop {
        let now = undecided(session).await?;
        let Some(first) = names.0.intersection(&now.0).next() else { return Ok(()) };
        if begun.elapsed() > PATIENCE {
            let message = format!(
                "waiting for XA transactions that were prepared when the start was fixed: {first} (format, gtrid and bqual in hexadecimal digits) is \
                 not decided"
            );
            return Err(EndpointError::new(ErrorKind::Unavailable, "TL-MY-XA-PREPARED", message)
                .hint("end it with XA COMMIT or XA ROLLBACK (XA RECOVER CONVERT XID lists them)"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The name in an XA_PREPARE event; none for one that is damaged or committed in one phase.
fn named(event: &[u8]) -> Option<String> {
    let mut r = Reader(event);
    if r.byte().ok()? != 0 {
        return None;
    }
    let (format, gtrid, bqual) = (r.le(4).ok()?, r.le(4).ok()? as usize, r.le(4).ok()? as usize);
    let mut part = |n| r.take(n).ok().map(hex);
    Some(format!("{format}-{}-{}", part(gtrid)?, part(bqual)?))
}

/// `X'6162',X'',1`, as both products write it.
fn read(name: &str) -> Option<String> {
    let mut parts = name.split(',');
    let mut hex = || {
        let part = parts.next()?.to_ascii_lowercase();
        Some(part.strip_prefix("x'")?.strip_suffix('\'')?.to_owned())
    };
    let (gtrid, bqual) = (hex()?, hex()?);
    let format: u32 = parts.next()?.parse().ok()?;
    parts.next().is_none().then(|| format!("{format}-{gtrid}-{bqual}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_of_what_was_seen_is_known_and_any_other_is_named() {
        let event = [0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, b'a', b'b', 0xff];
        let mut prepared = Prepared::default();
        prepared.prepared(&event);
        assert_eq!(prepared.to_string(), "1-6162-ff");
        let mut read_back = Prepared::parse(&prepared.to_string());
        assert_eq!(read_back, prepared);
        assert_eq!(read_back.decided(b"XA COMMIT X'6162',X'FF',1"), None);
        assert!(read_back.is_empty());
        assert_eq!(read_back.decided(b"XA COMMIT X'6162',X'ff',1").as_deref(), Some("X'6162',X'ff',1"));
        assert_eq!(read_back.decided(b"XA ROLLBACK X'6162',X'ff',1"), None);
        prepared.prepared(&[1; 20]);
        prepared.prepared(&event[..9]);
        assert_eq!(prepared.to_string(), "1-6162-ff");
    }
}
