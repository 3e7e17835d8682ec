//! The engine against real servers: MariaDB 10.11 and MySQL 9.7.
#![allow(clippy::unwrap_used)]

mod altered;
mod apply;
mod binlog;
mod blanks;
mod charsets;
mod common;
mod conformance;
mod generated;
mod json_numbers;
mod kept;
mod labels;
mod loading;
mod prefixes;
mod replaced;
mod schema;
mod settled;
mod snapshots;
mod statements;
mod uuids;
mod values;
mod withheld;
mod xa;
