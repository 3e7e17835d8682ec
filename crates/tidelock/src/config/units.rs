//! Sizes and ages as people write them.

use std::time::Duration;

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
    ("TIB", 1 << 40),
];

const AGES: &[(&str, u64)] = &[("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)];

/// `16GiB`, `500 MB`, `1048576`: bytes.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let unit = unit.to_uppercase();
    let factor = if unit.is_empty() { 1 } else { SIZES.iter().find(|(name, _)| *name == unit)?.1 };
    number.checked_mul(factor)
}

/// `30s`, `90m`, `12h`, `7d`, `2w`; a number alone says nothing.
pub fn age(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let factor = AGES.iter().find(|(name, _)| *name == unit)?.1;
    number.checked_mul(factor).map(Duration::from_secs)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_are_read_exactly_or_not_at_all() {
        assert_eq!(size("16GiB"), Some(16 << 30));
        assert_eq!(size("500 mb"), Some(500_000_000));
        assert_eq!(size("42"), Some(42));
        assert_eq!(age("7d"), Some(Duration::from_secs(604_800)));
        assert_eq!(age("90m"), Some(Duration::from_secs(5_400)));
        for wrong in ["", "GiB", "-1B", "1.5GiB", "16 gigs", "99999999999999TiB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
        for wrong in ["7", "d", "7 days", ""] {
            assert_eq!(age(wrong), None, "{wrong}");
        }
    }
}
