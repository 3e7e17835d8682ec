//! What we put into a file, and taking it out again.

use crate::names::{CHANGE, CHECKPOINT, ORIGIN, literal};
use crate::session::writing;
use crate::{capture, error, schema};
use rusqlite::Connection;
use tidelock_endpoint::{Cleanup, Result};

/// See `Endpoint::cleanup`.
pub fn cleanup(db: &Connection, job: Option<&str>, remove: bool) -> Result<Vec<Cleanup>> {
    let found = list(db, job)?;
    if !remove || found.is_empty() {
        return Ok(found);
    }
    // What others made while the lock was waited for counts.
    writing(db, |db| {
        let found = list(db, job)?;
        for item in &found {
            db.execute_batch(&item.statement).map_err(error::sql(format!("running {}", item.statement)))?;
        }
        Ok(found)
    })
}

fn list(db: &Connection, job: Option<&str>) -> Result<Vec<Cleanup>> {
    let failed = |e| error::sql("listing what tidelock put into the file")(e);
    let mut found = Vec::new();
    if schema::exists(db, CHECKPOINT)? {
        let jobs = jobs(db).map_err(failed)?;
        let (own, others): (Vec<_>, Vec<_>) =
            jobs.into_iter().partition(|name| job.is_none_or(|job| job == name));
        for name in own {
            let statement = format!("DELETE FROM {CHECKPOINT} WHERE job = {}", literal(&name));
            found.push(Cleanup { kind: "checkpoint", name, statement });
        }
        if others.is_empty() {
            // The triggers of a capture read the origin.
            let unread = job.is_some() && !schema::exists(db, CHANGE)?;
            for table in [Some(CHECKPOINT), unread.then_some(ORIGIN)].into_iter().flatten() {
                let statement = format!("DROP TABLE IF EXISTS {table}");
                found.push(Cleanup { kind: "table", name: table.into(), statement });
            }
        }
    }
    if job.is_none() {
        let capture = capture::leftovers(db).map_err(failed)?;
        found.extend(capture.into_iter().map(|(kind, name, statement)| Cleanup { kind, name, statement }));
    }
    Ok(found)
}

fn jobs(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut jobs = db.prepare(&format!("SELECT DISTINCT job FROM {CHECKPOINT} ORDER BY job"))?;
    jobs.query_map([], |row| row.get(0))?.collect()
}
