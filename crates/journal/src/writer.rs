//! The one thread that writes: whatever waits is one SQLite transaction and one wait for the disk.

use crate::file::begin;
use crate::lock::FileLock;
use crate::ring::Entry;
use crate::row::{self, Cut, Numbers};
use crate::shared::{Command, Reply, Shared};
use crate::{Durable, JournalError, file};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// How long there must be nothing to write before it tidies up.
const IDLE: Duration = Duration::from_millis(500);
/// While busy: trim with every so many groups, or bytes.
const TRIM_GROUPS: u32 = 32;
const TRIM_BYTES: u64 = 4 << 20;
/// Most of one round.
const ROUND_BYTES: u64 = 16 << 20;
const ROUND_SEGMENTS: i64 = 512;
/// Looking for tables that no segment needs reads all segments' heads: only where there are so few.
const ORPHANS_AMONG: i64 = 10_000;
/// Free pages (of 8 KiB) above which an idle writer gives some back to the file system, and how many at once.
const FREE_PAGES: i64 = 4096;
const VACUUM_PAGES: i64 = 1024;

/// Microseconds since 1970, by this machine's clock.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64)
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    connection: Connection,
    durable: watch::Sender<Durable>,
    numbers: Numbers,
    groups: u32,
    bytes: u64,
    trimmed_since: bool,
    _lock: FileLock,
}

/// What the writer does next.
enum Work {
    Write(VecDeque<Command>),
    Trim(u64),
    Idle,
    End,
}

