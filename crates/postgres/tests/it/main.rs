//! The engine against real servers: PostgreSQL 15 and 18.
#![allow(clippy::unwrap_used)]

mod altered;
mod common;
mod conformance;
mod exchanging;
mod inspecting;
mod keeping;
mod schema;
mod shapes;
mod writing;
