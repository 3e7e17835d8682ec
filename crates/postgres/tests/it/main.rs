//! The engine against real servers: PostgreSQL 15 and 18.
#![allow(clippy::unwrap_used, missing_docs)]

mod altered;
mod common;
mod conformance;
mod exchanging;
mod inspecting;
mod keeping;
mod schema;
mod shapes;
mod writing;
