//! Servers of a test's own: other settings, crashes, and an end with the process that started them.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use tidelock_testkit::lab::{self, Options};
use tidelock_testkit::{Kind, Session, private_server, spawn_guarded};

/// Set for the process that [`said_and_aborted`] starts.
const CHILD: &str = "TIDELOCK_TESTKIT_CHILD";

#[tokio::test]
async fn a_private_server_has_the_settings_asked_for() {
    let options = Options { durable: true, ..Options::default() }.with("wal_level", "replica");
    if let Some(private) = private_server(Kind::Postgres15, options).await {
        let mut admin = private.server.connect().await.unwrap();
        assert_eq!(admin.value("SHOW wal_level").await.unwrap().as_deref(), Some("replica"));
        assert_eq!(admin.value("SHOW fsync").await.unwrap().as_deref(), Some("on"));
    }
    let options = Options::default().with("log-bin-compress", "ON");
    if let Some(private) = private_server(Kind::Mariadb1011, options).await {
        let mut admin = private.server.connect().await.unwrap();
        assert_eq!(admin.value("SELECT @@log_bin_compress").await.unwrap().as_deref(), Some("1"));
    }
    let options = Options::default().with("skip-log-bin", "").with("gtid-mode", "OFF");
    let options = options.with("enforce-gtid-consistency", "OFF");
    if let Some(private) = private_server(Kind::Mysql97, options).await {
        let mut admin = private.server.connect().await.unwrap();
        assert_eq!(admin.value("SELECT @@log_bin").await.unwrap().as_deref(), Some("0"));
    }
}

#[tokio::test]
async fn a_crashed_server_comes_back_at_the_same_url_with_what_was_committed() {
    for kind in [Kind::Postgres18, Kind::Mariadb1011, Kind::Mysql97] {
        let options = Options { durable: true, ..Options::default() };
        let Some(mut private) = private_server(kind, options).await else { continue };
        let db = private.server.fresh_database("crash").await;
        db.execute("CREATE TABLE t (id INT PRIMARY KEY)").await.unwrap();
        db.execute("INSERT INTO t VALUES (7)").await.unwrap();
        let url = db.url.clone();
        let private = tokio::task::spawn_blocking(move || {
            private.crash();
            assert!(blocking_refused(&private.server.url));
            private.restart().unwrap();
            private
        });
        let private = private.await.unwrap();
        let mut session = Session::connect(&url).await.unwrap();
        assert_eq!(session.value("SELECT id FROM t").await.unwrap().as_deref(), Some("7"), "{kind}");
        drop((db, private));
    }
}

fn blocking_refused(url: &str) -> bool {
    let url = url::Url::parse(url).unwrap();
    std::net::TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).is_err()
}

/// What this binary's test `name` says as a process of its own, which ends with `abort`.
fn said_and_aborted(name: &str) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).collect();
    assert!(!child.wait().unwrap().success());
    said
}

#[test]
fn a_private_server_ends_with_the_process_that_started_it() {
    let name = "private::a_private_server_ends_with_the_process_that_started_it";
    if std::env::var_os(CHILD).is_some() {
        let started = lab::start(Kind::Postgres18, Options::default());
        match &started {
            Ok(private) => println!("\nurl {}", private.server.url),
            Err(error) => println!("\nnone {error:#}"),
        }
        // With `started` not dropped: a clean end would prove nothing.
        std::process::abort();
    }
    let said = said_and_aborted(name);
    let Some(url) = said.iter().find_map(|line| line.strip_prefix("url ")) else {
        assert!(std::env::var_os("CI").is_none(), "no private server was started: {said:?}");
        return eprintln!("SKIPPED: no private server was started: {said:?}");
    };
    let begun = std::time::Instant::now();
    while !blocking_refused(url) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{url} still answers");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_guarded_process_ends_with_the_process_that_started_it() {
    if std::env::var_os(CHILD).is_some() {
        let guarded = spawn_guarded(Command::new("sleep").arg("600"), Stdio::null());
        println!("\npid {}", guarded.unwrap().id());
        std::process::abort();
    }
    let said = said_and_aborted("private::a_guarded_process_ends_with_the_process_that_started_it");
    let pid = said.iter().find_map(|line| line.strip_prefix("pid ")).expect("it was started");
    // Who takes an orphan's end may be slow to do so.
    let ended = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    let begun = std::time::Instant::now();
    while !ended() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{pid} still runs");
        std::thread::sleep(Duration::from_millis(5));
    }
}
