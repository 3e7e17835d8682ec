//! The built binary as a user meets it: what it prints, and what it ends with.
#![allow(clippy::unwrap_used)]

mod catalog;
mod chinook;
mod command_line;
mod configuration;
mod conversions;
mod defaults;
mod first_copy;
mod following;
mod generated;
mod hazards;
mod images;
mod keyless;
mod keys;
mod large;
mod lockstep;
mod mapping;
mod matrix;
mod names;
mod naming;
mod numbers;
mod parts;
mod preconditions;
mod referring;
mod rights;
mod schema;
mod servers;
mod service;
mod shapes;
mod sides;
mod sqlite;
mod storage;
mod support;
mod trouble;
mod two_way;
mod writer;
