//! Labels, JSON and geometry.

use crate::matrix::sample::Class::{Geometry, Json, Text};
use crate::matrix::sample::Hazard::Plain;
use crate::matrix::sample::{Edge, Sample, sample};

pub const TYPES: &[Sample] = &[
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
            Edge("'true'", Plain),
            Edge("'false'", Plain),
            Edge("'7'", Plain),
            Edge("'-0.5'", Plain),
            Edge(r#"'{"": {"": []}}'"#, Plain),
            Edge(r#"'"𝄞😀"'"#, Plain),
            Edge(r#"'{"😀": 1}'"#, Plain),
        ],
    ),
    sample(
        "geometry",
        Geometry,
        &[
            Edge("ST_GeomFromText('POINT(1 2)')", Plain),
            Edge("ST_GeomFromText('LINESTRING(0 0, 1 1)')", Plain),
            Edge("ST_GeomFromText('POINT(1 2)', 4326)", Plain),
        ],
    ),
    sample("point", Geometry, &[Edge("ST_GeomFromText('POINT(-0.5 1e300)')", Plain)]),
    sample("polygon", Geometry, &[Edge("ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))')", Plain)]),
    sample(
        "geometrycollection",
        Geometry,
        &[
            Edge("ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))')", Plain),
            Edge("ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')", Plain),
        ],
    ),
    sample("linestring", Geometry, &[Edge("ST_GeomFromText('LINESTRING(0 0, 1.5 -1, 2 2)')", Plain)]),
    sample("multipoint", Geometry, &[Edge("ST_GeomFromText('MULTIPOINT(0 0, 1 1)')", Plain)]),
    sample(
        "multilinestring",
        Geometry,
        &[Edge("ST_GeomFromText('MULTILINESTRING((0 0, 1 1), (2 2, 3 3))')", Plain)],
    ),
    sample(
        "multipolygon",
        Geometry,
        &[Edge("ST_GeomFromText('MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))')", Plain)],
    ),
];
