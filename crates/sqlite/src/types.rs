//! Declared types ⇄ neutral types.
//!
//! SQLite's columns have a declared type of any spelling, of which it only takes the *affinity* (what text and numbers are turned into when they
//! are stored); any value may stand anywhere. We take the declared type at its word: a value that is not of it is refused when it is read,
//! with its place, and never guessed at (see `decode`).
//!
//! The types that we declare ourselves are chosen so that the affinity keeps every value exact and the name tells the neutral type when it is read
//! back: `NUMERIC(10,2)` up to fifteen digits, which a float holds exactly, and `DECIMAL_TEXT(38,10)` beyond; `UNSIGNED_TEXT(20)` for
//! unsigned 64 bits. A whole number that a user declared is taken as 64 bits wide, whatever its name says, because SQLite stores that in any of them.

use tidelock_model::{Column, ColumnDefault, Type};

/// What SQLite turns a value into when it is stored (datatype3, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// Whole numbers where possible.
    Integer,
    /// Text: numbers become text.
    Text,
    /// Nothing is turned into anything.
    Blob,
    /// Floats.
    Real,
    /// Numbers where text looks like one.
    Numeric,
}

impl Affinity {
    /// Of a declared type.
    pub fn of(declared: &str) -> Affinity {
        let upper = declared.to_ascii_uppercase();
        let has = |word: &str| upper.contains(word);
        if has("INT") {
            Affinity::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Affinity::Text
        } else if has("BLOB") || upper.trim().is_empty() {
            Affinity::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Affinity::Real
        } else {
            Affinity::Numeric
        }
    }
}

/// Most significant digits that every float keeps.
pub const FLOAT_DIGITS: u16 = 15;

/// A declared type taken apart: `VARCHAR (160)` is `VARCHAR` with 160.
struct Declared {
    name: String,
    first: Option<u32>,
    second: Option<u32>,
}

fn take_apart(declared: &str) -> Declared {
    let (before, rest) = declared.split_once('(').unwrap_or((declared, ""));
    let (inside, behind) = rest.split_once(')').unwrap_or((rest, ""));
    let mut numbers = inside.split(',').map(|n| n.trim().parse().ok());
    let words = format!("{before} {behind}").to_ascii_uppercase();
    let name = words.split_whitespace().collect::<Vec<_>>().join(" ");
    Declared { name, first: numbers.next().flatten(), second: numbers.next().flatten() }
}

/// The neutral type of a declared one; `None` where the name says nothing to us (its values travel as [`Type::Any`]).
pub fn neutral(declared: &str) -> Option<Type> {
    let Declared { name, first, second } = take_apart(declared);
    let fraction = first.map_or(6, |n| n.min(6) as u8);
    let text = |length| Type::Text { length, fixed: false };
    let bytes = |fixed| Type::Bytes { length: first, fixed };
    Some(match name.as_str() {
        "" | "ANY" => Type::Any,
        "BOOLEAN" | "BOOL" => Type::Bool,
        "INT_8BIT" => Type::int(8),
        "INT_16BIT" => Type::int(16),
        "INT_24BIT" => Type::int(24),
        "INT_32BIT" => Type::int(32),
        "UINT_8BIT" => Type::Int { bits: 8, unsigned: true },
        "UINT_16BIT" => Type::Int { bits: 16, unsigned: true },
        "UINT_24BIT" => Type::Int { bits: 24, unsigned: true },
        "UINT_32BIT" => Type::Int { bits: 32, unsigned: true },
        "UNSIGNED_TEXT" => Type::Int { bits: 64, unsigned: true },
        "FLOAT_32BIT" => Type::Float32,
        "REAL" | "DOUBLE" | "DOUBLE PRECISION" | "FLOAT" => Type::Float64,
        "NUMERIC" | "DECIMAL" | "DEC" | "NUMBER" | "DECIMAL_TEXT" => decimal(first, second),
        "DATE" => Type::Date,
        "TIME" | "TIME WITHOUT TIME ZONE" => Type::Time { fraction, zone: false },
        "TIMETZ" | "TIME WITH TIME ZONE" => Type::Time { fraction, zone: true },
        "DATETIME" | "TIMESTAMP" | "TIMESTAMP WITHOUT TIME ZONE" => Type::DateTime { fraction },
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => Type::Timestamp { fraction },
        "INTERVAL" => Type::Interval,
        "UUID" | "UUID_TEXT" => Type::Uuid,
        "JSON" | "JSON_TEXT" => Type::Json,
        "YEAR" => Type::Year,
        "BIT_TEXT" => Type::Bits { length: first, varying: false },
        "VARBIT_TEXT" => Type::Bits { length: first, varying: true },
        "BLOB" | "VARBINARY" | "BYTEA" => bytes(false),
        "BINARY" => bytes(true),
        "TEXT" | "CLOB" | "ENUM_TEXT" | "SET_TEXT" => text(first),
        "CHAR" | "CHARACTER" | "NCHAR" | "VARCHAR" | "NVARCHAR" | "VARCHAR2" | "NVARCHAR2" => text(first),
        "CHARACTER VARYING" | "VARYING CHARACTER" | "NATIVE CHARACTER" => text(first),
        "TINYTEXT" | "MEDIUMTEXT" | "LONGTEXT" => text(None),
        "TINYBLOB" | "MEDIUMBLOB" | "LONGBLOB" => Type::bytes(),
        _ if is_integer(&name) => Type::int(64),
        _ => return None,
    })
}

