//! Dates, times and spans.

use crate::matrix::sample::Class::{Date, DateTime, Instant, Interval, Time, TimeZone};
use crate::matrix::sample::Hazard::{After9999, BeforeChrist, Infinite, Plain};
use crate::matrix::sample::{Edge, Sample, sample};

pub const TYPES: &[Sample] = &[
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
            Edge("'4714-11-24 BC'", BeforeChrist),
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
            Edge("'4714-11-24 00:00:00 BC'", BeforeChrist),
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
            Edge("'294276-12-31 23:59:59.999999+00'", After9999),
            Edge("'4714-11-24 00:00:00+00 BC'", BeforeChrist),
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
];
