use super::*;
use crate::observe::Silent;
use async_trait::async_trait;
use std::cmp::Ordering;
use std::sync::Mutex;
use tidelock_endpoint::{
    Ask, Capabilities, ChangeStream, Cleanup, Coverage, EndpointError, ErrorKind, Inspection, Prepared,
    Result, ServerIdentity, Snapshot, Source, Target, Verdict,
};
use tidelock_model::{Column, Rows, Table, TableName};

const NEVER: &str = "only its head is asked for";

/// A source that fails so often, each time in the next of these ways, before it tells its head.
struct Failing(Arc<Mutex<Vec<ErrorKind>>>);

impl Failing {
    fn next(&self) -> Result<()> {
        match self.0.lock().unwrap().pop() {
            Some(kind) => Err(EndpointError::new(kind, "TL-X", "it is so")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Endpoint for Failing {
    fn name(&self) -> &str {
        "shop"
    }
    fn capabilities(&self) -> &Capabilities {
        unreachable!("{NEVER}")
    }
    async fn inspect(&self, _: &Ask) -> Result<Inspection> {
        unreachable!("{NEVER}")
    }
    async fn source(&self, _: CaptureKind) -> Result<Box<dyn Source>> {
        self.next()?;
        Ok(Box::new(Failing(self.0.clone())))
    }
    async fn target(&self, _: &str) -> Result<Box<dyn Target>> {
        unreachable!("{NEVER}")
    }
    fn column_verdict(&self, _: &str, _: &ServerIdentity, _: &Column, _: Option<&Column>) -> Verdict {
        unreachable!("{NEVER}")
    }
    fn compare(&self, a: &Position, b: &Position) -> Result<Ordering> {
        Ok(a.as_str().cmp(b.as_str()))
    }
    fn covers(&self, _: &Position, _: &str) -> Result<Coverage> {
        unreachable!("{NEVER}")
    }
    async fn cleanup(&self, _: Option<&str>, _: bool) -> Result<Vec<Cleanup>> {
        unreachable!("{NEVER}")
    }
}

#[async_trait]
impl Source for Failing {
    async fn prepare(&mut self, _: &[TableName]) -> Result<Prepared> {
        unreachable!("{NEVER}")
    }
    async fn plan(&mut self, _: &[TableName]) -> Result<Vec<String>> {
        unreachable!("{NEVER}")
    }
    async fn forget(&mut self) -> Result<()> {
        unreachable!("{NEVER}")
    }
    async fn head(&mut self) -> Result<Position> {
        self.next()?;
        Ok(Position::new("7"))
    }
    async fn stream(
        &mut self,
        _: &[TableName],
        _: &Position,
        _: &ServerIdentity,
    ) -> Result<Box<dyn ChangeStream>> {
        unreachable!("{NEVER}")
    }
    async fn snapshot(&mut self, _: &[Arc<Table>], _: usize) -> Result<Box<dyn Snapshot>> {
        unreachable!("{NEVER}")
    }
    async fn read(&mut self, _: &Rows) -> Result<Rows> {
        unreachable!("{NEVER}")
    }
}

async fn goal(failures: &[ErrorKind]) -> crate::Result<u64> {
    let now = Reached { ready: true, position: Some(Position::new("7")), sequence: 42, ..Reached::default() };
    let (_sender, reached) = watch::channel(now);
    let endpoint = Arc::new(Failing(Arc::new(Mutex::new(failures.to_vec()))));
    Goal { endpoint, kind: CaptureKind::Log, reached, stop: CancellationToken::new() }.reach(&Silent).await
}

#[tokio::test]
async fn the_end_of_a_source_is_asked_for_again_where_that_can_help() {
    assert_eq!(goal(&[ErrorKind::Contention; 3]).await.unwrap(), 42);
    let error = goal(&[ErrorKind::Privilege, ErrorKind::Contention]).await.unwrap_err();
    assert!(matches!(&error, SyncError::Endpoint { source, .. } if source.kind == ErrorKind::Privilege));
}