/// What a group has done, to be told once it is durable.
#[derive(Default)]
struct Group {
    appended: u64,
    last_id: u64,
    oldest: Option<i64>,
    durable: Durable,
    cut: bool,
    removed: Option<Cut>,
    replies: Vec<Reply>,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        connection: Connection,
        durable: watch::Sender<Durable>,
        lock: FileLock,
    ) -> Self {
        let numbers = Numbers::default();
        Writer { shared, connection, durable, numbers, groups: 0, bytes: 0, trimmed_since: true, _lock: lock }
    }

    /// Until the journal is closed or something fails. However it ends, nobody is left waiting.
    pub(crate) fn run(mut self) {
        let shared = self.shared.clone();
        let _end = End(shared.clone());
        if let Err(error) = self.work() {
            shared.fail(&error);
        }
        drop(self);
    }

    fn work(&mut self) -> Result<(), JournalError> {
        loop {
            match self.wait() {
                Work::Write(commands) => {
                    let group = self.write(commands)?;
                    self.tell(group)?;
                    if self.groups >= TRIM_GROUPS || self.bytes >= TRIM_BYTES {
                        self.trim()?;
                        self.look_at_age();
                    }
                }
                Work::Trim(asked) => {
                    while self.trim()? {}
                    self.shared.lock().trim_done = asked;
                    self.shared.wake();
                }
                Work::Idle => self.tidy()?,
                Work::End => return self.save_confirmed(),
            }
        }
    }

    fn wait(&self) -> Work {
        let mut state = self.shared.lock();
        loop {
            if !state.queue.is_empty() {
                return Work::Write(std::mem::take(&mut state.queue));
            }
            if state.trim_done < state.trim_asked {
                return Work::Trim(state.trim_asked);
            }
            if state.closing {
                return Work::End;
            }
            let (woken, waited) =
                self.shared.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() && state.queue.is_empty() {
                return Work::Idle;
            }
        }
    }

    fn write(&mut self, commands: VecDeque<Command>) -> Result<Group, JournalError> {
        let failed = |path: &std::path::Path, e| JournalError::store("writing", path, e);
        let shared = self.shared.clone();
        let mut group = Group { durable: self.durable.borrow().clone(), ..Group::default() };
        let transaction = begin(&self.connection).map_err(|e| failed(&shared.path, e))?;
        for command in commands {
            perform(&shared, &transaction, &mut self.numbers, command, &mut group)?;
        }
        let Durable { sequence, resume } = &group.durable;
        transaction
            .prepare_cached("UPDATE head SET sequence = ?1, resume = ?2")
            .and_then(|mut s| s.execute(params![*sequence as i64, resume.as_ref().map(|r| r.as_str())]))
            .map_err(|e| failed(&shared.path, e))?;
        transaction.commit().map_err(|e| failed(&shared.path, e))?;
        self.groups += 1;
        self.bytes += group.appended;
        Ok(group)
    }

    /// The group is durable: everybody may know.
    fn tell(&self, group: Group) -> Result<(), JournalError> {
        let stored = if group.cut { Some(self.stored()?) } else { None };
        let mut state = self.shared.lock();
        state.queued -= group.appended;
        state.stored = stored.unwrap_or(state.stored + group.appended);
        state.oldest = state.oldest.or(group.oldest);
        state.durable_id = state.durable_id.max(group.last_id);
        if group.cut {
            if let Some(Cut { from, shortened }) = group.removed {
                state.ring.cut(from);
                if let Some((id, segment)) = shortened {
                    let resume = segment.batch.resume().cloned();
                    state.ring.replace(Entry { id, segment, resume });
                }
            }
            state.cut_behind = state.sequence;
            state.cuts += 1;
            state.cutting = false;
            state.open = false;
        }
        let (limit, durable) = (self.shared.options.memory_bytes as u64, state.durable_id);
        state.ring.evict(limit, durable);
        drop(state);
        self.durable.send_if_modified(|told| {
            let news = *told != group.durable;
            *told = group.durable;
            news
        });
        if group.cut {
            self.shared.wake();
        } else {
            self.shared.space.notify_waiters();
        }
        for reply in group.replies {
            drop(reply.send(Ok(())));
        }
        Ok(())
    }

    fn stored(&self) -> Result<u64, JournalError> {
        let sum = self
            .connection
            .query_row("SELECT coalesce(sum(size), 0) FROM segment", [], |r| r.get::<_, i64>(0));
        sum.map(|n| n as u64).map_err(|e| JournalError::store("reading", &self.shared.path, e))
    }

    /// Removes a bounded part of what every reader has confirmed; whether there may be more.
    fn trim(&mut self) -> Result<bool, JournalError> {
        let failed = |e| JournalError::store("trimming", &self.shared.path, e);
        (self.groups, self.bytes) = (0, 0);
        let confirmed = self.shared.lock().confirmed();
        let Some(front) = self.front(confirmed).map_err(failed)? else { return Ok(false) };
        let transaction = begin(&self.connection).map_err(failed)?;
        transaction.execute("DELETE FROM segment WHERE id <= ?1", [front.id]).map_err(failed)?;
        transaction.execute("UPDATE head SET trimmed = ?1", [front.until as i64]).map_err(failed)?;
        let readers = self.readers_to_save();
        save(&transaction, &readers).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        let oldest = file::oldest(&self.connection).map_err(failed)?;
        let mut state = self.shared.lock();
        state.stored -= front.size.min(state.stored);
        state.trimmed = front.until;
        state.oldest = oldest;
        drop(state);
        self.trimmed_since = true;
        self.shared.space.notify_waiters();
        Ok(true)
    }

    fn front(&self, confirmed: u64) -> rusqlite::Result<Option<Front>> {
        let mut statement =
            self.connection.prepare_cached("SELECT id, until, size FROM segment ORDER BY id LIMIT ?1")?;
        let mut rows = statement.query([ROUND_SEGMENTS])?;
        let mut front: Option<Front> = None;
        while let Some(row) = rows.next()? {
            let (id, until, size) = (row.get(0)?, row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64);
            let before = front.as_ref().map_or(0, |f| f.size);
            if until > confirmed || before >= ROUND_BYTES {
                break;
            }
            front = Some(Front { id, until, size: before + size });
        }
        Ok(front)
    }

    /// The readers, when they have confirmed more than the file tells.
    fn readers_to_save(&self) -> BTreeMap<String, u64> {
        let mut state = self.shared.lock();
        if std::mem::take(&mut state.confirmed_since) { state.readers.clone() } else { BTreeMap::new() }
    }

    fn save_confirmed(&self) -> Result<(), JournalError> {
        let readers = self.readers_to_save();
        if readers.is_empty() {
            return Ok(());
        }
        let transaction = begin(&self.connection);
        transaction
            .and_then(|t| save(&t, &readers).and_then(|()| t.commit()))
            .map_err(|e| JournalError::store("writing", &self.shared.path, e))
    }

    /// Nothing to write: trim, forget orphaned tables, give space back, look at the age.
    fn tidy(&mut self) -> Result<(), JournalError> {
        if !self.trim()? {
            self.save_confirmed()?;
            if std::mem::take(&mut self.trimmed_since) {
                self.forget_orphans()?;
            }
            self.give_back()?;
        }
        self.look_at_age();
        Ok(())
    }

    fn forget_orphans(&mut self) -> Result<(), JournalError> {
        let failed = |e| JournalError::store("tidying", &self.shared.path, e);
        let segments: i64 = self
            .connection
            .query_row("SELECT count(*) FROM (SELECT 1 FROM segment LIMIT ?1)", [ORPHANS_AMONG], |r| r.get(0))
            .map_err(failed)?;
        if segments >= ORPHANS_AMONG {
            return Ok(());
        }
        let gone = "SELECT id FROM table_version WHERE id NOT IN (SELECT j.value FROM segment, json_each(segment.tables) AS j)";
        let removed = self
            .connection
            .execute(&format!("DELETE FROM table_version WHERE id IN ({gone})"), [])
            .map_err(failed)?;
        if removed > 0 {
            self.numbers.forget();
        }
        Ok(())
    }

    fn give_back(&self) -> Result<(), JournalError> {
        let failed = |e| JournalError::store("tidying", &self.shared.path, e);
        let free: i64 =
            self.connection.query_row("PRAGMA freelist_count", [], |r| r.get(0)).map_err(failed)?;
        if free > FREE_PAGES {
            let sql = format!("PRAGMA incremental_vacuum({VACUUM_PAGES})");
            let mut statement = self.connection.prepare(&sql).map_err(failed)?;
            let mut pages = statement.query([]).map_err(failed)?;
            while pages.next().map_err(failed)?.is_some() {}
        }
        Ok(())
    }

    fn look_at_age(&self) {
        let mut state = self.shared.lock();
        let limit = self.shared.options.max_age.as_micros().min(i64::MAX as u128) as i64;
        let over = state.oldest.is_some_and(|time| now() - time > limit);
        let changed = std::mem::replace(&mut state.over_age, over) != over;
        let slowest = state.readers.iter().min_by_key(|(_, c)| **c).map(|(name, _)| name.clone());
        drop(state);
        let journal = self.shared.path.display();
        match (changed, over) {
            (true, true) => {
                tracing::warn!(%journal, reader = ?slowest, "the journal holds changes that are older than its limit; they are kept until they are delivered")
            }
            (true, false) => {
                tracing::info!(%journal, "the journal holds nothing older than its limit any more")
            }
            _ => {}
        }
    }
}

