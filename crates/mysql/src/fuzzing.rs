//! The readers of what a server sends, as functions that take anything: for the crate `tidelock-fuzz` alone. Each panics where something does not hold.

use crate::binlog::events::{Gtid, Query, Spoken, rotate};
use crate::binlog::rows::{RowsEvent, image};
use crate::binlog::statement::Statement;
use crate::binlog::table_map::{TableMap, Wire, table_id};
use crate::binlog::xa::Prepared;
use crate::binlog::{Reader, compressed, decimal as stored, json as tree, kind};
use crate::charset::Charset;
use crate::codec::{Codec, Scratch};
use crate::definitions::Mapped;
use crate::gtid::GtidSet;
use crate::position::{LogPosition, compare};
use crate::told::write_rows;
use std::sync::Arc;
use tidelock_model::{
    Batch, BatchWriter, Column, Decimal, Image, ImageWriter, Position, Table, TableName, Type,
};

/// A run of events: of each its kind, its length in two octets and its body. Rows are those of the last table that was announced.
pub fn events(data: &[u8]) {
    let mut rest = Reader(data);
    let (mut writer, mut scratch, mut unpacked) = (BatchWriter::new(), Scratch::default(), Vec::new());
    let (mut announced, mut prepared, mut gtids) = (None, Prepared::default(), GtidSet::empty(false));
    writer.begin("binlog.000001:4", None, 0);
    while let Ok(code) = rest.byte() {
        let Ok(event) = rest.sized(2) else { break };
        match code {
            kind::TABLE_MAP => {
                let _ = table_id(event);
                announced = TableMap::parse(event).ok().map(mapped);
            }
            kind::QUERY | kind::MARIA_QUERY_COMPRESSED | kind::EXECUTE_LOAD_QUERY => {
                if let Ok(query) = Query::parse(code, event, &mut unpacked) {
                    tell(query.text, query.schema, query.spoken);
                }
            }
            kind::GTID | kind::ANONYMOUS_GTID => {
                if let Ok(Gtid::MySql { uuid, number, .. }) = Gtid::mysql(event, false) {
                    gtids.add_mysql(&uuid, "", number);
                }
            }
            kind::MARIA_GTID => drop(Gtid::mariadb(event)),
            kind::ROTATE => drop(rotate(event)),
            kind::XA_PREPARE => prepared.prepared(event),
            _ => rows(code, event, announced.as_ref(), &mut writer, &mut scratch, &mut unpacked),
        }
    }
    let printed = gtids.to_string();
    assert_eq!(GtidSet::parse(&printed, false), Some(gtids), "{printed}");
    assert_eq!(Prepared::parse(&prepared.to_string()), prepared);
    let changes = writer.changes();
    let batch = writer.take();
    let read = Batch::from_parts(batch.tables().to_vec(), batch.bytes().to_vec(), None);
    assert_eq!(read.expect("what was written can be read").changes(), changes);
}

fn rows(
    code: u8,
    event: &[u8],
    announced: Option<&Mapped>,
    writer: &mut BatchWriter,
    scratch: &mut Scratch,
    unpacked: &mut Vec<u8>,
) {
    let Ok(Some(event)) = RowsEvent::parse(code, event) else { return };
    let Some(mapped) = announced.filter(|m| m.columns.len() == event.width) else { return };
    let mut rows = event.rows;
    if event.compressed {
        if compressed::unpack(rows, unpacked).is_err() {
            return;
        }
        rows = unpacked;
    }
    // A row tells of each column, also of those that were not sent; thousands of columns and rows of one octet are what they are.
    if rows.len() * event.width < 1 << 20 {
        let _ = write_rows(writer, mapped, &event, rows, scratch);
    }
}

