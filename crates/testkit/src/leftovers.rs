//! Removes test databases: one when its test ends, and all whose test process no longer lives.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::server::{Server, blocking};

/// Drops a database with whatever holds it.
pub(crate) async fn remove(server: &Server, name: &str) -> Result<()> {
    server.kind.servers()?.remove(&mut server.connect().await?, name).await
}

/// Drops what killed test processes of this machine left on a server of the lab.
pub(crate) fn sweep(server: &Server) -> Result<usize> {
    let server = server.clone();
    blocking(Duration::from_secs(60), async move {
        let mut session = server.connect().await?;
        let servers = server.kind.servers()?;
        let mut removed = 0;
        for name in session
            .query(servers.databases())
            .await?
            .into_iter()
            .flatten()
            .flatten()
            .filter(|name| is_orphan(name))
        {
            servers.remove(&mut session, &name).await?;
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
