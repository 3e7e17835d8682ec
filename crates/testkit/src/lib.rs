//! Real databases for tests.
//!
//! A test asks for a server and for a database of its own on it, and need not know how either came about:
//!
//! ```no_run
//! # async fn test() -> anyhow::Result<()> {
//! use tidelock_testkit::{Kind, server};
//!
//! let Some(server) = server(Kind::Postgres18) else { return Ok(()) }; // said loudly; in CI a missing server panics
//! let db = server.fresh_database("orders_follow").await;
//! db.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await?;
//! assert_eq!(db.query("SELECT id FROM t").await?, vec![vec![Some("1".to_string())]]);
//! # Ok(())
//! # }
//! ```
//!
//! * [`Kind`]: which servers there are.
//! * [`server()`], [`database()`], [`private_server()`], [`Server`], [`Database`], [`Session`]: what tests use.
//! * [`until()`], [`within()`], [`Way`], [`spawn_guarded()`]: waiting for a condition, a way to a server that can be shut, a process that does not
//!   outlive the test's.
//! * [`lab`]: gets, starts and stops the servers (`cargo x lab`), and starts private ones with other settings.
//!
//! What needs the product's own crates (the conformance suite, [`tail`]) is behind the default feature `conformance`, which `xtask`
//! does without.

#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(feature = "conformance")]
pub mod conformance;
mod database;
mod kind;
pub mod lab;
mod leftovers;
mod server;
mod session;
#[cfg(feature = "conformance")]
pub mod tail;
mod until;
mod way;

pub use database::Database;
pub use kind::{Family, Kind};
pub use lab::spawn_guarded;
pub use server::{Server, database, private_server, server};
pub use session::{Row, Session};
pub use until::{until, within};
pub use way::Way;
