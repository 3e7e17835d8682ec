//! Numbers and bits.

use crate::matrix::sample::Class::{Bits, Decimal, Float, Int, Year};
use crate::matrix::sample::Hazard::{NegativeZero, Plain};
use crate::matrix::sample::{Edge, Sample, sample};

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
    sample("tinyint zerofill", Int, &[Edge("7", Plain), Edge("255", Plain), Edge("0", Plain)]),
    sample("smallint zerofill", Int, &[Edge("7", Plain), Edge("65535", Plain), Edge("0", Plain)]),
    sample("mediumint zerofill", Int, &[Edge("7", Plain), Edge("16777215", Plain), Edge("0", Plain)]),
    sample("int zerofill", Int, &[Edge("7", Plain), Edge("4294967295", Plain), Edge("0", Plain)]),
    sample(
        "bigint zerofill",
        Int,
        &[Edge("7", Plain), Edge("18446744073709551615", Plain), Edge("0", Plain)],
    ),
    sample("bit(1)", Bits(1), &[Edge("b'1'", Plain), Edge("b'0'", Plain)]),
    sample("bit(7)", Bits(7), &[Edge("b'1000001'", Plain), Edge("b'0'", Plain)]),
    sample("bit(8)", Bits(8), &[Edge("b'10000001'", Plain), Edge("b'0'", Plain)]),
    sample("bit(9)", Bits(9), &[Edge("b'100000001'", Plain), Edge("b'11111111'", Plain)]),
    sample("bit(10)", Bits(10), &[Edge("b'1010000001'", Plain), Edge("b'0'", Plain)]),
    sample("bit(16)", Bits(16), &[Edge("b'1000000000000001'", Plain), Edge("b'0'", Plain)]),
    sample("bit(63)", Bits(63), &[Edge("9223372036854775807", Plain), Edge("b'1'", Plain)]),
    sample("bit(64)", Bits(64), &[Edge("18446744073709551615", Plain), Edge("b'1'", Plain)]),
    sample(
        "decimal(65,30)",
        Decimal,
        &[
            Edge("-12345678901234567890123456789012345.123456789012345678901234567890", Plain),
            Edge("0.000000000000000000000000000001", Plain),
            Edge("0", Plain),
            Edge("99999999999999999999999999999999999.999999999999999999999999999999", Plain),
            Edge("-99999999999999999999999999999999999.999999999999999999999999999999", Plain),
        ],
    ),
    sample(
        "decimal(65,0)",
        Decimal,
        &[
            Edge("99999999999999999999999999999999999999999999999999999999999999999", Plain),
            Edge("-99999999999999999999999999999999999999999999999999999999999999999", Plain),
            Edge("0", Plain),
        ],
    ),
    sample("decimal(10,2)", Decimal, &[Edge("-99999999.99", Plain), Edge("0.01", Plain)]),
    sample("decimal(5,0)", Decimal, &[Edge("-99999", Plain), Edge("7", Plain)]),
    sample("decimal(30,30)", Decimal, &[Edge("-0.999999999999999999999999999999", Plain), Edge("0", Plain)]),
    sample("decimal(10,2) unsigned", Decimal, &[Edge("99999999.99", Plain), Edge("0", Plain)]),
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
    sample("float zerofill", Float, &[Edge("1.5", Plain), Edge("0", Plain)]),
    sample("float(7,4)", Float, &[Edge("123.4567", Plain), Edge("-999.9999", Plain), Edge("0.0001", Plain)]),
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
    sample("double unsigned", Float, &[Edge("1.7976931348623157e308", Plain), Edge("0", Plain)]),
    sample("double zerofill", Float, &[Edge("1.5", Plain), Edge("0", Plain)]),
    sample("double(10,2)", Float, &[Edge("-99999999.99", Plain), Edge("0.01", Plain)]),
    sample("year", Year, &[Edge("2024", Plain), Edge("0", Plain), Edge("1901", Plain), Edge("2155", Plain)]),
];
