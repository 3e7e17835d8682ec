use super::progress::Progress;
use super::*;
use std::time::{Duration, Instant};
use tidelock_endpoint::{Cleanup, EndpointError, ErrorKind, Finding, Severity};
use tidelock_sync::{FlowStatus, JobStatus, Planned, PlannedTable, Report, Status, SyncError, TableReport};

fn plain() -> Colours {
    Colours::default()
}

#[test]
fn a_table_tells_rows_rate_and_time_left() {
    let mut progress = Progress::default();
    let (job, table) = ("j".to_owned(), "orders".to_owned());
    let began = Instant::now();
    let line = |progress: &Progress, seconds| {
        progress.tables[&("j".to_owned(), "orders".to_owned())].line(began + Duration::from_secs(seconds))
    };
    progress.event(&Event::TablePlanned { job: job.clone(), table: table.clone(), rows: 500_000 }, began);
    assert_eq!(line(&progress, 0), "0 of 500,000 rows");
    progress.event(&Event::Rows { job: job.clone(), table: table.clone(), rows: 120_000 }, began);
    assert_eq!(line(&progress, 2), "120,000 of 500,000 rows, 60,000 rows/s, 6 s left");
    progress.event(&Event::Rows { job: job.clone(), table: table.clone(), rows: 400_000 }, began);
    assert_eq!(line(&progress, 10), "520,000 rows, 52,000 rows/s");
    progress.event(&Event::TableDone { job, table, rows: 520_000 }, began);
    assert_eq!(line(&progress, 10), "520,000 rows in 10 s");
}

