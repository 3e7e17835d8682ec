//! MySQL's and MariaDB's types.

use super::sample::Class::{
    Bits, Bytes, Date, DateTime, Decimal, Float, Geometry, Instant, Int, Json, Native, Text, Time, Uuid, Year,
};
use super::sample::Hazard::{NegativeZero, NoDay, Nul, Plain, Span, TwiceNamed, WideJson};
use super::sample::{Class, Edge, Sample};

/// Both products have these.
pub const TYPES: &[Sample] = &[
    sample("tinyint", Int, &[Edge("-128", Plain), Edge("127", Plain), Edge("0", Plain)]),
    sample("tinyint unsigned", Int, &[Edge("255", Plain), Edge("0", Plain)]),
    sample("tinyint(1)", Int, &[Edge("1", Plain), Edge("0", Plain), Edge("-7", Plain)]),
    sample("smallint", Int, &[Edge("-32768", Plain), Edge("32767", Plain)]),
    sample("smallint unsigned", Int, &[Edge("65535", Plain), Edge("0", Plain)]),
    sample("mediumint", Int, &[Edge("-8388608", Plain), Edge("8388607", Plain), Edge("-1", Plain)]),
    sample("mediumint unsigned", Int, &[Edge("16777215", Plain), Edge("0", Plain)]),
    sample("int", Int, &[Edge("-2147483648", Plain), Edge("2147483647", Plain)]),
    sample("int unsigned", Int, &[Edge("4294967295", Plain), Edge("0", Plain)]),
    sample("int(6) zerofill", Int, &[Edge("42", Plain), Edge("4294967295", Plain)]),
    sample("bigint", Int, &[Edge("-9223372036854775808", Plain), Edge("9223372036854775807", Plain)]),
    sample(
        "bigint unsigned",
        Int,
        &[Edge("18446744073709551615", Plain), Edge("9223372036854775808", Plain), Edge("0", Plain)],
    ),
    sample("bit(1)", Bits(1), &[Edge("b'1'", Plain), Edge("b'0'", Plain)]),
    sample("bit(7)", Bits(7), &[Edge("b'1000001'", Plain), Edge("b'0'", Plain)]),
    sample("bit(10)", Bits(10), &[Edge("b'1010000001'", Plain), Edge("b'0'", Plain)]),
    sample("bit(64)", Bits(64), &[Edge("18446744073709551615", Plain), Edge("b'1'", Plain)]),
    sample(
        "decimal(65,30)",
        Decimal,
        &[
            Edge("-12345678901234567890123456789012345.123456789012345678901234567890", Plain),
            Edge("0.000000000000000000000000000001", Plain),
            Edge("0", Plain),
        ],
    ),
    sample("decimal(10,2)", Decimal, &[Edge("-99999999.99", Plain), Edge("0.01", Plain)]),
    sample("decimal(5,0)", Decimal, &[Edge("-99999", Plain), Edge("7", Plain)]),
    sample("decimal(30,30)", Decimal, &[Edge("-0.999999999999999999999999999999", Plain), Edge("0", Plain)]),
    sample("decimal(6,2) unsigned zerofill", Decimal, &[Edge("1.5", Plain), Edge("9999.99", Plain)]),
    sample(
        "float",
        Float,
        &[
            Edge("0.1", Plain),
            Edge("3.4028234e38", Plain),
            Edge("1.17549435e-38", Plain),
            Edge("-0e0", NegativeZero),
        ],
    ),
    sample("float unsigned", Float, &[Edge("16777216", Plain), Edge("0", Plain)]),
    sample(
        "double",
        Float,
        &[
            Edge("0.1", Plain),
            Edge("1.7976931348623157e308", Plain),
            Edge("5e-324", Plain),
            Edge("-0e0", NegativeZero),
            Edge("9007199254740993", Plain),
        ],
    ),
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
    sample("blob", Bytes, &[Edge("x'00ff5c0a0d09'", Plain), Edge("x''", Plain)]),
    sample("mediumblob", Bytes, &[Edge("repeat(x'ff00', 50000)", Plain), Edge("x''", Plain)]),
    sample("longblob", Bytes, &[Edge("repeat(x'00', 100000)", Plain), Edge("x''", Plain)]),
    sample(
        "enum('small','it''s','ü','x,y')",
        Text,
        &[Edge("'it''s'", Plain), Edge("'x,y'", Plain), Edge("'ü'", Plain)],
    ),
    sample(
        "set('one','two','drei')",
        Text,
        &[Edge("'one,drei'", Plain), Edge("''", Plain), Edge("'one,two,drei'", Plain)],
    ),
    sample("year", Year, &[Edge("2024", Plain), Edge("0", Plain), Edge("1901", Plain), Edge("2155", Plain)]),
    sample(
        "date",
        Date,
        &[
            Edge("'2024-02-29'", Plain),
            Edge("'1000-01-01'", Plain),
            Edge("'0001-01-01'", Plain),
            Edge("'9999-12-31'", Plain),
            Edge("'0000-00-00'", NoDay),
            Edge("'2020-00-10'", NoDay),
            Edge("'2020-10-00'", NoDay),
            Edge("'2023-02-30'", NoDay),
        ],
    ),
    sample(
        "time",
        Time,
        &[
            Edge("'00:00:00'", Plain),
            Edge("'23:59:59'", Plain),
            Edge("'-00:00:01'", Span),
            Edge("'838:59:59'", Span),
            Edge("'-838:59:59'", Span),
        ],
    ),
    sample("time(3)", Time, &[Edge("'12:34:56.789'", Plain), Edge("'-00:00:00.001'", Span)]),
    sample("time(6)", Time, &[Edge("'12:34:56.000001'", Plain), Edge("'-838:59:58.999999'", Span)]),
    sample(
        "datetime",
        DateTime,
        &[
            Edge("'2024-02-29 12:34:56'", Plain),
            Edge("'9999-12-31 23:59:59'", Plain),
            Edge("'0000-00-00 00:00:00'", NoDay),
            Edge("'2020-00-00 01:02:03'", NoDay),
        ],
    ),
    sample("datetime(1)", DateTime, &[Edge("'2024-01-01 00:00:00.5'", Plain)]),
    sample("datetime(2)", DateTime, &[Edge("'2024-01-01 00:00:00.05'", Plain)]),
    sample("datetime(3)", DateTime, &[Edge("'2024-01-01 00:00:00.005'", Plain)]),
    sample("datetime(4)", DateTime, &[Edge("'2024-01-01 00:00:00.0005'", Plain)]),
    sample("datetime(5)", DateTime, &[Edge("'2024-01-01 00:00:00.00005'", Plain)]),
    sample(
        "datetime(6)",
        DateTime,
        &[
            Edge("'2024-01-01 00:00:00.000005'", Plain),
            Edge("'9999-12-31 23:59:59.999999'", Plain),
            Edge("'2020-00-10 01:02:03.04'", NoDay),
        ],
    ),
    sample(
        "timestamp NULL",
        Instant,
        &[
            Edge("'2024-06-01 12:00:00'", Plain),
            Edge("'1970-01-01 00:00:01'", Plain),
            Edge("'2038-01-19 03:14:07'", Plain),
            Edge("'0000-00-00 00:00:00'", NoDay),
        ],
    ),
    sample(
        "timestamp(6) NULL",
        Instant,
        &[Edge("'2024-06-01 12:00:00.123456'", Plain), Edge("'1970-01-01 00:00:01.5'", Plain)],
    ),
    sample(
        "json",
        Json,
        &[
            Edge("'{\"b\": [1, -2, 3.5, null, true, false, \"x\\\\n\\\\u0001ü\\\\\"\"], \"a\": {}}'", Plain),
            Edge("'null'", Plain),
            Edge("'\"text\"'", Plain),
            Edge(
                "'[0, 32767, 32768, 2147483648, 9223372036854775807, 18446744073709551615, 1e20, 1.0, 1e-7]'",
                Plain,
            ),
            Edge("json_object('k', repeat('x', 70000), 'l', json_array(1, 70000, 5000000000))", Plain),
        ],
    ),
    sample(
        "geometry",
        Geometry,
        &[
            Edge("ST_GeomFromText('POINT(1 2)')", Plain),
            Edge("ST_GeomFromText('LINESTRING(0 0, 1 1)')", Plain),
        ],
    ),
    sample("point", Geometry, &[Edge("ST_GeomFromText('POINT(-0.5 1e300)')", Plain)]),
    sample("polygon", Geometry, &[Edge("ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))')", Plain)]),
    sample(
        "geometrycollection",
        Geometry,
        &[Edge("ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))')", Plain)],
    ),
];

