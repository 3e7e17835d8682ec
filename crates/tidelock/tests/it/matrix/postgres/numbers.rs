//! Numbers, and truth values.

use crate::matrix::sample::Class::{Bool, Decimal, Float, Int, Native};
use crate::matrix::sample::Hazard::{InfiniteNumber, NegativeZero, NotANumber, Plain, Wide};
use crate::matrix::sample::{Edge, Sample, sample};

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
            Edge("('1' || repeat('0', 131071) || '.' || repeat('7', 16383))::numeric", Wide),
            Edge("('-0.' || repeat('0', 16382) || '1')::numeric", Wide),
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
    sample("little", Decimal, &[Edge("9.99", Plain), Edge("0", Plain)]),
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
    sample(
        "money",
        Native,
        &[
            Edge("'-92233720368547758.08'", Plain),
            Edge("'0.01'", Plain),
            Edge("'92233720368547758.07'", Plain),
            Edge("'0'", Plain),
        ],
    ),
];
