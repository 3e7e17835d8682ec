//! What we put into a file, and taking it out again.

use crate::names::{CHECKPOINT, literal};
use crate::session::writing;
use crate::{capture, error, schema};
use rusqlite::Connection;
use tidelock_endpoint::{Cleanup, Result};

/// See `Endpoint::cleanup`. The capture serves every job that reads the file: it is listed for all jobs, and for one job only when `job` is none.
pub fn cleanup(db: &Connection, job: Option<&str>, remove: bool) -> Result<Vec<Cleanup>> {
    let checkpoints = schema::exists(db, CHECKPOINT)?;
    let found = list(db, job, checkpoints).map_err(error::sql("listing what tidelock put into the file"))?;
    if remove && !found.is_empty() {
        writing(db, |db| {
            for item in &found {
                db.execute_batch(&item.statement)
                    .map_err(error::sql(format!("running {}", item.statement)))?;
            }
            Ok(())
        })?;
    }
    Ok(found)
}

fn list(db: &Connection, job: Option<&str>, checkpoints: bool) -> rusqlite::Result<Vec<Cleanup>> {
    let mut found = Vec::new();
    if checkpoints {
        let sql = format!("SELECT DISTINCT job FROM {CHECKPOINT} WHERE ?1 IS NULL OR job = ?1 ORDER BY job");
        let mut statement = db.prepare(&sql)?;
        for name in statement.query_map([job], |row| row.get::<_, String>(0))? {
            let name = name?;
            let statement = format!("DELETE FROM {CHECKPOINT} WHERE job = {}", literal(&name));
            found.push(Cleanup { kind: "checkpoint", name, statement });
        }
    }
    if job.is_none() {
        let capture = capture::leftovers(db)?;
        found.extend(capture.into_iter().map(|(kind, name, statement)| Cleanup { kind, name, statement }));
        if checkpoints {
            let statement = format!("DROP TABLE {CHECKPOINT}");
            found.push(Cleanup { kind: "table", name: CHECKPOINT.into(), statement });
        }
    }
    Ok(found)
}
