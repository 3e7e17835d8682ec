//! The suite itself, held to account: an engine that refuses everything, and one that says yes and does nothing, keep no promise.

use super::{Check, Subject, checks, loading, one, writing};
use crate::{Kind, server};
use async_trait::async_trait;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidelock_endpoint::{
    Alteration, Applied, Ask, Capabilities, CaptureKind, Case, Checkpoint, Cleanup, Coverage, Delta,
    Endpoint, EndpointConfig, EndpointError, ErrorKind, Inspection, Limit, Loader, Names, Result,
    ServerIdentity, Source, Target, Verdict, WriteMode,
};
use tidelock_model::{Column, Position, Rows, Table, Type};

const CAPABILITIES: Capabilities =
    Capabilities { engine: "nothing", captures: &[CaptureKind::Trigger], target: true, parallel_loads: 2 };

/// Refuses everything.
struct Refuses;

/// Knows the tables it is asked for, and says yes to every write.
#[derive(Clone)]
struct SaysYes;

fn no<T>() -> Result<T> {
    Err(EndpointError::new(ErrorKind::Unsupported, "TL-NOTHING", "nothing is supported"))
}

#[async_trait]
impl Endpoint for Refuses {
    fn name(&self) -> &str {
        "nothing"
    }
    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }
    async fn inspect(&self, _: &Ask) -> Result<Inspection> {
        no()
    }
    async fn source(&self, _: CaptureKind) -> Result<Box<dyn Source>> {
        no()
    }
    async fn target(&self, _: &str) -> Result<Box<dyn Target>> {
        no()
    }
    fn column_verdict(&self, _: &str, _: &ServerIdentity, _: &Column, _: Option<&Column>) -> Verdict {
        Verdict::Refused { reason: "nothing".to_owned() }
    }
    fn compare(&self, _: &Position, _: &Position) -> Result<Ordering> {
        no()
    }
    fn covers(&self, _: &Position, _: &str) -> Result<Coverage> {
        no()
    }
    async fn cleanup(&self, _: Option<&str>, _: bool) -> Result<Vec<Cleanup>> {
        no()
    }
}

#[async_trait]
impl Endpoint for SaysYes {
    fn name(&self) -> &str {
        "nothing"
    }
    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }
    async fn inspect(&self, ask: &Ask) -> Result<Inspection> {
        let table = |name: &tidelock_model::TableName| {
            let columns: &[(&str, Type)] = match name.name.as_str() {
                "coded" => &[("id", Type::int(32)), ("code", Type::text())],
                _ => &[("id", Type::int(32)), ("note", Type::text()), ("qty", Type::int(32))],
            };
            let columns = columns.iter().map(|(name, kind)| Column::new(*name, kind.clone(), "")).collect();
            let (indexes, foreign_keys) = (Vec::new(), Vec::new());
            Arc::new(Table {
                name: name.clone(),
                columns,
                key: vec![0],
                primary: true,
                indexes,
                foreign_keys,
            })
        };
        let server = ServerIdentity { product: "nothing".into(), version: "1".into(), id: "1".into() };
        let tables = ask.tables.iter().flatten().map(table).collect();
        let names = Names { tables: Case::Exact, columns: Case::Exact, limit: Limit::None, widest: 1000 };
        Ok(Inspection { server, names, tables, stored: BTreeMap::new(), findings: Vec::new() })
    }
    async fn source(&self, _: CaptureKind) -> Result<Box<dyn Source>> {
        no()
    }
    async fn target(&self, _: &str) -> Result<Box<dyn Target>> {
        Ok(Box::new(SaysYes))
    }
    fn column_verdict(&self, _: &str, _: &ServerIdentity, _: &Column, _: Option<&Column>) -> Verdict {
        Verdict::Exact { native: String::new() }
    }
    fn compare(&self, _: &Position, _: &Position) -> Result<Ordering> {
        Ok(Ordering::Equal)
    }
    fn covers(&self, _: &Position, _: &str) -> Result<Coverage> {
        Ok(Coverage::Unknown)
    }
    async fn cleanup(&self, _: Option<&str>, _: bool) -> Result<Vec<Cleanup>> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Target for SaysYes {
    async fn prepare(&mut self, _: &str, _: &[Arc<Table>]) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn plan(&mut self, _: &str, _: &[Arc<Table>]) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn alter(&mut self, _: &str, _: &[Alteration], _: bool) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn finish(&mut self, _: &str, _: &[Arc<Table>]) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn is_empty(&mut self, _: &Arc<Table>) -> Result<bool> {
        Ok(true)
    }
    async fn begin_trial(&mut self, _: &Arc<Table>) -> Result<bool> {
        Ok(false)
    }
    async fn try_keys(&mut self, keys: &Rows) -> Result<Rows> {
        Ok(keys.clone())
    }
    async fn loader(&mut self) -> Result<Box<dyn Loader>> {
        Ok(Box::new(SaysYes))
    }
    async fn checkpoints(&mut self) -> Result<Vec<Checkpoint>> {
        Ok(Vec::new())
    }
    async fn begin(&mut self, _: &str) -> Result<()> {
        Ok(())
    }
    async fn apply(&mut self, _: &[Delta<'_>]) -> Result<Applied> {
        Ok(Applied::default())
    }
    async fn read(&mut self, keys: &Rows) -> Result<Rows> {
        Ok(keys.clone())
    }
    async fn commit(&mut self, _: &Checkpoint, _: &[String]) -> Result<()> {
        Ok(())
    }
    async fn rollback(&mut self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Loader for SaysYes {
    async fn begin(&mut self, _: &Arc<Table>, _: WriteMode, _: &str) -> Result<()> {
        Ok(())
    }
    async fn load(&mut self, _: &Rows) -> Result<()> {
        Ok(())
    }
    async fn commit(&mut self, _: &Checkpoint) -> Result<()> {
        Ok(())
    }
}

async fn none_is_kept(
    checks: impl Iterator<Item = &'static Check>,
    connect: fn(EndpointConfig) -> Result<Arc<dyn Endpoint>>,
) {
    let Some(server) = server(Kind::Sqlite) else { return };
    let subject = Subject::new(server, CaptureKind::Trigger, connect);
    for check in checks {
        assert!(
            one(subject.clone(), check).await.is_err(),
            "kept by an engine that does nothing: {}",
            check.name
        );
    }
}

#[tokio::test]
async fn who_refuses_everything_keeps_no_promise() {
    none_is_kept(checks(), |_| Ok(Arc::new(Refuses))).await;
}

#[tokio::test]
async fn who_says_yes_and_does_nothing_keeps_no_promise_of_writing() {
    none_is_kept(writing::CHECKS.iter().chain(loading::CHECKS), |_| Ok(Arc::new(SaysYes))).await;
}

#[tokio::test]
#[should_panic(expected = "promises kept")]
async fn a_broken_promise_fails_the_test() {
    let Some(server) = server(Kind::Sqlite) else { return };
    super::all(Subject::new(server, CaptureKind::Trigger, |_| Ok(Arc::new(Refuses)))).await;
}
