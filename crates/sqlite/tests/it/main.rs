//! Against real files, with other connections writing them at the same time.
#![allow(clippy::unwrap_used)]

mod conformance;
