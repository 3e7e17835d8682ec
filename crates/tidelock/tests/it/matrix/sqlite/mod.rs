//! SQLite: five storage classes under every affinity.

mod declared;
mod moments;

use super::sample::Class::{Any, Bytes, Decimal, Float, Int, Text};
use super::sample::Hazard::{InfiniteNumber, NotUtf8, Nul, Plain};
use super::sample::{Class, Edge, Sample, sample};

pub fn samples() -> Vec<&'static Sample> {
    TYPES.iter().chain(declared::TYPES).chain(moments::TYPES).collect()
}

const TYPES: &[Sample] = &[
    sample(
        "INTEGER",
        Int,
        &[Edge("-9223372036854775808", Plain), Edge("9223372036854775807", Plain), Edge("0", Plain)],
    ),
    sample("BIGINT", Int, &[Edge("-1", Plain), Edge("'12'", Plain)]),
    sample(
        "REAL",
        Float,
        &[
            Edge("0.1", Plain),
            Edge("1.7976931348623157e308", Plain),
            Edge("5e-324", Plain),
            Edge("3", Plain),
            Edge("0.1 + 0.2", Plain),
            Edge("9007199254740993", Plain),
            // The affinity takes the sign.
            Edge("-0.0", Plain),
            Edge("9e999", InfiniteNumber),
            Edge("-9e999", InfiniteNumber),
        ],
    ),
    sample(
        "TEXT",
        Text,
        &[
            Edge("''", Plain),
            Edge("'ä😀 \\ \" '' %'", Plain),
            Edge("'\\N'", Plain),
            Edge("char(9, 10, 13, 1)", Plain),
            Edge("'e' || char(769, 8205, 65279)", Plain),
            Edge("char(1114111)", Plain),
            Edge("replace(hex(zeroblob(100000)), '0', 'ä')", Plain),
            Edge("12", Plain),
            Edge("'a' || char(0) || 'b'", Nul),
            Edge("CAST(x'ff' AS TEXT)", NotUtf8),
            Edge("CAST(x'61eda080' AS TEXT)", NotUtf8),
        ],
    ),
    sample("VARCHAR(40)", Text, &[Edge("'trailing  '", Plain), Edge("''", Plain)]),
    sample("BLOB", Bytes, &[Edge("x'00ff5c'", Plain), Edge("x''", Plain), Edge("zeroblob(5000)", Plain)]),
    sample(
        "NUMERIC(12,2)",
        Decimal,
        &[Edge("12.5", Plain), Edge("-3", Plain), Edge("'9999999999.99'", Plain)],
    ),
    sample("NUMERIC", Decimal, &[Edge("12.5", Plain), Edge("9223372036854775807", Plain)]),
    sample("BOOLEAN", Class::Bool, &[Edge("1", Plain), Edge("0", Plain)]),
    sample("", Any, ANY),
    sample("ANY", Any, ANY),
];

/// Every storage class; in a column `ANY` of a STRICT table nothing is turned into anything.
const ANY: &[Edge] = &[
    Edge("1", Plain),
    Edge("-9223372036854775808", Plain),
    Edge("1.5", Plain),
    Edge("'1'", Plain),
    Edge("'text'", Plain),
    Edge("x'31'", Plain),
    Edge("x''", Plain),
    Edge("''", Plain),
];
