//! What names things of the server itself: transactions, roles, objects of the catalogue.

use crate::matrix::sample::Class::Native;
use crate::matrix::sample::Hazard::Plain;
use crate::matrix::sample::{Edge, Sample, sample};

pub const TYPES: &[Sample] = &[
    sample("pg_lsn", Native, &[Edge("'16/B374D848'", Plain)]),
    sample("pg_snapshot", Native, &[Edge("'10:20:10,14,15'", Plain)]),
    sample("txid_snapshot", Native, &[Edge("'10:20:10,14,15'", Plain)]),
    sample("xid8", Native, &[Edge("'18446744073709551615'", Plain)]),
    sample("xid", Native, &[Edge("'4294967295'", Plain)]),
    sample("cid", Native, &[Edge("'4294967295'", Plain)]),
    sample("tid", Native, &[Edge("'(4294967295,65535)'", Plain)]),
    sample("oidvector", Native, &[Edge("'1 2 3'", Plain)]),
    sample("int2vector", Native, &[Edge("'1 -2 3'", Plain)]),
    sample("aclitem", Native, &[Edge("'postgres=r*w/postgres'", Plain), Edge("'=r/postgres'", Plain)]),
    sample("regclass", Native, &[Edge("'pg_class'", Plain)]),
    sample("regtype", Native, &[Edge("'character varying'", Plain)]),
    sample("regproc", Native, &[Edge("'now'", Plain)]),
    sample("regprocedure", Native, &[Edge("'now()'", Plain), Edge("'pg_catalog.abs(integer)'", Plain)]),
    sample("regoper", Native, &[Edge("'||/'", Plain)]),
    sample("regoperator", Native, &[Edge("'+(integer,integer)'", Plain)]),
    sample("regrole", Native, &[Edge("'postgres'", Plain)]),
    sample("regnamespace", Native, &[Edge("'pg_catalog'", Plain)]),
    sample("regcollation", Native, &[Edge(r#"'"C"'"#, Plain)]),
    sample("regconfig", Native, &[Edge("'simple'", Plain)]),
    sample("regdictionary", Native, &[Edge("'simple'", Plain)]),
];
