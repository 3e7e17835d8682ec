//! Ranges, composites, networks, geometry and text search: what only PostgreSQL knows.

use crate::matrix::sample::Class::Native;
use crate::matrix::sample::Hazard::Plain;
use crate::matrix::sample::{Edge, Sample, sample};

pub const TYPES: &[Sample] = &[
    sample("pair", Native, &[Edge("ROW(1, 'a \"b\", (c)')", Plain), Edge("ROW(NULL, '')", Plain)]),
    sample(
        "nest",
        Native,
        &[Edge(r#"ROW(ROW(1, 'a "b"'), ARRAY['x,y', NULL])"#, Plain), Edge("ROW(NULL, NULL)", Plain)],
    ),
    sample("int4range", Native, &[Edge("'[1,5)'", Plain), Edge("'empty'", Plain), Edge("'(,)'", Plain)]),
    sample("int8range", Native, &[Edge("'[-9223372036854775808,9223372036854775807)'", Plain)]),
    sample("numrange", Native, &[Edge("'(0.1,NaN]'", Plain)]),
    sample(
        "daterange",
        Native,
        &[
            Edge("'[2024-02-29,infinity)'", Plain),
            Edge("'empty'", Plain),
            Edge("'[-infinity,2024-02-29)'", Plain),
            Edge("'(,)'", Plain),
        ],
    ),
    sample(
        "tsrange",
        Native,
        &[
            Edge("'[\"2024-01-01 00:00:00.000001\",)'", Plain),
            Edge("'empty'", Plain),
            Edge(r#"'[-infinity,"2024-01-01 00:00:00"]'"#, Plain),
        ],
    ),
    sample(
        "tstzrange",
        Native,
        &[Edge("'[\"2024-01-01 00:00:00+02\",\"2024-06-01 00:00:00+02\"]'", Plain), Edge("'empty'", Plain)],
    ),
    sample("int4multirange", Native, &[Edge("'{[1,3),[5,7)}'", Plain), Edge("'{}'", Plain)]),
    sample(
        "int8multirange",
        Native,
        &[Edge("'{[-9223372036854775808,1),[5,9223372036854775807)}'", Plain), Edge("'{}'", Plain)],
    ),
    sample("nummultirange", Native, &[Edge("'{[0.10,1.5],(2,NaN]}'", Plain)]),
    sample(
        "tsmultirange",
        Native,
        &[Edge(r#"'{["2024-01-01 00:00:00.000001","2024-02-01 00:00:00"),[infinity,]}'"#, Plain)],
    ),
    sample(
        "tstzmultirange",
        Native,
        &[Edge(r#"'{["2024-01-01 00:00:00+02","2024-06-01 00:00:00+02"]}'"#, Plain)],
    ),
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
    sample("hstore", Native, &[Edge("'a=>1, \"b c\"=>NULL, \"\"=>\"x\\\"y\"'", Plain), Edge("''", Plain)]),
    sample("ltree", Native, &[Edge("'Top.Science.Astronomy'", Plain), Edge("''", Plain)]),
    sample("lquery", Native, &[Edge("'*.Astro*@%.!pictures@'", Plain)]),
    sample("ltxtquery", Native, &[Edge("'Astro* & !pictures@'", Plain)]),
];
