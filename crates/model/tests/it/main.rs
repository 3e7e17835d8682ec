//! The model's promises, held to random values, batches and damage.
#![allow(clippy::unwrap_used)]

mod batches;
mod canonical;
mod damage;
mod values;
