use crate::world::{World, endpoint};
use tidelock_endpoint::{Ask, CaptureKind, Role, Severity};

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_the_way_is_told_at_once() {
    let world = World::new(
        "CREATE TABLE no_key (a TEXT); CREATE TABLE strange (id INTEGER PRIMARY KEY, m MONEY, e TEXT);
         CREATE UNIQUE INDEX part ON strange (e) WHERE e <> ''; CREATE TABLE loose (k TEXT PRIMARY KEY);
         CREATE VIEW seen AS SELECT 1; CREATE VIRTUAL TABLE words USING fts5(w)",
    );
    let ask = Ask { role: Role::Source(CaptureKind::Trigger), tables: None };
    let found = world.endpoint.inspect(&ask).await.unwrap();
    let names: Vec<_> = found.tables.iter().map(|t| t.name.name.as_str()).collect();
    assert_eq!(names, ["loose", "no_key", "strange"]);
    let has = |severity, code, subject: &str| {
        found.findings.iter().any(|f| f.severity == severity && f.code == code && f.subject == subject)
    };
    for (severity, code, subject) in [
        (Severity::Error, "TL-SQLITE-NO-KEY", "no_key"),
        (Severity::Note, "TL-SQLITE-TYPE", "strange.m"),
        (Severity::Warning, "TL-SQLITE-REPLACE", "strange"),
        (Severity::Note, "TL-SQLITE-NULL-KEY", "loose.k"),
        (Severity::Note, "TL-SQLITE-NO-TABLE", "seen"),
        (Severity::Note, "TL-SQLITE-NO-TABLE", "words"),
    ] {
        assert!(has(severity, code, subject), "{code} {subject} in {:#?}", found.findings);
    }
    assert!(found.findings.iter().any(|f| f.code == "TL-SQLITE-WAL"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_missing_or_is_no_database_is_told_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, text) = (folder.path().join("missing.db"), folder.path().join("text.db"));
    std::fs::write(
        &text,
        "this is a text of some length, and no database at all, as every reader sees".repeat(20),
    )
    .unwrap();
    let code = async |path: &std::path::Path, role| {
        let found = endpoint(path).inspect(&Ask { role, tables: None }).await.unwrap();
        found.findings.iter().find(|f| f.severity == Severity::Error).map(|f| f.code)
    };
    assert_eq!(code(&missing, Role::Source(CaptureKind::Trigger)).await, Some("TL-SQLITE-NO-FILE"));
    assert_eq!(code(&missing, Role::Target).await, None);
    assert_eq!(code(&text, Role::Target).await, Some("TL-SQLITE-NOT-A-DATABASE"));
    assert_eq!(code(&folder.path().join("no/where.db"), Role::Target).await, Some("TL-SQLITE-NO-FOLDER"));
    assert!(!missing.exists());
    let error = endpoint(&missing).source(CaptureKind::Trigger).await.err().unwrap();
    assert_eq!(error.code, "TL-SQLITE-NO-FILE");
}
