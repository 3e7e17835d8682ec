//! MySQL's and MariaDB's types.

mod labels;
mod moments;
mod numbers;
mod others;
mod texts;

use super::sample::Class::{Geometry, Json, Native, Text, Uuid};
use super::sample::Hazard::{Deep, Plain, TwiceNamed, WideJson};
use super::sample::{Edge, Sample, sample};

/// Both products have these.
pub fn samples() -> Vec<&'static Sample> {
    let all = [numbers::TYPES, texts::TYPES, moments::TYPES, others::TYPES, labels::many()];
    all.into_iter().flatten().collect()
}

/// MySQL alone.
pub const MYSQL: &[Sample] = &[
    sample("vector(3)", Geometry, &[Edge("TO_VECTOR('[1,-0.5,1e30]')", Plain)]),
    sample("vector(16383)", Geometry, &[Edge("TO_VECTOR(concat('[-1', repeat(',0.5', 16382), ']'))", Plain)]),
    sample(
        "varchar(40) COLLATE utf8mb4_0900_bin",
        Text,
        &[Edge("'A '", Plain), Edge("'a'", Plain), Edge("''", Plain)],
    ),
    sample(
        "json",
        Json,
        &[
            Edge(
                "json_array(CAST('2024-02-29 12:00:00.5' AS DATETIME(6)), CAST('-12:30:00.25' AS TIME(6)), CAST(-12.340 AS DECIMAL(10,3)), x'00ff')",
                Plain,
            ),
            Edge("json_array(CAST('12345678901234567890.0123456789' AS DECIMAL(40,10)))", WideJson),
            Edge(
                "json_array(CAST('2024-02-29' AS DATE), CAST('2024-02-29 12:00:00' AS DATETIME), CAST('12:30:00' AS TIME), CAST(1.5 AS DECIMAL(3,1)))",
                Plain,
            ),
            Edge("CAST(CAST('0.5' AS DECIMAL(2,1)) AS JSON)", Plain),
            Edge("CAST(CAST('2024-02-29' AS DATE) AS JSON)", Plain),
            Edge("concat(repeat('[', 100), repeat(']', 100))", Deep),
            Edge("CAST(ST_GeomFromText('POINT(1 2)') AS JSON)", Plain),
            Edge("json_array(b'1010', x'')", Plain),
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
            Edge("'ffffffff-ffff-ffff-ffff-ffffffffffff'", Plain),
        ],
    ),
    sample(
        "inet4",
        Native,
        &[
            Edge("'10.0.0.1'", Plain),
            Edge("'0.0.0.0'", Plain),
            Edge("'10.0.0.0'", Plain),
            Edge("'255.255.255.255'", Plain),
        ],
    ),
    sample(
        "inet6",
        Native,
        &[
            Edge("'::1'", Plain),
            Edge("'::'", Plain),
            Edge("'2001:db8::'", Plain),
            Edge("'::ffff:1.2.3.4'", Plain),
            Edge("'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'", Plain),
        ],
    ),
    sample(
        "json",
        Json,
        &[Edge("'{\"a\": 1, \"a\": 2}'", TwiceNamed), Edge("'  [ 1 , 0.1234567890123456789 ]'", WideJson)],
    ),
];
