//! Row events: the images of rows, as octets, into the slots of a batch.

use super::table_map::Wire;
use super::{Reader, decimal, json, kind, pass};
use crate::codec::{Civil, Codec, Fault, Scratch, clock};
use std::fmt::Write as _;
use tidelock_model::{Decimal, ImageWriter, Time, Timestamp, Value};

/// What a row event says of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowsKind {
    Insert,
    Update,
    Delete,
}

/// A row event taken apart; `rows` may still be compressed.
#[derive(Debug)]
pub(crate) struct RowsEvent<'a> {
    pub kind: RowsKind,
    pub compressed: bool,
    pub width: usize,
    /// Which columns the first image of each row has.
    pub first: &'a [u8],
    /// And the second, for updates.
    pub second: &'a [u8],
    pub rows: &'a [u8],
}

impl<'a> RowsEvent<'a> {
    /// `None` when the event is no row event.
    pub fn parse(code: u8, event: &'a [u8]) -> Result<Option<RowsEvent<'a>>, Fault> {
        use RowsKind::{Delete, Insert, Update};
        let (row_kind, version2, compressed) = match code {
            kind::WRITE_ROWS_V1 => (Insert, false, false),
            kind::UPDATE_ROWS_V1 => (Update, false, false),
            kind::DELETE_ROWS_V1 => (Delete, false, false),
            kind::WRITE_ROWS => (Insert, true, false),
            kind::UPDATE_ROWS => (Update, true, false),
            kind::DELETE_ROWS => (Delete, true, false),
            kind::MARIA_WRITE_ROWS_COMPRESSED_V1 => (Insert, false, true),
            kind::MARIA_UPDATE_ROWS_COMPRESSED_V1 => (Update, false, true),
            kind::MARIA_DELETE_ROWS_COMPRESSED_V1 => (Delete, false, true),
            kind::MARIA_WRITE_ROWS_COMPRESSED => (Insert, true, true),
            kind::MARIA_UPDATE_ROWS_COMPRESSED => (Update, true, true),
            kind::MARIA_DELETE_ROWS_COMPRESSED => (Delete, true, true),
            _ => return Ok(None),
        };
        let mut r = Reader(event);
        r.take(8)?;
        if version2 {
            let extra = r.le(2)? as usize;
            r.take(extra.checked_sub(2).ok_or(Fault::new("a malformed row event"))?)?;
        }
        let width = usize::try_from(r.lenenc()?).map_err(|_| Fault::new("a malformed row event"))?;
        let first = r.take(width.div_ceil(8))?;
        let second = if row_kind == Update { r.take(width.div_ceil(8))? } else { first };
        Ok(Some(RowsEvent { kind: row_kind, compressed, width, first, second, rows: r.0 }))
    }
}

pub(crate) fn bit(bits: &[u8], i: usize) -> bool {
    bits.get(i / 8).is_some_and(|b| b >> (i % 8) & 1 == 1)
}

/// Reads one image from the front of `rows`: a slot for each column that has a codec; the others are passed over.
pub(crate) fn image(
    columns: &[(Wire, Option<Codec>)],
    present: &[u8],
    rows: &mut Reader<'_>,
    scratch: &mut Scratch,
    out: &mut ImageWriter<'_>,
) -> Result<(), (usize, Fault)> {
    let sent = (0..columns.len()).filter(|i| bit(present, *i)).count();
    let nulls = rows.take(sent.div_ceil(8)).map_err(|f| (0, f))?;
    let mut place = 0;
    for (i, (wire, codec)) in columns.iter().enumerate() {
        if !bit(present, i) {
            if codec.is_some() {
                out.not_sent();
            }
            continue;
        }
        let null = bit(nulls, place);
        place += 1;
        match codec {
            Some(_) if null => out.value(&Value::Null),
            Some(codec) => value(*wire, codec, rows, scratch, out).map_err(|f| (i, f))?,
            None if null => {}
            None => pass::pass(*wire, rows).map_err(|f| (i, f))?,
        }
    }
    Ok(())
}

#[inline]
fn value(
    wire: Wire,
    codec: &Codec,
    r: &mut Reader<'_>,
    scratch: &mut Scratch,
    out: &mut ImageWriter<'_>,
) -> Result<(), Fault> {
    match wire {
        Wire::Int(n) => {
            let raw = r.le(usize::from(n))?;
            let unused = 64 - 8 * u32::from(n);
            match codec {
                Codec::Int { unsigned: true, .. } => out.value(&Value::UInt(raw)),
                _ => codec.int(i128::from((raw << unused) as i64 >> unused), out)?,
            }
        }
        Wire::Float => out.value(&Value::Float32(f32::from_bits(r.le(4)? as u32))),
        Wire::Double => out.value(&Value::Float64(f64::from_bits(r.le(8)?))),
        Wire::Decimal { precision, scale } => {
            decimal::read(r, precision.into(), scale.into(), &mut scratch.text)?;
            let value = Decimal::parse(&scratch.text).ok_or(Fault::new("a malformed decimal"))?;
            out.value(&Value::Decimal(value));
        }
        Wire::Year => {
            let year = i64::from(r.byte()?);
            out.value(&Value::Int(if year == 0 { 0 } else { 1900 + year }));
        }
        Wire::Var { most } => octets(codec, r.sized(if most > 255 { 2 } else { 1 })?, scratch, out)?,
        Wire::Blob(n) => octets(codec, r.sized(length(n)?)?, scratch, out)?,
        Wire::Json(n) => {
            json::render(r.sized(length(n)?)?, &mut scratch.text)?;
            out.value(&Value::Json(&scratch.text));
        }
        Wire::Geometry(n) => codec.geometry(r.sized(length(n)?)?, out)?,
        Wire::Bit(bits) => codec.bits(r.take(usize::from(bits.div_ceil(8)))?, out)?,
        Wire::Enum(n) => {
            let Codec::Enum(labels) = codec else { return Err(Fault::new("an ENUM in another column")) };
            let index = r.le(length(n)?)? as usize;
            // 0 stands for the empty text that MySQL keeps in place of a label that is not one.
            let label = if index == 0 { Some("") } else { labels.get(index - 1).map(String::as_str) };
            out.value(&Value::Enum(label.ok_or(Fault::new("an ENUM beyond its labels"))?));
        }
        Wire::Set(n) => set(codec, r.le(usize::from(n.min(8)))?, scratch, out)?,
        _ => temporal(wire, codec, r, out)?,
    }
    Ok(())
}

fn length(octets: u8) -> Result<usize, Fault> {
    if (1..=4).contains(&octets) { Ok(octets.into()) } else { Err(Fault::new("a malformed table map")) }
}

fn octets(
    codec: &Codec,
    bytes: &[u8],
    scratch: &mut Scratch,
    out: &mut ImageWriter<'_>,
) -> Result<(), Fault> {
    match codec {
        Codec::Bytes { .. } | Codec::Vector => codec.octets(bytes, scratch, out),
        Codec::Inet(length) => {
            inet(bytes, *length, &mut scratch.text)?;
            out.value(&Value::Text(&scratch.text));
        }
        Codec::Uuid => out.value(&Value::Uuid(stored_uuid(bytes)?)),
        _ => return codec.text(bytes, true, scratch, out),
    }
    Ok(())
}

/// MariaDB keeps UUIDs as they are. What its first versions of the type wrote has the groups in reverse; its version stands where the variant should, and
/// the server takes no UUID that looks like it.
fn stored_uuid(bytes: &[u8]) -> Result<[u8; 16], Fault> {
    // Trailing zero octets are not stored.
    let mut stored = [0; 16];
    stored.get_mut(..bytes.len()).ok_or(Fault::new("a UUID of another length"))?.copy_from_slice(bytes);
    // The variant at the sixth octet, a version of 1 to 5 at the eighth.
    if stored[6] & 0x80 == 0 || !(0x01..0x60).contains(&stored[8]) {
        return Ok(stored);
    }
    let mut uuid = [0; 16];
    for (to, from) in [(0..4, 12..16), (4..6, 10..12), (6..8, 8..10), (8..10, 6..8), (10..16, 0..6)] {
        uuid[to].copy_from_slice(&stored[from]);
    }
    Ok(uuid)
}

/// As MariaDB prints an address (`sql/sql_type_inet.cc`): the longest run of zeros is left out, and what ends in an IPv4 address shows it. Trailing zero
/// octets are not stored.
fn inet(bytes: &[u8], length: usize, text: &mut String) -> Result<(), Fault> {
    let mut stored = [0; 16];
    stored[..length]
        .get_mut(..bytes.len())
        .ok_or(Fault::new("an address of another length"))?
        .copy_from_slice(bytes);
    text.clear();
    // Writing to a String does not fail.
    if let ([a, b, c, d], 4) = (stored[..4].try_into().unwrap_or([0; 4]), length) {
        let _ = write!(text, "{a}.{b}.{c}.{d}");
        return Ok(());
    }
    let words: [u16; 8] = std::array::from_fn(|i| u16::from_be_bytes([stored[2 * i], stored[2 * i + 1]]));
    let (mut gap, mut at) = (0..0, 0);
    while at < 8 {
        let end = (at..8).find(|i| words[*i] != 0).unwrap_or(8);
        if end - at > gap.len() {
            gap = at..end;
        }
        at = end + 1;
    }
    let mut i = 0;
    while i < 8 {
        if gap.contains(&i) {
            text.push_str(if i == 0 { "::" } else { ":" });
            i = gap.end;
            continue;
        }
        if i == 6 && gap.start == 0 && (gap.len() == 6 || gap.len() == 5 && words[5] == 0xffff) {
            let _ = write!(text, "{}.{}.{}.{}", stored[12], stored[13], stored[14], stored[15]);
            return Ok(());
        }
        let _ = write!(text, "{:x}{}", words[i], if i < 7 { ":" } else { "" });
        i += 1;
    }
    Ok(())
}

fn set(codec: &Codec, mask: u64, scratch: &mut Scratch, out: &mut ImageWriter<'_>) -> Result<(), Fault> {
    let Codec::Set(labels) = codec else { return Err(Fault::new("a SET in another column")) };
    if labels.len() < 64 && mask >> labels.len() != 0 {
        return Err(Fault::new("a SET beyond its labels"));
    }
    scratch.text.clear();
    for (_, label) in labels.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1) {
        if !scratch.text.is_empty() {
            scratch.text.push(',');
        }
        scratch.text.push_str(label);
    }
    out.value(&Value::Set(&scratch.text));
    Ok(())
}

