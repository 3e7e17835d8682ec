//! The binary log's events, decoded by hand: the driver hands over raw events, everything behind their header is read here.
//!
//! Why not the driver's own decoder: it turns negative MEDIUMINTs positive and YEAR 0 into 1900, knows neither MariaDB's GTIDs nor its compressed rows, and
//! allocates for each value. Here a row goes from the event's octets into the batch's buffer, value by value.
//!
//! Invariant: nothing in these files panics on what a server sends; what cannot be read is a [`Fault`] and stops the stream.

pub(crate) mod compressed;
pub(crate) mod decimal;
pub(crate) mod events;
pub(crate) mod json;
pub(crate) mod pass;
pub(crate) mod replacing;
pub(crate) mod rows;
pub(crate) mod statement;
pub(crate) mod subject;
pub(crate) mod table_map;
pub(crate) mod xa;

use crate::codec::Fault;

/// Event types that are read, by the number in the header.
pub(crate) mod kind {
    pub const QUERY: u8 = 2;
    pub const STOP: u8 = 3;
    pub const ROTATE: u8 = 4;
    pub const INTVAR: u8 = 5;
    pub const RAND: u8 = 13;
    pub const USER_VAR: u8 = 14;
    pub const FORMAT_DESCRIPTION: u8 = 15;
    pub const XID: u8 = 16;
    pub const BEGIN_LOAD_QUERY: u8 = 17;
    pub const EXECUTE_LOAD_QUERY: u8 = 18;
    pub const TABLE_MAP: u8 = 19;
    pub const WRITE_ROWS_V1: u8 = 23;
    pub const UPDATE_ROWS_V1: u8 = 24;
    pub const DELETE_ROWS_V1: u8 = 25;
    pub const INCIDENT: u8 = 26;
    pub const HEARTBEAT: u8 = 27;
    pub const ROWS_QUERY: u8 = 29;
    pub const WRITE_ROWS: u8 = 30;
    pub const UPDATE_ROWS: u8 = 31;
    pub const DELETE_ROWS: u8 = 32;
    pub const GTID: u8 = 33;
    pub const ANONYMOUS_GTID: u8 = 34;
    pub const PREVIOUS_GTIDS: u8 = 35;
    pub const TRANSACTION_CONTEXT: u8 = 36;
    pub const VIEW_CHANGE: u8 = 37;
    pub const XA_PREPARE: u8 = 38;
    pub const PARTIAL_UPDATE_ROWS: u8 = 39;
    pub const TRANSACTION_PAYLOAD: u8 = 40;
    pub const HEARTBEAT_V2: u8 = 41;
    pub const GTID_TAGGED: u8 = 42;
    pub const MARIA_ANNOTATE_ROWS: u8 = 160;
    pub const MARIA_CHECKPOINT: u8 = 161;
    pub const MARIA_GTID: u8 = 162;
    pub const MARIA_GTID_LIST: u8 = 163;
    pub const MARIA_START_ENCRYPTION: u8 = 164;
    pub const MARIA_QUERY_COMPRESSED: u8 = 165;
    pub const MARIA_WRITE_ROWS_COMPRESSED_V1: u8 = 166;
    pub const MARIA_UPDATE_ROWS_COMPRESSED_V1: u8 = 167;
    pub const MARIA_DELETE_ROWS_COMPRESSED_V1: u8 = 168;
    pub const MARIA_WRITE_ROWS_COMPRESSED: u8 = 169;
    pub const MARIA_UPDATE_ROWS_COMPRESSED: u8 = 170;
    pub const MARIA_DELETE_ROWS_COMPRESSED: u8 = 171;
}

