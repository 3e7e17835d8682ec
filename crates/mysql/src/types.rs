//! Native column types → neutral [`Type`] and [`Codec`]: one table, one match.
//!
//! What a neutral type becomes here, in a table to be made, stands in `verdict.rs`. Where MySQL has no type of its own (an instant beyond 2038, a
//! UUID, a boolean) the column made for it carries a comment `tidelock:<kind>`, which is read here: so A→B→A gives back what it was.

use crate::charset::Charset;
use crate::codec::Codec;
use std::sync::Arc;
use tidelock_model::{Column, Type};

/// A column as `information_schema.columns` tells it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Native {
    /// `data_type`: `varchar`.
    pub data_type: String,
    /// `column_type`: `varchar(100)`.
    pub column_type: String,
    /// Characters (or octets, for binary types).
    pub length: Option<u64>,
    pub precision: Option<u64>,
    pub scale: Option<u64>,
    pub fraction: Option<u64>,
    pub charset: Option<String>,
    pub comment: String,
    /// MariaDB checks it by `json_valid`.
    pub json_check: bool,
    pub mariadb: bool,
    /// A MariaDB whose UUIDs can be told in the log (10.11.5 and later).
    pub uuid: bool,
}

/// Comments that name what a column was made for.
pub(crate) const MADE_FOR_BOOL: &str = "tidelock:bool";
pub(crate) const MADE_FOR_UUID: &str = "tidelock:uuid";
pub(crate) const MADE_FOR_INSTANT: &str = "tidelock:instant";

/// The neutral type and how its values are read and written.
pub(crate) fn read(native: &Native) -> (Type, Codec) {
    let unsigned = native.column_type.contains(" unsigned") || native.column_type.contains(" zerofill");
    let int = |bits| (Type::Int { bits, unsigned }, Codec::Int { bits, unsigned });
    let fraction = native.fraction.unwrap_or(0) as u8;
    let charset = || Charset::named(native.charset.as_deref().unwrap_or("binary"));
    let length = native.length.and_then(|n| u32::try_from(n).ok());
    if native.column_type.contains("COMPRESSED") {
        return unknown(native);
    }
    match native.data_type.as_str() {
        "tinyint" if native.comment == MADE_FOR_BOOL => (Type::Bool, Codec::Bool),
        "tinyint" => int(8),
        "smallint" => int(16),
        "mediumint" => int(24),
        "int" => int(32),
        "bigint" => int(64),
        "year" => (Type::Year, Codec::Year),
        "decimal" => {
            let (precision, scale) =
                (native.precision.unwrap_or(10) as u16, native.scale.unwrap_or(0) as u16);
            (
                Type::Decimal { precision: Some(precision), scale: scale as i16 },
                Codec::Decimal { precision, scale },
            )
        }
        "float" => (Type::Float32, Codec::Float { double: false, signed_zero: !native.mariadb }),
        "double" => (Type::Float64, Codec::Float { double: true, signed_zero: !native.mariadb }),
        "char" if native.comment == MADE_FOR_UUID && length == Some(36) => {
            (Type::Uuid, Codec::UuidText(charset()))
        }
        "char" => (Type::Text { length, fixed: true }, Codec::Text { charset: charset(), fixed: true }),
        "longtext" if native.json_check => (Type::Json, Codec::JsonText(charset())),
        "varchar" => (Type::Text { length, fixed: false }, Codec::Text { charset: charset(), fixed: false }),
        "tinytext" | "text" | "mediumtext" | "longtext" => {
            let length = if native.data_type == "longtext" { None } else { length };
            (Type::Text { length, fixed: false }, Codec::Text { charset: charset(), fixed: false })
        }
        "binary" => {
            let codec = Codec::Bytes { fixed: Some(length.unwrap_or(1) as usize) };
            (Type::Bytes { length, fixed: true }, codec)
        }
        "varbinary" => (Type::Bytes { length, fixed: false }, Codec::Bytes { fixed: None }),
        "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            let length = if native.data_type == "longblob" { None } else { length };
            (Type::Bytes { length, fixed: false }, Codec::Bytes { fixed: None })
        }
        "bit" => {
            let length = native.precision.unwrap_or(1) as u32;
            (Type::Bits { length: Some(length), varying: false }, Codec::Bits(length))
        }
        "date" => (Type::Date, Codec::Date),
        "time" => (Type::Time { fraction, zone: false }, Codec::Time { fraction }),
        "datetime" if native.comment == MADE_FOR_INSTANT => {
            (Type::Timestamp { fraction }, Codec::Instant { fraction })
        }
        "datetime" => (Type::DateTime { fraction }, Codec::DateTime { fraction }),
        "timestamp" => (Type::Timestamp { fraction }, Codec::Timestamp { fraction }),
        "json" => (Type::Json, Codec::Json),
        "enum" => {
            let labels = labels(&native.column_type);
            (Type::Enum { labels: labels.clone() }, Codec::Enum(Arc::from(labels)))
        }
        "set" => {
            let labels = labels(&native.column_type);
            (Type::Set { labels: labels.clone() }, Codec::Set(Arc::from(labels)))
        }
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geomcollection" | "geometrycollection" => (Type::Geometry, Codec::Geometry),
        "uuid" if native.uuid => (Type::Uuid, Codec::Uuid),
        "inet4" => (native_type(native), Codec::Inet(4)),
        "inet6" => (native_type(native), Codec::Inet(16)),
        "vector" if !native.mariadb => (native_type(native), Codec::Vector),
        _ => unknown(native),
    }
}

