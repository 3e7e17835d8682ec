//! Numbers in a JSON text that MySQL would not keep.

use super::Refusal;
use crate::shortest::scientific;

/// MySQL keeps the numbers of a JSON value as 64-bit integers and doubles: one that would come out as another is refused.
pub(super) fn exact_numbers(json: &str) -> Result<(), Refusal> {
    let bytes = json.as_bytes();
    let (mut i, mut inside) = (0, false);
    while i < bytes.len() {
        match bytes[i] {
            b'\\' if inside => i += 1,
            b'"' => inside = !inside,
            b'-' | b'0'..=b'9' if !inside => {
                let end = bytes[i..]
                    .iter()
                    .position(|b| !matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
                let token = &json[i..end.map_or(bytes.len(), |n| i + n)];
                if !exact(token) {
                    return Err(Refusal(format!(
                        "MySQL's JSON would not keep the number {}",
                        &token[..token.len().min(60)]
                    )));
                }
                i += token.len();
                continue;
            }
            _ => {}
        }
        i += 1;
    }
    Ok(())
}

fn exact(token: &str) -> bool {
    if token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok() {
        return true;
    }
    let Ok(x) = token.parse::<f64>() else { return false };
    x.is_finite() && digits(token) == digits(&scientific(x))
}

/// Significant digits and the exponent of the first one.
fn digits(number: &str) -> (String, i64) {
    let number = number.trim_start_matches('-');
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let zeros = all.len() - significant.len();
    let significant = significant.trim_end_matches('0');
    if significant.is_empty() {
        return (String::new(), 0);
    }
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX / 2);
    (significant.to_owned(), exponent + whole.len() as i64 - zeros as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_numbers_or_is_refused() {
        for good in [
            "1",
            "-1.50",
            "18446744073709551615",
            "1e400 ".trim_end_matches("e400 "),
            "{\"a1\":[0.1,\"9e999\"]}",
            "1.0E+2",
            "886902643530018.2",
        ] {
            assert_eq!(exact_numbers(good), Ok(()), "{good}");
        }
        for bad in [
            "18446744073709551617",
            "0.12345678901234567890",
            "1e400",
            "[3.00000000000000000001]",
            "886902643530018.3",
        ] {
            assert!(exact_numbers(bad).is_err(), "{bad}");
        }
    }
}
