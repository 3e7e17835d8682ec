//! Texts of every character set, and octets.

use crate::matrix::sample::Class::{Bytes, Text};
use crate::matrix::sample::Hazard::{Nul, Plain};
use crate::matrix::sample::{Edge, Sample, sample};

pub const TYPES: &[Sample] = &[
    sample("char(10)", Text, &[Edge("'abc'", Plain), Edge("''", Plain), Edge("'ünïcödé'", Plain)]),
    sample(
        "varchar(40)",
        Text,
        &[
            Edge("'trailing  '", Plain),
            Edge("''", Plain),
            Edge("repeat('😀', 40)", Plain),
            Edge("'a\\0b'", Nul),
        ],
    ),
    sample("tinytext", Text, &[Edge("repeat('x', 255)", Plain), Edge("''", Plain)]),
    sample("text", Text, TEXTS),
    sample("mediumtext", Text, &[Edge("repeat('ä', 100000)", Plain), Edge("''", Plain)]),
    sample("longtext", Text, &[Edge("repeat('ä', 100000)", Plain), Edge("'x'", Plain)]),
    sample(
        "varchar(50) CHARACTER SET latin1",
        Text,
        &[Edge("'äöü€'", Plain), Edge("x'81'", Plain), Edge("''", Plain)],
    ),
    sample("varchar(50) CHARACTER SET utf8mb3", Text, &[Edge("'日本'", Plain), Edge("''", Plain)]),
    sample("varchar(50) CHARACTER SET utf16", Text, &[Edge("'日😀'", Plain), Edge("''", Plain)]),
    sample("varchar(50) CHARACTER SET utf32", Text, &[Edge("'日😀'", Plain), Edge("''", Plain)]),
    sample("varchar(50) CHARACTER SET ucs2", Text, &[Edge("'€ü'", Plain), Edge("''", Plain)]),
    sample("varchar(50) CHARACTER SET gbk", Text, &[Edge("'汉字 a\\\\'", Plain), Edge("''", Plain)]),
    sample("text CHARACTER SET latin1", Text, &[Edge("'äöü€'", Plain), Edge("''", Plain)]),
    sample("char(10) CHARACTER SET utf16", Text, &[Edge("'aß'", Plain), Edge("''", Plain)]),
    sample("varchar(40) COLLATE utf8mb4_bin", Text, &[Edge("'A '", Plain), Edge("'a'", Plain)]),
    sample("varchar(40) CHARACTER SET ascii", Text, &[Edge("'ascii'", Plain), Edge("''", Plain)]),
    sample(
        "varchar(40) CHARACTER SET latin1 COLLATE latin1_bin",
        Text,
        &[Edge("'Ä '", Plain), Edge("'ä'", Plain), Edge("''", Plain)],
    ),
    sample(
        "binary(8)",
        Bytes,
        &[Edge("x'00ff000000000000'", Plain), Edge("x'0000000000000000'", Plain), Edge("'12345678'", Plain)],
    ),
    sample(
        "varbinary(300)",
        Bytes,
        &[Edge("x'00ff5c'", Plain), Edge("x''", Plain), Edge("repeat('a', 300)", Plain)],
    ),
    sample("tinyblob", Bytes, &[Edge("repeat(x'ff', 255)", Plain), Edge("x''", Plain)]),
    sample(
        "blob",
        Bytes,
        &[Edge("x'00ff5c0a0d09'", Plain), Edge("x''", Plain), Edge("repeat(x'ff', 65535)", Plain)],
    ),
    sample("mediumblob", Bytes, &[Edge("repeat(x'ff00', 50000)", Plain), Edge("x''", Plain)]),
    sample("longblob", Bytes, &[Edge("repeat(x'00', 100000)", Plain), Edge("x''", Plain)]),
];

const TEXTS: &[Edge] = &[
    Edge("''", Plain),
    Edge("'ä😀 \\\\ \" '' %'", Plain),
    Edge("'\\t\\n\\r\\\\N'", Plain),
    Edge("'NULL'", Plain),
    Edge("'  both  '", Plain),
    Edge("_utf8mb4 x'65cc81e2808defbbbf'", Plain),
    Edge("'a\\0b'", Nul),
    Edge("repeat('x', 65535)", Plain),
];
