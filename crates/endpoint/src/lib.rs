//! What an endpoint can do: the contract between the engines and everybody who uses them.
//!
//! An *endpoint* is one database that takes part. Its [`Endpoint`] is a cheap handle without a connection; what reads and
//! writes are the sessions it opens: [`Source`] with [`ChangeStream`], [`Snapshot`] with [`ChunkReader`], [`Target`] with [`Loader`].
//! Whoever reads `source.rs` and `target.rs` knows all that an engine must keep, in ten minutes; the conformance suite in
//! `testkit` holds a real server to the same sentences.
//!
//! What holds everywhere:
//!
//! * **Accepted is not durable.** A method that returns has done what its name says; only [`Target::commit`] and [`Loader::commit`]
//!   answer that something is durable, and only [`ChangeStream::acknowledge`] lets the source forget.
//! * **Cancellation.** Dropping a future of `next` loses nothing. Dropping any other future leaves the session broken: drop it and
//!   open a new one. Nothing is half applied: what was not committed is rolled back by the server.
//! * **Errors** are [`EndpointError`]s with a kind that says what may be done about them (see [`ErrorKind`]) and never hold a secret.
//! * **No default bodies that do nothing**: an engine that cannot do a thing says so with an error, it does not succeed in silence.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod alteration;
mod delta;
mod endpoint;
mod error;
mod findings;
mod inspection;
mod merge;
mod source;
mod stored;
mod target;
mod verdict;

pub use alteration::{Alteration, ColumnChange};
pub use delta::{Delta, Update};
pub use endpoint::{Capabilities, CaptureKind, Cleanup, Endpoint, EndpointConfig, TlsMode, TlsOptions};
pub use error::{EndpointError, ErrorKind};
pub use findings::Findings;
pub use inspection::{Ask, Case, Finding, Inspection, Limit, Names, Role, ServerIdentity, Severity};
pub use merge::{Merged, exactly};
pub use source::{ChangeStream, Chunk, ChunkReader, Coverage, Identity, Prepared, Snapshot, Source};
pub use stored::{Moved, Stored};
pub use target::{Applied, Checkpoint, Loader, Target, WriteMode};
pub use verdict::{Holds, Verdict, holds, made_otherwise, respelled};

/// What every engine method answers.
pub type Result<T> = std::result::Result<T, EndpointError>;
