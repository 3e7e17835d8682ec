//! The durable log between capture and delivery, and the state that tidelock keeps beside it.
//!
//! **The problem.** A source's log must be read once and be released soon, but its jobs deliver at their own pace and a target
//! may be down for days. So everything captured goes through a [`Journal`]: one for each source endpoint, however many jobs
//! read it. What it holds is durable before the source is told that it may forget.
//!
//! **The obvious way** would be to write, wait for the disk, and let the jobs read what was written; then every change pays
//! for a disk's round trip before it moves. Here a [`Reader`] that keeps up is handed the same [`Batch`](tidelock_model::Batch)
//! from memory while it is being written. The price is a rule for the reader: it commits nothing at its target whose sequence
//! [`Journal::durable`] does not tell yet.
//!
//! ```text
//!   append ──▶ queue (bounded) ──▶ writer thread ──group commit──▶ file ──▶ readers that are behind
//!     │                                 └──▶ durable ──▶ acknowledge the source
//!     └──────▶ ring (bounded) ──────────────────────────────────────────▶ readers that keep up
//! ```
//!
//! **The invariants.**
//!
//! * Every commit has the next *sequence* (1, 2, …). A reader is handed each once, in order, without a gap, wherever from.
//! * Segments have ids in the order in which they were accepted, never used twice while the journal is open. The ring holds **all** that
//!   stand behind its floor and drops only durable ones; the file holds all durable ones that are not trimmed. So memory and file together never miss one.
//! * A source sends only committed transactions, but a large one arrives in pieces. Pieces whose end never came (the source
//!   broke off, we crashed) are cut: by [`Journal::abandon`], and when a journal is opened.
//! * A cut is the one thing that memory and file do not do at once: the file has lost pieces that the ring still continues until the writer
//!   tells of it. So from when a cut is asked for until it is told nothing is accepted and **nothing is handed out**; what was read of the file before is thrown away.
//! * Nothing that a registered reader still needs is ever removed: neither by size nor by age. Both limits are loud instead.
//!
//! [`StateStore`] is the small store beside the journals (plans, runs, conflicts, job status); [`StateLock`] keeps a second process out.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod file;
mod journal;
mod lock;
mod pieces;
mod reader;
mod ring;
mod row;
mod segment;
mod shared;
mod state;
mod writer;

pub use error::JournalError;
pub use journal::{Journal, JournalOptions};
pub use lock::StateLock;
pub use reader::Reader;
pub use segment::{Durable, JournalStatus, Origin, ReaderStatus, Segment, Tail};
pub use state::{Conflict, JobStatus, Run, StateError, StateOptions, StateStore, TablePlan};
