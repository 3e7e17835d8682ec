//! Errors: of the right kind, with a code, without a secret; and nothing resumes at the wrong place.

use super::stage::{Stage, connect, names};
use super::{Check, check};
use anyhow::{Context, Result, ensure};
use tidelock_endpoint::{Ask, EndpointError, ErrorKind, Role, ServerIdentity};
use tidelock_model::Position;

pub(crate) const CHECKS: &[Check] = &[
    check!("a wrong password is an authentication error that does not tell it", wrong_password)
        .only(|s| s.server.kind.language().servers().is_some()),
    check!("a server that is not there is unavailable", no_server)
        .only(|s| s.server.kind.language().servers().is_some()),
    check!("a position of another server is lost", other_server),
    check!("a position that cannot be read is lost, never the beginning", unreadable_position),
    check!("the capture that is gone is a lost position", capture_gone),
];

const SECRET: &str = "a-very-secret-word";
/// Nobody listens here, and no local port is ever taken from there.
const CLOSED: u16 = 1;

/// The kind, and what every error keeps: a code, and no secret anywhere in its chain.
fn expect(error: &EndpointError, kinds: &[ErrorKind]) -> Result<()> {
    ensure!(kinds.contains(&error.kind), "{:?} is none of {kinds:?}: {error}", error.kind);
    ensure!(error.code.starts_with("TL-"), "its code is {}", error.code);
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    ensure!(!text.contains(SECRET), "the secret is in the error's text");
    Ok(())
}

async fn wrong_password(stage: Stage) -> Result<()> {
    let mut url = url::Url::parse(&stage.db.url)?;
    url.set_password(Some(SECRET)).ok().context("the url takes a password")?;
    let endpoint = connect(&stage.subject, url.as_str())?;
    let ask = Ask { role: Role::SnapshotSource, tables: None };
    let kinds = [ErrorKind::Authentication];
    expect(&endpoint.inspect(&ask).await.err().context("inspect with a wrong password passed")?, &kinds)?;
    expect(&endpoint.source(stage.capture()).await.err().context("a source with a wrong password")?, &kinds)?;
    expect(&endpoint.target("job").await.err().context("a target with a wrong password")?, &kinds)
}

async fn no_server(stage: Stage) -> Result<()> {
    let mut url = url::Url::parse(&stage.db.url)?;
    url.set_port(Some(CLOSED)).ok().context("the url takes a port")?;
    url.set_password(Some(SECRET)).ok().context("the url takes a password")?;
    let endpoint = connect(&stage.subject, url.as_str())?;
    let ask = Ask { role: Role::Target, tables: None };
    let error = endpoint.inspect(&ask).await.err().context("inspect passed without a server")?;
    ensure!(
        error.to_string().contains(&format!(":{CLOSED}")) || error.to_string().contains("127.0.0.1"),
        "it names the server: {error}"
    );
    expect(&error, &[ErrorKind::Unavailable])
}

async fn other_server(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (source, prepared) = stage.captured(&["orders"]).await?;
    drop(source);
    let mut source = stage.source().await?;
    let other = ServerIdentity { id: format!("{}-other", prepared.server.id), ..prepared.server.clone() };
    let error = source.stream(&names(&["orders"]), &prepared.start, &other).await;
    expect(&error.err().context("the stream opened at another server")?, &[ErrorKind::PositionLost])
}

async fn unreadable_position(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (source, prepared) = stage.captured(&["orders"]).await?;
    drop(source);
    stage.sql("INSERT INTO orders VALUES (1, 'a', 1)").await?;
    let mut follower = stage.follow(&["orders"], &prepared.start, &prepared).await?;
    let at = follower.transactions(1).await?[0].at.clone();
    drop(follower);
    let snapshot = stage.source().await?.snapshot(&stage.tables(&["orders"]).await?, 1).await?;
    stage.endpoint.covers(snapshot.mark(), &at)?;
    drop(snapshot);
    for text in ["", "nonsense", "-1", "0/0/0", "{}"] {
        let bad = Position::new(text);
        let mut source = stage.source().await?;
        let error = source.stream(&names(&["orders"]), &bad, &prepared.server).await;
        let error = error.err().with_context(|| format!("the stream opened behind '{text}'"))?;
        expect(&error, &[ErrorKind::PositionLost])?;
        ensure!(stage.endpoint.compare(&bad, &prepared.start).is_err(), "'{text}' was compared");
        ensure!(stage.endpoint.covers(&bad, &at).is_err(), "'{text}' was taken as a mark");
    }
    Ok(())
}

async fn capture_gone(stage: Stage) -> Result<()> {
    let stage = stage.with(&["orders"]).await?;
    let (source, prepared) = stage.captured(&["orders"]).await?;
    drop(source);
    stage.endpoint.cleanup(None, true).await?;
    if stage.dialect().log_is_there {
        return Ok(());
    }
    let mut source = stage.source().await?;
    let error = source.stream(&names(&["orders"]), &prepared.start, &prepared.server).await;
    expect(&error.err().context("the stream opened without its capture")?, &[ErrorKind::PositionLost])
}
