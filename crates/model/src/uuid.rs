//! UUIDs as text: the 36 characters of RFC 9562 (section 4), small letters.

use std::fmt;

/// The octets of a UUID's text, in letters of any case; `None` for every other text.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let (mut out, mut at) = ([0; 16], 0);
    for octet in &mut out {
        if matches!(at, 8 | 13 | 18 | 23) {
            (bytes[at] == b'-').then_some(())?;
            at += 1;
        }
        let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
        *octet = digit(bytes[at])? << 4 | digit(bytes[at + 1])?;
        at += 2;
    }
    Some(out)
}

/// A UUID's text.
#[derive(Clone, Copy)]
pub struct UuidText([u8; 36]);

impl UuidText {
    /// Of these octets.
    pub fn new(uuid: &[u8; 16]) -> UuidText {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let (mut text, mut at) = ([b'-'; 36], 0);
        for octet in uuid {
            at += usize::from(matches!(at, 8 | 13 | 18 | 23));
            text[at] = HEX[usize::from(octet >> 4)];
            text[at + 1] = HEX[usize::from(octet & 15)];
            at += 2;
        }
        UuidText(text)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits and hyphens are text")
    }
}

impl fmt::Display for UuidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(uuid: [u8; 16]) {
            let text = UuidText::new(&uuid);
            prop_assert_eq!(parse_uuid(text.as_str()), Some(uuid));
            prop_assert_eq!(parse_uuid(&text.as_str().to_uppercase()), Some(uuid));
        }

        #[test]
        fn random_text_never_panics(text in "\\PC{0,40}", cut in "[-0-9a-f]{36}") {
            let _ = (parse_uuid(&text), parse_uuid(&cut));
        }
    }

    #[test]
    fn only_the_one_form_is_taken() {
        let text = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        assert_eq!(UuidText::new(&parse_uuid(text).unwrap()).to_string(), text);
        for other in [
            "",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1}",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380aé",
        ] {
            assert_eq!(parse_uuid(other), None, "{other}");
        }
    }
}
