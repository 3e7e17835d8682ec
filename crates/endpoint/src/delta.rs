use std::sync::Arc;
use tidelock_model::{Image, Table};

/// A row of which only some columns are known.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// The row's key **before** the update: an image of which only the key's slots are read.
    pub key: Image<'a>,
    /// The new values; columns not sent keep what they have. The key's columns may have new values.
    pub set: Image<'a>,
}

/// What shall become of some rows of one table: every key stands in it once, so that order within it does not matter.
///
/// Images follow the columns of `table`, which is the table **as the target has it** (names and order after mapping).
/// Deletes go first, then updates, then inserts and upserts: so a unique value that moves from one row to another is free when it is taken.
#[derive(Clone, Debug)]
pub struct Delta<'a> {
    /// The target's table.
    pub table: &'a Arc<Table>,
    /// All rows go first.
    pub truncate: bool,
    /// Keys of rows that go: images of which only the key's slots are read. One that is not there is no error.
    pub deletes: Vec<Image<'a>>,
    /// Rows of which only some columns are known. One whose row is not there is counted in `Applied::missing`.
    pub updates: Vec<Update<'a>>,
    /// Whole rows that replace what is there under their key, or are added.
    pub upserts: Vec<Image<'a>>,
    /// So many of `upserts`, at their end, are new at the source: most likely they are not there yet. Only a hint of the fastest way.
    pub fresh: usize,
    /// Whole rows that must not be there yet (two-way jobs): one that is there is left alone and counted in `Applied::present`.
    pub inserts: Vec<Image<'a>>,
}

impl<'a> Delta<'a> {
    /// Nothing to do for `table`.
    pub fn new(table: &'a Arc<Table>) -> Self {
        Delta {
            table,
            truncate: false,
            deletes: Vec::new(),
            updates: Vec::new(),
            upserts: Vec::new(),
            fresh: 0,
            inserts: Vec::new(),
        }
    }

    /// Number of rows touched.
    pub fn rows(&self) -> usize {
        self.deletes.len() + self.updates.len() + self.upserts.len() + self.inserts.len()
    }
}
