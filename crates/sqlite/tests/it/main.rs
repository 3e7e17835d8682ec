//! Against real files, with other connections and processes writing them at the same time.
#![allow(clippy::unwrap_used)]

mod capturing;
mod chinook;
mod conformance;
mod inspecting;
mod kept;
mod other_process;
mod other_triggers;
mod resuming;
mod schema_changes;
mod unnoticed;
mod values;
mod world;
mod writing;
