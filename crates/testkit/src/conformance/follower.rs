use super::stage::Stage;
use anyhow::{Context, Result, bail, ensure};
use std::sync::Arc;
use std::time::Duration;
use tidelock_endpoint::{ChangeStream, Source};
use tidelock_model::{Batch, Image, Operation, Position, Record, Table};

/// No stream takes longer for anything.
const PATIENCE: Duration = Duration::from_secs(40);
/// "About 1 MiB or 10,000 changes": what is more than these was not bounded.
const MOST_BYTES: usize = 4 << 20;
const MOST_CHANGES: usize = 20_000;

/// The id of the row that [`Follower::nothing_more`] writes.
pub(crate) const LAST: i64 = 777_777;

/// A transaction as the stream told it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Transaction {
    pub(crate) at: String,
    pub(crate) origin: Option<String>,
    pub(crate) position: Position,
    pub(crate) changes: Vec<Seen>,
}

impl Transaction {
    /// The ids of its changes, in order (before a delete, after anything else).
    pub(crate) fn ids(&self) -> Vec<i64> {
        let id = |seen: &Seen| seen.after().or(seen.before()).and_then(|image| super::stage::id(image).ok());
        self.changes.iter().map(|seen| id(seen).unwrap_or(-1)).collect()
    }
}

/// A change that outlives its batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) table: Arc<Table>,
    pub(crate) operation: Operation,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
}

impl Seen {
    pub(crate) fn before(&self) -> Option<Image<'_>> {
        self.before.as_deref().map(Image::from_bytes)
    }

    pub(crate) fn after(&self) -> Option<Image<'_>> {
        self.after.as_deref().map(Image::from_bytes)
    }
}

/// Reads a stream and holds every batch to the model's rules.
pub(crate) struct Follower {
    pub(crate) stream: Box<dyn ChangeStream>,
    _source: Box<dyn Source>,
    pub(crate) done: Vec<Transaction>,
    pub(crate) resume: Option<Position>,
    pub(crate) pieces: usize,
    open: Option<Transaction>,
}

impl Follower {
    pub(crate) fn new(stream: Box<dyn ChangeStream>, source: Box<dyn Source>) -> Follower {
        Follower { stream, _source: source, done: Vec::new(), resume: None, pieces: 0, open: None }
    }

    /// Reads on until `enough`.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        mut enough: impl FnMut(&Follower) -> bool,
    ) -> Result<()> {
        let end = tokio::time::Instant::now() + PATIENCE;
        while !enough(self) {
            let batch = tokio::time::timeout_at(end, self.stream.next()).await;
            let batch = batch.with_context(|| {
                format!("waited in vain for {what}; {} transactions came", self.done.len())
            })??;
            self.take(&batch)?;
        }
        Ok(())
    }

    /// Reads on until so many transactions came.
    pub(crate) async fn transactions(&mut self, n: usize) -> Result<&[Transaction]> {
        self.until(&format!("{n} transactions"), |f| f.done.len() >= n).await?;
        Ok(&self.done)
    }

    /// Nothing stands between what came and a row of `orders` that is committed now: its id is [`LAST`].
    pub(crate) async fn nothing_more(&mut self, stage: &Stage) -> Result<()> {
        let done = self.done.len();
        stage.sql(&format!("INSERT INTO orders VALUES ({LAST}, 'the last', 1)")).await?;
        self.until("the last row", |f| f.done.last().is_some_and(|t| t.ids().contains(&LAST))).await?;
        let more = &self.done[done..];
        ensure!(more.len() == 1 && more[0].ids() == [LAST], "more came than was committed: {more:?}");
        Ok(())
    }

    fn take(&mut self, batch: &Batch) -> Result<()> {
        ensure!(batch.bytes().len() <= MOST_BYTES, "a batch of {} bytes is not bounded", batch.bytes().len());
        ensure!(batch.changes() <= MOST_CHANGES, "a batch of {} changes is not bounded", batch.changes());
        for record in batch.records() {
            match record? {
                Record::Begin { at, origin, .. } => {
                    ensure!(self.open.is_none(), "a transaction begins inside another");
                    let (at, origin) = (at.to_owned(), origin.map(str::to_owned));
                    let position = Position::new("open");
                    self.open = Some(Transaction { at, origin, position, changes: Vec::new() });
                    self.pieces = 0;
                }
                Record::Change(change) => {
                    let open = self.open.as_mut().context("a change outside a transaction")?;
                    let image = |image: Option<Image<'_>>| image.map(|i| i.as_bytes().to_vec());
                    for image in change.before.iter().chain(&change.after) {
                        let (slots, columns) = (image.slots().count(), change.table.columns.len());
                        ensure!(slots == columns, "an image of {slots} slots for {columns} columns");
                    }
                    open.changes.push(Seen {
                        table: change.table.clone(),
                        operation: change.operation,
                        before: image(change.before),
                        after: image(change.after),
                    });
                }
                Record::Commit { position } => {
                    let mut transaction = self.open.take().context("a commit outside a transaction")?;
                    transaction.position = Position::new(position);
                    self.done.push(transaction);
                }
            }
        }
        self.pieces += 1;
        match (batch.resume(), &self.open) {
            (Some(resume), None) => self.resume = Some(resume.clone()),
            (None, Some(_)) => {}
            (Some(_), Some(_)) => bail!("a batch that ends inside a transaction tells where to resume"),
            (None, None) => bail!("a batch that ends between transactions does not tell where to resume"),
        }
        Ok(())
    }
}
