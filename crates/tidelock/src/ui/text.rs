//! Numbers, times and columns as people read them.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// With its unit, in the singular for one: `1 row`, `2,000 rows`.
pub fn count(value: u64, unit: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {unit}{plural}", number(value))
}

/// A rate with three meaningful digits, so that it does not flicker.
pub fn rate(amount: u64, time: Duration) -> u64 {
    let per_second = amount as f64 / time.as_secs_f64().max(0.001);
    let step = 10f64.powf((per_second.max(1.0).log10().floor() - 2.0).max(0.0));
    ((per_second / step).round() * step) as u64
}

/// `850 µs`, `12 ms`, `3.4 s`, `42 s`, `1 min 20 s`, `2 h 5 min`.
pub fn duration(time: Duration) -> String {
    let (micros, seconds) = (time.as_micros(), time.as_secs());
    match seconds {
        0 if micros < 1_000 => format!("{micros} µs"),
        0 => format!("{} ms", time.as_millis()),
        1..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A lag by two clocks, which may be a little apart.
pub fn lag(micros: i64) -> String {
    duration(Duration::from_micros(u64::try_from(micros).unwrap_or_default()))
}

/// `16.0 GiB`, `512 B`.
pub fn bytes(value: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = (value.max(1).ilog2() / 10).min(4) as usize;
    match power {
        0 => format!("{value} B"),
        _ => format!("{:.1} {}", value as f64 / (1u64 << (10 * power)) as f64, units[power]),
    }
}

/// Rows of cells as aligned columns; cells that are numbers are aligned at their right.
pub fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let numeric = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit());
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| match numeric(cell) {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            })
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A schema change, without the job and flow that it belongs to.
pub fn schema_change(change: &tidelock_sync::SchemaChange) -> String {
    match change.table.as_str() {
        "" => format!("ran {}", change.what),
        table => format!("table {table} is copied anew: {}", change.what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_calm() {
        assert_eq!(number(0), "0");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(rate(855_432, Duration::from_secs(10)), 85_500);
        assert_eq!(rate(7, Duration::from_secs(2)), 4);
        assert_eq!(duration(Duration::from_millis(80_400)), "1 min 20 s");
        assert_eq!(lag(-5), "0 µs");
        assert_eq!(bytes(16 << 30), "16.0 GiB");
        assert_eq!(
            columns(&[vec!["a".into(), "1".into()], vec!["bcd".into(), "22".into()]]),
            ["a     1", "bcd  22"]
        );
    }
}
