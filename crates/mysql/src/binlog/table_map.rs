//! TABLE_MAP events: which table the next rows are of, and how its columns are stored.

use super::Reader;
use crate::codec::{Codec, Fault};

/// How a column is stored in a row of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// So many octets, little-endian.
    Int(u8),
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Year,
    Date,
    /// With digits of fraction.
    DateTime(u8),
    Timestamp(u8),
    Time(u8),
    /// `TIMESTAMP` as servers before 5.6 stored it (MariaDB with `mysql56_temporal_format=OFF`).
    OldTimestamp,
    OldDateTime,
    OldTime,
    /// Number of bits.
    Bit(u16),
    /// Octets of the index.
    Enum(u8),
    /// Octets of the mask.
    Set(u8),
    /// Text or octets behind a length; `most` octets.
    Var {
        most: u32,
    },
    /// Text or octets behind a length of so many octets.
    Blob(u8),
    Json(u8),
    Geometry(u8),
}

/// One TABLE_MAP event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableMap {
    pub table: String,
    pub columns: Vec<Wire>,
    /// Where `binlog_row_metadata` is FULL.
    pub names: Option<Vec<String>>,
    /// One for each number column, in order.
    pub unsigned: Option<Vec<bool>>,
    /// One for each ENUM, in order, where told.
    pub enum_labels: Option<Vec<Vec<String>>>,
    /// One for each SET, in order, where told.
    pub set_labels: Option<Vec<Vec<String>>>,
}

/// The table's number in the log, in front of TABLE_MAP and row events.
pub(crate) fn table_id(event: &[u8]) -> Result<u64, Fault> {
    Reader(event).le(6)
}

impl TableMap {
    /// The names alone: most tables are not ours.
    pub fn names(event: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
        let mut r = Reader(event);
        r.take(8)?;
        let schema = r.sized(1)?;
        r.take(1)?;
        let table = r.sized(1)?;
        Ok((schema, table))
    }

