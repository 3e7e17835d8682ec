//! Dates and times, as SQLite's users spell them.

use crate::matrix::sample::Class::{Date, DateTime, Instant, Interval, Time, TimeZone};
use crate::matrix::sample::Hazard::{After9999, BeforeChrist, Infinite, NoDay, Plain, Span};
use crate::matrix::sample::{Edge, Sample, sample};

pub const TYPES: &[Sample] = &[
    sample(
        "DATE",
        Date,
        &[
            Edge("'2024-02-29'", Plain),
            Edge("'0001-01-01'", Plain),
            Edge("'9999-12-31'", Plain),
            Edge("'0000-00-00'", NoDay),
            Edge("'2023-02-30'", NoDay),
            Edge("'2020-00-10'", NoDay),
            Edge("'-0043-03-15'", BeforeChrist),
            Edge("'10000-01-01'", After9999),
            Edge("'infinity'", Infinite),
        ],
    ),
    sample(
        "DATETIME",
        DateTime,
        &[
            Edge("'2024-02-29 12:34:56'", Plain),
            Edge("'2024-02-29 12:34:56.000001'", Plain),
            Edge("'2024-02-29T12:34:56.5'", Plain),
            Edge("'2020-00-00 01:02:03'", NoDay),
            Edge("'-0043-03-15 00:00:00'", BeforeChrist),
            Edge("'10000-01-01 00:00:00'", After9999),
            Edge("'-infinity'", Infinite),
        ],
    ),
    sample("TIMESTAMP(3)", DateTime, &[Edge("'2024-02-29 12:34:56.789'", Plain)]),
    sample(
        "TIMESTAMPTZ",
        Instant,
        &[
            Edge("'2024-06-01 12:00:00.123456+00:00'", Plain),
            Edge("'2024-06-01T12:00:00Z'", Plain),
            Edge("'9999-12-31 23:59:59.999999+00:00'", Plain),
            Edge("'10000-01-01 00:00:00+00:00'", After9999),
            Edge("'infinity'", Infinite),
        ],
    ),
    sample(
        "TIME",
        Time,
        &[
            Edge("'12:34:56'", Plain),
            Edge("'23:59:59.999999'", Plain),
            Edge("'-00:00:01'", Span),
            Edge("'838:59:59'", Span),
        ],
    ),
    sample("TIMETZ", TimeZone, &[Edge("'12:00:00+05:30'", Plain), Edge("'23:59:59.999999-15:59'", Plain)]),
    sample("INTERVAL", Interval, &[Edge("'P1Y2M3DT4H5M6.000007S'", Plain), Edge("'PT0S'", Plain)]),
];
