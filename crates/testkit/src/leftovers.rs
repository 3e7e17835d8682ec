//! Removes test databases: one when its test ends, and all whose test process no longer lives.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::kind::Family;
use crate::server::{Server, blocking};
use crate::session::Session;

/// Drops a database with whatever holds it: its sessions, and PostgreSQL's replication slots.
pub(crate) async fn remove(server: &Server, name: &str) -> Result<()> {
    let mut session = server.connect().await?;
    match server.kind.family() {
        Family::Postgres => {
            release_slots(&mut session, name).await?;
            session.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
        }
        Family::Mysql => {
            let mine = format!("SELECT id FROM information_schema.processlist WHERE db = '{name}'");
            for row in session.query(&mine).await? {
                if let Some(Some(id)) = row.first() {
                    // It may have ended by itself.
                    let _ = session.execute(&format!("KILL {id}")).await;
                }
            }
            session.execute("SET lock_wait_timeout = 20").await?;
            session.execute(&format!("DROP DATABASE IF EXISTS {name}")).await
        }
        Family::Sqlite => Ok(()),
    }
}

/// A slot cannot be dropped while its connection lives, and a connection that is told to end takes a moment.
async fn release_slots(session: &mut Session, name: &str) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let slots = format!("FROM pg_replication_slots WHERE database = '{name}'");
        session
            .query(&format!("SELECT pg_terminate_backend(active_pid) {slots} AND active_pid IS NOT NULL"))
            .await?;
        let dropped = session
            .query(&format!("SELECT pg_drop_replication_slot(slot_name) {slots} AND active_pid IS NULL"))
            .await;
        let left = session.value(&format!("SELECT count(*) {slots}")).await?;
        if left.as_deref() == Some("0") {
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(15) {
            return dropped.map(drop).context("a replication slot does not let go of its connection");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Drops what killed test processes of this machine left on a server of the lab.
pub(crate) fn sweep(server: &Server) -> Result<usize> {
    let server = server.clone();
    blocking(Duration::from_secs(60), async move {
        let mut session = server.connect().await?;
        let sql = match server.kind.family() {
            Family::Postgres => "SELECT datname FROM pg_database",
            Family::Mysql => "SELECT schema_name FROM information_schema.schemata",
            Family::Sqlite => return Ok(0),
        };
        let mut removed = 0;
        for name in session.query(sql).await?.into_iter().flatten().flatten().filter(|name| is_orphan(name)) {
            remove(&server, &name).await?;
            removed += 1;
        }
        Ok(removed)
    })
}

/// Whether a database is a test's whose process has ended.
fn is_orphan(name: &str) -> bool {
    let mut parts = name.split('_');
    let ours = parts.next() == Some("tl");
    let pid = parts.next().and_then(|pid| pid.parse::<u32>().ok());
    ours && pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_databases_of_ended_test_processes_are_orphans() {
        assert!(is_orphan("tl_4194305_0_orders"));
        assert!(!is_orphan(&format!("tl_{}_0_orders", std::process::id())));
        assert!(!is_orphan("tl_orders"));
        assert!(!is_orphan("shop_4194305_0"));
    }
}
