//! Where commits ended, read from the write-ahead log.
//!
//! Triggers cannot see where a transaction ends, and neither can a query: it sees whole commits, but not how many. The log knows: a frame is a page, and the last frame of a
//! commit says so. Every transaction that wrote changes raised the change table's number in `sqlite_sequence`, so that table's page is among its frames, and the number on it is the
//! last change of that commit.
//!
//! The log is reused from its beginning once it was copied into the file; commits that were overwritten before we looked are not found, and their changes come together as one run.
//! So this only ever *adds* places to end a transaction at, and each one that is found is a true one: frames count only as far as the checksums, which run through the whole log, agree
//! (file format, section 4). What cannot be read (another mode, a page of another kind) adds none.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const HEADER: usize = 32;
const FRAME: usize = 24;
/// Read at once.
const BLOCK: usize = 1 << 20;

/// Reads the log of one file, on from where it was.
pub struct Log {
    path: PathBuf,
    state: Option<State>,
    found: VecDeque<i64>,
}

/// How far a generation of the log was read: behind its last commit.
struct State {
    header: [u8; HEADER],
    big_endian: bool,
    page: usize,
    sum: (u32, u32),
    offset: u64,
}

impl Log {
    /// The log beside a database file.
    pub fn of(database: &Path) -> Log {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Log { path: path.into(), state: None, found: VecDeque::new() }
    }

    /// Reads what was added. `root` is the page of `sqlite_sequence`, `table` whose number is looked for.
    pub fn read(&mut self, root: u32, table: &str) {
        // A log that is not there, or cannot be read, tells nothing.
        if self.try_read(root, table).is_err() {
            self.state = None;
        }
    }

    /// The ends of commits found so far, in order, above `after` and up to `end`.
    pub fn ends(&mut self, after: i64, end: i64) -> Vec<i64> {
        self.found.retain(|n| *n > after);
        self.found.iter().copied().filter(|n| *n <= end).collect()
    }

    fn try_read(&mut self, root: u32, table: &str) -> std::io::Result<()> {
        let mut file = File::open(&self.path)?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header)?;
        if self.state.as_ref().is_none_or(|s| s.header != header) {
            self.state = State::new(header);
        }
        let Some(state) = &mut self.state else { return Ok(()) };
        let size = FRAME + state.page;
        let mut block = vec![0; (BLOCK / size).max(1) * size];
        file.seek(SeekFrom::Start(state.offset))?;
        // Only whole commits are kept: what is behind the last one may be rolled back and written over.
        let (mut offset, mut sum, mut pending) = (state.offset, state.sum, None);
        loop {
            let filled = fill(&mut file, &mut block)?;
            for frame in block[..filled].chunks_exact(size) {
                let Some(next) = state.accept(sum, frame) else { return Ok(()) };
                (offset, sum) = (offset + size as u64, next);
                let (head, page) = frame.split_at(FRAME);
                if word(head, 0) == root {
                    pending = number_on(page, table).or(pending);
                }
                if word(head, 4) == 0 {
                    continue;
                }
                (state.offset, state.sum) = (offset, sum);
                if let Some(number) = pending.take()
                    && self.found.back().is_none_or(|last| *last < number)
                {
                    self.found.push_back(number);
                }
            }
            if filled < block.len() {
                return Ok(());
            }
        }
    }
}

impl State {
    fn new(header: [u8; HEADER]) -> Option<State> {
        let magic = word(&header, 0);
        let page = word(&header, 8);
        if magic & !1 != 0x377f_0682 || !(512..=65_536).contains(&page) || !page.is_power_of_two() {
            return None;
        }
        let big_endian = magic & 1 == 1;
        let sum = checksum((0, 0), &header[..24], big_endian);
        let valid = sum == (word(&header, 24), word(&header, 28));
        valid.then_some(State { header, big_endian, page: page as usize, sum, offset: HEADER as u64 })
    }

    /// The checksum behind the next frame, if it is one of this generation and was written whole.
    fn accept(&self, sum: (u32, u32), frame: &[u8]) -> Option<(u32, u32)> {
        let (head, page) = frame.split_at(FRAME);
        if head[8..16] != self.header[16..24] {
            return None;
        }
        let sum = checksum(checksum(sum, &head[..8], self.big_endian), page, self.big_endian);
        (sum == (word(head, 16), word(head, 20))).then_some(sum)
    }
}

