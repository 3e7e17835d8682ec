//! Neutral types → what holds them here: in a column to be made, and in one that is there.

use crate::ENGINE;
use crate::server::Flavor;
use crate::types::{MADE_FOR_BOOL, MADE_FOR_INSTANT, MADE_FOR_UUID};
use tidelock_endpoint::{Holds, Verdict, holds, made_otherwise};
use tidelock_model::{Column, Type};

/// A column to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub native: String,
    pub comment: Option<&'static str>,
    /// Which values it does not take, where ordinary ones are among them.
    pub narrow: Option<String>,
    /// Text in our own collation.
    pub text: bool,
}

/// Longer texts are kept outside of the row: all columns of a row together have 65,535 octets.
const LONGEST_VARCHAR: u32 = 1_000;
/// 3,072 octets of an index at four octets for each character.
const LONGEST_INDEXED: u32 = 768;
/// For a key or index over text without a length.
const INDEXED: u32 = 255;

/// What holds the source column in a new table. `indexed`: a key or an index has it, so it needs a length.
pub(crate) fn made(from: &str, column: &Column, indexed: bool, flavor: Flavor) -> Result<Made, String> {
    let exact = |native: String| Made { native, comment: None, narrow: None, text: false };
    if from == crate::ENGINE {
        return same_engine(column, flavor);
    }
    Ok(match &column.data_type {
        Type::Bool => Made { comment: Some(MADE_FOR_BOOL), ..exact("tinyint(1)".into()) },
        Type::Int { bits, unsigned } => {
            let name = match bits {
                0..=8 => "tinyint",
                9..=16 => "smallint",
                17..=24 => "mediumint",
                25..=32 => "int",
                _ => "bigint",
            };
            exact(format!("{name}{}", if *unsigned { " unsigned" } else { "" }))
        }
        // PostgreSQL's scale may be more than its precision: zeros behind the point.
        Type::Decimal { precision: Some(p), scale } if *p <= 65 && (0..=30).contains(scale) => {
            exact(format!("decimal({},{scale})", (*p).max(*scale as u16)))
        }
        Type::Decimal { precision: Some(p), scale }
            if *scale < 0 && i32::from(*p) - i32::from(*scale) <= 65 =>
        {
            exact(format!("decimal({},0)", i32::from(*p) - i32::from(*scale)))
        }
        Type::Decimal { precision: Some(p), scale } => {
            return Err(format!(
                "decimal({p},{scale}) has more digits than MySQL's 65, or more than 30 behind the point"
            ));
        }
        Type::Decimal { precision: None, .. } => Made {
            narrow: Some(
                "a number of any size becomes decimal(65,30): 35 digits before the point, 30 behind".into(),
            ),
            ..exact("decimal(65,30)".into())
        },
        Type::Float32 => exact("float".into()),
        Type::Float64 => exact("double".into()),
        Type::Text { length, fixed } => text(*length, *fixed, indexed),
        Type::Bytes { length, fixed } => bytes(*length, *fixed, indexed),
        Type::Bits { length: Some(n), varying: false } if *n <= 64 => exact(format!("bit({n})")),
        Type::Bits { .. } => return Err("MySQL's bit fields have a fixed length of at most 64".into()),
        Type::Date => exact("date".into()),
        Type::Time { zone: true, .. } => return Err("MySQL's time has no zone".into()),
        Type::Time { fraction, .. } => exact(format!("time{}", precision(*fraction))),
        Type::DateTime { fraction } => exact(format!("datetime{}", precision(*fraction))),
        // A TIMESTAMP ends in 2038: the comment tells that this DATETIME holds instants, in UTC.
        Type::Timestamp { fraction } => {
            Made { comment: Some(MADE_FOR_INSTANT), ..exact(format!("datetime{}", precision(*fraction))) }
        }
        Type::Uuid => Made {
            comment: Some(MADE_FOR_UUID),
            ..exact("char(36) CHARACTER SET ascii COLLATE ascii_bin".into())
        },
        Type::Json => exact("json".into()),
        Type::Enum { labels } => Made { text: true, ..exact(format!("enum({})", list(labels))) },
        Type::Set { labels } => Made { text: true, ..exact(format!("set({})", list(labels))) },
        Type::Year => exact("year".into()),
        Type::Geometry => exact("geometry".into()),
        Type::Interval => return Err("MySQL has no intervals".into()),
        Type::Array { .. } => return Err("MySQL has no arrays".into()),
        Type::Any => {
            return Err("a column of any type has no counterpart here; give it a type at the source".into());
        }
        Type::Native { engine, .. } => return Err(format!("only {engine} knows this type")),
    })
}

fn precision(fraction: u8) -> String {
    if fraction == 0 { String::new() } else { format!("({fraction})") }
}

