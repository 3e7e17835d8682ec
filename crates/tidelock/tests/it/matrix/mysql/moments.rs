//! Dates and times, with each number of digits behind the second.

use crate::matrix::sample::Class::{Date, DateTime, Instant, Time};
use crate::matrix::sample::Hazard::{NoDay, Plain, Span};
use crate::matrix::sample::{Edge, Sample, sample};

pub const TYPES: &[Sample] = &[
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
    sample("time(0)", Time, &[Edge("'12:34:56'", Plain), Edge("'23:59:59'", Plain)]),
    sample("time(1)", Time, &[Edge("'12:34:56.7'", Plain), Edge("'23:59:59.9'", Plain)]),
    sample("time(2)", Time, &[Edge("'12:34:56.07'", Plain), Edge("'23:59:59.99'", Plain)]),
    sample("time(3)", Time, &[Edge("'12:34:56.789'", Plain), Edge("'-00:00:00.001'", Span)]),
    sample("time(4)", Time, &[Edge("'12:34:56.0007'", Plain), Edge("'23:59:59.9999'", Plain)]),
    sample("time(5)", Time, &[Edge("'12:34:56.00007'", Plain), Edge("'23:59:59.99999'", Plain)]),
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
    sample("datetime(0)", DateTime, &[Edge("'2024-01-01 00:00:00'", Plain)]),
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
        "timestamp(0) NULL",
        Instant,
        &[Edge("'2024-06-01 12:00:00'", Plain), Edge("'2038-01-19 03:14:07'", Plain)],
    ),
    sample(
        "timestamp(1) NULL",
        Instant,
        &[Edge("'2024-06-01 12:00:00.7'", Plain), Edge("'2038-01-19 03:14:07.9'", Plain)],
    ),
    sample(
        "timestamp(2) NULL",
        Instant,
        &[Edge("'2024-06-01 12:00:00.07'", Plain), Edge("'2038-01-19 03:14:07.99'", Plain)],
    ),
    sample(
        "timestamp(3) NULL",
        Instant,
        &[Edge("'2024-06-01 12:00:00.007'", Plain), Edge("'2038-01-19 03:14:07.999'", Plain)],
    ),
    sample(
        "timestamp(4) NULL",
        Instant,
        &[Edge("'2024-06-01 12:00:00.0007'", Plain), Edge("'2038-01-19 03:14:07.9999'", Plain)],
    ),
    sample(
        "timestamp(5) NULL",
        Instant,
        &[Edge("'2024-06-01 12:00:00.00007'", Plain), Edge("'2038-01-19 03:14:07.99999'", Plain)],
    ),
    sample(
        "timestamp(6) NULL",
        Instant,
        &[
            Edge("'2024-06-01 12:00:00.123456'", Plain),
            Edge("'1970-01-01 00:00:01.5'", Plain),
            Edge("'2038-01-19 03:14:07.999999'", Plain),
        ],
    ),
];
