//! Tables that we make.

use crate::common::*;
use std::sync::Arc;
use tidelock_endpoint::{Ask, CaptureKind, Role, Severity};
use tidelock_model::{Column, ColumnDefault, Table, TableName, Type};

fn column(name: &str, data_type: Type, default: Option<ColumnDefault>) -> Column {
    Column { default, ..Column::new(name, data_type, "x") }
}

/// As PostgreSQL or SQLite would hand it over.
fn foreign() -> Table {
    let literal = |t: &str| Some(ColumnDefault::Literal(t.into()));
    let mut id = column("id", Type::int(64), Some(ColumnDefault::AutoIncrement));
    id.nullable = false;
    Table {
        name: TableName::new("t"),
        columns: vec![
            id,
            column("yes", Type::Bool, literal("true")),
            column("uuid", Type::Uuid, None),
            column("at", Type::Timestamp { fraction: 6 }, Some(ColumnDefault::Now)),
            column("local", Type::DateTime { fraction: 3 }, Some(ColumnDefault::Now)),
            column("day", Type::Date, Some(ColumnDefault::Now)),
            column("name", Type::text(), literal("it's")),
            column("code", Type::Text { length: Some(40), fixed: false }, literal("")),
            column("price", Type::Decimal { precision: Some(10), scale: 2 }, literal("0.00")),
            column("any", Type::Decimal { precision: None, scale: 0 }, None),
            column("data", Type::Json, None),
            column("bytes", Type::bytes(), None),
        ],
        key: vec![0],
        primary: true,
        indexes: vec![tidelock_model::Index { name: "by_name".into(), columns: vec![7, 8], unique: true }],
        foreign_keys: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_engine_is_read_back_as_what_it_was() {
    for kind in KINDS {
        let Some(db) = database(kind, "foreign").await else { continue };
        let endpoint = endpoint(&db.url);
        let wanted = Arc::new(foreign());
        let mut target = endpoint.target("job").await.unwrap();
        let planned = target.plan("postgres", std::slice::from_ref(&wanted)).await.unwrap();
        let mut ran = target.prepare("postgres", std::slice::from_ref(&wanted)).await.unwrap();
        ran.extend(target.finish("postgres", std::slice::from_ref(&wanted)).await.unwrap());
        assert_eq!(planned, ran, "{kind}");
        assert!(target.finish("postgres", std::slice::from_ref(&wanted)).await.unwrap().is_empty(), "{kind}");
        let made = table(&*endpoint, "t").await;
        for (made, wanted) in made.columns.iter().zip(&wanted.columns) {
            let same = match &wanted.data_type {
                Type::Decimal { precision: None, .. } => Type::Decimal { precision: Some(65), scale: 30 },
                other => other.clone(),
            };
            assert_eq!(made.data_type, same, "{kind}: {}", made.name);
            let default = |c: &Column| match &c.default {
                Some(ColumnDefault::Literal(t)) if c.data_type == Type::Bool => {
                    Some((t == "true" || t == "1").to_string())
                }
                Some(ColumnDefault::Literal(t)) => Some(t.trim_matches(['(', ')']).to_owned()),
                Some(ColumnDefault::AutoIncrement) => Some("auto".into()),
                Some(_) => Some("computed".into()),
                None => None,
            };
            let (a, b) = (default(made), default(wanted));
            assert_eq!(a.is_some(), b.is_some(), "{kind}: {}: {a:?} {b:?}", made.name);
        }
        assert_eq!(made.indexes.len(), 1, "{kind}");
        db.execute("INSERT INTO t (code) VALUES ('x')").await.unwrap();
        let row = db
            .query(
                "SELECT id, yes, name, price, abs(timestampdiff(second, at, utc_timestamp())) < 900 FROM t",
            )
            .await
            .unwrap();
        let row: Vec<_> = row[0].iter().map(|v| v.clone().unwrap()).collect();
        assert_eq!(row, ["1", "1", "it's", "0.00", "1"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_move_between_the_two_products_with_keys_indexes_and_defaults() {
    for (from, to) in [(KINDS[0], KINDS[1]), (KINDS[1], KINDS[0]), (KINDS[0], KINDS[0]), (KINDS[1], KINDS[1])]
    {
        let (Some(a), Some(b)) = (database(from, "from").await, database(to, "to").await) else { continue };
        a.execute(
            "CREATE TABLE p (id int unsigned auto_increment primary key, name varchar(50) NOT NULL DEFAULT 'it''s', price decimal(8,2) DEFAULT 1.50, \
             at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), e enum('a','b') DEFAULT 'b', j json, up decimal(9,2) GENERATED ALWAYS AS (price * 2) VIRTUAL, \
             UNIQUE KEY by_name (name)); \
             CREATE TABLE c (id int primary key, p int unsigned, n int DEFAULT -1, KEY extra (n), CONSTRAINT c_p FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE)",
        )
        .await
        .unwrap();
        let (source, other) = (endpoint(&a.url), endpoint(&b.url));
        let tables = tables(&*source, &["p", "c"]).await;
        let mut target = other.target("job").await.unwrap();
        target.prepare("mysql", &tables).await.unwrap();
        target.finish("mysql", &tables).await.unwrap();
        assert!(target.finish("mysql", &tables).await.unwrap().is_empty(), "{from} to {to}");
        let made = crate::common::tables(&*other, &["p", "c"]).await;
        for (x, y) in tables.iter().zip(&made) {
            assert_eq!(
                (&x.name, &x.key, x.primary, &x.indexes),
                (&y.name, &y.key, y.primary, &y.indexes),
                "{from} to {to}"
            );
            assert_eq!(x.foreign_keys, y.foreign_keys, "{from} to {to}");
            for (c, d) in x.columns.iter().zip(&y.columns) {
                assert_eq!(
                    (&c.data_type, c.nullable, c.generated),
                    (&d.data_type, d.nullable, d.generated),
                    "{from} to {to}: {}",
                    c.name
                );
                assert_eq!(c.default, d.default, "{from} to {to}: {}", c.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_tells_all_that_is_missing_at_once_with_what_mends_it() {
    for kind in KINDS {
        let Some(db) = database(kind, "missing").await else { continue };
        db.execute(
            "CREATE TABLE nokey (a int); CREATE TABLE odd (id int primary key, k varchar(5) CHARACTER SET ujis); \
             CREATE TABLE old (id int primary key) ENGINE=MyISAM",
        )
        .await
        .unwrap();
        let user = format!("u{}", std::process::id());
        let name = &db.name;
        db.execute(&format!(
            "DROP USER IF EXISTS {user}@'%'; CREATE USER {user}@'%' IDENTIFIED BY 'secret word'; GRANT SELECT ON {name}.* TO {user}@'%'"
        ))
        .await
        .unwrap();
        let mut url = url::Url::parse(&db.url).unwrap();
        url.set_username(&user).unwrap();
        url.set_password(Some("secret word")).unwrap();
        let limited = endpoint(url.as_str());
        let ask = |role| Ask { role, tables: None };
        let found = limited.inspect(&ask(Role::TwoWaySource(CaptureKind::Log))).await.unwrap().findings;
        for code in [
            "TL-MY-PRIVILEGE-REPLICATION",
            "TL-MY-PRIVILEGE-MONITOR",
            "TL-MY-PRIVILEGE-RELOAD",
            "TL-MY-NO-KEY",
            "TL-MY-CHARSET",
            "TL-MY-ENGINE",
        ] {
            let finding = found
                .iter()
                .find(|f| f.code == code)
                .unwrap_or_else(|| panic!("{kind}: {code} is missing: {found:?}"));
            assert!(finding.remedy.is_some(), "{kind}: {code} has no remedy");
        }
        let found = limited.inspect(&ask(Role::Target)).await.unwrap().findings;
        assert!(
            found.iter().any(|f| f.code == "TL-MY-PRIVILEGE-WRITE" && f.severity == Severity::Error),
            "{kind}"
        );
        let root = endpoint(&db.url).inspect(&ask(Role::Target)).await.unwrap().findings;
        assert!(root.iter().all(|f| f.severity != Severity::Error), "{kind}: {root:?}");
        db.execute(&format!("DROP USER {user}@'%'")).await.unwrap();
    }
}
