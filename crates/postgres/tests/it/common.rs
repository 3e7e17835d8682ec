//! What the tests share.

use std::sync::Arc;
use tidelock_endpoint::{Endpoint, EndpointConfig, TlsOptions};
pub use tidelock_testkit::database;
pub use tidelock_testkit::tail::{Tail, image, names, snapshot_rows, table, told, whole};
use tidelock_testkit::{Database, Kind};

pub const KINDS: [Kind; 2] = [Kind::Postgres15, Kind::Postgres18];

pub fn endpoint(url: &str) -> Arc<dyn Endpoint> {
    let config = EndpointConfig { name: "shop".into(), url: url.into(), tls: TlsOptions::default() };
    tidelock_postgres::open(config).unwrap()
}

/// The url of a user without any right but those that a test grants to `plain`.
pub async fn plain(db: &Database) -> String {
    db.execute(
        "DO $$ BEGIN CREATE ROLE tidelock_plain LOGIN PASSWORD 'plain'; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
    )
    .await
    .unwrap();
    let (_, place) = db.url.rsplit_once('@').unwrap();
    format!("postgres://tidelock_plain:plain@{place}")
}
