//! Character sets of stored text. The binary log holds text in the column's own set, query results in ours; both must give the same characters.
//!
//! What is not listed is refused by name and never guessed. Columns hold octets that are no character of their set; the log has them, and a server that converts
//! them for a client gives question marks, or nothing. So results are asked for in the column's own octets wherever the conversion could lose any, and read by the same
//! functions as the log.

use crate::Result as Answered;
use crate::codec::Fault;
use crate::connect::Session;
use std::collections::HashMap;
use std::sync::Arc;

/// A character set whose octets we can read exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// `utf8mb4`, `utf8mb3`, `utf8`.
    Utf8,
    /// `ascii`, in which MariaDB keeps octets that are no ASCII.
    Ascii,
    /// `latin1`, which is Windows-1252 with the five holes filled by the C1 controls of the same number.
    Latin1,
    /// `ucs2`, `utf16`: big-endian.
    Utf16,
    /// `utf16le`.
    Utf16le,
    /// `utf32`: big-endian.
    Utf32,
    /// Any other whose characters have one octet or two, by the server's own table.
    Table(Arc<Table>),
    /// Not asked for yet, or of longer characters.
    Unsupported(String),
}

/// What a server makes of each character of a set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    single: [Option<char>; 256],
    /// By both octets of those whose first is 0x80 or above.
    double: HashMap<[u8; 2], char>,
}

impl Table {
    /// Asks for the characters of the set `name`, which the server must know.
    pub async fn load(session: &mut Session, name: &str) -> Answered<Table> {
        let doing = format!("reading the characters of {name}");
        let of = |octets: &str| format!("HEX(CONVERT(CONVERT({octets} USING {name}) USING utf8mb4))");
        let numbers = "WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 255)";
        let mut table = Table { single: [None; 256], double: HashMap::new() };
        for row in session.query(&doing, format!("{numbers} SELECT i, {} FROM n", of("CHAR(i)"))).await? {
            let octet = row.number(0)? as u8;
            table.single[usize::from(octet)] = character(&row.string(1), octet == b'?');
        }
        let both = "SELECT a.i, b.i, {} FROM n a, n b WHERE a.i >= 128 AND b.i >= 48";
        for row in
            session.query(&doing, format!("{numbers} {}", both.replace("{}", &of("CHAR(a.i, b.i)")))).await?
        {
            let octets = [row.number(0)? as u8, row.number(1)? as u8];
            if table.single[usize::from(octets[0])].is_none()
                && let Some(c) = character(&row.string(2), false)
            {
                table.double.insert(octets, c);
            }
        }
        Ok(table)
    }

    fn octets(&self, character: char) -> usize {
        if self.single.contains(&Some(character)) { 1 } else { 2 }
    }

    fn decode(&self, mut bytes: &[u8], out: &mut String) -> Option<()> {
        while let Some((first, rest)) = bytes.split_first() {
            if let Some(c) = self.single[usize::from(*first)] {
                out.push(c);
                bytes = rest;
                continue;
            }
            let (both, rest) = bytes.split_first_chunk::<2>()?;
            out.push(*self.double.get(both)?);
            bytes = rest;
        }
        Some(())
    }
}

/// The one character that these hexadecimal digits are in UTF-8. A server gives a question mark, the replacement character, or nothing, for what is none.
fn character(hex: &str, question: bool) -> Option<char> {
    let octets: Option<Vec<u8>> =
        hex.as_bytes().chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok()).collect();
    let text = String::from_utf8(octets?).ok()?;
    let mut characters = text.chars();
    let only = characters.next().filter(|_| characters.next().is_none())?;
    (only != char::REPLACEMENT_CHARACTER && (only != '?' || question)).then_some(only)
}

/// What a server gives for text that it cannot convert as a whole, where it is asked by [`Charset::asked`]: no UTF-8.
const LOST: &str = "X'FF'";
const FOREIGN: Fault = Fault::new("text is not in its column's character set");

/// 0x80–0x9F of Windows-1252 as MySQL has it.
const CP1252: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}',
    '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}',
    '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}',
    '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
];

impl Charset {
    /// By the server's name of it.
    pub fn named(name: &str) -> Charset {
        match name {
            "utf8mb4" | "utf8mb3" | "utf8" => Charset::Utf8,
            "ascii" => Charset::Ascii,
            "latin1" => Charset::Latin1,
            "ucs2" | "utf16" => Charset::Utf16,
            "utf16le" => Charset::Utf16le,
            "utf32" => Charset::Utf32,
            other => Charset::Unsupported(other.to_owned()),
        }
    }

    /// Whether characters may be longer than two octets, so that no table is made of them.
    fn is_long(name: &str) -> bool {
        matches!(name, "ujis" | "eucjpms" | "gb18030")
    }

    /// Puts the server's table in the place of what we do not know by heart.
    pub async fn complete(&mut self, session: &mut Session) -> Answered<()> {
        let Charset::Unsupported(name) = self else { return Ok(()) };
        if Charset::is_long(name) {
            return Ok(());
        }
        let table = match session.charsets.get(name.as_str()) {
            Some(table) => table.clone(),
            None => {
                let table = Arc::new(Table::load(session, name).await?);
                session.charsets.insert(name.clone(), table.clone());
                table
            }
        };
        *self = Charset::Table(table);
        Ok(())
    }

