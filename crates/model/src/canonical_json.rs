//! JSON texts that say the same, as the same octets: without blanks, keys in order, strings with as few escapes as can be.
//!
//! Numbers count by their value, as they do at PostgreSQL's `jsonb` and at MySQL, where `1e2`, `100` and `100.0` are one; no digit is lost. Of a key that comes
//! twice the last value counts, as it does there.

/// Deeper nesting than any of the engines takes.
const DEEPEST: usize = 1000;

/// Appends the canonical form of `text`; the text itself when it is not JSON (which no canonical form can be).
pub(crate) fn canonical_json(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    let mut scan = Scan { rest: text.as_bytes(), depth: 0 };
    let read = scan.value(out).filter(|()| {
        scan.blanks();
        scan.rest.is_empty()
    });
    if read.is_none() {
        out.truncate(start);
        out.extend_from_slice(text.as_bytes());
    }
}

/// A name, spelled without its quotes, in the one way that this form has.
pub(crate) fn canonical_name(spelled: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(spelled.len() + 2);
    canonical_json(&format!("\"{spelled}\""), &mut out);
    out
}

/// Reads JSON; `None` for what is none.
struct Scan<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Scan<'a> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Takes `byte` when it comes next, behind blanks.
    fn eat(&mut self, byte: u8) -> bool {
        self.blanks();
        let hit = self.rest.first() == Some(&byte);
        if hit {
            self.rest = &self.rest[1..];
        }
        hit
    }

    fn value(&mut self, out: &mut Vec<u8>) -> Option<()> {
        self.blanks();
        match self.rest.first()? {
            b'{' => self.nested(out, Scan::object),
            b'[' => self.nested(out, Scan::array),
            b'"' => self.string(out),
            b'-' | b'0'..=b'9' => self.number(out),
            _ => ["true", "false", "null"].into_iter().find_map(|word| {
                self.rest = self.rest.strip_prefix(word.as_bytes())?;
                out.extend_from_slice(word.as_bytes());
                Some(())
            }),
        }
    }

    fn nested(&mut self, out: &mut Vec<u8>, read: fn(&mut Self, &mut Vec<u8>) -> Option<()>) -> Option<()> {
        self.rest = &self.rest[1..];
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        read(self, out)?;
        self.depth -= 1;
        Some(())
    }

    fn array(&mut self, out: &mut Vec<u8>) -> Option<()> {
        out.push(b'[');
        if !self.eat(b']') {
            loop {
                self.value(out)?;
                if self.eat(b']') {
                    break;
                }
                self.eat(b',').then(|| out.push(b','))?;
            }
        }
        out.push(b']');
        Some(())
    }

    fn object(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let mut members: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        if !self.eat(b'}') {
            loop {
                let (mut key, mut value) = (Vec::new(), Vec::new());
                self.blanks();
                self.string(&mut key)?;
                self.eat(b':').then_some(())?;
                self.value(&mut value)?;
                members.push((key, value));
                if self.eat(b'}') {
                    break;
                }
                self.eat(b',').then_some(())?;
            }
        }
        members.sort_by(|a, b| a.0.cmp(&b.0));
        out.push(b'{');
        let mut first = true;
        for (i, (key, value)) in members.iter().enumerate() {
            if members.get(i + 1).is_some_and(|next| next.0 == *key) {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.extend_from_slice(key);
            out.push(b':');
            out.extend_from_slice(value);
        }
        out.push(b'}');
        Some(())
    }

    /// As JSON's grammar has it.
    fn number(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let start = self.rest;
        if self.rest.first() == Some(&b'-') {
            self.next();
        }
        match self.digits() {
            0 => return None,
            1 => {}
            n if start[start.len() - self.rest.len() - n] == b'0' => return None,
            _ => {}
        }
        if self.rest.first() == Some(&b'.') {
            self.next();
            (self.digits() > 0).then_some(())?;
        }
        if matches!(self.rest.first(), Some(b'e' | b'E')) {
            self.next();
            if matches!(self.rest.first(), Some(b'+' | b'-')) {
                self.next();
            }
            (self.digits() > 0).then_some(())?;
        }
        by_value(&start[..start.len() - self.rest.len()], out);
        Some(())
    }

    fn digits(&mut self) -> usize {
        let n = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.rest = &self.rest[n..];
        n
    }

    /// With the quotes. Only quotes, backslashes, control characters and lone surrogates stay escaped, each in one way.
    fn string(&mut self, out: &mut Vec<u8>) -> Option<()> {
        (self.next()? == b'"').then_some(())?;
        out.push(b'"');
        loop {
            match self.next()? {
                b'"' => break,
                b'\\' => self.escape(out)?,
                0..0x20 => return None,
                byte => out.push(byte),
            }
        }
        out.push(b'"');
        Some(())
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let unit = match self.next()? {
            b'"' => u16::from(b'"'),
            b'\\' => u16::from(b'\\'),
            b'/' => u16::from(b'/'),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => self.unit()?,
            _ => return None,
        };
        let mut pair = [unit, 0];
        let mut units = 1;
        let behind = self.rest;
        if (0xd800..0xdc00).contains(&unit) && self.rest.starts_with(b"\\u") {
            self.rest = &self.rest[2..];
            pair[1] = self.unit()?;
            units = 2;
        }
        match char::decode_utf16(pair[..units].iter().copied()).next()? {
            Ok('"' | '\\') => out.extend([b'\\', unit as u8]),
            Ok(c) if c < ' ' => out.extend_from_slice(format!("\\u{unit:04x}").as_bytes()),
            Ok(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                self.rest = behind;
                out.extend_from_slice(format!("\\u{:04x}", lone.unpaired_surrogate()).as_bytes());
            }
        }
        Some(())
    }

    fn unit(&mut self) -> Option<u16> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        self.rest = rest;
        digits.iter().try_fold(0, |n, digit| Some(n << 4 | char::from(*digit).to_digit(16)? as u16))
    }
}

