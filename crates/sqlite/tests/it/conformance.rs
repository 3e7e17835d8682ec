use tidelock_endpoint::CaptureKind;
use tidelock_testkit::{Kind, conformance, server};

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let Some(server) = server(Kind::Sqlite) else { return };
    conformance::all(conformance::Subject::new(server, CaptureKind::Trigger, tidelock_sqlite::open)).await;
}
