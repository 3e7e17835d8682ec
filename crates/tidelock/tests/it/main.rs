//! The built binary as a user meets it: what it prints, and what it ends with.
#![allow(clippy::unwrap_used)]

mod command_line;
mod configuration;
mod sqlite;
mod support;