fn text(length: Option<u32>, fixed: bool, indexed: bool) -> Made {
    let (native, narrow) = match length {
        Some(n) if fixed && n <= 255 => (format!("char({n})"), None),
        Some(n) if n <= if indexed { LONGEST_INDEXED } else { LONGEST_VARCHAR } => {
            (format!("varchar({n})"), None)
        }
        _ if indexed => (
            format!("varchar({INDEXED})"),
            Some(format!(
                "a key or index needs a length: texts of more than {INDEXED} characters are refused"
            )),
        ),
        _ => ("longtext".into(), None),
    };
    Made { native, comment: None, narrow, text: true }
}

fn bytes(length: Option<u32>, fixed: bool, indexed: bool) -> Made {
    let (native, narrow) = match length {
        Some(n) if fixed && n <= 255 => (format!("binary({n})"), None),
        Some(n) if n <= if indexed { 3_072 } else { 4_000 } => (format!("varbinary({n})"), None),
        _ if indexed => (
            format!("varbinary({INDEXED})"),
            Some(format!("a key or index needs a length: values of more than {INDEXED} octets are refused")),
        ),
        _ => ("longblob".into(), None),
    };
    Made { native, comment: None, narrow, text: false }
}

fn list(labels: &[String]) -> String {
    labels.iter().map(|l| crate::connect::literal(l)).collect::<Vec<_>>().join(",")
}

/// Word for word, but for what the two products do not share: collations, MariaDB's `uuid`.
fn same_engine(column: &Column, flavor: Flavor) -> Result<Made, String> {
    let native = &column.native;
    let kind = native.split(['(', ' ']).next().unwrap_or_default();
    let foreign = match flavor {
        Flavor::MySql => matches!(kind, "inet4" | "inet6" | "xmltype"),
        Flavor::MariaDb => kind == "vector",
    };
    if foreign {
        let product = if flavor == Flavor::MySql { "MySQL" } else { "MariaDB" };
        return Err(format!("{product} has no such type"));
    }
    let comment = match column.data_type {
        Type::Bool if native.starts_with("tinyint") => Some(MADE_FOR_BOOL),
        Type::Uuid if native.starts_with("char") => Some(MADE_FOR_UUID),
        Type::Timestamp { .. } if native.starts_with("datetime") => Some(MADE_FOR_INSTANT),
        _ => None,
    };
    let exact = Made { native: native.clone(), comment, narrow: None, text: false };
    Ok(match flavor {
        Flavor::MySql if native == "uuid" => Made {
            native: "char(36) CHARACTER SET ascii COLLATE ascii_bin".into(),
            comment: Some(MADE_FOR_UUID),
            ..exact
        },
        // MySQL's own short name.
        Flavor::MariaDb if native == "geomcollection" => {
            Made { native: "geometrycollection".into(), ..exact }
        }
        flavor => Made { native: near_collation(native, flavor), ..exact },
    })
}

/// MySQL's `…0900…` and MariaDB's `…uca1400…` and `…nopad…` collations in the other product's nearest.
fn near_collation(native: &str, flavor: Flavor) -> String {
    let Some((before, name)) = native.split_once(" COLLATE ") else { return native.to_owned() };
    let (name, after) = name.split_once(' ').map_or((name, String::new()), |(n, a)| (n, format!(" {a}")));
    let charset = name.split('_').next().unwrap_or("utf8mb4");
    let (binary, exact_case) = (name.ends_with("_bin"), name.contains("_as_cs"));
    let other = match flavor {
        Flavor::MariaDb if name.contains("_0900_") && binary => format!("{charset}_nopad_bin"),
        Flavor::MariaDb if name.contains("_0900_") && exact_case => format!("{charset}_bin"),
        Flavor::MariaDb if name.contains("_0900_") => format!("{charset}_unicode_520_ci"),
        Flavor::MySql if name.contains("_nopad_bin") && charset == "utf8mb4" => "utf8mb4_0900_bin".to_owned(),
        Flavor::MySql if name.contains("uca1400") && charset == "utf8mb4" => {
            if exact_case {
                "utf8mb4_0900_as_cs".to_owned()
            } else {
                "utf8mb4_0900_ai_ci".to_owned()
            }
        }
        Flavor::MySql if name.contains("uca1400") || name.contains("_nopad_") => {
            if binary {
                format!("{charset}_bin")
            } else {
                format!("{charset}_unicode_ci")
            }
        }
        _ => name.to_owned(),
    };
    format!("{before} COLLATE {other}{after}")
}

