//! Types that tidelock declares where another database has them, and those that users declare for the same.

use crate::matrix::sample::Class::{Bits, Bytes, Decimal, Float, Int, Json, Text, Uuid, Year};
use crate::matrix::sample::Hazard::{NotANumber, Plain, TwiceNamed, Wide, WideJson};
use crate::matrix::sample::{Edge, Sample, sample};

pub const TYPES: &[Sample] = &[
    sample("INT_8BIT", Int, &[Edge("-128", Plain), Edge("127", Plain)]),
    sample("UINT_8BIT", Int, &[Edge("0", Plain), Edge("255", Plain)]),
    sample("INT_16BIT", Int, &[Edge("-32768", Plain), Edge("32767", Plain)]),
    sample("UINT_16BIT", Int, &[Edge("0", Plain), Edge("65535", Plain)]),
    sample("INT_24BIT", Int, &[Edge("-8388608", Plain), Edge("8388607", Plain)]),
    sample("UINT_24BIT", Int, &[Edge("0", Plain), Edge("16777215", Plain)]),
    sample("INT_32BIT", Int, &[Edge("-2147483648", Plain), Edge("2147483647", Plain)]),
    sample("UINT_32BIT", Int, &[Edge("0", Plain), Edge("4294967295", Plain)]),
    sample(
        "UNSIGNED_TEXT(20)",
        Int,
        &[Edge("'18446744073709551615'", Plain), Edge("'9223372036854775808'", Plain), Edge("0", Plain)],
    ),
    sample("YEAR", Year, &[Edge("0", Plain), Edge("1901", Plain), Edge("2155", Plain)]),
    sample("FLOAT_32BIT", Float, &[Edge("0.5", Plain), Edge("3.4028234663852886e38", Plain)]),
    sample(
        "NUMERIC(30,10)",
        Decimal,
        &[Edge("12.5", Plain), Edge("123456789.0123", Plain), Edge("-9007199254740993", Plain)],
    ),
    sample(
        "DECIMAL_TEXT(38,10)",
        Decimal,
        &[Edge("'-1234567890123456789012345678.0123456789'", Plain), Edge("'0.0000000001'", Plain)],
    ),
    sample(
        "DECIMAL_TEXT",
        Decimal,
        &[
            Edge("'12345678901234567890123456789012345.123456789012345678901234567890'", Plain),
            Edge("'1000000000000000000000000000000000000'", Wide),
            Edge("'0.0000000000000000000000000000001'", Wide),
            Edge("'NaN'", NotANumber),
        ],
    ),
    sample(
        "UUID",
        Uuid,
        &[
            Edge("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", Plain),
            Edge("'ffffffff-ffff-ffff-ffff-ffffffffffff'", Plain),
        ],
    ),
    sample("UUID_TEXT", Uuid, &[Edge("'00000000-0000-0000-0000-000000000000'", Plain)]),
    sample("JSON", Json, &[Edge("'{\"b\": [1, null, \"ä😀\"], \"a\": {}}'", Plain), Edge("7", Plain)]),
    sample(
        "JSON_TEXT",
        Json,
        &[
            Edge("'{\"\": 1.0}'", Plain),
            Edge("'null'", Plain),
            Edge("'\"\\\\ \\\" \\u0001\"'", Plain),
            Edge("'1e400'", WideJson),
            Edge("'0.1234567890123456789'", WideJson),
            Edge("'{\"a\": 1, \"a\": 2}'", TwiceNamed),
        ],
    ),
    sample("BIT_TEXT(8)", Bits(8), &[Edge("'10000001'", Plain), Edge("'00000000'", Plain)]),
    sample("VARBIT_TEXT", Bits(0), &[Edge("'101'", Plain), Edge("''", Plain)]),
    sample("CHAR(5)", Text, &[Edge("'ab'", Plain), Edge("'ünïcö'", Plain)]),
    sample("ENUM_TEXT", Text, &[Edge("'a label'", Plain)]),
    sample("SET_TEXT", Text, &[Edge("'one,two'", Plain), Edge("''", Plain)]),
    sample("VARBINARY(300)", Bytes, &[Edge("x'00ff'", Plain), Edge("x''", Plain)]),
    sample("BINARY(3)", Bytes, &[Edge("x'00ff5c'", Plain)]),
];
