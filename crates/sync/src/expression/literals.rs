//! Numbers as an expression spells them.
//!
//! CEL reads `2.10000000000000000001` as the double 2.1 and keeps nothing of the text: next to a decimal that would be another number, in silence.

use super::number::DECIMAL_OF;
use tidelock_model::Decimal;

/// Digits that every double keeps.
const KEPT: usize = 15;

/// What is wrong with the first number in `text` that a double does not hold as it is written.
pub fn rounded(text: &str) -> Option<String> {
    let literal = numbers(text).find(|literal| !is_kept(literal))?;
    Some(format!("{literal} has more digits than CEL keeps; write `{DECIMAL_OF}('{literal}')`"))
}

fn is_kept(literal: &str) -> bool {
    let digits = literal.split(['e', 'E']).next().unwrap_or_default().bytes().filter(u8::is_ascii_digit);
    if !literal.contains(['.', 'e', 'E']) || digits.skip_while(|d| *d == b'0').count() <= KEPT {
        return true;
    }
    let read = literal.parse::<f64>().unwrap_or(f64::NAN).to_string();
    let same = Decimal::parse(literal).zip(Decimal::parse(&read)).map(|(a, b)| a.compare(b).is_eq());
    same.unwrap_or(false)
}

/// The numbers in an expression; what stands in quotes is none.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let first = rest.chars().next()?;
            let length = match first {
                '\'' | '"' => quoted(rest),
                '0'..='9' => {
                    let literal = number(rest);
                    rest = &rest[literal.len()..];
                    return Some(literal);
                }
                c if c == '_' || c.is_alphabetic() => {
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
                }
                c => c.len_utf8(),
            };
            rest = &rest[length..];
        }
    })
}

fn number(text: &str) -> &str {
    let mut before = '0';
    let end = text.find(|c: char| {
        let sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        before = c;
        !c.is_ascii_alphanumeric() && c != '.' && !sign
    });
    let number = &text[..end.unwrap_or(text.len())];
    if number.starts_with("0x") { "0" } else { number }
}

/// The length of what begins with a quote.
fn quoted(text: &str) -> usize {
    let quote = &text[..1];
    let triple = quote.repeat(3);
    let quote = if text.starts_with(&triple) { &triple[..] } else { quote };
    let mut at = quote.len();
    while let Some(c) = text[at..].chars().next() {
        match c {
            '\\' => at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
            _ if text[at..].starts_with(quote) => return at + quote.len(),
            c => at += c.len_utf8(),
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_a_double_would_change_is_found() {
        for kept in [
            "a == 2.1",
            "a > 123456789012.345",
            "a > 0.1 || b < 1e-7",
            "a == 9007199254740993",
            "a == '2.10000000000000000001'",
            "a == 'it\\\'s 2.10000000000000000001' && b > 0.5",
            "a2.10000000000000000001 == 1",
            "a == 0x1F",
            "a == 2.10000000000000000000",
        ] {
            assert_eq!(rounded(kept), None, "{kept}");
        }
        for changed in [
            "a == 2.10000000000000000001",
            "a in [1, 2.10000000000000000001]",
            "'x' == b && 1234567890123456789.5 < a",
        ] {
            assert!(rounded(changed).is_some_and(|f| f.contains("decimal('")), "{changed}");
        }
    }
}
