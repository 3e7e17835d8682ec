//! What flows through tidelock: values, types, tables, row images, changes, transactions and positions.
//!
//! This crate is pure: no runtime, no driver, no clock, no randomness. Every other crate speaks in these terms,
//! and none of them is shaped after one engine.
//!
//! The way of a row is short on purpose. A [`Batch`] owns one buffer; rows are encoded into it once, by the engine
//! that read them, and are afterwards only *looked at*: [`Image`] and [`Value`] are views into the buffer, so that text,
//! bytes, decimals and JSON cost no allocation each. The same bytes are what the journal stores.
//!
//! ```text
//!   engine ──BatchWriter──▶ Batch ──▶ journal (the same bytes) ──▶ Batch ──records()──▶ Change { before, after }
//!                                                                                       └─ Image ──▶ Slot ──▶ Value
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod batch;
mod canonical;
mod canonical_json;
mod civil;
mod codec;
mod convert;
mod decimal;
mod image;
mod interval;
mod json_names;
mod position;
mod rows;
mod table;
mod temporal;
mod types;
mod uuid;
mod value;

pub use batch::{Batch, BatchWriter, Change, Operation, Record, Records};
pub use canonical::{canonical_hash, canonical_value};
pub use civil::{civil_from_days, days_from_civil};
pub use codec::{CodecError, FORMAT_VERSION};
pub use convert::converted;
pub use decimal::Decimal;
pub use image::{Image, ImageWriter, Slot, Slots};
pub use json_names::name_that_comes_twice;
pub use position::Position;
pub use rows::{Rows, RowsWriter};
pub use table::{Column, ColumnDefault, ForeignKey, Index, ReferentialAction, Table, TableName};
pub use temporal::{Date, DateTime, Interval, TemporalError, Time, Timestamp, day_and_clock};
pub use types::Type;
pub use uuid::{UuidText, parse_uuid};
pub use value::{Array, Bits, Geometry, Value};
