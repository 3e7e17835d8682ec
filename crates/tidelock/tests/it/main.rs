//! The built binary as a user meets it: what it prints, and what it ends with.
#![allow(clippy::unwrap_used)]

mod catalog;
mod chinook;
mod command_line;
mod configuration;
mod first_copy;
mod following;
mod generated;
mod hazards;
mod mapping;
mod matrix;
mod naming;
mod parts;
mod preconditions;
mod rights;
mod schema;
mod servers;
mod service;
mod sides;
mod sqlite;
mod support;
mod trouble;
mod two_way;
mod writer;