fn fill(file: &mut File, block: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |n, b| n << 8 | u32::from(*b))
}

/// Over pairs of words, in the byte order that the log's first word tells.
fn checksum(start: (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let read = |b: &[u8]| {
        let word = [b[0], b[1], b[2], b[3]];
        if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    };
    bytes.chunks_exact(8).fold(start, |(a, b), pair| {
        let a = a.wrapping_add(read(&pair[..4])).wrapping_add(b);
        let b = b.wrapping_add(read(&pair[4..])).wrapping_add(a);
        (a, b)
    })
}

/// The number that `sqlite_sequence` has for `table`, when this page is the whole of that table and has it.
fn number_on(page: &[u8], table: &str) -> Option<i64> {
    const LEAF: u8 = 0x0d;
    if *page.first()? != LEAF {
        return None;
    }
    let cells = usize::from(u16::from_be_bytes([*page.get(3)?, *page.get(4)?]));
    (0..cells).find_map(|i| {
        let at = 8 + 2 * i;
        let start = usize::from(u16::from_be_bytes([*page.get(at)?, *page.get(at + 1)?]));
        entry(page.get(start..)?, table)
    })
}

/// A record of (name, number).
fn entry(mut cell: &[u8], table: &str) -> Option<i64> {
    let length = varint(&mut cell)?;
    varint(&mut cell)?;
    let mut record = cell.get(..usize::try_from(length).ok()?)?;
    let whole = record;
    let header = usize::try_from(varint(&mut record)?).ok()?;
    let (name, number) = (varint(&mut record)?, varint(&mut record)?);
    let body = whole.get(header..)?;
    let name = usize::try_from(name).ok().filter(|t| *t >= 13 && t % 2 == 1).map(|t| (t - 13) / 2)?;
    if body.get(..name)? != table.as_bytes() {
        return None;
    }
    let width = match number {
        8 => return Some(0),
        9 => return Some(1),
        1..=4 => number as usize,
        5 => 6,
        6 => 8,
        _ => return None,
    };
    let bytes = body.get(name..name + width)?;
    let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
    Some(bytes.iter().fold(sign, |n, b| n << 8 | i64::from(*b)))
}

fn varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for i in 0..9 {
        let (first, rest) = input.split_first()?;
        *input = rest;
        if i == 8 {
            return Some(value << 8 | u64::from(*first));
        }
        value = value << 7 | u64::from(first & 0x7f);
        if first & 0x80 == 0 {
            break;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    fn open(path: &Path) -> (Connection, u32) {
        let db = Connection::open(path).unwrap();
        db.execute_batch(
            "PRAGMA journal_mode = wal; CREATE TABLE c (seq INTEGER PRIMARY KEY AUTOINCREMENT, x)",
        )
        .unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_sequence'";
        let root = db.query_row(sql, [], |row| row.get(0)).unwrap();
        (db, root)
    }

    #[test]
    fn every_commit_is_found_and_what_was_rolled_back_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let (db, root) = open(&path);
        let mut log = Log::of(&path);
        db.execute_batch("INSERT INTO c (x) VALUES (1)").unwrap();
        db.execute_batch("BEGIN; INSERT INTO c (x) VALUES (1), (2); INSERT INTO c (x) VALUES (3); COMMIT")
            .unwrap();
        log.read(root, "c");
        assert_eq!(log.ends(0, 100), [1, 4]);
        db.execute_batch("BEGIN; INSERT INTO c (x) VALUES (9); ROLLBACK; CREATE TABLE d (y)").unwrap();
        db.execute_batch("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO c (x) SELECT printf('%01000d', i) FROM n").unwrap();
        log.read(root, "c");
        assert_eq!(log.ends(1, 3003), [4]);
        assert_eq!(log.ends(4, 100_000), [3004]);
    }

    #[test]
    fn a_log_that_begins_anew_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let (db, root) = open(&path);
        let mut log = Log::of(&path);
        db.execute_batch("INSERT INTO c (x) VALUES (1)").unwrap();
        log.read(root, "c");
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        log.read(root, "c");
        db.execute_batch("INSERT INTO c (x) VALUES (2)").unwrap();
        log.read(root, "c");
        assert_eq!(log.ends(0, 10), [1, 2]);
        drop(db);
        log.read(root, "c");
        assert_eq!(log.ends(1, 10), [2]);
    }
}