#[test]
fn check_is_read_calmly() {
    let report = Report {
        job: "shop-to-crm".into(),
        source: "shop".into(),
        target: "crm".into(),
        capture: tidelock_endpoint::CaptureKind::Log,
        capture_asked: false,
        tables: vec!["users".into(), "orders".into()],
        findings: vec![
            Finding::new(Severity::Error, "TL-PG-WAL-LEVEL", "wal_level", "is replica; logical is needed")
                .remedy("ALTER SYSTEM SET wal_level = logical;\n-- then restart the server"),
            Finding::new(Severity::Note, "TL-X", "users", "has a trigger"),
        ],
    };
    insta::assert_snapshot!(super::report::check(&report, plain()), @r#"
    shop-to-crm: shop → crm
      capture: log (the best that the engine offers)
      tables:  2: users, orders
      error    wal_level: is replica; logical is needed (TL-PG-WAL-LEVEL)
                 ALTER SYSTEM SET wal_level = logical;
                 -- then restart the server
      note     users: has a trigger (TL-X)
      not ready: 1 error
    "#);
}

#[test]
fn a_plan_can_be_run_as_it_stands() {
    let same = |names: &[&str]| names.iter().map(|n| (n.to_string(), n.to_string())).collect::<Vec<_>>();
    let mut columns = same(&["id", "name"]);
    columns[1].1 = "title".into();
    let planned = [
        Planned {
            job: "a".into(),
            source: "shop".into(),
            target: "crm".into(),
            tables: vec![
                PlannedTable { table: "t".into(), to: "t".into(), columns: same(&["id"]), rules: vec![] },
                PlannedTable {
                    table: "u".into(),
                    to: "v".into(),
                    columns,
                    rules: vec!["where: id > 0".into(), "title: sha256".into()],
                },
            ],
            at_source: vec![],
            at_target: vec!["CREATE TABLE t (id INT)".into(), "CREATE INDEX i ON t (id);".into()],
        },
        Planned {
            job: "b".into(),
            source: "shop".into(),
            target: "crm".into(),
            tables: vec![],
            at_source: vec!["CREATE PUBLICATION p".into()],
            at_target: vec![],
        },
    ];
    insta::assert_snapshot!(super::report::plan(&planned, plain()), @r#"
    -- a: shop → crm
    -- t: 1 column
    -- u → v: 2 columns, of which name → title
    --   where: id > 0
    --   title: sha256
    -- at shop
    -- nothing to create
    -- at crm
    CREATE TABLE t (id INT);
    CREATE INDEX i ON t (id);

    -- b: shop → crm
    -- at shop
    CREATE PUBLICATION p;
    -- at crm
    -- nothing to create
    "#);
}

#[test]
fn a_comparison_tells_what_differs() {
    let tables = [
        TableReport { table: "users".into(), matched: 1_200, ..TableReport::default() },
        TableReport {
            table: "orders".into(),
            matched: 99,
            different: 1,
            missing: 1,
            examples: vec!["different id=7 (amount)".into(), "missing id=8".into()],
            ..TableReport::default()
        },
    ];
    insta::assert_snapshot!(super::report::verify(&tables, plain()), @r#"
    table   matched  different  missing  extra
    users     1,200          0        0      0
    orders       99          1        1      0
      orders: different id=7 (amount)
      orders: missing id=8
    both sides differ in 2 rows
    "#);
    insta::assert_snapshot!(super::report::verify(&tables[..1], plain()), @r#"
    table  matched  different  missing  extra
    users    1,200          0        0      0
    both sides are equal: 1,200 rows in 1 table
    "#);
}

#[test]
fn what_was_put_there_is_listed_by_endpoint() {
    let thing =
        |kind, name: &str, statement: &str| Cleanup { kind, name: name.into(), statement: statement.into() };
    let found = [
        (
            "shop".to_owned(),
            thing("slot", "tidelock_shop", "SELECT pg_drop_replication_slot('tidelock_shop')"),
        ),
        ("crm".to_owned(), thing("table", "tidelock_checkpoint", "DROP TABLE tidelock_checkpoint")),
    ];
    insta::assert_snapshot!(super::report::cleanup(&found, None, false, plain()), @r#"
    crm
      table tidelock_checkpoint
          DROP TABLE tidelock_checkpoint
    shop
      slot tidelock_shop
          SELECT pg_drop_replication_slot('tidelock_shop')
    nothing was removed; `tidelock cleanup --yes` removes all of it
    "#);
}

#[test]
fn the_status_tells_every_job() {
    let flow = FlowStatus {
        phase: "following".into(),
        transactions: 12,
        changes: 34,
        lag_micros: 1_500,
        delivered_at: 0,
        error: Some("crm: connection refused".into()),
    };
    let job = JobStatus {
        job: "a".into(),
        flows: [("shop → crm".to_owned(), flow)].into(),
        rows_copied: 1_000,
        conflicts: 2,
        error: None,
        at: 0,
    };
    let journals =
        [("shop".to_owned(), serde_json::json!({ "bytes": 5 << 20, "oldest_seconds": 90, "full": false, "error": "shop: slot gone" }))]
            .into();
    let status = Status { running: true, jobs: vec![job], schema_changes: vec![], journals };
    insta::assert_snapshot!(super::report::status(&status, &["a".into(), "b".into()], plain()), @r#"
    a tidelock is at work with this state
    a
      shop → crm: following, 12 transactions with 34 changes, 1 ms behind
        error: crm: connection refused
      first copy: 1,000 rows
      conflicts: 2
    b: never ran
    journal of shop: 5.0 MiB, the oldest 1 min 30 s old
      error: shop: slot gone
    "#);
}

#[test]
fn an_error_tells_its_code_its_cause_and_what_to_do() {
    let cause = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
    let source = EndpointError::new(ErrorKind::Unavailable, "TL-PG-CONNECT", "connecting to 127.0.0.1:5432")
        .hint("is the server running?")
        .caused_by(cause);
    let failure = Failure::of(&SyncError::Endpoint { endpoint: "shop".into(), source }.into());
    assert_eq!(failure.exit, 1);
    insta::assert_snapshot!(failure.text(plain()), @r#"
    error: shop: connecting to 127.0.0.1:5432 (TL-PG-CONNECT)
      caused by: connection refused
      hint: is the server running?
    "#);
    insta::assert_snapshot!(failure.json(), @r#"
    {"error":{"causes":["connection refused"],"code":"TL-PG-CONNECT","hint":"is the server running?","message":"shop: connecting to 127.0.0.1:5432"}}
    "#);
    let refused = SyncError::Refused { job: "a".into(), findings: vec!["one".into(), "two".into()] };
    insta::assert_snapshot!(Failure::of(&refused.into()).text(plain()), @r#"
    error: a cannot start (TL-SYNC-REFUSED)
      - one
      - two
    "#);
    let context = anyhow::anyhow!("no space").context("writing x (TL-INIT-WRITE)");
    insta::assert_snapshot!(Failure::of(&context).text(plain()), @r#"
    error: writing x (TL-INIT-WRITE)
      caused by: no space
    "#);
}
