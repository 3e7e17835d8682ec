use crate::{CodecError, Image, ImageWriter, Table, codec};
use std::sync::Arc;

/// Whole rows of one table, in one buffer: what a snapshot reads and a load takes.
#[derive(Clone, Debug)]
pub struct Rows {
    table: Arc<Table>,
    buffer: Vec<u8>,
    count: usize,
}

impl Rows {
    /// The table whose columns the images follow.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The same rows as rows of another table, whose columns stand in the same order; nothing is copied.
    pub fn of(self, table: Arc<Table>) -> Rows {
        Rows { table, ..self }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.count
    }

    /// No rows.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Size of the encoded rows in bytes.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The rows in the order in which they were written; ends after the last, or with the first error.
    pub fn images(&self) -> impl Iterator<Item = Result<Image<'_>, CodecError>> {
        let mut rest = &self.buffer[..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let image = codec::take(&mut rest, 4, "a row")
                .and_then(|n| codec::take(&mut rest, read_length(n), "a row"))
                .map(Image::from_bytes);
            if image.is_err() {
                rest = &[];
            }
            Some(image)
        })
    }
}

/// Collects rows of one table.
#[derive(Debug)]
pub struct RowsWriter {
    table: Arc<Table>,
    buffer: Vec<u8>,
    count: usize,
}

impl RowsWriter {
    /// Rows of `table`.
    pub fn new(table: Arc<Table>) -> Self {
        RowsWriter { table, buffer: Vec::new(), count: 0 }
    }

    /// Adds one row: `write` puts one slot for each column. When it fails nothing of the row is kept.
    pub fn row<E>(&mut self, write: impl FnOnce(&mut ImageWriter<'_>) -> Result<(), E>) -> Result<(), E> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 4]);
        if let Err(error) = write(&mut ImageWriter::new(&mut self.buffer)) {
            self.buffer.truncate(start);
            return Err(error);
        }
        write_length(&mut self.buffer, start);
        self.count += 1;
        Ok(())
    }

    /// Adds a row that is already encoded.
    pub fn image(&mut self, image: Image<'_>) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 4]);
        self.buffer.extend_from_slice(image.as_bytes());
        write_length(&mut self.buffer, start);
        self.count += 1;
    }

    /// Number of rows so far.
    pub fn len(&self) -> usize {
        self.count
    }

    /// No rows yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Hands out what was collected and begins anew with the same table.
    pub fn take(&mut self) -> Rows {
        let capacity = self.buffer.len();
        let buffer = std::mem::replace(&mut self.buffer, Vec::with_capacity(capacity));
        Rows { table: self.table.clone(), buffer, count: std::mem::take(&mut self.count) }
    }
}

/// Images carry their length in four octets, filled in once the image is written: no scratch buffer, no second copy.
pub(crate) fn write_length(buffer: &mut [u8], start: usize) {
    let length = u32::try_from(buffer.len() - start - 4).expect("a row image is below 4 GiB");
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

pub(crate) fn read_length(four: &[u8]) -> usize {
    four.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
}