    pub fn parse(event: &[u8]) -> Result<TableMap, Fault> {
        let (schema, table) = TableMap::names(event)?;
        let mut r = Reader(event.get(8 + 1 + schema.len() + 1 + 1 + table.len() + 1..).unwrap_or_default());
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).map_err(|_| Fault::new("a table's name is not UTF-8"))
        };
        let count = usize::try_from(r.lenenc()?).map_err(|_| Fault::new("a malformed table map"))?;
        let types = r.take(count)?;
        let length = r.lenenc()? as usize;
        let mut meta = Reader(r.take(length)?);
        let columns = types.iter().map(|t| wire(*t, &mut meta)).collect::<Result<Vec<_>, _>>()?;
        r.take(count.div_ceil(8))?;
        let mut map = TableMap {
            table: text(table)?,
            columns,
            names: None,
            unsigned: None,
            enum_labels: None,
            set_labels: None,
        };
        map.optional(r)?;
        Ok(map)
    }

    fn optional(&mut self, mut r: Reader<'_>) -> Result<(), Fault> {
        while !r.0.is_empty() {
            let field = r.byte()?;
            let length = r.lenenc()? as usize;
            let mut body = Reader(r.take(length)?);
            match field {
                1 => {
                    let numbers = self.columns.iter().filter(|c| c.is_number()).count();
                    let bit = |i: usize| body.0.get(i / 8).is_some_and(|b| b >> (7 - i % 8) & 1 == 1);
                    self.unsigned = Some((0..numbers).map(bit).collect());
                }
                4 => {
                    let mut names = Vec::with_capacity(self.columns.len());
                    while !body.0.is_empty() {
                        names.push(string(&mut body)?);
                    }
                    self.names = Some(names);
                }
                5 | 6 => {
                    let mut all = Vec::new();
                    while !body.0.is_empty() {
                        let count = body.lenenc()?;
                        all.push((0..count).map(|_| string(&mut body)).collect::<Result<Vec<_>, _>>()?);
                    }
                    let place = if field == 5 { &mut self.set_labels } else { &mut self.enum_labels };
                    *place = Some(all);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn string(r: &mut Reader<'_>) -> Result<String, Fault> {
    let length = r.lenenc()? as usize;
    Ok(String::from_utf8_lossy(r.take(length)?).into_owned())
}

fn wire(code: u8, meta: &mut Reader<'_>) -> Result<Wire, Fault> {
    Ok(match code {
        1 => Wire::Int(1),
        2 => Wire::Int(2),
        3 => Wire::Int(4),
        4 => meta.byte().map(|_| Wire::Float)?,
        5 => meta.byte().map(|_| Wire::Double)?,
        7 => Wire::OldTimestamp,
        8 => Wire::Int(8),
        9 => Wire::Int(3),
        10 | 14 => Wire::Date,
        11 => Wire::OldTime,
        12 => Wire::OldDateTime,
        13 => Wire::Year,
        15 | 253 => Wire::Var { most: meta.le(2)? as u32 },
        16 => {
            let (bits, octets) = (meta.byte()?, meta.byte()?);
            Wire::Bit(u16::from(octets) * 8 + u16::from(bits))
        }
        17 => Wire::Timestamp(meta.byte()?),
        18 => Wire::DateTime(meta.byte()?),
        19 => Wire::Time(meta.byte()?),
        245 => Wire::Json(meta.byte()?),
        246 => Wire::Decimal { precision: meta.byte()?, scale: meta.byte()? },
        // VECTOR has a code of its own and is kept as a BLOB.
        242 | 252 => Wire::Blob(meta.byte()?),
        255 => Wire::Geometry(meta.byte()?),
        // ENUM, SET and CHAR share a code; lengths above 255 borrow two bits of the first octet.
        247 | 248 | 254 => {
            let (real, length) = (meta.byte()?, meta.byte()?);
            match real {
                247 => Wire::Enum(length),
                248 => Wire::Set(length),
                _ => Wire::Var { most: u32::from(length) | u32::from((real & 0x30) ^ 0x30) << 4 },
            }
        }
        other => return Err(Fault(format!("a column of type {other}, which is not supported").into())),
    })
}

impl Wire {
    fn is_number(self) -> bool {
        matches!(self, Wire::Int(_) | Wire::Float | Wire::Double | Wire::Decimal { .. })
    }

    /// Whether a column of this kind is stored so. `octets`: its length in the catalogue.
    pub fn suits(self, codec: &Codec, octets: Option<u64>) -> bool {
        match (codec, self) {
            (Codec::Int { bits, .. }, Wire::Int(n)) => *bits == n * 8,
            (Codec::Bool, Wire::Int(1)) | (Codec::Year, Wire::Year) => true,
            (Codec::Decimal { precision, scale }, Wire::Decimal { precision: p, scale: s }) => {
                (*precision, *scale) == (u16::from(p), u16::from(s))
            }
            (Codec::Float { double, .. }, Wire::Float) => !double,
            (Codec::Float { double, .. }, Wire::Double) => *double,
            (Codec::Date, Wire::Date) => true,
            (
                Codec::Text { .. } | Codec::UuidText(_) | Codec::JsonText(_) | Codec::Bytes { .. },
                Wire::Var { most },
            ) => octets.is_none_or(|n| n == u64::from(most)),
            (Codec::Text { .. } | Codec::JsonText(_) | Codec::Bytes { .. }, Wire::Blob(_)) => true,
            (Codec::Bits(n), Wire::Bit(m)) => *n == u32::from(m),
            (Codec::Time { fraction }, Wire::Time(f))
            | (Codec::DateTime { fraction } | Codec::Instant { fraction }, Wire::DateTime(f))
            | (Codec::Timestamp { fraction }, Wire::Timestamp(f)) => *fraction == f,
            (Codec::Time { fraction: 0 }, Wire::OldTime)
            | (Codec::DateTime { fraction: 0 } | Codec::Instant { fraction: 0 }, Wire::OldDateTime)
            | (Codec::Timestamp { fraction: 0 }, Wire::OldTimestamp) => true,
            (Codec::Json, Wire::Json(_)) | (Codec::Geometry, Wire::Geometry(_)) => true,
            (Codec::Enum(labels), Wire::Enum(n)) => (n == 1) == (labels.len() < 256),
            (Codec::Set(labels), Wire::Set(n)) => {
                let needed = labels.len().div_ceil(8);
                usize::from(n) == if needed > 4 { 8 } else { needed }
            }
            (Codec::Uuid, Wire::Var { most: 16 }) | (Codec::Vector, Wire::Blob(_)) => true,
            (Codec::Inet(length), Wire::Var { most }) => *length == most as usize,
            _ => false,
        }
    }
}
