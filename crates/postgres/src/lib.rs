//! The PostgreSQL engine.
//!
//! PostgreSQL 14–18. Read by snapshot and by logical decoding with `pgoutput`; written by COPY, multi-row statements and one checkpoint row per
//! transaction. A source needs `wal_level = logical`, a free replication slot and a user with REPLICATION; `inspect` tells which of these are missing.
//!
//! All values cross the wire as text, in sessions whose output settings are pinned: so snapshot, stream and reads by key render every value alike, and
//! one decoder reads all three.
//!
//! Made in a source: the publication and the slot, both named after the endpoint and database (see `names::capture_name`). Made in a target: the
//! table `tidelock_checkpoint`. `cleanup` removes them.
//!
//! ```text
//!   source.rs ── snapshot.rs (chunks.rs), read.rs          apply.rs (statements.rs, arrays.rs) ── Target
//!          └──── stream.rs ── changes.rs ── replication/*  load.rs ──┴─ transaction.rs, encode/ ── Loader
//!                                │
//!                                └ reading.rs ── catalog.rs (types.rs: native → Type and Decoder) ── schema.rs (verdict.rs)
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod altering;
mod apply;
mod arrays;
mod capture;
mod catalog;
mod changes;
mod chunks;
mod config;
mod connect;
mod copy;
mod decode;
mod defaults;
mod encode;
mod endpoint;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod inspect;
mod load;
mod names;
mod others;
mod position;
mod read;
mod reading;
mod replication;
mod schema;
mod snapshot;
mod source;
mod statements;
mod stream;
mod tls;
mod transaction;
mod types;
mod verdict;

use std::sync::Arc;
use tidelock_endpoint::{Capabilities, CaptureKind, Endpoint, EndpointConfig, Result};
use tidelock_model::Column;

/// The engine's name.
pub(crate) const ENGINE: &str = "postgres";
/// Our table in a target.
pub(crate) const CHECKPOINT_TABLE: &str = "tidelock_checkpoint";

/// What the engine can do, whatever the server says.
pub const CAPABILITIES: Capabilities =
    Capabilities { engine: ENGINE, captures: &[CaptureKind::Log], target: true, parallel_loads: 4 };

/// A column of each type that a table may have, as it is read: for the page that says what becomes of it elsewhere.
pub fn types() -> Vec<Column> {
    types::samples()
}

/// A handle on the database of a `postgres://` URL. Checks the URL; opens no connection.
pub fn open(config: EndpointConfig) -> Result<Arc<dyn Endpoint>> {
    Ok(Arc::new(endpoint::PgEndpoint { config: config::Config::new(&config)? }))
}