/// Whole numbers have no more zeros at their end than this, or an exponent.
const WRITTEN_OUT: i64 = 20;

/// The significant digits and the power of ten of the last one, `-125e-2`, or a plain whole number; as it is spelled where the exponent is out of all range.
fn by_value(number: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(number).unwrap_or_default();
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let Ok(exponent) = exponent.parse::<i32>() else { return out.extend_from_slice(number) };
    let start = out.len();
    out.extend_from_slice(sign.as_bytes());
    let digits = whole.bytes().chain(fraction.bytes()).skip_while(|b| *b == b'0');
    let first = out.len();
    out.extend(digits);
    let kept = out[first..].iter().rposition(|b| *b != b'0').map_or(first, |last| first + last + 1);
    if kept == first {
        out.truncate(start);
        return out.push(b'0');
    }
    let zeros = out.len() - kept;
    out.truncate(kept);
    let power = i64::from(exponent) - fraction.len() as i64 + zeros as i64;
    if (0..=WRITTEN_OUT).contains(&power) {
        out.extend(std::iter::repeat_n(b'0', power as usize));
    } else {
        out.extend_from_slice(format!("e{power}").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> String {
        let mut out = Vec::new();
        canonical_json(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_says_the_same_is_the_same() {
        for (a, b) in [
            (r#" { "b" : [ 1 , 2 ] , "a" : null } "#, r#"{"a":null,"b":[1,2]}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{"a":1,"b":0,"a":2}"#, r#"{"b":0,"a":2}"#),
            (r#"{"\u0061":1,"a":2}"#, r#"{"a":2}"#),
            (r#""\u00e4\ud83d\ude00\/\n""#, "\"ä😀/\\u000a\""),
            (r#""\"\\""#, r#""\u0022\u005c""#),
            (r#""\ud800x""#, r#""\uD800\u0078""#),
            ("[1, 0.0, -2.50e1]", "[1.0, -0e9, -25]"),
            ("[100, 0.001]", "[1e2, 1E-3]"),
            ("123456789012345678901234567890.10", "1234567890123456789012345678901e-1"),
            ("[\t]", "[]"),
            ("{\n}", "{}"),
        ] {
            assert_eq!(form(a), form(b));
        }
        assert_eq!(
            form(r#"{"b":{"d":1,"c":-0.10e+5},"a":[true,false]}"#),
            r#"{"a":[true,false],"b":{"c":-10000,"d":1}}"#
        );
    }

    #[test]
    fn what_says_something_else_is_not() {
        for (a, b) in [
            ("1", "1.1"),
            ("1", "-1"),
            ("10", "1"),
            ("1e99999999999", "1e99999999998"),
            ("[1,2]", "[2,1]"),
            (r#""a""#, r#""A""#),
            ("null", r#""null""#),
            ("[[]]", "[]"),
            (r#"{"a":{"b":1}}"#, r#"{"a":1,"b":1}"#),
            (r#""\ud800""#, r#""\udfff""#),
            (r#""a\\u0062""#, r#""ab""#),
        ] {
            assert_ne!(form(a), form(b));
        }
    }

    #[test]
    fn what_is_not_json_stays_as_it_is() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "-",
            "1.",
            "1e",
            "nul",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "[1] x",
            "\"\n\"",
            "+1",
            ".5",
            "[1 2]",
            "{\"a\" 1}",
            "\"\\ud800\\uzzzz\"",
        ] {
            assert_eq!(form(text), text);
        }
        let deep = format!("{} {}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(form(&deep), deep, "no stack is so deep");
    }
}
