use super::*;
use crate::commands::init::url::SafeUrl;
use crate::config::Config;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidelock_endpoint::{Case, Inspection, Limit, Names, ServerIdentity};
use tidelock_model::{Column, Table, TableName, Type};

fn table(name: &str, key: bool) -> Arc<Table> {
    let columns = vec![Column::new("id", Type::int(64), "bigint"), Column::new("v", Type::text(), "text")];
    let key = if key { vec![0] } else { vec![] };
    let (indexes, foreign_keys) = (vec![], vec![]);
    Arc::new(Table { name: TableName::new(name), columns, key, primary: true, indexes, foreign_keys })
}

fn side(name: &str, url: &str, tables: Vec<Arc<Table>>) -> Side {
    let server = ServerIdentity { product: "PostgreSQL".into(), version: "15.4\n".into(), id: "1".into() };
    let names = Names { tables: Case::Exact, columns: Case::Exact, limit: Limit::None, widest: 1000 };
    let found = Inspection { server, names, tables, stored: BTreeMap::new(), findings: vec![] };
    Side { name: name.into(), url: SafeUrl::of(url, name), found }
}

fn report(findings: Vec<Finding>) -> Report {
    Report {
        job: "shop-to-crm".into(),
        source: "shop".into(),
        target: "crm".into(),
        capture: tidelock_endpoint::CaptureKind::Log,
        capture_asked: false,
        tables: vec![],
        findings,
    }
}

#[test]
fn what_is_written_can_be_read() {
    let nasty = "no: \"key\" ${X} # it";
    let from = side("shop", "postgres://u:hunter2@h:1/shop", vec![table("users", true), table(nasty, false)]);
    let to = side("crm", "sqlite:./a b.db", vec![table("users", true)]);
    let findings = vec![
        Finding::new(Severity::Error, "TL-PLAN-NO-KEY", nasty, "no key").remedy("ALTER …\nADD …"),
        Finding::new(Severity::Warning, "TL-X", "users.v", "some\nvalues"),
        Finding::new(Severity::Error, "TL-PG-WAL-LEVEL", "wal_level", "is replica"),
    ];
    let text = write(&from, &to, &report(findings));
    assert!(!text.contains("hunter2"));
    let config = Config::from_text(&text, &[("SHOP_PASSWORD", "hunter2")]).unwrap();
    assert_eq!(config.endpoints["shop"].url, "postgres://u:hunter2@h:1/shop");
    assert_eq!(config.endpoints["crm"].url, "sqlite:./a b.db");
    let job = &config.jobs[0];
    assert!(job.tables.rule(&TableName::new("users")).is_some());
    assert!(job.tables.rule(&TableName::new(nasty)).is_none(), "{text}");
}

#[test]
fn a_sound_database_is_taken_whole() {
    let from = side("shop", "postgres://u@h/shop", vec![table("users", true)]);
    let to = side("crm", "mysql://u@h/crm", vec![]);
    let text = write(&from, &to, &report(vec![]));
    assert!(text.contains("    tables: all\n"), "{text}");
    assert_eq!(Config::from_text(&text, &[]).unwrap().jobs.len(), 1);
}
