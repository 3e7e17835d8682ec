//! The engine: what keeps endpoints in step. It knows endpoints only through their traits and never names an engine.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod checkpoint;
mod error;
mod fold;
pub mod job;
mod mapping;
pub mod observe;
mod order;
mod plan;
mod resolve;

pub use error::{Judgement, Result, SyncError};
