//! How our transactions begin and end.
//!
//! The origin is a logical message at the head of the transaction (`pg_logical_emit_message`): our capture of this database finds it in the stream
//! before the first change. Replication origins would do the same, but need a superuser and may be active in one session only.

use crate::CHECKPOINT_TABLE;
use crate::names::{literal, quoted};
use tidelock_endpoint::Checkpoint;

/// The prefix of the message that names the origin.
pub(crate) const ORIGIN: &str = "tidelock.origin";
/// Begins a transaction: two statements.
pub(crate) fn begin(origin: &str) -> String {
    format!("BEGIN;\nSELECT pg_logical_emit_message(true, '{ORIGIN}', {});\n", literal(origin))
}

/// Ends it, with the checkpoint.
pub(crate) fn commit(checkpoint: &Checkpoint, remove: &[String]) -> String {
    let table = quoted(CHECKPOINT_TABLE);
    let mut sql = format!(
        "INSERT INTO public.{table} (job, lane, state) VALUES ({}, {}, {}) \
         ON CONFLICT (job, lane) DO UPDATE SET state = EXCLUDED.state, updated_at = now();\n",
        literal(&checkpoint.job),
        literal(&checkpoint.lane),
        literal(&checkpoint.state),
    );
    if !remove.is_empty() {
        let lanes = remove.iter().map(|l| literal(l)).collect::<Vec<_>>().join(", ");
        sql += &format!(
            "DELETE FROM public.{table} WHERE job = {} AND lane IN ({lanes});\n",
            literal(&checkpoint.job)
        );
    }
    sql + "COMMIT"
}