/// A column of each declared type, for the page of types.
pub fn samples() -> Vec<Column> {
    let declared = [
        "INTEGER",
        "BIGINT",
        "INT_8BIT",
        "INT_16BIT",
        "INT_24BIT",
        "INT_32BIT",
        "UINT_32BIT",
        "YEAR",
        "REAL",
        "FLOAT_32BIT",
        "TEXT",
        "VARCHAR(40)",
        "CHAR(5)",
        "ENUM_TEXT",
        "SET_TEXT",
        "BLOB",
        "VARBINARY(300)",
        "BINARY(8)",
        "NUMERIC(12,2)",
        "NUMERIC(30,10)",
        "DECIMAL_TEXT(38,10)",
        "NUMERIC",
        "DECIMAL_TEXT",
        "BOOLEAN",
        "DATE",
        "TIME",
        "TIMETZ",
        "DATETIME",
        "TIMESTAMPTZ",
        "INTERVAL",
        "UUID",
        "UUID_TEXT",
        "JSON",
        "JSON_TEXT",
        "UNSIGNED_TEXT(20)",
        "BIT_TEXT(8)",
        "VARBIT_TEXT",
        "ANY",
        "",
    ];
    declared.iter().map(|d| Column::new("c", neutral(d).unwrap_or(Type::Any), *d)).collect()
}

fn is_integer(name: &str) -> bool {
    let signed =
        name.trim_end_matches(" UNSIGNED").trim_end_matches(" SIGNED").trim_start_matches("UNSIGNED ");
    let names = [
        "INTEGER",
        "INT",
        "BIGINT",
        "SMALLINT",
        "TINYINT",
        "MEDIUMINT",
        "BIG INT",
        "INT2",
        "INT4",
        "INT8",
        "LONG INT",
    ];
    names.contains(&signed)
}

fn decimal(precision: Option<u32>, scale: Option<u32>) -> Type {
    match precision.and_then(|p| u16::try_from(p).ok()) {
        Some(p) => Type::Decimal {
            precision: Some(p),
            scale: scale.and_then(|s| i16::try_from(s).ok()).unwrap_or(0),
        },
        None => Type::Decimal { precision: None, scale: 0 },
    }
}