/// Reads octets from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Fault::new("the event ends too early"))?;
        self.0 = tail;
        Ok(head)
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian number of up to eight octets.
    #[inline]
    pub fn le(&mut self, n: usize) -> Result<u64, Fault> {
        let octets = self.take(n)?;
        Ok(octets.iter().rev().fold(0, |x, b| x << 8 | u64::from(*b)))
    }

    /// A big-endian number of up to eight octets.
    #[inline]
    pub fn be(&mut self, n: usize) -> Result<u64, Fault> {
        let octets = self.take(n)?;
        Ok(octets.iter().fold(0, |x, b| x << 8 | u64::from(*b)))
    }

    /// A length-encoded number, as the client protocol has it.
    pub fn lenenc(&mut self) -> Result<u64, Fault> {
        match self.byte()? {
            0xfc => self.le(2),
            0xfd => self.le(3),
            0xfe => self.le(8),
            0xff => Err(Fault::new("a malformed length")),
            n => Ok(u64::from(n)),
        }
    }

    /// A number of octets behind its length.
    pub fn sized(&mut self, length_octets: usize) -> Result<&'a [u8], Fault> {
        let n = self.le(length_octets)?;
        self.take(usize::try_from(n).map_err(|_| Fault::new("a malformed length"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::table_map::{TableMap, Wire};
    use super::{Reader, events, kind, rows};
    use crate::charset::Charset;
    use crate::codec::{Codec, Scratch};
    use proptest::prelude::*;
    use tidelock_model::ImageWriter;

    /// `t (id int, n varchar(10))` in `shop`, as MySQL announces it with full metadata.
    const TABLE_MAP: &[u8] = &[
        0x6f, 0, 0, 0, 0, 0, 1, 0, 4, b's', b'h', b'o', b'p', 0, 1, b't', 0, 2, 3, 15, 2, 40, 0, 2, 1, 1, 0,
        4, 5, 2, b'i', b'd', 1, b'n',
    ];

    fn columns() -> Vec<(Wire, Option<Codec>)> {
        let map = TableMap::parse(TABLE_MAP).unwrap();
        let codecs =
            [Codec::Int { bits: 32, unsigned: false }, Codec::Text { charset: Charset::Utf8, fixed: false }];
        map.columns.into_iter().zip(codecs.map(Some)).collect()
    }

    #[test]
    fn a_table_map_and_a_row_as_captured() {
        let map = TableMap::parse(TABLE_MAP).unwrap();
        assert_eq!(map.table, "t");
        assert_eq!(map.columns, [Wire::Int(4), Wire::Var { most: 40 }]);
        assert_eq!(map.names.unwrap(), ["id", "n"]);
        let (row, mut image) = ([0, 7, 0, 0, 0, 2, b'h', b'i'], Vec::new());
        let (mut reader, mut scratch) = (Reader(&row), Scratch::default());
        rows::image(&columns(), &[3], &mut reader, &mut scratch, &mut ImageWriter::new(&mut image)).unwrap();
        assert!(reader.0.is_empty());
        let slots: Vec<_> =
            tidelock_model::Image::from_bytes(&image).slots().map(|s| s.unwrap().value().unwrap()).collect();
        assert_eq!(slots, [tidelock_model::Value::Int(7), tidelock_model::Value::Text("hi")]);
    }

    /// A column of every kind.
    fn any_columns() -> Vec<(Wire, Option<Codec>)> {
        let labels: std::sync::Arc<[String]> = ["a".to_owned(), "b".to_owned()].into();
        let columns = [
            (Wire::Int(3), Codec::Int { bits: 24, unsigned: false }),
            (Wire::Decimal { precision: 65, scale: 30 }, Codec::Decimal { precision: 65, scale: 30 }),
            (Wire::DateTime(6), Codec::DateTime { fraction: 6 }),
            (Wire::Timestamp(3), Codec::Timestamp { fraction: 3 }),
            (Wire::Time(5), Codec::Time { fraction: 5 }),
            (Wire::OldTime, Codec::Time { fraction: 0 }),
            (Wire::OldDateTime, Codec::DateTime { fraction: 0 }),
            (Wire::Date, Codec::Date),
            (Wire::Year, Codec::Year),
            (Wire::Enum(1), Codec::Enum(labels.clone())),
            (Wire::Set(8), Codec::Set(labels)),
            (Wire::Bit(9), Codec::Bits(9)),
            (Wire::Var { most: 300 }, Codec::Text { charset: Charset::Utf16, fixed: false }),
            (Wire::Var { most: 16 }, Codec::Uuid),
            (Wire::Blob(1), Codec::Bytes { fixed: Some(8) }),
            (Wire::Json(2), Codec::Json),
            (Wire::Geometry(1), Codec::Geometry),
        ];
        columns.into_iter().map(|(wire, codec)| (wire, Some(codec))).collect()
    }

    proptest! {
        #[test]
        fn random_octets_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), code in 0_u8..=255) {
            let _ = TableMap::parse(&bytes);
            let _ = events::Query::parse(kind::QUERY, &bytes, &mut Vec::new()).map(|q| q.text.len());
            let _ = events::Query::parse(kind::MARIA_QUERY_COMPRESSED, &bytes, &mut Vec::new()).map(|q| q.text.len());
            let _ = (events::Gtid::mysql(&bytes, false), events::Gtid::mariadb(&bytes), events::rotate(&bytes));
            let spoken = events::Spoken { collation: u16::from(code), plain_backslash: code % 2 == 0 };
            let _ = super::statement::Statement::parse(&bytes, spoken).subjects();
            let _ = rows::RowsEvent::parse(code, &bytes);
            let (mut scratch, mut out) = (Scratch::default(), Vec::new());
            let mut columns = any_columns();
            columns.extend(any_columns().into_iter().map(|(wire, _)| (wire, None)));
            for first in 0..columns.len() {
                let mut reader = Reader(&bytes);
                let _ = rows::image(&columns[first..], &[0xff; 5], &mut reader, &mut scratch, &mut ImageWriter::new(&mut out));
            }
        }

        #[test]
        fn a_damaged_table_map_never_panics(place in 0..TABLE_MAP.len(), octet in any::<u8>()) {
            let mut bytes = TABLE_MAP.to_vec();
            bytes[place] = octet;
            let _ = TableMap::parse(&bytes);
        }
    }
}
