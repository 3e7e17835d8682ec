use crate::Segment;
use std::collections::VecDeque;
use tidelock_model::Position;

/// A segment and its id.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) segment: Segment,
    /// Where capture may resume once it is durable: behind its last commit, even when it ends inside a transaction.
    pub(crate) resume: Option<Position>,
}

/// The newest segments, in memory: all whose id is above `floor`.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    entries: VecDeque<Entry>,
    bytes: u64,
    floor: u64,
}

impl Ring {
    /// An empty ring; everything up to `floor` is in the file.
    pub(crate) fn above(floor: u64) -> Self {
        Ring { floor, ..Ring::default() }
    }

    /// The highest id that is no more here.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// Takes the next segment.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.bytes += entry.segment.size();
        self.entries.push_back(entry);
    }

    /// Drops the oldest until no more than `limit` bytes are held, but none above `durable`.
    pub(crate) fn evict(&mut self, limit: u64, durable: u64) {
        while self.bytes > limit && self.entries.front().is_some_and(|e| e.id <= durable) {
            if let Some(entry) = self.entries.pop_front() {
                self.bytes -= entry.segment.size();
                self.floor = entry.id;
            }
        }
    }

    /// The first segment behind `id`. Only meaningful when `id` is not below the floor.
    pub(crate) fn next(&self, id: u64) -> Option<&Entry> {
        self.entries.get(self.entries.partition_point(|e| e.id <= id))
    }

    /// Removes all from `id` on.
    pub(crate) fn cut(&mut self, id: u64) {
        while self.entries.back().is_some_and(|e| e.id >= id) {
            if let Some(entry) = self.entries.pop_back() {
                self.bytes -= entry.segment.size();
            }
        }
    }

    /// Puts a shorter segment in the place of `entry.id`, when that one is here.
    pub(crate) fn replace(&mut self, entry: Entry) {
        if let Ok(place) = self.entries.binary_search_by_key(&entry.id, |e| e.id) {
            self.bytes = self.bytes - self.entries[place].segment.size() + entry.segment.size();
            self.entries[place] = entry;
        }
    }
}