fn fraction(r: &mut Reader<'_>, digits: u8) -> Result<u32, Fault> {
    let octets = digits.div_ceil(2);
    let value = r.be(usize::from(octets.min(3)))? as u32;
    Ok(match octets {
        1 => value * 10_000,
        2 => value * 100,
        _ => value,
    })
}

fn temporal(wire: Wire, codec: &Codec, r: &mut Reader<'_>, out: &mut ImageWriter<'_>) -> Result<(), Fault> {
    match wire {
        Wire::Date => {
            let x = r.le(3)?;
            let civil =
                Civil { year: (x >> 9) as u16, month: (x >> 5 & 15) as u8, day: (x & 31) as u8, micros: 0 };
            codec.civil(civil, out)
        }
        Wire::DateTime(digits) => {
            let x = r.be(5)? & 0x7f_ffff_ffff;
            let (date, time) = (x >> 17, x & 0x1_ffff);
            let months = date >> 5;
            let micros = fraction(r, digits)?;
            let micros = clock((time >> 12) as u32, (time >> 6 & 63) as u32, (time & 63) as u32, micros);
            let (year, month, day) = ((months / 13) as u16, (months % 13) as u8, (date & 31) as u8);
            codec.civil(Civil { year, month, day, micros }, out)
        }
        Wire::Timestamp(digits) => {
            let seconds = r.be(4)? as u32;
            instant(seconds, fraction(r, digits)?, out);
            Ok(())
        }
        Wire::OldTimestamp => {
            instant(r.le(4)? as u32, 0, out);
            Ok(())
        }
        Wire::Time(digits) => {
            let more = u32::from(digits.div_ceil(2).min(3)) * 8;
            let raw = r.be(3 + more as usize / 8)? as i64 - (0x80_0000_i64 << more);
            let size = raw.unsigned_abs();
            let (hms, part) = (size >> more, (size & ((1 << more) - 1)) as u32);
            let micros = match more / 8 {
                1 => part * 10_000,
                2 => part * 100,
                _ => part,
            };
            let micros = clock((hms >> 12 & 0x3ff) as u32, (hms >> 6 & 63) as u32, (hms & 63) as u32, micros);
            out.value(&Value::Time(Time::from_micros(if raw < 0 { -micros } else { micros })));
            Ok(())
        }
        Wire::OldDateTime => {
            let x = r.le(8)?;
            let (date, time) = (x / 1_000_000, (x % 1_000_000) as u32);
            let micros = clock(time / 10_000, time / 100 % 100, time % 100, 0);
            let civil = Civil {
                year: u16::try_from(date / 10_000).map_err(|_| Fault::new("a date is out of range"))?,
                month: (date / 100 % 100) as u8,
                day: (date % 100) as u8,
                micros,
            };
            codec.civil(civil, out)
        }
        Wire::OldTime => {
            let raw = (r.le(3)? << 40) as i64 >> 40;
            let size = raw.unsigned_abs() as u32;
            let micros = clock(size / 10_000, size / 100 % 100, size % 100, 0);
            out.value(&Value::Time(Time::from_micros(if raw < 0 { -micros } else { micros })));
            Ok(())
        }
        _ => Err(Fault::new("a column of an unknown kind")),
    }
}

fn instant(seconds: u32, micros: u32, out: &mut ImageWriter<'_>) {
    out.value(&Value::Timestamp(match (seconds, micros) {
        (0, 0) => Timestamp::Zero,
        _ => Timestamp::from_unix(seconds, micros),
    }));
}
