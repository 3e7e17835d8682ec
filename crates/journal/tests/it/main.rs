//! The journal and the state store against real files.
#![allow(clippy::unwrap_used)]

mod abandon;
mod crash;
mod damage;
mod limits;
mod order;
mod property;
mod state;
mod support;