fn unknown(native: &Native) -> (Type, Codec) {
    (native_type(native), Codec::Native(native.column_type.clone()))
}

fn native_type(native: &Native) -> Type {
    Type::Native { engine: crate::ENGINE.to_owned(), name: native.column_type.clone() }
}

/// A column of each type, for the page of types.
pub(crate) fn samples(mariadb: bool) -> Vec<Column> {
    let sized = |column_type: &str| {
        let inside = column_type.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(i, _)| i);
        let mut numbers = inside.into_iter().flat_map(|i| i.split(',')).map(|n| n.trim().parse().ok());
        (numbers.next().flatten(), numbers.next().flatten())
    };
    let of = |column_type: &str| {
        let (first, second) = sized(column_type);
        let data_type = column_type.split([' ', '(']).next().unwrap_or_default().to_owned();
        let temporal = matches!(data_type.as_str(), "time" | "datetime" | "timestamp");
        let json = mariadb && data_type == "json";
        let length = match data_type.as_str() {
            "tinytext" | "tinyblob" => Some(255),
            "text" | "blob" => Some(65_535),
            "mediumtext" | "mediumblob" => Some(16_777_215),
            _ => first,
        };
        let native = Native {
            data_type: if json { "longtext".to_owned() } else { data_type },
            column_type: column_type.to_owned(),
            length,
            precision: first,
            scale: second,
            fraction: if temporal { first } else { None },
            charset: Some("utf8mb4".to_owned()),
            comment: String::new(),
            json_check: json,
            mariadb,
            uuid: mariadb,
        };
        Column::new("c", read(&native).0, column_type)
    };
    let both = [
        "tinyint",
        "tinyint(1)",
        "tinyint unsigned",
        "smallint",
        "smallint unsigned",
        "mediumint",
        "mediumint unsigned",
        "int",
        "int unsigned",
        "bigint",
        "bigint unsigned",
        "decimal(10,2)",
        "decimal(65,30)",
        "float",
        "double",
        "bit(1)",
        "bit(64)",
        "char(10)",
        "varchar(40)",
        "varchar(4000)",
        "tinytext",
        "text",
        "mediumtext",
        "longtext",
        "binary(8)",
        "varbinary(300)",
        "tinyblob",
        "blob",
        "mediumblob",
        "longblob",
        "enum('a','b')",
        "set('a','b')",
        "year",
        "date",
        "time",
        "time(6)",
        "datetime",
        "datetime(6)",
        "timestamp",
        "timestamp(6)",
        "json",
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
    ];
    let own: &[&str] = if mariadb { &["uuid", "inet4", "inet6"] } else { &["vector(3)"] };
    both.iter().chain(own).map(|t| of(t)).collect()
}

/// The labels of `enum('a','it''s')`. Both products write backslash, line breaks and NUL with a backslash, whatever the session's mode.
fn labels(column_type: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut rest = column_type.split_once('(').map_or("", |(_, r)| r).chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\'' {
            continue;
        }
        let mut label = String::new();
        while let Some(c) = rest.next() {
            match c {
                '\'' if rest.peek() == Some(&'\'') => label.extend(rest.next()),
                '\'' => break,
                '\\' => label.extend(rest.next().map(|c| match c {
                    'n' => '\n',
                    'r' => '\r',
                    '0' => '\0',
                    c => c,
                })),
                c => label.push(c),
            }
        }
        labels.push(label);
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(data_type: &str, column_type: &str) -> Native {
        Native { data_type: data_type.into(), column_type: column_type.into(), ..Native::default() }
    }

    #[test]
    fn labels_keep_their_quotes_and_commas() {
        assert_eq!(labels("enum('a','it''s','x,y','')"), ["a", "it's", "x,y", ""]);
        assert_eq!(labels(r"enum('a\\b','\n\r\0','\\''','\\n')"), ["a\\b", "\n\r\0", "\\'", "\\n"]);
    }

    #[test]
    fn a_tinyint_is_a_number_unless_it_was_made_for_a_boolean() {
        assert_eq!(read(&native("tinyint", "tinyint(1)")).0, Type::Int { bits: 8, unsigned: false });
        let made = Native { comment: MADE_FOR_BOOL.into(), ..native("tinyint", "tinyint(1)") };
        assert_eq!(read(&made).0, Type::Bool);
    }

    #[test]
    fn what_we_do_not_know_is_native() {
        assert!(
            matches!(read(&native("xmltype", "xmltype")).0, Type::Native { name, .. } if name == "xmltype")
        );
        assert!(matches!(read(&native("text", "text /*M!100301 COMPRESSED*/")).0, Type::Native { .. }));
    }
}
