//! Character sets of stored text. The binary log holds text in the column's own set, query results in ours; both must give the same characters.
//!
//! What is not listed is refused by name and never guessed.

use crate::codec::Fault;

/// A character set whose octets we can read exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// `utf8mb4`, `utf8mb3`, `utf8`, `ascii`.
    Utf8,
    /// `latin1`, which is Windows-1252 with the five holes filled by the C1 controls of the same number.
    Latin1,
    /// `ucs2`, `utf16`: big-endian.
    Utf16,
    /// `utf16le`.
    Utf16le,
    /// `utf32`: big-endian.
    Utf32,
    /// Any other.
    Unsupported(String),
}

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
            "utf8mb4" | "utf8mb3" | "utf8" | "ascii" => Charset::Utf8,
            "latin1" => Charset::Latin1,
            "ucs2" | "utf16" => Charset::Utf16,
            "utf16le" => Charset::Utf16le,
            "utf32" => Charset::Utf32,
            other => Charset::Unsupported(other.to_owned()),
        }
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

    /// The characters of `bytes`, in place where they are UTF-8 already, else in `scratch`.
    pub fn decode<'a>(&self, bytes: &'a [u8], scratch: &'a mut String) -> Result<&'a str, Fault> {
        scratch.clear();
        match self {
            Charset::Utf8 => return std::str::from_utf8(bytes).map_err(|_| Fault::new("text is not UTF-8")),
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
        assert!(Charset::named("koi8r").decode(b"a", &mut scratch).unwrap_err().0.contains("koi8r"));
    }
}
