//! The replication connection: the server's changes as they are committed.
//!
//! ```text
//!   server ══▶ connection: frames of the wire ──▶ feed: a thread of its own, a bounded queue ──▶ pgoutput: messages ──▶ stream
//!      ▲                                             │
//!      └───── what is durable at our side ◀──────────┘  told by the thread's own clock, whatever the consumer does
//! ```
//!
//! The driver knows neither replication mode nor a COPY that goes both ways; so start-up, authentication and framing are here. The server
//! ends a connection that it has not heard of for `wal_sender_timeout`. A consumer may be busy for longer than that; so it never
//! speaks to the server itself.

mod auth;
mod connection;
mod feed;
mod pgoutput;
#[cfg(test)]
mod tests;

pub(crate) use feed::{Feed, Frame};
pub(crate) use pgoutput::{Field, Message, OldKind, Relation, Tuple};