/// MySQL alone.
pub const MYSQL: &[Sample] = &[
    sample("vector(3)", Geometry, &[Edge("TO_VECTOR('[1,-0.5,1e30]')", Plain)]),
    sample(
        "json",
        Json,
        &[
            Edge(
                "json_array(CAST('2024-02-29 12:00:00.5' AS DATETIME(6)), CAST('-12:30:00.25' AS TIME(6)), CAST(-12.340 AS DECIMAL(10,3)), x'00ff')",
                Plain,
            ),
            Edge("json_array(CAST('12345678901234567890.0123456789' AS DECIMAL(40,10)))", WideJson),
        ],
    ),
];

/// MariaDB alone.
pub const MARIADB: &[Sample] = &[
    sample(
        "uuid",
        Uuid,
        &[
            Edge("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", Plain),
            Edge("'00000000-0000-0000-0000-000000000000'", Plain),
        ],
    ),
    sample(
        "inet4",
        Native,
        &[Edge("'10.0.0.1'", Plain), Edge("'0.0.0.0'", Plain), Edge("'10.0.0.0'", Plain)],
    ),
    sample(
        "inet6",
        Native,
        &[
            Edge("'::1'", Plain),
            Edge("'::'", Plain),
            Edge("'2001:db8::'", Plain),
            Edge("'::ffff:1.2.3.4'", Plain),
        ],
    ),
    sample(
        "json",
        Json,
        &[Edge("'{\"a\": 1, \"a\": 2}'", TwiceNamed), Edge("'  [ 1 , 0.1234567890123456789 ]'", WideJson)],
    ),
];

const TEXTS: &[Edge] = &[
    Edge("''", Plain),
    Edge("'ä😀 \\\\ \" '' %'", Plain),
    Edge("'\\t\\n\\r\\\\N'", Plain),
    Edge("'NULL'", Plain),
    Edge("'  both  '", Plain),
    Edge("_utf8mb4 x'65cc81e2808defbbbf'", Plain),
    Edge("'a\\0b'", Nul),
];

const fn sample(native: &'static str, class: Class, values: &'static [Edge]) -> Sample {
    Sample { native, class, values }
}
