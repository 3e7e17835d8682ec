//! The lab and the databases it gives, on every kind of server.

#![allow(clippy::unwrap_used)]

mod databases;
mod private;
mod settings;
mod ways;
