use crate::{CodecError, Value, codec};

/// What an image says of one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot<'a> {
    /// The column's value, SQL NULL included.
    Value(Value<'a>),
    /// The source did not send the column: an unchanged TOAST value, a partial row image, a key-only image.
    /// It says nothing about the value and is never NULL.
    NotSent,
}

impl<'a> Slot<'a> {
    /// The value, where there is one.
    pub fn value(self) -> Option<Value<'a>> {
        match self {
            Slot::Value(value) => Some(value),
            Slot::NotSent => None,
        }
    }
}

/// A row, or what is known of it: one slot for each column of its table, in the table's order.
///
/// A view into a buffer; copying it copies two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Image<'a>(&'a [u8]);

impl<'a> Image<'a> {
    /// Takes encoded slots as an [`ImageWriter`] made them. What is wrong with them shows when they are read.
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        Image(bytes)
    }

    /// The encoded slots.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The slots in the order of the table's columns.
    pub fn slots(&self) -> Slots<'a> {
        Slots(self.0)
    }

    /// The slot of one column; walks there from the first, so use [`Image::slots`] to read many.
    pub fn slot(&self, column: usize) -> Result<Slot<'a>, CodecError> {
        self.slots().nth(column).unwrap_or(Err(CodecError::Short("a row image")))
    }

    /// Every column was sent.
    pub fn is_complete(&self) -> Result<bool, CodecError> {
        for slot in self.slots() {
            if slot? == Slot::NotSent {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Iterates over the slots of an [`Image`]; ends after the last, or with the first error.
#[derive(Clone, Debug)]
pub struct Slots<'a>(&'a [u8]);

impl<'a> Slots<'a> {
    /// The encoded bytes of the next slot, unread.
    pub fn next_raw(&mut self) -> Option<Result<&'a [u8], CodecError>> {
        let before = self.0;
        let slot = self.next()?;
        Some(slot.map(|_| &before[..before.len() - self.0.len()]))
    }
}

impl<'a> Iterator for Slots<'a> {
    type Item = Result<Slot<'a>, CodecError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        self.0 = rest;
        if tag == codec::NOT_SENT {
            return Some(Ok(Slot::NotSent));
        }
        let value = codec::get_tagged(tag, &mut self.0);
        if value.is_err() {
            self.0 = &[];
        }
        Some(value.map(Slot::Value))
    }
}

/// Encodes the slots of one image at the end of a buffer, in the order of the table's columns.
///
/// The writer does not know the table: whoever writes takes care that there is one slot for each column.
#[derive(Debug)]
pub struct ImageWriter<'b> {
    buffer: &'b mut Vec<u8>,
}

impl<'b> ImageWriter<'b> {
    /// Writes behind what `buffer` already holds.
    pub fn new(buffer: &'b mut Vec<u8>) -> Self {
        ImageWriter { buffer }
    }

    /// The next column's value.
    #[inline]
    pub fn value(&mut self, value: &Value<'_>) {
        codec::put_value(self.buffer, value);
    }

    /// The next column was not sent.
    pub fn not_sent(&mut self) {
        self.buffer.push(codec::NOT_SENT);
    }

    /// The next column, as a slot.
    pub fn slot(&mut self, slot: &Slot<'_>) {
        match slot {
            Slot::Value(value) => self.value(value),
            Slot::NotSent => self.not_sent(),
        }
    }

    /// The next column, already encoded, as [`Slots::next_raw`] gave it.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.buffer.extend_from_slice(encoded);
    }

    /// The next column is an array whose elements, `count` of them, are encoded already, one slot behind the other; else as [`ImageWriter::array`].
    pub fn encoded_array(&mut self, dimensions: &[(i64, i64)], count: usize, items: Image<'_>) {
        codec::put_array(self.buffer, dimensions, count, items.as_bytes());
    }

    /// The next column is an array: `(length, lower bound)` of each dimension, and all its elements,
    /// row-major; elements may be NULL but not arrays. The lengths multiply to the number of elements; an array without elements may have no dimensions.
    pub fn array(&mut self, dimensions: &[(i64, i64)], items: &[Value<'_>]) {
        let mut encoded = Vec::new();
        for item in items {
            codec::put_value(&mut encoded, item);
        }
        codec::put_array(self.buffer, dimensions, items.len(), &encoded);
    }
}
