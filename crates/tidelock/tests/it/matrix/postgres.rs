//! PostgreSQL's types.

use super::sample::Class::{
    Array, Bits, Bool, Bytes, Date, DateTime, Decimal, Float, Instant, Int, Interval, Json, Native, Text,
    Time, TimeZone, Uuid,
};
use super::sample::Hazard::{
    After9999, BeforeChrist, Infinite, InfiniteNumber, NegativeZero, NotANumber, Plain, TwiceNamed, Wide,
    WideJson,
};
use super::sample::{Class, Edge, Sample};

/// What the samples need beside the tables.
pub const SETUP: &[&str] = &[
    "CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s', 'ü')",
    "CREATE DOMAIN percent AS numeric(5,2) CHECK (VALUE BETWEEN 0 AND 100)",
    "CREATE DOMAIN short AS varchar(10)",
    "CREATE TYPE pair AS (a integer, b text)",
];

/// Of the same in a database that is written to: composites are never made there.
pub const SETUP_THERE: &[&str] = &["CREATE TYPE pair AS (a integer, b text)"];

pub const TYPES: &[Sample] = &[
    sample("boolean", Bool, &[Edge("true", Plain), Edge("false", Plain)]),
    sample("smallint", Int, &[Edge("-32768", Plain), Edge("32767", Plain), Edge("0", Plain)]),
    sample("integer", Int, &[Edge("-2147483648", Plain), Edge("2147483647", Plain), Edge("0", Plain)]),
    sample(
        "bigint",
        Int,
        &[Edge("-9223372036854775808", Plain), Edge("9223372036854775807", Plain), Edge("0", Plain)],
    ),
    sample("oid", Int, &[Edge("4294967295", Plain), Edge("0", Plain)]),
    sample(
        "numeric",
        Decimal,
        &[
            Edge("0", Plain),
            Edge("-0.000000000000000000000000000001", Plain),
            Edge("12345678901234567890123456789012345.123456789012345678901234567890", Plain),
            Edge("1.10", Plain),
            Edge("1e36", Wide),
            Edge("0.0000000000000000000000000000001", Wide),
            Edge("('1' || repeat('0', 2000) || '.' || repeat('7', 500))::numeric", Wide),
            Edge("'NaN'", NotANumber),
            Edge("'Infinity'", InfiniteNumber),
            Edge("'-Infinity'", InfiniteNumber),
        ],
    ),
    sample(
        "numeric(12,2)",
        Decimal,
        &[Edge("-9999999999.99", Plain), Edge("0.01", Plain), Edge("0", Plain), Edge("'NaN'", NotANumber)],
    ),
    sample(
        "numeric(38,10)",
        Decimal,
        &[Edge("-1234567890123456789012345678.0123456789", Plain), Edge("0.0000000001", Plain)],
    ),
    sample("numeric(3,-2)", Decimal, &[Edge("99900", Plain), Edge("-100", Plain)]),
    sample("numeric(2,5)", Decimal, &[Edge("0.00099", Plain), Edge("-0.00001", Plain)]),
    sample("percent", Decimal, &[Edge("100", Plain), Edge("0.01", Plain)]),
    sample(
        "real",
        Float,
        &[
            Edge("0.1", Plain),
            Edge("'3.4028235e38'", Plain),
            Edge("'1e-45'", Plain),
            Edge("'-0'", NegativeZero),
            Edge("'NaN'", NotANumber),
            Edge("'Infinity'", InfiniteNumber),
            Edge("'-Infinity'", InfiniteNumber),
        ],
    ),
    sample(
        "double precision",
        Float,
        &[
            Edge("0.1", Plain),
            Edge("0.1::float8 + 0.2::float8", Plain),
            Edge("'1.7976931348623157e308'", Plain),
            Edge("'5e-324'", Plain),
            Edge("9007199254740993", Plain),
            Edge("'-0'", NegativeZero),
            Edge("'NaN'", NotANumber),
            Edge("'Infinity'", InfiniteNumber),
            Edge("'-Infinity'", InfiniteNumber),
        ],
    ),
    sample("money", Native, &[Edge("'-92233720368547758.08'", Plain), Edge("'0.01'", Plain)]),
    sample("text", Text, TEXTS),
    sample(
        "varchar(40)",
        Text,
        &[Edge("'trailing  '", Plain), Edge("''", Plain), Edge("repeat('😀', 40)", Plain)],
    ),
    sample("varchar", Text, &[Edge("'x'", Plain), Edge("''", Plain)]),
    sample("short", Text, &[Edge("'of a domain'::varchar(10)", Plain), Edge("''", Plain)]),
    sample("char(5)", Text, &[Edge("'ab'", Plain), Edge("''", Plain), Edge("'ünïcö'", Plain)]),
    sample("\"char\"", Native, &[Edge("'a'", Plain), Edge("''", Plain)]),
    sample("name", Native, &[Edge("'a_name'", Plain), Edge("''", Plain)]),
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
        "date",
        Date,
        &[
            Edge("'2024-02-29'", Plain),
            Edge("'0001-01-01'", Plain),
            Edge("'1582-10-10'", Plain),
            Edge("'9999-12-31'", Plain),
            Edge("'10000-01-01'", After9999),
            Edge("'5874897-12-31'", After9999),
            Edge("'0044-03-15 BC'", BeforeChrist),
            Edge("'4713-01-01 BC'", BeforeChrist),
            Edge("'infinity'", Infinite),
            Edge("'-infinity'", Infinite),
        ],
    ),
    sample(
        "time",
        Time,
        &[
            Edge("'00:00'", Plain),
            Edge("'24:00'", Plain),
            Edge("'23:59:59.999999'", Plain),
            Edge("'12:34:56.5'", Plain),
        ],
    ),
    sample("time(0)", Time, &[Edge("'12:34:56'", Plain)]),
    sample(
        "timetz",
        TimeZone,
        &[
            Edge("'12:00+05:30'", Plain),
            Edge("'00:00-15:59:59'", Plain),
            Edge("'24:00+00'", Plain),
            Edge("'23:59:59.999999+15:59'", Plain),
        ],
    ),
    sample(
        "timestamp",
        DateTime,
        &[
            Edge("'2024-02-29 12:34:56.000001'", Plain),
            Edge("'0001-01-01 00:00:00'", Plain),
            Edge("'9999-12-31 23:59:59.999999'", Plain),
            Edge("'10000-01-01'", After9999),
            Edge("'294276-12-31 23:59:59.999999'", After9999),
            Edge("'4713-01-01 00:00:00 BC'", BeforeChrist),
            Edge("'infinity'", Infinite),
            Edge("'-infinity'", Infinite),
        ],
    ),
    sample("timestamp(3)", DateTime, &[Edge("'2024-02-29 12:34:56.001'", Plain)]),
    sample(
        "timestamptz",
        Instant,
        &[
            Edge("'2024-06-01 12:00:00.123456+02'", Plain),
            Edge("'1970-01-01 00:00:00+00'", Plain),
            Edge("'1969-12-31 23:59:59.999999+00'", Plain),
            Edge("'2038-01-19 03:14:08+00'", Plain),
            Edge("'2024-03-31 02:30:00 Europe/Berlin'", Plain),
            Edge("'2024-10-27 02:30:00+01'", Plain),
            Edge("'9999-12-31 23:59:59.999999+00'", Plain),
            Edge("'10000-01-01 00:00:00+00'", After9999),
            Edge("'0001-01-01 00:00:00+00 BC'", Plain),
            Edge("'0044-03-15 00:00:00+00 BC'", BeforeChrist),
            Edge("'infinity'", Infinite),
            Edge("'-infinity'", Infinite),
        ],
    ),
    sample(
        "interval",
        Interval,
        &[
            Edge("'1 year -2 days 3.000001 seconds'", Plain),
            Edge("'-00:00:01'", Plain),
            Edge("'0'", Plain),
            Edge("'178000000 years'", Plain),
            Edge("'-178000000 years'", Plain),
            Edge("'1 mon -1 days'", Plain),
        ],
    ),
    sample("interval day to second(0)", Interval, &[Edge("'2 days 03:04:05'", Plain)]),
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
    sample("mood", Text, &[Edge("'sad'", Plain), Edge("'it''s'", Plain), Edge("'ü'", Plain)]),
    sample("bit(10)", Bits(10), &[Edge("B'1010000001'", Plain), Edge("B'0000000000'", Plain)]),
    sample("bit(64)", Bits(64), &[Edge("repeat('1', 64)::bit(64)", Plain), Edge("B'1'::bit(64)", Plain)]),
    sample("bit(70)", Bits(0), &[Edge("repeat('10', 35)::bit(70)", Plain)]),
    sample(
        "varbit",
        Bits(0),
        &[Edge("B'101'", Plain), Edge("B''", Plain), Edge("repeat('1', 1000)::varbit", Plain)],
    ),
    sample(
        "integer[]",
        Array,
        &[Edge("'{1,NULL,3}'", Plain), Edge("'{}'", Plain), Edge("'[0:1][2:3]={{1,2},{3,4}}'", Plain)],
    ),
    sample(
        "text[]",
        Array,
        &[Edge(r#"'{"a,b","c\"d","NULL",NULL,""," x ","{}","\\"}'"#, Plain), Edge("'{}'", Plain)],
    ),
    sample("numeric(6,2)[]", Array, &[Edge("'{1.50,NaN}'", Plain)]),
    sample("timestamptz[]", Array, &[Edge("'{\"2024-06-01 12:00:00+02\",infinity,NULL}'", Plain)]),
    sample("bytea[]", Array, &[Edge(r"ARRAY['\x00ff'::bytea, '\x'::bytea, NULL]", Plain)]),
    sample("mood[]", Array, &[Edge("'{sad,\"it''s\"}'", Plain)]),
    sample("box[]", Array, &[Edge("'{(1,1),(0,0);(2,2),(1,1)}'", Plain)]),
    sample("int4range[]", Array, &[Edge("'{\"[1,5)\",empty}'", Plain)]),
    sample("pair", Native, &[Edge("ROW(1, 'a \"b\", (c)')", Plain), Edge("ROW(NULL, '')", Plain)]),
    sample("int4range", Native, &[Edge("'[1,5)'", Plain), Edge("'empty'", Plain), Edge("'(,)'", Plain)]),
    sample("int8range", Native, &[Edge("'[-9223372036854775808,9223372036854775807)'", Plain)]),
    sample("numrange", Native, &[Edge("'(0.1,NaN]'", Plain)]),
    sample("daterange", Native, &[Edge("'[2024-02-29,infinity)'", Plain)]),
    sample("tsrange", Native, &[Edge("'[\"2024-01-01 00:00:00.000001\",)'", Plain)]),
    sample("tstzrange", Native, &[Edge("'[\"2024-01-01 00:00:00+02\",\"2024-06-01 00:00:00+02\"]'", Plain)]),
    sample("int4multirange", Native, &[Edge("'{[1,3),[5,7)}'", Plain), Edge("'{}'", Plain)]),
    sample("datemultirange", Native, &[Edge("'{[2024-01-01,2024-02-01)}'", Plain)]),
    sample(
        "inet",
        Native,
        &[Edge("'10.0.0.1/8'", Plain), Edge("'::1'", Plain), Edge("'::ffff:1.2.3.4/96'", Plain)],
    ),
    sample("cidr", Native, &[Edge("'10.0.0.0/8'", Plain), Edge("'2001:db8::/32'", Plain)]),
    sample("macaddr", Native, &[Edge("'08:00:2b:01:02:03'", Plain)]),
    sample("macaddr8", Native, &[Edge("'08:00:2b:01:02:03:04:05'", Plain)]),
    sample("point", Native, &[Edge("'(0.1,-0)'", Plain), Edge("'(NaN,Infinity)'", Plain)]),
    sample("line", Native, &[Edge("'{1,-1,0.1}'", Plain)]),
    sample("lseg", Native, &[Edge("'[(0,0),(1,1)]'", Plain)]),
    sample("box", Native, &[Edge("'(1,1),(0,0)'", Plain)]),
    sample("path", Native, &[Edge("'[(0,0),(1,1)]'", Plain), Edge("'((0,0),(1,1))'", Plain)]),
    sample("polygon", Native, &[Edge("'((0,0),(1,1),(2,0))'", Plain)]),
    sample("circle", Native, &[Edge("'<(0,0),1.5>'", Plain)]),
    sample(
        "tsvector",
        Native,
        &[Edge("to_tsvector('simple', 'a fat cat''s \\ back')", Plain), Edge("''", Plain)],
    ),
    sample("tsquery", Native, &[Edge("'fat & (rat | !cat:*)'", Plain)]),
    sample("xml", Native, &[Edge("'<a b=\"1\">ü &amp; x</a>'", Plain)]),
    sample("jsonpath", Native, &[Edge("'$.a[*] ? (@ > 1)'", Plain)]),
    sample("pg_lsn", Native, &[Edge("'16/B374D848'", Plain)]),
    sample("pg_snapshot", Native, &[Edge("'10:20:10,14,15'", Plain)]),
    sample("xid8", Native, &[Edge("'18446744073709551615'", Plain)]),
    sample("xid", Native, &[Edge("'4294967295'", Plain)]),
    sample("cid", Native, &[Edge("'4294967295'", Plain)]),
    sample("tid", Native, &[Edge("'(4294967295,65535)'", Plain)]),
    sample("oidvector", Native, &[Edge("'1 2 3'", Plain)]),
    sample("int2vector", Native, &[Edge("'1 -2 3'", Plain)]),
    sample("regclass", Native, &[Edge("'pg_class'", Plain)]),
    sample("regtype", Native, &[Edge("'character varying'", Plain)]),
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

const fn sample(native: &'static str, class: Class, values: &'static [Edge]) -> Sample {
    Sample { native, class, values }
}
