//! PostgreSQL's types.

mod arrays;
mod catalog;
mod internal;
mod moments;
mod natives;
mod numbers;
mod texts;

use super::sample::Class::Interval;
use super::sample::Hazard::{InfiniteSpan, Plain};
use super::sample::{Edge, Sample, sample};

/// What the samples need beside the tables.
pub const SETUP: &[&str] = &[
    // As a converted one is written.
    "SET intervalstyle = iso_8601",
    "CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s', 'ü')",
    "CREATE DOMAIN percent AS numeric(5,2) CHECK (VALUE BETWEEN 0 AND 100)",
    "CREATE DOMAIN short AS varchar(10)",
    "CREATE DOMAIN little AS percent CHECK (VALUE < 10)",
    "CREATE DOMAIN feeling AS mood",
    "CREATE DOMAIN several AS integer[]",
    "CREATE TYPE pair AS (a integer, b text)",
    "CREATE TYPE nest AS (p pair, t text[])",
    "CREATE EXTENSION hstore",
    "CREATE EXTENSION citext",
    "CREATE EXTENSION ltree",
];

/// Of the same in a database that is written to: composites are never made there.
pub const SETUP_THERE: &[&str] = &[
    "SET intervalstyle = iso_8601",
    "CREATE TYPE pair AS (a integer, b text)",
    "CREATE TYPE nest AS (p pair, t text[])",
    "CREATE EXTENSION hstore",
    "CREATE EXTENSION citext",
    "CREATE EXTENSION ltree",
];

/// Every version has these.
pub fn samples() -> Vec<&'static Sample> {
    let all = [numbers::TYPES, texts::TYPES, moments::TYPES, arrays::TYPES, natives::TYPES, catalog::TYPES];
    all.into_iter().flatten().collect()
}

/// PostgreSQL 17 and later.
pub const POSTGRES_18: &[Sample] = &[sample(
    "interval(6)",
    Interval,
    &[Edge("'1 day'", Plain), Edge("'infinity'", InfiniteSpan), Edge("'-infinity'", InfiniteSpan)],
)];