/// A table as the log tells it, all of its columns followed.
fn mapped(map: TableMap) -> Mapped {
    let columns: Vec<_> = map.columns.iter().map(|wire| (*wire, Some(codec(*wire)))).collect();
    let column = |n: usize| Column::new(format!("c{n}"), Type::text(), "");
    let table = Table {
        name: TableName::new(map.table),
        columns: (0..columns.len()).map(column).collect(),
        key: (0..columns.len().min(1)).collect(),
        primary: true,
        indexes: vec![],
        foreign_keys: vec![],
    };
    Mapped {
        table: Arc::new(table),
        logged: (0..columns.len()).collect(),
        columns,
        own: false,
        unreadable: false,
    }
}

/// A codec that a column of this kind may have.
fn codec(wire: Wire) -> Codec {
    let labels = || ["a", "b", "c"].map(str::to_owned).into();
    let utf8 = Charset::Utf8;
    match wire {
        Wire::Int(n) => Codec::Int { bits: n * 8, unsigned: n == 2 },
        Wire::Float | Wire::Double => Codec::Float { double: wire == Wire::Double, signed_zero: true },
        Wire::Decimal { precision, scale } => {
            Codec::Decimal { precision: precision.into(), scale: scale.into() }
        }
        Wire::Year => Codec::Year,
        Wire::Date => Codec::Date,
        Wire::DateTime(fraction) => Codec::DateTime { fraction },
        Wire::OldDateTime => Codec::Instant { fraction: 0 },
        Wire::Timestamp(fraction) => Codec::Timestamp { fraction },
        Wire::OldTimestamp => Codec::Timestamp { fraction: 0 },
        Wire::Time(fraction) => Codec::Time { fraction },
        Wire::OldTime => Codec::Time { fraction: 0 },
        Wire::Bit(n) => Codec::Bits(n.into()),
        Wire::Enum(_) => Codec::Enum(labels()),
        Wire::Set(_) => Codec::Set(labels()),
        Wire::Var { most: 0..16 } => Codec::Text { charset: Charset::Latin1, fixed: false },
        Wire::Var { most: 16 } => Codec::Uuid,
        Wire::Var { most: 17 } => Codec::Inet(16),
        Wire::Var { most: 18 } => Codec::Inet(4),
        Wire::Var { most: 19 } => Codec::UuidText(utf8),
        Wire::Var { most: 20..40 } => Codec::Bytes { fixed: Some(8) },
        Wire::Var { .. } => Codec::Text { charset: utf8, fixed: false },
        Wire::Blob(1) => Codec::JsonText(utf8),
        Wire::Blob(_) => Codec::Bytes { fixed: None },
        Wire::Json(_) => Codec::Json,
        Wire::Geometry(_) => Codec::Geometry,
    }
}

/// One stored value: the first two octets choose its column.
pub fn value(data: &[u8]) {
    let Some((&[which, how], stored)) = data.split_first_chunk() else { return };
    let labels = || ["a", "b"].map(str::to_owned).into();
    let column = match which % 26 {
        0 => (Wire::Int(how % 8 + 1), Codec::Int { bits: 8 * (how % 8 + 1), unsigned: how > 127 }),
        1 => (Wire::Int(1), Codec::Bool),
        2 => (Wire::Decimal { precision: how, scale: which / 26 }, Codec::Decimal { precision: 9, scale: 0 }),
        3 => (Wire::DateTime(how), Codec::DateTime { fraction: how }),
        4 => (Wire::DateTime(how), Codec::Instant { fraction: how }),
        5 => (Wire::Timestamp(how), Codec::Timestamp { fraction: how }),
        6 => (Wire::Time(how), Codec::Time { fraction: how }),
        7 => (Wire::Enum(how), Codec::Enum(labels())),
        8 => (Wire::Set(how), Codec::Set(labels())),
        9 => (Wire::Bit(how.into()), Codec::Bits(how.into())),
        10 => (Wire::Var { most: 300 }, Codec::Text { charset: Charset::Utf16, fixed: false }),
        11 => (Wire::Var { most: 300 }, Codec::Text { charset: Charset::Utf16le, fixed: false }),
        12 => (Wire::Blob(how), Codec::Text { charset: Charset::Utf32, fixed: false }),
        13 => (Wire::Blob(how), Codec::Vector),
        14 => (Wire::Json(how), Codec::Json),
        15 => (Wire::Geometry(how), Codec::Geometry),
        16 => (Wire::Var { most: 36 }, Codec::UuidText(Charset::Latin1)),
        other => {
            let wires = [Wire::OldTime, Wire::OldDateTime, Wire::OldTimestamp, Wire::Date, Wire::Year];
            let wire = wires.get(usize::from(other - 17)).copied();
            let wire = wire.unwrap_or(Wire::Var { most: u32::from(how) });
            (wire, codec(wire))
        }
    };
    let (wire, codec) = column;
    let (mut read, mut passed) = (Reader(stored), Reader(stored));
    let (mut out, mut scratch) = (Vec::new(), Scratch::default());
    let columns = [(wire, Some(codec))];
    let done = image(&columns, &[1], &mut read, &mut scratch, &mut ImageWriter::new(&mut out));
    if done.is_err() {
        return;
    }
    assert!(out.len() <= 10 * stored.len() + 80, "{} octets became {}", stored.len(), out.len());
    let slots: Vec<_> = Image::from_bytes(&out).slots().collect();
    assert!(matches!(slots[..], [Ok(_)]), "{slots:?}");
    // Who passes over it lands at the same place.
    let passing = image(&[(wire, None)], &[1], &mut passed, &mut scratch, &mut ImageWriter::new(&mut out));
    assert_eq!((passing, passed.0.len()), (Ok(()), read.0.len()), "{wire:?}");
}

