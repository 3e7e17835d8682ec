//! The engine: what keeps endpoints in step. It knows endpoints only through their traits and never names one of their kinds.
//!
//! ```text
//!   capture     source.stream ─▶ journal                       one for each source endpoint
//!   snapshot    source.snapshot(chunk) ─▶ mapping ─▶ target.load    before the stream, in parallel
//!   deliver     journal ─▶ assemble ─▶ fold ─▶ resolve ─▶ target.apply + checkpoint     one for each flow
//! ```
//!
//! What decides is pure and tested without a server: `plan`, `mapping`, `fold`, `order`, `resolve`, `deliver::assemble`, `error::judge`. What does is thin:
//! `capture`, `snapshot`, `flow`, `deliver`, `apply`, `verify`. A job has a flow for each direction; `engine` holds them together, `starting` and `running` are how they begin and end.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod apply;
mod arriving;
mod capture;
mod checkpoint;
mod conflicts;
mod context;
mod copy;
mod deliver;
mod engine;
mod error;
pub mod expression;
mod flow;
mod fold;
mod follows;
pub mod job;
mod mapping;
pub mod mask;
mod naming;
pub mod observe;
mod order;
mod outdated;
mod plan;
mod planning;
mod resolve;
mod rules;
mod running;
mod same_keys;
mod schema;
mod snapshot;
mod starting;
mod status;
mod sweep;
mod verify;
mod waiting;

pub use copy::{Copied, copy};
pub use engine::{Engine, Planned, PlannedTable, Status, SyncOptions};
pub use error::{Judgement, Result, SyncError};
pub use planning::Report;
pub use schema::SchemaChange;
pub use status::{FlowStatus, JobStatus};
pub use verify::TableReport;
