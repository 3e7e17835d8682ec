//! Settings that keep changes out of the log.

use crate::common::*;
use tidelock_endpoint::{Ask, CaptureKind, Endpoint, ErrorKind, Finding, Role, Severity};
use tidelock_testkit::{Kind, lab::Options, private_server};

async fn finding(endpoint: &dyn Endpoint, code: &str) -> Option<Finding> {
    let ask = Ask { role: Role::Source(CaptureKind::Log), tables: None };
    endpoint.inspect(&ask).await.unwrap().findings.into_iter().find(|f| f.code == code)
}

/// A stream cannot be opened.
async fn refused(endpoint: &dyn Endpoint) -> (ErrorKind, &'static str) {
    let mut source = endpoint.source(CaptureKind::Log).await.unwrap();
    let prepared = source.prepare(&names(&["t"])).await.unwrap();
    let error = source.stream(&names(&["t"]), &prepared.start, &prepared.server).await.err().unwrap();
    assert!(error.hint.is_some());
    (error.kind, error.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_leaves_the_database_out_of_the_log_is_told_and_refused() {
    for kind in KINDS {
        let options = Options::default().with("binlog-do-db", "another");
        let Some(private) = private_server(kind, options).await else { continue };
        let db = private.server.fresh_database("filtered").await;
        db.execute("CREATE TABLE t (id int primary key)").await.unwrap();
        let endpoint = endpoint(&db.url);
        let found = finding(&*endpoint, "TL-MY-LOG-FILTER").await.expect("a finding");
        assert_eq!(found.severity, Severity::Error, "{kind}");
        assert!(found.message.contains(&db.name) && found.remedy.is_some(), "{kind}: {found:?}");
        assert_eq!(refused(&*endpoint).await, (ErrorKind::Precondition, "TL-MY-LOG-FILTER"), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_does_not_log_what_it_is_sent_is_told_and_refused() {
    for kind in KINDS {
        let (option, follow) = match kind.is_mariadb() {
            true => ("log-slave-updates", "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_USER='nobody'"),
            false => (
                "log-replica-updates",
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_USER='nobody'",
            ),
        };
        let options = Options::default().with(option, "OFF");
        let Some(private) = private_server(kind, options).await else { continue };
        let db = private.server.fresh_database("replica").await;
        db.execute("CREATE TABLE t (id int primary key)").await.unwrap();
        let endpoint = endpoint(&db.url);
        assert_eq!(finding(&*endpoint, "TL-MY-REPLICA-LOG").await, None, "{kind}: it is no replica yet");
        db.execute(follow).await.unwrap();
        let found = finding(&*endpoint, "TL-MY-REPLICA-LOG").await.expect("a finding");
        assert_eq!(found.severity, Severity::Error, "{kind}");
        assert_eq!(refused(&*endpoint).await, (ErrorKind::Precondition, "TL-MY-REPLICA-LOG"), "{kind}");
    }
}

/// A user of the documented grants without SLAVE MONITOR, at a server that is a replica and logs nothing of what it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_ask_whether_it_is_a_replica_is_told_which_right_is_missing() {
    let options = Options::default().with("log-slave-updates", "OFF");
    let Some(private) = private_server(Kind::Mariadb1011, options).await else { return };
    let db = private.server.fresh_database("unasked").await;
    db.execute(
        "CREATE TABLE t (id int primary key); CREATE USER reader IDENTIFIED BY 'a-long-Secret-7'; GRANT SELECT ON *.* TO reader; \
         GRANT REPLICATION SLAVE, BINLOG MONITOR, RELOAD ON *.* TO reader; CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_USER='nobody'",
    )
    .await
    .unwrap();
    let endpoint = endpoint(&as_user(&db.url, "reader"));
    let found = finding(&*endpoint, "TL-MY-PRIVILEGE-REPLICA").await.expect("a finding");
    assert_eq!(found.severity, Severity::Error);
    let remedy = found.remedy.unwrap();
    assert!(remedy.starts_with("GRANT SLAVE MONITOR ON *.* TO 'reader'@"), "{remedy}");
    assert_eq!(refused(&*endpoint).await, (ErrorKind::Precondition, "TL-MY-PRIVILEGE-REPLICA"));
    db.execute(&remedy).await.unwrap();
    assert_eq!(refused(&*endpoint).await, (ErrorKind::Precondition, "TL-MY-REPLICA-LOG"));
    db.execute("RESET SLAVE ALL").await.unwrap();
    assert_eq!(finding(&*endpoint, "TL-MY-REPLICA-LOG").await, None);
}