/// MySQL's binary JSON.
pub fn json(data: &[u8]) {
    let mut out = String::new();
    if tree::render(data, &mut out).is_ok() {
        assert!(out.len() <= 8 * data.len() + 64, "{} octets became {}", data.len(), out.len());
        let read = serde_json::from_str::<serde::de::IgnoredAny>(&out);
        assert!(read.is_ok(), "{out}");
    }
}

/// A stored decimal: precision, scale, octets.
pub fn decimal(data: &[u8]) {
    let Some((&[precision, scale], stored)) = data.split_first_chunk() else { return };
    let (mut reader, mut out) = (Reader(stored), String::new());
    if stored::read(&mut reader, precision.into(), scale.into(), &mut out).is_err() {
        return;
    }
    let number = Decimal::parse(&out).expect("what was read is a number");
    assert!(number.fits(precision.into(), scale.into()), "{out} in ({precision},{scale})");
    assert_eq!(number.scale(), usize::from(scale), "{out}");
}

/// A statement, behind the client's collation and its way with backslashes.
pub fn statement(data: &[u8]) {
    let Some((&[high, low, how], text)) = data.split_first_chunk() else { return };
    let spoken = Spoken { collation: u16::from_be_bytes([high, low]), plain_backslash: how & 1 == 1 };
    tell(text, b"shop", spoken);
}

fn tell(text: &[u8], schema: &[u8], spoken: Spoken) {
    let statement = Statement::parse(text, spoken);
    let (subjects, replaced) = (statement.subjects(), statement.replaces());
    for (schema, table) in subjects.into_iter().flatten().chain(replaced.tables) {
        // What a statement acts upon, it names. Where dots stand between names is told by who reads them.
        let plain = schema.is_none() && !text.contains(&b'.');
        assert!(!plain || statement.names("shop", &table, b"shop", true), "{table}");
    }
    let _ = (statement.calls_into("shop", schema, true), statement.changes_meaning());
    let _ = Prepared::default().decided(text);
}

/// GTIDs and positions as text, of both products.
pub fn position(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for mariadb in [false, true] {
        if let Some(set) = GtidSet::parse(text, mariadb) {
            let printed = set.to_string();
            assert_eq!(GtidSet::parse(&printed, mariadb), Some(set), "{printed}");
        }
    }
    if let Ok(parsed) = LogPosition::parse(&Position::new(text)) {
        let printed = parsed.position();
        assert!(compare(&printed, &printed).is_ok_and(|o| o.is_eq()));
        assert_eq!(LogPosition::parse(&printed).ok(), Some(parsed), "{printed}");
    }
}