/// The type that we declare for a neutral one; the reason why not where there is none.
pub fn declared(column: &Column) -> Result<String, String> {
    if column.default == Some(ColumnDefault::AutoIncrement) && matches!(column.data_type, Type::Int { .. }) {
        return Ok("INTEGER".into());
    }
    let sized = |name: &str, n: Option<u32>| n.map_or_else(|| name.to_owned(), |n| format!("{name}({n})"));
    Ok(match &column.data_type {
        Type::Bool => "BOOLEAN".into(),
        Type::Int { bits: 64, unsigned: true } => "UNSIGNED_TEXT(20)".into(),
        Type::Int { bits: 64, unsigned: false } => "BIGINT".into(),
        Type::Int { bits, unsigned } => format!("{}INT_{bits}BIT", if *unsigned { "U" } else { "" }),
        Type::Decimal { precision: Some(p), scale }
            if *p <= FLOAT_DIGITS && (0..=*p as i16).contains(scale) =>
        {
            format!("NUMERIC({p},{scale})")
        }
        Type::Decimal { precision: Some(p), scale } if *scale >= 0 => format!("DECIMAL_TEXT({p},{scale})"),
        Type::Decimal { .. } => "DECIMAL_TEXT".into(),
        Type::Float32 => "FLOAT_32BIT".into(),
        Type::Float64 => "DOUBLE".into(),
        Type::Text { length: None, .. } => "TEXT".into(),
        Type::Text { length, fixed } => sized(if *fixed { "CHAR" } else { "VARCHAR" }, *length),
        Type::Bytes { length: None, .. } => "BLOB".into(),
        Type::Bytes { length, fixed } => sized(if *fixed { "BINARY" } else { "VARBINARY" }, *length),
        Type::Bits { length, varying } => sized(if *varying { "VARBIT_TEXT" } else { "BIT_TEXT" }, *length),
        Type::Date => "DATE".into(),
        Type::Time { fraction, zone } => format!("{}({fraction})", if *zone { "TIMETZ" } else { "TIME" }),
        Type::DateTime { fraction } => format!("DATETIME({fraction})"),
        Type::Timestamp { fraction } => format!("TIMESTAMPTZ({fraction})"),
        Type::Interval => "INTERVAL".into(),
        Type::Uuid => "UUID_TEXT".into(),
        Type::Json => "JSON_TEXT".into(),
        Type::Enum { .. } => "ENUM_TEXT".into(),
        Type::Set { .. } => "SET_TEXT".into(),
        Type::Year => "YEAR".into(),
        Type::Any => String::new(),
        Type::Array { .. } => return Err("SQLite has no arrays".into()),
        Type::Geometry => return Err("SQLite has no geometries".into()),
        Type::Native { engine, .. } => return Err(format!("only {engine} knows this type")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(bits: u8, unsigned: bool) -> Type {
        Type::Int { bits, unsigned }
    }

    #[test]
    fn what_we_declare_is_read_back_as_what_it_was() {
        let mut types = vec![
            Type::Bool,
            Type::Decimal { precision: Some(10), scale: 2 },
            Type::Decimal { precision: Some(38), scale: 10 },
            Type::Decimal { precision: None, scale: 0 },
            Type::Float32,
            Type::Float64,
            Type::text(),
            Type::Text { length: Some(9), fixed: false },
            Type::bytes(),
            Type::Bytes { length: Some(9), fixed: true },
            Type::Bytes { length: Some(9), fixed: false },
            Type::Bits { length: Some(3), varying: false },
            Type::Bits { length: None, varying: true },
            Type::Date,
            Type::Time { fraction: 6, zone: true },
            Type::DateTime { fraction: 0 },
            Type::Timestamp { fraction: 3 },
            Type::Interval,
            Type::Uuid,
            Type::Json,
            Type::Year,
            Type::Any,
        ];
        types.extend([8, 16, 24, 32, 64].into_iter().flat_map(|b| [int(b, false), int(b, true)]));
        for data_type in types {
            let declared = declared(&Column::new("c", data_type.clone(), "")).unwrap();
            assert_eq!(neutral(&declared), Some(data_type), "{declared}");
        }
    }

    #[test]
    fn what_must_stay_text_has_text_affinity() {
        for name in
            ["DECIMAL_TEXT(38,10)", "UNSIGNED_TEXT(20)", "UUID_TEXT", "JSON_TEXT", "ENUM_TEXT", "BIT_TEXT(8)"]
        {
            assert_eq!(Affinity::of(name), Affinity::Text, "{name}");
        }
        assert_eq!(Affinity::of("UINT_32BIT"), Affinity::Integer);
        assert_eq!(Affinity::of("FLOAT_32BIT"), Affinity::Real);
        assert_eq!(Affinity::of("FLOATING POINT"), Affinity::Integer);
        assert_eq!(Affinity::of("STRING"), Affinity::Numeric);
    }

    #[test]
    fn what_users_declare_is_understood() {
        assert_eq!(neutral("nvarchar (160)"), Some(Type::Text { length: Some(160), fixed: false }));
        assert_eq!(neutral("NUMERIC(10, 2)"), Some(Type::Decimal { precision: Some(10), scale: 2 }));
        assert_eq!(neutral("INT(11) UNSIGNED"), Some(Type::int(64)));
        assert_eq!(neutral("tinyint"), Some(Type::int(64)));
        assert_eq!(neutral("TIMESTAMP(3) WITH TIME ZONE"), Some(Type::Timestamp { fraction: 3 }));
        assert_eq!(neutral("MONEY"), None);
    }
}
