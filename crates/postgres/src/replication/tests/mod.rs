//! The feed against real servers, and against one that does not keep to the rules.

mod imposter;
mod real;

use super::Feed;
use crate::Result;
use crate::config::Config;
use crate::position::Lsn;
use std::time::Duration;
use tidelock_endpoint::{EndpointConfig, EndpointError, TlsOptions};

const PATIENCE: Duration = Duration::from_secs(30);

fn config(url: &str) -> Config {
    Config::new(&EndpointConfig { name: "shop".into(), url: url.into(), tls: TlsOptions::default() }).unwrap()
}

async fn start(config: &Config, slot: &str) -> Result<Feed> {
    Feed::start(config, slot, PUBLICATION, Lsn(0)).await
}

/// A name that needs both kinds of quotes.
const PUBLICATION: &str = "it's \"All\"";

/// The error of a feed that must not start.
async fn refusal(config: &Config, slot: &str) -> EndpointError {
    start(config, slot).await.err().expect("the feed starts")
}

/// The error that a feed ends with.
async fn end(feed: &mut Feed) -> EndpointError {
    loop {
        let next = tokio::time::timeout(PATIENCE, feed.next()).await.expect("the feed does not end");
        if let Err(error) = next {
            return error;
        }
    }
}
