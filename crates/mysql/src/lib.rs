//! The MySQL and MariaDB engine.
//!
//! MySQL 8.0–9.x and MariaDB 10.6 and later, InnoDB. Read by snapshot and by the server's own binary log; written by LOAD DATA, multi-row
//! statements and one checkpoint row per transaction. The server needs `log_bin`, `binlog_format=ROW`, for two-way jobs `binlog_row_image=FULL`, and is better
//! off with `binlog_row_metadata=FULL`; the user needs REPLICATION SLAVE, REPLICATION CLIENT (MariaDB: BINLOG MONITOR, SLAVE MONITOR), RELOAD and SELECT to be read from,
//! and CREATE, ALTER, INDEX, REFERENCES, SELECT, INSERT, UPDATE and DELETE to be written to. `inspect` tells which of these are missing.
//!
//! Refused, each with a code of its own: statements in the log in place of rows, or that replace or empty a table, partial JSON updates, prepared XA
//! transactions, rolled back rows of tables without transactions, new rows that are not whole, text in a character set that we cannot read exactly, events of an unknown kind.
//!
//! A compressed transaction of MySQL is decompressed by the driver at once, so it is held in memory whole; all others stream through in pieces.
//!
//! ```text
//!   source.rs ── snapshot.rs (chunks.rs, read.rs)          apply.rs (statements.rs, encode.rs) ── Target
//!          └──── stream.rs ── follow.rs ── binlog/*        load.rs  (encode.rs) ───────────────── Loader
//!                                └ definitions.rs ── catalog.rs (types.rs: native → Type and Codec) ── schema.rs (verdict.rs)
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod altering;
mod apply;
mod binlog;
mod catalog;
mod charset;
mod chunks;
mod codec;
mod collision;
mod config;
mod connect;
mod created;
mod definitions;
mod encode;
mod endpoint;
mod error;
mod follow;
#[doc(hidden)]
pub mod fuzzing;
mod gtid;
mod inspect;
mod keep;
mod load;
mod merge;
mod others;
mod places;
mod position;
mod prefix;
mod privileges;
mod read;
mod schema;
mod server;
mod shortest;
mod snapshot;
mod source;
mod statements;
mod stream;
mod told;
mod transaction;
mod trial;
mod types;
mod verdict;
mod withheld;

use std::sync::Arc;
use tidelock_endpoint::{Capabilities, CaptureKind, Endpoint, EndpointConfig, Result};
use tidelock_model::Column;

/// The engine's name, of both products.
pub(crate) const ENGINE: &str = "mysql";
/// Our table in a target.
pub(crate) const CHECKPOINT_TABLE: &str = "tidelock_checkpoint";

/// What the engine can do, whatever the server says.
pub const CAPABILITIES: Capabilities =
    Capabilities { engine: ENGINE, captures: &[CaptureKind::Log], target: true, parallel_loads: 4 };

/// A column of each type that a table may have, as it is read: for the page that says what becomes of it elsewhere.
pub fn types(mariadb: bool) -> Vec<Column> {
    types::samples(mariadb)
}

/// A handle on the database of a `mysql://` or `mariadb://` URL. Checks the URL; opens no connection.
pub fn open(config: EndpointConfig) -> Result<Arc<dyn Endpoint>> {
    Ok(Arc::new(endpoint::MyEndpoint { config: config::Config::new(&config)? }))
}