    /// What a client may speak, by the number of a collation; all that are not told here are taken for UTF-8, which is right or found out.
    /// `None` for those in which a part of a character can be a quote or a backslash.
    pub fn of_client(collation: u16) -> Option<Charset> {
        match collation {
            5 | 8 | 15 | 31 | 47..=49 | 94 => Some(Charset::Latin1),
            // big5, sjis, cp932, gbk, gb18030, and those of MariaDB without padding.
            1 | 84 | 13 | 88 | 95 | 96 | 28 | 87 | 248..=250 => None,
            1025 | 1108 | 1037 | 1112 | 1119 | 1120 | 1052 | 1111 => None,
            1032 | 1071 => Some(Charset::Latin1),
            _ => Some(Charset::Utf8),
        }
    }

    /// The expression that asks for a column's text, to be read by [`Charset::decode_sent`].
    pub fn asked(&self, column: &str) -> String {
        match self {
            Charset::Utf8 | Charset::Latin1 => column.to_owned(),
            Charset::Unsupported(_) => {
                let text = format!("CONVERT({column} USING utf8mb4)");
                let characters = |of: &str| format!("CHAR_LENGTH({of})");
                let others = |of: &str| format!("CHAR_LENGTH(REPLACE({of},'?',''))");
                format!(
                    "IF({column} IS NULL OR {} = {} AND {} = {}, CAST({text} AS BINARY), {LOST})",
                    characters(&text),
                    characters(column),
                    others(&text),
                    others(column)
                )
            }
            _ => format!("CAST({column} AS BINARY)"),
        }
    }

    /// How many octets a text has in it; at most so many, where characters are long.
    pub fn octets(&self, text: &str) -> u64 {
        let characters = |octets: fn(char) -> usize| text.chars().map(octets).sum();
        let octets: usize = match self {
            Charset::Utf8 => text.len(),
            Charset::Ascii | Charset::Latin1 => characters(|_| 1),
            Charset::Utf16 | Charset::Utf16le => characters(|c| 2 * c.len_utf16()),
            Charset::Utf32 => characters(|_| 4),
            Charset::Table(table) => text.chars().map(|c| table.octets(c)).sum(),
            Charset::Unsupported(_) => characters(|c| if c.is_ascii() { 1 } else { 4 }),
        };
        octets as u64
    }

    /// The characters of a text that was asked for by [`Charset::asked`].
    pub fn decode_sent<'a>(&self, bytes: &'a [u8], scratch: &'a mut String) -> Result<&'a str, Fault> {
        match self {
            Charset::Utf8 | Charset::Latin1 => Charset::Utf8.decode(bytes, scratch),
            Charset::Unsupported(_) => std::str::from_utf8(bytes).map_err(|_| FOREIGN),
            _ => self.decode(bytes, scratch),
        }
    }

    /// The characters of `bytes`, in place where they are UTF-8 already, else in `scratch`.
    pub fn decode<'a>(&self, bytes: &'a [u8], scratch: &'a mut String) -> Result<&'a str, Fault> {
        scratch.clear();
        match self {
            Charset::Utf8 => return std::str::from_utf8(bytes).map_err(|_| Fault::new("text is not UTF-8")),
            Charset::Ascii if bytes.is_ascii() => return Charset::Utf8.decode(bytes, scratch),
            Charset::Ascii => return Err(FOREIGN),
            Charset::Latin1 => scratch.extend(bytes.iter().map(|b| match b {
                0x80..=0x9f => CP1252[usize::from(b - 0x80)],
                b => char::from(*b),
            })),
            Charset::Utf16 => utf16(bytes, u16::from_be_bytes, scratch)?,
            Charset::Utf16le => utf16(bytes, u16::from_le_bytes, scratch)?,
            Charset::Utf32 => {
                let (fours, []) = bytes.as_chunks::<4>() else {
                    return Err(Fault::new("utf32 text of odd length"));
                };
                for four in fours {
                    let c = char::from_u32(u32::from_be_bytes(*four));
                    scratch.push(c.ok_or(Fault::new("text is not UTF-32"))?);
                }
            }
            Charset::Table(table) => {
                table.decode(bytes, scratch).ok_or(FOREIGN)?;
            }
            Charset::Unsupported(name) => {
                return Err(Fault(format!("the character set {name} is not supported").into()));
            }
        }
        Ok(scratch)
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, out: &mut String) -> Result<(), Fault> {
    let (pairs, []) = bytes.as_chunks::<2>() else { return Err(Fault::new("utf16 text of odd length")) };
    for c in char::decode_utf16(pairs.iter().map(|p| unit(*p))) {
        out.push(c.map_err(|_| Fault::new("text is not UTF-16"))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_every_set_becomes_the_same_characters() {
        let mut scratch = String::new();
        for (name, bytes, text) in [
            ("utf8mb4", &b"\xe2\x82\xac"[..], "€"),
            ("latin1", b"\x80\xe9\x81", "€é\u{81}"),
            ("ucs2", b"\x20\xac", "€"),
            ("utf16", b"\xd8\x3d\xde\x00", "😀"),
            ("utf16le", b"\x3d\xd8\x00\xde", "😀"),
            ("utf32", b"\x00\x01\xf6\x00", "😀"),
        ] {
            assert_eq!(Charset::named(name).decode(bytes, &mut scratch).unwrap(), text, "{name}");
        }
        assert!(Charset::named("utf8").decode(b"\xff", &mut scratch).is_err());
        assert_eq!(Charset::named("ascii").decode("é".as_bytes(), &mut scratch), Err(FOREIGN));
        assert!(Charset::named("koi8r").decode(b"a", &mut scratch).unwrap_err().0.contains("koi8r"));
    }
}
