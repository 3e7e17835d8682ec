//! Texts, octets, bits, JSON and what else is written as a text.

use crate::matrix::sample::Class::{Bits, Bytes, Json, Native, Text, Uuid};
use crate::matrix::sample::Hazard::{Plain, TwiceNamed, WideJson};
use crate::matrix::sample::{Edge, Sample, sample};

pub const TYPES: &[Sample] = &[
    sample("text", Text, TEXTS),
    sample(
        "varchar(40)",
        Text,
        &[Edge("'trailing  '", Plain), Edge("''", Plain), Edge("repeat('😀', 40)", Plain)],
    ),
    sample("varchar", Text, &[Edge("'x'", Plain), Edge("''", Plain)]),
    sample("short", Text, &[Edge("'of a domain'::varchar(10)", Plain), Edge("''", Plain)]),
    sample("char(5)", Text, &[Edge("'ab'", Plain), Edge("''", Plain), Edge("'ünïcö'", Plain)]),
    sample("bpchar", Text, &[Edge("'ab'", Plain), Edge("''", Plain), Edge("repeat('ä', 100)", Plain)]),
    sample("\"char\"", Native, &[Edge("'a'", Plain), Edge("''", Plain)]),
    sample("name", Native, &[Edge("'a_name'", Plain), Edge("''", Plain)]),
    sample("mood", Text, &[Edge("'sad'", Plain), Edge("'it''s'", Plain), Edge("'ü'", Plain)]),
    sample("feeling", Text, &[Edge("'sad'", Plain), Edge("'it''s'", Plain)]),
    sample(
        "bytea",
        Bytes,
        &[
            Edge("'\\x00ff5c0a0d09'", Plain),
            Edge("''", Plain),
            Edge("decode(repeat('ff00', 5000), 'hex')", Plain),
        ],
    ),
    sample(
        "uuid",
        Uuid,
        &[
            Edge("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", Plain),
            Edge("'00000000-0000-0000-0000-000000000000'", Plain),
            Edge("'ffffffff-ffff-ffff-ffff-ffffffffffff'", Plain),
        ],
    ),
    sample("json", Json, JSONS),
    sample("jsonb", Json, JSONS_ONCE),
    sample("bit(10)", Bits(10), &[Edge("B'1010000001'", Plain), Edge("B'0000000000'", Plain)]),
    sample("bit(64)", Bits(64), &[Edge("repeat('1', 64)::bit(64)", Plain), Edge("B'1'::bit(64)", Plain)]),
    sample("bit(70)", Bits(0), &[Edge("repeat('10', 35)::bit(70)", Plain)]),
    sample(
        "varbit",
        Bits(0),
        &[Edge("B'101'", Plain), Edge("B''", Plain), Edge("repeat('1', 1000)::varbit", Plain)],
    ),
    sample("citext", Native, &[Edge("'Ärger  '", Plain), Edge("''", Plain)]),
    sample("xml", Native, &[Edge("'<a b=\"1\">ü &amp; x</a>'", Plain)]),
    sample("jsonpath", Native, &[Edge("'$.a[*] ? (@ > 1)'", Plain)]),
    sample("refcursor", Native, &[Edge("'a cursor'", Plain), Edge("''", Plain)]),
];

const TEXTS: &[Edge] = &[
    Edge("''", Plain),
    Edge("'ä😀 \\ \" '' %'", Plain),
    Edge("E'\\t\\n\\r\\x01\\\\N'", Plain),
    Edge("'\\N'", Plain),
    Edge("'NULL'", Plain),
    Edge("E'e\\u0301 \\u200d \\ufeff'", Plain),
    Edge("'  both  '", Plain),
    Edge("U&'\\+10FFFF'", Plain),
    Edge("repeat('ä', 100000)", Plain),
];

const JSONS: &[Edge] = &[
    Edge("'{\"b\": 1.0, \"a\": [null, \"ä😀\", true, {}]}'", Plain),
    Edge("'null'", Plain),
    Edge("'\"x\"'", Plain),
    Edge("'  [ 1 , 2 ]  '", Plain),
    Edge("'{\"n\": 9007199254740993}'", Plain),
    Edge("'1e400'", WideJson),
    Edge("'0.1234567890123456789'", WideJson),
    Edge("'{\"a\": 1, \"a\": 2}'", TwiceNamed),
];

const JSONS_ONCE: &[Edge] = &[
    Edge("'{\"b\": 1.0, \"a\": [null, \"ä😀\", true, {}]}'", Plain),
    Edge("'null'", Plain),
    Edge("'\"\\\\ \\\" \\u0001\"'", Plain),
    Edge("'{\"n\": 18446744073709551615, \"m\": -9223372036854775808}'", Plain),
    Edge("'0.1234567890123456789'", WideJson),
    Edge("'123456789012345678901234567890'", WideJson),
];