/// What becomes of the column's values: in a new table, or in the column that is there.
pub(crate) fn verdict(from: &str, flavor: Flavor, column: &Column, existing: Option<&Column>) -> Verdict {
    let Some(existing) = existing else {
        let otherwise = |becomes: &Type| {
            let column = Column { data_type: becomes.clone(), ..column.clone() };
            made("", &column, false, flavor).map(|made| made.native)
        };
        return match made(from, column, false, flavor) {
            Err(reason) => made_otherwise(&column.data_type, reason, otherwise),
            Ok(Made { native, narrow: Some(reason), .. }) => Verdict::Narrow { native, reason },
            Ok(Made { native, .. }) => Verdict::Exact { native },
        };
    };
    let native = &existing.native;
    if rounds(native) && !(from == ENGINE && column.native == *native) {
        let plain = if native.starts_with("float") { "FLOAT" } else { "DOUBLE" };
        let reason =
            format!("{native} rounds what it is given to so many digits; change the column to {plain}");
        return Verdict::Refused { reason };
    }
    let held = match holds(&column.data_type, &existing.data_type) {
        // What we make for a number of any size: nothing is rounded that was taken before.
        Holds::Converted(_) if widest(&column.data_type, &existing.data_type) => {
            Holds::Some("numbers of more than 35 digits before the point or 30 behind are refused")
        }
        Holds::All
            if matches!(column.data_type, Type::Timestamp { .. }) && native.starts_with("timestamp") =>
        {
            match from == ENGINE && column.native.starts_with("timestamp") {
                true => Holds::All,
                false => Holds::Some("instants before 1970 and after 2038-01-19 are refused"),
            }
        }
        held => held,
    };
    held.verdict(native, &existing.data_type)
}

fn widest(source: &Type, existing: &Type) -> bool {
    matches!(source, Type::Decimal { precision: None, .. })
        && *existing == Type::Decimal { precision: Some(65), scale: 30 }
}

/// `double(10,2)`, also with `unsigned` behind it.
fn rounds(native: &str) -> bool {
    let digits = native.strip_prefix("double(").or_else(|| native.strip_prefix("float("));
    digits.and_then(|d| d.split_once(')')).is_some_and(|(digits, _)| digits.contains(','))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(data_type: Type, indexed: bool) -> String {
        made("postgres", &Column::new("c", data_type, "x"), indexed, Flavor::MySql).unwrap().native
    }

    #[test]
    fn new_columns_hold_everything_their_type_allows() {
        assert_eq!(native(Type::Bool, false), "tinyint(1)");
        assert_eq!(native(Type::Int { bits: 24, unsigned: true }, false), "mediumint unsigned");
        assert_eq!(native(Type::text(), false), "longtext");
        assert_eq!(native(Type::text(), true), "varchar(255)");
        assert_eq!(native(Type::Timestamp { fraction: 6 }, false), "datetime(6)");
        assert_eq!(native(Type::Decimal { precision: Some(10), scale: 2 }, false), "decimal(10,2)");
        assert!(
            made("postgres", &Column::new("c", Type::Interval, "interval"), false, Flavor::MySql).is_err()
        );
    }

    #[test]
    fn what_the_other_product_does_not_have_gets_its_nearest() {
        let column = |native: &str| Column::new("c", Type::text(), native);
        let made = |c: &Column, f| same_engine(c, f).unwrap().native;
        assert_eq!(
            made(&column("varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci"), Flavor::MariaDb),
            "varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"
        );
        assert_eq!(
            made(&column("text CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci"), Flavor::MySql),
            "text CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci"
        );
        assert_eq!(made(&column("int"), Flavor::MySql), "int");
    }

    #[test]
    fn a_column_that_is_there_is_judged_by_what_it_can_hold() {
        let existing = |t: Type, n: &str| Column::new("c", t, n);
        let source = Column::new("c", Type::Timestamp { fraction: 6 }, "timestamptz");
        let ts = existing(Type::Timestamp { fraction: 6 }, "timestamp(6)");
        assert!(matches!(verdict("postgres", Flavor::MySql, &source, Some(&ts)), Verdict::Narrow { .. }));
        let int = Column::new("c", Type::int(32), "integer");
        assert!(matches!(
            verdict("postgres", Flavor::MySql, &int, Some(&existing(Type::int(64), "bigint"))),
            Verdict::Exact { .. }
        ));
        assert!(matches!(
            verdict("postgres", Flavor::MySql, &int, Some(&existing(Type::text(), "text"))),
            Verdict::Refused { .. }
        ));
        let interval = Column::new("c", Type::Interval, "interval");
        let Verdict::Lossy { native, becomes, .. } = verdict("postgres", Flavor::MySql, &interval, None)
        else {
            panic!()
        };
        assert_eq!((native.as_str(), becomes), ("longtext", Type::text()));
    }

    #[test]
    fn a_floating_point_column_that_rounds_to_its_digits_is_refused_but_for_its_like() {
        let double = Column::new("c", Type::Float64, "double precision");
        for native in ["double(10,2)", "double(10,2) unsigned", "float(7,4)"] {
            let there = Column::new("c", Type::Float64, native);
            let Verdict::Refused { reason } = verdict("postgres", Flavor::MySql, &double, Some(&there))
            else {
                panic!("{native}")
            };
            assert!(reason.contains(native), "{reason}");
            assert!(
                matches!(verdict("mysql", Flavor::MySql, &there, Some(&there)), Verdict::Exact { .. }),
                "{native}"
            );
            assert!(
                matches!(verdict("postgres", Flavor::MySql, &there, Some(&there)), Verdict::Refused { .. }),
                "{native}"
            );
        }
        let plain = Column::new("c", Type::Float64, "double");
        assert!(matches!(verdict("postgres", Flavor::MySql, &double, Some(&plain)), Verdict::Exact { .. }));
    }
}