/// What a round of trimming may remove: everything up to `id`.
struct Front {
    id: i64,
    until: u64,
    size: u64,
}

fn save(connection: &Connection, readers: &BTreeMap<String, u64>) -> rusqlite::Result<()> {
    for (name, confirmed) in readers {
        register(connection, name, *confirmed)?;
    }
    Ok(())
}

fn register(connection: &Connection, name: &str, confirmed: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO reader (name, confirmed) VALUES (?1, ?2)")?
        .execute(params![name, confirmed as i64])
        .map(drop)
}

fn perform(
    shared: &Shared,
    connection: &Connection,
    numbers: &mut Numbers,
    command: Command,
    group: &mut Group,
) -> Result<(), JournalError> {
    let failed = |e| JournalError::store("writing", &shared.path, e);
    match command {
        Command::Append(entry) => append(shared, connection, numbers, &entry, group).map_err(failed)?,
        Command::Progress(position) => group.durable.resume = Some(position),
        Command::Cut => {
            group.cut = true;
            group.removed = row::cut(connection, &shared.path, &shared.tables)?;
        }
        Command::Origin(origin, reply) => {
            let text = serde_json::to_string(&origin).map_err(|e| JournalError::Failed(e.to_string()))?;
            connection.execute("UPDATE head SET origin = ?1", [text]).map_err(failed)?;
            group.durable.resume = Some(origin.start);
            group.replies.push(reply);
        }
        Command::Register(name, after, reply) => {
            register(connection, &name, after).map_err(failed)?;
            group.replies.push(reply);
        }
        Command::Forget(name) => {
            connection.execute("DELETE FROM reader WHERE name = ?1", [name]).map_err(failed)?;
        }
    }
    Ok(())
}

fn append(
    shared: &Shared,
    connection: &Connection,
    numbers: &mut Numbers,
    entry: &Entry,
    group: &mut Group,
) -> rusqlite::Result<()> {
    let Entry { id, segment, resume } = entry;
    let mut tables = Vec::with_capacity(segment.batch.tables().len());
    for table in segment.batch.tables() {
        tables.push(numbers.of(connection, &shared.tables, table)?);
    }
    let tables =
        serde_json::to_string(&tables).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    let time = now();
    row::write(connection, *id, segment, &tables, time)?;
    group.appended += segment.size();
    group.last_id = *id;
    group.oldest.get_or_insert(time);
    group.durable.sequence = segment.last;
    if let Some(resume) = resume {
        group.durable.resume = Some(resume.clone());
    }
    Ok(())
}

/// However the writer's thread ends, even by a panic: it is known.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(&JournalError::Failed("the journal's writer panicked".to_owned()));
        }
        let mut state = self.0.lock();
        state.ended = true;
        state.closing = true;
        drop(state);
        self.0.wake();
    }
}

#[cfg(test)]
mod tests;
