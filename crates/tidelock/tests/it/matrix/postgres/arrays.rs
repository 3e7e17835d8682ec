//! Arrays, of every kind of element.

use crate::matrix::sample::Class::Array;
use crate::matrix::sample::Hazard::Plain;
use crate::matrix::sample::{Edge, Sample, sample};

pub const TYPES: &[Sample] = &[
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
    sample("boolean[]", Array, &[Edge("'{t,f,NULL}'", Plain)]),
    sample("bigint[]", Array, &[Edge("'{-9223372036854775808,9223372036854775807}'", Plain)]),
    sample(
        "float8[]",
        Array,
        &[Edge("'{0.1,1.7976931348623157e308,5e-324,-0,NaN,Infinity,-Infinity}'", Plain)],
    ),
    sample("date[]", Array, &[Edge("'{2024-02-29,infinity,-infinity,10000-01-01}'", Plain)]),
    sample("interval[]", Array, &[Edge("'{1 year 2 days 03:04:05,-00:00:01,NULL}'", Plain)]),
    sample("uuid[]", Array, &[Edge("'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", Plain)]),
    sample("jsonb[]", Array, &[Edge(r#"ARRAY['{"a": [1, "x\\y"]}'::jsonb, 'null', NULL, '"t"']"#, Plain)]),
    sample("inet[]", Array, &[Edge("'{10.0.0.1/8,::1}'", Plain)]),
    sample("bit(3)[]", Array, &[Edge("'{101,000}'", Plain)]),
    sample("percent[]", Array, &[Edge("'{100,0.01}'", Plain)]),
    sample(
        "pair[]",
        Array,
        &[Edge(r#"ARRAY[ROW(1, 'a "b", (c)')::pair, NULL, ROW(NULL, '')::pair]"#, Plain)],
    ),
    sample("several", Array, &[Edge("'{1,NULL}'", Plain), Edge("'{}'", Plain)]),
];
