//! What readers are handed between a cut's being in the file and its being told: the writer is led by hand, and stops there.

use super::{Group, Work, Writer};
use crate::{Journal, JournalError, JournalOptions, Reader, Segment};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tidelock_model::{Batch, BatchWriter, Column, ImageWriter, Position, Table, TableName, Type, Value};

/// A journal that keeps nothing durable in memory, its writer, which does only what it is told, and its capture.
struct Stage {
    journal: Journal,
    writer: Writer,
    source: BatchWriter,
    table: Arc<Table>,
    _place: TempDir,
}

impl Stage {
    fn new() -> Stage {
        let place = tempfile::tempdir().unwrap();
        let options = JournalOptions { memory_bytes: 0, ..JournalOptions::default() };
        let (journal, writer) = Journal::with_writer(&place.path().join("shop.journal"), options).unwrap();
        let table = Table {
            name: TableName::new("orders"),
            columns: vec![Column::new("id", Type::int(64), "bigint")],
            key: vec![0],
            primary: true,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
        };
        Stage { journal, writer, source: BatchWriter::new(), table: Arc::new(table), _place: place }
    }

    fn reader(&self, after: u64) -> Reader {
        Reader::open(self.writer.shared.clone(), "job", after).unwrap()
    }

    /// Accepts a batch of one row, in memory.
    async fn append(&mut self, begins: bool, row: i64, commit: Option<&str>) -> Arc<Batch> {
        if begins {
            self.source.begin("at", None, 0);
        }
        let image = |image: &mut ImageWriter<'_>| {
            image.value(&Value::Int(row));
            Ok::<(), Infallible>(())
        };
        self.source.insert(&self.table, image).unwrap();
        if let Some(position) = commit {
            self.source.commit(&Position::new(position));
        }
        let batch = Arc::new(self.source.take());
        self.journal.append(batch.clone()).await.unwrap();
        batch
    }

    /// Asks for the cut, and does not wait for it.
    async fn break_off(&mut self) {
        self.source = BatchWriter::new();
        assert!(at_once(self.journal.abandon()).await.is_none(), "the writer has not cut yet");
    }

    /// What waits is in the file; nobody is told.
    fn write(&mut self) -> Group {
        let Work::Write(commands) = self.writer.wait() else { panic!("nothing to write") };
        self.writer.write(commands).unwrap()
    }

    fn tell(&mut self, group: Group) {
        self.writer.tell(group).unwrap();
    }

    fn write_and_tell(&mut self) {
        let group = self.write();
        self.tell(group);
    }

    /// A reader of transaction 1 and of so many pieces of transaction 2. Three pieces are in the file only, a fourth in memory only.
    async fn reader_handed(&mut self, pieces: i64) -> Reader {
        let mut reader = self.reader(0);
        for piece in 0..=3 {
            self.append(piece < 2, piece, (piece == 0).then_some("p-1")).await;
            self.write_and_tell();
            if piece <= pieces {
                next(&mut reader).await.unwrap();
            }
        }
        self.append(false, 4, None).await;
        reader
    }

    /// The second attempt comes whole.
    async fn comes_again(&mut self, reader: &mut Reader) {
        for (begins, row, commit) in [(true, 11, None), (false, 12, Some("p-2"))] {
            let batch = self.append(begins, row, commit).await;
            assert_eq!(next(reader).await.unwrap().batch.bytes(), batch.bytes());
            self.write_and_tell();
        }
        nothing(reader).await;
    }
}

async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::ZERO, future).await.ok()
}

async fn next(reader: &mut Reader) -> Result<Segment, JournalError> {
    tokio::time::timeout(Duration::from_secs(30), reader.next()).await.expect("a segment comes")
}

async fn nothing(reader: &mut Reader) {
    let answer = tokio::time::timeout(Duration::from_millis(200), reader.next()).await;
    assert!(answer.is_err(), "nothing is to be handed out now, but: {:?}", answer.unwrap());
}

#[tokio::test]
async fn between_a_cut_and_its_telling_no_piece_is_handed_out_behind_a_gap() {
    for reading_before in [false, true] {
        let mut stage = Stage::new();
        let mut reader = stage.reader_handed(2).await;
        let file = reader.file.clone();
        let busy = reading_before.then(|| file.lock().unwrap());
        if reading_before {
            assert!(at_once(reader.next()).await.is_none(), "its reading waits for the file");
        }
        stage.break_off().await;
        let cut = stage.write();
        drop(busy);
        nothing(&mut reader).await;
        stage.tell(cut);
        assert!(matches!(next(&mut reader).await, Err(JournalError::Abandoned)));
        stage.comes_again(&mut reader).await;
    }
}

#[tokio::test]
async fn between_a_cut_and_its_telling_who_was_handed_no_piece_does_not_lose_its_place() {
    for opened_before in [false, true] {
        let mut stage = Stage::new();
        let mut reader = stage.reader_handed(0).await;
        stage.break_off().await;
        let cut = stage.write();
        if !opened_before {
            reader = stage.reader(1);
        }
        nothing(&mut reader).await;
        stage.tell(cut);
        nothing(&mut reader).await;
        stage.comes_again(&mut reader).await;
    }
}
