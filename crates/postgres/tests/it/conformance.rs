//! The contract of `tidelock_endpoint`, sentence by sentence.

use tidelock_endpoint::CaptureKind;
use tidelock_testkit::{Kind, conformance, server};

async fn all(kind: Kind) {
    let Some(server) = server(kind) else { return };
    conformance::all(conformance::Subject::new(server, CaptureKind::Log, tidelock_postgres::open)).await;
}

// Databases are dropped on the runtime's threads; what holds a lock meanwhile needs one, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn the_contract_is_kept_at_postgresql_15() {
    all(Kind::Postgres15).await;
}

// Databases are dropped on the runtime's threads; what holds a lock meanwhile needs one, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn the_contract_is_kept_at_postgresql_18() {
    all(Kind::Postgres18).await;
}
