//! What the tests share.

use std::sync::Arc;
use tidelock_endpoint::{Endpoint, EndpointConfig, TlsOptions};
use tidelock_testkit::Kind;
pub use tidelock_testkit::tail::{
    Tail, image, names, shown, snapshot_rows, table, tables, text, told, whole,
};
pub use tidelock_testkit::{database, within};

pub const KINDS: [Kind; 2] = [Kind::Mariadb1011, Kind::Mysql97];

pub fn endpoint(url: &str) -> Arc<dyn Endpoint> {
    let config = EndpointConfig { name: "shop".into(), url: url.into(), tls: TlsOptions::default() };
    tidelock_mysql::open(config).unwrap()
}

/// The url of another user, with the password `a-long-Secret-7`.
pub fn as_user(url: &str, user: &str) -> String {
    let (_, host) = url.split_once('@').unwrap();
    format!("mysql://{user}:a-long-Secret-7@{host}")
}

/// What ends the stream.
pub async fn stopped(stream: &mut dyn tidelock_endpoint::ChangeStream) -> tidelock_endpoint::EndpointError {
    let stopped = async {
        loop {
            if let Err(error) = stream.next().await {
                break error;
            }
        }
    };
    let limit = std::time::Duration::from_secs(30);
    tokio::time::timeout(limit, stopped).await.expect("the stream stops within half a minute")
}
